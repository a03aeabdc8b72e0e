"""The original's own SDK reads streams and follows user data; it checks every event against the original's models."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from binance_common.configuration import ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot

from services.local.internal import Account
from tests.api.trader import Trader
from tests.clients.conftest import NewAccount
from tests.clients.watching import TIMEOUT_S, Busy, until
from tests.running import RunningSystem

pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")


async def test_the_sdk_reads_streams(exchange_url: str, busy: Busy) -> None:
    url = exchange_url.replace("http", "ws", 1)
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
        listen("miniTicker", await connection.mini_ticker(symbol="btcusdt"))
        listen("hour", await connection.rolling_window_ticker(symbol="btcusdt", window_size="1h"))
        listen("hours", await connection.all_market_rolling_window_ticker(window_size="4h"))
        listen("kline of a zone", await connection.kline_offset(symbol="btcusdt", interval="1d"))
        listen("levels", await connection.partial_book_depth(symbol="btcusdt", levels="5"))
        listen("levels fast", await connection.partial_book_depth(symbol="btcusdt", levels="20", update_speed="100ms"))
        listen("depth slow", await connection.diff_book_depth(symbol="btcusdt"))
        async with busy(), asyncio.timeout(TIMEOUT_S):
            events = {name: await future for name, future in heard.items()}
        subscribed = (await connection.list_subscribe())["result"]
        assert len(subscribed) == len(heard)
        await connection.unsubscribe(subscribed)
        # It does not wait for an answer.
        assert (await connection.list_subscribe())["result"] == []
    finally:
        await connection.close_connection(close_session=True)
    assert events["trade"].p == "30000.00000000" and events["trade"].s == "BTCUSDT"
    assert events["kline"].k.i == "1m"
    assert events["ticker"].e == "24hrTicker"
    assert events["depth"].u >= events["depth"].U


@pytest.fixture
async def sdk(exchange_url: str, new_account: NewAccount) -> AsyncIterator[tuple[Any, Account]]:
    account = new_account(USDT="100000")
    url = f"{exchange_url.replace('http', 'ws', 1)}/ws-api/v3"
    configuration = ConfigurationWebSocketAPI(
        stream_url=url, api_key=account.api_key, api_secret=account.secret_key, timeout=10_000
    )
    api: Any = Spot(config_ws_api=configuration).websocket_api
    connection = await api.create_connection()
    yield connection, account
    await connection.close_connection(close_session=True)


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
