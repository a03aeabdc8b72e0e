"""Goal: replacing and amending orders (compatibility reference sections 4.7 and 4.8), and cancelling on a condition."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.domain.commands import CancelOrder, CancelRestriction, ReplaceOrder, SetMarketStatus
from services.domain.events import OrderAmended, OrderCanceled, OrderListChanged
from services.domain.market import MarketStatus
from services.domain.refusals import Refusal
from tests.core.invariants import check_exchange
from tests.core.scenario import ACTORS, MARKET, Scenario
from tests.core.venue import CoreVenue

FUNDS = "ada 100 USDT, ada 10 BTC, bob 100000 USDT, bob 1000 BTC"


def opened(play: str = "", **changes: Any) -> tuple[Scenario, CoreVenue]:
    core = CoreVenue()
    scenario = Scenario(core, replace(MARKET, **changes), FUNDS)
    scenario.play(play)
    return scenario, core


# What ada does, the refusal of the whole, why its halves failed, and her open orders after it.
Halves = tuple[Refusal | None, Refusal | None]
BOTH_DONE: Halves = (None, None)
REPLACEMENTS: dict[str, tuple[str, Refusal | None, Halves, str]] = {
    "both succeed": ("ada replaces bid with buys 1 at 95 as new", None, BOTH_DONE, "new"),
    "the old order's money pays for the new one": (
        "ada replaces bid with buys 1 at 100 as new",
        None,
        BOTH_DONE,
        "new",
    ),
    "the old order's name is free again": ("ada replaces bid with buys 1 at 95 as bid", None, BOTH_DONE, "bid"),
    "the cancel fails, the new order is not attempted": (
        "ada replaces nothing with buys 1 at 1 as new",
        Refusal.UNKNOWN_ORDER,
        BOTH_DONE,
        "bid",
    ),
    "the cancel fails, the new order succeeds": (
        "ada tries replacing nothing with buys 1 at 1 as new",
        None,
        (Refusal.UNKNOWN_ORDER, None),
        "bid new",
    ),
    "the cancel succeeds, the new order fails": (
        "ada replaces bid with buys 2 at 95 as new",
        None,
        (None, Refusal.INSUFFICIENT_BALANCE),
        "",
    ),
    "the cancel succeeds, the new post-only order would match": (
        "ada replaces bid with buys 0.1 at 101 MAKER as new",
        None,
        (None, Refusal.WOULD_MATCH_IMMEDIATELY),
        "",
    ),
    "both fail": (
        "ada tries replacing nothing with buys 2 at 95 as new",
        None,
        (Refusal.UNKNOWN_ORDER, Refusal.INSUFFICIENT_BALANCE),
        "bid",
    ),
    "a filter is asked before anything is canceled": (
        "ada replaces bid with buys 1 at 95.001 as new",
        Refusal.PRICE_FILTER,
        BOTH_DONE,
        "bid",
    ),
    "so is the form": (
        "ada replaces bid with buys 0 at 95 as new",
        Refusal.UNSUPPORTED_COMBINATION,
        BOTH_DONE,
        "bid",
    ),
    "a filter comes before an unknown order": (
        "ada tries replacing nothing with buys 1.0001 at 95 as new",
        Refusal.LOT_SIZE,
        BOTH_DONE,
        "bid",
    ),
    "a new order that trades at once": ("ada replaces bid with buys 0.5 at 101 as new", None, BOTH_DONE, ""),
}


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_replacement(name: str) -> None:
    play, refusal, halves, left = REPLACEMENTS[name]
    scenario, core = opened("bob sells 1 at 101, ada buys 1 at 90 as bid")
    (outcome,) = scenario.play(play)
    assert outcome.refusal is refusal
    assert (outcome.first, outcome.second) == halves
    assert scenario.open_orders().replace("bob1", "").strip() == left
    check_exchange(core.exchange)


def test_a_replacement_at_the_most_open_orders_fits() -> None:
    scenario, _ = opened("ada buys 1 at 1 as one, ada buys 1 at 2 as two", max_open_orders=2)
    (outcome,) = scenario.play("ada replaces one with buys 1 at 3 as three")
    assert outcome.refusal is None
    assert scenario.open_orders() == "two three"


def test_a_replacement_stays_in_one_account_and_market() -> None:
    scenario, _ = opened("ada buys 1 at 1 as one")
    command = scenario.read("ada replaces one with buys 1 at 3 as three")
    assert isinstance(command, ReplaceOrder)
    for changes in ({"account_id": ACTORS["bob"]}, {"symbol": "OTHER"}):
        other = replace(command, cancel=replace(command.cancel, **changes))
        assert scenario.apply(other).refusal is Refusal.UNSUPPORTED_COMBINATION


@pytest.mark.parametrize(
    ("fill", "restriction", "refusal"),
    [
        ("", CancelRestriction.ONLY_NEW, None),
        ("", CancelRestriction.ONLY_PARTIALLY_FILLED, Refusal.CANCEL_RESTRICTED),
        ("bob sells 0.5 at 90", CancelRestriction.ONLY_NEW, Refusal.CANCEL_RESTRICTED),
        ("bob sells 0.5 at 90", CancelRestriction.ONLY_PARTIALLY_FILLED, None),
    ],
)
def test_a_restricted_cancel(fill: str, restriction: CancelRestriction, refusal: Refusal | None) -> None:
    scenario, _ = opened(f"ada buys 1 at 90 as bid, {fill}")
    cancel = CancelOrder(ACTORS["ada"], "BTCUSDT", 0, "bid", "cancel", restriction)
    assert scenario.apply(cancel).refusal is refusal


# What is resting (ada's order is "mine"), how she amends it, how it stands, the book, and her balances.
AMENDMENTS: dict[str, tuple[str, str, str, str, str]] = {
    "a buy": (
        "ada buys 1 at 90 as mine",
        "ada amends mine to 0.4",
        "mine NEW 0 for 0",
        "0.4@90 |",
        "ada 64+36 USDT",
    ),
    "a sell that is partly filled": (
        "ada sells 5 at 90 as mine, bob buys 1 at 90",
        "ada amends mine to 1.5",
        "mine PARTIALLY_FILLED 1 for 90",
        "| 0.5@90",
        "ada 8.5+0.5 BTC, ada 190+0 USDT",
    ),
    "an iceberg keeps what it shows": (
        "ada sells 5 at 90 showing 2 as mine",
        "ada amends mine to 3",
        "mine NEW 0 for 0",
        "| 2@90",
        "ada 7+3 BTC",
    ),
    "an iceberg made smaller than what it shows": (
        "ada sells 5 at 90 showing 2 as mine",
        "ada amends mine to 1",
        "mine NEW 0 for 0",
        "| 1@90",
        "ada 9+1 BTC",
    ),
    "a stop": (
        "ada sells 5 at 80 on loss 85 as mine",
        "ada amends mine to 2",
        "mine NEW 0 for 0",
        "|",
        "ada 8+2 BTC",
    ),
    "either of an OCO pair": (
        "ada lists OCO l: sells 5 at 110 MAKER as mine & sells 5 at 80 on loss 85 as other",
        "ada amends other to 2",
        "mine NEW 0 for 0, other NEW 0 for 0",
        "| 2@110",
        "ada 8+2 BTC",
    ),
    "a working order alone": (
        "ada lists OTO l: buys 1 at 90 as mine & sells 1 at 110 as other",
        "ada amends mine to 0.5",
        "mine NEW 0 for 0, other PENDING_NEW 0 for 0",
        "0.5@90 |",
        "ada 55+45 USDT",
    ),
    "a pending order alone": (
        "ada lists OTO l: buys 1 at 90 as mine & sells 1 at 110 as other",
        "ada amends other to 0.5, bob sells 1 at 90",
        "mine FILLED 1 for 90, other NEW 0 for 0",
        "| 0.5@110",
        "ada 10+0 USDT, ada 10.5+0.5 BTC",
    ),
}


@pytest.mark.parametrize("name", AMENDMENTS)
def test_amendment(name: str) -> None:
    resting, play, orders, book, balances = AMENDMENTS[name]
    scenario, core = opened(resting)
    assert {outcome.refusal for outcome in scenario.play(play)} == {None}
    assert scenario.orders(orders) == orders
    assert scenario.book() == book.strip()
    assert scenario.balances(like=balances) == balances
    check_exchange(core.exchange)


def test_an_amended_order_keeps_its_place_and_its_number() -> None:
    scenario, core = opened("bob buys 1 at 9 as a, ada buys 5.5 at 9 as you, bob buys 4 at 9 as b")
    (outcome,) = scenario.play("ada amends you to 5 as renamed")
    (event,) = [event for event in core.events if isinstance(event, OrderAmended)]
    assert (event.order.order_id, event.old_client_order_id, event.order.client_order_id) == (2, "you", "renamed")
    assert (event.old_quantity_e8, event.order.quantity_e8, event.execution_id) == (55 * 10**7, 5 * 10**8, 1)
    (outcome,) = scenario.play("bob sells 7 at 9 as sale")
    assert scenario.trades(outcome) == "1 at 9 with a, 5 at 9 with renamed, 1 at 9 with b"


def test_a_renamed_leg_is_told_with_its_list() -> None:
    scenario, core = opened("ada lists OTO l: buys 1 at 90 as mine & sells 1 at 110 as other")
    scenario.play("ada amends mine to 0.9 as mine")
    assert not any(isinstance(event, OrderListChanged) for event in core.events)
    scenario.play("ada amends mine to 0.8 as new")
    (event,) = [event for event in core.events if isinstance(event, OrderListChanged)]
    assert event.is_update
    assert event.order_list.orders == ((1, "new"), (2, "other"))


@pytest.mark.parametrize(
    ("changes", "play", "refusal"),
    [
        ({}, "ada amends nothing to 1", Refusal.UNKNOWN_ORDER),
        ({}, "bob amends mine to 1", Refusal.UNKNOWN_ORDER),
        ({}, "ada amends mine to 3.001", Refusal.AMEND_INCREASES),
        ({}, "ada amends mine to 3", Refusal.AMEND_CHANGES_NOTHING),
        ({}, "ada amends mine to 3 as new", Refusal.AMEND_CHANGES_NOTHING),
        ({}, "ada amends mine to 1", Refusal.AMEND_CHANGES_NOTHING),
        ({}, "ada amends mine to 2 as other", Refusal.DUPLICATE_CLIENT_ORDER_ID),
        ({}, "ada amends mine to 2.0001", Refusal.LOT_SIZE),
        ({}, "ada amends mine to 0", Refusal.LOT_SIZE),
        ({"min_quantity_e8": 2 * 10**8}, "ada amends mine to 1.9", Refusal.LOT_SIZE),
        ({"min_notional_e8": 20 * 10**8}, "ada amends mine to 1.9", Refusal.NOTIONAL),
        ({"max_amendments": 1}, "ada amends mine to 2.5, ada amends mine to 2", Refusal.MAX_NUM_ORDER_AMENDS),
        ({}, "ada amends wait to 0.5", Refusal.AMEND_PENDING_OPO),
    ],
)
def test_a_refused_amendment(changes: dict[str, Any], play: str, refusal: Refusal) -> None:
    scenario, core = opened(
        "ada buys 3 at 10 as mine, bob sells 1 at 10, ada buys 1 at 1 as other,"
        "ada lists OPO l: buys 1 at 2 as work & sells at 110 as wait"
    )
    if changes:
        scenario.define(**changes)
    *_, outcome = scenario.play(play)
    assert outcome.refusal is refusal
    check_exchange(core.exchange)


@pytest.mark.parametrize("status", MarketStatus)
def test_what_a_market_that_is_not_trading_still_does(status: MarketStatus) -> None:
    scenario, core = opened("ada buys 1 at 10 as mine, ada lists OTO l: buys 1 at 1 as a & buys 1 at 1 as b")
    outcome = scenario.apply(SetMarketStatus("BTCUSDT", status))
    assert outcome.refusal is (Refusal.STATUS_UNCHANGED if status is MarketStatus.TRADING else None)
    placed, listed, amended, listless, canceled = scenario.play(
        "ada buys 1 at 1 as new, ada lists OTO m: buys 1 at 1 as c & buys 1 at 1 as d, ada amends mine to 0.5,"
        "ada cancels list l, ada cancels mine"
    )
    expected = None if status is MarketStatus.TRADING else Refusal.MARKET_CLOSED
    assert {placed.refusal, listed.refusal, amended.refusal} == {expected}
    assert {listless.refusal, canceled.refusal} == {None}
    assert any(isinstance(event, OrderCanceled) for event in core.events)
    check_exchange(core.exchange)
