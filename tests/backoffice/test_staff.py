"""What staff have the engine do: to accounts, orders, fees, markets and the venue."""

from typing import Any

import pytest

from services.domain.money import parse_e8
from tests.api.member import Key
from tests.api.trader import Trader, error_of
from tests.backoffice.people import ADMIN, Person, Town

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}


@pytest.fixture(scope="module")
def operator(own_town: Town) -> Person:
    return own_town.staff("operator")


def trader_of(town: Town, person: Person) -> Trader:
    made = town.keys[person.account_id]
    return Trader(town.http, Key(person.account_id, made.api_key, made.secret_key))


def test_a_frozen_account_has_no_orders_and_gets_none(own_town: Town, operator: Person) -> None:
    user = own_town.join(USDT="10000")
    trader, path = trader_of(own_town, user), f"{ADMIN}/users/{user.account_id}"
    trader.buy("0.01", "20000")
    assert operator.post(f"{path}/freeze", reason="odd orders") == {"changed": True}
    assert operator.post(f"{path}/freeze", reason="once more") == {"changed": False}
    assert trader.get("openOrders") == []
    assert error_of(trader.send("POST", "/api/v3/order", ORDER | {"price": "20000"}))[1] == -2010
    assert operator.get(path)["status"] == "FROZEN"
    assert operator.post(f"{path}/unfreeze", reason="explained") == {"changed": True}
    trader.buy("0.01", "20000")
    shown = operator.get(path)
    assert (shown["status"], len(shown["openOrders"])) == ("ACTIVE", 1)
    assert shown["balances"] == [
        {"asset": "USDT", "free": "9800.00000000", "locked": "200.00000000", "withdrawing": "0.00000000"}
    ]
    trader.cancel_everything()


def test_orders_of_anybody_can_be_cancelled(own_town: Town, operator: Person) -> None:
    user = own_town.join(USDT="10000")
    trader = trader_of(own_town, user)
    first, *others = [trader.buy("0.01", price)["orderId"] for price in ("20000", "20001", "20002")]
    path = f"{ADMIN}/orders/{first}/cancel"
    assert operator.post(path, reason="asked by phone") == {"changed": True}
    assert operator.post(path, reason="asked by phone") == {"changed": False}
    assert [order["orderId"] for order in trader.get("openOrders")] == others
    everything = f"{ADMIN}/users/{user.account_id}/cancel-orders"
    assert operator.post(everything, symbol="ETHUSDT", reason="asked by phone") == {"changed": False}
    assert operator.post(everything, reason="asked by phone") == {"changed": True}
    assert trader.get("openOrders") == []


def test_a_fee_tier_is_what_trades_cost(own_town: Town, operator: Person) -> None:
    user = own_town.join()
    trader, path = trader_of(own_town, user), f"{ADMIN}/users/{user.account_id}/fee-tier"

    def rates() -> tuple[str, str]:
        standard = trader.get("account/commission", symbol="BTCUSDT")["standardCommission"]
        return standard["maker"], standard["taker"]

    before = rates()
    assert operator.refused("PUT", path, tier="nobody-s", reason="try") == "unknown_tier"
    tier: dict[str, Any] = {"makerFee": "0", "takerFee": "0.0002"}
    assert operator.put(f"{ADMIN}/fee-tiers/vip", **tier, reason="for the best") == {
        "name": "vip",
        "makerFee": "0.00000000",
        "takerFee": "0.00020000",
    }
    assert operator.put(path, tier="vip", reason="one of the best") == {"changed": True}
    assert rates() == ("0.00000000", "0.00020000")
    assert operator.get(f"{ADMIN}/users/{user.account_id}")["feeTier"] == "vip"
    operator.put(path, tier=None, reason="no more")
    assert rates() == before
    for wrong in ("-1", "1e-3", "2", 0.001, "0.000000001"):
        body = {"makerFee": wrong, "reason": "try"}
        assert operator.refused("PUT", f"{ADMIN}/fee-tiers/vip", **body) == "invalid_request"


def test_a_market_is_listed_while_the_exchange_runs_and_halted(own_town: Town, operator: Person) -> None:
    (like, *_) = [one for one in operator.get(f"{ADMIN}/markets") if one["symbol"] == "ETHUSDT"]
    definition = {**like["definition"], "base_asset": "DOGE", "symbol": "DOGEUSDT"}
    path = f"{ADMIN}/markets/DOGEUSDT"
    assert operator.put(path, definition=definition, reason="asked for") == {"changed": True}
    assert operator.put(path, definition=definition, reason="asked for") == {"changed": False}
    user = own_town.join(USDT="1000")
    trader = trader_of(own_town, user)
    trader.buy("1", "20", symbol="DOGEUSDT")
    assert operator.put(f"{path}/status", status="HALT", reason="odd prices") == {"changed": True}
    doge = ORDER | {"symbol": "DOGEUSDT", "quantity": "1", "price": "20"}
    assert error_of(trader.send("POST", "/api/v3/order", doge))[1] == -2010
    trader.cancel_everything()
    assert operator.put(f"{path}/status", status="TRADING", reason="explained") == {"changed": True}
    for wrong in ({}, {**definition, "tick_size_e8": 0}, {**definition, "tick_size_e8": "1"}, {"tick_size_e8": 2**64}):
        assert operator.refused("PUT", path, definition=wrong, reason="try") in {"invalid_request", "refused"}


def test_the_kill_switch(own_town: Town, operator: Person) -> None:
    user = own_town.join(USDT="10000")
    trader, path = trader_of(own_town, user), f"{ADMIN}/venue/status"
    trader.buy("0.01", "20000")
    assert operator.put(path, status="HALTED", reason="unclear fills") == {"changed": True}
    try:
        assert operator.get(path) == {"status": "HALTED"}
        answer = error_of(trader.send("POST", "/api/v3/order", ORDER | {"price": "20000"}))
        assert answer[1] in {-1013, -2010}
        trader.cancel_everything()
        assert trader.get("openOrders") == []
    finally:
        assert operator.put(path, status="OPEN", reason="explained") == {"changed": True}
    trader.buy("0.01", "20000")
    trader.cancel_everything()


def test_reserves_are_the_sum_of_what_everyone_has(own_town: Town, operator: Person) -> None:
    user = own_town.join(USDT="500")
    user.withdraw("100")
    reserves = operator.get(f"{ADMIN}/reserves")
    (usdt,) = [one for one in reserves["assets"] if one["asset"] == "USDT"]
    (row,) = own_town.query(
        "SELECT sum(free_e8 + locked_e8 + withdrawing_e8)::bigint AS total_e8 FROM exchange.balances "
        "WHERE asset = 'USDT'"
    )
    assert parse_e8(usdt["total"]) == row["total_e8"]
    parts = [usdt[name] for name in ("free", "locked", "withdrawing")]
    assert sum(map(parse_e8, parts)) == row["total_e8"]
    assert operator.get(f"{ADMIN}/notices/parked") == []


def test_users_are_found_by_id_and_address(own_town: Town, operator: Person) -> None:
    user = own_town.join()
    for query in (str(user.account_id), user.email[:-4]):
        assert [found["accountId"] for found in operator.get(f"{ADMIN}/users", query=query)] == [user.account_id]
    for nothing in ("' OR 1=1 --", "%", "{{7*7}}"):
        assert operator.get(f"{ADMIN}/users", query=nothing) == []
    assert operator.ask("GET", f"{ADMIN}/users/999999999").json()["code"] == "not_found"
