"""Starting over an existing journal: every source of a snapshot, every way to be unusable, and never empty."""

import hashlib
import zlib
from pathlib import Path

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from services.domain.commands import CancelAllOrders, CancelOrder, DefineMarket
from services.domain.events import OrderFilled
from services.domain.orders import Side
from services.domain.protocol import Applied, Depth, ReadDepth
from services.engine import snapshots
from services.engine.core.snapshot import capture, state_hash
from services.engine.journal import GENESIS_HASH, JournalCorrupt
from services.engine.lease import Lease, LeaseLost
from services.engine.postgres_store import PostgresStore
from services.engine.recovery import recover
from services.engine.runner import Engine
from services.engine.settings import PACKAGED_MARKETS_FILE, EngineSettings
from services.infra.postgres import Connection
from tests.engine.conftest import ALICE, BOB, StartEngine, active, fund, limit, submit, until


async def trade_a_little(engine: Engine) -> bytes:
    """Leave open orders, trades and cancels behind; return the hash of the state."""
    await fund(engine, ALICE, BOB)
    for price in range(90, 100):
        await submit(engine, limit(ALICE, Side.BUY, price, 3), limit(BOB, Side.SELL, price + 8, 2))
    await submit(engine, limit(BOB, Side.SELL, 97, 4), CancelOrder(ALICE, "BTCUSDT", 1, "", "c"))
    return state_hash(capture(active(engine).exchange))


def hash_of(engine: Engine) -> bytes:
    return state_hash(capture(active(engine).exchange))


async def crash_after_trading(start_engine: StartEngine, database: Connection, redis_url: str) -> bytes:
    """Trade, then leave nothing but the journal, as a crash before the first snapshot would."""
    async with start_engine() as engine:
        digest = await trade_a_little(engine)
    await forget_snapshots(database, redis_url)
    return digest


async def forget_snapshots(database: Connection, redis_url: str) -> None:
    await database.execute("DELETE FROM exchange.snapshots")
    async with Redis.from_url(redis_url) as client:
        await client.flushall()


async def test_from_the_journal_alone(start_engine: StartEngine, database: Connection, redis_url: str) -> None:
    digest = await crash_after_trading(start_engine, database, redis_url)
    async with start_engine() as engine:
        assert hash_of(engine) == digest


async def test_a_stopped_engine_leaves_a_snapshot_of_its_last_commit_in_both_stores(
    start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    async with start_engine() as engine:
        digest = await trade_a_little(engine)
        sequence = active(engine).sequence
    async with Redis.from_url(redis_url) as client:
        in_redis = await client.get(snapshots.REDIS_KEY)
    assert isinstance(in_redis, bytes)
    in_database = await database.fetchval("SELECT payload FROM exchange.snapshots WHERE sequence = $1", sequence)
    for payload in (in_redis, in_database):
        snapshot = snapshots.decode(payload)
        assert snapshot.sequence == sequence
        assert state_hash(capture(snapshot.exchange)) == digest


async def test_orders_keep_their_priority_across_a_restart(start_engine: StartEngine) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE, BOB)
        for name in ("first", "second", "third"):
            await submit(engine, limit(ALICE, Side.SELL, 100, 1, name=name))
        await submit(engine, CancelOrder(ALICE, "BTCUSDT", 0, "second", "c"))
    async with start_engine() as engine:
        await submit(engine, limit(ALICE, Side.SELL, 100, 1, name="fourth"))
        (reply,) = await submit(engine, limit(BOB, Side.BUY, 100, 3))
        assert isinstance(reply, Applied)
        makers = [event.maker.client_order_id for event in reply.events if isinstance(event, OrderFilled)]
        assert makers == ["first", "third", "fourth"]


@pytest.mark.parametrize("damage", ["truncated", "garbage", "flipped", "other format", "other journal", "future"])
async def test_an_unusable_snapshot_is_passed_over(
    damage: str, start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    async with start_engine() as engine:
        digest = await trade_a_little(engine)
        exchange, sequence = active(engine).exchange, active(engine).sequence
    await forget_snapshots(database, redis_url)
    good = snapshots.encode(exchange, sequence, GENESIS_HASH)
    fields = msgspec.msgpack.decode(good)
    match damage:
        case "truncated":
            bad = good[:-20]
        case "garbage":
            bad = b"\x00garbage"
        case "flipped":
            fields[3] = bytes(32)
            bad = msgspec.msgpack.encode(fields)
        case "other format":
            fields[0] += 1
            bad = msgspec.msgpack.encode(fields)
        case "other journal":
            bad = good
        case _:
            fields[1] += 1_000
            bad = msgspec.msgpack.encode(fields)
    async with Redis.from_url(redis_url) as client:
        await client.set(snapshots.REDIS_KEY, bad)
    await database.execute("INSERT INTO exchange.snapshots (sequence, payload) VALUES (1, $1)", bad)
    async with start_engine() as engine:
        assert hash_of(engine) == digest


async def test_an_old_snapshot_in_the_database_serves_when_redis_is_empty(
    start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    async with start_engine() as engine:
        await trade_a_little(engine)
    async with start_engine() as engine:
        await submit(engine, CancelAllOrders(BOB, "BTCUSDT", "c"))
        digest = hash_of(engine)
    newest = await database.fetchval("SELECT max(sequence) FROM exchange.snapshots")
    await database.execute("DELETE FROM exchange.snapshots WHERE sequence = $1", newest)
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
    async with start_engine() as engine:
        assert hash_of(engine) == digest


async def run_and_fail(settings: EngineSettings) -> BaseException | None:
    client = Redis.from_url(settings.redis_url.get_secret_value())
    try:
        await Engine(settings, client).run()
    except JournalCorrupt as error:
        return error
    finally:
        await client.aclose()
    return None


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("DELETE FROM exchange.journal", "only lead to row 0"),
        ("DELETE FROM exchange.journal WHERE sequence = 5", "row 5 is missing"),
        ("DELETE FROM exchange.journal WHERE sequence >= 9", "only lead to row 8"),
        ("UPDATE exchange.journal SET time_us = time_us + 1 WHERE sequence = 6", "row 6 does not match its hash"),
        (
            "UPDATE exchange.journal SET events = set_byte(events, 20, get_byte(events, 20) # 1) WHERE sequence = 7",
            "row 7 does not match its hash",
        ),
        ("UPDATE exchange.engine_lease SET journal_hash = decode(repeat('ab', 32), 'hex')", "only lead to row"),
    ],
)
async def test_it_refuses_to_run_over_a_broken_journal(
    damage: str,
    complaint: str,
    start_engine: StartEngine,
    settings: EngineSettings,
    database: Connection,
    redis_url: str,
) -> None:
    await crash_after_trading(start_engine, database, redis_url)
    await database.execute(damage)
    error = await run_and_fail(settings)
    assert complaint in str(error)


async def test_a_later_leaders_snapshot_is_no_torn_journal(
    start_engine: StartEngine, settings: EngineSettings, redis_url: str
) -> None:
    """Who stood still between taking the lease and reading finds what others have done since."""
    async with start_engine() as engine:
        await trade_a_little(engine)
        sequence = active(engine).sequence
    session = await PostgresStore(settings).connect("test", 5_000)
    earlier = Lease(1, sequence - 1, await session.hash_at(sequence - 1) or b"")
    async with Redis.from_url(redis_url) as client:
        with pytest.raises(LeaseLost, match=f"there is one of row {sequence}"):
            await recover(session, client, earlier)
    session.terminate()


async def test_a_snapshot_taken_under_way_is_used_and_does_not_disturb(
    start_engine: StartEngine, redis_url: str
) -> None:
    async with start_engine(snapshot_interval_s=0.05, snapshot_minimum_batches=1) as engine:
        await fund(engine, ALICE, BOB)
        for price in range(50, 150):
            (reply,) = await submit(engine, limit(ALICE, Side.BUY, price))
            assert isinstance(reply, Applied)
        async with Redis.from_url(redis_url) as client:

            async def is_stored() -> bool:
                return await client.exists(snapshots.REDIS_KEY) == 1

            await until(is_stored)
            payload = await client.get(snapshots.REDIS_KEY)
        assert isinstance(payload, bytes)
        assert 0 < snapshots.decode(payload).sequence <= active(engine).sequence
        (depth,) = await submit(engine, ReadDepth("BTCUSDT", 500))
        assert isinstance(depth, Depth)
        assert len(depth.bids) == 100


async def test_a_changed_market_file_enters_the_journal_once(start_engine: StartEngine, tmp_path: Path) -> None:
    changed = tmp_path / "markets.toml"
    changed.write_text(
        PACKAGED_MARKETS_FILE.read_text().replace('taker_fee_rate = "0.001"', 'taker_fee_rate = "0.002"')
    )
    async with start_engine() as engine:
        before = active(engine).sequence
    async with start_engine(markets_file=changed) as engine:
        assert active(engine).sequence == before + 1
        assert active(engine).exchange.listings["BTCUSDT"].market.taker_fee_rate_e8 == 200_000
    async with start_engine(markets_file=changed) as engine:
        assert active(engine).sequence == before + 1


async def test_the_database_role_is_the_engines_own(settings: EngineSettings) -> None:
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    assert await connection.fetchval("SELECT current_user") == "crossbook_engine"
    await connection.close()


async def test_what_was_defined_by_command_outlives_the_engine(start_engine: StartEngine) -> None:
    """Goal: a failover does not undo ``crossbook market define``, though the file says something else."""
    async with start_engine() as engine:
        wanted = msgspec.structs.replace(active(engine).exchange.listings["BTCUSDT"].market, max_open_orders=3)
        (reply,) = await submit(engine, DefineMarket(wanted))
        assert isinstance(reply, Applied)
    async with start_engine() as engine:
        assert active(engine).exchange.listings["BTCUSDT"].market == wanted


async def test_a_snapshot_of_the_format_before_is_read(start_engine: StartEngine) -> None:
    """It has fewer fields: nothing is withdrawing, no account is frozen, every market is governed by command."""
    async with start_engine() as engine:
        await trade_a_little(engine)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(capture(active(engine).exchange)))
    del state[10:]
    state[6] = [balance[:4] for balance in state[6]]
    state[8] = [transfer[:4] for transfer in state[8]]
    state[9] = [listing[:11] for listing in state[9]]
    packed = msgspec.msgpack.encode(state)
    stored = [2, 7, GENESIS_HASH, hashlib.sha256(packed).digest(), zlib.compress(packed)]
    restored = snapshots.decode(msgspec.msgpack.encode(stored)).exchange
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(capture(restored)))
    assert [balance[:4] for balance in again[6]] == state[6] != []
    assert [listing[:11] for listing in again[9]] == state[9]
    assert all(listing.is_commanded for listing in restored.listings.values())
    stored[0] = 1
    with pytest.raises(snapshots.SnapshotUnusable, match="format 1"):
        snapshots.decode(msgspec.msgpack.encode(stored))
