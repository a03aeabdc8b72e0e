"""Goal: a cancel ends exactly the order it names, gives back what it locked, and tells mistakes apart."""

from dataclasses import dataclass

import pytest

from services.domain.commands import CancelAllOrders, CancelOrder
from services.domain.events import OrderCanceled
from services.domain.refusals import Refusal
from tests.core.scenario import ACTORS, MARKET, Scenario
from tests.core.venue import CoreVenue, Venue

FUNDS = "ada 1000 USDT, ada 10 BTC, bob 1000 USDT, bob 10 BTC"
RESTING = "ada buys 1 at 90 as low, ada buys 1 at 91 as high, ada sells 1 at 110 as ask, bob buys 1 at 91 as his"


@dataclass(frozen=True)
class Case:
    name: str
    cancel: str
    refusal: Refusal | None = None
    left: str = "low high ask his"


CASES = [
    Case("by order id", "ada cancels #1", left="high ask his"),
    Case("by client order id", "ada cancels high", left="low ask his"),
    Case("by both, when they agree", "ada cancels #3 ask", left="low high his"),
    Case("by both, when they name different orders", "ada cancels #1 high", Refusal.CLIENT_ORDER_ID_MISMATCH),
    Case("by both, when the client order id is nobody's", "ada cancels #1 nothing", Refusal.CLIENT_ORDER_ID_MISMATCH),
    Case("an unknown order id", "ada cancels #5", Refusal.UNKNOWN_ORDER),
    Case("an unknown order id with a good client order id", "ada cancels #5 low", Refusal.UNKNOWN_ORDER),
    Case("an unknown client order id", "ada cancels nothing", Refusal.UNKNOWN_ORDER),
    Case("nothing named at all", "ada cancels", Refusal.UNKNOWN_ORDER),
    Case("someone else's order by id", "bob cancels #1", Refusal.UNKNOWN_ORDER),
    Case("someone else's order by both", "bob cancels #1 low", Refusal.UNKNOWN_ORDER),
    Case("someone else's order by client order id", "bob cancels low", Refusal.UNKNOWN_ORDER),
    Case("all of one's own", "ada cancels all", left="his"),
    Case("all, having none", "cleo cancels all", Refusal.UNKNOWN_ORDER),
    Case("all of the other's", "bob cancels all", left="low high ask"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cancel(venue: Venue, case: Case) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.play(RESTING)
    (outcome,) = scenario.play(case.cancel)
    assert outcome.refusal is case.refusal
    assert scenario.open_orders() == case.left


@pytest.mark.parametrize(
    ("play", "balances"),
    [
        ("ada buys 2 at 100, ada cancels ada1", "ada 1000+0 USDT, ada 10+0 BTC"),
        ("ada sells 2 at 100, ada cancels ada1", "ada 1000+0 USDT, ada 10+0 BTC"),
        ("ada buys 2 at 100, ada buys 1 at 50, ada cancels ada1", "ada 950+50 USDT, ada 10+0 BTC"),
        ("ada buys 2 at 100, bob sells 0.5 at 100, ada cancels ada1", "ada 950+0 USDT, ada 10.5+0 BTC"),
        ("bob sells 0.5 at 80, ada buys 2 at 100, ada cancels ada1", "ada 960+0 USDT, ada 10.5+0 BTC"),
        ("ada sells 2 at 100, bob buys 0.5 at 120, ada cancels ada1", "ada 1050+0 USDT, ada 9.5+0 BTC"),
        ("ada buys 2 at 100, ada sells 3 at 101, ada cancels all", "ada 1000+0 USDT, ada 10+0 BTC"),
    ],
)
def test_a_cancel_gives_back_what_is_left_of_the_lock(venue: Venue, play: str, balances: str) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    assert [outcome.refusal for outcome in scenario.play(play) if outcome.refusal] == []
    assert scenario.balances(like=balances) == balances


@pytest.mark.parametrize(
    "play",
    [
        "bob sells 1 at 100, ada buys 1 at 100, bob cancels bob1",
        "ada buys 1 at 100 IOC, ada cancels ada1",
        "ada buys 1 at 100, ada cancels ada1, ada cancels ada1",
        "ada buys 1 at 100, ada cancels ada1, ada cancels #1",
        "ada buys 1 at 100, ada cancels all, ada cancels all",
    ],
)
def test_an_order_that_has_ended_is_unknown(venue: Venue, play: str) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    assert scenario.play(play)[-1].refusal is Refusal.UNKNOWN_ORDER


def test_a_canceled_order_keeps_what_it_traded(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    *_, outcome = scenario.play("ada buys 2 at 100, bob sells 0.5 at 100, ada cancels ada1")
    assert [scenario.result(outcome), outcome.orders[1].updated_us] == ["CANCELED 0.5 for 50", scenario.now_us]


def test_a_name_is_free_again_once_its_order_has_ended(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    outcomes = scenario.play(
        "ada buys 1 at 90 as x, ada buys 1 at 91 as x, bob buys 1 at 92 as x, ada cancels x, ada buys 1 at 91 as x,"
        "bob sells 2 at 91 as y, ada buys 1 at 80 as x"
    )
    duplicate = Refusal.DUPLICATE_CLIENT_ORDER_ID
    assert [outcome.refusal for outcome in outcomes] == [None, duplicate, None, None, None, None, None]


@pytest.mark.parametrize("by_name", [True, False])
def test_an_order_is_unknown_in_another_market(venue: Venue, by_name: bool) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.define(symbol="ETHUSDT", base_asset="ETH")
    scenario.play("ada buys 1 at 100")
    elsewhere = CancelOrder(ACTORS["ada"], "ETHUSDT", 0 if by_name else 1, "ada1" if by_name else "", "cancel")
    assert scenario.apply(elsewhere).refusal is Refusal.UNKNOWN_ORDER
    assert scenario.apply(CancelAllOrders(ACTORS["ada"], "ETHUSDT", "all")).refusal is Refusal.UNKNOWN_ORDER
    assert scenario.open_orders() == "ada1"


def test_cancel_all_leaves_other_markets_alone(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.define(symbol="ETHUSDT", base_asset="ETH")
    scenario.play("ada buys 1 at 100 as here")
    scenario.symbol = "ETHUSDT"
    scenario.play("ada buys 1 at 100 as there, ada cancels all")
    assert scenario.open_orders() == "here"


def test_the_same_name_may_be_used_in_another_market(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.define(symbol="ETHUSDT", base_asset="ETH")
    scenario.play("ada buys 1 at 100 as same")
    scenario.symbol = "ETHUSDT"
    (outcome,) = scenario.play("ada buys 1 at 100 as same")
    assert outcome.refusal is None


def test_cancel_all_reports_the_oldest_first_and_names_the_request() -> None:
    core = CoreVenue()
    scenario = Scenario(core, MARKET, FUNDS)
    scenario.play("ada buys 1 at 90, ada sells 1 at 110, ada buys 1 at 95, ada sells 1 at 105, ada cancels all")
    canceled = [event for event in core.events if isinstance(event, OrderCanceled)]
    assert [event.order.order_id for event in canceled] == [1, 2, 3, 4]
    assert {event.cancel_client_order_id for event in canceled} == {"cancel-all"}


def test_a_cancel_names_the_request() -> None:
    core = CoreVenue()
    Scenario(core, MARKET, FUNDS).play("ada buys 1 at 90, ada cancels ada1")
    assert [event.cancel_client_order_id for event in core.events if isinstance(event, OrderCanceled)] == ["cancel"]
