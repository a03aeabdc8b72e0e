"""Goal: the lives of order lists (compatibility reference section 4.4), and what each of their ends leaves behind."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.domain.events import OrderExpired, OrderFilled, OrderListChanged, OrderTriggered
from services.domain.refusals import Refusal
from tests.core.invariants import check_exchange
from tests.core.scenario import MARKET, Scenario, split
from tests.core.venue import CoreVenue

FUNDS = "ada 1000 USDT, ada 10 BTC, bob 100000 USDT, bob 1000 BTC, cleo 100000 USDT, cleo 1000 BTC"
SELL_OCO = "ada lists OCO l: sells 1 at 110 MAKER as up & sells 1 at 85 on loss 90 as down"
BUY_OCO = "ada lists OCO l: buys 1 at 115 on loss 110 as up & buys 1 at 90 MAKER as down"
OTO = "ada lists OTO l: buys 2 at 95 as work & sells 1 at 120 as wait"
OTOCO = "ada lists OTOCO l: buys 2 at 95 as work & sells 2 at 120 MAKER as up & sells 2 at market on loss 80 as down"
OPO = "ada lists OPO l: buys 2 at 95 as work & sells at 120 as wait"
OPOCO = "ada lists OPOCO l: buys 2 at 95 as work & sells at 120 MAKER as up & sells at 70 on loss 80 as down"


def opened(**changes: Any) -> tuple[Scenario, CoreVenue]:
    """The last trade was at 100."""
    core = CoreVenue()
    scenario = Scenario(core, replace(MARKET, **changes), FUNDS)
    scenario.play("bob sells 1 at 100, cleo buys 1 at 100")
    return scenario, core


# What is played, how the orders stand, ada's balances, whether the list is over.
LIVES: dict[str, tuple[str, str, str, bool]] = {
    "OCO: both wait, and the quantity is reserved once": (
        SELL_OCO,
        "up NEW 0 for 0, down NEW 0 for 0",
        "ada 9+1 BTC",
        False,
    ),
    "OCO: the limit order fills": (
        f"{SELL_OCO}, bob buys 1 at 110",
        "up FILLED 1 for 110, down EXPIRED 0 for 0 OCO_TRIGGER",
        "ada 9+0 BTC, ada 1110+0 USDT",
        True,
    ),
    "OCO: the limit order fills in part": (
        f"{SELL_OCO}, bob buys 0.4 at 110",
        "up PARTIALLY_FILLED 0.4 for 44, down EXPIRED 0 for 0 OCO_TRIGGER",
        "ada 9+0.6 BTC, ada 1044+0 USDT",
        False,
    ),
    "OCO: the stop triggers and rests": (
        f"{SELL_OCO}, bob sells 1 at 90, cleo buys 1 at 90",
        "up EXPIRED 0 for 0 OCO_TRIGGER, down NEW 0 for 0",
        "ada 9+1 BTC",
        False,
    ),
    "OCO: the stop triggers and fills": (
        f"{SELL_OCO}, bob buys 5 at 88, bob sells 1 at 90, cleo buys 1 at 90",
        "up EXPIRED 0 for 0 OCO_TRIGGER, down FILLED 1 for 88",
        "ada 9+0 BTC, ada 1088+0 USDT",
        True,
    ),
    "OCO: cancelling one cancels both": (
        f"{SELL_OCO}, ada cancels down",
        "up CANCELED 0 for 0, down CANCELED 0 for 0",
        "ada 10+0 BTC",
        True,
    ),
    "OCO: cancelling the list": (
        f"{SELL_OCO}, ada cancels list l",
        "up CANCELED 0 for 0, down CANCELED 0 for 0",
        "ada 10+0 BTC",
        True,
    ),
    "OCO: cancelling everything": (
        f"{SELL_OCO}, ada buys 1 at 1 as bid, ada cancels all",
        "up CANCELED 0 for 0, down CANCELED 0 for 0, bid CANCELED 0 for 0",
        "ada 10+0 BTC, ada 1000+0 USDT",
        True,
    ),
    "OCO that buys reserves for the dearer leg": (
        BUY_OCO,
        "up NEW 0 for 0, down NEW 0 for 0",
        "ada 885+115 USDT",
        False,
    ),
    "OCO that buys: the cheaper leg fills in part": (
        f"{BUY_OCO}, bob sells 0.5 at 90",
        "up EXPIRED 0 for 0 OCO_TRIGGER, down PARTIALLY_FILLED 0.5 for 45",
        "ada 910+45 USDT",
        False,
    ),
    "OCO that buys: the stop triggers": (
        f"{BUY_OCO}, bob sells 9 at 110, cleo buys 1 at 110",
        "up FILLED 1 for 110, down EXPIRED 0 for 0 OCO_TRIGGER",
        "ada 890+0 USDT, ada 11+0 BTC",
        True,
    ),
    "OCO: self-trade prevention ends one": (
        f"{SELL_OCO}, ada buys 1 at 110 stp EXPIRE_MAKER as bid",
        "up EXPIRED_IN_MATCH 0 for 0 prevented 1, down EXPIRED 0 for 0 OCO_TRIGGER, bid NEW 0 for 0",
        "ada 10+0 BTC",
        True,
    ),
    "OCO of two stops, triggered by the same order's trades": (
        "ada lists OCO l: sells 1 at 100 on profit 110 as up & sells 1 at 80 on loss 90 as down,"
        "bob sells 1 at 111, bob buys 1 at 80, cleo buys 1 at 111",
        "up NEW 0 for 0, down EXPIRED 0 for 0 OCO_TRIGGER",
        "ada 9+1 BTC",
        False,
    ),
    "OTO: only the working order reserves": (
        OTO,
        "work NEW 0 for 0, wait PENDING_NEW 0 for 0",
        "ada 810+190 USDT, ada 10+0 BTC",
        False,
    ),
    "OTO: a partial fill wakes nobody": (
        f"{OTO}, bob sells 1 at 95",
        "work PARTIALLY_FILLED 1 for 95, wait PENDING_NEW 0 for 0",
        "ada 810+95 USDT, ada 11+0 BTC",
        False,
    ),
    "OTO: the working order fills and the pending one rests": (
        f"{OTO}, bob sells 1 at 95, bob sells 1 at 95",
        "work FILLED 2 for 190, wait NEW 0 for 0",
        "ada 810+0 USDT, ada 11+1 BTC",
        False,
    ),
    "OTO: the pending one fills too": (
        f"{OTO}, bob sells 2 at 95, bob buys 1 at 120",
        "work FILLED 2 for 190, wait FILLED 1 for 120",
        "ada 930+0 USDT, ada 11+0 BTC",
        True,
    ),
    "OTO: a working order that fills at once, in several trades, wakes the pending one once": (
        f"bob sells 1 at 94, bob sells 1 at 95, {OTO}",
        "work FILLED 2 for 189, wait NEW 0 for 0",
        "ada 811+0 USDT, ada 11+1 BTC",
        False,
    ),
    "OTO: a pending order that crosses takes": (
        "bob buys 1 at 120, ada lists OTO l: buys 1 at 125 as work & sells 1 at 110 as wait, bob sells 1 at 125",
        "work FILLED 1 for 125, wait FILLED 1 for 120",
        "ada 995+0 USDT, ada 10+0 BTC",
        True,
    ),
    "OTO: a pending MARKET order takes": (
        "bob buys 1 at 94, ada lists OTO l: buys 1 at 95 as work & sells 2 at market as wait, bob sells 1 at 95",
        "work FILLED 1 for 95, wait EXPIRED 1 for 94 INSUFFICIENT_LIQUIDITY",
        "ada 999+0 USDT, ada 10+0 BTC",
        True,
    ),
    "OTO: a pending post-only order that would take is rejected": (
        "bob buys 1 at 94, ada lists OTO l: buys 1 at 95 as work & sells 1 at 90 MAKER as wait, bob sells 1 at 95",
        "work FILLED 1 for 95, wait EXPIRED 0 for 0 REJECTED",
        "ada 905+0 USDT, ada 11+0 BTC",
        True,
    ),
    "OTO: a pending order that cannot be paid for is rejected": (
        "ada lists OTO l: buys 2 at 95 as work & buys 9 at 95 as wait, bob sells 2 at 95",
        "work FILLED 2 for 190, wait EXPIRED 0 for 0 REJECTED",
        "ada 810+0 USDT, ada 12+0 BTC",
        True,
    ),
    "OTO: a pending stop waits for its price": (
        "ada lists OTO l: buys 1 at 95 as work & sells 1 at market on loss 90 as wait, bob sells 1 at 95",
        "work FILLED 1 for 95, wait NEW 0 for 0",
        "ada 905+0 USDT, ada 10+1 BTC",
        False,
    ),
    "OTO: a pending stop whose price has been reached goes off at once": (
        "bob buys 1 at 90, ada lists OTO l: buys 1 at 95 as work & sells 1 at market on loss 96 as wait,"
        "bob sells 1 at 95",
        "work FILLED 1 for 95, wait FILLED 1 for 90",
        "ada 995+0 USDT, ada 10+0 BTC",
        True,
    ),
    "OTO: the working order is canceled": (
        f"{OTO}, bob sells 1 at 95, ada cancels work",
        "work CANCELED 1 for 95, wait CANCELED 0 for 0",
        "ada 905+0 USDT, ada 11+0 BTC",
        True,
    ),
    "OTO: the pending order is canceled": (
        f"{OTO}, ada cancels wait",
        "work CANCELED 0 for 0, wait CANCELED 0 for 0",
        "ada 1000+0 USDT",
        True,
    ),
    "OTO: the working order expires": (
        "ada lists OTO l: buys 2 at 95 IOC as work & sells 1 at 120 as wait",
        "work EXPIRED 0 for 0 UNFILLED_IOC_QUANTITY_EXPIRED, wait EXPIRED 0 for 0 OTO_PHASE_ONE_EXPIRED",
        "ada 1000+0 USDT",
        True,
    ),
    "OTO: self-trade prevention ends the working order": (
        f"{OTO}, ada sells 2 at 95 stp EXPIRE_MAKER as sale",
        "work EXPIRED_IN_MATCH 0 for 0 prevented 2, wait EXPIRED 0 for 0 OTO_PHASE_ONE_EXPIRED, sale NEW 0 for 0",
        "ada 1000+0 USDT, ada 8+2 BTC",
        True,
    ),
    "OTOCO: the pair comes to life together and reserves once": (
        f"{OTOCO}, bob sells 2 at 95",
        "work FILLED 2 for 190, up NEW 0 for 0, down NEW 0 for 0",
        "ada 810+0 USDT, ada 10+2 BTC",
        False,
    ),
    "OTOCO: the profit is taken": (
        f"{OTOCO}, bob sells 2 at 95, bob buys 2 at 120",
        "work FILLED 2 for 190, up FILLED 2 for 240, down EXPIRED 0 for 0 OCO_TRIGGER",
        "ada 1050+0 USDT, ada 10+0 BTC",
        True,
    ),
    "OTOCO: the loss is stopped": (
        f"{OTOCO}, bob sells 2 at 95, bob buys 3 at 80, bob sells 1 at 80",
        "work FILLED 2 for 190, up EXPIRED 0 for 0 OCO_TRIGGER, down FILLED 2 for 160",
        "ada 970+0 USDT, ada 10+0 BTC",
        True,
    ),
    "OTOCO that buys the pair: the one on the book holds the dearer need": (
        "ada lists OTOCO l: sells 1 at 105 as work & buys 1 at 140 on loss 130 as up & buys 1 at 90 MAKER as down,"
        "bob buys 1 at 105",
        "work FILLED 1 for 105, up NEW 0 for 0, down NEW 0 for 0",
        "ada 965+140 USDT, ada 9+0 BTC",
        False,
    ),
    "OTOCO that buys the pair: the cheaper one fills": (
        "ada lists OTOCO l: sells 1 at 105 as work & buys 1 at 140 on loss 130 as up & buys 1 at 90 MAKER as down,"
        "bob buys 1 at 105, bob sells 1 at 90",
        "work FILLED 1 for 105, up EXPIRED 0 for 0 OCO_TRIGGER, down FILLED 1 for 90",
        "ada 1015+0 USDT, ada 10+0 BTC",
        True,
    ),
    "OTOCO: one of the pair cannot begin": (
        "bob buys 1 at 97,"
        "ada lists OTOCO l: buys 1 at 99 as work & sells 1 at 96 MAKER as up & sells 1 at 70 on loss 80 as down,"
        "bob sells 2 at 97, bob sells 1 at 99",
        "work FILLED 1 for 99, up NEW 0 for 0, down NEW 0 for 0",
        "ada 10+1 BTC",
        False,
    ),
    "OPO: what is received is locked for the pending order": (
        f"{OPO}, bob sells 1.5 at 95",
        "work PARTIALLY_FILLED 1.5 for 142.5, wait PENDING_NEW 0 for 0",
        "ada 810+47.5 USDT, ada 10+1.5 BTC",
        False,
    ),
    "OPO: the pending order sells what was received": (
        f"{OPO}, bob sells 2 at 95, bob buys 5 at 120",
        "work FILLED 2 for 190, wait FILLED 2 for 240",
        "ada 1050+0 USDT, ada 10+0 BTC",
        True,
    ),
    "OPO: a cancel sets free what was received": (
        f"{OPO}, bob sells 1.5 at 95, ada cancels list l",
        "work CANCELED 1.5 for 142.5, wait CANCELED 0 for 0",
        "ada 857.5+0 USDT, ada 11.5+0 BTC",
        True,
    ),
    "OPOCO: the pair shares what was received": (
        f"{OPOCO}, bob sells 2 at 95, bob buys 0.5 at 120",
        "work FILLED 2 for 190, up PARTIALLY_FILLED 0.5 for 60, down EXPIRED 0 for 0 OCO_TRIGGER",
        "ada 870+0 USDT, ada 10+1.5 BTC",
        False,
    ),
    "OPOCO: the loss is stopped": (
        f"{OPOCO}, bob sells 2 at 95, bob buys 1 at 80, bob sells 1 at 80",
        "work FILLED 2 for 190, up EXPIRED 0 for 0 OCO_TRIGGER, down NEW 0 for 0",
        "ada 10+2 BTC",
        False,
    ),
}


@pytest.mark.parametrize("name", LIVES)
def test_a_life(name: str) -> None:
    play, orders, balances, is_over = LIVES[name]
    scenario, core = opened()
    assert {outcome.refusal for outcome in scenario.play(play)} == {None}
    assert scenario.orders(orders) == ", ".join(split(orders))
    assert scenario.balances(like=balances) == balances
    assert (not core.exchange.listings["BTCUSDT"].lists) == is_over
    check_exchange(core.exchange)


def test_an_opo_sells_in_whole_steps_what_is_left_after_the_fee() -> None:
    scenario, core = opened(step_size_e8=10**7, taker_fee_rate_e8=10**6, maker_fee_rate_e8=10**6)
    scenario.play("ada lists OPO l: buys 2 at 95 as work & sells at 120 as wait, bob sells 2 at 95")
    assert core.exchange.orders[4].quantity_e8 == 19 * 10**7
    assert scenario.balance("ada", "BTC") == "ada 10.08+1.9 BTC"
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("changes", "sale", "result"),
    [
        ({"min_quantity_e8": 2 * 10**8}, "bob sells 2 at 95", "EXPIRED 0 for 0 REJECTED"),
        ({"max_quantity_e8": 15 * 10**7}, "bob sells 1 at 95, bob sells 1 at 95", "NEW 0 for 0"),
        ({"min_notional_e8": 241 * 10**8}, "bob sells 5 at 95", "EXPIRED 0 for 0 REJECTED"),
        ({"min_notional_e8": 200 * 10**8}, "bob sells 5 at 95", "NEW 0 for 0"),
    ],
)
def test_the_filters_see_an_opo_order_when_its_quantity_is_known(
    changes: dict[str, int], sale: str, result: str
) -> None:
    """Its working order pays 1 % of what it gets, so a little less than 2 is left of 2."""
    scenario, core = opened(maker_fee_rate_e8=10**6)
    scenario.play(OPO)
    scenario.define(maker_fee_rate_e8=10**6, **changes)
    scenario.play(sale)
    assert scenario.orders("wait") == f"wait {result}"
    check_exchange(core.exchange)


# What is wrong with it.
REFUSED = [
    ("ada lists OCO l: sells 1 at 110 MAKER & sells 1 at 85 on loss 100", "LIST_PRICES_UNRELATED"),
    ("ada lists OCO l: sells 1 at 90 on loss 80 & sells 1 at 110 MAKER", "UNSUPPORTED_COMBINATION"),
    ("ada lists OCO l: sells 1 at 110 MAKER & sells 1 at 105 MAKER", "UNSUPPORTED_COMBINATION"),
    ("ada lists OCO l: sells 1 at 110 & sells 1 at 85 on loss 90", "UNSUPPORTED_COMBINATION"),
    ("ada lists OCO l: sells 1 at 110 MAKER & sells 1 at 120 on profit 130", "UNSUPPORTED_COMBINATION"),
    ("ada lists OCO l: sells 1 at 110 MAKER & sells 2 at 85 on loss 90", "UNSUPPORTED_COMBINATION"),
    ("ada lists OCO l: sells 1 at 110 MAKER & buys 1 at 85 on profit 90", "UNSUPPORTED_COMBINATION"),
    ("ada lists OCO l: sells 1 at 110 MAKER", "UNSUPPORTED_COMBINATION"),
    ("ada lists OCO l: sells 1 at 99 MAKER & sells 1 at 85 on loss 90", "LIST_PRICES_UNRELATED"),
    ("ada lists OCO l: sells 1 at 110 MAKER & sells 1 at 85 on loss 101", "LIST_PRICES_UNRELATED"),
    ("ada lists OCO l: buys 1 at 115 on loss 110 & buys 1 at 101 MAKER", "LIST_PRICES_UNRELATED"),
    ("ada lists OCO l: sells 11 at 110 MAKER & sells 11 at 85 on loss 90", "INSUFFICIENT_BALANCE"),
    ("ada lists OCO l: buys 9 at 115 on loss 110 & buys 9 at 90 MAKER", "INSUFFICIENT_BALANCE"),
    ("ada lists OCO l: sells 1 at 110 MAKER as l & sells 1 at 85 on loss 90", "DUPLICATE_CLIENT_ORDER_ID"),
    ("ada lists OCO l: sells 1 at 110 MAKER as x & sells 1 at 85 on loss 90 as x", "DUPLICATE_CLIENT_ORDER_ID"),
    ("ada lists OCO l: sells 1 at 110 MAKER as mine & sells 1 at 85 on loss 90", "DUPLICATE_CLIENT_ORDER_ID"),
    ("ada lists OCO taken: sells 1 at 110 MAKER & sells 1 at 85 on loss 90", "DUPLICATE_CLIENT_ORDER_ID"),
    ("ada lists OCO l: sells 1 at 110.001 MAKER & sells 1 at 85 on loss 90", "PRICE_FILTER"),
    ("ada lists OCO l: sells 1 at 110 MAKER & sells 1 at 85 on loss 90.001", "PRICE_FILTER"),
    ("ada lists OCO l: sells 1.0001 at 110 MAKER & sells 1.0001 at 85 on loss 90", "LOT_SIZE"),
    ("ada lists OTO l: buys 2 at market & sells 1 at 120", "UNSUPPORTED_COMBINATION"),
    ("ada lists OTO l: buys 2 at 80 on profit 90 & sells 1 at 120", "UNSUPPORTED_COMBINATION"),
    ("ada lists OTO l: buys 2 at 95 & sells at market for 90", "UNSUPPORTED_COMBINATION"),
    ("ada lists OTO l: buys 2 at 95 & sells 0 at 120", "UNSUPPORTED_COMBINATION"),
    ("ada lists OTO l: buys 2 at 101 MAKER & sells 1 at 120", "WOULD_MATCH_IMMEDIATELY"),
    ("ada lists OTO l: buys 20 at 95 & sells 1 at 120", "INSUFFICIENT_BALANCE"),
    ("ada lists OTO l: buys 2 at 95 & sells 1.0001 at 120", "LOT_SIZE"),
    ("ada lists OTOCO l: buys 2 at 95 & sells 2 at 80 MAKER & sells 2 at 70 on loss 90", "LIST_PRICES_UNRELATED"),
    ("ada lists OTOCO l: buys 2 at 95 & sells 2 at 120 MAKER", "UNSUPPORTED_COMBINATION"),
    ("ada lists OPO l: sells 2 at 105 & sells at 120", "UNSUPPORTED_COMBINATION"),
    ("ada lists OPO l: buys 2 at 95 & buys at 90", "UNSUPPORTED_COMBINATION"),
    ("ada lists OPO l: buys 2 at 95 & sells 2 at 120", "UNSUPPORTED_COMBINATION"),
]


@pytest.mark.parametrize(("text", "refusal"), REFUSED)
def test_a_list_is_refused_as_a_whole(text: str, refusal: str) -> None:
    scenario, core = opened()
    scenario.play(
        "bob sells 1 at 101, ada buys 1 at 1 as mine,ada lists OTO taken: buys 1 at 1 as a & buys 1 at 1 as b"
    )
    before = scenario.open_orders()
    (outcome,) = scenario.play(text)
    assert outcome.refusal is Refusal[refusal]
    assert scenario.open_orders() == before
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"max_open_orders": 3}, None),
        ({"max_open_orders": 2}, Refusal.MAX_NUM_ORDERS),
        ({"max_algo_orders": 1}, None),
        ({"max_order_lists": 1}, None),
    ],
)
def test_a_list_counts_as_its_orders_and_as_one_list(changes: dict[str, int], refusal: Refusal | None) -> None:
    scenario, _ = opened(**changes)
    first, second = scenario.play(f"{OTOCO}, ada lists OTO m: buys 1 at 90 as a & sells 1 at market on loss 80 as b")
    assert first.refusal is refusal
    if refusal is None:
        (named,) = {"max_open_orders", "max_algo_orders", "max_order_lists"} & changes.keys()
        expected = {
            "max_open_orders": Refusal.MAX_NUM_ORDERS,
            "max_algo_orders": Refusal.MAX_NUM_ALGO_ORDERS,
            "max_order_lists": Refusal.MAX_NUM_ORDER_LISTS,
        }
        assert second.refusal is expected[named]


def test_a_list_is_told_of_when_it_begins_and_when_it_ends() -> None:
    scenario, core = opened()
    scenario.play(SELL_OCO)
    (begun,) = [event for event in core.events if isinstance(event, OrderListChanged)]
    assert (begun.order_list.is_done, begun.order_list.contingency) == (False, "OCO")
    assert begun.order_list.orders == ((3, "up"), (4, "down"))
    scenario.play("bob buys 1 at 110")
    told = [type(event) for event in core.events if isinstance(event, OrderFilled | OrderExpired | OrderListChanged)]
    assert told == [OrderFilled, OrderExpired, OrderListChanged]


def test_a_pending_order_says_when_it_comes_to_life() -> None:
    scenario, core = opened()
    scenario.play(f"{OTO}, bob sells 2 at 95")
    (woken,) = [event for event in core.events if isinstance(event, OrderTriggered)]
    assert woken.order.working_us == scenario.now_us


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("ada cancels list nothing", Refusal.UNKNOWN_ORDER),
        ("bob cancels list l", Refusal.UNKNOWN_ORDER),
        ("ada cancels list l", None),
    ],
)
def test_only_its_owner_can_cancel_a_list(command: str, refusal: Refusal | None) -> None:
    scenario, _ = opened()
    scenario.play(SELL_OCO)
    (outcome,) = scenario.play(command)
    assert outcome.refusal is refusal
