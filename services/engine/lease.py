"""The lease: exactly one engine process is active, and it can prove so.

Safety rests on ``epoch`` alone: every take-over raises it, and every settlement checks it in the statement that writes
(``settlement.py``). An engine that was paused and woke up under an old epoch commits nothing.

Liveness rests on two signs that the holder is gone. Its database session holds an advisory lock named by its epoch,
which PostgreSQL drops the instant the process dies; and ``expires_at``, which each settlement and each heartbeat moves
on, catches a holder that hangs or is cut off while its session lives. Times are PostgreSQL's, never an engine's.

A holder that lets go says so to every session that listens, so that nobody need find out by looking.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

SHARD: Final = 0


class LeaseLost(Exception):
    """Another engine has taken over; what this one holds in memory is history."""


class Lease(msgspec.Struct, frozen=True):
    """What taking over found: the new epoch, and the end of the journal."""

    epoch: int
    sequence: int
    journal_hash: bytes


class LeaseSession(Protocol):
    """What a database session can do with the lease; each is atomic. Locks end with the session."""

    async def read_lease(self) -> tuple[int, bool]:
        """The epoch, and whether its holder has been silent for too long."""

    async def take_lease(self, epoch: int, holder: str, ttl_ms: int) -> Lease | None:
        """Raise the epoch by one if it still is ``epoch``."""

    async def renew_lease(self, epoch: int, ttl_ms: int) -> bool:
        """Move the expiry on; False if the epoch is another."""

    async def holds_lease(self, epoch: int) -> bool:
        """Whether the epoch still is this one."""

    async def try_lock(self, epoch: int) -> bool:
        """Take the lock that is named by an epoch unless another session has it."""

    async def unlock(self, epoch: int) -> None:
        """Undo one ``try_lock``."""

    async def let_go(self, epoch: int) -> None:
        """Undo one ``try_lock`` and tell every session that listens."""

    async def listen(self, freed: asyncio.Event) -> None:
        """Set ``freed`` each time somebody lets go, as long as the session lives and nothing is lost on the way."""


async def acquire(
    session: LeaseSession,
    holder: str,
    *,
    ttl_ms: int,
    pause: Callable[[], Awaitable[None]],
) -> Lease:
    """Look until no live engine holds the lease, then take it with a new epoch; ``pause`` between two looks."""
    while True:
        epoch, expired = await session.read_lease()
        if (expired or await _holder_is_gone(session, epoch)) and await session.try_lock(epoch + 1):
            # Rivals are held off by the lock from here on, so no one can mistake us for dead.
            taken = await session.take_lease(epoch, holder, ttl_ms)
            if taken is not None:
                return taken
            await session.unlock(epoch + 1)
        await pause()


async def renew(session: LeaseSession, lease: Lease, *, ttl_ms: int) -> None:
    if not await session.renew_lease(lease.epoch, ttl_ms):
        raise LeaseLost


async def confirm(session: LeaseSession, lease: Lease) -> None:
    """Raise LeaseLost unless this engine is still the active one: even a refusal must not come from stale state."""
    if not await session.holds_lease(lease.epoch):
        raise LeaseLost


async def release(session: LeaseSession, lease: Lease) -> None:
    """Let a standby take over at once: without its lock this holder is as good as dead."""
    await session.let_go(lease.epoch)


async def _holder_is_gone(session: LeaseSession, epoch: int) -> bool:
    """The holder's session keeps a lock named by its epoch; if we can have that lock, the session has ended."""
    if not await session.try_lock(epoch):
        return False
    await session.unlock(epoch)
    return True
