"""Cancel-replace over REST: every row of the dialect's table, and what each half says (section 4.7)."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of

NEW = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.1",
    "price": "31000",
}
STOP_ON_FAILURE = {"cancelReplaceMode": "STOP_ON_FAILURE"}
ALLOW_FAILURE = {"cancelReplaceMode": "ALLOW_FAILURE"}
BOTH_MODES = pytest.mark.parametrize(
    "mode", [STOP_ON_FAILURE, ALLOW_FAILURE], ids=lambda mode: mode["cancelReplaceMode"]
)
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
NO_BALANCE = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
TOO_MUCH = {"quantity": "200"}

Order = dict[str, str]


@pytest.fixture
def trader(new_trader: NewTrader) -> Trader:
    return new_trader(USDT="10000")


@pytest.fixture
def open_id(trader: Trader) -> str:
    return str(trader.buy("0.1", "30000", newClientOrderId="old")["orderId"])


def replace(trader: Trader, *parts: Order) -> httpx.Response:
    order: Order = {}
    for part in parts:
        order |= part
    return trader.send("POST", "order/cancelReplace", NEW | order)


def failed(response: httpx.Response) -> tuple[int, int, Any]:
    body = response.json()
    return response.status_code, body["code"], body["data"]


@BOTH_MODES
def test_both_halves_are_done(mode: Order, trader: Trader, open_id: str) -> None:
    response = replace(
        trader, mode, {"cancelOrderId": open_id, "newClientOrderId": "new", "cancelNewClientOrderId": "bye"}
    )
    assert response.status_code == httpx.codes.OK
    body = response.json()
    assert list(body) == ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"]
    assert (body["cancelResult"], body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    cancelled, placed = body["cancelResponse"], body["newOrderResponse"]
    assert (cancelled["status"], cancelled["origClientOrderId"], cancelled["clientOrderId"]) == (
        "CANCELED",
        "old",
        "bye",
    )
    assert (placed["status"], placed["clientOrderId"], placed["fills"]) == ("NEW", "new", [])
    assert [order["clientOrderId"] for order in trader.get("openOrders")] == ["new"]


def test_what_the_old_order_reserved_pays_for_the_new_one(trader: Trader) -> None:
    trader.buy("0.3", "30000", newClientOrderId="old")
    response = replace(trader, STOP_ON_FAILURE, {"cancelOrigClientOrderId": "old", "quantity": "0.3", "price": "33000"})
    assert response.status_code == httpx.codes.OK
    assert trader.balances()["USDT"] == ("100.00000000", "9900.00000000")


def test_an_acknowledgement_of_the_new_half(trader: Trader, open_id: str) -> None:
    order = {"type": "LIMIT_MAKER", "cancelOrderId": open_id}
    query = {name: value for name, value in (NEW | order | STOP_ON_FAILURE).items() if name != "timeInForce"}
    body = trader.post("order/cancelReplace", **query)
    assert "status" not in body["newOrderResponse"]


def test_a_failed_cancel_stops_everything(trader: Trader) -> None:
    status, code, data = failed(replace(trader, STOP_ON_FAILURE, {"cancelOrderId": "999999999"}))
    assert (status, code) == (400, -2022)
    assert data == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": UNKNOWN,
        "newOrderResponse": None,
    }
    assert trader.get("openOrders") == []


@pytest.mark.parametrize("named", [{"cancelOrderId": "999999999"}, {"cancelOrigClientOrderId": "nobody"}])
def test_a_failed_cancel_may_be_allowed(named: Order, trader: Trader) -> None:
    status, code, data = failed(replace(trader, ALLOW_FAILURE, named))
    assert (status, code) == (409, -2021)
    assert (data["cancelResult"], data["newOrderResult"]) == ("FAILURE", "SUCCESS")
    assert data["cancelResponse"] == UNKNOWN
    assert data["newOrderResponse"]["status"] == "NEW"
    assert len(trader.get("openOrders")) == 1


@BOTH_MODES
def test_the_new_order_may_fail_after_the_cancel(mode: Order, trader: Trader, open_id: str) -> None:
    status, code, data = failed(replace(trader, mode, TOO_MUCH, {"cancelOrderId": open_id}))
    assert (status, code) == (409, -2021)
    assert (data["cancelResult"], data["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert (data["cancelResponse"]["status"], data["newOrderResponse"]) == ("CANCELED", NO_BALANCE)
    assert trader.get("openOrders") == []


def test_both_halves_may_fail(trader: Trader) -> None:
    response = replace(trader, ALLOW_FAILURE, TOO_MUCH, {"cancelOrderId": "999999999"})
    assert response.json()["msg"] == "Order cancel-replace failed."
    status, code, data = failed(response)
    assert (status, code) == (400, -2022)
    assert (data["cancelResult"], data["newOrderResult"]) == ("FAILURE", "FAILURE")
    assert (data["cancelResponse"], data["newOrderResponse"]) == (UNKNOWN, NO_BALANCE)


@BOTH_MODES
@pytest.mark.parametrize(
    ("named", "reason"),
    [
        (
            {"cancelRestrictions": "ONLY_PARTIALLY_FILLED"},
            {"code": -2011, "msg": "Order was not canceled due to cancel restrictions."},
        ),
        (
            {"cancelOrigClientOrderId": "other"},
            {"code": -2039, "msg": "Client order ID is not correct for this order ID."},
        ),
    ],
)
def test_why_a_cancel_failed(mode: Order, named: Order, reason: Any, trader: Trader, open_id: str) -> None:
    _, _, data = failed(replace(trader, mode, named, {"cancelOrderId": open_id}))
    assert data["cancelResponse"] == reason
    assert open_id in {str(order["orderId"]) for order in trader.get("openOrders")}


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"price": "30000.001"}, (400, -1013, "Filter failure: PRICE_FILTER")),
        ({"quantity": "0.000001"}, (400, -1013, "Filter failure: LOT_SIZE")),
        ({"type": "MARKET"}, (400, -1106, "Parameter 'price' sent when not required.")),
        ({"cancelReplaceMode": "MAYBE"}, (400, -1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")),
        ({"cancelRestrictions": "ONLY_OLD"}, (400, -1145, "Invalid cancelRestrictions")),
        (
            {"orderRateLimitExceededMode": "PANIC"},
            (400, -1130, "Data sent for parameter 'orderRateLimitExceededMode' is not valid."),
        ),
        ({"symbol": "NOPE"}, (400, -1121, "Invalid symbol.")),
    ],
)
def test_what_is_refused_before_anything_is_done(
    order: Order, error: tuple[int, int, str], trader: Trader, open_id: str
) -> None:
    assert error_of(replace(trader, STOP_ON_FAILURE, {"cancelOrderId": open_id}, order)) == error
    assert len(trader.get("openOrders")) == 1


def test_what_a_cancel_replace_demands(trader: Trader) -> None:
    either = "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!"
    assert error_of(replace(trader, STOP_ON_FAILURE)) == (400, -1102, either)
    missing = "Mandatory parameter 'cancelReplaceMode' was not sent, was empty/null, or malformed."
    assert error_of(replace(trader, {"cancelOrderId": "1"})) == (400, -1102, missing)
    assert failed(replace(trader, STOP_ON_FAILURE, {"cancelOrderId": "0"}))[2]["cancelResponse"] == UNKNOWN


def test_the_cancelled_order_of_a_list_takes_its_list_with_it(new_trader: NewTrader) -> None:
    trader = new_trader(USDT="200000")
    stop = {
        "aboveType": "STOP_LOSS_LIMIT",
        "aboveStopPrice": "999000",
        "abovePrice": "999000",
        "aboveTimeInForce": "GTC",
    }
    pair = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.1", "belowType": "LIMIT_MAKER", "belowPrice": "20000"}
    tied = trader.post("orderList/oco", **pair, **stop)
    response = replace(trader, STOP_ON_FAILURE, {"cancelOrderId": str(tied["orders"][0]["orderId"])})
    assert response.json()["cancelResponse"]["orderListId"] == tied["orderListId"]


# Restricted cancels of single orders


def test_a_cancel_may_be_restricted(new_trader: NewTrader) -> None:
    buyer, seller = new_trader(USDT="10000"), new_trader(BTC="1")
    placed = buyer.buy("0.1", "30000")
    named = {"symbol": "BTCUSDT", "orderId": str(placed["orderId"])}
    refusal = (400, -2011, "Order was not canceled due to cancel restrictions.")
    assert error_of(buyer.send("DELETE", "order", named | {"cancelRestrictions": "ONLY_PARTIALLY_FILLED"})) == refusal
    seller.sell("0.05", "30000")
    assert error_of(buyer.send("DELETE", "order", named | {"cancelRestrictions": "ONLY_NEW"})) == refusal
    wrong = buyer.send("DELETE", "order", named | {"cancelRestrictions": "ONLY_OLD"})
    assert error_of(wrong) == (400, -1145, "Invalid cancelRestrictions")
    report = buyer.delete("order", **named, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert (report["status"], report["executedQty"]) == ("CANCELED", "0.05000000")
