"""What clients see of a frozen account, of a halted venue, and of money that moves without a trade."""

from collections.abc import Iterator

import pytest

from services.domain.commands import (
    Command,
    HoldWithdrawal,
    RejectWithdrawal,
    SetAccountStatus,
    SettleWithdrawal,
    SetVenueStatus,
    TransferFunds,
)
from services.domain.money import ONE_E8
from services.domain.protocol import Applied
from services.domain.standing import AccountStatus, VenueStatus
from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of
from tests.running import RunningSystem

SELL = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "60000"}


def done(system: RunningSystem, *commands: Command) -> None:
    assert {type(reply) for reply in system.ask_engine(*commands)} == {Applied}


@pytest.fixture
def halted(system: RunningSystem) -> Iterator[None]:
    done(system, SetVenueStatus(VenueStatus.HALTED))
    yield
    done(system, SetVenueStatus(VenueStatus.OPEN))


def test_a_frozen_account(new_trader: NewTrader, system: RunningSystem) -> None:
    trader = new_trader(BTC="5")
    elsewhere = SELL | {"symbol": "ETHBTC", "side": "BUY", "price": "0.05"}
    orders = [trader.post("order", **order) for order in (SELL, elsewhere)]
    done(system, SetAccountStatus(trader.account_id, AccountStatus.FROZEN))
    account = trader.get("account")
    assert (account["canTrade"], account["canWithdraw"], account["canDeposit"]) == (False, False, True)
    assert balance(trader, "BTC") == ("5.00000000", "0.00000000")
    for order in orders:
        ended = trader.get("order", symbol=order["symbol"], orderId=str(order["orderId"]))
        assert ended["status"] == "EXPIRED"
    status = trader.get("/sapi/v1/account/apiTradingStatus")["data"]
    assert status["isLocked"] and status["updateTime"] >= orders[0]["transactTime"]
    refused = error_of(trader.send("POST", "order", SELL))
    assert refused == (400, -2010, "This action is disabled on this account.")
    assert error_of(trader.send("POST", "order/test", SELL))[1:] == refused[1:]
    system.deposit(trader.account_id, "BTC", "1")
    done(system, SetAccountStatus(trader.account_id, AccountStatus.ACTIVE))
    assert trader.get("account")["canTrade"]
    assert not trader.get("/sapi/v1/account/apiTradingStatus")["data"]["isLocked"]
    assert trader.post("order", **SELL | {"quantity": "6"})["status"] == "NEW"


def test_a_halted_venue(new_trader: NewTrader, system: RunningSystem, request: pytest.FixtureRequest) -> None:
    trader = new_trader(BTC="5")
    placed = trader.post("order", **SELL)
    assert trader.get("/sapi/v1/system/status") == {"status": 0, "msg": "normal"}
    request.getfixturevalue("halted")
    assert trader.get("/sapi/v1/system/status") == {"status": 1, "msg": "system_maintenance"}
    assert {symbol["status"] for symbol in trader.get("exchangeInfo")["symbols"]} == {"HALT"}
    assert error_of(trader.send("POST", "order", SELL)) == (400, -2010, "Market is closed.")
    amended = {"symbol": "BTCUSDT", "orderId": str(placed["orderId"]), "newQty": "0.5"}
    assert error_of(trader.send("PUT", "order/amend/keepPriority", amended))[2] == "Market is closed."
    gone = trader.send("DELETE", "order", {"symbol": "BTCUSDT", "orderId": str(placed["orderId"])}).json()
    assert gone["status"] == "CANCELED"
    done(system, SetVenueStatus(VenueStatus.OPEN))
    assert {symbol["status"] for symbol in trader.get("exchangeInfo")["symbols"]} == {"TRADING"}
    done(system, SetVenueStatus(VenueStatus.HALTED))


def test_a_withdrawal_that_is_held(new_trader: NewTrader, system: RunningSystem) -> None:
    trader = new_trader(BTC="5")
    name = f"held-{trader.account_id}"
    done(system, HoldWithdrawal(trader.account_id, "BTC", 2 * ONE_E8, ONE_E8 // 2, name))
    assert balance(trader, "BTC") == ("2.50000000", "0.00000000")
    assert withdrawing(trader, "BTC") == "2.50000000"
    done(system, RejectWithdrawal(name))
    assert (balance(trader, "BTC")[0], withdrawing(trader, "BTC")) == ("5.00000000", "0.00000000")
    done(system, HoldWithdrawal(trader.account_id, "BTC", 2 * ONE_E8, 0, f"{name}-again"))
    done(system, SettleWithdrawal(f"{name}-again"))
    assert (balance(trader, "BTC")[0], withdrawing(trader, "BTC")) == ("3.00000000", "0.00000000")


def test_a_transfer(new_trader: NewTrader, system: RunningSystem) -> None:
    giver, taker = new_trader(BTC="5"), new_trader()
    done(system, TransferFunds(giver.account_id, taker.account_id, "BTC", ONE_E8, f"gift-{giver.account_id}"))
    assert [balance(trader, "BTC")[0] for trader in (giver, taker)] == ["4.00000000", "1.00000000"]


def balance(trader: Trader, asset: str) -> tuple[str, str]:
    (found,) = [one for one in trader.get("account")["balances"] if one["asset"] == asset]
    return found["free"], found["locked"]


def withdrawing(trader: Trader, asset: str) -> str:
    (found,) = [one for one in trader.get("/sapi/v1/capital/config/getall") if one["coin"] == asset]
    told: str = found["withdrawing"]
    return told
