"""What the tables hold after commits, and that nothing commits without the lease."""

import asyncpg
import pytest

from services.domain.commands import CancelOrder
from services.domain.orders import Side
from services.domain.protocol import Applied, Failed, FailureKind, Refused
from services.domain.refusals import Refusal
from services.engine import lease
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from services.engine.inbox import Closed
from services.engine.journal import JournalRow
from services.engine.postgres_store import PostgresStore
from services.engine.projection import Projection
from services.engine.settings import EngineSettings
from services.engine.settlement import Tails, settle
from services.engine.verify import verify
from services.infra import postgres
from services.infra.postgres import Connection
from tests.engine.conftest import ALICE, BOB, UNIT, StartEngine, active, fund, limit, submit, until


async def test_a_trade_is_in_every_table_when_the_reply_arrives(
    start_engine: StartEngine, database: Connection
) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE, BOB)
        await submit(engine, limit(ALICE, Side.SELL, 100, 2, name="maker"))
        replies = await submit(engine, limit(BOB, Side.BUY, 110, 1, name="taker"))

        assert isinstance(replies[0], Applied)
        orders = await database.fetch("SELECT * FROM exchange.orders ORDER BY order_id")
        assert [(o["client_order_id"], o["status"], o["executed_e8"], o["is_open"]) for o in orders] == [
            ("maker", "PARTIALLY_FILLED", UNIT, True),
            ("taker", "FILLED", UNIT, False),
        ]
        (trade,) = await database.fetch("SELECT * FROM exchange.trades")
        assert (trade["price_e8"], trade["quantity_e8"], trade["quote_e8"]) == (100 * UNIT, UNIT, 100 * UNIT)
        assert (trade["taker_account_id"], trade["maker_account_id"]) == (BOB, ALICE)
        balance = await database.fetchrow(
            "SELECT * FROM exchange.balances WHERE account_id = $1 AND asset = 'BTC'", ALICE
        )
        assert balance is not None
        assert (balance["free_e8"], balance["locked_e8"]) == (999_998 * UNIT, UNIT)
        assert balance["sequence"] == replies[0].sequence


async def test_a_batch_is_one_journal_row_and_refusals_leave_none(
    start_engine: StartEngine, database: Connection
) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE)
        before = active(engine).sequence
        replies = await submit(engine, limit(ALICE, Side.BUY, 10), limit(ALICE, Side.BUY, 11), limit(BOB, Side.BUY, 9))
        assert [type(reply) for reply in replies] == [Applied, Applied, Refused]
        assert active(engine).sequence == before + 1
        assert await submit(engine, limit(BOB, Side.BUY, 9)) == [Refused(Refusal.INSUFFICIENT_BALANCE)]
        assert active(engine).sequence == before + 1
        assert await database.fetchval("SELECT count(*) FROM exchange.orders") == 2


async def test_the_tables_agree_with_the_journal(start_engine: StartEngine, postgres_url: str) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE, BOB)
        for price in range(90, 110):
            await submit(engine, limit(ALICE, Side.BUY, price), limit(BOB, Side.SELL, 200 - price, 2))
        report = await verify(postgres_url)
        assert report.sequence == active(engine).sequence
        assert report.state_hash == state_hash(capture(active(engine).exchange)).hex()


async def test_a_stale_epoch_writes_nothing(start_engine: StartEngine, database: Connection) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE)
        tables = "SELECT (SELECT count(*) FROM exchange.journal), (SELECT count(*) FROM exchange.orders)"
        before = await database.fetchrow(tables)
        await database.execute("UPDATE exchange.engine_lease SET epoch = epoch + 1, expires_at = now() + '1 hour'")
        replies = await submit(engine, limit(ALICE, Side.BUY, 10))
        assert replies == [Failed(FailureKind.UNKNOWN)]
        assert await database.fetchrow(tables) == before
        with pytest.raises(Closed):
            await submit(engine, limit(ALICE, Side.BUY, 10))


async def test_what_comes_after_the_lease_expired_writes_nothing(
    start_engine: StartEngine, database: Connection
) -> None:
    """Nobody else has taken over: the engine leads again, and does what it is asked then."""
    async with start_engine() as engine:
        await fund(engine, ALICE)
        before = await database.fetchval("SELECT count(*) FROM exchange.journal")
        await database.execute("UPDATE exchange.engine_lease SET expires_at = clock_timestamp()")
        assert await submit(engine, limit(ALICE, Side.BUY, 10)) == [Failed(FailureKind.UNKNOWN)]
        assert await database.fetchval("SELECT count(*) FROM exchange.journal") == before
        await until(lambda: engine.active is not None)
        assert isinstance((await submit(engine, limit(ALICE, Side.BUY, 10)))[0], Applied)


async def test_warming_up_changes_nothing(
    start_engine: StartEngine, settings: EngineSettings, database: Connection
) -> None:
    lease_row = "SELECT epoch, sequence, holder FROM exchange.engine_lease"
    async with start_engine() as engine:
        await fund(engine, ALICE)
    before = await database.fetchrow(lease_row)
    session = await PostgresStore(settings).connect("test", 5_000)
    await session.warm_up()
    session.terminate()
    assert await database.fetchrow(lease_row) == before


async def test_a_stale_engine_does_not_even_refuse(start_engine: StartEngine, database: Connection) -> None:
    """What it remembers may be history: "unknown order" from it would be a lie."""
    async with start_engine() as engine:
        await database.execute("UPDATE exchange.engine_lease SET epoch = epoch + 1, expires_at = now() + '1 hour'")
        assert await submit(engine, CancelOrder(ALICE, "BTCUSDT", 7, "", "c")) == [Failed(FailureKind.UNKNOWN)]


async def test_settle_is_refused_at_a_sequence_that_is_not_next(
    start_engine: StartEngine, settings: EngineSettings, database: Connection
) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE)
        row = await database.fetchrow("SELECT * FROM exchange.journal ORDER BY sequence DESC LIMIT 1")
        assert row is not None
        held = active(engine).lease
        connection = await postgres.connect(
            settings.database_url.get_secret_value(), application_name="test", statement_timeout_ms=1000
        )
        again = JournalRow(row["sequence"], held.epoch, row["time_us"], b"", b"", row["hash"])
        with pytest.raises(lease.LeaseLost):
            await settle(connection, again, Projection(), Tails(), lease_ttl_ms=1000)
        await connection.close()


async def test_the_engine_recovers_in_place_when_its_connection_is_cut(
    start_engine: StartEngine, database: Connection
) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE)
        await submit(engine, limit(ALICE, Side.BUY, 10, name="survivor"))
        first = active(engine)
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'crossbook-engine' AND datname = current_database()"
        )
        await until(lambda: engine.active is not None and engine.active is not first)
        second = active(engine)
        assert second.lease.epoch > first.lease.epoch
        assert state_hash(capture(second.exchange)) == state_hash(capture(first.exchange))
        (reply,) = await submit(engine, CancelOrder(ALICE, "BTCUSDT", 0, "survivor", "c"))
        assert isinstance(reply, Applied)


async def test_the_engines_role_cannot_rewrite_the_journal_or_read_secrets(settings: EngineSettings) -> None:
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    for statement in (
        "UPDATE exchange.journal SET events = ''",
        "DELETE FROM exchange.journal",
        "DELETE FROM exchange.trades",
        "DELETE FROM exchange.balances",
        "TRUNCATE exchange.orders",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


def test_an_empty_exchange_has_nothing_to_settle() -> None:
    assert not any(Projection().tables().values())
    assert capture(Exchange()).balances == []
