"""The feed: every committed journal entry from when this process started, in order, without a gap, each exactly once.

Entries come from the Redis stream. It may lose entries, repeat them, be flushed or be gone: sequence numbers show what
is missing, and that is read from the journal. While Redis is gone, or says nothing, the journal is asked once a second.

Listeners are plain functions. They are called one after the other for each entry and must not block; one that raises
ends ``run`` and with it the process, because whatever it keeps would be wrong from then on.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.domain.event_stream import (
    EVENTS_FIELD,
    STREAM_KEY,
    TIME_FIELD,
    entry_id,
    event_lists_decoder,
    sequence_of,
)
from services.domain.events import Event
from services.infra import postgres, telemetry
from services.infra.postgres import Pool
from services.infra.redis import StreamReader
from services.trading import metrics

_READ_ENTRIES: Final = 200
_PAGE_ROWS: Final = 200
# How long to wait for Redis to say something before the journal is asked instead.
_QUIET_MS: Final = 1_000
_RETRY_S: Final = 1.0
# A batch may have been given its time this long before it is seen committed; then its time is no longer to be expected.
_COMMIT_US: Final = 1_000_000

_HEAD_SQL: Final = "SELECT coalesce(max(sequence), 0) FROM exchange.journal"
_PAGE_SQL: Final = """
SELECT sequence, time_us, events FROM exchange.journal
WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT $3
"""
_NO_END: Final = 2**63 - 1

_log = telemetry.logger(__name__)


class JournalEntry(msgspec.Struct, frozen=True, gc=False):
    """One committed batch. ``events`` has, for each of its commands in order, the list of that command's events."""

    sequence: int
    time_us: int
    events: list[list[Event]]


Listener = Callable[[JournalEntry], None]


class _Gap(Exception):
    """The stream does not go on where the feed stands."""


class Feed:
    """``start`` it, ``listen``, then ``run`` it as a task. ``sequence`` is the last entry that all listeners had."""

    def __init__(self, pool: Pool, redis: Redis | StreamReader) -> None:
        self._pool = pool
        self._redis = redis
        self._listeners: list[Listener] = []
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()
        self.sequence = 0
        # Whether entries come from Redis, so at once.
        self.is_live = False
        # No entry with an earlier time is to be expected any more.
        self.settled_us = 0

    async def start(self) -> None:
        """Stand at the end of the journal."""
        self.sequence = await self._pool.fetchval(_HEAD_SQL)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have it called with every entry after ``sequence``; what is returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def reached(self, sequence: int, timeout_s: float) -> None:
        """Return when every listener has had this entry; raise TimeoutError if that takes too long."""
        if self.sequence >= sequence:
            return
        arrived = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (sequence, next(self._tickets), arrived))
        try:
            async with asyncio.timeout(timeout_s):
                await arrived
        except TimeoutError:
            self._waiting = [waiting for waiting in self._waiting if not waiting[2].done()]
            heapq.heapify(self._waiting)
            raise

    async def since(self, sequence: int, up_to: int | None = None) -> AsyncIterator[JournalEntry]:
        """Entries after ``sequence`` from the journal, in order, the last one being ``up_to``: by default the one that
        listeners had last, so that a listener added just before goes on where these end.
        """
        end = self.sequence if up_to is None else up_to
        while sequence < end:
            page = await self._page(sequence, end)
            if not page:
                return
            for entry in page:
                yield entry
            sequence = page[-1].sequence

    async def run(self) -> None:
        while True:
            try:
                await self._read_stream()
                await self._refill()
            except _Gap:
                metrics.FEED_GAPS.inc()
                if not await self._refill():
                    # The journal knows nothing of what the stream has: it is somebody else's.
                    await asyncio.sleep(_RETRY_S)
            except RedisError as error:
                self.is_live = False
                _log.warning("event_stream_unavailable", error=str(error), sequence=self.sequence)
                await self._refill()
                await asyncio.sleep(_RETRY_S)

    async def _read_stream(self) -> None:
        """Return when the stream is quiet: nothing happened, or it was lost on its way there."""
        while True:
            position = {STREAM_KEY: entry_id(self.sequence)}
            found: Any = await self._redis.xread(position, count=_READ_ENTRIES, block=_QUIET_MS)  # type: ignore[arg-type]
            self.is_live = True
            if not found:
                return
            first, *others = _entries(found)
            self._deliver(self._decode(*first))
            for identifier, fields in others:
                # Listeners may have much to send: others get their turn between entries.
                await asyncio.sleep(0)
                self._deliver(self._decode(identifier, fields))

    def _decode(self, identifier: bytes, fields: dict[bytes, bytes]) -> JournalEntry:
        sequence = sequence_of(identifier)
        if sequence != self.sequence + 1:
            raise _Gap
        try:
            return JournalEntry(sequence, int(fields[TIME_FIELD]), event_lists_decoder.decode(fields[EVENTS_FIELD]))
        except (KeyError, ValueError) as error:
            _log.warning("event_stream_entry_unreadable", sequence=sequence, error=repr(error))
            raise _Gap from error

    async def _refill(self) -> bool:
        """Catch up with the journal; False if nothing was missing."""
        before, asked_us = self.sequence, time.time_ns() // 1000
        try:
            while page := await self._page(self.sequence, _NO_END):
                for entry in page:
                    self._deliver(entry)
                    await asyncio.sleep(0)
            self.settled_us = max(self.settled_us, asked_us - _COMMIT_US)
        except postgres.FAILURES as error:
            _log.warning("journal_unavailable", error=repr(error), sequence=self.sequence)
            await asyncio.sleep(_RETRY_S)
        metrics.FEED_REFILLED.inc(self.sequence - before)
        return self.sequence > before

    async def _page(self, after: int, up_to: int) -> list[JournalEntry]:
        rows = await self._pool.fetch(_PAGE_SQL, after, up_to, _PAGE_ROWS)
        return [JournalEntry(row[0], row[1], event_lists_decoder.decode(row[2])) for row in rows]

    def _deliver(self, entry: JournalEntry) -> None:
        assert entry.sequence == self.sequence + 1, f"entry {entry.sequence} cannot follow {self.sequence}"
        for listener in tuple(self._listeners):
            listener(entry)
        self.sequence = entry.sequence
        self.settled_us = max(self.settled_us, entry.time_us)
        metrics.FEED_SEQUENCE.set(entry.sequence)
        metrics.FEED_LAG_SECONDS.observe(time.time() - entry.time_us / 1_000_000)
        while self._waiting and self._waiting[0][0] <= entry.sequence:
            arrived = heapq.heappop(self._waiting)[2]
            if not arrived.done():
                arrived.set_result(None)


def _entries(found: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Of the one stream that was asked for. Redis' older protocol answers with a list, its newer with a mapping."""
    entries: list[tuple[bytes, dict[bytes, bytes]]]
    if isinstance(found, dict):
        ((entries,),) = found.values()  # A list of lists of entries.
    else:
        ((_, entries),) = found
    return entries
