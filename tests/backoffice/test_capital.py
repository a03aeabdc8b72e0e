"""The same wallet in the dialect, beyond what client libraries ask."""

import pytest

from tests.api.member import Key
from tests.api.trader import Trader, error_of
from tests.backoffice.people import WALLET, Person, Town, withdrawing_account

APPLY = "/sapi/v1/capital/withdraw/apply"
WISH = {"coin": "USDT", "address": "somewhere", "amount": "100"}


@pytest.fixture
def user(town: Town) -> Person:
    return town.join(USDT="1000")


def test_a_web_session_cannot_leave_out_its_second_factor_here(town: Town, user: Person) -> None:
    response = user.ask("POST", APPLY, params=WISH)
    assert error_of(response) == (401, -2015, "Invalid API-key, IP, or permissions for action.")
    assert user.get(f"{WALLET}/withdrawals") == []


def test_what_the_wallet_knows_is_told_in_the_dialect(town: Town, user: Person) -> None:
    address = user.get(f"{WALLET}/deposit-address", asset="BTC")
    told = user.get("/sapi/v1/capital/deposit/address", coin="BTC")
    assert told == {"address": address["address"], "coin": "BTC", "tag": "", "url": ""}
    user.post(f"{WALLET}/address-book", label="home", asset="USDT", address="known-place")
    (entry,) = user.get("/sapi/v1/capital/withdraw/address/list")
    assert (entry["name"], entry["address"], entry["whiteStatus"]) == ("home", "known-place", False)
    withdrawal = user.withdraw("100")
    (shown,) = user.get("/sapi/v1/capital/withdraw/history")
    assert (shown["id"], shown["status"]) == (str(withdrawal["withdrawalId"]), 4)
    (usdt,) = [one for one in user.get("/sapi/v1/capital/config/getall") if one["coin"] == "USDT"]
    assert (usdt["free"], usdt["withdrawing"]) == ("900.00000000", "100.00000000")
    assert user.get("/sapi/v1/capital/withdraw/history", status=6) == []
    assert user.get("/sapi/v1/capital/withdraw/history", offset=1) == []
    assert user.get("/sapi/v1/capital/withdraw/history", idList="999999999") == []


def test_a_span_is_of_90_days_at_most(user: Person) -> None:
    for path in ("deposit/hisrec", "withdraw/history"):
        for span in ({"startTime": 1, "endTime": 90 * 86_400_000 + 2}, {"startTime": 2, "endTime": 1}):
            response = user.ask("GET", f"/sapi/v1/capital/{path}", params=span)
            assert error_of(response) == (400, -4047, "Time interval must be within 0-90 days")
        assert user.get(f"/sapi/v1/capital/{path}", startTime=1, endTime=2) == []
        assert user.get(f"/sapi/v1/capital/{path}", endTime=9_999_999_999_999_999) == []
        assert user.get(f"/sapi/v1/capital/{path}", status=17) == []


def test_a_key_may_withdraw_from_its_own_addresses_only(town: Town) -> None:
    account = withdrawing_account(town.system, "203.0.113.0/24", USDT="1000")
    trader = Trader(town.http, Key(account.user_id, account.api_key, account.secret_key))
    assert error_of(trader.send("POST", APPLY, WISH))[:2] == (401, -2015)


def test_without_a_network_the_asset_s_own_is_meant(town: Town) -> None:
    account = withdrawing_account(town.system, USDT="1000")
    trader = Trader(town.http, Key(account.user_id, account.api_key, account.secret_key))
    made = trader.send("POST", APPLY, WISH | {"addressTag": "17", "name": "home"}).json()
    (shown,) = trader.send("GET", "/sapi/v1/capital/withdraw/history", {}).json()
    assert (shown["id"], shown["network"], shown["addressTag"]) == (made["id"], "CROSSBOOK", "17")
