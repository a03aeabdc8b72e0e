"""What the order route costs beside a route that does nothing, on the same core, in the same run, in turns.

The server under test has one core to itself: the trading process, or an empty FastAPI route (``loadtests.empty``) with
the same uvicorn settings. Engine, PostgreSQL, Redis and the load generator have the other. Both get the same bytes:
signed orders in a form, over the same number of connections, each sending its next when it has its answer.

``rate_at_full_core`` is what the core would carry if nothing else held it back: a second of processor time, divided by
what a request takes of it. The rate that was answered is less when the other core, which has more to do, is full.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import msgspec
import psutil

from loadtests import empty
from loadtests.conditions import CpuMeter
from loadtests.connection import Connection, connect
from loadtests.latencies import Summary, summarize
from loadtests.load import ClosedLoop
from loadtests.public import SEED, Bench
from loadtests.traffic import Kind, Request, Traffic
from loadtests.venue import HOST, INTERNAL_TOKEN, START_TIMEOUT_S, VenueFailed, end, environment_with, free_port

ORDER_PATH: Final = b"/api/v3/order"
WARM_UP_S: Final = 1.0
# The same headers and body, and nothing behind them.
_EMPTY_PATH: Final = empty.PATH.encode()


class Measured(msgspec.Struct, frozen=True):
    """One server in one round."""

    answered_per_s: float
    processor_us: float
    kernel_us: float
    core_used: float
    latency: Summary | None
    errors: dict[str, int]
    foreign_cores: float

    @property
    def rate_at_full_core(self) -> float:
        return 1e6 / self.processor_us


async def measure(bench: Bench, rounds: int, connections: int, seconds: float) -> dict[str, Any]:
    """Both servers in turns; ratios are medians over the rounds."""
    trading_pid = bench.roots["trading"]
    with _empty_server() as (port, empty_pid), _apart(bench.roots, trading_pid, empty_pid):
        traffic = await bench.fresh_books(SEED)
        orders = await connect(HOST, bench.port, connections)
        nothings = await connect(HOST, port, connections)
        pairs = []
        for _ in range(rounds):
            nothing = await _run(nothings, _aimed_at_nothing(traffic), empty_pid, seconds)
            pairs.append((nothing, await _run(orders, traffic.placing, trading_pid, seconds)))
        for connection in (*orders, *nothings):
            connection.close()
    return {
        "connections": connections,
        "empty_route": [_told(nothing) for nothing, _ in pairs],
        "order_route": [_told(order) for _, order in pairs],
        "empty_processor_us": median(nothing.processor_us for nothing, _ in pairs),
        "order_processor_us": median(order.processor_us for _, order in pairs),
        "ratio_of_rates": round(median(order.answered_per_s / nothing.answered_per_s for nothing, order in pairs), 3),
        "ratio_at_full_core": round(median(nothing.processor_us / order.processor_us for nothing, order in pairs), 3),
    }


def _told(measured: Measured) -> dict[str, Any]:
    return {**msgspec.to_builtins(measured), "rate_at_full_core": round(measured.rate_at_full_core)}


def _aimed_at_nothing(traffic: Traffic) -> Callable[[], Request]:
    def next_request() -> Request:
        request = traffic.placing()
        # TAKER: whatever comes back, no order rests.
        return request._replace(kind=Kind.TAKER, content=request.content.replace(ORDER_PATH, _EMPTY_PATH, 1))

    return next_request


async def _run(connections: list[Connection], choose: Callable[[], Request], pid: int, seconds: float) -> Measured:
    await ClosedLoop(connections, choose).run(WARM_UP_S)
    meter = CpuMeter({"server": pid})
    observed = await ClosedLoop(connections, choose).run(seconds)
    noise = meter.stop()
    answered_per_s = observed.answered / observed.seconds
    latencies = observed.latencies_us
    return Measured(
        answered_per_s=round(answered_per_s, 1),
        processor_us=round(noise.cores["server"] / answered_per_s * 1e6, 1),
        kernel_us=round(noise.kernel_cores["server"] / answered_per_s * 1e6, 1),
        core_used=noise.cores["server"],
        latency=summarize(latency_us for kind in latencies.values() for latency_us in kind),
        errors=dict(observed.errors),
        foreign_cores=noise.foreign_cores,
    )


@contextmanager
def _empty_server() -> Iterator[tuple[int, int]]:
    """Its port and its process."""
    port = free_port()
    # Nothing is behind the last two: this server asks nobody.
    settings = {
        "CROSSBOOK_HOST": HOST,
        "CROSSBOOK_PORT": str(port),
        "CROSSBOOK_INTERNAL_TOKEN": INTERNAL_TOKEN,
        "CROSSBOOK_DATABASE_URL": "postgresql://nowhere.invalid/crossbook",
        "CROSSBOOK_REDIS_URL": "redis://nowhere.invalid",
    }
    process = subprocess.Popen((sys.executable, "-P", "-m", "loadtests.empty"), env=environment_with(settings))
    try:
        _await_answer(f"http://{HOST}:{port}{empty.PATH}")
        yield port, process.pid
    finally:
        end(process, signal.SIGTERM)


def _await_answer(url: str) -> None:
    transport = httpx.HTTPTransport(retries=int(START_TIMEOUT_S))
    with httpx.Client(transport=transport, trust_env=False) as client:
        if client.post(url, timeout=START_TIMEOUT_S).status_code != httpx.codes.OK:
            raise VenueFailed(f"{url} does not answer")


@contextmanager
def _apart(roots: Mapping[str, int], *servers: int) -> Iterator[None]:
    """The servers alone on one core, this process and all the others on the next; undone for this process only."""
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        raise VenueFailed("this takes two cores")
    alone, together = sorted(before)[:2]
    try:
        for pid in (*roots.values(), os.getpid()):
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                _pin(process.pid, alone if process.pid in servers else together)
        for pid in servers:
            _pin(pid, alone)
        yield
    finally:
        os.sched_setaffinity(0, before)


def _pin(pid: int, core: int) -> None:
    """Every thread of it; what it starts later inherits that."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
