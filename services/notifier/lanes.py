"""Lanes: each channel's deliveries, made beside those of the others.

A lane takes as many jobs as it has free places and never more, so a provider that hangs holds up its own lane alone,
and no attempt lasts longer than its deadline. Several processes may run the same lane: the queue gives each job to one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from services.infra import postgres, telemetry
from services.infra.callers import AuthUnavailable
from services.notifier import metrics
from services.notifier.channels.outcome import Failed, NotWanted, Refused
from services.notifier.delivery import Deliver
from services.notifier.kinds import Channel
from services.notifier.queue import Job, Queue

_RETRY_S: Final = 1.0
_RECORD_ATTEMPTS: Final = 5
_REASON_CHARS_MAX: Final = 120

_log = telemetry.logger(__name__)


class Lane:
    """``run`` it as a task."""

    def __init__(
        self, channel: Channel, deliver: Deliver, queue: Queue, *, width: int, interval_s: float, timeout_s: float
    ) -> None:
        self._channel = channel
        self._deliver = deliver
        self._queue = queue
        self._width = width
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._under_way: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()

    def wake(self) -> None:
        """Look for work now."""
        self._look.set()

    async def run(self) -> None:
        try:
            while True:
                self._look.clear()
                if not await self._take():
                    await self._rest()
        finally:
            for attempt in self._under_way:
                attempt.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _take(self) -> bool:
        """Begin what there is room for; return whether there may be more of it."""
        free = self._width - len(self._under_way)
        if free == 0:
            return False
        try:
            jobs = await self._queue.claim(self._channel, free)
        except postgres.FAILURES as error:
            _log.warning("queue_unavailable", channel=self._channel, error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)
            return False
        for job in jobs:
            attempt = asyncio.create_task(self._attempt(job))
            self._under_way.add(attempt)
            attempt.add_done_callback(self._end)
        return len(jobs) == free and len(self._under_way) < self._width

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._interval_s):
                await self._look.wait()
        except TimeoutError:
            return

    def _end(self, attempt: asyncio.Task[None]) -> None:
        self._under_way.discard(attempt)
        if not attempt.cancelled() and attempt.exception() is not None:
            _log.error("delivery_broke", channel=self._channel, exc_info=attempt.exception())
        self._look.set()

    async def _attempt(self, job: Job) -> None:
        started = time.perf_counter()
        outcome, record = await self._try(job)
        metrics.DELIVERY_SECONDS.labels(self._channel).observe(time.perf_counter() - started)
        metrics.DELIVERIES.labels(self._channel, outcome).inc()
        await self._record(job, record)

    async def _try(self, job: Job) -> tuple[str, Callable[[], Awaitable[object]]]:
        """Make the attempt; return what came of it and how to record that."""
        queue = self._queue
        if job.is_expired:
            return "expired", lambda: queue.dropped(job, "it came too late to be of use")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._deliver(job)
        except NotWanted as unwanted:
            reason = str(unwanted)
            return "dropped", lambda: queue.dropped(job, reason)
        except Refused as refused:
            return "refused", self._failure(job, str(refused), is_final=True)
        except (Failed, AuthUnavailable, TimeoutError) as failed:
            reason = str(failed) or (
                "no answer in time" if isinstance(failed, TimeoutError) else "auth does not answer"
            )
            return "failed", self._failure(job, reason, is_final=False)
        except Exception as error:
            # The text of an unforeseen error could hold an address or a secret.
            _log.error("delivery_failed_unforeseen", channel=self._channel, error=type(error).__name__)
            return "failed", self._failure(job, f"unforeseen: {type(error).__name__}", is_final=False)
        return "sent", lambda: queue.sent(job)

    def _failure(self, job: Job, reason: str, *, is_final: bool) -> Callable[[], Awaitable[object]]:
        async def record() -> None:
            is_parked = await self._queue.failed(job, reason, is_final=is_final)
            _log.warning(
                "delivery_parked" if is_parked else "delivery_failed",
                channel=self._channel,
                delivery_id=str(job.delivery_id),
                attempt=job.attempt,
                reason=reason[:_REASON_CHARS_MAX],
            )

        return record

    async def _record(self, job: Job, record: Callable[[], Awaitable[object]]) -> None:
        """What cannot be recorded is attempted again when the lease ends."""
        for _ in range(_RECORD_ATTEMPTS):
            try:
                await record()
            except postgres.FAILURES as error:
                _log.warning("delivery_not_recorded", delivery_id=str(job.delivery_id), error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)
            else:
                return


class Lanes:
    """All lanes of one process."""

    def __init__(
        self, deliver: Mapping[Channel, Deliver], queue: Queue, *, width: int, interval_s: float, timeout_s: float
    ) -> None:
        self._lanes = [
            Lane(channel, how, queue, width=width, interval_s=interval_s, timeout_s=timeout_s)
            for channel, how in deliver.items()
        ]

    def wake(self) -> None:
        for lane in self._lanes:
            lane.wake()

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on for the life of the process, each a task of its own (``services.infra.tasks`` says why)."""
        return [lane.run() for lane in self._lanes]
