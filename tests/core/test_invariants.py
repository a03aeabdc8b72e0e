"""Goal: the checks of the other tests notice a broken state. Each case breaks one thing behind the core's back."""

from collections.abc import Callable

import pytest

from services.domain.money import ONE_E8
from services.engine.core.exchange import Exchange
from tests.core.invariants import check_exchange
from tests.core.scenario import ACTORS, Scenario
from tests.core.venue import CoreVenue

ADA = ACTORS["ada"]


def mint(exchange: Exchange) -> None:
    exchange.accounts.balances[ADA]["BTC"].free_e8 += 1


def lock_without_an_order(exchange: Exchange) -> None:
    balance = exchange.accounts.balances[ADA]["USDT"]
    balance.free_e8 -= 1
    balance.locked_e8 += 1


def owe(exchange: Exchange) -> None:
    """The sums still agree."""
    exchange.accounts.balances[ADA]["BTC"].free_e8 -= 20 * ONE_E8
    exchange.accounts.balances[ADA + 1]["BTC"].free_e8 += 20 * ONE_E8


def reserve_too_little(exchange: Exchange) -> None:
    exchange.orders[1].reserved_e8 -= 1
    balance = exchange.accounts.balances[ADA]["USDT"]
    balance.free_e8 += 1
    balance.locked_e8 -= 1


def miscount_a_level(exchange: Exchange) -> None:
    exchange.listings["BTCUSDT"].book.bids.levels[90 * ONE_E8].quantity_e8 += 1


def jump_the_queue(exchange: Exchange) -> None:
    """Swap the two orders of a level, links and all."""
    level = exchange.listings["BTCUSDT"].book.bids.levels[90 * ONE_E8]
    first, second = level.orders()
    level.head, level.tail = second, first
    first.previous, first.next, second.previous, second.next = second, None, None, first


def cross_the_book(exchange: Exchange) -> None:
    """Lift the best bid, with all that hangs on its price, above the ask."""
    listing = exchange.listings["BTCUSDT"]
    order = exchange.orders[3]
    listing.book.bids.remove(order)
    order.price_e8 = order.limit_e8 = 110 * ONE_E8
    balance = exchange.accounts.balances[ADA]["USDT"]
    balance.free_e8 -= 110 * ONE_E8 - order.reserved_e8
    balance.locked_e8 += 110 * ONE_E8 - order.reserved_e8
    order.reserved_e8 = 110 * ONE_E8
    listing.book.bids.add(order, order.limit_e8)
    listing.forget_changes()


def lose_an_order(exchange: Exchange) -> None:
    del exchange.orders[1]


def forget_a_name(exchange: Exchange) -> None:
    by_name = exchange.listings["BTCUSDT"].open_by_account[ADA].by_name
    name, order = by_name.popitem()
    by_name[f"not {name}"] = order


def forget_an_owner(exchange: Exchange) -> None:
    exchange.listings["BTCUSDT"].open_by_account[ADA].by_name.popitem()


def keep_news(exchange: Exchange) -> None:
    exchange.accounts.touch(ADA, "BTC")


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (mint, "money is conserved"),
        (lock_without_an_order, "locked is what orders reserve"),
        (owe, "free is an amount"),
        (reserve_too_little, "an order reserves what it may cost"),
        (miscount_a_level, "a level's total"),
        (jump_the_queue, "first come, first served"),
        (cross_the_book, "the book is crossed"),
        (lose_an_order, "found by its id"),
        (forget_a_name, "found by its owner and its name"),
        (forget_an_owner, "found by its owner"),
        (keep_news, "balance change behind"),
    ],
)
def test_a_broken_state_is_noticed(break_it: Callable[[Exchange], None], named: str) -> None:
    core = CoreVenue()
    scenario = Scenario(core, funds="ada 1000 USDT, ada 10 BTC, bob 10 BTC")
    scenario.play("ada buys 1 at 90, ada buys 1 at 90, ada buys 1 at 95, ada sells 1 at 105")
    check_exchange(core.exchange)
    break_it(core.exchange)
    with pytest.raises(AssertionError, match=named):
        check_exchange(core.exchange)


def test_an_imbalance_is_measured() -> None:
    core = CoreVenue()
    Scenario(core, funds="ada 10 BTC, bob 5 BTC, ada 3 USDT")
    assert core.exchange.accounts.imbalances() == {}
    mint(core.exchange)
    assert core.exchange.accounts.imbalances() == {"BTC": 1}
