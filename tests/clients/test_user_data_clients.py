"""Clients that follow their user data, told nothing but where the exchange is: ccxt.pro, python-binance and the SDK."""

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from binance_common.configuration import ConfigurationWebSocketAPI
from binance_sdk_spot.spot import Spot

from services.local.internal import Account
from tests.api.trader import Trader
from tests.clients.conftest import NewAccount
from tests.running import RunningSystem

with warnings.catch_warnings():
    # They import names that their own dependency, websockets, has deprecated.
    warnings.filterwarnings("ignore", r"websockets\.", DeprecationWarning)
    import ccxt.pro as ccxt  # type: ignore[import-untyped]
    from binance import AsyncClient, BinanceSocketManager  # type: ignore[import-untyped]
    from binance.base_client import BaseClient  # type: ignore[import-untyped]
    from websockets.asyncio.client import connect

TIMEOUT_S = 60.0
POLL_S = 0.01


@pytest.fixture
async def trader(system: RunningSystem, new_account: NewAccount) -> AsyncIterator[Trader]:
    """The other side of every trade."""
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        yield Trader(http, new_account(BTC="10", USDT="100000"))


async def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(POLL_S)


# ccxt.pro


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


# python-binance


@pytest.fixture
async def binance_client(
    system: RunningSystem, new_account: NewAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    ws = system.base_url.replace("http", "ws", 1)
    monkeypatch.setattr(BaseClient, "API_URL", f"{system.base_url}/api")
    monkeypatch.setattr(BaseClient, "WS_API_URL", f"{ws}/ws-api/v3")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"{ws}/")
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


async def test_python_binance_keeps_listen_keys(binance_client: Any, system: RunningSystem) -> None:
    """As its older releases, and everyone who goes that way, use them."""
    listen_key = await binance_client.stream_get_listen_key()
    await binance_client.stream_keepalive(listen_key)
    url = f"{system.base_url.replace('http', 'ws', 1)}/ws/{listen_key}"
    async with connect(url, proxy=None) as socket:
        await binance_client.order_limit_buy(symbol="BTCUSDT", quantity="0.1", price="30000")
        assert '"e":"executionReport"' in str(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
    await binance_client.stream_close(listen_key)


# The original's own SDK


@pytest.fixture
async def sdk(system: RunningSystem, new_account: NewAccount) -> AsyncIterator[tuple[Any, Account]]:
    account = new_account(USDT="100000")
    url = f"{system.base_url.replace('http', 'ws', 1)}/ws-api/v3"
    configuration = ConfigurationWebSocketAPI(
        stream_url=url, api_key=account.api_key, api_secret=account.secret_key, timeout=10_000
    )
    api: Any = Spot(config_ws_api=configuration).websocket_api
    connection = await api.create_connection()
    yield connection, account
    await connection.close_connection(close_session=True)


@pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")
async def test_the_sdk_reads_every_kind_of_event(
    sdk: tuple[Any, Account], system: RunningSystem, trader: Trader
) -> None:
    connection, account = sdk
    subscribed = await connection.user_data_stream_subscribe_signature()
    assert subscribed.response.data().result.subscription_id == 0
    events: list[Any] = []
    subscribed.stream.on("message", events.append)
    own = Trader(trader.http, account)
    await asyncio.to_thread(trader.sell, "0.1", "40000")
    await asyncio.to_thread(own.buy, "0.1", "40000")
    pair = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.05", "aboveType": "LIMIT_MAKER", "abovePrice": "60000"}
    await asyncio.to_thread(own.post, "orderList/oco", **pair, belowType="STOP_LOSS", belowStopPrice="30000")
    await asyncio.to_thread(system.deposit, account.user_id, "ETH", "2")
    await until(lambda: len(events) >= 9)
    assert [type(event.actual_instance).__name__ for event in events] == [
        *("ExecutionReport", "ExecutionReport", "OutboundAccountPosition"),
        *("ExecutionReport", "ExecutionReport", "ListStatus", "OutboundAccountPosition"),
        *("BalanceUpdate", "OutboundAccountPosition"),
    ]
    fill = events[1].actual_instance
    assert (fill.x, fill.X, fill.n, fill.N) == ("TRADE", "FILLED", "0.00010000", "BTC")
    await connection.user_data_stream_unsubscribe(subscription_id=0)
