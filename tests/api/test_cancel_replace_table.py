"""Cancel-replace, row by row of the dialect's own table: mode, what to do over the order limit, and each outcome.

Rows that the table calls impossible are rows of one answer here: over the limit and without CANCEL_ONLY, nothing is
attempted whatever could have become of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.api.trader import Trader
from tests.running import RunningSystem

LIMIT = 4
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "30000",
}
STOP, ALLOW = "STOP_ON_FAILURE", "ALLOW_FAILURE"
NOTHING, ONLY = "DO_NOTHING", "CANCEL_ONLY"
SUCCESS, FAILURE, NOT_ATTEMPTED = "SUCCESS", "FAILURE", "NOT_ATTEMPTED"
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
RESTRICTED = {"code": -2011, "msg": "Order was not canceled due to cancel restrictions."}
NO_BALANCE = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
MATCHES = {"code": -2010, "msg": "Order would immediately match and take."}
TOO_MANY = {"code": -1015, "msg": f"Too many new orders; current limit is {LIMIT} orders per 1 DAY."}
MESSAGES = {-2021: "Order cancel-replace partially failed.", -2022: "Order cancel-replace failed."}


class Row(NamedTuple):
    """``counted`` is how many of the account's unfilled orders the request added to those before it."""

    mode: str
    over_limit_mode: str | None
    is_over_limit: bool
    can_cancel: bool
    can_place: bool
    cancel: str
    new: str
    status: int
    code: int
    counted: int


def rows() -> Iterator[Row]:
    for otherwise in (None, NOTHING, ONLY):
        for mode in (STOP, ALLOW):
            yield Row(mode, otherwise, False, True, True, SUCCESS, SUCCESS, 200, 0, 1)
            yield Row(mode, otherwise, False, True, False, SUCCESS, FAILURE, 409, -2021, 0)
        for can_place in (True, False):
            # An order that was not attempted counts all the same.
            yield Row(STOP, otherwise, False, False, can_place, FAILURE, NOT_ATTEMPTED, 400, -2022, 1)
        yield Row(ALLOW, otherwise, False, False, True, FAILURE, SUCCESS, 409, -2021, 1)
        yield Row(ALLOW, otherwise, False, False, False, FAILURE, FAILURE, 400, -2022, 0)
    for can_place in (True, False):
        yield Row(STOP, ONLY, True, True, can_place, SUCCESS, FAILURE, 429, -2021, 0)
        yield Row(STOP, ONLY, True, False, can_place, FAILURE, NOT_ATTEMPTED, 429, -2022, 0)
        yield Row(ALLOW, ONLY, True, True, can_place, SUCCESS, FAILURE, 409, -2021, 0)
        yield Row(ALLOW, ONLY, True, False, can_place, FAILURE, FAILURE, 400, -2022, 0)


def named(row: Row) -> str:
    can = f"{'cancel' if row.can_cancel else 'no_cancel'}-{'place' if row.can_place else 'no_place'}"
    return f"{row.mode}-{row.over_limit_mode}-{'over' if row.is_over_limit else 'within'}-{can}"


@pytest.fixture(scope="module")
def limited(session_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[RunningSystem]:
    environment = {"CROSSBOOK_MARKETS_FILE": str(wide_markets)}
    arguments = ("--no-demo", "--lean", "--limits", f"ORDERS={LIMIT}/1D")
    root = session_directory / "replacing"
    running = RunningSystem(root, *arguments, environment=environment, cluster=migrated_cluster).start()
    yield running
    running.stop()


@pytest.fixture
def trader(limited: RunningSystem) -> Iterator[Trader]:
    with httpx.Client(base_url=limited.base_url, timeout=20, trust_env=False) as http:
        trader = Trader(http, limited.create_account({"USDT": "10000"}))
        yield trader
        trader.cancel_everything()


def counted(trader: Trader) -> int:
    (entry,) = trader.get("rateLimit/order")
    count: int = entry["count"]
    return count


def replace(trader: Trader, mode: str, over_limit_mode: str | None, **more: str) -> httpx.Response:
    chosen = {"cancelReplaceMode": mode} | ({"orderRateLimitExceededMode": over_limit_mode} if over_limit_mode else {})
    return trader.send("POST", "order/cancelReplace", ORDER | chosen | more)


def opened(trader: Trader, *, is_over_limit: bool) -> str:
    """An order to cancel, and as many more as it takes; its id."""
    order_id = str(trader.post("order", **ORDER, newClientOrderId="old")["orderId"])
    for _ in range(LIMIT - 1 if is_over_limit else 0):
        trader.post("order", **ORDER | {"timeInForce": "IOC"})
    return order_id


@pytest.mark.parametrize("row", list(rows()), ids=named)
def test_a_row(row: Row, trader: Trader) -> None:
    order_id = opened(trader, is_over_limit=row.is_over_limit)
    before = counted(trader)
    new = {"newClientOrderId": "new", "quantity": "0.01" if row.can_place else "200"}
    cancelled = {"cancelOrderId": order_id if row.can_cancel else "999999999"}
    response = replace(trader, row.mode, row.over_limit_mode, **cancelled, **new)

    body = response.json()
    assert (response.status_code, body.get("code", 0)) == (row.status, row.code)
    if row.code:
        assert (list(body), body["msg"]) == (["code", "msg", "data"], MESSAGES[row.code])
        body = body["data"]
    assert list(body) == ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"]
    assert (body["cancelResult"], body["newOrderResult"]) == (row.cancel, row.new)
    assert ("Retry-After" in response.headers) == (row.status == 429)
    check_cancel_half(row, body["cancelResponse"], order_id)
    check_new_half(row, body["newOrderResponse"])

    still_open = [] if row.cancel == SUCCESS else ["old"]
    assert [order["clientOrderId"] for order in trader.get("openOrders")] == still_open + (
        ["new"] if row.new == SUCCESS else []
    )
    assert counted(trader) == before + row.counted


def check_cancel_half(row: Row, told: Any, order_id: str) -> None:
    if row.cancel == SUCCESS:
        assert (told["status"], str(told["orderId"]), told["origClientOrderId"]) == ("CANCELED", order_id, "old")
    else:
        assert told == UNKNOWN


def check_new_half(row: Row, told: Any) -> None:
    if row.new == SUCCESS:
        assert (told["status"], told["clientOrderId"], told["fills"]) == ("NEW", "new", [])
    elif row.new == FAILURE:
        assert told == (TOO_MANY if row.is_over_limit else NO_BALANCE)
    else:
        assert told is None


@pytest.mark.parametrize("mode", [STOP, ALLOW])
@pytest.mark.parametrize("over_limit_mode", [None, NOTHING])
def test_over_the_limit_nothing_is_attempted(mode: str, over_limit_mode: str | None, trader: Trader) -> None:
    order_id = opened(trader, is_over_limit=True)
    for named_id in (order_id, "999999999"):
        response = replace(trader, mode, over_limit_mode, cancelOrderId=named_id)
        assert (response.status_code, response.json()) == (429, TOO_MANY)
        assert int(response.headers["Retry-After"]) > 0
    assert [order["clientOrderId"] for order in trader.get("openOrders")] == ["old"]
    assert counted(trader) == LIMIT


# Why each half failed, when both did


def test_two_reasons_are_told(trader: Trader, limited: RunningSystem) -> None:
    seller = Trader(trader.http, limited.create_account({"BTC": "1"}))
    seller.sell("0.01", "61000")
    order_id = opened(trader, is_over_limit=False)
    maker = {"type": "LIMIT_MAKER", "price": "61000"}
    for restriction, why_not_cancelled in ((None, UNKNOWN), ("ONLY_PARTIALLY_FILLED", RESTRICTED)):
        named = (
            {"cancelOrderId": order_id, "cancelRestrictions": restriction} if restriction else {"cancelOrderId": "9"}
        )
        order = {name: value for name, value in (ORDER | maker | named).items() if name != "timeInForce"}
        response = trader.send("POST", "order/cancelReplace", order | {"cancelReplaceMode": ALLOW})
        data = response.json()["data"]
        assert response.status_code == 400
        assert (data["cancelResponse"], data["newOrderResponse"]) == (why_not_cancelled, MATCHES)
    assert [order["clientOrderId"] for order in trader.get("openOrders")] == ["old"]
    seller.cancel_everything()
