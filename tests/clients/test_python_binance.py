"""python-binance, synchronous and asynchronous, told nothing but where the exchange is."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from binance import AsyncClient, Client  # type: ignore[import-untyped]
from binance.exceptions import BinanceAPIException  # type: ignore[import-untyped]

from tests.clients.conftest import NewAccount, NewClient

ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "quantity": "0.1", "price": "25000"}


@pytest.fixture
def client(new_client: NewClient) -> Client:
    return new_client(USDT="100000")


def test_public_questions(client: Client) -> None:
    assert client.ping() == {}
    assert abs(client.get_server_time()["serverTime"] - time.time() * 1000) < 60_000
    symbols = {market["symbol"] for market in client.get_exchange_info()["symbols"]}
    assert {"BTCUSDT", "ETHUSDT", "ETHBTC"} <= symbols
    info = client.get_symbol_info("BTCUSDT")
    assert info is not None
    assert info["filters"][0]["filterType"] == "PRICE_FILTER"
    assert client.get_symbol_info("NOPE") is None
    assert client.get_system_status() == {"status": 0, "msg": "normal"}
    assert {ticker["symbol"] for ticker in client.get_all_tickers()} == symbols
    assert {ticker["symbol"] for ticker in client.get_orderbook_tickers()} == symbols


def test_the_order_book(client: Client) -> None:
    client.order_limit_buy(**ORDER)
    book = client.get_order_book(symbol="BTCUSDT", limit=5)
    assert book["bids"] == [["25000.00000000", "0.10000000"]]
    ticker = client.get_orderbook_ticker(symbol="BTCUSDT")
    assert (ticker["bidPrice"], ticker["bidQty"]) == ("25000.00000000", "0.10000000")


def test_the_life_of_a_limit_order(client: Client) -> None:
    placed = client.order_limit_buy(**ORDER)
    assert placed["clientOrderId"].startswith("x-HNA2TXFJ")
    assert placed["status"] == "NEW"
    order_id = placed["orderId"]
    assert client.get_order(symbol="BTCUSDT", orderId=order_id)["status"] == "NEW"
    by_client_id = client.get_order(symbol="BTCUSDT", origClientOrderId=placed["clientOrderId"])
    assert by_client_id["orderId"] == order_id
    assert [order["orderId"] for order in client.get_open_orders(symbol="BTCUSDT")] == [order_id]
    assert [order["orderId"] for order in client.get_open_orders()] == [order_id]
    assert client.get_asset_balance("USDT") == {"asset": "USDT", "free": "97500.00000000", "locked": "2500.00000000"}
    # Sent as a form in the body of a DELETE.
    assert client.cancel_order(symbol="BTCUSDT", orderId=order_id)["status"] == "CANCELED"
    assert client.get_open_orders(symbol="BTCUSDT") == []
    assert [order["status"] for order in client.get_all_orders(symbol="BTCUSDT")] == ["CANCELED"]


def test_all_orders_are_cancelled_at_once(client: Client) -> None:
    placed = {client.order_limit_buy(**ORDER)["orderId"] for _ in range(3)}
    cancelled = client.cancel_all_open_orders(symbol="BTCUSDT")
    assert {order["orderId"] for order in cancelled} == placed


def test_the_order_helpers(new_client: NewClient) -> None:
    buyer, seller = new_client(USDT="100000"), new_client(BTC="10")
    seller.order_limit_sell(symbol="BTCUSDT", quantity="1", price="40000")
    bought = buyer.order_market_buy(symbol="BTCUSDT", quantity="0.25")
    assert (bought["status"], bought["cummulativeQuoteQty"]) == ("FILLED", "10000.00000000")
    by_quote = buyer.order_market_buy(symbol="BTCUSDT", quoteOrderQty="1000")
    assert by_quote["executedQty"] == "0.02500000"
    created = buyer.create_order(
        symbol="BTCUSDT",
        side=Client.SIDE_BUY,
        type=Client.ORDER_TYPE_LIMIT,
        timeInForce=Client.TIME_IN_FORCE_IOC,
        quantity="0.1",
        price="40000",
        newOrderRespType=Client.ORDER_RESP_TYPE_RESULT,
    )
    assert created["status"] == "FILLED"
    assert "fills" not in created
    maker = buyer.create_order(
        symbol="BTCUSDT", side="BUY", type=Client.ORDER_TYPE_LIMIT_MAKER, quantity="0.1", price="30000"
    )
    assert buyer.get_order(symbol="BTCUSDT", orderId=maker["orderId"])["type"] == "LIMIT_MAKER"
    sold = seller.order_market_sell(symbol="BTCUSDT", quantity="0.05")
    assert sold["fills"][0]["price"] == "30000.00000000"
    trades = buyer.get_my_trades(symbol="BTCUSDT")
    assert [trade["qty"] for trade in trades] == ["0.25000000", "0.02500000", "0.10000000", "0.05000000"]
    assert [trade["isMaker"] for trade in trades] == [False, False, False, True]
    assert buyer.get_recent_trades(symbol="BTCUSDT", limit=2)[-1]["price"] == "30000.00000000"
    assert buyer.get_symbol_ticker(symbol="BTCUSDT") == {"symbol": "BTCUSDT", "price": "30000.00000000"}


def test_order_lists_stops_and_replacements(new_client: NewClient) -> None:
    trader, other = new_client(USDT="100000", BTC="1"), new_client(BTC="1")
    other.order_limit_sell(symbol="BTCUSDT", quantity="0.1", price="40000")
    trader.order_limit_buy(symbol="BTCUSDT", quantity="0.1", price="40000")
    pair = trader.create_oco_order(
        symbol="BTCUSDT",
        side="SELL",
        quantity="0.1",
        aboveType="LIMIT_MAKER",
        abovePrice="60000",
        belowType="STOP_LOSS",
        belowStopPrice="30000",
    )
    assert [report["type"] for report in pair["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS"]
    stop = trader.create_order(
        symbol="BTCUSDT",
        side="SELL",
        type=Client.ORDER_TYPE_STOP_LOSS_LIMIT,
        timeInForce="GTC",
        quantity="0.1",
        price="29000",
        stopPrice="30000",
    )
    replaced = trader.cancel_replace_order(
        symbol="BTCUSDT",
        side="SELL",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.1",
        price="50000",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=stop["orderId"],
    )
    assert (replaced["cancelResult"], replaced["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert len(trader.cancel_all_open_orders(symbol="BTCUSDT")) == 2


def test_trying_an_order(client: Client) -> None:
    order = {**ORDER, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    assert client.create_test_order(**order) == {}
    assert "standardCommissionForOrder" in client.create_test_order(**order, computeCommissionRates="true")
    assert client.get_open_orders(symbol="BTCUSDT") == []


def test_the_account(client: Client) -> None:
    account = client.get_account()
    assert account["canTrade"] is True
    assert {balance["asset"]: balance["free"] for balance in account["balances"]}["USDT"] == "100000.00000000"
    fee = client.get_trade_fee(symbol="BTCUSDT")
    assert (fee[0]["makerCommission"], fee[0]["takerCommission"]) == ("0.00100000", "0.00100000")


def test_errors(client: Client, new_account: NewAccount) -> None:
    def refusal(call: Callable[..., object], **parameters: object) -> tuple[int, int, str]:
        with pytest.raises(BinanceAPIException) as caught:
            call(**parameters)
        return caught.value.status_code, caught.value.code, caught.value.message

    no_balance = (400, -2010, "Account has insufficient balance for requested action.")
    assert refusal(client.order_limit_buy, symbol="BTCUSDT", quantity="10", price="25000") == no_balance
    too_many = (400, -1013, "Filter failure: LOT_SIZE")
    assert refusal(client.order_limit_buy, symbol="BTCUSDT", quantity="9001", price="1") == too_many
    assert refusal(client.get_order, symbol="BTCUSDT", orderId=2**62) == (400, -2013, "Order does not exist.")
    assert refusal(client.cancel_order, symbol="BTCUSDT", orderId=2**62) == (400, -2011, "Unknown order sent.")
    assert refusal(client.get_order_book, symbol="NOPE") == (400, -1121, "Invalid symbol.")
    wrong = Client(new_account().api_key, "x" * 64)
    assert refusal(wrong.get_account) == (400, -1022, "Signature for this request is not valid.")
    wrong.close_connection()


@pytest.fixture
async def async_client(new_account: NewAccount, binance_address: None) -> AsyncIterator[AsyncClient]:
    account = new_account(USDT="100000", BTC="1")
    client = await AsyncClient.create(account.api_key, account.secret_key)
    yield client
    await client.close_connection()


async def test_asynchronous_questions(async_client: AsyncClient) -> None:
    assert await async_client.ping() == {}
    assert (await async_client.get_server_time())["serverTime"] > 0
    assert len((await async_client.get_exchange_info())["symbols"]) >= 3
    account = await async_client.get_account()
    assert {balance["asset"]: balance["free"] for balance in account["balances"]}["BTC"] == "1.00000000"


async def test_asynchronous_orders(async_client: AsyncClient) -> None:
    client = async_client
    placed = await client.order_limit_buy(**ORDER)
    assert (await client.get_order(symbol="BTCUSDT", orderId=placed["orderId"]))["status"] == "NEW"
    assert (await client.get_order_book(symbol="BTCUSDT"))["bids"] == [["25000.00000000", "0.10000000"]]
    assert (await client.get_orderbook_ticker(symbol="BTCUSDT"))["bidPrice"] == "25000.00000000"
    cancelled = await client.cancel_order(symbol="BTCUSDT", orderId=placed["orderId"])
    assert cancelled["status"] == "CANCELED"
    assert await client.get_open_orders(symbol="BTCUSDT") == []
    await client.order_limit_sell(symbol="BTCUSDT", quantity="0.1", price="40000")
    bought = await client.order_market_buy(symbol="BTCUSDT", quoteOrderQty="1000", selfTradePreventionMode="NONE")
    assert bought["executedQty"] == "0.02500000"
    assert len(await client.get_my_trades(symbol="BTCUSDT")) == 2
    assert len(await client.get_all_orders(symbol="BTCUSDT")) == 3
    assert await client.get_symbol_ticker(symbol="BTCUSDT") == {"symbol": "BTCUSDT", "price": "40000.00000000"}
    assert await client.create_test_order(**ORDER, side="BUY", type="LIMIT", timeInForce="GTC") == {}
    assert len(await client.cancel_all_open_orders(symbol="BTCUSDT")) == 1


async def test_asynchronous_errors(async_client: AsyncClient) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        await async_client.order_limit_buy(symbol="BTCUSDT", quantity="10", price="25000")
    assert (caught.value.status_code, caught.value.code) == (400, -2010)
    with pytest.raises(BinanceAPIException) as caught:
        await async_client.cancel_order(symbol="BTCUSDT", orderId=2**62)
    assert (caught.value.status_code, caught.value.code) == (400, -2011)
