"""Where the past is read from as the replica lags, stops, hangs, returns, and has another past than the exchange.

``writing`` has no replica, ``reading`` has one: what the first acknowledged, the second must show. Reads are counted by
what served them, so no test passes because the replica was never asked.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from services.infra import postgres
from services.infra.postgres import Pool, Source
from services.local.embedded import EmbeddedPostgres
from services.local.processes import DATABASE
from services.trading.history import MAX_LAG_SEQUENCES, History, Replica, open_replica
from services.trading.settings import TradingSettings
from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.replica.conftest import Serve, TradingProcess, is_usable, reads, until_usable
from tests.replica.standby import Standby, until
from tests.running import RunningSystem

SYMBOL = "BTCUSDT"
ETH = "ETHUSDT"
# The last two fail on a standby alone.
NUMBER = "SELECT 42"
SLOW = "SELECT pg_sleep(1)"
REFUSED_BY_A_STANDBY = "SELECT 1 / (NOT pg_is_in_recovery())::int"
SLOW_ON_A_STANDBY = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_sleep(60)::text ELSE 'done' END"


@dataclass(frozen=True)
class Processes:
    writing: TradingProcess
    reading: TradingProcess


@dataclass(frozen=True)
class Pair:
    """Two accounts that trade with each other."""

    buyer: Trader
    seller: Trader

    async def trade(self, process: TradingProcess, price: str = "50000") -> dict[str, Any]:
        """The buyer's order, filled."""
        await limit(process, self.seller, "SELL", price)
        filled = await limit(process, self.buyer, "BUY", price)
        assert filled["status"] == "FILLED"
        return filled


async def limit(process: TradingProcess, trader: Trader, side: str, price: str) -> dict[str, Any]:
    order = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}
    placed: dict[str, Any] = await process.call(trader, "POST", "order", **order, price=price)
    return placed


@pytest.fixture
def pair(new_trader: NewTrader) -> Pair:
    return Pair(new_trader(USDT="1000000"), new_trader(BTC="10"))


@pytest.fixture
async def processes(serve: Serve, standby: Standby) -> AsyncIterator[Processes]:
    async with serve() as writing, serve(replica_url=standby.url) as reading:
        await until_usable()
        yield Processes(writing, reading)


@contextmanager
def counted(source: str, reason: str) -> Iterator[list[float]]:
    """The one number in the list is how many reads were served so, once the block has ended."""
    counts: list[float] = []
    before = reads(source, reason)
    yield counts
    counts.append(reads(source, reason) - before)


async def sees(process: TradingProcess, trader: Trader, order: dict[str, Any]) -> None:
    """The order, its last fill and everything public that comes of it."""
    orders = await process.get(trader, "allOrders", symbol=SYMBOL)
    assert (orders[-1]["orderId"], orders[-1]["status"]) == (order["orderId"], order["status"])
    trade_id = order["fills"][-1]["tradeId"]
    assert (await process.get(trader, "myTrades", symbol=SYMBOL))[-1]["id"] == trade_id
    assert (await process.get(trader, "trades", symbol=SYMBOL, limit=1))[0]["id"] >= trade_id
    assert (await process.get(trader, "historicalTrades", symbol=SYMBOL, fromId=trade_id))[0]["id"] == trade_id
    assert (await process.get(trader, "aggTrades", symbol=SYMBOL))[-1]["l"] >= trade_id
    candles = await process.get(trader, "klines", symbol=SYMBOL, interval="1d")
    assert sum(candle[8] for candle in candles) >= trade_id


READS_TO_SEE = 6
READS_UNDER_LOAD = 60


async def test_what_lies_in_the_past_comes_from_the_replica(
    processes: Processes, standby: Standby, pair: Pair, new_trader: NewTrader
) -> None:
    order = await pair.trade(processes.writing)
    amended = new_trader(USDT="100")
    resting = await processes.writing.call(
        *(amended, "POST", "order"),
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.002",
        price="9000",
    )
    named = {"symbol": SYMBOL, "orderId": resting["orderId"]}
    await processes.writing.call(amended, "PUT", "order/amend/keepPriority", **named, newQty="0.001")
    await standby.caught_up()
    past: list[tuple[Trader, str, dict[str, object]]] = [
        (pair.buyer, "allOrders", {"symbol": SYMBOL}),
        (pair.buyer, "allOrders", {"symbol": SYMBOL, "orderId": order["orderId"]}),
        (pair.buyer, "myTrades", {"symbol": SYMBOL}),
        (pair.buyer, "allOrderList", {}),
        (pair.buyer, "myPreventedMatches", {"symbol": SYMBOL, "orderId": order["orderId"]}),
        (amended, "order/amendments", named),
        (pair.buyer, "trades", {"symbol": SYMBOL}),
        (pair.buyer, "historicalTrades", {"symbol": SYMBOL}),
        (pair.buyer, "aggTrades", {"symbol": SYMBOL}),
        (pair.buyer, "klines", {"symbol": SYMBOL, "interval": "1h", "timeZone": "5:45"}),
        (pair.buyer, "klines", {"symbol": SYMBOL, "interval": "1s"}),
        (pair.buyer, "uiKlines", {"symbol": SYMBOL, "interval": "1d"}),
        (pair.buyer, "ticker/24hr", {"symbol": SYMBOL, "type": "MINI"}),
        (pair.buyer, "ticker/tradingDay", {"symbol": SYMBOL}),
        (pair.buyer, "ticker", {"symbol": SYMBOL}),
    ]
    for trader, path, parameters in past:
        with counted("replica", "caught_up") as from_replica, counted("primary", "not_configured") as from_primary:
            replicas = await processes.reading.get(trader, path, **parameters)
            primarys = await processes.writing.get(trader, path, **parameters)
        assert (from_replica, from_primary) == ([1], [1]), path
        if not path.startswith("ticker"):
            assert replicas == primarys, path
    with counted("replica", "caught_up") as of_what_is:
        for path in ("openOrders", "account", "openOrderList"):
            assert await processes.reading.get(amended, path) == await processes.writing.get(amended, path)
        assert (await processes.reading.get(amended, "order", **named))["origQty"] == "0.00100000"
    assert of_what_is == [0]
    async with standby.connection() as connection:
        last = await connection.fetch(
            "SELECT query FROM pg_stat_activity WHERE application_name = 'crossbook-trading-history'"
        )
    # The server itself says what it was asked.
    assert any("exchange.candles" in row["query"] for row in last)


async def test_a_write_the_replica_has_not_replayed_is_read_from_the_primary(
    processes: Processes, standby: Standby, pair: Pair
) -> None:
    await standby.pause()
    for number in range(3):
        order = await pair.trade(processes.writing, str(50_000 + number))
        with counted("primary", "behind") as behind:
            await sees(processes.reading, pair.buyer, order)
        assert behind == [READS_TO_SEE]
    await standby.resume()
    await standby.caught_up()
    with counted("replica", "caught_up") as caught_up:
        await sees(processes.reading, pair.buyer, order)
    assert caught_up == [READS_TO_SEE]


async def test_a_replica_far_behind_is_not_asked_until_it_has_caught_up(
    processes: Processes, standby: Standby, pair: Pair
) -> None:
    await standby.pause()
    for _ in range(MAX_LAG_SEQUENCES // 2 + 1):
        order = await pair.trade(processes.writing)
    await until_usable(False)
    with counted("primary", "away") as away:
        await sees(processes.reading, pair.buyer, order)
    assert away == [READS_TO_SEE]
    await standby.resume()
    await until_usable()
    await standby.caught_up()
    with counted("replica", "caught_up") as caught_up:
        await sees(processes.reading, pair.buyer, order)
    assert caught_up == [READS_TO_SEE]


async def test_no_read_fails_when_the_replica_stops_and_returns(
    processes: Processes, standby: Standby, pair: Pair
) -> None:
    order = await pair.trade(processes.writing)
    standby.crash()
    await sees(processes.reading, pair.buyer, order)
    await until_usable(False)
    order = await pair.trade(processes.writing)
    with counted("primary", "away") as away:
        await sees(processes.reading, pair.buyer, order)
    assert away == [READS_TO_SEE]
    standby.start()
    await until_usable()
    await standby.caught_up()
    with counted("replica", "caught_up") as caught_up:
        await sees(processes.reading, pair.buyer, order)
    assert caught_up == [READS_TO_SEE]


async def test_a_process_starts_without_its_replica(serve: Serve, standby: Standby, pair: Pair) -> None:
    standby.crash()
    async with serve(replica_url=standby.url) as process:
        await sees(process, pair.buyer, await pair.trade(process))
        assert not is_usable()
        standby.start()
        await until_usable()


async def test_a_replica_that_hangs_costs_only_those_who_are_asking_it(
    processes: Processes, standby: Standby, pair: Pair
) -> None:
    order = await pair.trade(processes.writing)
    await standby.caught_up()
    standby.freeze()
    try:
        # They ask at once, so whoever comes later finds it known to be away.
        await asyncio.gather(*(processes.reading.get(pair.buyer, "myTrades", symbol=SYMBOL) for _ in range(20)))
        await until_usable(False)
        with counted("primary", "away") as away:
            await sees(processes.reading, pair.buyer, order)
        assert away == [READS_TO_SEE]
    finally:
        standby.thaw()
    await until_usable()


async def test_a_server_with_another_history_is_not_believed(
    serve: Serve, new_standby: Callable[[], Standby], pair: Pair
) -> None:
    """A former replica that went its own way is as far as the primary by its count, and yet not the same exchange."""
    stranger = new_standby()
    await stranger.caught_up()
    async with serve(replica_url=stranger.url) as process:
        await until_usable()
        await stranger.promote()
        async with stranger.connection() as connection:
            await connection.execute("UPDATE exchange.engine_lease SET sequence = sequence + 1000000")
        with counted("replica", "caught_up") as believed:
            for _ in range(3):
                await sees(process, pair.buyer, await pair.trade(process))
        assert believed == [0]
        await until_usable(False)
    stranger.crash()


async def test_nobody_misses_a_write_under_load_whatever_the_replica_does(
    processes: Processes, standby: Standby, new_trader: NewTrader
) -> None:
    """Pairs trade and read back what they were told, while the replica serves, lags, dies and serves again."""
    pairs = [Pair(new_trader(USDT="1000000"), new_trader(BTC="10")) for _ in range(4)]
    stop = asyncio.Event()
    seen = 0

    async def trade_and_look(pair: Pair) -> None:
        nonlocal seen
        while not stop.is_set():
            order = await pair.trade(processes.writing)
            await sees(processes.reading, pair.buyer, order)
            named = {"symbol": SYMBOL, "orderId": order["orderId"]}
            assert (await processes.reading.get(pair.buyer, "order", **named))["status"] == "FILLED"
            now = await asyncio.gather(
                *(process.get(pair.buyer, "account") for process in (processes.writing, processes.reading))
            )
            assert now[0]["balances"] == now[1]["balances"]
            # A second look is more often the replica's: nothing of one's own has just been written.
            await asyncio.gather(*(sees(processes.reading, who, order) for who in (pair.buyer,) * 2))
            seen += 3

    async with asyncio.TaskGroup() as group:
        for pair in pairs:
            group.create_task(trade_and_look(pair))
        await until_counted("replica", "caught_up")
        await standby.pause()
        await until_counted("primary", "behind")
        await until_counted("primary", "away")
        await standby.resume()
        await until_counted("replica", "caught_up")
        standby.crash()
        await until_counted("primary", "away")
        standby.start()
        await until_counted("replica", "caught_up")
        stop.set()
    assert seen > 0


async def until_counted(source: str, reason: str) -> None:
    """Return when enough more reads were so served for chance to be no explanation."""
    wanted = reads(source, reason) + READS_UNDER_LOAD

    async def are_counted() -> bool:
        return reads(source, reason) >= wanted

    await until(are_counted)


@pytest.fixture
async def primary(system: RunningSystem) -> AsyncIterator[Pool]:
    url = EmbeddedPostgres(system.directory.postgres).url(DATABASE, "crossbook_trading")
    pool = await postgres.create_pool(url, application_name="test", size=4, statement_timeout_ms=30_000)
    yield pool
    await pool.close()


@pytest.fixture(params=[30_000])
async def history(
    request: pytest.FixtureRequest, system: RunningSystem, standby: Standby, primary: Pool
) -> AsyncIterator[History]:
    """With one connection to the replica, and so many milliseconds for its statements."""
    settings = TradingSettings.model_validate(
        {
            "port": 1,
            "database_url": standby.url,
            "redis_url": system.redis_url,
            "internal_token": system.internal_token,
            "engine_urls": ("http://127.0.0.1:1",),
            "auth_url": system.auth_url,
            "replica_url": standby.url,
            "database_pool_size": 1,
            "query_timeout_ms": request.param,
        }
    )
    replica = await open_replica(settings)
    assert isinstance(replica, Replica)
    opened = History(primary, replica)
    watching = asyncio.create_task(opened.run())

    async def usable() -> bool:
        return replica.is_usable

    await until(usable)
    yield opened
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    opened.close()


def asks(sql: str) -> Callable[[Source], Any]:
    return lambda source: source.fetchval(sql)


async def test_a_statement_that_only_the_replica_refuses_does_not_send_it_away(history: History) -> None:
    with counted("primary", "failed") as failed:
        assert await history.read(asks(REFUSED_BY_A_STANDBY)) == 1
    assert failed == [1]
    with counted("replica", "caught_up") as served:
        assert await history.read(asks(NUMBER)) == 42
    assert served == [1]


@pytest.mark.parametrize("history", [500], indirect=True)
async def test_a_statement_that_takes_too_long_does_not_send_the_replica_away(history: History) -> None:
    with counted("primary", "failed") as failed:
        assert await history.read(asks(SLOW_ON_A_STANDBY)) == "done"
    assert failed == [1]
    with counted("replica", "caught_up") as served:
        assert await history.read(asks(NUMBER)) == 42
    assert served == [1]


async def test_whoever_finds_no_free_connection_reads_from_the_primary(history: History) -> None:
    with counted("primary", "busy") as busy, counted("replica", "caught_up") as served:
        slow = asyncio.create_task(history.read(asks(SLOW)))
        await asyncio.sleep(0.2)
        assert await history.read(asks(NUMBER)) == 42
        await slow
        assert await history.read(asks(NUMBER)) == 42
    assert (busy, served) == ([1], [2])
