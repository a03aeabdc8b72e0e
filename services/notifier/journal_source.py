"""The exchange's journal as a source: read in order, in bounded pages, from a position that is stored here.

The position moves in the transaction that stores what was read, and the row that holds it is locked meanwhile: of two
notifiers one reads, and whatever kills it, each entry is told exactly once. An installation that is new begins at the
journal's end. A missing entry stops the reading: nothing is skipped in silence.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.infra import postgres, telemetry
from services.infra.transactions import Connection
from services.notifier import metrics, notices
from services.notifier.intake import Intake
from services.notifier.journal_notices import Entry, told_by
from services.notifier.notices import NewNotice

_SHARD: Final = 0
_RETRY_S: Final = 1.0

BEGIN: Final = """
INSERT INTO notifier.journal_position (shard, sequence)
SELECT $1, coalesce(max(sequence), 0) FROM exchange.journal ON CONFLICT DO NOTHING
"""
POSITION: Final = "SELECT sequence FROM notifier.journal_position WHERE shard = $1 FOR UPDATE SKIP LOCKED"
MOVE: Final = "UPDATE notifier.journal_position SET sequence = $2 WHERE shard = $1"
PAGE: Final = "SELECT sequence, time_us, events FROM exchange.journal WHERE sequence > $1 ORDER BY sequence LIMIT $2"
LAG: Final = """
SELECT (SELECT coalesce(max(sequence), 0) FROM exchange.journal) - sequence FROM notifier.journal_position
WHERE shard = $1
"""

_log = telemetry.logger(__name__)


class JournalGap(Exception):
    """Entries are missing that the journal must have; the message says which."""


class JournalSource:
    """``run`` it as a task."""

    def __init__(self, intake: Intake, *, page_rows: int, interval_s: float) -> None:
        self._intake = intake
        self._page_rows = page_rows
        self._interval_s = interval_s

    async def run(self) -> None:
        while True:
            try:
                read = await self.read_page()
            except (*postgres.FAILURES, JournalGap) as error:
                metrics.SOURCE_FAILURES.labels("journal").inc()
                _log.error("journal_not_read", error=f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(_RETRY_S)
                continue
            await asyncio.sleep(0 if read == self._page_rows else self._interval_s)

    async def read_page(self) -> int:
        """Store what the next entries tell; return how many there were."""
        async with self._intake.storing() as storing:
            connection = storing.connection
            position = await connection.fetchval(POSITION, _SHARD)
            if position is None:
                # Either another process reads, or this is the first start ever.
                await connection.execute(BEGIN, _SHARD)
                return 0
            page = [Entry(*row) for row in await connection.fetch(PAGE, position, self._page_rows)]
            if not page:
                return 0
            check_continuity(position, page)
            await storing.store(await _told(connection, page))
            await connection.execute(MOVE, _SHARD, page[-1].sequence)
        metrics.JOURNAL_POSITION.set(page[-1].sequence)
        return len(page)


def check_continuity(position: int, page: Sequence[Entry]) -> None:
    for expected, entry in enumerate(page, position + 1):
        if entry.sequence != expected:
            raise JournalGap(f"entry {expected} is missing, the next one is {entry.sequence}")


async def _told(connection: Connection, page: Sequence[Entry]) -> list[NewNotice]:
    told = told_by(page)
    for unreadable in told.unreadable:
        metrics.EVENTS_UNREADABLE.labels(unreadable.kind).inc()
        _log.error("event_unreadable", sequence=unreadable.sequence, kind=unreadable.kind)
    people = await notices.members(connection, (notice.account_id for notice in told.orders)) if told.orders else ()
    return [*told.money, *(notice for notice in told.orders if notice.account_id in people)]
