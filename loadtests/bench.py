"""``python -m loadtests.bench``: measure, write the results, draw the plots.

Everything runs on loopback against servers of its own, in a scratch directory. Each scenario is bounded in time and in
the number of its tries.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import uvloop

from loadtests import core, fanout, plots, profiling, public, recovery, results, route, stalls
from loadtests.conditions import database_version, describe, wait_for_calm
from loadtests.public import Bench
from loadtests.venue import VenueFailed, running_exchange, scratch_directory

Figures = dict[str, Any]


class Scenario(StrEnum):
    CORE = "core"
    OPEN_LOOP = "open_loop"
    CAPACITY = "capacity"
    ROUTE = "route"
    RECOVERY = "recovery"
    SNAPSHOTS = "snapshots"
    FANOUT = "fanout"
    PROFILE = "profile"


class Plan(msgspec.Struct, frozen=True):
    """How much of everything."""

    tries: int
    patience_s: float
    rate: float = 500.0
    open_loop_s: float = 60.0
    connection_counts: tuple[int, ...] = (1, 8, 32, 64, 128)
    step_rates: tuple[float, ...] = (500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0)
    step_s: float = 8.0
    route_rounds: int = 5
    route_connections: int = 64
    route_s: float = 6.0
    core_commands: int = 200_000
    core_passes: int = 7
    open_orders: int = 100_000
    tail_commands: int = 100_000
    tail_parcel: int = 16
    snapshot_s: float = 20.0
    profile_s: float = 15.0
    subscribers: int = 2_000
    fanout_rates: tuple[float, ...] = (20.0, 50.0, 100.0, 200.0)
    screens: int = 50
    fanout_s: float = 15.0


QUICK: Final = Plan(
    tries=1,
    patience_s=0.0,
    rate=100.0,
    open_loop_s=3.0,
    connection_counts=(1, 8),
    step_rates=(100.0,),
    step_s=1.0,
    route_rounds=1,
    route_s=2.0,
    core_commands=5_000,
    core_passes=1,
    open_orders=1_000,
    tail_commands=1_000,
    snapshot_s=3.0,
    profile_s=2.0,
    subscribers=50,
    fanout_rates=(50.0,),
    screens=5,
    fanout_s=2.0,
)


def bench(
    only: Annotated[
        list[Scenario] | None, typer.Option("--only", help="A scenario to run; may be repeated. Default: all.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--results", help="Where results go. Default: named after date and commit.")
    ] = None,
    tries: Annotated[int, typer.Option(min=1, max=10, help="How often a run is repeated to find a calm one.")] = 3,
    patience: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to wait before each run for an idle machine.")
    ] = 60.0,
    quick: Annotated[
        bool, typer.Option("--quick", help="See that everything works; the figures mean nothing.")
    ] = False,
    draw_only: Annotated[bool, typer.Option("--draw", help="Only draw the plots of --results again.")] = False,
) -> None:
    """Measure how fast Crossbook is on this machine: about 20 minutes for everything, two with --quick.

    Results go to loadtests/results/, one JSON file per scenario, with plots. docs/performance.md explains the figures.
    """
    with scratch_directory() as scratch:
        environment = describe(scratch)
    directory = directory or results.default_directory(environment)
    plan = QUICK if quick else Plan(tries, patience)
    for scenario in [] if draw_only else only or list(Scenario):
        typer.echo(f"{scenario} …")
        if not wait_for_calm(plan.patience_s):
            typer.echo("  the machine is busy: the figures will be worse than they could be")
        figures = _SCENARIOS[scenario](plan)
        result = results.Result(scenario, environment, msgspec.to_builtins(plan), figures)
        typer.echo(f"  {results.write(directory, result)}")
    for path in plots.draw(directory):
        typer.echo(f"  {path}")


def _core(plan: Plan) -> Figures:
    return core.measure(plan.core_commands, plan.core_passes, plan.open_orders)


def _open_loop(plan: Plan) -> Figures:
    return _on_exchange(plan, lambda bench: public.measure_open_loop(bench, plan.rate, plan.open_loop_s, plan.tries))


def _capacity(plan: Plan) -> Figures:
    return _on_exchange(
        plan,
        lambda bench: public.measure_capacity(bench, plan.connection_counts, plan.step_rates, plan.step_s, plan.tries),
    )


def _route(plan: Plan) -> Figures:
    return _on_exchange(
        plan, lambda bench: route.measure(bench, plan.route_rounds, plan.route_connections, plan.route_s)
    )


def _recovery(plan: Plan) -> Figures:
    return recovery.measure(plan.open_orders, plan.tail_commands, plan.tail_parcel, plan.tries)


def _snapshots(plan: Plan) -> Figures:
    return stalls.measure(plan.open_orders, plan.snapshot_s, plan.tries)


def _fanout(plan: Plan) -> Figures:
    return _on_exchange(
        plan,
        lambda bench: fanout.measure(
            bench, plan.subscribers, plan.fanout_rates, plan.screens, plan.rate, plan.fanout_s, plan.tries
        ),
    )


def _profile(plan: Plan) -> Figures:
    return _on_exchange(plan, lambda bench: profiling.measure(bench, plan.profile_s))


def _on_exchange(plan: Plan, measure: Callable[[Bench], Awaitable[Figures]]) -> Figures:
    """Measure a new exchange, then make sure that it survived and that its books balance."""

    async def run() -> Figures:
        bench = await public.prepare(venue, plan.patience_s)
        figures = await measure(bench)
        if venue.restarts():
            raise VenueFailed(f"a process of the exchange died under load; see {venue.directory.logs}")
        verified = await venue.verify()
        return {**figures, "verified": verified, "postgresql": await database_version(venue.state.database_url)}

    with running_exchange() as venue, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


_SCENARIOS: Final[dict[Scenario, Callable[[Plan], Figures]]] = {
    Scenario.CORE: _core,
    Scenario.OPEN_LOOP: _open_loop,
    Scenario.CAPACITY: _capacity,
    Scenario.ROUTE: _route,
    Scenario.RECOVERY: _recovery,
    Scenario.SNAPSHOTS: _snapshots,
    Scenario.FANOUT: _fanout,
    Scenario.PROFILE: _profile,
}


if __name__ == "__main__":
    typer.run(bench)
