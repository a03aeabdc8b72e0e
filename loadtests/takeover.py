"""``python -m loadtests.takeover``: how long orders wait while engines hand over, and what clients notice of it.

An exchange with two engines runs under an open loop of orders and reads. In the middle of each run the leading engine
is told to stop (a planned hand-over: nobody may get an error) or killed (what was in flight is unknown, the rest
waits). The pause is the longest time between two acknowledged orders, so a rate of which chance makes such pauses
proves nothing. What the processes logged meanwhile is printed as a time line: where the time went.
"""

import asyncio
import itertools
import os
import signal
import time
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import msgspec
import typer
import uvloop

from loadtests import public, results, timeline
from loadtests.conditions import CpuMeter, Noise, describe
from loadtests.connection import connect
from loadtests.latencies import Summary, summarize
from loadtests.load import Observed, OpenLoop
from loadtests.public import OPEN_LOOP_CONNECTIONS, Bench
from loadtests.timeline import Moment
from loadtests.traffic import ORDER_ENTRY
from loadtests.venue import HOST, Venue, VenueFailed, running_exchange, scratch_directory

PLANNED_PAUSE_MS: Final = 200.0
KILLED_PAUSE_MS: Final = 3_000.0
BUCKET_MS: Final = 10.0
BEFORE_MS: Final = 500.0
AFTER_MS: Final = 1_500.0
READY_TIMEOUT_S: Final = 60.0
SEED: Final = 18


class Takeover(msgspec.Struct, frozen=True):
    """One hand-over. ``errors`` is everything but success and cancels that came too late."""

    kind: str
    pause_ms: float
    errors: dict[str, int]
    answered: int
    all: Summary | None
    noise: Noise
    # The longest pause between two orders before the signal: what this load and machine do by themselves.
    usual_pause_ms: float
    timeline: list[Moment]
    # Orders acknowledged in each interval of ``BUCKET_MS`` around the signal, from ``BEFORE_MS`` before it.
    acknowledged: list[int]

    @property
    def passes(self) -> bool:
        if self.kind == "planned":
            return self.pause_ms <= PLANNED_PAUSE_MS and not self.errors
        return self.pause_ms <= KILLED_PAUSE_MS and set(self.errors) <= _MAY_BE_UNKNOWN


# What was in flight when its engine died.
_MAY_BE_UNKNOWN: Final = {f"{kind} 504" for kind in ORDER_ENTRY}


def takeover(
    rate: Annotated[float, typer.Option(min=1, max=5_000, help="Requests per second, half orders, half reads.")] = 500,
    planned: Annotated[int, typer.Option(min=0, max=100, help="How many hand-overs by SIGTERM.")] = 5,
    killed: Annotated[int, typer.Option(min=0, max=100, help="How many by SIGKILL.")] = 5,
    seconds: Annotated[float, typer.Option(min=2, max=120, help="How long each run is.")] = 10,
    directory: Annotated[Path | None, typer.Option("--results", help="Where results go; nowhere by default.")] = None,
) -> None:
    """Hand over under load; exit with 1 if a pause was too long or a planned one gave anybody an error."""
    with scratch_directory() as scratch:
        environment = describe(scratch)
    with (
        running_exchange("--engines", "2") as venue,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        takeovers = runner.run(_measure(venue, rate, seconds, planned, killed))
    for taken in takeovers:
        typer.echo(
            f"{taken.kind}: orders paused for {taken.pause_ms:.0f} ms, errors {taken.errors or 'none'}, "
            f"p99 {taken.all.p99_ms if taken.all else 0:.0f} ms, the longest before it {taken.usual_pause_ms:.0f} ms, "
            f"foreign cores {taken.noise.foreign_cores}{'' if taken.passes else '  FAILED'}"
        )
        typer.echo(timeline.shown(taken.timeline))
    if directory is not None:
        parameters = {"rate": rate, "seconds": seconds, "planned": planned, "killed": killed}
        figures = {"takeovers": msgspec.to_builtins(takeovers)}
        typer.echo(results.write(directory, results.Result("takeover", environment, parameters, figures)))
        # Only who writes results needs the library that draws them.
        from loadtests import plots

        plots.draw(directory)
    if not all(taken.passes for taken in takeovers):
        raise typer.Exit(1)


async def _measure(venue: Venue, rate: float, seconds: float, planned: int, killed: int) -> list[Takeover]:
    bench = await public.prepare(venue, patience_s=0)
    kinds = [("planned", signal.SIGTERM)] * planned + [("killed", signal.SIGKILL)] * killed
    takeovers = []
    for number, (kind, sent) in enumerate(kinds):
        await _until_both_are_ready(venue)
        takeovers.append(await _one(venue, bench, rate, seconds, SEED + number, kind, sent))
    await _until_both_are_ready(venue)
    await venue.verify()
    return takeovers


async def _one(
    venue: Venue, bench: Bench, rate: float, seconds: float, seed: int, kind: str, sent: signal.Signals
) -> Takeover:
    traffic = await bench.fresh_books(seed)
    connections = await connect(HOST, venue.port, OPEN_LOOP_CONNECTIONS)
    meter = CpuMeter(venue.roots)
    load = asyncio.create_task(OpenLoop(connections, traffic.mixed, rate, seed).run(seconds))
    await asyncio.sleep(seconds / 2)
    sent_s, sent_at_s = time.perf_counter(), time.time()
    os.kill(await _leader_pid(venue), sent)
    observed = await load
    noise = meter.stop()
    for connection in connections:
        connection.close()
    latencies = [latency_us for kind_us in observed.latencies_us.values() for latency_us in kind_us]
    usual_ms, pause_ms = _pauses_ms(observed, sent_s)
    return Takeover(
        kind,
        round(pause_ms, 1),
        dict(observed.errors),
        observed.answered,
        summarize(latencies),
        noise,
        round(usual_ms, 1),
        timeline.read(venue.directory.logs, sent_at_s),
        _acknowledged(observed, sent_s),
    )


def _pauses_ms(observed: Observed, since_s: float) -> tuple[float, float]:
    """The longest time without an acknowledged order that ended before ``since_s``, and of those after it."""
    times_s = sorted(observed.order_times_s)
    pauses_ms = [((after - before) * 1000, after >= since_s) for before, after in itertools.pairwise(times_s)]
    usual_ms = max((pause_ms for pause_ms, is_after in pauses_ms if not is_after), default=0.0)
    return usual_ms, max((pause_ms for pause_ms, is_after in pauses_ms if is_after), default=float("inf"))


def _acknowledged(observed: Observed, sent_s: float) -> list[int]:
    counts = [0] * int((BEFORE_MS + AFTER_MS) / BUCKET_MS)
    for time_s in observed.order_times_s:
        bucket = int(((time_s - sent_s) * 1000 + BEFORE_MS) // BUCKET_MS)
        if 0 <= bucket < len(counts):
            counts[bucket] += 1
    return counts


async def _leader_pid(venue: Venue) -> int:
    """Engines are named in the order of their addresses."""
    statuses = await _statuses(venue)
    number = next(number for number, status in enumerate(statuses, 1) if status.get("active"))
    state = venue.directory.run_state()
    assert state is not None
    return state.process(f"engine{number}").pid


async def _until_both_are_ready(venue: Venue) -> None:
    """One leads, and the other has followed it to where it is."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline_s:
        statuses = await _statuses(venue)
        leading = [status["sequence"] for status in statuses if status.get("active")]
        following = [status.get("standbySequence", -1) for status in statuses if status and not status.get("active")]
        if len(leading) == 1 and following == leading:
            return
        await asyncio.sleep(0.1)
    raise VenueFailed(f"there is no leader with a standby beside it; see {venue.directory.logs}")


async def _statuses(venue: Venue) -> list[dict[str, Any]]:
    """Of each engine, in the order of their addresses; empty for one that does not answer."""
    token = venue.directory.secrets().internal_token
    statuses: list[dict[str, Any]] = []
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
        for url in venue.state.engine_urls:
            try:
                statuses.append((await client.get(f"{url}/internal/status", timeout=5)).json())
            except httpx.HTTPError:
                statuses.append({})
    return statuses


if __name__ == "__main__":
    typer.run(takeover)
