"""Goal: stops wait for their price and then trade as what they become (dialect reference sections 4.1 and 4.5)."""

import pytest

from services.domain.events import OrderBeganTrailing, OrderTriggered
from services.domain.orders import OrderStatus
from tests.core.invariants import check_exchange
from tests.core.scenario import Scenario
from tests.core.venue import CoreVenue

FUNDS = "ada 10000 USDT, ada 100 BTC, bob 100000 USDT, bob 100 BTC, cleo 100000 USDT, cleo 100 BTC"


def opened(play: str = "") -> tuple[Scenario, CoreVenue]:
    core = CoreVenue()
    scenario = Scenario(core, funds=FUNDS)
    scenario.play(play)
    return scenario, core


def trade(price: str) -> str:
    """A trade at this price, which leaves the book as it was."""
    return f"bob sells 0.001 at {price}, cleo buys 0.001 at {price}"


# The last trade was at 100. What is placed, the prices that leave it waiting, and the one that triggers it.
TRIGGERS = [
    ("ada sells 1 at market on loss 95", "105 95.01", "95"),
    ("ada sells 1 at 90 on loss 95", "105 95.01", "94"),
    ("ada sells 1 at market on profit 105", "95 104.99", "105"),
    ("ada sells 1 at 100 on profit 105", "95 104.99", "106"),
    ("ada buys 1 at market on loss 105", "95 104.99", "105"),
    ("ada buys 1 at 110 on loss 105", "95 104.99", "106"),
    ("ada buys 1 at market on profit 95", "105 95.01", "95"),
    ("ada buys 1 at 100 on profit 95", "105 95.01", "94"),
]


@pytest.mark.parametrize(("order", "waits", "triggers"), TRIGGERS)
def test_a_stop_waits_for_its_price(order: str, waits: str, triggers: str) -> None:
    scenario, core = opened(trade("100"))
    scenario.play(f"{order} as stop")
    for price in waits.split():
        scenario.play(trade(price))
        assert core.exchange.orders[3].working_us == 0
    scenario.play(trade(triggers))
    assert [event.order.order_id for event in core.events if isinstance(event, OrderTriggered)] == [3]
    check_exchange(core.exchange)


@pytest.mark.parametrize(("order", "_waits", "triggers"), TRIGGERS)
def test_a_stop_that_would_trigger_at_once_is_refused(order: str, _waits: str, triggers: str) -> None:
    scenario, _ = opened(trade(triggers))
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == "refused WOULD_TRIGGER_IMMEDIATELY"


@pytest.mark.parametrize(("order", "_waits", "_triggers"), TRIGGERS)
def test_before_the_first_trade_a_stop_can_only_wait(order: str, _waits: str, _triggers: str) -> None:
    scenario, _ = opened()
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == "NEW 0 for 0"


# Bids of 1 at 94 and 1 at 93 wait when the trade at 95 triggers ada's sell.
@pytest.mark.parametrize(
    ("order", "result"),
    [
        ("ada sells 1 at market on loss 95", "FILLED 1 for 94"),
        ("ada sells 2 at market on loss 95", "FILLED 2 for 187"),
        ("ada sells 3 at market on loss 95", "EXPIRED 2 for 187 INSUFFICIENT_LIQUIDITY"),
        ("ada sells 3 at 94 on loss 95", "PARTIALLY_FILLED 1 for 94"),
        ("ada sells 3 at 96 on loss 95", "NEW 0 for 0"),
        ("ada sells 3 at 94 on loss 95 IOC", "EXPIRED 1 for 94 UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("ada sells 3 at 94 on loss 95 FOK", "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED"),
        ("ada sells 2 at 93 on loss 95 FOK", "FILLED 2 for 187"),
        ("ada sells 3 at 96 on loss 95 showing 1", "NEW 0 for 0"),
        ("ada sells 3 at - on loss 95 pegged MARKET", "PARTIALLY_FILLED 1 for 94"),
        ("ada sells 3 at - on loss 95 pegged MARKET+1", "PARTIALLY_FILLED 2 for 187"),
        ("ada sells 3 at - on loss 95 pegged MARKET+2", "EXPIRED 0 for 0 REJECTED"),
        ("ada sells 3 at 95 on loss 95 pegged MARKET", "NEW 0 for 0"),
    ],
)
def test_a_triggered_stop_becomes_what_it_was_placed_as(order: str, result: str) -> None:
    scenario, core = opened(f"{trade('100')}, bob buys 1 at 94, bob buys 1 at 93")
    scenario.play(f"{order} as stop, {trade('95')}")
    assert scenario.orders("stop") == f"stop {result}"
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("order", "waiting", "triggered"),
    [
        ("ada sells 2 at market on loss 95", "ada 98+2 BTC", "ada 98+0 BTC"),
        ("ada sells 2 at 96 on loss 95", "ada 98+2 BTC", "ada 98+2 BTC"),
        ("ada buys 2 at 108 on loss 105", "ada 9784+216 USDT", "ada 9788+0 USDT"),
        ("ada buys 2 at market on loss 105", "ada 9790+210 USDT", "ada 9788+0 USDT"),
        ("ada buys 2 at market on loss trailing 500", "ada 9800+200 USDT", "ada 9788+0 USDT"),
    ],
)
def test_what_a_stop_reserves(order: str, waiting: str, triggered: str) -> None:
    """A stop without a limit reserves for its stop price, or the last one, and when triggered for what it will cost."""
    scenario, core = opened(f"{trade('100')}, bob sells 9 at 106, bob buys 9 at 94")
    scenario.play(order)
    assert scenario.balances(like=waiting) == waiting
    scenario.play(
        "cleo buys 1 at 105, bob sells 1 at 105" if "buys" in order else "cleo sells 1 at 95, bob buys 1 at 95"
    )
    if "trailing" in order:
        scenario.play("cleo sells 1 at 100, bob buys 1 at 100, cleo buys 1 at 105, bob sells 1 at 105")
    assert scenario.balances(like=triggered) == triggered
    check_exchange(core.exchange)


def test_a_market_stop_whose_owner_cannot_pay_any_more_is_rejected() -> None:
    scenario, core = opened(f"{trade('100')}, bob sells 90 at 120")
    scenario.play("ada buys 90 at market on loss 105 as stop, bob sells 1 at 105, cleo buys 1 at 105")
    assert scenario.orders("stop") == "stop EXPIRED 0 for 0 REJECTED"
    assert scenario.balance("ada", "USDT") == "ada 10000+0 USDT"
    check_exchange(core.exchange)


def test_a_cascade_runs_to_its_end_oldest_first() -> None:
    """Each stop's own trades trigger the next, and two that wait for one price go in the order they were placed."""
    scenario, core = opened(f"{trade('100')}, bob buys 1 at 98, bob buys 1 at 96, bob buys 1 at 94, bob buys 1 at 92")
    scenario.play(
        "ada sells 1 at market on loss 96 as third, cleo sells 1 at market on loss 98 as second,"
        "ada sells 1 at market on loss 99 as first, cleo sells 1 at market on loss 96 as fourth"
    )
    scenario.play(trade("99"))
    stops = "first FILLED 1 for 98, second FILLED 1 for 96, third FILLED 1 for 94, fourth FILLED 1 for 92"
    assert scenario.orders(stops) == stops
    check_exchange(core.exchange)


# The FAQ's scenarios. Prices in tens, so that ada can afford them; each is a trade.
FAQ = {
    "A": ("ada buys 0.1 at 4500 on loss 4400 trailing 500", "4000 3700 4399 4400 4500 4600 4200 4409", "4410"),
    "B": ("ada sells 0.1 at 3800 on loss 3900 trailing 1000", "4000 4150 3900 3700 4100 3690.01", "3690"),
    "C": ("ada buys 0.1 at 3850 on profit 3800 trailing 850", "4000 4200 3800 3700 3900 3800 4014.49", "4014.5"),
    "D": ("ada sells 0.1 at 4100 on profit 4200 trailing 750", "4000 4150 3900 4200 4500 4400 4650 4301.26", "4301.25"),
    "E": ("ada sells 0.1 at 3900 on loss trailing 700", "4000 4200 3950 4550 4231.51", "4231.5"),
}


@pytest.mark.parametrize("name", FAQ)
def test_a_trailing_stop_follows_the_market(name: str) -> None:
    order, waits, triggers = FAQ[name]
    scenario, core = opened(trade("4000"))
    scenario.play(f"{order} as stop")
    for price in waits.split():
        scenario.play(trade(price))
        assert core.exchange.orders[3].status is OrderStatus.NEW, price
        assert not core.exchange.orders[3].working_us, price
    scenario.play(trade(triggers))
    assert [event.order.order_id for event in core.events if isinstance(event, OrderTriggered)] == [3]
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("order", "begins_at"),
    [
        ("ada sells 1 at market on loss trailing 100", "100"),
        ("ada sells 1 at market on loss 95 trailing 100", "95"),
        ("ada sells 1 at market on profit 105 trailing 100", "105"),
        ("ada buys 1 at market on loss 105 trailing 100", "105"),
        ("ada buys 1 at market on profit 95 trailing 100", "95"),
        # Behind its stop price already: that is no fault, it follows from the next trade.
        ("ada sells 1 at market on loss 105 trailing 100", "100"),
    ],
)
def test_it_begins_to_follow_at_the_first_trade_that_meets_its_stop_price(order: str, begins_at: str) -> None:
    scenario, core = opened(trade("100"))
    scenario.play(order)
    for price in ("100", "104", "100", "96", "100", "105", "95"):
        scenario.play(trade(price))
        if any(isinstance(event, OrderBeganTrailing) for event in core.events):
            break
    assert price == begins_at
    assert core.exchange.orders[3].state().details.trailing_us == scenario.now_us  # type: ignore[union-attr]


@pytest.mark.parametrize("ending", ["ada cancels stop", "ada cancels all"])
@pytest.mark.parametrize(
    "order", ["ada sells 2 at market on loss 95 as stop", "ada sells 2 at 9 on loss trailing 500 as stop"]
)
def test_a_canceled_stop_never_triggers(order: str, ending: str) -> None:
    scenario, core = opened(f"{trade('100')}, {order}, {trade('101')}, {ending}")
    assert scenario.orders("stop") == "stop CANCELED 0 for 0"
    assert scenario.balance("ada", "BTC") == "ada 100+0 BTC"
    scenario.play(trade("50"))
    assert not any(isinstance(event, OrderTriggered) for event in core.events)
