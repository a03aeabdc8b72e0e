"""``python -m loadtests.overload``: what is left of an exchange that is asked for five times what it can do.

First a closed loop finds the peak. Then an open loop offers a multiple of it: what is accepted must still be at least
80 % of the peak, and everything else must be refused with a definite answer (503, -1008). Then one account floods the
exchange while others trade as they always do: those must get through as if nobody flooded. At last the database stands
still for a moment, now and then, under a load that the exchange can bear: nobody may be refused for that.

The exchange has all cores but the last, peak and overload alike, and the generator has that one: what it costs to ask
for so much is not taken from what is asked. ``--shared`` lets all of them have every core.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import psutil
import typer
import uvloop

from loadtests import results
from loadtests.conditions import CpuMeter, Noise, describe
from loadtests.connection import connect
from loadtests.cores import pinned, split_cores
from loadtests.latencies import Summary, summarize
from loadtests.load import ClosedLoop, Observed, OpenLoop
from loadtests.traffic import DEPOSITS, Traffic
from loadtests.venue import HOST, Trader, Venue, VenueFailed, running_exchange, scratch_directory

GOODPUT_SHARE: Final = 0.8
# What those who do not flood must get through beside one who does.
FAIR_SHARE: Final = 0.95
# What is accepted should take; it may take twice that.
OBJECTIVE_MS: Final = 100.0
DEFINITE: Final = '"code":-1008,'
TRADERS: Final = 50
CONNECTIONS: Final = 256
FLOOD_CONNECTIONS: Final = 400
SEED: Final = 5
SHOWN_CORES: Final = 0.05
# The load of the goal, or less where the peak is not twice that; how long PostgreSQL stands still, and how often.
BEARABLE_PER_S: Final = 500.0
STANDSTILL_S: Final = 0.3
STANDSTILL_EVERY_S: Final = 2.0
_phases = itertools.count(1)


class Phase(msgspec.Struct, frozen=True):
    """One load. ``accepted`` is what was carried out; ``errors`` is what was neither that nor refused definitely."""

    offered_per_s: float | None
    accepted_per_s: float
    refused_per_s: float
    errors: dict[str, int]
    accepted: Summary | None
    # Processors that each process kept busy.
    cores: dict[str, float]


def overload(
    multiple: Annotated[float, typer.Option(min=1, max=50, help="How many times the peak is offered.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, max=300, help="How long each phase is.")] = 20,
    shared: Annotated[bool, typer.Option("--shared", help="Exchange and generator share all cores.")] = False,
    directory: Annotated[Path | None, typer.Option("--results", help="Where results go; nowhere by default.")] = None,
) -> None:
    """Offer too much; exit with 1 if goodput, definiteness or fairness is lost."""
    with scratch_directory() as scratch:
        environment = describe(scratch)
    exchange_cores, generator_cores = (frozenset[int](), frozenset[int]()) if shared else split_cores()
    with contextlib.ExitStack() as stack:
        with pinned(exchange_cores):
            venue = stack.enter_context(running_exchange())
        stack.enter_context(pinned(generator_cores))
        meter = CpuMeter({**venue.roots, "generator": os.getpid()})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            phases = runner.run(_measure(venue, multiple, seconds))
        noise = meter.stop()
        if venue.restarts():
            raise VenueFailed(f"a process of the exchange died under load; see {venue.directory.logs}")
    for name, phase in phases.items():
        latency = "" if phase.accepted is None else f", p50 {phase.accepted.p50_ms} ms, p99 {phase.accepted.p99_ms} ms"
        typer.echo(
            f"{name}: offered {phase.offered_per_s or 'as fast as answered'}, "
            f"accepted {phase.accepted_per_s}/s{latency}, "
            f"refused {phase.refused_per_s}/s, errors {phase.errors or 'none'}, "
            + ", ".join(f"{process} {cores}" for process, cores in phase.cores.items() if cores >= SHOWN_CORES)
        )
    shortcomings = _judge(phases)
    typer.echo("; ".join(shortcomings) or "passed")
    if directory is not None:
        figures: dict[str, Any] = {"phases": msgspec.to_builtins(phases), "noise": msgspec.to_builtins(noise)}
        figures["shortcomings"] = shortcomings
        parameters = {
            "multiple": multiple,
            "seconds": seconds,
            "exchange_cores": sorted(exchange_cores),
            "generator_cores": sorted(generator_cores),
        }
        typer.echo(results.write(directory, results.Result("overload", environment, parameters, figures)))
        # Only who writes results needs the library that draws them.
        from loadtests import plots

        plots.draw(directory)
    if shortcomings:
        sys.exit(1)


def _judge(phases: dict[str, Phase]) -> list[str]:
    shortcomings = []
    peak, flood = phases["peak"], phases["overload"]
    if flood.accepted_per_s < GOODPUT_SHARE * peak.accepted_per_s:
        shortcomings.append(f"goodput fell to {flood.accepted_per_s / peak.accepted_per_s:.0%} of the peak")
    if flood.accepted is not None and flood.accepted.p99_ms > 2 * OBJECTIVE_MS:
        shortcomings.append(f"p99 of what was accepted is {flood.accepted.p99_ms:.0f} ms")
    alone, beside = phases["modest alone"], phases["modest beside a flood"]
    if beside.accepted_per_s < FAIR_SHARE * alone.accepted_per_s:
        shortcomings.append(f"beside a flood others got {beside.accepted_per_s / alone.accepted_per_s:.0%}")
    if beside.accepted is not None and beside.accepted.p99_ms > 2 * OBJECTIVE_MS:
        shortcomings.append(f"beside a flood p99 of others is {beside.accepted.p99_ms:.0f} ms")
    still = phases["standing still"]
    if still.refused_per_s:
        shortcomings.append(f"{still.refused_per_s}/s were refused because the database stood still for a moment")
    # What the flooder is told besides (too many open orders, say) is its own affair.
    shortcomings += [f"{name}: {phase.errors}" for name, phase in phases.items() if phase.errors and name != "flood"]
    return shortcomings


async def _measure(venue: Venue, multiple: float, seconds: float) -> dict[str, Phase]:
    traders = await asyncio.to_thread(venue.open_accounts, TRADERS + 1, DEPOSITS)
    flooder, others = traders[0], traders[1:]
    peak = await _closed(venue, others, CONNECTIONS // 4, seconds)
    offered = max(1.0, peak.accepted_per_s * multiple)
    phases = {"peak": peak, "overload": await _open(venue, others, offered, CONNECTIONS * 4, seconds)}
    # What a tenth of the peak needs is there beside any flood.
    modest = max(1.0, peak.accepted_per_s / 10)
    phases["modest alone"] = await _open(venue, others, modest, CONNECTIONS // 4, seconds)
    flood = asyncio.create_task(_closed(venue, [flooder], FLOOD_CONNECTIONS, seconds + 1))
    await asyncio.sleep(0.5)
    phases["modest beside a flood"] = await _open(venue, others, modest, CONNECTIONS // 4, seconds)
    phases["flood"] = await flood
    stopping = asyncio.create_task(_stand_still(venue.roots["postgres"]))
    phases["standing still"] = await _open(
        venue, others, min(BEARABLE_PER_S, peak.accepted_per_s / 2), CONNECTIONS, seconds
    )
    stopping.cancel()
    return phases


async def _stand_still(postgres_pid: int) -> None:
    """Stop every process of the server for a moment, again and again, as storage that does not answer would."""
    while True:
        await asyncio.sleep(STANDSTILL_EVERY_S)
        # In a thread, so that it is not cancelled in between.
        await asyncio.to_thread(_stand_still_once, psutil.Process(postgres_pid))


def _stand_still_once(root: psutil.Process) -> None:
    processes = [root, *root.children(recursive=True)]
    for what in (signal.SIGSTOP, signal.SIGCONT):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(what)
        if what is signal.SIGSTOP:
            time.sleep(STANDSTILL_S)


async def _closed(venue: Venue, traders: list[Trader], count: int, seconds: float) -> Phase:
    connections = await connect(HOST, venue.port, count)
    meter = CpuMeter(venue.roots)
    observed = await ClosedLoop(connections, _traffic(traders).order_entry).run(seconds)
    noise = meter.stop()
    for connection in connections:
        connection.close()
    return _phase(None, observed, noise)


async def _open(venue: Venue, traders: list[Trader], rate: float, count: int, seconds: float) -> Phase:
    connections = await connect(HOST, venue.port, count)
    # What waits for a connection here waits with the client; the exchange answers for what it was sent.
    load = OpenLoop(connections, _traffic(traders).order_entry, rate, SEED, counts_from_due=False)
    meter = CpuMeter(venue.roots)
    observed = await load.run(seconds)
    noise = meter.stop()
    for connection in connections:
        connection.close()
    return _phase(rate, observed, noise)


def _traffic(traders: list[Trader]) -> Traffic:
    return Traffic(traders, SEED, first_number=next(_phases) * 10_000_000)


def _phase(rate: float | None, observed: Observed, noise: Noise) -> Phase:
    accepted = [latency_us for of_kind in observed.latencies_us.values() for latency_us in of_kind]
    refused = sum(count for what, count in observed.errors.items() if what.endswith(" 503"))
    errors = {what: count for what, count in observed.errors.items() if not what.endswith(" 503")}
    if any(" 503 " in sample and DEFINITE not in sample for sample in observed.samples):
        errors["503 that is not -1008"] = refused
    return Phase(
        rate and round(rate, 1),
        round(len(accepted) / observed.seconds, 1),
        round(refused / observed.seconds, 1),
        errors,
        summarize(accepted),
        {**noise.cores, "others": noise.foreign_cores},
    )


if __name__ == "__main__":
    typer.run(overload)
