"""The lease: exactly one engine process is active, and it can prove so.

Safety rests on ``epoch`` alone: every take-over raises it, and every settlement checks it in the statement that writes
(``settlement.py``). An engine that was paused and woke up under an old epoch commits nothing.

Liveness rests on two signs that the holder is gone. Its database session holds an advisory lock named by its epoch,
which PostgreSQL drops the instant the process dies; and ``expires_at``, which each settlement and each heartbeat moves
on, catches a holder that hangs or is cut off while its session lives. Times are PostgreSQL's, never an engine's.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from services.infra.postgres import Connection

SHARD: Final = 0
# The first key of the advisory locks, so that they collide with nobody else's in this database.
_LOCK_SPACE: Final = 0x0C40

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
_RELEASE_SQL: Final = "UPDATE exchange.engine_lease SET expires_at = '-infinity' WHERE shard = $1 AND epoch = $2"


class LeaseLost(Exception):
    """Another engine has taken over; what this one holds in memory is history."""


class Lease(msgspec.Struct, frozen=True):
    """What taking over found: the new epoch, and the end of the journal."""

    epoch: int
    sequence: int
    journal_hash: bytes


async def acquire(
    connection: Connection, holder: str, *, ttl_ms: int, poll_ms: int, looked: Callable[[], None] = lambda: None
) -> Lease:
    """Wait until no live engine holds the lease, then take it with a new epoch; call ``looked`` after each look."""
    while True:
        epoch, expired = await connection.fetchrow(_READ_SQL, SHARD)  # type: ignore[misc]
        looked()
        if (expired or await _holder_is_gone(connection, epoch)) and await _try_lock(connection, epoch + 1):
            # Rivals are held off by the lock from here on, so no one can mistake us for dead.
            taken = await connection.fetchrow(_TAKE_SQL, SHARD, epoch, holder, ttl_ms)
            if taken is not None:
                return Lease(*taken)
            await _unlock(connection, epoch + 1)
        await asyncio.sleep(poll_ms / 1000)


async def renew(connection: Connection, lease: Lease, *, ttl_ms: int) -> None:
    if not await connection.fetchval(_RENEW_SQL, SHARD, lease.epoch, ttl_ms):
        raise LeaseLost


async def confirm(connection: Connection, lease: Lease) -> None:
    """Raise LeaseLost unless this engine is still the active one: even a refusal must not come from stale state."""
    if not await connection.fetchval(_HOLDS_SQL, SHARD, lease.epoch):
        raise LeaseLost


async def release(connection: Connection, lease: Lease) -> None:
    """Let a standby take over at once."""
    await connection.execute(_RELEASE_SQL, SHARD, lease.epoch)
    await _unlock(connection, lease.epoch)


async def _holder_is_gone(connection: Connection, epoch: int) -> bool:
    """The holder's session keeps a lock named by its epoch; if we can have that lock, the session has ended."""
    if not await _try_lock(connection, epoch):
        return False
    await _unlock(connection, epoch)
    return True


async def _try_lock(connection: Connection, epoch: int) -> bool:
    locked: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK_SPACE, epoch % 2**31)
    return locked


async def _unlock(connection: Connection, epoch: int) -> None:
    await connection.execute("SELECT pg_advisory_unlock($1, $2)", _LOCK_SPACE, epoch % 2**31)
