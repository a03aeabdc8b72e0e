"""The rest of python-binance's helpers for a spot account: orders of every type, histories, and the account."""

import itertools
from typing import Any

import pytest
from binance import Client  # type: ignore[import-untyped]
from binance.exceptions import BinanceAPIException  # type: ignore[import-untyped]

from tests.clients.conftest import NewClient, TradeAt

BTC: dict[str, Any] = {"symbol": "BTCUSDT", "quantity": "0.1"}
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@pytest.fixture
def client(new_client: NewClient, trade_at: TradeAt) -> Client:
    """Holds both assets, in a market that last traded at 40,000."""
    trade_at("40000")
    return new_client(USDT="100000", BTC="10")


@pytest.mark.parametrize(
    ("side", "type_", "more"),
    [
        ("BUY", Client.ORDER_TYPE_LIMIT, {"price": "30000", "timeInForce": Client.TIME_IN_FORCE_GTC}),
        ("BUY", Client.ORDER_TYPE_LIMIT_MAKER, {"price": "30000"}),
        ("SELL", Client.ORDER_TYPE_STOP_LOSS, {"stopPrice": "35000"}),
        ("SELL", Client.ORDER_TYPE_STOP_LOSS_LIMIT, {"stopPrice": "35000", "price": "34000", "timeInForce": "GTC"}),
        ("SELL", Client.ORDER_TYPE_TAKE_PROFIT, {"stopPrice": "45000"}),
        ("SELL", Client.ORDER_TYPE_TAKE_PROFIT_LIMIT, {"stopPrice": "45000", "price": "44000", "timeInForce": "GTC"}),
        ("SELL", Client.ORDER_TYPE_STOP_LOSS, {"trailingDelta": 500}),
        ("BUY", Client.ORDER_TYPE_LIMIT, {"price": "30000", "timeInForce": "GTC", "icebergQty": "0.02"}),
        (
            *("BUY", Client.ORDER_TYPE_LIMIT),
            {"price": "30000", "timeInForce": "GTC", "strategyId": 7, "strategyType": 1_000_000},
        ),
        ("BUY", Client.ORDER_TYPE_LIMIT, {"timeInForce": "GTC", "pegPriceType": "PRIMARY_PEG"}),
    ],
)
def test_every_type_of_order(client: Client, side: str, type_: str, more: dict[str, object]) -> None:
    if "pegPriceType" in more:
        client.order_limit_buy(**BTC, price="20000")
    order = {**BTC, "side": side, "type": type_, **more}
    assert client.create_test_order(**order) == {}
    placed = client.create_order(**order, newOrderRespType=Client.ORDER_RESP_TYPE_FULL)
    assert (placed["status"], placed["fills"]) == ("NEW", [])
    fetched = client.get_order(symbol="BTCUSDT", orderId=placed["orderId"])
    assert (fetched["type"], fetched["side"], fetched["origQty"]) == (type_, side, "0.10000000")
    for name in more.keys() & fetched.keys() - {"price", "stopPrice", "icebergQty"}:
        assert fetched[name] == more[name]
    for name in more.keys() & {"price", "stopPrice", "icebergQty"}:
        assert float(fetched[name]) == float(str(more[name]))
    assert client.cancel_order(symbol="BTCUSDT", orderId=placed["orderId"])["status"] == "CANCELED"


def test_the_generic_order_helpers(new_client: NewClient, client: Client) -> None:
    other = new_client(USDT="100000")
    client.order_limit(**BTC, side=Client.SIDE_SELL, price="40000")
    assert other.order_market(**BTC, side=Client.SIDE_BUY)["status"] == "FILLED"
    assert other.order_limit_buy(**BTC, price="39000", timeInForce="GTC")["status"] == "NEW"
    assert client.order_market_sell(symbol="BTCUSDT", quoteOrderQty="390")["executedQty"] == "0.01000000"
    assert client.order_limit_sell(**BTC, price="39000", timeInForce="FOK")["status"] == "EXPIRED"
    assert client.order_limit_sell(**BTC, price="39000", timeInForce="IOC")["executedQty"] == "0.09000000"


def test_pairs_of_orders(client: Client) -> None:
    sell = {"aboveType": "LIMIT_MAKER", "abovePrice": "50000", "belowType": "STOP_LOSS_LIMIT", "belowPrice": "34000"}
    sold = client.order_oco_sell(**BTC, **sell, belowStopPrice="35000", belowTimeInForce="GTC")
    assert (sold["contingencyType"], sold["listOrderStatus"]) == ("OCO", "EXECUTING")
    assert {report["type"] for report in sold["orderReports"]} == {"LIMIT_MAKER", "STOP_LOSS_LIMIT"}
    buy = {"aboveType": "STOP_LOSS", "aboveStopPrice": "45000", "belowType": "LIMIT_MAKER", "belowPrice": "30000"}
    client.order_oco_buy(**BTC, **buy)
    profit = {
        "aboveType": "TAKE_PROFIT",
        "aboveStopPrice": "45000",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "35000",
    }
    client.create_oco_order(**BTC, side="SELL", **profit)
    assert len(client.get_open_oco_orders()) == 3
    assert len(client.get_open_orders(symbol="BTCUSDT")) == 6
    listed = client.v3_get_order_list(orderListId=sold["orderListId"])
    assert listed["listClientOrderId"] == sold["listClientOrderId"]
    done = client.v3_delete_order_list(symbol="BTCUSDT", orderListId=sold["orderListId"])
    assert done["listOrderStatus"] == "ALL_DONE"
    assert len(client.v3_get_all_order_list()) == 3
    assert len(client.cancel_all_open_orders(symbol="BTCUSDT")) == 2


def test_orders_that_follow_another(client: Client) -> None:
    working = {
        "symbol": "BTCUSDT",
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingPrice": "30000",
        "workingQuantity": "0.1",
        "workingTimeInForce": "GTC",
        "pendingSide": "SELL",
        "pendingQuantity": "0.1",
    }
    one = client.v3_post_order_list_oto(**working, pendingType="LIMIT_MAKER", pendingPrice="60000")
    assert [order["status"] for order in one["orderReports"]] == ["NEW", "PENDING_NEW"]
    pair = client.v3_post_order_list_otoco(
        **working,
        pendingAboveType="LIMIT_MAKER",
        pendingAbovePrice="60000",
        pendingBelowType="STOP_LOSS",
        pendingBelowStopPrice="20000",
    )
    assert [order["status"] for order in pair["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]


def test_cancel_replace_says_what_became_of_each_half(client: Client) -> None:
    new = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "31000"}
    first = client.order_limit_buy(**BTC, price="30000")["orderId"]
    done = client.cancel_replace_order(**new, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=first)
    assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    by_name = done["newOrderResponse"]["clientOrderId"]
    again = client.cancel_replace_order(**new, cancelReplaceMode="ALLOW_FAILURE", cancelOrigClientOrderId=by_name)
    assert again["cancelResponse"]["origClientOrderId"] == by_name
    with pytest.raises(BinanceAPIException) as caught:
        client.cancel_replace_order(**new, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=first)
    assert (caught.value.status_code, caught.value.code) == (400, -2022)
    with pytest.raises(BinanceAPIException) as caught:
        client.cancel_replace_order(**new, cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=first)
    assert (caught.value.status_code, caught.value.code) == (409, -2021)
    assert len(client.get_open_orders(symbol="BTCUSDT")) == 2


def test_candles_and_their_history(client: Client) -> None:
    newest = client.get_klines(symbol="BTCUSDT", interval=Client.KLINE_INTERVAL_1MINUTE, limit=2)[-1]
    assert newest[4] == "40000.00000000"
    opened = newest[0]
    minute = Client.KLINE_INTERVAL_1MINUTE
    history = client.get_historical_klines("BTCUSDT", minute, opened - HOUR_MS, opened + MINUTE_MS - 1)
    assert history[-1][0] == opened
    assert all(after[0] - before[0] == MINUTE_MS for before, after in itertools.pairwise(history))
    generated = client.get_historical_klines_generator("BTCUSDT", minute, opened - HOUR_MS, opened + MINUTE_MS - 1)
    assert [candle[0] for candle in generated] == [candle[0] for candle in history]
    in_words = client.get_historical_klines("BTCUSDT", Client.KLINE_INTERVAL_1DAY, "2 days ago UTC", limit=1000)
    assert in_words[-1][4] == "40000.00000000"
    assert client.get_ui_klines(symbol="BTCUSDT", interval="1d", timeZone="8")[-1][4] == "40000.00000000"
    assert client._get_earliest_valid_timestamp("BTCUSDT", minute) <= opened


def test_trades_one_after_the_other(client: Client, trade_at: TradeAt) -> None:
    recent = client.get_recent_trades(symbol="BTCUSDT", limit=1)[0]
    assert client.get_historical_trades(symbol="BTCUSDT", fromId=recent["id"])[0] == recent
    last = client.get_aggregate_trades(symbol="BTCUSDT", limit=1)[0]
    assert (last["p"], last["l"]) == ("40000.00000000", recent["id"])
    trade_at("40001")
    trade_at("40002")
    later = list(client.aggregate_trade_iter("BTCUSDT", last_id=last["a"]))
    assert [trade["p"] for trade in later] == ["40001.00000000", "40002.00000000"]
    by_time = list(client.aggregate_trade_iter("BTCUSDT", start_str=later[0]["T"]))
    assert [trade["a"] for trade in by_time][-2:] == [trade["a"] for trade in later]
    everything = [trade["a"] for trade in client.aggregate_trade_iter("BTCUSDT")]
    assert everything == sorted(set(everything))
    assert everything[-1] == later[-1]["a"]


def test_tickers(client: Client) -> None:
    day = client.get_ticker(symbol="BTCUSDT")
    assert day["lastPrice"] == "40000.00000000"
    assert {ticker["symbol"] for ticker in client.get_ticker()} >= {"BTCUSDT", "ETHUSDT", "ETHBTC"}
    assert client.get_symbol_ticker_window(symbol="BTCUSDT", windowSize="1h")["lastPrice"] == "40000.00000000"
    assert client.v3_get_ticker_trading_day(symbol="BTCUSDT")["lastPrice"] == "40000.00000000"
    average = client.get_avg_price(symbol="BTCUSDT")
    assert average["mins"] == 5
    assert float(average["price"]) > 0


def test_what_it_asks_of_an_account(client: Client) -> None:
    assert client.get_account_status() == {"data": "Normal"}
    assert client.get_account_api_trading_status()["data"]["isLocked"] is False
    permissions = client.get_account_api_permissions()
    assert (permissions["enableReading"], permissions["enableWithdrawals"]) == (True, False)
    assert {fee["symbol"] for fee in client.get_trade_fee()} >= {"BTCUSDT", "ETHUSDT", "ETHBTC"}
    assert client.v3_get_account_commission(symbol="BTCUSDT")["standardCommission"]["maker"] == "0.00100000"
    assert client.get_spot_delist_schedule() == []
    assert client.get_deposit_history() == []
    assert client.get_withdraw_history() == []
    assert client.get_current_order_count() == [], "nothing is counted where limits are off"
    assert client.get_allocations(symbol="BTCUSDT") == []
    balances = client.get_asset_balance()
    assert {balance["asset"] for balance in balances} >= {"BTC", "USDT"}
    assert {coin["coin"] for coin in client.get_all_coins_info()} >= {"BTC", "USDT"}


def test_prevented_matches_and_own_trades(client: Client, new_client: NewClient) -> None:
    resting = client.order_limit_sell(**BTC, price="39000")
    met = client.order_limit_buy(**BTC, price="39000", selfTradePreventionMode="EXPIRE_TAKER", newOrderRespType="FULL")
    assert met["status"] == "EXPIRED_IN_MATCH"
    (prevented,) = client.get_prevented_matches(symbol="BTCUSDT", orderId=met["orderId"])
    assert (prevented["makerOrderId"], prevented["takerOrderId"]) == (resting["orderId"], met["orderId"])
    new_client(USDT="100000").order_market_buy(**BTC)
    (trade,) = client.get_my_trades(symbol="BTCUSDT", orderId=resting["orderId"])
    assert (trade["price"], trade["isMaker"]) == ("39000.00000000", True)
    since = {"startTime": trade["time"], "endTime": trade["time"], "limit": 10}
    assert client.get_my_trades(symbol="BTCUSDT", **since) == [trade]
    assert client.get_my_trades(symbol="BTCUSDT", fromId=trade["id"]) == [trade]
    assert [order["orderId"] for order in client.get_all_orders(symbol="BTCUSDT", orderId=met["orderId"])] == [
        met["orderId"]
    ]
