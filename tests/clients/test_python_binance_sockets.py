"""python-binance reads streams, keeps depth caches, and follows user data by subscription and by listen key."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.trader import Trader
from tests.clients.conftest import NewAccount
from tests.clients.watching import TIMEOUT_S, Busy, watched

with warnings.catch_warnings():
    # They import names that their own dependency, websockets, has deprecated.
    warnings.filterwarnings("ignore", r"websockets\.", DeprecationWarning)
    from binance import AsyncClient, BinanceSocketManager, DepthCacheManager  # type: ignore[import-untyped]
    from binance.base_client import BaseClient  # type: ignore[import-untyped]
    from websockets.asyncio.client import connect


@pytest.fixture
def addresses(exchange_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = exchange_url.replace("http", "ws", 1)
    monkeypatch.setattr(BaseClient, "API_URL", f"{exchange_url}/api")
    monkeypatch.setattr(BaseClient, "WS_API_URL", f"{ws}/ws-api/v3")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"{ws}/")


# Markets


@pytest.fixture
async def client(addresses: None) -> AsyncIterator[Any]:
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

        cache = await watched(manager.recv, is_last)
        assert cache.get_bids() == [[27_000.0, 0.07]]


# User data


@pytest.fixture
async def binance_client(addresses: None, new_account: NewAccount) -> AsyncIterator[Any]:
    account = new_account(USDT="100000")
    client = await AsyncClient.create(account.api_key, account.secret_key)
    yield client
    await client.close_connection()


async def test_python_binance_follows_a_user_socket(binance_client: Any, trader: Trader) -> None:
    manager = BinanceSocketManager(binance_client)
    order = {"symbol": "BTCUSDT", "quantity": "0.1", "price": "40000"}
    async with manager.user_socket() as socket:
        placed = await binance_client.order_limit_buy(**order)
        report, position = [await asyncio.wait_for(socket.recv(), TIMEOUT_S) for _ in range(2)]
        assert (report["e"], report["x"], report["i"]) == ("executionReport", "NEW", placed["orderId"])
        assert position["B"] == [{"a": "USDT", "f": "96000.00000000", "l": "4000.00000000"}]
        await asyncio.to_thread(trader.sell, "0.1", "40000")
        report, _ = [await asyncio.wait_for(socket.recv(), TIMEOUT_S) for _ in range(2)]
        assert (report["x"], report["X"], report["m"]) == ("TRADE", "FILLED", True)
    # It has unsubscribed, and may subscribe again.
    async with manager.user_socket() as socket:
        await binance_client.order_limit_buy(**order)
        assert (await asyncio.wait_for(socket.recv(), TIMEOUT_S))["x"] == "NEW"


async def test_python_binance_keeps_listen_keys(binance_client: Any, exchange_url: str) -> None:
    """As its older releases, and everyone who goes that way, use them."""
    listen_key = await binance_client.stream_get_listen_key()
    await binance_client.stream_keepalive(listen_key)
    url = f"{exchange_url.replace('http', 'ws', 1)}/ws/{listen_key}"
    async with connect(url, proxy=None) as socket:
        await binance_client.order_limit_buy(symbol="BTCUSDT", quantity="0.1", price="30000")
        assert '"e":"executionReport"' in str(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
    await binance_client.stream_close(listen_key)
