"""``python -m tests.simulation``: many seeds, or one with its trace."""

import sys
import time
from collections import Counter
from multiprocessing import Pool
from typing import Annotated

import typer

from tests.simulation.run import Outcome, run_seed


def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to run.")] = 10_000,
    first: Annotated[int, typer.Option(help="The first of them.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Run this one only.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show what happened in it.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes to run them in.")] = 2,
) -> None:
    """Simulate crashes, lost messages, slow stores and clock jumps under seeds, and check the five promises.

    A seed that breaks one is printed with the command that runs it again. The exit code is 1 then.
    """
    if seed is not None:
        outcome = run_seed(seed, keep_trace=trace)
        sys.stdout.writelines(outcome.lines)
        typer.echo(outcome.broken or f"seed {seed} holds: {outcome.told}, trace {outcome.trace_hash[:16]}")
        raise typer.Exit(1 if outcome.broken else 0)
    started_s = time.monotonic()
    outcomes: list[Outcome] = []
    with Pool(workers) as pool:
        for outcome in pool.imap_unordered(run_seed, range(first, first + seeds), chunksize=20):
            outcomes.append(outcome)
            if outcome.broken:
                typer.echo(f"seed {outcome.seed} BROKEN: {outcome.broken}")
                typer.echo(f"  again: python -m tests.simulation --seed {outcome.seed} --trace")
    told: Counter[str] = Counter()
    for outcome in outcomes:
        told.update(outcome.told)
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    typer.echo(
        f"{len(outcomes)} seeds in {time.monotonic() - started_s:.0f} s: {broken} broken; "
        f"{sum(outcome.rows for outcome in outcomes)} commits, "
        f"{sum(outcome.epochs for outcome in outcomes)} take-overs, "
        f"clients were told {dict(sorted(told.items()))}"
    )
    raise typer.Exit(1 if broken else 0)


if __name__ == "__main__":
    typer.run(simulate)
