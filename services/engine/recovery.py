"""Recovery: from a snapshot and the journal to the state that the last commit left. Starting is the same path.

An engine never starts empty over an existing journal. It begins with the newest snapshot that belongs to this journal,
else with genesis, and replays every later row through the same ``apply`` that made it, comparing hashes and events. If
what it has at the end is not what the lease row says was last committed, it refuses to run.
"""

import time

from redis.asyncio import Redis

from services.engine import journal, snapshots
from services.engine.core.exchange import Exchange
from services.engine.journal import GENESIS_HASH, JournalCorrupt, JournalRow
from services.engine.lease import Lease, LeaseLost
from services.engine.snapshots import Snapshot
from services.engine.store import Session
from services.infra import telemetry

_log = telemetry.logger(__name__)


class Copy:
    """An exchange that is led through the journal; it is as it was after row ``sequence``."""

    __slots__ = ("exchange", "journal_hash", "sequence", "snapshot_sequence")

    def __init__(self, snapshot: Snapshot) -> None:
        self.exchange = snapshot.exchange
        self.sequence = self.snapshot_sequence = snapshot.sequence
        self.journal_hash = snapshot.journal_hash

    def apply(self, row: JournalRow) -> int:
        """Lead it through the next row; return how many commands that had, or raise JournalCorrupt."""
        commands = len(journal.replay(self.exchange, row, self.sequence, self.journal_hash))
        self.sequence, self.journal_hash = row.sequence, row.hash
        return commands


async def begin(session: Session, redis: Redis, lease: Lease | None = None) -> Copy:
    """A copy as of the newest usable snapshot, or of the beginning."""
    return Copy(await _choose_snapshot(session, redis, lease))


async def recover(session: Session, redis: Redis, lease: Lease, copy: Copy | None = None) -> Copy:
    """Bring a copy, by default a new one, to ``lease.sequence``; raise JournalCorrupt rather than guess.

    Raise LeaseLost if another engine has led since the lease was taken.
    """
    started = time.perf_counter()
    if copy is None:
        copy = await begin(session, redis, lease)
        if copy.sequence > lease.sequence:
            raise LeaseLost(
                f"epoch {lease.epoch} began after row {lease.sequence}, there is one of row {copy.sequence}"
            )
    began, commands = copy.sequence, 0
    if began < lease.sequence:
        async for row in session.read_rows(began, lease.sequence):
            commands += copy.apply(row)
    if (copy.sequence, copy.journal_hash) != (lease.sequence, lease.journal_hash):
        raise JournalCorrupt(
            f"the last commit was journal row {lease.sequence}, but snapshot and journal only lead to row "
            f"{copy.sequence}; restore the missing rows from a backup before starting an engine"
        )
    _log.info(
        "recovered",
        sequence=copy.sequence,
        began_sequence=began,
        replayed_commands=commands,
        open_orders=len(copy.exchange.orders),
        seconds=round(time.perf_counter() - started, 3),
    )
    return copy


async def _choose_snapshot(session: Session, redis: Redis, lease: Lease | None) -> Snapshot:
    """The newest snapshot whose place in the journal is really there; genesis if there is none."""
    for snapshot in await snapshots.load_candidates(await session.latest_snapshots(), redis):
        if await _belongs(session, snapshot, lease):
            return snapshot
        _log.warning("snapshot_unusable", sequence=snapshot.sequence, reason="it belongs to another journal")
    return Snapshot(0, GENESIS_HASH, Exchange())


async def _belongs(session: Session, snapshot: Snapshot, lease: Lease | None) -> bool:
    if lease is not None and snapshot.sequence == lease.sequence:
        return snapshot.journal_hash == lease.journal_hash
    return await session.hash_at(snapshot.sequence) == snapshot.journal_hash
