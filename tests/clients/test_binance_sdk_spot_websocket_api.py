"""The WebSocket API through Binance's own SDK: every method it has, each answer checked against Binance's models."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from binance_common.configuration import ConfigurationWebSocketAPI
from binance_sdk_spot.spot import Spot
from binance_sdk_spot.websocket_api.models import KlinesResponse, MyFiltersResponse, UiKlinesResponse
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.local.internal import InternalClient
from tests.clients.conftest import NewAccount, TradeAt
from tests.clients.test_binance_sdk_spot import BTC, BUY, PENDING, PENDING_PAIR, TIMEOUT_MS, WORKING
from tests.running import RunningSystem

pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")

Api = Any


@asynccontextmanager
async def connected(url: str, **credentials: Any) -> AsyncIterator[Api]:
    address = f"{url.replace('http', 'ws', 1)}/ws-api/v3"
    configuration = ConfigurationWebSocketAPI(stream_url=address, timeout=TIMEOUT_MS, **credentials)
    api: Any = Spot(config_ws_api=configuration).websocket_api
    connection = await api.create_connection()
    try:
        yield connection
    finally:
        await connection.close_connection(close_session=True)


@pytest.fixture
async def api(exchange_url: str, new_account: NewAccount, trade_at: TradeAt) -> AsyncIterator[Api]:
    """Holds both assets, in a market that last traded at 40,000."""
    trade_at("40000")
    account = new_account(USDT="100000", BTC="10")
    async with connected(exchange_url, api_key=account.api_key, api_secret=account.secret_key) as connection:
        yield connection


class Refused(Exception):
    """What the exchange said."""


async def result(reply: Awaitable[Any]) -> Any:
    """The answer as it was sent, if it fits the SDK's model."""
    read = (await reply).data()
    if isinstance(read, dict):
        raise Refused(read["error"])
    # These cannot be turned back.
    if isinstance(read, (KlinesResponse, UiKlinesResponse)):
        return read.result
    return read.to_dict()["result"]


async def test_market_data(api: Api) -> None:
    assert await result(api.ping()) == {}
    assert (await result(api.time()))["serverTime"] > 0
    assert (await result(api.exchange_info(symbol="BTCUSDT")))["symbols"][0]["baseAsset"] == "BTC"
    assert len((await result(api.exchange_info(symbols=["BTCUSDT", "ETHBTC"])))["symbols"]) == 2
    assert (await result(api.execution_rules(symbol="BTCUSDT")))["symbolRules"] is not None
    await api.order_place(**BUY)
    assert (await result(api.depth("BTCUSDT", limit=5)))["bids"] == [["30000.00000000", "0.10000000"]]
    (newest,) = await result(api.trades_recent("BTCUSDT", limit=1))
    assert newest["price"] == "40000.00000000"
    assert await result(api.trades_historical("BTCUSDT", from_id=newest["id"])) == [newest]
    assert await result(api.block_trades_historical("BTCUSDT", from_id=1)) == []
    assert (await result(api.trades_aggregate("BTCUSDT", limit=1)))[0]["l"] == newest["id"]
    assert (await result(api.klines("BTCUSDT", "1m", limit=1)))[0][4] == "40000.00000000"
    assert (await result(api.ui_klines("BTCUSDT", "1d", time_zone="8", limit=1)))[0][4] == "40000.00000000"
    assert float((await result(api.avg_price("BTCUSDT")))["price"]) > 0


async def test_tickers(api: Api) -> None:
    many = ["BTCUSDT", "ETHBTC"]
    tickers: tuple[Callable[..., Awaitable[Any]], ...] = (
        api.ticker,
        api.ticker24hr,
        api.ticker_trading_day,
        api.ticker_price,
        api.ticker_book,
    )
    for ticker in tickers:
        assert (await result(ticker(symbol="BTCUSDT")))["symbol"] == "BTCUSDT"
        assert [entry["symbol"] for entry in await result(ticker(symbols=many))] == many


async def test_orders(api: Api) -> None:
    assert await result(api.order_test(**BUY)) == {}
    first = (await result(api.order_place(**BUY, new_client_order_id="first")))["orderId"]
    assert (await result(api.order_status("BTCUSDT", orig_client_order_id="first")))["status"] == "NEW"
    replaced = await result(
        api.order_cancel_replace("BTCUSDT", "STOP_ON_FAILURE", **_without_symbol(BUY), cancel_order_id=first)
    )
    second = replaced["newOrderResponse"]["orderId"]
    amended = await result(api.order_amend_keep_priority("BTCUSDT", 0.05, order_id=second))
    assert amended["amendedOrder"]["qty"] == "0.05000000"
    assert len(await result(api.order_amendments("BTCUSDT", second))) == 1
    assert [order["orderId"] for order in await result(api.open_orders_status(symbol="BTCUSDT"))] == [second]
    assert (await result(api.order_cancel("BTCUSDT", order_id=second)))["status"] == "CANCELED"
    assert [order["status"] for order in await result(api.all_orders("BTCUSDT"))] == ["CANCELED", "CANCELED"]
    await api.order_place(**BUY)
    assert len(await result(api.open_orders_cancel_all("BTCUSDT"))) == 1


async def test_order_lists(api: Api) -> None:
    pair = {"above_type": "LIMIT_MAKER", "above_price": 50000.0, "below_type": "STOP_LOSS", "below_stop_price": 35000.0}
    first = await result(api.order_list_place_oco(**BTC, side="SELL", **pair))
    await api.order_list_place(**BTC, side="SELL", price=50000.0, stop_price=35000.0)
    await api.order_list_place_oto(**WORKING, **PENDING, pending_quantity=0.1)
    await api.order_list_place_otoco(**WORKING, **PENDING_PAIR, pending_quantity=0.1)
    await api.order_list_place_opo(**WORKING, **PENDING)
    await api.order_list_place_opoco(**WORKING, **PENDING_PAIR)
    assert len(await result(api.open_order_lists_status())) == 6
    list_id = first["orderListId"]
    assert (await result(api.order_list_status(order_list_id=list_id)))["contingencyType"] == "OCO"
    assert (await result(api.order_list_cancel("BTCUSDT", order_list_id=list_id)))["listOrderStatus"] == "ALL_DONE"
    assert len(await result(api.all_order_lists(limit=10))) == 6


async def test_the_account(api: Api) -> None:
    await api.order_place(**BUY | {"side": "SELL", "price": 40000.0})
    met = await result(api.order_place(**BUY | {"price": 40000.0}, self_trade_prevention_mode="EXPIRE_TAKER"))
    assert len(await result(api.my_prevented_matches("BTCUSDT", order_id=met["orderId"]))) == 1
    held = (await result(api.account_status(omit_zero_balances=True)))["balances"]
    assert {balance["asset"] for balance in held} == {"BTC", "USDT"}
    assert (await result(api.account_commission("BTCUSDT")))["standardCommission"]["maker"] == "0.00100000"
    assert await result(api.my_trades("BTCUSDT")) == []
    assert await result(api.my_allocations("BTCUSDT")) == []
    assert await result(api.account_rate_limits_orders()) == [], "nothing is counted where limits are off"
    # Of this answer its model has forgotten the envelope, and with it the contents.
    assert isinstance((await api.my_filters("BTCUSDT")).data(), MyFiltersResponse)


async def test_a_session(exchange_url: str, system: RunningSystem) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with InternalClient(system.directory, system.state) as client:
        account = client.create_account(public_key=public)
    async with connected(exchange_url, api_key=account.api_key, private_key=private) as own:
        assert (await result(own.session_logon()))["apiKey"] == account.api_key
        assert (await result(own.session_status()))["apiKey"] == account.api_key
        assert (await result(own.account_status()))["canTrade"] is True
        await own.user_data_stream_subscribe()
        assert await result(own.session_subscriptions()) == [{"subscriptionId": 0}]
        await own.user_data_stream_unsubscribe(subscription_id=0)
        assert "apiKey" not in await result(own.session_logout()), "the SDK leaves out what is null"


async def test_errors(api: Api) -> None:
    with pytest.raises(Refused, match="insufficient balance"):
        await result(api.order_place(**BUY | {"quantity": 100.0}))
    for missing in (api.reference_price, api.reference_price_calculation):
        with pytest.raises(Refused, match="-2043"):
            await result(missing("BTCUSDT"))


def _without_symbol(order: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name != "symbol"}
