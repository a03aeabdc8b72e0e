"""Goal: money enters and leaves once per reference, within limits, and only what is free can leave."""

import pytest

from services.domain.commands import Deposit, Withdraw
from services.domain.events import BalanceChanged, FundsDeposited, FundsWithdrawn
from services.domain.money import MAX_E8
from services.domain.refusals import Refusal
from services.engine.core.transfers import TRANSFER_WINDOW
from tests.core.scenario import ACTORS, Scenario
from tests.core.venue import CoreVenue, Venue

ADA = ACTORS["ada"]


@pytest.mark.parametrize(
    ("play", "refusals", "balances"),
    [
        ("ada deposits 5 BTC as a", [None], "ada 5+0 BTC"),
        ("ada deposits 5 BTC as a, ada deposits 2 BTC as b", [None, None], "ada 7+0 BTC"),
        ("ada deposits 5 BTC as a, ada withdraws 5 BTC as b", [None, None], "ada 0+0 BTC"),
        ("ada deposits 0.00000001 BTC as a", [None], "ada 0.00000001+0 BTC"),
        ("ada deposits 5 BTC as a, bob deposits 2 BTC as b", [None, None], "ada 5+0 BTC, bob 2+0 BTC"),
        ("ada deposits 5 BTC as a, ada deposits 2 USDT as b", [None, None], "ada 5+0 BTC, ada 2+0 USDT"),
        ("fees deposits 5 BTC as a", [None], "fees 5+0 BTC"),
        (
            "ada deposits 5 BTC as a, ada withdraws 5.00000001 BTC as b",
            [None, Refusal.INSUFFICIENT_BALANCE],
            "ada 5+0 BTC",
        ),
        ("ada withdraws 1 BTC as a", [Refusal.INSUFFICIENT_BALANCE], "ada 0+0 BTC"),
        (
            "ada deposits 5 BTC as a, ada sells 2 at 100, ada withdraws 3.1 BTC as b, ada withdraws 3 BTC as c",
            [None, None, Refusal.INSUFFICIENT_BALANCE, None],
            "ada 0+2 BTC",
        ),
    ],
)
def test_amounts(venue: Venue, play: str, refusals: list[Refusal | None], balances: str) -> None:
    scenario = Scenario(venue)
    assert [outcome.refusal for outcome in scenario.play(play)] == refusals
    assert scenario.balances(like=balances) == balances


@pytest.mark.parametrize(
    ("again", "refusal"),
    [
        (Deposit(ADA, "BTC", 500, "ref"), Refusal.REFERENCE_ALREADY_USED),
        (Deposit(ADA, "BTC", 501, "ref"), Refusal.REFERENCE_USED_DIFFERENTLY),
        (Deposit(ADA, "USDT", 500, "ref"), Refusal.REFERENCE_USED_DIFFERENTLY),
        (Deposit(ADA + 1, "BTC", 500, "ref"), Refusal.REFERENCE_USED_DIFFERENTLY),
        (Withdraw(ADA, "BTC", 500, "ref"), Refusal.REFERENCE_USED_DIFFERENTLY),
        (Deposit(ADA, "BTC", 500, "REF"), None),
    ],
)
def test_a_reference_counts_once(venue: Venue, again: Deposit | Withdraw, refusal: Refusal | None) -> None:
    scenario = Scenario(venue)
    scenario.apply(Deposit(ADA, "BTC", 500, "ref"))
    assert scenario.apply(again).refusal is refusal
    assert venue.balances() == {(ADA, "BTC"): (500 if refusal else 1000, 0)}


def test_a_withdrawal_counts_once(venue: Venue) -> None:
    scenario = Scenario(venue)
    outcomes = scenario.play("ada deposits 5 BTC as a, ada withdraws 2 BTC as b, ada withdraws 2 BTC as b")
    assert outcomes[-1].refusal is Refusal.REFERENCE_ALREADY_USED
    assert scenario.balance("ada", "BTC") == "ada 3+0 BTC"


def test_a_refused_transfer_does_not_use_its_reference_up(venue: Venue) -> None:
    scenario = Scenario(venue)
    outcomes = scenario.play("ada withdraws 2 BTC as a, ada deposits 5 BTC as b, ada withdraws 2 BTC as a")
    assert [outcome.refusal for outcome in outcomes] == [Refusal.INSUFFICIENT_BALANCE, None, None]


@pytest.mark.parametrize("make", [Deposit, Withdraw])
@pytest.mark.parametrize(
    ("account_id", "asset", "amount", "reference", "refusal"),
    [
        (ADA, "BTC", 0, "r", Refusal.INVALID_AMOUNT),
        (ADA, "BTC", -1, "r", Refusal.INVALID_AMOUNT),
        (ADA, "BTC", MAX_E8 + 1, "r", Refusal.INVALID_AMOUNT),
        (0, "BTC", 1, "r", Refusal.INVALID_ACCOUNT),
        (-ADA, "BTC", 1, "r", Refusal.INVALID_ACCOUNT),
        (MAX_E8 + 1, "BTC", 1, "r", Refusal.INVALID_ACCOUNT),
        (ADA, "BTC", 1, "", Refusal.INVALID_REFERENCE),
        (ADA, "BTC", 1, "r" * 129, Refusal.INVALID_REFERENCE),
        (ADA, "ETH", 1, "r", Refusal.UNKNOWN_ASSET),
        (ADA, "btc", 1, "r", Refusal.UNKNOWN_ASSET),
        (ADA, "", 1, "r", Refusal.UNKNOWN_ASSET),
    ],
)
def test_bounds(
    venue: Venue,
    make: type[Deposit] | type[Withdraw],
    account_id: int,
    asset: str,
    amount: int,
    reference: str,
    refusal: Refusal,
) -> None:
    scenario = Scenario(venue)
    assert scenario.apply(make(account_id, asset, amount, reference)).refusal is refusal
    assert venue.balances() == {}


def test_the_last_values_within_bounds_are_taken(venue: Venue) -> None:
    scenario = Scenario(venue)
    assert scenario.apply(Deposit(MAX_E8, "BTC", MAX_E8, "r" * 128)).refusal is None
    assert venue.balances() == {(MAX_E8, "BTC"): (MAX_E8, 0)}


def test_the_supply_of_an_asset_stays_a_64_bit_number(venue: Venue) -> None:
    """Goal: the bound is on the sum over all accounts, and what was withdrawn may come back."""
    scenario = Scenario(venue)
    commands: list[Deposit | Withdraw] = [
        Deposit(ADA, "BTC", MAX_E8 - 5, "a"),
        Deposit(ADA + 1, "BTC", 6, "b"),
        Deposit(ADA + 1, "BTC", 5, "c"),
        Deposit(ADA + 1, "BTC", 1, "d"),
        Deposit(ADA + 1, "USDT", MAX_E8, "e"),
        Withdraw(ADA, "BTC", 7, "f"),
        Deposit(ADA + 1, "BTC", 8, "g"),
        Deposit(ADA + 1, "BTC", 7, "h"),
    ]
    full = Refusal.SUPPLY_OVERFLOW
    assert [scenario.apply(command).refusal for command in commands] == [None, full, None, full, None, None, full, None]


def test_the_oldest_reference_is_forgotten_when_the_window_is_full() -> None:
    """Goal: memory is bounded; behind the window the database's unique constraint decides."""
    core = CoreVenue()
    scenario = Scenario(core)
    for number in range(TRANSFER_WINDOW):
        scenario.apply(Deposit(ADA, "BTC", 1, f"ref{number}"))
    assert scenario.apply(Deposit(ADA, "BTC", 1, "ref0")).refusal is Refusal.REFERENCE_ALREADY_USED
    assert scenario.apply(Deposit(ADA, "BTC", 1, "one more")).refusal is None
    assert scenario.apply(Deposit(ADA, "BTC", 1, "ref1")).refusal is Refusal.REFERENCE_ALREADY_USED
    assert len(core.exchange.transfers.window) == TRANSFER_WINDOW
    assert scenario.apply(Deposit(ADA, "BTC", 1, "ref0")).refusal is None


def test_a_transfer_tells_what_moved_and_what_is_there_now() -> None:
    core = CoreVenue()
    scenario = Scenario(core)
    scenario.apply(Deposit(ADA, "BTC", 500, "a"))
    assert list(core.events) == [FundsDeposited(ADA, "BTC", 500, "a"), BalanceChanged(ADA, "BTC", 500, 0)]
    scenario.apply(Withdraw(ADA, "BTC", 200, "b"))
    assert list(core.events) == [FundsWithdrawn(ADA, "BTC", 200, "b"), BalanceChanged(ADA, "BTC", 300, 0)]
