"""Goal: held money can neither be spent nor get lost, ends once, and a reference always gets the same answer."""

import pytest
from msgspec.structs import replace

from services.domain.commands import (
    CancelAccountOrders,
    Command,
    Deposit,
    HoldWithdrawal,
    RejectWithdrawal,
    SetAccountStatus,
    SettleWithdrawal,
    TransferFunds,
    Withdraw,
)
from services.domain.events import AccountStatusSet, BalanceChanged, OrderExpired, WithdrawalHeld
from services.domain.orders import ExpiryReason
from services.domain.refusals import Refusal
from services.domain.standing import AccountStatus
from services.engine.core.transfers import MAX_HELD_WITHDRAWALS
from tests.core.scenario import ACTORS, Scenario
from tests.core.venue import CoreVenue, Venue

ADA, BOB = ACTORS["ada"], ACTORS["bob"]
MONEY = Deposit(ADA, "BTC", 500, "money")
HOLD = HoldWithdrawal(ADA, "BTC", 300, 20, "out")
SETTLE, REJECT = SettleWithdrawal("out"), RejectWithdrawal("out")
GIFT = TransferFunds(ADA, BOB, "BTC", 100, "gift")
FREEZE, THAW = (SetAccountStatus(ADA, status) for status in (AccountStatus.FROZEN, AccountStatus.ACTIVE))
SAME, DIFFERENT = Refusal.REFERENCE_ALREADY_USED, Refusal.REFERENCE_USED_DIFFERENTLY
FEES = ACTORS["fees"]


@pytest.mark.parametrize(
    ("steps", "free", "withdrawing", "fees"),
    [
        ([(HOLD, None)], 180, 320, 0),
        ([(HOLD, None), (SETTLE, None)], 180, 0, 20),
        ([(HOLD, None), (REJECT, None)], 500, 0, 0),
        ([(HOLD, None), (SETTLE, None), (SETTLE, Refusal.WITHDRAWAL_ALREADY_SETTLED)], 180, 0, 20),
        ([(HOLD, None), (SETTLE, None), (REJECT, Refusal.WITHDRAWAL_ALREADY_SETTLED)], 180, 0, 20),
        ([(HOLD, None), (REJECT, None), (SETTLE, Refusal.WITHDRAWAL_ALREADY_REJECTED)], 500, 0, 0),
        ([(SETTLE, Refusal.UNKNOWN_WITHDRAWAL), (REJECT, Refusal.UNKNOWN_WITHDRAWAL)], 500, 0, 0),
        ([(SettleWithdrawal("money"), Refusal.UNKNOWN_WITHDRAWAL)], 500, 0, 0),
        ([(HOLD, None), (HOLD, SAME), (replace(HOLD, fee_e8=21), DIFFERENT)], 180, 320, 0),
        ([(HOLD, None), (Withdraw(ADA, "BTC", 300, "out"), DIFFERENT)], 180, 320, 0),
        ([(HOLD, None), (SETTLE, None), (HOLD, SAME), (replace(HOLD, amount_e8=1), DIFFERENT)], 180, 0, 20),
        ([(HOLD, None), (REJECT, None), (HOLD, SAME), (Deposit(ADA, "BTC", 300, "out"), DIFFERENT)], 500, 0, 0),
        ([(HOLD, None), (Withdraw(ADA, "BTC", 181, "w"), Refusal.INSUFFICIENT_BALANCE)], 180, 320, 0),
        ([(replace(HOLD, fee_e8=201), Refusal.INSUFFICIENT_BALANCE)], 500, 0, 0),
        ([(replace(HOLD, fee_e8=-1), Refusal.INVALID_AMOUNT)], 500, 0, 0),
        ([(GIFT, None), (GIFT, SAME), (replace(GIFT, to_account_id=FEES), DIFFERENT)], 400, 0, 0),
        ([(replace(GIFT, to_account_id=ADA), Refusal.INVALID_ACCOUNT)], 500, 0, 0),
        ([(replace(GIFT, to_account_id=0), Refusal.INVALID_ACCOUNT)], 500, 0, 0),
        ([(replace(GIFT, to_account_id=FEES), None)], 400, 0, 100),
        (
            [(FREEZE, None), *((step, Refusal.ACCOUNT_FROZEN) for step in (HOLD, GIFT, Withdraw(ADA, "BTC", 1, "w")))],
            500,
            0,
            0,
        ),
        ([(HOLD, None), (FREEZE, None), (HOLD, SAME), (SETTLE, None), (Deposit(ADA, "BTC", 1, "d"), None)], 181, 0, 20),
        ([(FREEZE, None), (FREEZE, Refusal.STATUS_UNCHANGED), (THAW, None), (HOLD, None)], 180, 320, 0),
    ],
)
def test_what_becomes_of_the_money(
    venue: Venue, steps: list[tuple[Command, Refusal | None]], free: int, withdrawing: int, fees: int
) -> None:
    scenario = Scenario(venue)
    scenario.apply(MONEY)
    for command, refusal in steps:
        assert scenario.apply(command).refusal is refusal, command
    assert venue.balances().get((ADA, "BTC"), (0, 0)) == (free, 0)
    assert venue.withdrawing().get((ADA, "BTC"), 0) == withdrawing
    assert venue.balances().get((FEES, "BTC"), (0, 0)) == (fees, 0)


def test_held_money_is_told() -> None:
    core = CoreVenue()
    scenario = Scenario(core)
    scenario.apply(MONEY)
    scenario.apply(HOLD)
    assert list(core.events) == [
        WithdrawalHeld(ADA, "BTC", 300, 20, "out"),
        BalanceChanged(ADA, "BTC", 180, 0, 320),
    ]


def test_no_account_holds_more_than_it_may() -> None:
    core = CoreVenue()
    scenario = Scenario(core)
    scenario.apply(replace(MONEY, amount_e8=10_000))
    holds = [HoldWithdrawal(ADA, "BTC", 1, 0, f"out-{number}") for number in range(MAX_HELD_WITHDRAWALS + 1)]
    refusals = [scenario.apply(hold).refusal for hold in holds]
    assert refusals == [None] * MAX_HELD_WITHDRAWALS + [Refusal.TOO_MANY_WITHDRAWALS]
    scenario.apply(RejectWithdrawal("out-5"))
    assert scenario.apply(holds[-1]).refusal is None


def test_freezing_ends_orders_in_every_market() -> None:
    core = CoreVenue()
    scenario = Scenario(core, funds="ada 1000 USDT, ada 10 BTC, bob 1000 USDT")
    scenario.define(symbol="BTCUSDT2")
    scenario.play("ada buys 1 at 90, ada sells 1 at 110, bob buys 1 at 80")
    scenario.symbol = "BTCUSDT2"
    scenario.play("ada buys 2 at 95")
    outcome = scenario.apply(FREEZE)
    assert core.events[0] == AccountStatusSet(ADA, AccountStatus.FROZEN)
    ended = [event.order for event in core.events if isinstance(event, OrderExpired)]
    assert [order.symbol for order in ended] == ["BTCUSDT", "BTCUSDT", "BTCUSDT2"]
    assert {order.expiry_reason for order in ended} == {ExpiryReason.EXCHANGE_CANCELED}
    assert outcome.books.keys() == {"BTCUSDT", "BTCUSDT2"}
    assert scenario.balances(like="ada 0+0 USDT, ada 0+0 BTC") == "ada 1000+0 USDT, ada 10+0 BTC"
    assert [order.account_id for order in core.open_orders().values()] == [BOB]
    assert scenario.apply(CancelAccountOrders(BOB, "BTCUSDT2")).refusal is Refusal.UNKNOWN_ORDER
    assert scenario.apply(CancelAccountOrders(BOB)).refusal is None
