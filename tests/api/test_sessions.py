"""A web session's access token opens the same routes as an API key, without signatures; keys come and go with it."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.api.member import Member
from tests.api.trader import Trader, error_of, succeeded
from tests.running import RunningSystem

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "30000",
}
UNAUTHORIZED = (401, -1002, "You are not authorized to execute this request.")
KEY_REJECTED = (401, -2015, "Invalid API-key, IP, or permissions for action.")
ANNOUNCEMENT_TIMEOUT_S = 10


@pytest.fixture
def member(http: httpx.Client) -> Member:
    return Member(http)


def becomes(expected: tuple[int, int, str], request: Callable[[], httpx.Response]) -> bool:
    """Whether the answer becomes this error soon: trading drops what it kept when auth announces a change."""
    deadline_s = time.monotonic() + ANNOUNCEMENT_TIMEOUT_S
    while (response := request()).status_code == httpx.codes.OK and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return response.status_code != httpx.codes.OK and error_of(response) == expected


def test_a_session_trades_without_signing(member: Member, system: RunningSystem) -> None:
    system.deposit(member.account_id, "USDT", "1000")
    placed = succeeded(member.call("POST", "order", ORDER))
    assert placed["status"] == "NEW"
    account = succeeded(member.call("GET", "account", {"omitZeroBalances": "true"}))
    assert account["uid"] == member.account_id
    assert account["balances"] == [{"asset": "USDT", "free": "700.00000000", "locked": "300.00000000"}]
    order = {"symbol": "BTCUSDT", "orderId": str(placed["orderId"])}
    assert succeeded(member.call("GET", "order", order))["orderId"] == placed["orderId"]
    assert len(succeeded(member.call("GET", "openOrders"))) == 1
    assert succeeded(member.call("DELETE", "order", order))["status"] == "CANCELED"
    assert len(succeeded(member.call("GET", "allOrders", {"symbol": "BTCUSDT"}))) == 1
    assert succeeded(member.call("GET", "/sapi/v1/asset/tradeFee", {"symbol": "BTCUSDT"}))[0]["symbol"] == "BTCUSDT"


def test_signing_parameters_of_a_session_are_not_looked_at(member: Member) -> None:
    parameters = {"timestamp": "1", "signature": "00", "recvWindow": "x"}
    assert succeeded(member.call("GET", "openOrders", parameters)) == []


def test_a_session_and_its_keys_are_one_account(member: Member, system: RunningSystem) -> None:
    system.deposit(member.account_id, "USDT", "1000")
    trader = member.new_trader()
    order_id = trader.buy("0.01", "30000")["orderId"]
    assert [order["orderId"] for order in succeeded(member.call("GET", "openOrders"))] == [order_id]
    assert len(succeeded(member.call("DELETE", "openOrders", {"symbol": "BTCUSDT"}))) == 1
    assert trader.get("openOrders") == []


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer x", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "x", ""])
def test_what_is_no_token_is_refused(authorization: str, http: httpx.Client) -> None:
    response = http.get("/api/v3/account", headers={"Authorization": authorization})
    assert error_of(response) == UNAUTHORIZED


def test_a_tampered_token_is_refused(member: Member) -> None:
    head, claims, signature = member.access_token.split(".")
    for token in (f"{head}.{claims}.{signature[::-1]}", f"{head}.{claims[:-2]}.{signature}", f"{head}.{claims}."):
        response = member.http.get("/api/v3/account", headers={"Authorization": f"Bearer {token}"})
        assert error_of(response) == UNAUTHORIZED


def test_an_api_key_goes_before_a_token(member: Member) -> None:
    headers = {"Authorization": f"Bearer {member.access_token}", "X-MBX-APIKEY": "short"}
    response = member.http.get("/api/v3/account", headers=headers)
    assert error_of(response) == (401, -2014, "API-key format invalid.")


def test_a_session_ends_when_its_owner_signs_out(member: Member) -> None:
    succeeded(member.call("GET", "account"))
    member.sign_out()
    assert becomes(UNAUTHORIZED, lambda: member.call("GET", "account"))
    assert error_of(member.call("POST", "order", ORDER)) == UNAUTHORIZED


def test_a_key_ends_when_it_is_deleted(member: Member) -> None:
    doomed, other = member.new_trader(), member.new_trader()
    doomed.get("account")
    member.revoke(doomed)
    assert becomes(KEY_REJECTED, lambda: doomed.send("GET", "account"))
    assert error_of(doomed.send("POST", "order", ORDER)) == KEY_REJECTED
    other.get("account")


def test_a_key_that_may_only_read(member: Member) -> None:
    reader = member.new_trader(["read"])
    reader.get("account")
    for method, path, parameters in (
        ("POST", "order", ORDER),
        ("POST", "order/test", ORDER),
        ("DELETE", "order", {"symbol": "BTCUSDT", "orderId": "1"}),
        ("DELETE", "openOrders", {"symbol": "BTCUSDT"}),
    ):
        assert error_of(reader.send(method, path, parameters)) == KEY_REJECTED


def test_a_key_that_may_only_trade(member: Member, system: RunningSystem) -> None:
    system.deposit(member.account_id, "USDT", "1000")
    placer: Trader = member.new_trader(["trade"])
    placed = placer.post("order", **ORDER)
    assert error_of(placer.send("GET", "account")) == KEY_REJECTED
    placer.delete("order", symbol="BTCUSDT", orderId=placed["orderId"])
