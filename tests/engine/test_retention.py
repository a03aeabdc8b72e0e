"""Dropping old orders and trades: what goes, what stays, and that everything still adds up."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from services.backoffice import statements
from services.domain.commands import CancelOrder, Command, DefineMarket, Deposit, PlaceOrder
from services.domain.market import Market
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.protocol import Envelope
from services.engine import lease, retention
from services.engine.batch import Batch
from services.engine.core.exchange import Exchange
from services.engine.inbox import Parcel
from services.engine.journal import GENESIS_HASH
from services.engine.postgres_store import PostgresSession, PostgresStore
from services.engine.settings import EngineSettings
from services.engine.verify import Mismatch, verify
from services.infra.postgres import Connection
from services.local import history_job
from tests.engine.conftest import ALICE, BOB, UNIT
from tests.history_partitions import cut_history

DAY_US = 86_400_000_000
TODAY_US = time.time_ns() // 1000 // DAY_US * DAY_US
BEGAN_US = TODAY_US - 400 * DAY_US
EDGES_US = [BEGAN_US + month * 30 * DAY_US for month in range(1, 14)]
BEFORE_US = BEGAN_US + 200 * DAY_US


class OldExchange:
    """An exchange that has been trading for more than a year, one batch every four days."""

    def __init__(self, session: PostgresSession) -> None:
        self.exchange = Exchange()
        self._session = session
        self._sequence, self._hash, self._epoch = 0, GENESIS_HASH, 0
        self._number = 0

    async def trade(self) -> None:
        held = await lease.acquire(self._session, "old", ttl_ms=3_600_000, pause=partial(asyncio.sleep, 0.01))
        self._epoch = held.epoch
        money = [
            Deposit(who, asset, 10**14, f"{who}{asset}") for who in (ALICE, BOB) for asset in ("USDT", "BTC", "ETH")
        ]
        markets = [DefineMarket(_market(base)) for base in ("BTC", "ETH")]
        await self.settle(BEGAN_US, *markets, *money, self.order("ETH", ALICE, Side.SELL, 7))
        await self.settle(BEGAN_US + 1, self.order("ETH", BOB, Side.BUY, 7), self.order("BTC", ALICE, Side.BUY, 1))
        for day in range(4, 400, 4):
            maker, name = self.order("BTC", ALICE, Side.SELL, 100 + day % 7, 3), f"n{self._number}"
            taker = self.order("BTC", BOB, Side.BUY, 200, 2)
            rest = self.order("BTC", BOB, Side.BUY, 2)
            last = [] if day % 80 == 0 else [CancelOrder(ALICE, "BTCUSDT", 0, name, "c")]
            await self.settle(BEGAN_US + day * DAY_US, maker, taker, rest, *last)

    def order(self, base: str, account_id: int, side: Side, price: int, quantity: int = 1) -> PlaceOrder:
        self._number += 1
        limits = OrderType.LIMIT, TimeInForce.GTC, quantity * UNIT, price * UNIT
        return PlaceOrder(account_id, f"{base}USDT", f"n{self._number}", side, *limits)

    async def settle(self, time_us: int, *commands: Command) -> None:
        batch = Batch(self.exchange, self._sequence + 1, time_us, time_us)
        batch.carry_out(Parcel([Envelope(2**62, command) for command in commands]))
        assert len(batch.commands) == len(commands), "all are accepted"
        row = batch.row(self._epoch, self._hash)
        await self._session.settle(row, batch.projection, lease_ttl_ms=3_600_000)
        self._sequence, self._hash = row.sequence, row.hash


def _market(base: str) -> Market:
    return Market(
        symbol=f"{base}USDT",
        base_asset=base,
        quote_asset="USDT",
        tick_size_e8=UNIT // 100,
        step_size_e8=UNIT // 1000,
        maker_fee_rate_e8=UNIT // 1000,
        taker_fee_rate_e8=UNIT // 1000,
    )


@pytest.fixture
async def old(settings: EngineSettings, database: Connection) -> AsyncIterator[OldExchange]:
    await cut_history(database, "trades", EDGES_US)
    await cut_history(database, "orders", [50, 100, 150, 200, 250])
    session = await PostgresStore(settings).connect("test", 20_000)
    made = OldExchange(session)
    await made.trade()
    yield made
    session.terminate()


async def statement(database: Any, account_id: int, start_us: int) -> bytes:
    async with database.transaction(isolation="repeatable_read", readonly=True):
        parts = statements.write(database, account_id, start_us, TODAY_US + DAY_US, timeout_s=20)
        return b"".join([part async for part in parts])


async def test_old_history_goes_and_everything_still_adds_up(
    old: OldExchange, database: Connection, postgres_url: str
) -> None:
    before = await verify(postgres_url)
    assert (before.dropped_orders, before.dropped_trades) == (0, 0)
    told = [await statement(database, account_id, BEFORE_US) for account_id in (ALICE, BOB)]
    open_orders = await database.fetch("SELECT * FROM exchange.orders WHERE is_open ORDER BY order_id")
    prices = "SELECT DISTINCT ON (symbol) * FROM exchange.trades ORDER BY symbol, time_us DESC, trade_id DESC"
    last = await database.fetch(prices)

    dropped = await retention.drop_before(database, BEFORE_US)

    assert {one.partition.table for one in dropped} == {"orders", "trades"}
    after = await verify(postgres_url)
    assert (after.state_hash, after.orders + after.dropped_orders) == (before.state_hash, before.orders)
    assert after.trades + after.dropped_trades == before.trades
    assert 0 < after.dropped_orders < before.orders
    assert 0 < after.dropped_trades < before.trades
    assert await database.fetch("SELECT * FROM exchange.orders WHERE is_open ORDER BY order_id") == open_orders
    assert await database.fetch(prices) == last, "also of the market that nobody traded in since"
    source: Any = database
    earliest_us = await statements.earliest_us(source)
    assert BEFORE_US - 30 * DAY_US < earliest_us <= BEFORE_US
    assert [await statement(database, account_id, BEFORE_US) for account_id in (ALICE, BOB)] == told
    assert await retention.drop_before(database, BEFORE_US) == [], "it is done"


async def test_trading_goes_on_with_what_was_kept(old: OldExchange, database: Connection, postgres_url: str) -> None:
    await retention.drop_before(database, BEFORE_US)
    # Old makers are filled where they are kept, and the quiet market's aggregates are counted on.
    sweep = old.order("BTC", BOB, Side.BUY, 200, 5)
    await old.settle(TODAY_US, sweep, old.order("ETH", ALICE, Side.SELL, 8), old.order("ETH", BOB, Side.BUY, 8))
    await verify(postgres_url)
    numbers = "SELECT aggregate_id FROM exchange.trades WHERE symbol = 'ETHUSDT' ORDER BY trade_id"
    assert [row["aggregate_id"] for row in await database.fetch(numbers)] == [1, 2]
    again = await retention.drop_before(database, TODAY_US - 40 * DAY_US)
    assert again
    report = await verify(postgres_url)
    assert await database.fetchval("SELECT count(*) FROM exchange.trades") == report.trades


@pytest.mark.parametrize(
    ("tampering", "message"),
    [
        ("DELETE FROM exchange.trades WHERE trade_id = (SELECT max(trade_id) FROM exchange.trades)", "trades: row"),
        ("DELETE FROM exchange.orders WHERE is_open AND order_id < 50", "open orders: row"),
        ("UPDATE exchange.trades SET taker_fee_e8 = 0 WHERE symbol = 'ETHUSDT'", "trades: row"),
        (
            "UPDATE exchange.history_horizons SET dropped_rows = dropped_rows - 1 WHERE table_name = 'trades'",
            "trades: t",
        ),
    ],
)
async def test_verification_misses_only_what_was_dropped(
    old: OldExchange, database: Connection, postgres_url: str, tampering: str, message: str
) -> None:
    await retention.drop_before(database, BEFORE_US)
    await database.execute(tampering)
    with pytest.raises(Mismatch, match=message):
        await verify(postgres_url)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(retention, "LOCK_ATTEMPTS", 1)
    yield


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_dropped_that_is_young_or_being_read(
    old: OldExchange, database: Connection, settings: EngineSettings
) -> None:
    with pytest.raises(retention.TooYoung, match="31 days"):
        await retention.drop_before(database, TODAY_US - 29 * DAY_US)  # Midnight may come meanwhile.
    reader = await PostgresStore(settings).connect("reader", 20_000)
    count = "SELECT count(*) FROM exchange.trades"
    before = await database.fetchval(count)
    async with reader._connection.transaction():
        await reader._connection.fetch(count)
        await reader._connection.fetch("SELECT count(*) FROM exchange.orders")
        with pytest.raises(retention.LockNotGiven, match="read all the time"):
            await retention.drop_before(database, BEFORE_US)
    reader.terminate()
    assert await database.fetchval(count) == before


def test_in_a_cluster_a_job_does_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSBOOK_DATABASE_URL", postgres_url)
    assert history_job.main(["extend"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out).keys() == {"orders", "trades"}
    assert history_job.main(["drop", "2025-01-01"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out) == []
    assert history_job.main(["drop", "2999-01-01"]) == 1
    assert "always stay" in capsys.readouterr().err
