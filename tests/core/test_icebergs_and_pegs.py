"""Goal: icebergs show a part at a time, and pegged orders take their price from the book (sections 4.1 and 4.6)."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.domain.money import ONE_E8
from tests.core.invariants import check_exchange
from tests.core.scenario import MARKET, Scenario
from tests.core.venue import CoreVenue

FUNDS = "ada 1000 USDT, ada 100 BTC, bob 1000 USDT, bob 100 BTC, cleo 1000 USDT, cleo 100 BTC"


def opened(play: str = "", **changes: Any) -> tuple[Scenario, CoreVenue]:
    core = CoreVenue()
    scenario = Scenario(core, replace(MARKET, **changes), FUNDS)
    scenario.play(play)
    return scenario, core


# What rests, what bob buys, his trades, and the book after them.
REFILLS = [
    ("ada sells 5 at 10 showing 2 as ice", "1", "1 at 10 with ice", "| 1@10"),
    ("ada sells 5 at 10 showing 2 as ice", "2", "2 at 10 with ice", "| 2@10"),
    ("ada sells 5 at 10 showing 2 as ice", "3", "2 at 10 with ice, 1 at 10 with ice", "| 1@10"),
    ("ada sells 5 at 10 showing 2 as ice", "5", "2 at 10 with ice, 2 at 10 with ice, 1 at 10 with ice", "|"),
    # A new slice goes behind everyone at its price.
    (
        "ada sells 5 at 10 showing 2 as ice, cleo sells 1 at 10 as plain",
        "4",
        "2 at 10 with ice, 1 at 10 with plain, 1 at 10 with ice",
        "| 1@10",
    ),
    (
        "ada sells 4 at 10 showing 2 as ice, cleo sells 2 at 10 showing 1 as berg",
        "5",
        "2 at 10 with ice, 1 at 10 with berg, 2 at 10 with ice",
        "| 1@10",
    ),
    # What is hidden at a better price comes before what is shown at a worse one.
    (
        "ada sells 3 at 10 showing 1 as ice, cleo sells 9 at 11 as plain",
        "4",
        "1 at 10 with ice, 1 at 10 with ice, 1 at 10 with ice, 1 at 11 with plain",
        "| 8@11",
    ),
]


@pytest.mark.parametrize(("resting", "quantity", "trades", "book"), REFILLS)
def test_an_iceberg_refills_behind_the_others(resting: str, quantity: str, trades: str, book: str) -> None:
    scenario, core = opened(resting)
    (outcome,) = scenario.play(f"bob buys {quantity} at market")
    assert scenario.trades(outcome) == trades
    assert scenario.book() == book.strip()
    check_exchange(core.exchange)


def test_an_iceberg_takes_with_all_it_has_and_rests_with_a_slice() -> None:
    scenario, core = opened("bob sells 3 at 10 as ask")
    (outcome,) = scenario.play("ada buys 5 at 10 showing 1 as ice")
    assert scenario.trades(outcome) == "3 at 10 with ask"
    assert scenario.book() == "1@10 |"
    assert scenario.balance("ada", "USDT") == "ada 950+20 USDT"
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("order", "result"),
    [
        ("bob buys 5 at 10 FOK", "FILLED 5 for 50"),
        ("bob buys 6 at 10 FOK", "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED"),
        ("bob buys at market for 45", "FILLED 4.5 for 45"),
        ("bob buys 1 at 10 MAKER", "refused WOULD_MATCH_IMMEDIATELY"),
    ],
)
def test_what_is_hidden_counts_as_being_there(order: str, result: str) -> None:
    scenario, core = opened("ada sells 5 at 10 showing 1")
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == result
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("changes", "order", "result"),
    [
        ({}, "ada sells 5 at 10 showing 5", "refused ICEBERG_EXCEEDS_QUANTITY"),
        ({}, "ada sells 5 at 10 showing 6", "refused ICEBERG_EXCEEDS_QUANTITY"),
        ({}, "ada sells 5 at 10 showing 4.999", "NEW 0 for 0"),
        ({}, "ada sells 5 at 10 showing 0.0005", "refused LOT_SIZE"),
        ({"min_quantity_e8": ONE_E8}, "ada sells 5 at 10 showing 0.999", "refused LOT_SIZE"),
        ({"min_quantity_e8": ONE_E8}, "ada sells 5 at 10 showing 1", "NEW 0 for 0"),
        ({"max_iceberg_parts": 3}, "ada sells 6 at 10 showing 2", "NEW 0 for 0"),
        ({"max_iceberg_parts": 3}, "ada sells 6 at 10 showing 1.999", "refused ICEBERG_PARTS"),
        ({"max_iceberg_parts": 0}, "ada sells 6 at 10 showing 0.001", "NEW 0 for 0"),
        ({"max_iceberg_orders": 1}, "ada sells 6 at 10 showing 1", "NEW 0 for 0"),
        ({}, "ada sells 6 at 10 showing 1 MAKER", "NEW 0 for 0"),
        ({}, "ada sells 6 at 10 showing 1 IOC", "refused UNSUPPORTED_COMBINATION"),
        ({}, "ada sells 6 at 10 showing 1 FOK", "refused UNSUPPORTED_COMBINATION"),
        ({}, "ada sells 6 at market showing 1", "refused UNSUPPORTED_COMBINATION"),
        ({}, "ada sells 6 at 10 on loss 5 showing 1", "NEW 0 for 0"),
        ({}, "ada sells 6 at market on loss 5 showing 1", "refused UNSUPPORTED_COMBINATION"),
    ],
)
def test_which_icebergs_are_taken(changes: dict[str, Any], order: str, result: str) -> None:
    scenario, _ = opened(**changes)
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == result


def test_icebergs_are_counted() -> None:
    scenario, _ = opened(max_iceberg_orders=1)
    outcomes = scenario.play("ada sells 2 at 10 showing 1 as a, ada sells 2 at 10 showing 1, ada sells 1 at 10")
    assert [scenario.result(outcome) for outcome in outcomes[1:]] == ["refused MAX_NUM_ICEBERG_ORDERS", "NEW 0 for 0"]
    outcomes = scenario.play("ada cancels a, ada sells 2 at 10 showing 1")
    assert scenario.result(outcomes[1]) == "NEW 0 for 0"


BOOK = "bob buys 1 at 8, bob buys 1 at 9, cleo sells 1 at 11, cleo sells 1 at 12"
# ada's order, what becomes of it, and the book.
PEGS = [
    ("buys 1 at - pegged PRIMARY", "NEW 0 for 0", "2@9 1@8 | 1@11 1@12"),
    ("buys 1 at - pegged PRIMARY+1", "NEW 0 for 0", "1@9 2@8 | 1@11 1@12"),
    ("sells 1 at - pegged PRIMARY", "NEW 0 for 0", "1@9 1@8 | 2@11 1@12"),
    ("sells 1 at - pegged PRIMARY MAKER", "NEW 0 for 0", "1@9 1@8 | 2@11 1@12"),
    ("buys 2 at - showing 1 pegged PRIMARY", "NEW 0 for 0", "2@9 1@8 | 1@11 1@12"),
    ("buys 2 at - pegged MARKET", "PARTIALLY_FILLED 1 for 11", "1@11 1@9 1@8 | 1@12"),
    ("buys 2 at - pegged MARKET+1", "FILLED 2 for 23", "1@9 1@8 |"),
    ("buys 2 at - pegged MARKET IOC", "EXPIRED 1 for 11 UNFILLED_IOC_QUANTITY_EXPIRED", "1@9 1@8 | 1@12"),
    ("buys 2 at - pegged MARKET FOK", "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED", "1@9 1@8 | 1@11 1@12"),
    ("sells 2 at - pegged MARKET+1", "FILLED 2 for 17", "| 1@11 1@12"),
    # A price of its own is the worst it accepts.
    ("buys 1 at 8.5 pegged PRIMARY", "NEW 0 for 0", "1@9 1@8.5 1@8 | 1@11 1@12"),
    ("buys 1 at 10 pegged MARKET", "NEW 0 for 0", "1@10 1@9 1@8 | 1@11 1@12"),
    ("buys 1 at 99 pegged MARKET", "FILLED 1 for 11", "1@9 1@8 | 1@12"),
    ("sells 1 at 11.5 pegged PRIMARY", "NEW 0 for 0", "1@9 1@8 | 1@11 1@11.5 1@12"),
    # What cannot be.
    ("buys 1 at - pegged PRIMARY+2", "refused NO_PEG_LEVEL", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at - pegged PRIMARY+101", "refused UNSUPPORTED_COMBINATION", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at - pegged PRIMARY IOC", "refused UNSUPPORTED_COMBINATION", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at - pegged PRIMARY FOK", "refused UNSUPPORTED_COMBINATION", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at - pegged MARKET MAKER", "refused UNSUPPORTED_COMBINATION", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at market pegged MARKET", "refused UNSUPPORTED_COMBINATION", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at market on loss 20 pegged MARKET", "refused UNSUPPORTED_COMBINATION", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at -", "refused UNSUPPORTED_COMBINATION", "1@9 1@8 | 1@11 1@12"),
    ("buys 1 at 8.001 pegged PRIMARY", "refused PRICE_FILTER", "1@9 1@8 | 1@11 1@12"),
    ("buys 200 at - pegged PRIMARY", "refused INSUFFICIENT_BALANCE", "1@9 1@8 | 1@11 1@12"),
]


@pytest.mark.parametrize(("order", "result", "book"), PEGS)
def test_a_pegged_order(order: str, result: str, book: str) -> None:
    scenario, core = opened(BOOK)
    (outcome,) = scenario.play(f"ada {order}")
    assert scenario.result(outcome) == result
    assert scenario.book() == book.strip()
    check_exchange(core.exchange)


@pytest.mark.parametrize("order", ["ada buys 1 at - pegged PRIMARY", "ada sells 1 at - pegged MARKET"])
def test_without_a_level_there_is_nothing_to_peg_to(order: str) -> None:
    scenario, _ = opened()
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == "refused NO_PEG_LEVEL"


def test_the_price_is_fixed_when_the_order_enters() -> None:
    scenario, core = opened(f"{BOOK}, ada buys 1 at - pegged PRIMARY as peg, bob buys 1 at 10")
    state = core.exchange.orders[5].state()
    assert state.details is not None
    assert (state.price_e8, state.details.pegged_price_e8) == (0, 9 * ONE_E8)
    assert scenario.book() == "1@10 2@9 1@8 | 1@11 1@12"


def test_a_pending_peg_is_fixed_when_its_order_comes_to_life() -> None:
    scenario, core = opened(BOOK)
    scenario.play("ada lists OTO l: buys 1 at 10 as work & sells 1 at - pegged PRIMARY as wait")
    assert core.exchange.orders[6].limit_e8 == 0
    scenario.play("cleo sells 1 at 10.5, bob sells 1 at 10")
    assert scenario.book() == "1@9 1@8 | 2@10.5 1@11 1@12"
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"max_price_e8": 11 * ONE_E8}, "NEW 0 for 0"),
        ({"max_price_e8": 10 * ONE_E8}, "EXPIRED 0 for 0 REJECTED"),
        ({"min_notional_e8": 11 * ONE_E8}, "NEW 0 for 0"),
        ({"min_notional_e8": 12 * ONE_E8}, "EXPIRED 0 for 0 REJECTED"),
    ],
)
def test_a_pending_peg_passes_the_filters_when_it_comes_to_life(changes: dict[str, int], result: str) -> None:
    scenario, core = opened(BOOK)
    scenario.play("ada lists OTO l: buys 2 at 10 as work & sells 1 at - pegged PRIMARY as wait")
    scenario.define(**changes)
    scenario.play("bob sells 2 at 10")
    assert scenario.orders("wait") == f"wait {result}"
    check_exchange(core.exchange)
