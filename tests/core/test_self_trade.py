"""Goal: self-trade prevention as the dialect's own FAQ tells it (compatibility reference section 4.2).

Every order is ada's unless another name stands there; ada and bob are of one trade group, cleo is not.
"""

import pytest

from services.domain.commands import SetAccountTerms
from services.domain.events import MatchPrevented
from services.domain.orders import SelfTradePrevention
from services.domain.refusals import Refusal
from tests.core.invariants import check_exchange
from tests.core.scenario import ACTORS, MARKET, Scenario
from tests.core.venue import CoreVenue

FUNDS = "ada 1000 USDT, ada 100 BTC, bob 1000 USDT, bob 100 BTC, cleo 1000 USDT, cleo 100 BTC"
THREE_BIDS = "ada buys 1.2 at 1.2 as m1, ada buys 1.3 at 1.1 as m2, ada buys 8.1 at 1 as m3"


def grouped() -> tuple[Scenario, CoreVenue]:
    core = CoreVenue()
    scenario = Scenario(core, funds=FUNDS)
    for actor in ("ada", "bob"):
        scenario.apply(SetAccountTerms(ACTORS[actor], trade_group_id=7))
    return scenario, core


# What is played, how the orders stand then, and the book.
CASES: dict[str, tuple[str, str, str]] = {
    "A: NONE lets the trade happen": (
        "ada buys 1 at 1 as maker, ada sells 1 at 1 stp NONE as taker",
        "maker FILLED 1 for 1, taker FILLED 1 for 1",
        "|",
    ),
    "B: EXPIRE_MAKER clears the book and rests": (
        f"{THREE_BIDS}, ada sells 3 at 1 stp EXPIRE_MAKER as taker",
        "m1 EXPIRED_IN_MATCH 0 for 0 prevented 1.2, m2 EXPIRED_IN_MATCH 0 for 0 prevented 1.3,"
        "m3 EXPIRED_IN_MATCH 0 for 0 prevented 8.1, taker NEW 0 for 0",
        "| 3@1",
    ),
    "C: EXPIRE_TAKER leaves the book alone": (
        f"{THREE_BIDS}, ada sells 3 at 1 stp EXPIRE_TAKER as taker",
        "m1 NEW 0 for 0, m2 NEW 0 for 0, m3 NEW 0 for 0, taker EXPIRED_IN_MATCH 0 for 0 prevented 3",
        "1.2@1.2 1.3@1.1 8.1@1 |",
    ),
    "D: EXPIRE_BOTH ends both": (
        "ada buys 1 at 1 as maker, ada sells 3 at 1 stp EXPIRE_BOTH as taker",
        "maker EXPIRED_IN_MATCH 0 for 0 prevented 1, taker EXPIRED_IN_MATCH 0 for 0 prevented 3",
        "|",
    ),
    "E: the taker's mode counts": (
        "ada buys 1 at 1 stp EXPIRE_MAKER as maker, ada sells 1 at 1 stp EXPIRE_TAKER as taker",
        "maker NEW 0 for 0, taker EXPIRED_IN_MATCH 0 for 0 prevented 1",
        "1@1 |",
    ),
    "F: a MARKET order that expires its only maker ends for want of liquidity": (
        "ada buys 1 at 1 as maker, ada sells 1 at market stp EXPIRE_MAKER as taker",
        "maker EXPIRED_IN_MATCH 0 for 0 prevented 1, taker EXPIRED 0 for 0 INSUFFICIENT_LIQUIDITY",
        "|",
    ),
    "G: DECREMENT takes from both": (
        "ada buys 6 at 2 as maker, ada sells 2 at 2 stp DECREMENT as taker",
        "maker NEW 0 for 0 prevented 2, taker EXPIRED_IN_MATCH 0 for 0 prevented 2",
        "4@2 |",
    ),
    "DECREMENT of equals ends both": (
        "ada buys 2 at 2 as maker, ada sells 2 at 2 stp DECREMENT as taker",
        "maker EXPIRED_IN_MATCH 0 for 0 prevented 2, taker EXPIRED_IN_MATCH 0 for 0 prevented 2",
        "|",
    ),
    "DECREMENT of the smaller maker lets the taker go on": (
        "ada buys 1 at 2 as m1, cleo buys 1 at 2 as m2, ada sells 3 at 2 stp DECREMENT as taker",
        "m1 EXPIRED_IN_MATCH 0 for 0 prevented 1, m2 FILLED 1 for 2, taker PARTIALLY_FILLED 1 for 2 prevented 1",
        "| 1@2",
    ),
    "H: TRANSFER within the group moves the goods": (
        "bob buys 1 at 2 stp TRANSFER as maker, ada sells 0.2 at 2 stp TRANSFER as taker",
        "maker NEW 0 for 0 prevented 0.2, taker EXPIRED_IN_MATCH 0 for 0 prevented 0.2",
        "0.8@2 |",
    ),
    "TRANSFER needs both to say so, else it is DECREMENT": (
        "bob buys 1 at 2 stp EXPIRE_MAKER as maker, ada sells 0.2 at 2 stp TRANSFER as taker",
        "maker NEW 0 for 0 prevented 0.2, taker EXPIRED_IN_MATCH 0 for 0 prevented 0.2",
        "0.8@2 |",
    ),
    "strangers trade whatever they say": (
        "cleo buys 1 at 1 stp EXPIRE_BOTH as maker, ada sells 1 at 1 stp EXPIRE_BOTH as taker",
        "maker FILLED 1 for 1, taker FILLED 1 for 1",
        "|",
    ),
    "what was filled before stays filled": (
        "cleo buys 1 at 2 as m1, ada buys 1 at 1 as m2, ada sells 3 at 1 stp EXPIRE_TAKER as taker",
        "m1 FILLED 1 for 2, m2 NEW 0 for 0, taker EXPIRED_IN_MATCH 1 for 2 prevented 2",
        "1@1 |",
    ),
    "a post-only order is refused whoever stands there": (
        "ada buys 1 at 1 as m1, ada sells 1 at 1 stp EXPIRE_MAKER MAKER as taker",
        "m1 NEW 0 for 0",
        "1@1 |",
    ),
    "a fill-or-kill that its owner's order keeps from filling does not start": (
        "cleo buys 1 at 2 as m1, ada buys 1 at 2 as m2, cleo buys 1 at 2 as m3,"
        "ada sells 2 at 2 stp EXPIRE_TAKER FOK as t1",
        "m1 NEW 0 for 0, m2 NEW 0 for 0, m3 NEW 0 for 0, t1 EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED",
        "3@2 |",
    ),
    "a fill-or-kill that expires its owner's order on the way fills": (
        "cleo buys 1 at 2 as m1, ada buys 1 at 2 as m2, cleo buys 1 at 2 as m3,"
        "ada sells 2 at 2 stp EXPIRE_MAKER FOK as t1",
        "m1 FILLED 1 for 2, m2 EXPIRED_IN_MATCH 0 for 0 prevented 1, m3 FILLED 1 for 2, t1 FILLED 2 for 4",
        "|",
    ),
    "an iceberg's hidden part behind an own order is out of reach": (
        "cleo buys 3 at 2 showing 1 as m1, ada buys 1 at 2 as m2, ada sells 2 at 2 stp EXPIRE_BOTH FOK as t1",
        "m1 NEW 0 for 0, m2 NEW 0 for 0, t1 EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED",
        "2@2 |",
    ),
    "EXPIRE_MAKER ends all of an iceberg": (
        "ada buys 3 at 2 showing 1 as m1, cleo buys 1 at 1 as m2, ada sells 1 at 1 stp EXPIRE_MAKER as t1",
        "m1 EXPIRED_IN_MATCH 0 for 0 prevented 3, m2 FILLED 1 for 1, t1 FILLED 1 for 1",
        "|",
    ),
    "DECREMENT goes through an iceberg slice by slice": (
        "ada buys 3 at 2 showing 1 as m1, cleo buys 1 at 2 as m2, ada sells 3 at 2 stp DECREMENT as t1",
        "m1 NEW 0 for 0 prevented 2, m2 FILLED 1 for 2, t1 EXPIRED_IN_MATCH 1 for 2 prevented 2",
        "1@2 |",
    ),
    "an immediate-or-cancel expires by its own rule when the makers are gone": (
        "ada buys 1 at 2 as m1, ada sells 3 at 2 stp EXPIRE_MAKER IOC as t1",
        "m1 EXPIRED_IN_MATCH 0 for 0 prevented 1, t1 EXPIRED 0 for 0 UNFILLED_IOC_QUANTITY_EXPIRED",
        "|",
    ),
    "a MARKET buy by amount goes past its owner's offers": (
        "ada sells 1 at 10 as m1, cleo sells 1 at 11 as m2, ada buys at market for 11 stp EXPIRE_MAKER as t1",
        "m1 EXPIRED_IN_MATCH 0 for 0 prevented 1, m2 FILLED 1 for 11, t1 FILLED 1 for 11",
        "|",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_prevention(name: str) -> None:
    play, orders, book = CASES[name]
    scenario, core = grouped()
    scenario.play(play)
    assert scenario.orders(orders) == ", ".join(part.strip() for part in orders.split(","))
    assert scenario.book() == book.strip()
    check_exchange(core.exchange)


@pytest.mark.parametrize(
    ("play", "balances"),
    [
        (
            "bob buys 1 at 2 stp TRANSFER, ada sells 0.2 at 1 stp TRANSFER",
            "ada 1000.4+0 USDT, ada 99.8+0 BTC, bob 998+1.6 USDT, bob 100.2+0 BTC",
        ),
        (
            "bob sells 1 at 2 stp TRANSFER, ada buys 3 at 2.5 stp TRANSFER",
            "ada 993+5 USDT, ada 101+0 BTC, bob 1002+0 USDT, bob 99+0 BTC",
        ),
        (
            "bob sells 1 at 2 stp TRANSFER, cleo sells 1 at 3, ada buys 2 at market stp TRANSFER",
            "ada 995+0 USDT, ada 102+0 BTC, bob 1002+0 USDT, cleo 1003+0 USDT",
        ),
        (
            "bob sells 1 at 2 stp TRANSFER, cleo sells 1 at 3, ada buys at market for 8 stp TRANSFER",
            "ada 995+0 USDT, ada 102+0 BTC, bob 1002+0 USDT, cleo 1003+0 USDT",
        ),
        (
            "bob buys 1 at 3 stp TRANSFER, cleo buys 1 at 2, ada sells at market for 9 stp TRANSFER",
            "ada 1005+0 USDT, ada 98+0 BTC, bob 997+0 USDT, cleo 998+0 USDT",
        ),
        # Of the same account nothing can be moved, and of another mode nothing is.
        ("ada buys 1 at 2 stp TRANSFER, ada sells 1 at 2 stp TRANSFER", "ada 1000+0 USDT, ada 100+0 BTC"),
        (
            "bob buys 1 at 2 stp NONE, ada sells 1 at 2 stp TRANSFER",
            "ada 1000+0 USDT, ada 100+0 BTC, bob 1000+0 USDT, bob 100+0 BTC",
        ),
    ],
)
def test_a_transfer_moves_exactly_the_prevented_match(play: str, balances: str) -> None:
    scenario, core = grouped()
    scenario.play(play)
    assert scenario.balances(like=balances) == balances
    check_exchange(core.exchange)


def test_the_event_says_what_each_side_lost() -> None:
    scenario, core = grouped()
    scenario.play("bob buys 1 at 2 stp TRANSFER, ada sells 0.2 at 2 stp TRANSFER")
    (event,) = [event for event in core.events if isinstance(event, MatchPrevented)]
    assert event.prevented_match_id == 1
    assert (event.mode, event.trade_group_id, event.price_e8) == (SelfTradePrevention.TRANSFER, 7, 2 * 10**8)
    assert (event.taker_prevented_e8, event.maker_prevented_e8) == (2 * 10**7, 2 * 10**7)
    assert event.maker.details is not None and event.maker.details.prevented_match_id == 1


@pytest.mark.parametrize(
    ("command", "account", "market", "expected"),
    [
        (None, None, "EXPIRE_MAKER", "EXPIRE_MAKER"),
        (None, "DECREMENT", "EXPIRE_MAKER", "DECREMENT"),
        ("NONE", "DECREMENT", "EXPIRE_MAKER", "NONE"),
    ],
)
def test_the_mode_is_the_orders_else_the_accounts_else_the_markets(
    command: str | None, account: str | None, market: str, expected: str
) -> None:
    core = CoreVenue()
    scenario = Scenario(core, funds=FUNDS)
    scenario.define(default_self_trade_prevention=SelfTradePrevention(market))
    if account:
        scenario.apply(SetAccountTerms(ACTORS["ada"], SelfTradePrevention(account)))
    scenario.play(f"ada buys 1 at 1{' stp ' + command if command else ''}")
    assert core.exchange.orders[1].self_trade_prevention is SelfTradePrevention(expected)


@pytest.mark.parametrize("mode", SelfTradePrevention)
def test_a_market_may_forbid_modes(mode: SelfTradePrevention) -> None:
    allowed = (SelfTradePrevention.NONE, SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH)
    core = CoreVenue()
    scenario = Scenario(core, funds=FUNDS)
    scenario.define(allowed_self_trade_prevention=allowed)
    (outcome,) = scenario.play(f"ada buys 1 at 1 stp {mode.name}")
    assert outcome.refusal is (None if mode in allowed else Refusal.SELF_TRADE_PREVENTION_NOT_ALLOWED)
    assert MARKET.default_self_trade_prevention is SelfTradePrevention.NONE
