"""Snapshot stall: what taking snapshots of 100,000 open orders does to the latency of commands meanwhile.

Parcels come at random times over one connection, as from one gateway, and latency counts from the due time. The same
load meets an engine that takes no snapshots and one that takes one every two seconds (five times as often as by
default). A snapshot is under way while the engine has a child process. The fork itself, which is all that the engine
stands still for, is timed apart in a process of the same size that does nothing else.
"""

import asyncio
import gc
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil

from loadtests import driver
from loadtests.conditions import CpuMeter
from loadtests.connection import connect
from loadtests.core import as_the_engine_does
from loadtests.latencies import summarize
from loadtests.recovery import ACCOUNTS, NO_SNAPSHOTS, SEED, SPREAD, filled_venue
from loadtests.tape import Tape
from loadtests.venue import HOST, EngineVenue

PARCEL: Final = 3
RATE: Final = 150.0
WARM_UP_S: Final = 3.0
WATCH_S: Final = 0.01
FORKS: Final = 30
OFTEN: Final = {"CROSSBOOK_SNAPSHOT_INTERVAL_S": "2", "CROSSBOOK_SNAPSHOT_MINIMUM_BATCHES": "1"}


def measure(open_orders: int, seconds: float, tries: int) -> dict[str, Any]:
    with filled_venue(open_orders) as (venue, tape):
        without, with_snapshots = [], []
        for number in range(tries):
            without.append(_run(venue, tape, open_orders, NO_SNAPSHOTS, seconds, 2 * number))
            with_snapshots.append(_run(venue, tape, open_orders, OFTEN, seconds, 2 * number + 1))
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        forks = pool.apply(fork_pauses, (open_orders,))
    return {"without_snapshots": without, "with_snapshots": with_snapshots, "fork": forks}


def _run(
    venue: EngineVenue, tape: Tape, open_orders: int, environment: dict[str, str], seconds: float, seed: int
) -> dict[str, Any]:
    venue.start_engine(environment)
    commands = tape.flow(int(RATE * PARCEL * (seconds + WARM_UP_S) * 1.3), open_orders=open_orders, spread=SPREAD)
    meter = CpuMeter(venue.roots)
    run = asyncio.run(_drive(venue, driver.parcels(commands, PARCEL), seconds + WARM_UP_S, seed))
    noise = meter.stop()
    # The rest of the tape goes in as well: it must stay what the engine has seen.
    asyncio.run(driver.send_all(venue.port, commands[len(run.observed) * PARCEL :], 256))
    venue.stop_engine()
    counted = [(due_s, latency_us) for due_s, latency_us in run.observed if due_s >= WARM_UP_S]
    during = [latency_us for due_s, latency_us in counted if run.is_during_snapshot(due_s, latency_us)]
    return {
        "latency": summarize(latency_us for _, latency_us in counted),
        "latency_during_snapshots": summarize(during),
        "snapshots": len(run.snapshots),
        "snapshot_s": round(sum(end_s - start_s for start_s, end_s in run.snapshots) / max(1, len(run.snapshots)), 3),
        "noise": noise,
    }


class _Run:
    """What one run observed; all times are seconds since its start."""

    def __init__(self) -> None:
        self.observed: list[tuple[float, int]] = []
        self.snapshots: list[tuple[float, float]] = []

    def is_during_snapshot(self, due_s: float, latency_us: int) -> bool:
        answered_s = due_s + latency_us / 1_000_000
        return any(start_s - WATCH_S < answered_s and due_s < end_s for start_s, end_s in self.snapshots)


async def _drive(venue: EngineVenue, contents: Iterator[bytes], seconds: float, seed: int) -> _Run:
    (connection,) = await connect(HOST, venue.port, 1)
    run = _Run()
    watching = asyncio.create_task(_watch_snapshots(venue.pid, run.snapshots))
    run.observed = await driver.Paced(connection, contents, RATE, seed).run(seconds)
    watching.cancel()
    connection.close()
    return run


async def _watch_snapshots(engine_pid: int, snapshots: list[tuple[float, float]]) -> None:
    """Note when the engine has a child; Linux says so in one small file."""
    children = Path(f"/proc/{engine_pid}/task/{engine_pid}/children")
    started_s = time.perf_counter()
    since_s: float | None = None
    while True:
        has_child = bool(children.read_text())  # noqa: ASYNC240 (no disk behind it)
        now_s = time.perf_counter() - started_s
        if has_child and since_s is None:
            since_s = now_s
        elif not has_child and since_s is not None:
            snapshots.append((since_s, now_s))
            since_s = None
        await asyncio.sleep(WATCH_S)


def fork_pauses(open_orders: int) -> dict[str, Any]:
    """Fork as the engine does, with children that end at once; how long the parent stood still each time."""
    tape = Tape(SEED, ACCOUNTS)
    tape.markets()
    tape.deposits()
    for _ in range(open_orders // 100):
        tape.resting(100, spread=SPREAD)
    as_the_engine_does()
    pauses_us = []
    for _ in range(FORKS):
        started_s = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        pauses_us.append(int((time.perf_counter() - started_s) * 1_000_000))
        os.waitpid(pid, 0)
    gc.unfreeze()
    resident_mib = psutil.Process().memory_info().rss // 2**20
    return {"resident_mib": resident_mib, "pause": summarize(pauses_us)}
