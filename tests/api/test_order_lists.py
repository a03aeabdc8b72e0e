"""Order lists over REST: what each kind demands, what its replies hold, and how its orders share one fate."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of, now_ms, succeeded

SELL_PAIR = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.1"}
BUY_PAIR = SELL_PAIR | {"side": "BUY"}
SELL_OCO = SELL_PAIR | {
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "60000",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "45000",
    "belowPrice": "44000",
    "belowTimeInForce": "GTC",
}
BUY_OCO = BUY_PAIR | {
    "aboveType": "STOP_LOSS",
    "aboveStopPrice": "55000",
    "belowType": "LIMIT_MAKER",
    "belowPrice": "40000",
}
OLD_OCO = SELL_PAIR | {"price": "60000", "stopPrice": "45000"}
WORKING = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingTimeInForce": "GTC",
    "workingPrice": "49000",
    "workingSide": "BUY",
    "workingQuantity": "0.1",
    "pendingSide": "SELL",
}
PENDING = {"pendingType": "LIMIT_MAKER", "pendingPrice": "60000"}
PENDING_PAIR = {
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "60000",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "40000",
}
OPO = WORKING | PENDING
OPOCO = WORKING | PENDING_PAIR
OTO = OPO | {"pendingQuantity": "0.1"}
OTOCO = OPOCO | {"pendingQuantity": "0.1"}
LIST = [
    *("orderListId", "contingencyType", "listStatusType", "listOrderStatus", "listClientOrderId"),
    *("transactionTime", "symbol", "orders"),
]
UNSUPPORTED = (400, -1014, "Unsupported order combination.")

Order = dict[str, str]
Error = tuple[int, int, str]
TradeAt = Callable[[str], None]


@pytest.fixture
def trader(new_trader: NewTrader, trade_at: TradeAt) -> Trader:
    trade_at("50000")
    return new_trader(BTC="10", USDT="1000000")


@pytest.fixture
def seller(new_trader: NewTrader) -> Trader:
    return new_trader(BTC="10")


def statuses(trader: Trader, placed: Any) -> list[str]:
    orders = [trader.get("order", symbol="BTCUSDT", orderId=order["orderId"]) for order in placed["orders"]]
    return [order["status"] for order in orders]


def list_status(trader: Trader, placed: Any) -> str:
    found = trader.get("orderList", orderListId=placed["orderListId"])
    assert isinstance(found["listOrderStatus"], str)
    return found["listOrderStatus"]


def without(order: Order, *names: str) -> Order:
    return {key: value for key, value in order.items() if key not in names}


# Pairs


def test_an_oco_is_told_with_its_orders(trader: Trader) -> None:
    placed = trader.post("orderList/oco", **SELL_OCO, listClientOrderId="pair", aboveClientOrderId="up")
    assert list(placed) == [*LIST, "orderReports"]
    assert (placed["contingencyType"], placed["listClientOrderId"]) == ("OCO", "pair")
    assert (placed["listStatusType"], placed["listOrderStatus"]) == ("EXEC_STARTED", "EXECUTING")
    above, below = placed["orderReports"]
    assert [order["orderId"] for order in placed["orders"]] == [above["orderId"], below["orderId"]]
    assert (above["clientOrderId"], above["type"], above["status"]) == ("up", "LIMIT_MAKER", "NEW")
    assert above["workingTime"] == above["transactTime"]
    assert (below["type"], below["stopPrice"], below["workingTime"]) == ("STOP_LOSS_LIMIT", "45000.00000000", -1)
    assert {report["orderListId"] for report in (above, below)} == {placed["orderListId"]}
    assert trader.balances()["BTC"] == ("9.90000000", "0.10000000"), "reserved once"
    assert {order["orderListId"] for order in trader.get("openOrders")} == {placed["orderListId"]}


@pytest.mark.parametrize("kind", ["ACK", "RESULT", "FULL"])
def test_reports_hold_what_was_asked_for(kind: str, trader: Trader) -> None:
    reports = trader.post("orderList/oco", **BUY_OCO, newOrderRespType=kind)["orderReports"]
    assert all(("fills" in report) == (kind == "FULL") for report in reports)
    assert all(("status" in report) == (kind != "ACK") for report in reports)


def test_one_order_of_a_pair_ends_the_other(trader: Trader, new_trader: NewTrader) -> None:
    placed = trader.post("orderList/oco", **SELL_OCO)
    new_trader(USDT="100000").buy("0.1", "60000")
    assert statuses(trader, placed) == ["FILLED", "EXPIRED"]
    below = trader.get("order", symbol="BTCUSDT", orderId=placed["orders"][1]["orderId"])
    assert below["expiryReason"] == "OCO_TRIGGER"
    assert list_status(trader, placed) == "ALL_DONE"
    assert trader.get("openOrderList") == []
    assert trader.get("myTrades", symbol="BTCUSDT")[0]["orderListId"] == placed["orderListId"]


def test_a_triggered_stop_ends_its_rival(trader: Trader, trade_at: TradeAt) -> None:
    placed = trader.post("orderList/oco", **SELL_OCO)
    trade_at("45000")
    assert statuses(trader, placed) == ["EXPIRED", "NEW"]


@pytest.mark.parametrize("side", ["SELL", "BUY"])
def test_the_old_form_of_an_oco(side: str, trader: Trader) -> None:
    prices = {"price": "60000", "stopPrice": "45000"} if side == "SELL" else {"price": "40000", "stopPrice": "55000"}
    names = {"limitClientOrderId": "limit", "stopClientOrderId": "stop", "listClientOrderId": "old"}
    strategies = {"limitStrategyId": "1", "stopStrategyId": "2", "stopStrategyType": "1000000"}
    placed = trader.post("order/oco", **SELL_PAIR | {"side": side} | prices | names | strategies)
    found = {report["clientOrderId"]: report for report in placed["orderReports"]}
    assert (found["limit"]["type"], found["stop"]["type"]) == ("LIMIT_MAKER", "STOP_LOSS")
    assert (found["limit"]["strategyId"], found["stop"]["strategyId"]) == (1, 2)
    assert (found["limit"]["price"], found["stop"]["stopPrice"]) == (
        f"{prices['price']}.00000000",
        f"{prices['stopPrice']}.00000000",
    )


def test_the_old_form_with_a_stop_limit_order(trader: Trader) -> None:
    stop = {
        "stopLimitPrice": "44000",
        "stopLimitTimeInForce": "GTC",
        "stopIcebergQty": "0.05",
        "limitIcebergQty": "0.02",
    }
    reports = trader.post("order/oco", **OLD_OCO, **stop)["orderReports"]
    assert [(report["type"], report["icebergQty"]) for report in reports] == [
        ("LIMIT_MAKER", "0.02000000"),
        ("STOP_LOSS_LIMIT", "0.05000000"),
    ]


def mandatory(name: str) -> Error:
    return 400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def superfluous(name: str) -> Error:
    return 400, -1106, f"Parameter '{name}' sent when not required."


def iceberg(name: str, time_in_force: str) -> Error:
    return 400, -1160, f"Parameter '{name}' is not supported if `{time_in_force}` is not GTC."


EITHER_OLD_STOP = (400, -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!")
EITHER_STOP = (400, -1102, "Param 'belowStopPrice' or 'belowTrailingDelta' must be sent, but both were empty/null!")
PRICES = (400, -2010, "The relationship of the prices for the orders is not correct.")
DUPLICATE = (400, -2010, "Duplicate order sent.")


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (without(OLD_OCO, "stopPrice"), EITHER_OLD_STOP),
        *((without(OLD_OCO, name), mandatory(name)) for name in ("symbol", "side", "quantity", "price")),
        (OLD_OCO | {"stopLimitPrice": "44000"}, mandatory("stopLimitTimeInForce")),
        (OLD_OCO | {"stopLimitTimeInForce": "GTC"}, superfluous("stopLimitTimeInForce")),
        (OLD_OCO | {"stopIcebergQty": "0.05"}, superfluous("stopIcebergQty")),
        (
            OLD_OCO | {"stopLimitPrice": "1", "stopLimitTimeInForce": "IOC", "stopIcebergQty": "0.05"},
            iceberg("stopIcebergQty", "stopLimitTimeInForce"),
        ),
        (OLD_OCO | {"stopStrategyType": "1"}, (400, -1134, "strategyType was less than 1000000.")),
    ],
)
def test_what_the_old_form_demands(order: Order, error: Error, trader: Trader) -> None:
    assert error_of(trader.send("POST", "order/oco", order)) == error


def legs(pair: Order, above: str, below: str) -> Order:
    return pair | {"aboveType": above, "belowType": below}


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (legs(SELL_PAIR, "LIMIT", "STOP_LOSS"), (400, -1158, "Order type not supported in OCO.")),
        (legs(SELL_PAIR, "LIMIT_MAKER", "MARKET"), (400, -1158, "Order type not supported in OCO.")),
        (legs(BUY_PAIR, "LIMIT_MAKER", "STOP_LOSS"), (400, -1196, "A stop loss order in a buy OCO must be above.")),
        (legs(BUY_PAIR, "LIMIT_MAKER", "TAKE_PROFIT"), (400, -1165, "A limit order in a buy OCO must be below.")),
        (legs(SELL_PAIR, "TAKE_PROFIT", "LIMIT_MAKER"), (400, -1166, "A limit order in a sell OCO must be above.")),
        (legs(SELL_PAIR, "LIMIT_MAKER", "LIMIT_MAKER"), (400, -1168, "At least one OCO order must be contingent.")),
        (legs(BUY_PAIR, "STOP_LOSS", "STOP_LOSS_LIMIT"), (400, -1196, "A stop loss order in a buy OCO must be above.")),
        (legs(SELL_PAIR, "STOP_LOSS", "STOP_LOSS"), (400, -1197, "A stop loss order in a sell OCO must be below.")),
        (
            legs(BUY_PAIR, "TAKE_PROFIT", "TAKE_PROFIT"),
            (400, -1198, "A take profit order in a buy OCO must be below."),
        ),
        (
            legs(SELL_PAIR, "LIMIT_MAKER", "TAKE_PROFIT_LIMIT"),
            (400, -1199, "A take profit order in a sell OCO must be above."),
        ),
        (
            SELL_OCO | {"belowIcebergQty": "0.01", "belowTimeInForce": "IOC"},
            iceberg("belowIcebergQty", "belowTimeInForce"),
        ),
        (SELL_OCO | {"aboveTimeInForce": "GTC"}, superfluous("aboveTimeInForce")),
        *(
            (without(SELL_OCO, name), mandatory(name))
            for name in ("aboveType", "belowType", "abovePrice", "belowPrice")
        ),
        *((without(SELL_OCO, name), mandatory(name)) for name in ("quantity", "side", "belowTimeInForce")),
        (without(SELL_OCO, "belowStopPrice"), EITHER_STOP),
        (SELL_OCO | {"belowStopPrice": "50000"}, PRICES),
        (SELL_OCO | {"abovePrice": "44000"}, PRICES),
        (SELL_OCO | {"listClientOrderId": "same", "aboveClientOrderId": "same"}, DUPLICATE),
        (SELL_OCO | {"belowClientOrderId": "same", "aboveClientOrderId": "same"}, DUPLICATE),
        (SELL_OCO | {"aboveStrategyType": "1"}, (400, -1134, "strategyType was less than 1000000.")),
        (SELL_OCO | {"abovePegPriceType": "X"}, (400, -1210, "Invalid pegPriceType.")),
        (SELL_OCO | {"aboveType": "X"}, (400, -1116, "Invalid orderType.")),
        (
            SELL_OCO | {"price": "1"},
            (400, -1104, "Not all sent parameters were read; read '9' parameter(s) but was sent '10'."),
        ),
    ],
)
def test_what_an_oco_demands(order: Order, error: Error, trader: Trader) -> None:
    assert error_of(trader.send("POST", "orderList/oco", order)) == error


# Working and pending orders


def test_a_pending_order_waits_for_the_working_one(trader: Trader, seller: Trader) -> None:
    placed = trader.post("orderList/oto", **OTO, workingClientOrderId="first", pendingClientOrderId="then")
    assert (placed["contingencyType"], placed["listOrderStatus"]) == ("OTO", "EXECUTING")
    working, pending = placed["orderReports"]
    assert (working["status"], pending["status"]) == ("NEW", "PENDING_NEW")
    assert (pending["workingTime"], pending["origQty"]) == (-1, "0.10000000")
    assert trader.balances()["BTC"] == ("10.00000000", "0.00000000"), "nothing reserved for the pending order"
    seller.sell("0.04", "49000")
    assert statuses(trader, placed) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    seller.sell("0.06", "49000")
    assert statuses(trader, placed) == ["FILLED", "NEW"]
    assert trader.get("order", symbol="BTCUSDT", origClientOrderId="then")["isWorking"] is True


def test_a_working_order_that_is_filled_at_once(trader: Trader, seller: Trader) -> None:
    """The reply shows the pending order as it was placed; asking again shows it at work."""
    seller.sell("0.1", "49000")
    placed = trader.post("orderList/oto", **OTO)
    assert [report["status"] for report in placed["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert placed["listOrderStatus"] == "EXECUTING"
    assert statuses(trader, placed) == ["FILLED", "NEW"]


def test_a_working_order_that_expires_takes_the_pending_ones_with_it(trader: Trader) -> None:
    placed = trader.post("orderList/otoco", **OTOCO | {"workingTimeInForce": "IOC"})
    assert [report["status"] for report in placed["orderReports"]] == ["EXPIRED"] * 3
    assert placed["orderReports"][1]["expiryReason"] == "OTO_PHASE_ONE_EXPIRED"
    assert (placed["listStatusType"], placed["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")


def test_a_pending_pair_comes_to_life_together(trader: Trader, seller: Trader, new_trader: NewTrader) -> None:
    placed = trader.post("orderList/otoco", **OTOCO)
    assert len(placed["orders"]) == 3
    seller.sell("0.1", "49000")
    assert statuses(trader, placed) == ["FILLED", "NEW", "NEW"]
    new_trader(USDT="100000").buy("0.1", "60000")
    assert statuses(trader, placed) == ["FILLED", "FILLED", "EXPIRED"]
    assert list_status(trader, placed) == "ALL_DONE"


@pytest.mark.parametrize(("path", "order"), [("orderList/opo", OPO), ("orderList/opoco", OPOCO)])
def test_one_order_pays_for_the_others(
    path: str, order: Order, new_trader: NewTrader, trade_at: TradeAt, seller: Trader
) -> None:
    trade_at("50000")
    poor = new_trader(USDT="10000")
    placed = poor.post(path, **order)
    assert placed["contingencyType"] == "OTO"
    assert all("origQty" not in report for report in placed["orderReports"][1:])
    assert placed["orderReports"][0]["origQty"] == "0.10000000"
    seller.sell("0.1", "49000")
    assert set(statuses(poor, placed)[1:]) == {"NEW"}
    sold = poor.get("order", symbol="BTCUSDT", orderId=placed["orders"][1]["orderId"])
    assert sold["origQty"] == "0.09990000", "what was bought less the commission"


@pytest.mark.parametrize(
    ("path", "order", "error"),
    [
        ("oto", OTO | {"workingType": "MARKET"}, UNSUPPORTED),
        ("oto", without(OTO, "workingTimeInForce"), mandatory("workingTimeInForce")),
        ("oto", without(OTO, "workingPrice"), mandatory("workingPrice")),
        ("oto", without(OTO, "pendingPrice"), mandatory("pendingPrice")),
        ("oto", without(OTO, "pendingQuantity"), mandatory("pendingQuantity")),
        (
            "oto",
            OTO | {"workingTimeInForce": "IOC", "workingIcebergQty": "0.01"},
            iceberg("workingIcebergQty", "workingTimeInForce"),
        ),
        ("otoco", without(OTOCO, "pendingBelowType"), mandatory("pendingBelowType")),
        (
            "otoco",
            OTOCO | {"pendingAboveType": "STOP_LOSS"},
            (400, -1197, "A stop loss order in a sell OCO must be below."),
        ),
        ("otoco", OTOCO | {"pendingAboveType": "LIMIT"}, (400, -1158, "Order type not supported in OCO.")),
        ("otoco", OTOCO | {"pendingBelowStopPrice": "61000"}, PRICES),
        ("opo", OPO | {"workingSide": "SELL"}, (400, -1222, "Working order in an OPO list must be a bid.")),
        ("opo", OPO | {"pendingSide": "BUY"}, (400, -1223, "Pending orders in an OPO list must be asks.")),
        ("opo", OTO, (400, -1225, "Pending orders should not include the 'pendingQuantity' tag.")),
        ("opoco", OTOCO, (400, -1225, "Pending orders should not include the 'pendingQuantity' tag.")),
    ],
)
def test_what_a_list_with_pending_orders_demands(path: str, order: Order, error: Error, trader: Trader) -> None:
    assert error_of(trader.send("POST", f"orderList/{path}", order)) == error
    assert trader.get("openOrders") == []


# Cancelling


@pytest.mark.parametrize("by", ["orderListId", "listClientOrderId"])
def test_a_list_is_cancelled_as_a_whole(by: str, trader: Trader) -> None:
    placed = trader.post("orderList/oco", **SELL_OCO)
    cancelled = trader.delete("orderList", symbol="BTCUSDT", **{by: placed[by]}, newClientOrderId="enough")
    assert list(cancelled) == [*LIST, "orderReports"]
    assert (cancelled["listStatusType"], cancelled["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert [report["status"] for report in cancelled["orderReports"]] == ["CANCELED"] * 2
    assert {report["clientOrderId"] for report in cancelled["orderReports"]} == {"enough"}
    assert trader.balances()["BTC"] == ("10.00000000", "0.00000000")


def test_cancelling_one_order_cancels_its_list(trader: Trader) -> None:
    placed = trader.post("orderList/otoco", **OTOCO)
    cancelled = trader.delete("order", symbol="BTCUSDT", orderId=placed["orders"][2]["orderId"])
    assert (cancelled["orderListId"], len(cancelled["orderReports"])) == (placed["orderListId"], 3)
    assert trader.get("openOrders") == []


def test_cancelling_everything_shows_lists_as_lists(trader: Trader) -> None:
    single = trader.sell("0.1", "61000")
    tied = trader.post("orderList/oco", **SELL_OCO)
    one, whole = trader.delete("openOrders", symbol="BTCUSDT")
    assert one["orderId"] == single["orderId"]
    assert whole["orderListId"] == tied["orderListId"]
    assert [report["orderId"] for report in whole["orderReports"]] == [order["orderId"] for order in tied["orders"]]


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({}, (400, -1102, "Param 'orderListId' or 'listClientOrderId' must be sent, but both were empty/null!")),
        ({"orderListId": "0"}, (400, -2011, "Unknown order sent.")),
        ({"orderListId": "999999999"}, (400, -2011, "Unknown order sent.")),
        ({"listClientOrderId": "nobody"}, (400, -2011, "Unknown order sent.")),
    ],
)
def test_a_list_that_is_not_there_is_not_cancelled(named: Order, error: Error, trader: Trader) -> None:
    assert error_of(trader.send("DELETE", "orderList", {"symbol": "BTCUSDT"} | named)) == error


# Reading


def test_lists_are_found_again(trader: Trader) -> None:
    first = trader.post("orderList/oco", **SELL_OCO, listClientOrderId="first")
    second = trader.post("orderList/oto", **OTO, listClientOrderId="second")
    trader.delete("orderList", symbol="BTCUSDT", listClientOrderId="first")
    by_id = trader.get("orderList", orderListId=first["orderListId"])
    assert list(by_id) == LIST
    assert by_id == trader.get("orderList", origClientOrderId="first")
    assert (by_id["listOrderStatus"], by_id["orders"]) == ("ALL_DONE", first["orders"])
    ids = [first["orderListId"], second["orderListId"]]
    assert [found["orderListId"] for found in trader.get("openOrderList")] == ids[1:]
    for asked, expected in (
        ({}, ids),
        ({"limit": 1}, ids[1:]),
        ({"fromId": ids[1]}, ids[1:]),
        ({"fromId": ids[0], "limit": 1}, ids[:1]),
        ({"startTime": now_ms() - 60_000}, ids),
        ({"endTime": now_ms() - 60_000}, []),
        ({"startTime": now_ms() - 60_000, "endTime": now_ms() + 60_000, "limit": 1}, ids[:1]),
    ):
        assert [found["orderListId"] for found in trader.get("allOrderList", **asked)] == expected


@pytest.mark.parametrize(
    ("path", "asked", "error"),
    [
        (
            "orderList",
            {},
            (400, -1102, "Param 'origClientOrderId' or 'orderListId' must be sent, but both were empty/null!"),
        ),
        ("orderList", {"orderListId": "999999999"}, (400, -2013, "Order does not exist.")),
        ("orderList", {"origClientOrderId": "nobody"}, (400, -2013, "Order does not exist.")),
        (
            "allOrderList",
            {"fromId": "1", "startTime": "1"},
            (400, -1128, "Combination of optional parameters invalid."),
        ),
        (
            "allOrderList",
            {"startTime": "1700000000000", "endTime": "1700086400001"},
            (400, -1127, "More than 24 hours between startTime and endTime."),
        ),
    ],
)
def test_a_list_that_cannot_be_read(path: str, asked: Order, error: Error, trader: Trader) -> None:
    assert error_of(trader.send("GET", path, asked)) == error


def test_nobody_sees_anothers_lists(trader: Trader, seller: Trader) -> None:
    placed = trader.post("orderList/oco", **SELL_OCO, listClientOrderId="mine")
    named = {"orderListId": str(placed["orderListId"])}
    assert error_of(seller.send("GET", "orderList", named))[1] == -2013
    assert error_of(seller.send("DELETE", "orderList", named | {"symbol": "BTCUSDT"}))[1] == -2011
    assert seller.get("allOrderList") == seller.get("openOrderList") == []
    mismatch = trader.send("GET", "orderList", named | {"origClientOrderId": "other"})
    assert error_of(mismatch) == (400, -2039, "Client order ID is not correct for this order ID.")
    succeeded(trader.send("DELETE", "orderList", named | {"symbol": "BTCUSDT"}))
