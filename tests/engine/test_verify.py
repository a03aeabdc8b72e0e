"""``crossbook verify`` finds any single change to the journal or a table."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec.structs import replace

from services.domain.commands import (
    AmendOrder,
    CancelOrder,
    DefineVenue,
    HoldWithdrawal,
    ListKind,
    PlaceOrder,
    PlaceOrderList,
    RejectWithdrawal,
    SetAccountStatus,
    SetAccountTerms,
    SetMarketStatus,
    SettleWithdrawal,
    SetVenueStatus,
    TransferFunds,
)
from services.domain.market import MarketStatus, Venue
from services.domain.orders import OrderType, SelfTradePrevention, Side
from services.domain.protocol import Applied, Request
from services.domain.standing import AccountStatus, VenueStatus
from services.engine.runner import Engine
from services.engine.verify import Mismatch, verify
from services.infra.postgres import Connection
from services.local.embedded import EmbeddedPostgres, EmbeddedRedis
from services.local.processes import DATABASE
from services.local.verify import database_url
from tests.conftest import execute
from tests.engine.conftest import ALICE, BOB, UNIT, StartEngine, engine_settings, fund, limit, running_engine, submit


async def trade(engine: Engine) -> None:
    await fund(engine, ALICE, BOB)
    for price in range(90, 100):
        await submit(engine, limit(ALICE, Side.BUY, price, 2), limit(BOB, Side.SELL, price, 1))


def special(side: Side, price: int, quantity: int = 1, **changes: Any) -> PlaceOrder:
    return replace(limit(ALICE, side, price, quantity), **changes)


async def use_everything(engine: Engine) -> None:
    """Leave something in every table: stops that wait, lists that wait and one that ended, a prevented match…"""
    stop = special(Side.SELL, 40, type=OrderType.STOP_LOSS_LIMIT, stop_price_e8=50 * UNIT)
    trailing = special(Side.SELL, 40, type=OrderType.STOP_LOSS_LIMIT, trailing_delta=1000)
    oto = (special(Side.BUY, 20, client_order_id="works"), special(Side.SELL, 300, client_order_id="waits"))
    steps: list[Request] = [
        DefineVenue(Venue(max_open_orders=400)),
        SetAccountTerms(ALICE, maker_fee_rate_e8=50_000, trade_group_id=7),
        SetMarketStatus("ETHBTC", MarketStatus.HALT),
        stop,
        trailing,
        PlaceOrderList(ALICE, "BTCUSDT", "oto", ListKind.OTO, oto),
        PlaceOrderList(
            ALICE,
            "BTCUSDT",
            "opo",
            ListKind.OPO,
            (special(Side.BUY, 21, client_order_id="pays"), special(Side.SELL, 310, 0, client_order_id="paid")),
        ),
        PlaceOrderList(
            ALICE,
            "BTCUSDT",
            "gone",
            ListKind.OTO,
            (special(Side.BUY, 22, client_order_id="stays"), special(Side.SELL, 320)),
        ),
        special(Side.BUY, 30, 5, client_order_id="smaller"),
        AmendOrder(ALICE, "BTCUSDT", 0, "smaller", "small", 3 * UNIT),
        special(Side.SELL, 80, self_trade_prevention=SelfTradePrevention.EXPIRE_BOTH),
        limit(BOB, Side.SELL, 97, 2),
        HoldWithdrawal(ALICE, "BTC", 5, 1, "held"),
        HoldWithdrawal(BOB, "BTC", 5, 1, "paid out"),
        HoldWithdrawal(BOB, "BTC", 5, 1, "given back"),
        SettleWithdrawal("paid out"),
        RejectWithdrawal("given back"),
        TransferFunds(ALICE, BOB, "BTC", 5, "gift"),
        SetAccountStatus(9000, AccountStatus.FROZEN),
        SetVenueStatus(VenueStatus.HALTED),
    ]
    for step in steps:
        (reply,) = await submit(engine, step)
        assert isinstance(reply, Applied), (step, reply)
    (reply,) = await submit(engine, CancelOrder(ALICE, "BTCUSDT", 0, "stays", "bye"))
    assert isinstance(reply, Applied), reply


@pytest.fixture(scope="module")
def everything(embedded_postgres: EmbeddedPostgres, embedded_redis: EmbeddedRedis, wide_markets: Path) -> Iterator[str]:
    """The name of a database with something in every table; it is only ever copied."""
    name = "everything"
    url = embedded_postgres.url(name)

    async def make() -> None:
        async with running_engine(engine_settings(url, embedded_redis.url, wide_markets)) as engine:
            await trade(engine)
            await use_everything(engine)
        await verify(url)

    execute(embedded_postgres.url(), f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    yield name
    execute(embedded_postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def traded(embedded_postgres: EmbeddedPostgres, everything: str) -> Iterator[str]:
    execute(embedded_postgres.url(), f"CREATE DATABASE traded TEMPLATE {everything}")
    yield embedded_postgres.url("traded")
    execute(embedded_postgres.url(), "DROP DATABASE traded WITH (FORCE)")


@pytest.fixture
async def tables(traded: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(traded)
    yield connection
    await connection.close()


FLIP = "set_byte({column}, 10, get_byte({column}, 10) # 1)"


@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        (f"UPDATE exchange.journal SET events = {FLIP.format(column='events')} WHERE sequence = 4", "row 4 does not"),
        (f"UPDATE exchange.journal SET commands = {FLIP.format(column='commands')} WHERE sequence = 5", "row 5 does"),
        (f"UPDATE exchange.journal SET hash = {FLIP.format(column='hash')} WHERE sequence = 3", "row 3 does not"),
        ("DELETE FROM exchange.journal WHERE sequence = 6", "row 6 is missing"),
        (
            "UPDATE exchange.balances SET free_e8 = free_e8 + 1 WHERE account_id = 1000",
            "balances: row",
        ),
        ("UPDATE exchange.balances SET locked_e8 = 1 WHERE account_id = 1001 AND asset = 'ETH'", "balances: row"),
        ("INSERT INTO exchange.balances VALUES (7777, 'BTC', 1, 0, 0, 1)", "balances: row (7777, 'BTC')"),
        ("DELETE FROM exchange.balances WHERE account_id = 1000 AND asset = 'BTC'", "balances: row (1000, 'BTC')"),
        ("UPDATE exchange.orders SET status = 'FILLED', is_open = false WHERE order_id = 1", "open orders: row 1"),
        ("UPDATE exchange.orders SET price_e8 = price_e8 + 1 WHERE NOT is_open", "orders: row"),
        ("DELETE FROM exchange.orders WHERE order_id = 2", "orders: row 2"),
        ("UPDATE exchange.trades SET taker_fee_e8 = 0 WHERE trade_id = 3", "trades: row ('BTCUSDT', 3)"),
        ("DELETE FROM exchange.trades WHERE trade_id = 1", "trades: row ('BTCUSDT', 1)"),
        (
            "INSERT INTO exchange.trades SELECT 'ETHUSDT', 900, price_e8, quantity_e8, quote_e8, time_us, "
            "buyer_is_maker, taker_order_id, taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, "
            "maker_fee_e8, sequence, aggregate_id FROM exchange.trades WHERE trade_id = 1",
            "candles: row ('ETHUSDT', '15m'",
        ),
        ("UPDATE exchange.trades SET aggregate_id = aggregate_id + 1 WHERE trade_id = 9", "trades: row ('BTCUSDT', 9)"),
        (
            "UPDATE exchange.candles SET volume_e8 = volume_e8 + 1 WHERE interval = '1h'",
            "candles: row ('BTCUSDT', '1h'",
        ),
        ("UPDATE exchange.candles SET open_e8 = open_e8 - 1 WHERE interval = '1m'", "candles: row ('BTCUSDT', '1m'"),
        ("DELETE FROM exchange.candles WHERE interval = '1d'", "candles: row ('BTCUSDT', '1d'"),
        (
            "UPDATE exchange.orders SET details = NULL WHERE is_open AND type = 'STOP_LOSS_LIMIT'",
            "open orders: row",
        ),
        ("UPDATE exchange.orders SET is_open = false WHERE status = 'PENDING_NEW'", "open orders: row"),
        (
            "UPDATE exchange.order_lists SET is_done = true WHERE client_order_list_id = 'oto'",
            "open order_lists: row 1",
        ),
        (
            "UPDATE exchange.order_lists SET created_us = 1 WHERE client_order_list_id = 'opo'",
            "open order_lists: row 2",
        ),
        ("UPDATE exchange.order_lists SET updated_us = 1 WHERE is_done", "order_lists: row 3"),
        ("DELETE FROM exchange.order_lists WHERE is_done", "order_lists: row 3"),
        ("UPDATE exchange.prevented_matches SET price_e8 = 1", "prevented_matches: row ('BTCUSDT', 1)"),
        ("DELETE FROM exchange.prevented_matches", "prevented_matches: row ('BTCUSDT', 1)"),
        ("UPDATE exchange.amendments SET old_quantity_e8 = 9", "amendments: row 1"),
        (
            "INSERT INTO exchange.amendments SELECT 2, account_id, symbol, order_id, '', '', 1, 1, time_us, sequence "
            "FROM exchange.amendments",
            "amendments: the journal leads to 1 rows, the table has 2",
        ),
        ("UPDATE exchange.venue SET definition = '{}'", "venue: row 0"),
        ("DELETE FROM exchange.venue", "venue: row 0"),
        ("UPDATE exchange.account_terms SET maker_fee_rate_e8 = 0", "account_terms: row 1000"),
        ("DELETE FROM exchange.account_terms", "account_terms: row 1000"),
        ("UPDATE exchange.markets SET status = 'TRADING'", "markets: row 'ETHBTC'"),
        ("UPDATE exchange.transfers SET amount_e8 = amount_e8 - 1 WHERE account_id = 1000", "transfers: row"),
        (
            "INSERT INTO exchange.transfers VALUES ('forged', 1000, 'BTC', 5, 0, 1, 'DEPOSIT')",
            "the ledger does not add up to the balances of BTC",
        ),
        (
            "INSERT INTO exchange.transfers VALUES ('forged', 1000, 'BTC', 5, 0, 1, 'FEE_INCOME')",
            "transfers: the journal leads to 11",
        ),
        ("UPDATE exchange.transfers SET kind = 'FEE_INCOME' WHERE kind = 'TRANSFER_IN'", "transfers: row ('gift'"),
        ("UPDATE exchange.transfers SET counterparty_id = 1 WHERE kind = 'TRANSFER_OUT'", "transfers: row ('gift'"),
        ("DELETE FROM exchange.transfers WHERE kind = 'WITHDRAWAL_FEE'", "transfers: row ('paid out'"),
        ("UPDATE exchange.balances SET withdrawing_e8 = 7 WHERE withdrawing_e8 = 6", "balances: row (1000, 'BTC')"),
        ("UPDATE exchange.withdrawals SET status = 'SETTLED' WHERE status = 'HELD'", "held withdrawals: row 'held'"),
        ("UPDATE exchange.withdrawals SET fee_e8 = 0 WHERE status = 'SETTLED'", "withdrawals: row 'paid out'"),
        ("UPDATE exchange.withdrawals SET status = 'HELD' WHERE status = 'REJECTED'", "withdrawals: row 'given back'"),
        (
            "INSERT INTO exchange.withdrawals VALUES ('forged', 1000, 'BTC', 5, 0, 'SETTLED', 0, 0, 1)",
            "withdrawals: the journal leads to 3 rows, the table has 4",
        ),
        ("UPDATE exchange.account_standing SET status = 'ACTIVE'", "account_standing: row 9000"),
        ("INSERT INTO exchange.account_standing VALUES (1000, 'FROZEN', 0, 1)", "account_standing: row 1000"),
        ("DELETE FROM exchange.venue_standing", "venue_standing: row 0"),
        (
            "UPDATE exchange.markets SET definition = jsonb_set(definition, '{taker_fee_rate_e8}', '0')",
            "markets: row 'BTCUSDT'",
        ),
        ("UPDATE exchange.engine_lease SET sequence = sequence - 1", "otherwise"),
    ],
)
async def test_tampering_is_found(tampering: str, complaint: str, traded: str, tables: Connection) -> None:
    await tables.execute(tampering)
    with pytest.raises(Mismatch) as caught:
        await verify(traded)
    assert complaint in str(caught.value)


async def test_from_the_newest_snapshot(start_engine: StartEngine, postgres_url: str) -> None:
    async with start_engine() as engine:
        await trade(engine)
        await use_everything(engine)
    async with start_engine() as engine:
        await submit(engine, limit(ALICE, Side.BUY, 50), limit(BOB, Side.SELL, 50, 3))
        await submit(engine, CancelOrder(ALICE, "BTCUSDT", 0, "works", "bye"))
        whole = await verify(postgres_url)
        tail = await verify(postgres_url, from_snapshot=True)
    assert tail.from_sequence > 0
    assert (tail.sequence, tail.state_hash) == (whole.sequence, whole.state_hash)
    assert tail.commands < whole.commands


async def test_an_empty_exchange_verifies(postgres_url: str) -> None:
    report = await verify(postgres_url)
    assert (report.sequence, report.commands, report.orders) == (0, 0, 0)


async def test_the_program_needs_no_more_rights_than_the_engine(
    traded: str, tables: Connection, embedded_postgres: EmbeddedPostgres
) -> None:
    told = await verified_by_program(traded, embedded_postgres)
    assert json.loads(told.stdout)["journal_hash"] == (await verify(traded)).journal_hash
    await tables.execute("UPDATE exchange.balances SET free_e8 = free_e8 + 1 WHERE account_id = $1", ALICE)
    told = await verified_by_program(traded, embedded_postgres)
    assert (told.returncode, told.stdout) == (1, "")
    assert "not verified" in told.stderr


async def verified_by_program(url: str, server: EmbeddedPostgres) -> subprocess.CompletedProcess[str]:
    as_engine = server.url(urlsplit(url).path.removeprefix("/"), "crossbook_engine")
    return await asyncio.to_thread(
        subprocess.run,
        (sys.executable, "-P", "-m", "services.local.verify"),
        env={**os.environ, "CROSSBOOK_DATABASE_URL": as_engine},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_another_server_is_asked_with_the_same_credentials() -> None:
    given = {"CROSSBOOK_DATABASE_URL": "postgresql://crossbook_engine:se%40cret@database.internal:5432/crossbook"}
    assert database_url(given) == given["CROSSBOOK_DATABASE_URL"]
    assert (
        database_url({**given, "CROSSBOOK_VERIFIED_HOST": "restored.example"})
        == "postgresql://crossbook_engine:se%40cret@restored.example:5432/crossbook"
    )
