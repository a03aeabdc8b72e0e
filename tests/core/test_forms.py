"""Goal: the core is the same compiled and as plain Python, and a build of other sources is never run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services import compiled
from services.compiled.build import build, finds_a_compiler

ROOT = Path(__file__).parents[2]
COMMANDS = 5_000
_ASK = "import services.engine.core.book as book; from services import compiled; print(compiled.form(), book.__file__)"

needs_a_compiler = pytest.mark.skipif(not finds_a_compiler(), reason="there is no C compiler here")


def run(form: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, compiled.VARIABLE: form, "PYTHONPATH": str(cwd)}
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=200)


@needs_a_compiler
def test_both_forms_give_the_same_events_and_state() -> None:
    """Every kind of command and order; the digests cover each event and the last state."""
    build()
    plain, other = (
        run(form, "-m", "tests.core.replay", "11", str(COMMANDS)) for form in (compiled.PLAIN, compiled.COMPILED)
    )
    assert (plain.returncode, other.returncode) == (0, 0), plain.stderr + other.stderr
    assert plain.stdout.split()[:2] == other.stdout.split()[:2]


@needs_a_compiler
def test_a_build_runs_only_with_the_sources_it_was_made_of(tmp_path: Path) -> None:
    build()
    copy = tmp_path / "services"
    shutil.copytree(ROOT / "services", copy, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    assert run("", "-c", _ASK, cwd=tmp_path).stdout.startswith(f"compiled {copy / 'compiled' / 'builds'}")
    assert run(compiled.PLAIN, "-c", _ASK, cwd=tmp_path).stdout == f"plain {copy / 'engine' / 'core' / 'book.py'}\n"

    money = copy / "domain" / "orders.py"
    money.write_text(money.read_text() + "\n# A change.\n")
    assert run("", "-c", _ASK, cwd=tmp_path).stdout == f"plain {copy / 'engine' / 'core' / 'book.py'}\n"
    refused = run(compiled.COMPILED, "-c", _ASK, cwd=tmp_path)
    assert refused.returncode != 0
    assert "these sources are not built: make compiled-core" in refused.stderr


def test_a_form_that_does_not_exist_is_refused() -> None:
    refused = run("fast", "-c", _ASK)
    assert refused.returncode != 0
    assert "CROSSBOOK_CORE must be compiled, plain or empty, not 'fast'" in refused.stderr


def test_without_a_compiler_the_build_says_so_and_need_not_fail(tmp_path: Path) -> None:
    services = ROOT / "services"
    shutil.copytree(services, tmp_path / "services", ignore=shutil.ignore_patterns("__pycache__", "builds"))
    command = [sys.executable, "-P", "-m", "services.compiled.build"]
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    for options, code in ((["--if-possible"], 0), ([], 1)):
        done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "there is no C compiler here" in done.stderr
