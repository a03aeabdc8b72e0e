"""A whole local exchange under load through its public port: the open loop, and the capacity of order entry."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from loadtests.conditions import CpuMeter, Noise, wait_for_calm
from loadtests.connection import connect
from loadtests.latencies import Summary, summarize
from loadtests.load import ClosedLoop, Observed, OpenLoop
from loadtests.traffic import DEPOSITS, ORDER_ENTRY, Kind, Request, Traffic
from loadtests.venue import HOST, Trader, Venue, VenueFailed

SEED: Final = 3
TRADERS: Final = 50
# Enough that a request never waits for a free one unless the exchange is a quarter of a second behind.
OPEN_LOOP_CONNECTIONS: Final = 128
PREFILL_ORDERS: Final = 1500
PREFILL_CONNECTIONS: Final = 16
PREFILL_TIMEOUT_S: Final = 60.0
WARM_UP_S: Final = 3.0

Choose = Callable[[Traffic], Callable[[], Request]]
Record = Callable[[int, float], Awaitable[list[str]]]


class Run(msgspec.Struct, frozen=True):
    """One run of one load. ``errors`` counts everything but success and cancels that came too late (``refused``)."""

    connections: int
    offered_per_s: float | None
    answered_per_s: float
    orders_placed_per_s: float
    errors: dict[str, int]
    refused: dict[str, int]
    samples: list[str]
    all: Summary | None
    order_entry: Summary | None
    reads: Summary | None
    by_kind: dict[str, Summary]
    generator_late: Summary | None
    calm_before: bool
    noise: Noise

    @property
    def is_clean(self) -> bool:
        return not self.errors and not self.noise.is_noisy


class Bench:
    """Traders on a venue, and what it takes to begin every run with the same books."""

    def __init__(self, venue: Venue, traders: list[Trader], patience_s: float) -> None:
        self._venue = venue
        self.traders = traders
        self._patience_s = patience_s

    @property
    def port(self) -> int:
        return self._venue.port

    @property
    def roots(self) -> dict[str, int]:
        return self._venue.roots

    async def open_loop(
        self,
        choose: Choose,
        rate: float,
        seconds: float,
        seed: int,
        also: Mapping[str, int] | None = None,
        begins: Callable[[], object] = lambda: None,
    ) -> Run:
        """``also`` names more processes whose time is of interest; ``begins`` is called after the warm-up."""
        traffic = await self.fresh_books(seed)
        calm = await asyncio.to_thread(wait_for_calm, self._patience_s)
        connections = await connect(HOST, self._venue.port, OPEN_LOOP_CONNECTIONS)
        await OpenLoop(connections, choose(traffic), rate, seed).run(WARM_UP_S)
        begins()
        meter = CpuMeter({**self._venue.roots, **(also or {})})
        observed = await OpenLoop(connections, choose(traffic), rate, seed + 1).run(seconds)
        noise = meter.stop()
        for connection in connections:
            connection.close()
        return _run(observed, len(connections), rate, calm, noise)

    async def closed_loop(self, choose: Choose, count: int, seconds: float, seed: int) -> Run:
        traffic = await self.fresh_books(seed)
        calm = await asyncio.to_thread(wait_for_calm, self._patience_s)
        connections = await connect(HOST, self._venue.port, count)
        await ClosedLoop(connections, choose(traffic)).run(WARM_UP_S)
        meter = CpuMeter(self._venue.roots)
        observed = await ClosedLoop(connections, choose(traffic)).run(seconds)
        noise = meter.stop()
        for connection in connections:
            connection.close()
        return _run(observed, count, None, calm, noise)

    async def sampled(
        self, choose: Choose, count: int, seconds: float, names: tuple[str, ...], record: Record
    ) -> dict[str, list[str]]:
        """A closed loop while ``record`` watches the processes named."""
        traffic = await self.fresh_books(SEED)
        connections = await connect(HOST, self._venue.port, count)
        load = asyncio.create_task(ClosedLoop(connections, choose(traffic)).run(seconds + 2 * WARM_UP_S))
        await asyncio.sleep(WARM_UP_S)
        recorded = await asyncio.gather(*(record(self._venue.roots[name], seconds) for name in names))
        await load
        for connection in connections:
            connection.close()
        return dict(zip(names, recorded, strict=True))

    async def fresh_books(self, seed: int) -> Traffic:
        traffic = Traffic(self.traders, seed)
        connections = await connect(HOST, self._venue.port, PREFILL_CONNECTIONS)
        requests = iter([*traffic.cancel_all(), *(traffic.resting() for _ in range(PREFILL_ORDERS))])
        observed = await ClosedLoop(connections, lambda: next(requests, None)).run(PREFILL_TIMEOUT_S)
        if observed.errors:
            raise VenueFailed(f"the books could not be filled: {dict(observed.errors)} {observed.samples}")
        for connection in connections:
            connection.close()
        return traffic


async def prepare(venue: Venue, patience_s: float) -> Bench:
    traders = await asyncio.to_thread(venue.open_accounts, TRADERS, DEPOSITS)
    return Bench(venue, traders, patience_s)


def best(runs: list[Run], score: Callable[[Run], float]) -> Run:
    """The best of the runs that nothing disturbed, else the least disturbed one."""
    clean = [run for run in runs if run.is_clean]
    if clean:
        return min(clean, key=score)
    return min(runs, key=lambda run: (bool(run.errors), run.noise.foreign_cores))


def p99_ms(run: Run) -> float:
    return run.all.p99_ms if run.all is not None else float("inf")


def _run(observed: Observed, connections: int, rate: float | None, calm: bool, noise: Noise) -> Run:
    by_kind = observed.latencies_us
    placed = len(by_kind[Kind.LIMIT]) + len(by_kind[Kind.TAKER])
    return Run(
        connections=connections,
        offered_per_s=rate,
        answered_per_s=round(observed.answered / observed.seconds, 1),
        orders_placed_per_s=round(placed / observed.seconds, 1),
        errors=dict(observed.errors),
        refused=dict(observed.refused),
        samples=observed.samples,
        all=_summary(by_kind, set(Kind)),
        order_entry=_summary(by_kind, ORDER_ENTRY),
        reads=_summary(by_kind, set(Kind) - ORDER_ENTRY),
        by_kind={kind: summary for kind in Kind if (summary := _summary(by_kind, {kind})) is not None},
        generator_late=summarize(observed.late_us),
        calm_before=calm,
        noise=noise,
    )


def _summary(by_kind: dict[Kind, list[int]], kinds: set[Kind] | frozenset[Kind]) -> Summary | None:
    return summarize(latency_us for kind in kinds for latency_us in by_kind[kind])


async def measure_open_loop(bench: Bench, rate: float, seconds: float, tries: int) -> dict[str, Any]:
    """Half orders, half reads, at a rate that nothing holds back. Ends with the first run that nothing disturbed."""
    runs: list[Run] = []
    while len(runs) < tries and not any(run.is_clean for run in runs):
        runs.append(await bench.open_loop(lambda traffic: traffic.mixed, rate, seconds, SEED + 10 * len(runs)))
    return {"chosen": best(runs, p99_ms), "others": [outline(run) for run in runs]}


async def measure_capacity(
    bench: Bench, connection_counts: tuple[int, ...], rates: tuple[float, ...], seconds: float, tries: int
) -> dict[str, Any]:
    """Order entry only. Closed loops find the throughput, open-loop steps the latency at a given rate."""
    figures: dict[str, Any] = {"placing": [], "mixed": [], "steps": [], "others": []}
    for name, choose in (("placing", _placing), ("mixed", _order_entry)):
        for count in connection_counts:
            runs = [await bench.closed_loop(choose, count, seconds, SEED + number) for number in range(tries)]
            figures[name].append(best(runs, lambda run: -run.answered_per_s))
            figures["others"] += [{"load": name, **outline(run)} for run in runs]
    for rate in rates:
        runs = [await bench.open_loop(_placing, rate, seconds, SEED + number) for number in range(tries)]
        figures["steps"].append(best(runs, p99_ms))
        figures["others"] += [{"load": "steps", **outline(run)} for run in runs]
    return figures


def _placing(traffic: Traffic) -> Callable[[], Request]:
    return traffic.placing


def _order_entry(traffic: Traffic) -> Callable[[], Request]:
    return traffic.order_entry


def outline(run: Run) -> dict[str, Any]:
    """A run in one line, so that those that were not chosen can be seen too."""
    return {
        "connections": run.connections,
        "offered_per_s": run.offered_per_s,
        "answered_per_s": run.answered_per_s,
        "p50_ms": run.all and run.all.p50_ms,
        "p99_ms": run.all and run.all.p99_ms,
        "max_ms": run.all and run.all.max_ms,
        "errors": run.errors,
        "load_before": run.noise.load_before[0],
        "foreign_cores": run.noise.foreign_cores,
        "rejected": not run.is_clean,
    }
