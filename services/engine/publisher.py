"""The publisher: committed journal rows become entries of a Redis stream, in order, each once.

An entry's id is ``<sequence>-0``, so a reader sees a gap by arithmetic and Redis itself refuses a repeat. Publishing
comes after the commit and never holds up a reply. Whatever Redis missed (it was away, it was flushed, the buffer was
full) is read back from the journal.
"""

import asyncio
from collections import deque
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from services.domain.event_stream import EVENTS_FIELD, STREAM_KEY, TIME_FIELD, entry_id, sequence_of
from services.engine.journal import JournalRow
from services.engine.settings import EngineSettings
from services.engine.store import Store
from services.infra import telemetry

_BUFFER_ROWS: Final = 2_000
_PIPELINE_ROWS: Final = 200
_RETRY_S: Final = 0.5
_READ_TIMEOUT_MS: Final = 10_000

_log = telemetry.logger(__name__)


class Publisher:
    """``offer`` after each commit; ``run`` as a task for as long as the engine is active."""

    def __init__(self, redis: Redis, store: Store, settings: EngineSettings, head_sequence: int) -> None:
        self._redis = redis
        self._store = store
        self._settings = settings
        self._buffer: deque[JournalRow] = deque(maxlen=_BUFFER_ROWS)
        self._head = head_sequence
        self._offered = asyncio.Event()
        self._offered.set()
        # The last entry known to be in the stream; None when that must be asked first.
        self._published: int | None = None
        # Whether the stream has nothing yet of what comes before the next row to be published.
        self._begins = False
        self._closing = False

    @property
    def lag(self) -> int:
        """How many committed rows the stream has not got."""
        return self._head - (self._published or 0)

    def offer(self, row: JournalRow) -> None:
        """Take a committed row; when too many wait, the oldest is dropped here and read from the journal later."""
        self._buffer.append(row)
        self._head = row.sequence
        self._offered.set()

    def close(self) -> None:
        """Let ``run`` end after the step in hand; what it has not published, the next engine will."""
        self._closing = True
        self._offered.set()

    async def run(self) -> None:
        while True:
            await self._offered.wait()
            if self._closing:
                return
            try:
                if self._published is None:
                    self._published = await self._find_end()
                await self._publish_next(self._published)
            except RedisError as error:
                _log.warning("stream_unavailable", error=str(error), lag=self.lag)
                self._published = None
                await asyncio.sleep(_RETRY_S)
                continue
            if self._published == self._head and not self._closing:
                self._offered.clear()

    async def _find_end(self) -> int:
        """Where the stream ends; a stream that is ahead of the journal belongs to another one and is dropped."""
        newest: list[tuple[bytes, Any]] = await self._redis.xrevrange(STREAM_KEY, count=1)  # type: ignore[assignment]
        end = sequence_of(newest[0][0]) if newest else 0
        if end > self._head:
            _log.warning("foreign_stream_dropped", stream_sequence=end, journal_sequence=self._head)
            await self._redis.delete(STREAM_KEY)
            end = 0
        self._begins = end == 0
        return max(end, self._head - self._settings.stream_length)

    async def _publish_next(self, published: int) -> None:
        while self._buffer and self._buffer[0].sequence <= published:
            self._buffer.popleft()
        if self._buffer and self._buffer[0].sequence == published + 1:
            rows = [self._buffer[index] for index in range(min(len(self._buffer), _PIPELINE_ROWS))]
        else:
            rows = await self._read_journal(published)
        if rows and not await self._append(rows):
            await self._start_over()
            return
        if rows:
            self._published = rows[-1].sequence

    async def _append(self, rows: list[JournalRow]) -> bool:
        """Add the rows; False when the stream turns out to have lost what came before them."""
        pipeline = self._redis.pipeline(transaction=False)
        for row in rows:
            pipeline.xadd(
                STREAM_KEY,
                {TIME_FIELD: row.time_us, EVENTS_FIELD: row.events},
                id=entry_id(row.sequence),
                maxlen=self._settings.stream_length,
                approximate=True,
            )
        pipeline.xlen(STREAM_KEY)
        try:
            *_, length = await pipeline.execute()
        except ResponseError as error:
            if "equal or smaller" not in str(error):
                raise
            # The engine before this one got there first: ask again where the stream ends.
            self._published = None
            return True
        begins, self._begins = self._begins, False
        return bool(length > len(rows) or begins or len(rows) >= self._settings.stream_length)

    async def _start_over(self) -> None:
        _log.warning("stream_lost", sequence=self._head)
        await self._redis.delete(STREAM_KEY)
        self._begins = True
        self._published = max(0, self._head - self._settings.stream_length)

    async def _read_journal(self, published: int) -> list[JournalRow]:
        session = await self._store.connect("crossbook-publisher", _READ_TIMEOUT_MS)
        try:
            up_to = min(self._head, published + _PIPELINE_ROWS)
            return [row async for row in session.read_rows(published, up_to)]
        finally:
            session.terminate()
