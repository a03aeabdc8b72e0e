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
    from binance.ws.reconnecting_websocket import ReconnectingWebsocket  # type: ignore[import-untyped]
    from websockets.asyncio.client import connect


@pytest.fixture
def addresses(exchange_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = exchange_url.replace("http", "ws", 1)
    monkeypatch.setattr(BaseClient, "API_URL", f"{exchange_url}/api")
    monkeypatch.setattr(BaseClient, "WS_API_URL", f"{ws}/ws-api/v3")
    # It closes a socket only when it has waited this long for another message.
    monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 0.5)
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


# The WebSocket API


async def test_python_binance_trades_over_a_socket(binance_client: Any, trader: Trader) -> None:
    client = binance_client
    order = {"symbol": "BTCUSDT", "quantity": "0.1", "price": "30000"}
    await client.ws_create_test_order(**order, side="BUY", type="LIMIT", timeInForce="GTC")
    first = await client.ws_order_limit_buy(**order)
    assert (await client.ws_get_order(symbol="BTCUSDT", orderId=first["orderId"]))["status"] == "NEW"
    replaced = await client.ws_cancel_and_replace_order(
        **order,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=first["orderId"],
    )
    second = replaced["newOrderResponse"]["orderId"]
    assert [order["orderId"] for order in await client.ws_get_open_orders(symbol="BTCUSDT")] == [second]
    assert (await client.ws_cancel_order(symbol="BTCUSDT", orderId=second))["status"] == "CANCELED"
    assert len(await client.ws_get_all_orders(symbol="BTCUSDT")) == 2
    await asyncio.to_thread(trader.sell, "0.1", "40000")
    bought = await client.ws_order_market_buy(symbol="BTCUSDT", quantity="0.1")
    assert bought["status"] == "FILLED"
    assert [trade["orderId"] for trade in await client.ws_get_my_trades(symbol="BTCUSDT")] == [bought["orderId"]]
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": "60000", "belowType": "STOP_LOSS", "belowStopPrice": "30000"}
    placed = await client.ws_create_oco_order(symbol="BTCUSDT", side="SELL", quantity="0.05", **pair)
    found = await client.ws_get_oco_order(orderListId=placed["orderListId"])
    assert found["listClientOrderId"] == placed["listClientOrderId"]
    assert len(await client.ws_get_oco_open_orders()) == 1
    cancelled = await client.ws_cancel_oco_order(symbol="BTCUSDT", orderListId=placed["orderListId"])
    assert cancelled["listOrderStatus"] == "ALL_DONE"
    await client.ws_order_limit_buy(**order)
    assert len(await client.ws_cancel_all_open_orders(symbol="BTCUSDT")) == 1


async def test_python_binance_reads_the_account_over_a_socket(binance_client: Any) -> None:
    client = binance_client
    assert (await client.ws_get_account(omitZeroBalances="true"))["balances"][0]["free"] == "100000.00000000"
    assert (await client.ws_get_commission_rates(symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
    assert await client.ws_get_account_rate_limits_orders() == []
    assert await client.ws_get_prevented_matches(symbol="BTCUSDT", orderId=1) == []
    assert await client.ws_get_allocations(symbol="BTCUSDT") == []


async def test_python_binance_reads_markets_over_a_socket(binance_client: Any, trader: Trader) -> None:
    client = binance_client
    await asyncio.to_thread(trader.sell, "0.1", "40000")
    await client.ws_order_market_buy(symbol="BTCUSDT", quantity="0.05")
    assert await client.ws_ping() == {}
    assert (await client.ws_get_time())["serverTime"] > 0
    assert (await client.ws_get_exchange_info(symbol="BTCUSDT"))["symbols"][0]["symbol"] == "BTCUSDT"
    assert (await client.ws_get_order_book(symbol="BTCUSDT"))["asks"] == [["40000.00000000", "0.05000000"]]
    (newest,) = await client.ws_get_recent_trades(symbol="BTCUSDT", limit=1)
    assert newest["price"] == "40000.00000000"
    assert await client.ws_get_historical_trades(symbol="BTCUSDT", fromId=newest["id"]) == [newest]
    assert (await client.ws_get_aggregate_trades(symbol="BTCUSDT", limit=1))[0]["l"] == newest["id"]
    assert (await client.ws_get_klines(symbol="BTCUSDT", interval="1m", limit=1))[0][4] == "40000.00000000"
    assert (await client.ws_get_uiKlines(symbol="BTCUSDT", interval="1d", limit=1))[0][4] == "40000.00000000"
    assert float((await client.ws_get_avg_price(symbol="BTCUSDT"))["price"]) > 0
    for ticker in (client.ws_get_ticker, client.ws_get_trading_day_ticker, client.ws_get_symbol_ticker_window):
        assert (await ticker(symbol="BTCUSDT"))["lastPrice"] == "40000.00000000"
    assert (await client.ws_get_symbol_ticker(symbol="BTCUSDT"))["price"] == "40000.00000000"
    assert (await client.ws_get_orderbook_ticker(symbol="BTCUSDT"))["askQty"] == "0.05000000"
