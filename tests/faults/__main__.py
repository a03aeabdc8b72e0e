"""``python -m tests.faults``: real chaos in full, with progress, and its result as JSON (``make chaos``).

Runs the same tests as ``make test`` does, longer. Exits with pytest's code: 1 if a promise was broken.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from loadtests import plots, results
from loadtests.conditions import describe
from tests.faults.report import VARIABLE

FULL = {
    "CROSSBOOK_CUT_S": "30",
    "CROSSBOOK_FULL_S": "20",
    "CROSSBOOK_EXHAUSTED_S": "10",
    "CROSSBOOK_REDIS_GONE_S": "20",
    "CROSSBOOK_SLOW_CLIENTS": "100",
    "CROSSBOOK_MOVEMENTS": "10000",
}


def chaos(
    kills: Annotated[int, typer.Option(min=8, help="How many processes are killed under trading.")] = 200,
    seed: Annotated[int, typer.Option(help="Draws who is killed when, and what traders do.")] = 20261130,
    quick: Annotated[bool, typer.Option("--quick", help="As short as in `make test`.")] = False,
    only: Annotated[str, typer.Option(help="Scenarios, as by pytest's -k: kills, network, disk, …")] = "",
    directory: Annotated[
        Path | None, typer.Option("--results", help="Where the result goes; nowhere by default.")
    ] = None,
) -> None:
    """Kill, cut, fill, exhaust, flush and skew an exchange under load, then check everything that anybody was told."""
    started_s = time.monotonic()
    lengths = {} if quick else {**FULL, "CROSSBOOK_KILLS": str(kills)}
    with tempfile.TemporaryDirectory() as scratch:
        environment = describe(Path(scratch))
        command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "tests/faults", "tests/money"]
        finished = subprocess.run(
            [*command, *(("-k", only) if only else ())],
            env={**os.environ, **lengths, "CROSSBOOK_CHAOS_SEED": str(seed), VARIABLE: scratch},
            check=False,
        )
        scenarios = {path.stem: msgspec.json.decode(path.read_bytes()) for path in sorted(Path(scratch).glob("*.json"))}
    seconds = round(time.monotonic() - started_s)
    figures = {
        "holds": finished.returncode == 0,
        "seconds": seconds,
        "totals": totals(scenarios),
        "scenarios": scenarios,
    }
    typer.echo(f"\n{seconds} s, {'every promise held' if figures['holds'] else 'BROKEN'}: {figures['totals']}")
    if directory is not None:
        parameters = {"kills": kills, "seed": seed, "quick": quick, "only": only}
        typer.echo(results.write(directory, results.Result("chaos", environment, parameters, figures)))
        plots.draw(directory)
    raise typer.Exit(finished.returncode)


def totals(scenarios: dict[str, Any]) -> dict[str, Any]:
    """Of what scenarios counted alike."""
    names = (
        "acknowledged",
        "fills",
        "cancels",
        "refused",
        "not_sent",
        "unknown",
        "unknown_applied",
        "settled_by_asking",
    )
    return {
        **{name: sum(scenario.get(name, 0) for scenario in scenarios.values()) for name in names},
        "longest_pause_s": max((scenario.get("longest_pause_s", 0) for scenario in scenarios.values()), default=0),
    }


if __name__ == "__main__":
    typer.run(chaos)
