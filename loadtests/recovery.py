"""Recovery: from a killed engine to an active one, with 100,000 open orders and a long tail of the journal to replay.

The state is made by driving a real engine against a real database. A first engine takes the resting orders and stops in
order, so they are in its snapshot. A second one, told to take no snapshots, takes the tail and is killed (SIGKILL).
Every later start then finds the same snapshot and the same tail, so it can be measured several times.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import asyncpg
import psutil
from redis import Redis

from loadtests import driver
from loadtests.tape import Tape
from loadtests.venue import EngineVenue, VenueFailed, scratch_directory
from services.engine import snapshots

SEED: Final = 11
ACCOUNTS: Final = 400
SPREAD: Final = 0.01
FILL_PARCEL: Final = 256
NO_SNAPSHOTS: Final = {"CROSSBOOK_SNAPSHOT_MINIMUM_BATCHES": str(10**9)}


@contextlib.contextmanager
def filled_venue(open_orders: int) -> Iterator[tuple[EngineVenue, Tape]]:
    """An engine's database and Redis with a snapshot of ``open_orders``, and no engine running."""
    tape = Tape(SEED, ACCOUNTS)
    with scratch_directory() as root, EngineVenue(root) as venue:
        venue.start_engine()
        tape.markets()
        commands = [*tape.deposits(), *tape.resting(open_orders, spread=SPREAD)]
        asyncio.run(driver.send_all(venue.port, commands, FILL_PARCEL))
        venue.stop_engine()
        yield venue, tape


def measure(open_orders: int, tail_commands: int, tail_parcel: int, tries: int) -> dict[str, Any]:
    with filled_venue(open_orders) as (venue, tape):
        venue.start_engine(NO_SNAPSHOTS)
        tail = tape.flow(tail_commands, open_orders=open_orders, spread=SPREAD)
        tail_s = asyncio.run(driver.send_all(venue.port, tail, tail_parcel))
        resident_mib = psutil.Process(venue.pid).memory_info().rss // 2**20
        venue.kill_engine()
        snapshot = _snapshot_figures(venue)
        starts = []
        for _ in range(tries):
            starts.append(_timed_start(venue, tail_commands))
            venue.kill_engine()
        Redis.from_url(venue.redis.url).flushall()
        without_redis = _timed_start(venue, tail_commands)
        venue.kill_engine()
        return {
            "open_orders_at_the_kill": len(tape.exchange.orders),
            "tail_commands": tail_commands,
            "tail_journal_rows": asyncio.run(_tail_rows(venue, snapshot["sequence"])),
            "tail_commands_per_s_when_written": round(tail_commands / tail_s),
            "engine_resident_mib": resident_mib,
            "snapshot": snapshot,
            "starts": starts,
            "best_s": min(start["active_s"] for start in starts),
            "with_redis_empty": without_redis,
        }


def _timed_start(venue: EngineVenue, tail_commands: int) -> dict[str, float]:
    """Start the engine; take the phases from the times and fields of its log."""
    active_s = venue.start_engine(NO_SNAPSHOTS)
    (recovered,), (active,) = venue.log_events("recovered"), venue.log_events("active")
    if recovered["replayed_commands"] < tail_commands:
        raise VenueFailed(f"the tail was not replayed: {recovered}")
    recovered_s = _since_start(venue, recovered)
    return {
        "process_and_lease_s": round(recovered_s - recovered["seconds"], 3),
        "snapshot_and_replay_s": recovered["seconds"],
        "to_active_s": round(_since_start(venue, active) - recovered_s, 3),
        "active_s": round(active_s, 3),
    }


def _since_start(venue: EngineVenue, event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp() - venue.started_s


def _snapshot_figures(venue: EngineVenue) -> dict[str, Any]:
    """The size of the snapshot, and how long this process takes to read it as the engine does."""
    payload = Redis.from_url(venue.redis.url).get(snapshots.REDIS_KEY)
    if not isinstance(payload, bytes):
        raise VenueFailed("the engine left no snapshot in Redis")
    started_s = time.perf_counter()
    snapshot = snapshots.decode(payload)
    decode_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    snapshots.encode(snapshot.exchange, snapshot.sequence, snapshot.journal_hash)
    return {
        "sequence": snapshot.sequence,
        "open_orders": len(snapshot.exchange.orders),
        "mib": round(len(payload) / 2**20, 2),
        "decode_s": round(decode_s, 3),
        "encode_s": round(time.perf_counter() - started_s, 3),
    }


async def _tail_rows(venue: EngineVenue, after: int) -> int:
    connection = await asyncpg.connect(venue.database_url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM exchange.journal WHERE sequence > $1", after)
    finally:
        await connection.close()
    return count
