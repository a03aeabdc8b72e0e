"""History: an account's past events, read from the journal and rendered as if they had just happened.

The journal has no index by account. An entry in which the account's number does not even occur among the bytes is
passed over by the database, so reading on from a little while ago costs a scan of those entries and little more.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Final, NamedTuple

import msgspec

from services.domain.event_stream import event_lists_decoder
from services.domain.market import Market
from services.infra.postgres import Pool
from services.trading.user_data.cursor import Cursor
from services.trading.user_data.reports import INDEX_FIELD, SEQUENCE_FIELD, Json, user_events

# Entries scanned, and at most returned, by one statement.
_SCAN_ENTRIES: Final = 5_000
_PAGE_ROWS: Final = 200
# A storm of reconnecting clients must leave database connections for everyone else.
_READERS: Final = 2

_HEAD_SQL: Final = "SELECT coalesce(max(sequence), 0) FROM exchange.journal"
_PAGE_SQL: Final = """
SELECT sequence, time_us, events FROM exchange.journal
WHERE sequence > $1 AND sequence <= $2 AND position($3::bytea IN events) > 0 ORDER BY sequence LIMIT $4
"""

_packer: Final = msgspec.msgpack.Encoder()
_encoder: Final = msgspec.json.Encoder()


class UserEvent(NamedTuple):
    """``message`` is the event as JSON, without any envelope."""

    cursor: Cursor
    message: bytes


def encoded(event: Json) -> UserEvent:
    return UserEvent(Cursor(event[SEQUENCE_FIELD], event[INDEX_FIELD]), _encoder.encode(event))


class History:
    def __init__(self, pool: Pool, markets: Mapping[str, Market]) -> None:
        self._pool = pool
        self._markets = markets
        self._readers = asyncio.Semaphore(_READERS)

    async def head(self) -> int:
        """The last committed entry."""
        sequence: int = await self._pool.fetchval(_HEAD_SQL)
        return sequence

    async def read(self, account_id: int, after: Cursor, up_to: int, unit: int) -> AsyncGenerator[UserEvent]:
        """The account's events after a cursor, in order, up to and including those of an entry."""
        needle = _packer.encode(account_id)
        sequence = after.sequence - 1
        while sequence < up_to:
            end = min(sequence + _SCAN_ENTRIES, up_to)
            async with self._readers:
                rows = await self._pool.fetch(_PAGE_SQL, sequence, end, needle, _PAGE_ROWS)
            for row in rows:
                commands = event_lists_decoder.decode(row["events"])
                told = user_events(row["sequence"], row["time_us"], commands, {account_id}, self._markets, unit)
                for event in map(encoded, told.get(account_id, ())):
                    if event.cursor > after:
                        yield event
            sequence = rows[-1]["sequence"] if len(rows) == _PAGE_ROWS else end
