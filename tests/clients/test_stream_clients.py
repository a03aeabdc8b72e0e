"""Clients that watch markets, told nothing but where the exchange is: ccxt.pro, python-binance and the original's SDK.

While a client waits, somebody trades; so a client that begins late, or asks again after a loss, hears something too.
"""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from binance_common.configuration import ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot

from tests.api.trader import Trader
from tests.clients.conftest import NewAccount
from tests.running import RunningSystem

with warnings.catch_warnings():
    # They import names that their own dependency, websockets, has deprecated.
    warnings.filterwarnings("ignore", r"websockets\.", DeprecationWarning)
    import ccxt.pro as ccxt  # type: ignore[import-untyped]
    from binance import AsyncClient, BinanceSocketManager, DepthCacheManager  # type: ignore[import-untyped]
    from binance.base_client import BaseClient  # type: ignore[import-untyped]

TIMEOUT_S = 60.0
PAUSE_S = 0.1

Busy = Callable[[], contextlib.AbstractAsyncContextManager[None]]


@pytest.fixture
def trader(system: RunningSystem, new_account: NewAccount) -> Iterator[Trader]:
    """Takes both sides of its own trades, which the venue allows unless told otherwise."""
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        yield Trader(http, new_account(BTC="100", USDT="1000000"))


@pytest.fixture
def busy(trader: Trader) -> Busy:
    """As long as this context lasts, BTCUSDT trades at 30000 and its book moves."""

    def once() -> None:
        trader.sell("0.01", "30000", selfTradePreventionMode="NONE")
        trader.buy("0.01", "30000", selfTradePreventionMode="NONE")
        trader.buy("0.02", "29000")
        trader.sell("0.02", "31000")
        trader.cancel_everything()
        trader.buy("0.01", "29500")
        trader.sell("0.03", "30500")

    async def go_on(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.to_thread(once)
            await asyncio.sleep(PAUSE_S)

    @asynccontextmanager
    async def trading() -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(go_on(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    return trading


async def until(watch: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """What is watched, as soon as this holds of it."""
    async with asyncio.timeout(TIMEOUT_S):
        while not holds(seen := await watch()):
            pass
    return seen


# ccxt.pro


@pytest.fixture
async def exchange(ccxt_urls: dict[str, Any]) -> AsyncIterator[Any]:
    opened = ccxt.binance({"urls": ccxt_urls})
    yield opened
    await opened.close()


async def test_ccxt_watches_trades_and_candles(exchange: Any, busy: Busy) -> None:
    async with busy():
        trades = await until(lambda: exchange.watch_trades("BTC/USDT"), lambda seen: len(seen) > 0)
        assert (trades[-1]["price"], trades[-1]["amount"], trades[-1]["symbol"]) == (30_000, 0.01, "BTC/USDT")
        both = await until(lambda: exchange.watch_trades_for_symbols(["BTC/USDT", "ETH/USDT"]), bool)
        assert both[-1]["symbol"] == "BTC/USDT"
        (candle,) = (await until(lambda: exchange.watch_ohlcv("BTC/USDT", "1m"), bool))[-1:]
        assert candle[0] % 60_000 == 0 and candle[4] == 30_000 and candle[5] > 0
        second = await until(lambda: exchange.watch_ohlcv("BTC/USDT", "1s"), lambda seen: seen[-1][5] > 0)
        assert second[-1][0] % 1000 == 0


async def test_ccxt_watches_tickers(exchange: Any, busy: Busy) -> None:
    async with busy():
        ticker = await until(lambda: exchange.watch_ticker("BTC/USDT"), lambda seen: seen["last"] == 30_000)
        assert ticker["baseVolume"] > 0 and ticker["low"] <= 30_000 <= ticker["high"]
        tickers = await until(lambda: exchange.watch_tickers(["BTC/USDT", "ETH/USDT"]), lambda seen: "BTC/USDT" in seen)
        assert tickers["BTC/USDT"]["last"] == 30_000
        quotes = await until(
            lambda: exchange.watch_bids_asks(["BTC/USDT"]), lambda seen: seen["BTC/USDT"]["bid"] == 29_500
        )
        assert quotes["BTC/USDT"]["ask"] in {30_000, 30_500, 31_000, 0}


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


# python-binance


@pytest.fixture
async def client(system: RunningSystem, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(BaseClient, "API_URL", f"{system.base_url}/api")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"{system.base_url.replace('http', 'ws', 1)}/")
    opened = await AsyncClient.create()
    yield opened
    await opened.close_connection()


async def test_python_binance_reads_every_kind_of_socket(client: Any, busy: Busy) -> None:
    manager = BinanceSocketManager(client)
    expected = {
        "trade": manager.trade_socket("BTCUSDT"),
        "aggTrade": manager.aggtrade_socket("BTCUSDT"),
        "kline": manager.kline_socket("BTCUSDT", interval="5m"),
        "24hrTicker": manager.symbol_ticker_socket("BTCUSDT"),
        "24hrMiniTicker": manager.symbol_miniticker_socket("BTCUSDT"),
        "depthUpdate": manager.depth_socket("BTCUSDT", interval=100),
    }
    async with busy():
        for name, socket in expected.items():
            async with socket as opened:
                event = await asyncio.wait_for(opened.recv(), TIMEOUT_S)
                assert (event["e"], event["s"]) == (name, "BTCUSDT")
        async with manager.depth_socket("BTCUSDT", depth="5") as opened:
            assert (await asyncio.wait_for(opened.recv(), TIMEOUT_S)).keys() == {"lastUpdateId", "bids", "asks"}
        async with manager.ticker_socket() as opened:
            tickers = await asyncio.wait_for(opened.recv(), TIMEOUT_S)
            assert all(ticker["e"] == "24hrTicker" for ticker in tickers) and tickers
        async with manager.multiplex_socket(["btcusdt@bookTicker", "btcusdt@trade"]) as opened:
            seen = {(await asyncio.wait_for(opened.recv(), TIMEOUT_S))["stream"] for _ in range(20)}
            assert seen == {"btcusdt@bookTicker", "btcusdt@trade"}


async def test_python_binance_keeps_a_depth_cache(client: Any, busy: Busy, trader: Trader) -> None:
    async with DepthCacheManager(client, symbol="BTCUSDT", ws_interval=100) as manager:
        async with busy():
            for _ in range(20):
                cache = await asyncio.wait_for(manager.recv(), TIMEOUT_S)
        await asyncio.to_thread(trader.cancel_everything)
        await asyncio.to_thread(trader.buy, "0.07", "27000")

        def is_last(cache: Any) -> bool:
            return bool(cache.get_bids()[:1] == [[27_000.0, 0.07]] and not cache.get_asks())

        cache = await until(manager.recv, is_last)
        assert cache.get_bids() == [[27_000.0, 0.07]]


# The original's own SDK


@pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")
async def test_the_sdk_reads_streams(system: RunningSystem, busy: Busy) -> None:
    url = system.base_url.replace("http", "ws", 1)
    streams: Any = Spot(config_ws_streams=ConfigurationWebSocketStreams(stream_url=url)).websocket_streams
    connection = await streams.create_connection()
    heard: dict[str, asyncio.Future[Any]] = {}
    loop = asyncio.get_running_loop()

    def listen(name: str, stream: Any) -> None:
        heard[name] = loop.create_future()
        stream.on("message", lambda event: None if heard[name].done() else heard[name].set_result(event))

    try:
        listen("trade", await connection.trade(symbol="btcusdt"))
        listen("aggTrade", await connection.agg_trade(symbol="btcusdt"))
        listen("bookTicker", await connection.book_ticker(symbol="btcusdt"))
        listen("kline", await connection.kline(symbol="btcusdt", interval="1m"))
        listen("ticker", await connection.ticker(symbol="btcusdt"))
        listen("avgPrice", await connection.avg_price(symbol="btcusdt"))
        listen("depth", await connection.diff_book_depth(symbol="btcusdt", update_speed="100ms"))
        listen("miniTickers", await connection.all_mini_ticker())
        async with busy(), asyncio.timeout(TIMEOUT_S):
            events = {name: await future for name, future in heard.items()}
    finally:
        await connection.close_connection(close_session=True)
    assert events["trade"].p == "30000.00000000" and events["trade"].s == "BTCUSDT"
    assert events["kline"].k.i == "1m"
    assert events["ticker"].e == "24hrTicker"
    assert events["depth"].u >= events["depth"].U
