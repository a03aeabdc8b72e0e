"""ccxt.pro watches markets and what happens to its account, told nothing but where the exchange is."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.api.trader import Trader
from tests.clients.conftest import NewAccount
from tests.clients.watching import TIMEOUT_S, Busy, until, watched
from tests.running import RunningSystem

with warnings.catch_warnings():
    # They import names that their own dependency, websockets, has deprecated.
    warnings.filterwarnings("ignore", r"websockets\.", DeprecationWarning)
    import ccxt.pro as ccxt  # type: ignore[import-untyped]

# Markets


@pytest.fixture
async def exchange(ccxt_urls: dict[str, Any]) -> AsyncIterator[Any]:
    opened = ccxt.binance({"urls": ccxt_urls})
    yield opened
    await opened.close()


async def test_ccxt_watches_trades_and_candles(exchange: Any, busy: Busy) -> None:
    async with busy():
        trades = await watched(lambda: exchange.watch_trades("BTC/USDT"), lambda seen: len(seen) > 0)
        assert (trades[-1]["price"], trades[-1]["amount"], trades[-1]["symbol"]) == (30_000, 0.01, "BTC/USDT")
        both = await watched(lambda: exchange.watch_trades_for_symbols(["BTC/USDT", "ETH/USDT"]), bool)
        assert both[-1]["symbol"] == "BTC/USDT"
        (candle,) = (await watched(lambda: exchange.watch_ohlcv("BTC/USDT", "1m"), bool))[-1:]
        assert candle[0] % 60_000 == 0 and candle[4] == 30_000 and candle[5] > 0
        second = await watched(lambda: exchange.watch_ohlcv("BTC/USDT", "1s"), lambda seen: seen[-1][5] > 0)
        assert second[-1][0] % 1000 == 0


async def test_ccxt_watches_tickers(exchange: Any, busy: Busy) -> None:
    async with busy():
        ticker = await watched(lambda: exchange.watch_ticker("BTC/USDT"), lambda seen: seen["last"] == 30_000)
        assert ticker["baseVolume"] > 0 and ticker["low"] <= 30_000 <= ticker["high"]
        tickers = await watched(
            lambda: exchange.watch_tickers(["BTC/USDT", "ETH/USDT"]), lambda seen: "BTC/USDT" in seen
        )
        assert tickers["BTC/USDT"]["last"] == 30_000
        quotes = await watched(
            lambda: exchange.watch_bids_asks(["BTC/USDT"]), lambda seen: seen["BTC/USDT"]["bid"] == 29_500
        )
        assert quotes["BTC/USDT"]["ask"] in {30_000, 30_500, 31_000, None}


async def test_ccxt_keeps_the_order_book(exchange: Any, busy: Busy, trader: Trader) -> None:
    """It raises on its own if an update does not follow the one before."""
    async with busy():
        for _ in range(30):
            await asyncio.wait_for(exchange.watch_order_book("BTC/USDT"), TIMEOUT_S)
    watching = asyncio.ensure_future(exchange.watch_order_book("BTC/USDT"))
    await asyncio.to_thread(trader.cancel_everything)
    await asyncio.to_thread(trader.buy, "0.05", "28000")
    last = await asyncio.to_thread(trader.get, "depth", symbol="BTCUSDT")
    book = exchange.orderbooks["BTC/USDT"]
    while book["nonce"] < last["lastUpdateId"]:
        await asyncio.wait_for(watching, TIMEOUT_S)
        watching = asyncio.ensure_future(exchange.watch_order_book("BTC/USDT"))
    watching.cancel()
    for side in ("bids", "asks"):
        assert [[price, quantity] for price, quantity in book[side]] == [
            [float(price), float(quantity)] for price, quantity in last[side]
        ]


# User data


class Watcher:
    """One exchange object of ccxt.pro's."""

    def __init__(self, exchange: Any) -> None:
        self.exchange = exchange

    async def watching(self, watch: Callable[..., Awaitable[Any]], name: str, *arguments: Any) -> asyncio.Task[Any]:
        """Begin to wait for the next update, and return when it is being waited for."""
        task = asyncio.ensure_future(watch(*arguments))
        await until(lambda: any(name in client.futures for client in self.exchange.clients.values()) or task.done())
        return task


@pytest.fixture
async def watcher(ccxt_urls: dict[str, Any], new_account: NewAccount) -> AsyncIterator[Watcher]:
    account = new_account(USDT="100000")
    exchange = ccxt.binance({"apiKey": account.api_key, "secret": account.secret_key, "urls": ccxt_urls})
    await exchange.load_markets()
    yield Watcher(exchange)
    await exchange.close()


async def test_ccxt_watches_an_order_from_its_placing_to_its_end(watcher: Watcher, trader: Trader) -> None:
    exchange = watcher.exchange
    waiting = await watcher.watching(exchange.watch_orders, "orders")
    placed = await exchange.create_order("BTC/USDT", "limit", "buy", 0.3, 40_000)
    (order,) = await asyncio.wait_for(waiting, TIMEOUT_S)
    assert (order["id"], order["status"], order["amount"], order["price"]) == (placed["id"], "open", 0.3, 40_000)
    assert (order["symbol"], order["side"], order["type"], order["filled"]) == ("BTC/USDT", "buy", "limit", 0)
    waiting = await watcher.watching(exchange.watch_orders, "orders")
    await asyncio.to_thread(trader.sell, "0.1", "40000")
    (order,) = await asyncio.wait_for(waiting, TIMEOUT_S)
    assert (order["status"], order["filled"], order["remaining"], order["average"]) == ("open", 0.1, 0.2, 40_000)
    waiting = await watcher.watching(exchange.watch_orders, "orders:BTC/USDT", "BTC/USDT")
    await exchange.cancel_order(placed["id"], "BTC/USDT")
    (order,) = await asyncio.wait_for(waiting, TIMEOUT_S)
    assert (order["id"], order["status"], order["filled"]) == (placed["id"], "canceled", 0.1)
    assert order["clientOrderId"] == placed["clientOrderId"]


async def test_ccxt_watches_its_trades(watcher: Watcher, trader: Trader) -> None:
    exchange = watcher.exchange
    await asyncio.to_thread(trader.sell, "0.5", "40000")
    waiting = await watcher.watching(exchange.watch_my_trades, "myTrades")
    placed = await exchange.create_order("BTC/USDT", "market", "buy", 0.25)
    (trade,) = await asyncio.wait_for(waiting, TIMEOUT_S)
    assert (trade["order"], trade["price"], trade["amount"]) == (placed["id"], 40_000, 0.25)
    assert (trade["takerOrMaker"], trade["side"]) == ("taker", "buy")
    assert trade["fee"] == {"cost": 0.00025, "currency": "BTC"}
    (fetched,) = await exchange.fetch_my_trades("BTC/USDT")
    assert fetched["id"] == trade["id"]


async def test_ccxt_watches_its_balance(watcher: Watcher, system: RunningSystem, trader: Trader) -> None:
    exchange = watcher.exchange
    waiting = await watcher.watching(exchange.watch_balance, "spot:balance")
    await exchange.create_order("BTC/USDT", "limit", "buy", 0.5, 40_000)
    balance = await asyncio.wait_for(waiting, TIMEOUT_S)
    assert balance["USDT"] == {"free": 80_000, "used": 20_000, "total": 100_000}
    waiting = await watcher.watching(exchange.watch_balance, "spot:balance")
    await asyncio.to_thread(trader.sell, "0.5", "40000")
    balance = await asyncio.wait_for(waiting, TIMEOUT_S)
    assert (balance["BTC"]["free"], balance["USDT"]["total"]) == (0.4995, 80_000)


# The WebSocket API


async def test_ccxt_trades_over_a_socket(watcher: Watcher, trader: Trader) -> None:
    exchange = watcher.exchange
    await asyncio.to_thread(trader.sell, "0.1", "40000")
    bought = await exchange.create_order_ws("BTC/USDT", "market", "buy", 0.05)
    assert (bought["status"], bought["filled"], bought["average"]) == ("closed", 0.05, 40_000)
    first = await exchange.create_order_ws("BTC/USDT", "limit", "buy", 0.1, 30_000)
    assert (first["status"], first["remaining"]) == ("open", 0.1)
    second = await exchange.edit_order_ws(first["id"], "BTC/USDT", "limit", "buy", 0.2, 31_000)
    assert (second["amount"], second["price"]) == (0.2, 31_000)
    assert (await exchange.fetch_order_ws(first["id"], "BTC/USDT"))["status"] == "canceled"
    assert [order["id"] for order in await exchange.fetch_open_orders_ws("BTC/USDT")] == [second["id"]]
    assert (await exchange.cancel_order_ws(second["id"], "BTC/USDT"))["status"] == "canceled"
    stop = await exchange.create_order_ws("BTC/USDT", "limit", "sell", 0.01, 34_000, {"stopPrice": "35000"})
    await exchange.cancel_all_orders_ws("BTC/USDT")
    statuses = {order["id"]: order["status"] for order in await exchange.fetch_orders_ws("BTC/USDT")}
    assert statuses == {bought["id"]: "closed"} | {order["id"]: "canceled" for order in (first, second, stop)}
    (trade,) = await exchange.fetch_my_trades_ws("BTC/USDT")
    assert (trade["order"], trade["amount"]) == (bought["id"], 0.05)
    # It reads this answer as one of futures; what it was told is right.
    balances = (await exchange.fetch_balance_ws())["info"]["balances"]
    assert {"asset": "USDT", "free": "98000.00000000", "locked": "0.00000000"} in balances


async def test_ccxt_reads_markets_over_a_socket(watcher: Watcher, trader: Trader) -> None:
    exchange = watcher.exchange
    await asyncio.to_thread(trader.sell, "0.1", "40000")
    await exchange.create_order_ws("BTC/USDT", "market", "buy", 0.05)
    assert (await exchange.fetch_trades_ws("BTC/USDT"))[-1]["price"] == 40_000
    assert (await exchange.fetch_ohlcv_ws("BTC/USDT", "1m"))[-1][4] == 40_000
