"""Amending over REST: an order gets smaller and keeps its place (section 4.8)."""

from typing import Any

import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of

PATH = "order/amend/keepPriority"
AMENDED = [
    *("symbol", "orderId", "orderListId", "origClientOrderId", "clientOrderId", "price", "qty", "executedQty"),
    *("preventedQty", "quoteOrderQty", "cumulativeQuoteQty", "status", "timeInForce", "type", "side", "workingTime"),
    "selfTradePreventionMode",
]

Error = tuple[int, int, str]


@pytest.fixture
def seller(new_trader: NewTrader) -> Trader:
    return new_trader(BTC="10")


def amend(trader: Trader, placed: Any, quantity: str, **more: object) -> Any:
    return trader.put(PATH, symbol="BTCUSDT", orderId=placed["orderId"], newQty=quantity, **more)


def test_an_amended_order_is_smaller_and_renamed(seller: Trader) -> None:
    placed = seller.sell("1", "60000", newClientOrderId="before")
    answer = amend(seller, placed, "0.4", newClientOrderId="after")
    assert list(answer) == ["transactTime", "executionId", "amendedOrder"]
    order = answer["amendedOrder"]
    assert list(order) == AMENDED
    assert (order["origClientOrderId"], order["clientOrderId"]) == ("before", "after")
    assert (order["qty"], order["status"], order["workingTime"]) == ("0.40000000", "NEW", placed["workingTime"])
    assert seller.balances()["BTC"] == ("9.60000000", "0.40000000")
    assert seller.get("order", symbol="BTCUSDT", orderId=placed["orderId"])["origQty"] == "0.40000000"
    assert error_of(seller.send("GET", "order", {"symbol": "BTCUSDT", "origClientOrderId": "before"}))[1] == -2013


def test_an_amended_order_keeps_its_place(seller: Trader, new_trader: NewTrader) -> None:
    first, second = seller.sell("1", "60000"), seller.sell("1", "60000")
    amend(seller, first, "0.5")
    new_trader(USDT="100000").buy("0.5", "60000")
    statuses = [seller.get("order", symbol="BTCUSDT", orderId=one["orderId"])["status"] for one in (first, second)]
    assert statuses == ["FILLED", "NEW"]


def test_amendments_are_remembered(seller: Trader) -> None:
    placed = seller.sell("1", "60000", newClientOrderId="one")
    answers = [
        amend(seller, placed, "0.8", newClientOrderId="two"),
        amend(seller, placed, "0.6", newClientOrderId="two"),
    ]
    named = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    first, second = seller.get("order/amendments", **named)
    assert [one["executionId"] for one in (first, second)] == [answer["executionId"] for answer in answers]
    assert (first["origClientOrderId"], first["newClientOrderId"]) == ("one", "two")
    assert (first["origQty"], first["newQty"]) == ("1.00000000", "0.80000000")
    assert (second["origQty"], second["newQty"]) == ("0.80000000", "0.60000000")
    assert seller.get("order/amendments", **named, limit=1) == [first]
    assert seller.get("order/amendments", **named, fromExecutionId=second["executionId"]) == [second]


def test_an_order_of_a_list_is_amended_with_its_rival(seller: Trader, new_trader: NewTrader) -> None:
    other = new_trader(BTC="1", USDT="100000")
    other.sell("0.01", "50000")
    other.buy("0.01", "50000", selfTradePreventionMode="NONE")
    pair = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "aboveType": "LIMIT_MAKER", "abovePrice": "60000"}
    placed = seller.post("orderList/oco", **pair, belowType="STOP_LOSS", belowStopPrice="40000")
    above, below = placed["orders"]
    answer = amend(seller, below, "0.5", newClientOrderId="renamed")
    assert "workingTime" not in answer["amendedOrder"], "a stop does not work yet"
    assert answer["amendedOrder"]["stopPrice"] == "40000.00000000"
    status = answer["listStatus"]
    assert (status["orderListId"], status["contingencyType"]) == (placed["orderListId"], "OCO")
    assert [order["clientOrderId"] for order in status["orders"]] == [above["clientOrderId"], "renamed"]
    assert seller.get("order", symbol="BTCUSDT", orderId=above["orderId"])["origQty"] == "0.50000000"


def test_an_order_is_amended_ten_times(seller: Trader) -> None:
    placed = seller.sell("1", "60000")
    for number in range(10):
        amend(seller, placed, f"0.{99 - number}")
    refused = seller.send("PUT", PATH, {"symbol": "BTCUSDT", "orderId": placed["orderId"], "newQty": "0.1"})
    assert error_of(refused) == (400, -2038, "Filter failure: MAX_NUM_ORDER_AMENDS")


EITHER_ID = (400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
NO_QUANTITY = (400, -1102, "Mandatory parameter 'newQty' was not sent, was empty/null, or malformed.")
UNKNOWN = (400, -2038, "Unknown order sent.")


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"newQty": "1.1"}, (400, -2038, "Order amend (quantity increase) is not supported.")),
        ({"newQty": "1"}, (400, -2038, "The requested action would change no state; rejecting")),
        ({"newQty": "0.000001"}, (400, -1013, "Filter failure: LOT_SIZE")),
        ({"newQty": "0"}, (400, -1013, "Filter failure: LOT_SIZE")),
        ({"newQty": "0.00001"}, (400, -1013, "Filter failure: NOTIONAL")),
        ({"newQty": "0.5", "newClientOrderId": "taken"}, (400, -2038, "Duplicate order sent.")),
        ({"newQty": "0.5", "orderId": "999999999"}, UNKNOWN),
        ({"newQty": "0.5", "orderId": "0"}, UNKNOWN),
        (
            {"newQty": "0.5", "origClientOrderId": "other"},
            (400, -2039, "Client order ID is not correct for this order ID."),
        ),
        ({}, NO_QUANTITY),
    ],
)
def test_an_amendment_that_cannot_be(named: dict[str, str], error: Error, seller: Trader) -> None:
    placed = seller.sell("1", "60000")
    seller.sell("1", "61000", newClientOrderId="taken")
    order = {"symbol": "BTCUSDT", "orderId": str(placed["orderId"])} | named
    assert error_of(seller.send("PUT", PATH, order)) == error


def test_an_amendment_names_its_order(seller: Trader) -> None:
    assert error_of(seller.send("PUT", PATH, {"symbol": "BTCUSDT", "newQty": "1"})) == EITHER_ID


def test_a_pending_order_without_a_quantity_is_not_amended(new_trader: NewTrader) -> None:
    trader = new_trader(USDT="10000")
    working = {"workingType": "LIMIT", "workingTimeInForce": "GTC", "workingPrice": "20000", "workingSide": "BUY"}
    pending = {"pendingType": "LIMIT_MAKER", "pendingPrice": "60000", "pendingSide": "SELL"}
    placed = trader.post("orderList/opo", symbol="BTCUSDT", workingQuantity="0.1", **working, **pending)
    order = {"symbol": "BTCUSDT", "orderId": placed["orders"][1]["orderId"], "newQty": "0.05"}
    assert error_of(trader.send("PUT", PATH, order)) == (
        400,
        -2038,
        "Order amend (pending OPO order) is not supported.",
    )
