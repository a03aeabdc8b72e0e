"""``python -m tests.fuzz.guided --seconds 60``: the parsers' property tests, led by coverage instead of chance.

atheris watches which branches of ``services`` an input reaches and changes those that reached something new; Hypothesis
turns its bytes into the tests' examples, so both look for the same things. Each test runs in a process of its own. It
has wheels for Linux on x86-64 only and is no part of the development environment: ``make fuzz-guided`` adds it.
"""

import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

_ONE: Final = "--one"
_EXECUTED: Final = re.compile(r"number_of_executed_units: (\d+)")
_COVERED: Final = re.compile(r"cov: (\d+)")
# To load and instrument the services, and to end, on a busy machine.
GRACE_S: Final = 600


def guided(
    seconds: Annotated[int, typer.Option(min=1, help="For each test.")] = 60,
    only: Annotated[str, typer.Option(help="Tests whose name holds this.")] = "",
) -> None:
    """Fuzz every parser; exit with 1 if one raised what it must not. Its input is kept in the working directory."""
    failed = []
    for name in (name for name in _names() if only in name):
        with tempfile.TemporaryDirectory() as corpus:
            limits = (f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=4096", "-timeout=60")
            command = (sys.executable, "-m", "tests.fuzz.guided", _ONE, name, *limits, corpus)
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_S, check=False)
        executed, covered = _EXECUTED.findall(done.stderr), _COVERED.findall(done.stderr)
        typer.echo(f"{name}: {(executed or ['?'])[-1]} inputs, {(covered or ['?'])[-1]} branches")
        if done.returncode:
            failed.append(name)
            typer.echo(f"{done.stdout[-3000:]}{done.stderr[-6000:]}")
    if failed:
        typer.echo(f"failed: {', '.join(failed)}")
        raise typer.Exit(1)


def _names() -> list[str]:
    source = (Path(__file__).parent / "test_parsers.py").read_text()
    return re.findall(r"^@given\(.*?^def (test_\w+)", source, re.DOTALL | re.MULTILINE)


def _fuzz_one(name: str, arguments: list[str]) -> None:
    """Never returns: atheris ends the process."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["services"]):
        from tests.fuzz import test_parsers
    atheris.Setup([sys.argv[0], *arguments], getattr(test_parsers, name).hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    if _ONE in sys.argv[1:2]:
        _fuzz_one(sys.argv[2], sys.argv[3:])
    typer.run(guided)
