"""Every kind of order that ccxt's unified methods place on a spot market, and the order lists it has calls for."""

import ccxt  # type: ignore[import-untyped]
import pytest

from tests.clients.conftest import Exchange, NewExchange, TradeAt

BTC_USDT = "BTC/USDT"


@pytest.fixture
def trader(new_exchange: NewExchange, trade_at: TradeAt) -> Exchange:
    """Holds both assets, in a market that last traded at 40,000."""
    trade_at("40000")
    trader = new_exchange(USDT="100000", BTC="10")
    trader.load_markets()
    return trader


@pytest.mark.parametrize(
    ("type_", "side", "price", "parameters", "placed_as"),
    [
        ("limit", "sell", 34_000, {"stopLossPrice": 35_000}, "STOP_LOSS_LIMIT"),
        ("limit", "sell", 34_000, {"triggerPrice": 35_000}, "STOP_LOSS_LIMIT"),
        ("limit", "buy", 46_000, {"stopLossPrice": 45_000}, "STOP_LOSS_LIMIT"),
        ("limit", "sell", 44_000, {"takeProfitPrice": 45_000}, "TAKE_PROFIT_LIMIT"),
        ("limit", "buy", 36_000, {"takeProfitPrice": 35_000}, "TAKE_PROFIT_LIMIT"),
        ("market", "sell", None, {"stopLossPrice": 35_000}, "STOP_LOSS"),
        ("market", "buy", None, {"stopLossPrice": 45_000}, "STOP_LOSS"),
        ("market", "sell", None, {"takeProfitPrice": 45_000}, "TAKE_PROFIT"),
        ("STOP_LOSS_LIMIT", "sell", 34_000, {"stopPrice": 35_000}, "STOP_LOSS_LIMIT"),
        ("limit", "sell", 34_000, {"trailingPercent": 5, "stopLossOrTakeProfit": "stopLoss"}, "STOP_LOSS_LIMIT"),
        ("market", "sell", None, {"trailingPercent": 5, "stopLossOrTakeProfit": "stopLoss"}, "STOP_LOSS"),
        (
            *("market", "sell", None),
            {"trailingPercent": 5, "trailingTriggerPrice": 45_000, "stopLossOrTakeProfit": "takeProfit"},
            "TAKE_PROFIT",
        ),
    ],
)
def test_a_conditional_order_waits_for_its_price(
    trader: Exchange, type_: str, side: str, price: float | None, parameters: dict[str, object], placed_as: str
) -> None:
    placed = trader.create_order(BTC_USDT, type_, side, 0.1, price, parameters)
    fetched = trader.fetch_order(placed["id"], BTC_USDT)
    assert (fetched["status"], fetched["filled"]) == ("open", 0)
    assert fetched["info"]["type"] == placed_as
    assert fetched["info"].get("trailingDelta") == (500 if "trailingPercent" in parameters else None)
    triggers = [value for name, value in parameters.items() if name.endswith("Price")]
    assert fetched["triggerPrice"] == (triggers[0] if triggers else None)
    assert trader.fetch_order_book(BTC_USDT)["bids"] == []
    assert trader.fetch_order_book(BTC_USDT)["asks"] == []
    assert trader.cancel_order(placed["id"], BTC_USDT)["status"] == "canceled"


def test_a_stop_is_triggered_by_a_trade(trader: Exchange, trade_at: TradeAt) -> None:
    stop = trader.create_order(BTC_USDT, "limit", "sell", 0.1, 34_000, {"stopLossPrice": 35_000})
    trade_at("34900")
    assert trader.fetch_order_book(BTC_USDT)["asks"] == [[34_000, 0.1]]
    assert trader.fetch_order(stop["id"], BTC_USDT)["status"] == "open"
    assert trader.fetch_open_orders(BTC_USDT)[0]["info"]["isWorking"] is True


def test_a_stop_that_would_trigger_at_once_is_refused(trader: Exchange) -> None:
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        trader.create_order(BTC_USDT, "limit", "sell", 0.1, 45_000, {"stopLossPrice": 46_000})


def test_unified_helpers_for_stops(trader: Exchange) -> None:
    placed = [
        trader.create_stop_limit_order(BTC_USDT, "sell", 0.1, 34_000, 35_000),
        trader.create_stop_loss_order(BTC_USDT, "market", "sell", 0.1, None, 35_000),
        trader.create_stop_loss_order(BTC_USDT, "limit", "sell", 0.1, 34_000, 35_000),
        trader.create_take_profit_order(BTC_USDT, "limit", "sell", 0.1, 45_000, 44_000),
        trader.create_trailing_percent_order(
            BTC_USDT, "market", "sell", 0.1, None, 5, None, {"stopLossOrTakeProfit": "stopLoss"}
        ),
        trader.create_post_only_order(BTC_USDT, "limit", "sell", 0.1, 50_000),
    ]
    assert {order["id"] for order in trader.fetch_open_orders(BTC_USDT)} == {order["id"] for order in placed}
    assert len(trader.cancel_all_orders(BTC_USDT)) == len(placed)


def test_an_iceberg_shows_its_tip(trader: Exchange) -> None:
    placed = trader.create_order(BTC_USDT, "limit", "sell", 1, 50_000, {"icebergAmount": 0.2})
    assert trader.fetch_order_book(BTC_USDT)["asks"] == [[50_000, 0.2]]
    assert trader.fetch_order(placed["id"], BTC_USDT)["info"]["icebergQty"] == "0.20000000"


def test_times_in_force_and_self_trade_prevention(trader: Exchange) -> None:
    resting = trader.create_order(BTC_USDT, "limit", "sell", 0.1, 40_000, {"timeInForce": "GTC"})
    killed = trader.create_order(BTC_USDT, "limit", "buy", 0.1, 39_000, {"timeInForce": "IOC"})
    assert (killed["status"], killed["filled"]) == ("expired", 0)
    for asked in ({"postOnly": True}, {"timeInForce": "PO"}):
        maker = trader.create_order(BTC_USDT, "limit", "buy", 0.1, 39_000, asked)
        assert trader.fetch_order(maker["id"], BTC_USDT)["type"] == "limit"
        assert maker["info"]["type"] == "LIMIT_MAKER"
    prevented = trader.create_order(BTC_USDT, "limit", "buy", 0.1, 40_000, {"selfTradePreventionMode": "EXPIRE_TAKER"})
    assert prevented["info"]["status"] == "EXPIRED_IN_MATCH"
    assert trader.fetch_order(resting["id"], BTC_USDT)["status"] == "open"


@pytest.mark.parametrize(
    ("type_", "price", "parameters", "placed_as"),
    [
        ("limit", 26_000, {}, "LIMIT"),
        ("limit", 26_000, {"postOnly": True}, "LIMIT_MAKER"),
        ("limit", 46_000, {"stopPrice": 45_000}, "STOP_LOSS_LIMIT"),
        ("TAKE_PROFIT_LIMIT", 34_000, {"stopPrice": 35_000}, "TAKE_PROFIT_LIMIT"),
    ],
)
def test_an_order_is_edited(
    trader: Exchange, type_: str, price: float, parameters: dict[str, object], placed_as: str
) -> None:
    first = trader.create_order(BTC_USDT, "limit", "buy", 0.1, 25_000)
    second = trader.edit_order(first["id"], BTC_USDT, type_, "buy", 0.2, price, parameters)
    assert second["id"] != first["id"]
    assert trader.fetch_order(first["id"], BTC_USDT)["status"] == "canceled"
    (left,) = trader.fetch_open_orders(BTC_USDT)
    assert (left["id"], left["amount"], left["price"]) == (second["id"], 0.2, price)
    assert left["info"]["type"] == placed_as


def test_what_cannot_be_edited(trader: Exchange) -> None:
    order = trader.create_order(BTC_USDT, "limit", "buy", 0.1, 25_000)
    with pytest.raises(ccxt.ExchangeError, match="Unknown order sent"):
        trader.edit_order("4611686018427387904", BTC_USDT, "limit", "buy", 0.1, 26_000)
    with pytest.raises(ccxt.ExchangeError, match="insufficient balance"):
        trader.edit_order(order["id"], BTC_USDT, "limit", "buy", 100, 26_000)
    with pytest.raises(ccxt.NotSupported):
        trader.create_orders(
            [{"symbol": BTC_USDT, "type": "limit", "side": "buy", "amount": 0.1, "price": 25_000, "params": {}}]
        )


OCO = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.1",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "50000",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "35000",
    "belowPrice": "34000",
    "belowTimeInForce": "GTC",
}


def test_order_lists_by_their_own_calls(trader: Exchange) -> None:
    """ccxt has no unified method for them."""
    pair = trader.private_post_orderlist_oco(OCO)
    assert {report["type"] for report in pair["orderReports"]} == {"STOP_LOSS_LIMIT", "LIMIT_MAKER"}
    working = {
        "symbol": "BTCUSDT",
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingPrice": "30000",
        "workingQuantity": "0.1",
        "workingTimeInForce": "GTC",
        "pendingSide": "SELL",
    }
    after = {"pendingType": "LIMIT_MAKER", "pendingPrice": "60000"}
    either = {
        "pendingAboveType": "LIMIT_MAKER",
        "pendingAbovePrice": "60000",
        "pendingBelowType": "STOP_LOSS",
        "pendingBelowStopPrice": "20000",
    }
    trader.private_post_orderlist_oto({**working, **after, "pendingQuantity": "0.1"})
    trader.private_post_orderlist_otoco({**working, **either, "pendingQuantity": "0.1"})
    trader.private_post_orderlist_opo({**working, **after})
    trader.private_post_orderlist_opoco({**working, **either})
    old = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.1", "price": "50000", "stopPrice": "35000"}
    trader.private_post_order_oco(old)
    lists = trader.private_get_openorderlist()
    assert len(lists) == 6
    list_id = pair["orderListId"]
    assert trader.private_get_orderlist({"orderListId": list_id})["contingencyType"] == "OCO"
    done = trader.private_delete_orderlist({"symbol": "BTCUSDT", "orderListId": list_id})
    assert done["listOrderStatus"] == "ALL_DONE"
    assert len(trader.private_get_allorderlist()) == 6


def test_cancelling_several(trader: Exchange) -> None:
    placed = [trader.create_order(BTC_USDT, "limit", "buy", 0.1, price)["id"] for price in (25_000, 26_000, 27_000)]
    trader.cancel_order(placed[0], BTC_USDT)
    by_client_id = trader.create_order(BTC_USDT, "limit", "buy", 0.1, 28_000, {"clientOrderId": "by-name"})
    assert trader.cancel_order(None, BTC_USDT, {"clientOrderId": "by-name"})["id"] == by_client_id["id"]
    assert {order["id"] for order in trader.cancel_all_orders(BTC_USDT)} == set(placed[1:])
    assert trader.fetch_open_orders(BTC_USDT) == []
    canceled = trader.fetch_canceled_orders(BTC_USDT)
    assert {order["id"] for order in canceled} == {*placed, by_client_id["id"]}
    everything = trader.fetch_orders(BTC_USDT, since=trader.milliseconds() - 3_600_000, limit=2)
    assert [order["id"] for order in everything] == placed[:2]
