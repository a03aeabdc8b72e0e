"""Recovery: from a snapshot and the journal to the state that the last commit left. Starting is the same path.

An engine never starts empty over an existing journal. It begins with the newest snapshot that belongs to this journal,
else with genesis, and replays every later row through the same ``apply`` that made it, comparing hashes and events. If
what it has at the end is not what the lease row says was last committed, it refuses to run.
"""

import time
from typing import NamedTuple

from redis.asyncio import Redis

from services.engine import journal, snapshots
from services.engine.core.exchange import Exchange
from services.engine.journal import GENESIS_HASH, JournalCorrupt
from services.engine.lease import Lease
from services.engine.snapshots import Snapshot
from services.engine.store import Session
from services.infra import telemetry

_log = telemetry.logger(__name__)


class Recovered(NamedTuple):
    exchange: Exchange
    snapshot_sequence: int


async def recover(session: Session, redis: Redis, lease: Lease) -> Recovered:
    """Return the exchange as of ``lease.sequence``; raise JournalCorrupt rather than guess."""
    started = time.perf_counter()
    snapshot = await _choose_snapshot(session, redis, lease)
    exchange, sequence, last_hash = snapshot.exchange, snapshot.sequence, snapshot.journal_hash
    commands = 0
    async for row in session.read_rows(sequence, lease.sequence):
        commands += len(journal.replay(exchange, row, sequence, last_hash))
        sequence, last_hash = row.sequence, row.hash
    if (sequence, last_hash) != (lease.sequence, lease.journal_hash):
        raise JournalCorrupt(
            f"the last commit was journal row {lease.sequence}, but snapshot and journal only lead to row {sequence}; "
            "restore the missing rows from a backup before starting an engine"
        )
    _log.info(
        "recovered",
        sequence=sequence,
        snapshot_sequence=snapshot.sequence,
        replayed_commands=commands,
        open_orders=len(exchange.orders),
        seconds=round(time.perf_counter() - started, 3),
    )
    return Recovered(exchange, snapshot.sequence)


async def _choose_snapshot(session: Session, redis: Redis, lease: Lease) -> Snapshot:
    """The newest snapshot whose place in the journal is really there; genesis if there is none."""
    for snapshot in await snapshots.load_candidates(await session.latest_snapshots(), redis):
        if await _belongs(session, snapshot, lease):
            return snapshot
        _log.warning("snapshot_unusable", sequence=snapshot.sequence, reason="it belongs to another journal")
    return Snapshot(0, GENESIS_HASH, Exchange())


async def _belongs(session: Session, snapshot: Snapshot, lease: Lease) -> bool:
    if snapshot.sequence == lease.sequence:
        return snapshot.journal_hash == lease.journal_hash
    return await session.hash_at(snapshot.sequence) == snapshot.journal_hash
