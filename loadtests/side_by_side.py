"""``python -m loadtests.side_by_side``: Crossbook beside what else one could run, on the same tape, in the same run.

Every contender is started in turn on the same cores, the generator keeps to another, rounds alternate and each begins
with a new exchange. Three questions: orders a second at some numbers of connections, orders a second as the book grows,
and how many acknowledged orders are gone after all its processes were killed. A contender that is not installed is
named with how to get it, and left out.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer
import uvloop

from loadtests import plots, results
from loadtests.conditions import CpuMeter, describe, wait_for_calm
from loadtests.cores import pinned, split_cores
from loadtests.latencies import summarize
from loadtests.rivals.contender import Contender, kill, wait_until_gone
from loadtests.rivals.crossbook import Crossbook
from loadtests.rivals.order_matching import OrderMatching, OrderMatchingEachSecond
from loadtests.rivals.player import Played, Player, Unexpected, ask
from loadtests.rivals.table import TABLE, write_table
from loadtests.rivals.tape import Step, Tape
from loadtests.rivals.viabtc import ViaBtc
from loadtests.venue import VenueFailed, scratch_directory

CONTENDERS: Final[tuple[type[Contender], ...]] = (Crossbook, OrderMatching, OrderMatchingEachSecond, ViaBtc)
SEED: Final = 11
KILL_CONNECTIONS: Final = 16
GROWTH_CONNECTIONS: Final = 16
# The kill comes before all of these have been sent, so that it finds a contender at work, even one that refuses many.
STEPS_PER_ACKNOWLEDGED: Final = 20
REFUSED_PAUSE_S: Final = 1.0
TOO_LONG: Final = "it took too long"

Figures = dict[str, Any]
T = TypeVar("T")


class Plan(msgspec.Struct, frozen=True):
    """How much of everything; ``steps`` for each number of connections."""

    rounds: int = 3
    steps: tuple[tuple[int, int], ...] = ((1, 1_000), (16, 4_000), (64, 4_000))
    limit_s: float = 40.0
    resting: int = 1_000
    sizes: tuple[int, ...] = (1_000, 5_000, 10_000, 20_000)
    growth_steps: int = 1_500
    fill_limit_s: float = 240.0
    acknowledged: int = 3_000
    patience_s: float = 60.0
    contender_cores: frozenset[int] = frozenset()
    generator_cores: frozenset[int] = frozenset()


QUICK: Final = Plan(
    rounds=1,
    steps=((1, 100), (8, 200)),
    limit_s=10.0,
    resting=300,
    sizes=(200, 400),
    growth_steps=100,
    acknowledged=100,
    patience_s=0.0,
)


def side_by_side(
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A contender whose name begins so; may be repeated.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--results", help="Where results go. Default: named after date and commit.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Alternating rounds, each with new exchanges.")] = 3,
    patience: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for an idle machine.")] = 60.0,
    shared: Annotated[bool, typer.Option("--shared", help="Contender and generator share all cores.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="See that everything works; figures mean nothing.")] = False,
) -> None:
    """Play Crossbook and its alternatives the same tape, about 15 minutes; write JSON, plots and a Markdown table."""
    contender_cores, generator_cores = (frozenset(), frozenset()) if shared else split_cores()
    plan = msgspec.structs.replace(
        QUICK if quick else Plan(rounds=rounds, patience_s=patience),
        contender_cores=contender_cores,
        generator_cores=generator_cores,
    )
    chosen = [kind for kind in CONTENDERS if not only or any(kind.name.lower().startswith(one.lower()) for one in only)]
    skipped = {kind.name: reason for kind in chosen if (reason := kind.unavailable())}
    for name, reason in skipped.items():
        typer.echo(f"without {name}: {reason}")
    with scratch_directory() as scratch, pinned(generator_cores):
        environment = describe(scratch)
        figures = compare([kind for kind in chosen if kind.name not in skipped], plan, scratch)
    directory = directory or results.default_directory(environment)
    result = results.Result("side_by_side", environment, msgspec.to_builtins(plan), {**figures, "skipped": skipped})
    typer.echo(f"  {results.write(directory, result)}")
    growth = results.Result("side_by_side_growth", environment, msgspec.to_builtins(plan), figures["growth"])
    results.write(directory, growth)
    for path in plots.draw(directory):
        typer.echo(f"  {path}")
    typer.echo(f"  {write_table(directory)}\n\n{(directory / TABLE).read_text()}")
    if Crossbook.name in "".join(figures["differences"]):
        raise typer.Exit(1)


def compare(kinds: Sequence[type[Contender]], plan: Plan, scratch: Path) -> Figures:
    """Everything about all contenders, and in which ways they did not do what the tape asks of them."""
    figures: Figures = {
        "contenders": {kind.name: _about(kind) for kind in kinds},
        "rounds": {kind.name: [] for kind in kinds},
        "growth": {},
        "kills": {},
        "differences": [],
    }
    started = _Starter(plan, scratch)
    for number in range(plan.rounds):
        # Whoever begins one round ends the next.
        for kind in kinds if number % 2 == 0 else reversed(kinds):
            typer.echo(f"round {number + 1}: {kind.name} …")
            runs = started.run(kind, functools.partial(_speed, plan=plan, seed=SEED + number))
            figures["rounds"][kind.name].append(runs)
        figures["differences"] += _differences(kinds, figures["rounds"], number)
    for kind in kinds:
        typer.echo(f"growth: {kind.name} …")
        points = figures["growth"][kind.name] = started.run(kind, lambda contender: _growth(contender, plan))
        figures["differences"] += [
            f"{kind.name}: {point['resting']} orders could not be made to rest ({point['failure']})"
            for point in points
            if not point["reached"]
        ]
    for kind in kinds:
        typer.echo(f"kill: {kind.name} …")
        figures["kills"][kind.name] = started.run(kind, lambda contender: _survival(contender, plan))
    return figures


class _Starter:
    """Starts contenders where they belong, one at a time, each in a directory of its own."""

    def __init__(self, plan: Plan, scratch: Path) -> None:
        self._plan = plan
        self._scratch = scratch
        self._count = 0

    def run(self, kind: type[Contender], measure: Callable[[Contender], T]) -> T:
        self._count += 1
        root = self._scratch / f"{self._count}"
        # A database server runs as another user when we are root, and must be able to pass.
        root.mkdir(mode=0o711)
        contender = kind(root)
        try:
            with pinned(self._plan.contender_cores):
                contender.start()
            wait_for_calm(self._plan.patience_s) if self._plan.patience_s else None
            return measure(contender)
        finally:
            contender.stop()


def _speed(contender: Contender, *, plan: Plan, seed: int) -> list[Figures]:
    tape = Tape(seed)
    if failure := _fill(contender, tape.resting(plan.resting), plan.fill_limit_s):
        raise VenueFailed(f"{contender.name}: {plan.resting} resting orders: {failure}")
    runs = []
    for count, steps in plan.steps:
        run = _play(contender, tape.flow(steps), count, plan.limit_s)
        # On one connection there is one order of events, so what is left in the book can be compared one by one.
        run["left"] = sorted(contender.survivors()) if count == 1 and run["complete"] else None
        runs.append(run)
    return runs


def _play(contender: Contender, steps: Sequence[Step], connections: int, limit_s: float) -> Figures:
    player = Player(contender.dialect, contender.port)
    meter = CpuMeter(contender.roots)
    played = _awaited(player.play(steps, connections, limit_s))
    noise = meter.stop()
    executed = played.executed_steps + played.beat_executed_steps
    unmatched = list(played.beat_errors)
    try:
        executed += contender.settle()
    except Unexpected as error:
        unmatched.append(str(error))
    used_cores = sum(cores for name, cores in noise.cores.items() if name != "generator")
    return {
        "connections": connections,
        "steps": played.steps,
        "complete": played.steps + sum(played.errors.values()) == len(steps),
        "per_s": round(played.per_s, 1),
        "processor_us": round(used_cores * noise.seconds / max(1, played.steps) * 1_000_000, 1),
        "latency": summarize(played.latencies_us),
        "expected": played.expected_steps,
        "executed": executed,
        "too_late": played.too_late,
        "errors": dict(played.errors),
        "unmatched": unmatched,
        "samples": played.samples,
        "noise": noise,
    }


def _growth(contender: Contender, plan: Plan) -> list[Figures]:
    """At each size of the book; ends with the first that could not be filled in time."""
    tape, resting, points = Tape(SEED), 0, []
    for size in plan.sizes:
        if failure := _fill(contender, tape.resting(size - resting), plan.fill_limit_s):
            points.append({"resting": size, "reached": False, "failure": failure})
            break
        resting = size
        run = _play(contender, tape.flow(plan.growth_steps), GROWTH_CONNECTIONS, plan.limit_s)
        points.append({"resting": size, "reached": True, **run})
    return points


def _survival(contender: Contender, plan: Plan) -> Figures:
    """Kill every process at the moment when the last order is acknowledged, start it again, and look what is there."""
    processes = contender.processes()

    def acknowledged(played: Played) -> bool:
        if len(played.placed) < plan.acknowledged:
            return False
        kill(processes)
        return True

    steps = Tape(SEED).resting(plan.acknowledged * STEPS_PER_ACKNOWLEDGED)
    played = _awaited(
        Player(contender.dialect, contender.port, acknowledged).play(steps, KILL_CONNECTIONS, plan.fill_limit_s)
    )
    if len(played.placed) < plan.acknowledged:
        raise VenueFailed(f"{contender.name} acknowledged {len(played.placed)} orders: {played.samples}")
    wait_until_gone(processes)
    with pinned(frozenset(plan.contender_cores)):
        contender.restart()
    survivors = contender.survivors()
    lost = sum(number not in survivors for number in played.placed)
    return {"acknowledged": len(played.placed), "seconds": round(played.seconds, 3), "lost": lost}


def _fill(contender: Contender, steps: Sequence[Step], limit_s: float) -> str:
    """Have these orders rest; what kept them from it, or nothing."""
    batches = contender.dialect.batches(steps)
    return _place(contender, steps, limit_s) if batches is None else _awaited(_send(contender, batches, limit_s))


async def _send(contender: Contender, batches: Sequence[bytes], limit_s: float) -> str:
    try:
        async with asyncio.timeout(limit_s):
            for batch in batches:
                await ask(contender.port, batch)
    except (TimeoutError, Unexpected) as error:
        return str(error) or TOO_LONG
    return ""


def _place(contender: Contender, steps: Sequence[Step], limit_s: float) -> str:
    """One by one; some contenders refuse what comes faster than they can store it."""
    ends_s = time.monotonic() + limit_s
    left = list(steps)
    while time.monotonic() < ends_s:
        player = Player(contender.dialect, contender.port)
        played = _awaited(player.play(left, GROWTH_CONNECTIONS, ends_s - time.monotonic()))
        placed = set(played.placed)
        left = [step for step in left if step.number not in placed]
        if not left:
            return ""
        if not placed:
            return "; ".join(played.samples) or TOO_LONG
        time.sleep(REFUSED_PAUSE_S)
    return TOO_LONG


def _differences(kinds: Sequence[type[Contender]], rounds: dict[str, list[Any]], number: int) -> list[str]:
    """What was executed against what the tape asks for, and the book that is left against Crossbook's."""
    found = []
    reference = rounds[Crossbook.name][number] if Crossbook in kinds else None
    for kind in kinds:
        for index, run in enumerate(rounds[kind.name][number]):
            where = f"round {number + 1}, {kind.name}, {run['connections']} connections"
            if not run["executed"]:
                found.append(f"{where}: nothing was executed")
            if run["unmatched"]:
                count, sample = len(run["unmatched"]), run["unmatched"][0]
                found.append(f"{where}: matching what was accepted failed {count} times ({sample})")
            if not kind.executes_alike or run["errors"] or run["unmatched"]:
                continue
            if run["executed"] != run["expected"]:
                found.append(f"{where}: executed {run['executed']} instead of {run['expected']}")
            if reference is not None and None not in (run["left"], reference[index]["left"]):
                differing = set(run["left"]) ^ set(reference[index]["left"])
                found += [f"{where}: {len(differing)} orders rest in one book only"] if differing else []
    return found


def _about(kind: type[Contender]) -> Figures:
    return {
        "version": kind.version,
        "source": kind.source,
        "conditions": kind.conditions,
        "claims": msgspec.to_builtins(kind.claims),
        "executes_alike": kind.executes_alike,
    }


def _awaited(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


if __name__ == "__main__":
    typer.run(side_by_side)
