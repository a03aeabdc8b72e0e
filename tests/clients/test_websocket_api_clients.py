"""Clients that trade over the WebSocket API: the original's own SDK and python-binance, told only where it is."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from binance_common.configuration import ConfigurationWebSocketAPI
from binance_common.constants import TimeUnit
from binance_sdk_spot.spot import Spot
from binance_sdk_spot.websocket_api.models import ExecutionReport
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.local.internal import InternalClient
from tests.api.test_key_types import KEYS, public_pem
from tests.clients.conftest import NewAccount
from tests.running import RunningSystem

with warnings.catch_warnings():
    # It imports names that its own dependency, websockets, has deprecated.
    warnings.filterwarnings("ignore", r"websockets\.", DeprecationWarning)
    from binance import AsyncClient  # type: ignore[import-untyped]
    from binance.base_client import BaseClient  # type: ignore[import-untyped]
    from binance.exceptions import BinanceAPIException  # type: ignore[import-untyped]
    from binance.ws.reconnecting_websocket import ReconnectingWebsocket  # type: ignore[import-untyped]

# The SDK asks aiohttp for something by a name that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float' is deprecated:DeprecationWarning")

TIMEOUT_S = 30.0
LIMIT = {"symbol": "BTCUSDT", "type": "LIMIT", "time_in_force": "GTC"}
WORKING = {
    "symbol": "BTCUSDT",
    "working_type": "LIMIT",
    "working_time_in_force": "GTC",
    "working_side": "BUY",
    "working_price": 20000,
    "working_quantity": 0.01,
    "pending_side": "SELL",
}
PENDING_PAIR = {
    "pending_above_type": "LIMIT_MAKER",
    "pending_above_price": 60000,
    "pending_below_type": "STOP_LOSS",
    "pending_below_stop_price": 15000,
}


class Sdk:
    """A connection of the SDK's."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def respond(self, name: str, **parameters: object) -> Any:
        async with asyncio.timeout(TIMEOUT_S):
            return await getattr(self.connection, name)(**parameters)

    async def result(self, name: str, **parameters: object) -> Any:
        """What the SDK made of the reply. Some of its models know nothing of the envelope and keep it as it came."""
        data = (await self.respond(name, **parameters)).data()
        assert not isinstance(data, dict), data
        data = getattr(data, "actual_instance", data)
        return data.result if "result" in type(data).model_fields else data.additional_properties["result"]

    async def error(self, name: str, **parameters: object) -> tuple[int, str]:
        error = (await self.respond(name, **parameters)).data()["error"]
        return error["code"], error["msg"]


Connect = Callable[..., Any]


@pytest.fixture
async def connect(system: RunningSystem) -> AsyncIterator[Connect]:
    url = f"{system.base_url.replace('http', 'ws', 1)}/ws-api/v3"
    connections = []

    async def connected(**options: Any) -> Sdk:
        client: Any = Spot(config_ws_api=ConfigurationWebSocketAPI(stream_url=url, **options))
        connections.append(await client.websocket_api.create_connection())
        return Sdk(connections[-1])

    yield connected
    for connection in connections:
        await connection.close_connection(close_session=True)


@pytest.fixture
async def sdk(connect: Connect, new_account: NewAccount) -> Sdk:
    account = new_account(USDT="100000", BTC="10")
    connected: Sdk = await connect(api_key=account.api_key, api_secret=account.secret_key)
    return connected


NewKeyHolder = Callable[[str], dict[str, str]]


@pytest.fixture
def new_key_holder(system: RunningSystem) -> NewKeyHolder:
    """Open an account whose key is of this kind; return how the SDK is told of it."""

    def opened(kind: str) -> dict[str, str]:
        key = KEYS[kind]
        with InternalClient(system.directory, system.state) as client:
            account = client.create_account(public_key=public_pem(key))
        system.deposit(account.user_id, "USDT", "100000")
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return {"api_key": account.api_key, "private_key": pem}

    return opened


async def next_report(events: asyncio.Queue[Any]) -> Any:
    """The next execution report."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            event = (await events.get()).actual_instance
            if isinstance(event, ExecutionReport):
                return event


MARKET_DATA: list[tuple[str, dict[str, object]]] = [
    ("ping", {}),
    ("time", {}),
    ("exchange_info", {"symbols": ["BTCUSDT", "ETHUSDT"]}),
    ("exchange_info", {"symbol": "BTCUSDT", "show_permission_sets": False}),
    ("execution_rules", {"symbol": "BTCUSDT"}),
    ("depth", {"symbol": "BTCUSDT", "limit": 5}),
    ("trades_recent", {"symbol": "BTCUSDT"}),
    ("trades_historical", {"symbol": "BTCUSDT", "from_id": 1}),
    ("trades_aggregate", {"symbol": "BTCUSDT"}),
    ("block_trades_historical", {"symbol": "BTCUSDT", "from_id": 1}),
    ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 3}),
    ("ui_klines", {"symbol": "BTCUSDT", "interval": "1d", "time_zone": "8"}),
    ("avg_price", {"symbol": "BTCUSDT"}),
    ("ticker24hr", {"symbol": "BTCUSDT"}),
    ("ticker_trading_day", {"symbols": ["BTCUSDT"]}),
    ("ticker", {"symbol": "BTCUSDT", "window_size": "7d"}),
    ("ticker_price", {"symbol": "BTCUSDT"}),
    ("ticker_book", {"symbols": ["BTCUSDT", "ETHUSDT"]}),
]


async def test_the_sdk_reads_market_data(sdk: Sdk) -> None:
    for name, parameters in MARKET_DATA:
        result = await sdk.result(name, **parameters)
        assert result is not None, name
    assert await sdk.error("depth", symbol="NOPE") == (-1121, "Invalid symbol.")


async def test_the_sdk_trades(sdk: Sdk) -> None:
    placed = await sdk.result("order_place", **LIMIT, side="BUY", price=20000.5, quantity=0.02)
    assert (placed.price, placed.orig_qty, placed.status) == ("20000.50000000", "0.02000000", "NEW")
    found = await sdk.result("order_status", symbol="BTCUSDT", order_id=placed.order_id)
    assert found.client_order_id == placed.client_order_id
    amended = await sdk.result("order_amend_keep_priority", symbol="BTCUSDT", order_id=placed.order_id, new_qty=0.015)
    assert amended.amended_order.qty == "0.01500000"
    assert len(await sdk.result("order_amendments", symbol="BTCUSDT", order_id=placed.order_id)) == 1
    replaced = await sdk.result(
        "order_cancel_replace",
        **LIMIT,
        side="BUY",
        price=20001,
        quantity=0.02,
        cancel_replace_mode="STOP_ON_FAILURE",
        cancel_order_id=placed.order_id,
    )
    assert (replaced.cancel_result, replaced.new_order_result) == ("SUCCESS", "SUCCESS")
    order_id = replaced.new_order_response.order_id
    assert [order.order_id for order in await sdk.result("open_orders_status", symbol="BTCUSDT")] == [order_id]
    assert (await sdk.result("order_cancel", symbol="BTCUSDT", order_id=order_id)).status == "CANCELED"
    await sdk.result("order_test", **LIMIT, side="BUY", price=20001, quantity=0.02, compute_commission_rates=True)
    await sdk.result("order_place", **LIMIT, side="BUY", price=20001, quantity=0.02)
    assert len(await sdk.result("open_orders_cancel_all", symbol="BTCUSDT")) == 1
    assert len(await sdk.result("all_orders", symbol="BTCUSDT")) == 3
    order = {**LIMIT, "side": "BUY", "price": 20001, "quantity": 1000}
    assert (await sdk.error("order_place", **order))[0] == -1013
    assert await sdk.error("order_cancel", symbol="BTCUSDT", order_id=2**50) == (-2011, "Unknown order sent.")


async def test_the_sdk_places_order_lists(sdk: Sdk) -> None:
    pair = {"symbol": "BTCUSDT", "side": "SELL", "quantity": 0.01}
    oco = {"above_type": "LIMIT_MAKER", "above_price": 60000, "below_type": "STOP_LOSS", "below_stop_price": 15000}
    pending = {"pending_type": "LIMIT_MAKER", "pending_price": 60000}
    placed = [
        await sdk.result("order_list_place", **pair, price=60000, stop_price=15000),
        await sdk.result("order_list_place_oco", **pair, **oco),
        await sdk.result("order_list_place_oto", **WORKING, **pending, pending_quantity=0.01),
        await sdk.result("order_list_place_otoco", **WORKING, **PENDING_PAIR, pending_quantity=0.01),
        await sdk.result("order_list_place_opo", **WORKING, **pending),
        await sdk.result("order_list_place_opoco", **WORKING, **PENDING_PAIR),
    ]
    assert [len(tied.orders) for tied in placed] == [2, 2, 2, 3, 2, 3]
    found = await sdk.result("order_list_status", order_list_id=placed[0].order_list_id)
    assert found.list_order_status == "EXECUTING"
    assert len(await sdk.result("open_order_lists_status")) == 6
    cancelled = await sdk.result("order_list_cancel", symbol="BTCUSDT", order_list_id=placed[0].order_list_id)
    assert cancelled.list_order_status == "ALL_DONE"
    assert len(await sdk.result("all_order_lists")) == 6
    await sdk.result("open_orders_cancel_all", symbol="BTCUSDT")


async def test_the_sdk_reads_its_account(sdk: Sdk) -> None:
    account = await sdk.result("account_status", omit_zero_balances=True)
    assert {balance.asset: balance.free for balance in account.balances}["BTC"] == "10.00000000"
    assert (await sdk.result("account_commission", symbol="BTCUSDT")).symbol == "BTCUSDT"
    assert await sdk.result("account_rate_limits_orders") == []
    for name in ("my_trades", "my_allocations"):
        assert await sdk.result(name, symbol="BTCUSDT") == []
    assert await sdk.result("my_prevented_matches", symbol="BTCUSDT", order_id=1) == []
    # The SDK's model of this one loses what is in the envelope; that it is no error can be seen.
    assert not isinstance((await sdk.respond("my_filters", symbol="BTCUSDT")).data(), dict)


async def test_the_sdk_follows_user_data_by_signature(sdk: Sdk) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        followed = await sdk.connection.user_data_stream_subscribe_signature()
    events: asyncio.Queue[Any] = asyncio.Queue()
    followed.stream.on("message", events.put_nowait)
    placed = await sdk.result("order_place", **LIMIT, side="BUY", price=20002, quantity=0.01)
    report = await next_report(events)
    assert (report.i, report.x, report.p) == (placed.order_id, "NEW", "20002.00000000")
    assert len(await sdk.result("session_subscriptions")) == 1
    await sdk.result("user_data_stream_unsubscribe", subscription_id=followed.response.data().result.subscription_id)


@pytest.mark.parametrize("kind", KEYS)
async def test_the_sdk_signs_with_its_own_key(kind: str, connect: Connect, new_key_holder: NewKeyHolder) -> None:
    sdk = await connect(**new_key_holder(kind))
    placed = await sdk.result("order_place", **LIMIT, side="BUY", price=20003, quantity=0.01)
    assert (await sdk.result("order_cancel", symbol="BTCUSDT", order_id=placed.order_id)).status == "CANCELED"


async def test_the_sdk_logs_on(connect: Connect, new_key_holder: NewKeyHolder) -> None:
    told = new_key_holder("ED25519")
    sdk = await connect(**told)
    assert (await sdk.result("session_logon")).api_key == told["api_key"]
    assert sdk.connection.connections[0].is_session_log_on, "from now on it signs nothing"
    async with asyncio.timeout(TIMEOUT_S):
        followed = await sdk.connection.user_data_stream_subscribe()
    events: asyncio.Queue[Any] = asyncio.Queue()
    followed.stream.on("message", events.put_nowait)
    placed = await sdk.result("order_place", **LIMIT, side="BUY", price=20004, quantity=0.01)
    assert (await next_report(events)).i == placed.order_id
    await sdk.result("open_orders_cancel_all", symbol="BTCUSDT")
    assert (await sdk.result("session_status")).user_data_stream is True
    assert (await sdk.result("session_logout")).api_key is None
    assert (await sdk.result("account_status")).account_type == "SPOT"


async def test_the_sdk_chooses_its_time_unit_and_leaves_out_limits(connect: Connect, new_account: NewAccount) -> None:
    account = new_account(USDT="1000")
    told = {"api_key": account.api_key, "api_secret": account.secret_key}
    sdk = await connect(**told, time_unit=TimeUnit.MICROSECOND, return_rate_limits=False)
    assert len(str((await sdk.result("time")).server_time)) == 16
    assert (await sdk.respond("ping")).rate_limits == []
    assert (await sdk.result("account_status")).account_type == "SPOT"


# python-binance


@pytest.fixture
async def python_binance(
    system: RunningSystem, new_account: NewAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncClient]:
    monkeypatch.setattr(BaseClient, "API_URL", f"{system.base_url}/api")
    monkeypatch.setattr(BaseClient, "WS_API_URL", f"{system.base_url.replace('http', 'ws', 1)}/ws-api/v3")
    # It closes a socket only when it has waited this long for another message.
    monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 0.5)
    account = new_account(USDT="100000", BTC="10")
    client = await AsyncClient.create(account.api_key, account.secret_key)
    yield client
    await client.close_connection()


async def test_python_binance_reads_market_data(python_binance: AsyncClient) -> None:
    client = python_binance
    assert await client.ws_ping() == {}
    assert (await client.ws_get_time())["serverTime"] > 0
    assert len((await client.ws_get_exchange_info(symbols=["BTCUSDT", "ETHUSDT"]))["symbols"]) == 2
    for name, parameters in (
        ("order_book", {"limit": 5}),
        ("recent_trades", {}),
        ("historical_trades", {"fromId": 1}),
        ("aggregate_trades", {}),
        ("klines", {"interval": "1m", "limit": 3}),
        ("uiKlines", {"interval": "1m"}),
        ("avg_price", {}),
        ("ticker", {}),
        ("trading_day_ticker", {}),
        ("symbol_ticker_window", {"windowSize": "1h"}),
        ("symbol_ticker", {}),
        ("orderbook_ticker", {}),
    ):
        assert await getattr(client, f"ws_get_{name}")(symbol="BTCUSDT", **parameters) is not None, name


async def test_python_binance_trades(python_binance: AsyncClient) -> None:
    client = python_binance
    order = {"symbol": "BTCUSDT", "quantity": "0.01", "price": "20005"}
    placed = await client.ws_order_limit_buy(**order)
    assert placed["clientOrderId"].startswith("x-HNA2TXFJ")
    named = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert (await client.ws_get_order(**named))["status"] == "NEW"
    assert [one["orderId"] for one in await client.ws_get_open_orders()] == [placed["orderId"]]
    assert (await client.ws_cancel_order(**named))["status"] == "CANCELED"
    assert await client.ws_create_test_order(**order, side="BUY", type="LIMIT", timeInForce="GTC") == {}
    first = await client.ws_order_limit_buy(**order)
    replaced = await client.ws_cancel_and_replace_order(
        **order,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=first["orderId"],
    )
    assert replaced["newOrderResult"] == "SUCCESS"
    assert len(await client.ws_cancel_all_open_orders(symbol="BTCUSDT")) == 1
    pair = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01"}
    legs = {"aboveType": "LIMIT_MAKER", "abovePrice": "60000", "belowType": "STOP_LOSS", "belowStopPrice": "15000"}
    tied = await client.ws_create_oco_order(**pair, **legs)
    named = {"orderListId": tied["orderListId"]}
    assert (await client.ws_get_oco_order(**named))["listOrderStatus"] == "EXECUTING"
    assert len(await client.ws_get_oco_open_orders()) == 1
    assert (await client.ws_cancel_oco_order(symbol="BTCUSDT", **named))["listOrderStatus"] == "ALL_DONE"
    balances = (await client.ws_get_account())["balances"]
    assert {balance["asset"]: balance["free"] for balance in balances}["BTC"] == "10.00000000"
    assert len(await client.ws_get_all_orders(symbol="BTCUSDT")) == 5
    for read in (client.ws_get_my_trades, client.ws_get_allocations):
        assert await read(symbol="BTCUSDT") == []
    assert (await client.ws_get_commission_rates(symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
    assert await client.ws_get_account_rate_limits_orders() == []


async def test_python_binance_hears_what_is_wrong(python_binance: AsyncClient) -> None:
    for ask, parameters, code in (
        (python_binance.ws_order_limit_buy, {"symbol": "BTCUSDT", "quantity": "100", "price": "20000"}, -2010),
        (python_binance.ws_cancel_order, {"symbol": "BTCUSDT", "orderId": 2**50}, -2011),
        (python_binance.ws_get_order_book, {"symbol": "NOPE"}, -1121),
        (python_binance.ws_create_sor_order, {"symbol": "BTCUSDT"}, -1020),
    ):
        with pytest.raises(BinanceAPIException) as caught:
            await ask(**parameters)
        assert caught.value.code == code


async def test_python_binance_sends_many_at_once(python_binance: AsyncClient) -> None:
    orders = [
        python_binance.ws_order_limit_buy(symbol="BTCUSDT", quantity="0.01", price=str(10000 + number))
        for number in range(30)
    ]
    placed = await asyncio.gather(*orders)
    assert sorted(order["price"] for order in placed) == [f"{10000 + number}.00000000" for number in range(30)]
