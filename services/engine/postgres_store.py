"""The store that exchanges run on: one PostgreSQL session behind each ``Session``."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from services.engine import journal, ledger, snapshots
from services.engine.core.exchange import Exchange
from services.engine.core.transfers import Moved
from services.engine.journal import JournalRow
from services.engine.lease import SHARD, Lease
from services.engine.projection import Projection
from services.engine.settings import EngineSettings
from services.engine.settlement import Tails, settle, warm_up
from services.engine.snapshots import Taken
from services.infra import postgres
from services.infra.postgres import Connection

# The first key of the advisory locks, so that they collide with nobody else's in this database.
_LOCK_SPACE: Final = 0x0C40
_FREED_CHANNEL: Final = "crossbook_lease_freed"

_READ_SQL: Final = "SELECT epoch, expires_at < clock_timestamp() AS expired FROM exchange.engine_lease WHERE shard = $1"
_TAKE_SQL: Final = """
UPDATE exchange.engine_lease
SET epoch = epoch + 1, holder = $3, expires_at = clock_timestamp() + $4 * interval '1 millisecond'
WHERE shard = $1 AND epoch = $2
RETURNING epoch, sequence, journal_hash
"""
_RENEW_SQL: Final = """
UPDATE exchange.engine_lease SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'
WHERE shard = $1 AND epoch = $2 RETURNING true
"""
_HOLDS_SQL: Final = "SELECT true FROM exchange.engine_lease WHERE shard = $1 AND epoch = $2"
# One message, and nothing of it is written: who waits for it need not wait for a disk.
_LET_GO_SQL: Final = """
SET LOCAL synchronous_commit TO off;
SELECT pg_advisory_unlock({space}, {name}), pg_notify('{channel}', '');
"""


class PostgresStore:
    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    async def connect(self, purpose: str, statement_timeout_ms: int) -> "PostgresSession":
        connection = await postgres.connect(
            self._settings.database_url.get_secret_value(),
            application_name=purpose,
            statement_timeout_ms=statement_timeout_ms,
        )
        return PostgresSession(connection)

    def keep_snapshot(
        self, exchange: Exchange, sequence: int, journal_hash: bytes, *, to_database: bool
    ) -> Coroutine[Any, Any, Taken]:
        return snapshots.take(exchange, sequence, journal_hash, self._settings, to_database=to_database)

    def hash_state(self, exchange: Exchange) -> Coroutine[Any, Any, bytes | None]:
        return snapshots.hash_aside(exchange)


class PostgresSession:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tails = Tails()

    async def read_lease(self) -> tuple[int, bool]:
        epoch, expired = await self._connection.fetchrow(_READ_SQL, SHARD)  # type: ignore[misc]
        return epoch, expired

    async def take_lease(self, epoch: int, holder: str, ttl_ms: int) -> Lease | None:
        taken = await self._connection.fetchrow(_TAKE_SQL, SHARD, epoch, holder, ttl_ms)
        return None if taken is None else Lease(*taken)

    async def renew_lease(self, epoch: int, ttl_ms: int) -> bool:
        return bool(await self._connection.fetchval(_RENEW_SQL, SHARD, epoch, ttl_ms))

    async def holds_lease(self, epoch: int) -> bool:
        return bool(await self._connection.fetchval(_HOLDS_SQL, SHARD, epoch))

    async def try_lock(self, epoch: int) -> bool:
        sql = "SELECT pg_try_advisory_lock($1, $2)"
        return bool(await self._connection.fetchval(sql, _LOCK_SPACE, epoch % 2**31))

    async def unlock(self, epoch: int) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock($1, $2)", _LOCK_SPACE, epoch % 2**31)

    async def let_go(self, epoch: int) -> None:
        sql = _LET_GO_SQL.format(space=_LOCK_SPACE, name=int(epoch) % 2**31, channel=_FREED_CHANNEL)
        await self._connection.execute(sql)

    async def listen(self, freed: asyncio.Event) -> None:
        await self._connection.add_listener(_FREED_CHANNEL, lambda *_: freed.set())

    async def settle(self, row: JournalRow, projection: Projection, *, lease_ttl_ms: int) -> None:
        await settle(self._connection, row, projection, self._tails, lease_ttl_ms=lease_ttl_ms)

    async def movements_done(self, references: list[str]) -> dict[str, Moved]:
        return await ledger.read_done(self._connection, references)

    async def clock_us(self) -> int:
        return await postgres.clock_us(self._connection)

    async def warm_up(self) -> None:
        nobody = -1
        await self.take_lease(nobody, "", 0)
        await self.renew_lease(nobody, 0)
        await self.holds_lease(nobody)
        await warm_up(self._connection)

    async def hash_at(self, sequence: int) -> bytes | None:
        return await journal.hash_at(self._connection, sequence)

    async def read_rows(self, after: int, up_to: int) -> AsyncIterator[JournalRow]:
        async with self._connection.transaction(readonly=True):
            async for row in journal.read_rows(self._connection, after, up_to):
                yield row

    async def latest_snapshots(self) -> list[bytes]:
        return await snapshots.stored(self._connection)

    def terminate(self) -> None:
        self._connection.terminate()
