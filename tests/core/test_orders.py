"""Goal: every order type and time in force does what the dialect says (compatibility reference section 4.1)."""

from dataclasses import dataclass

import pytest

from tests.core.scenario import Scenario, plain
from tests.core.venue import LevelChanges, Venue

FUNDS = "ada 1000 USDT, ada 10 BTC, bob 1000 USDT, bob 10 BTC, cleo 1000 USDT, cleo 10 BTC"


@dataclass(frozen=True)
class Case:
    """A resting book, one incoming order, and what must come of it. The notation is that of ``scenario``."""

    name: str
    order: str
    result: str
    resting: str = ""
    trades: str = ""
    book: str = ""
    balances: str = ""


LIMIT_GTC = [
    Case(
        "rests on an empty book and locks price times quantity",
        "ada buys 2 at 100",
        "NEW 0 for 0",
        book="2@100 |",
        balances="ada 800+200 USDT, ada 10+0 BTC",
    ),
    Case(
        "a sell locks its quantity",
        "ada sells 2 at 100",
        "NEW 0 for 0",
        book="| 2@100",
        balances="ada 1000+0 USDT, ada 8+2 BTC",
    ),
    Case(
        "rests beside a book it does not cross",
        "ada buys 1 at 99.99",
        "NEW 0 for 0",
        resting="bob sells 1 at 100",
        book="1@99.99 | 1@100",
    ),
    Case(
        "fills against an equal price",
        "ada buys 1 at 100",
        "FILLED 1 for 100",
        resting="bob sells 1 at 100",
        trades="1 at 100 with bob1",
        balances="ada 900+0 USDT, ada 11+0 BTC, bob 1100+0 USDT, bob 9+0 BTC",
    ),
    Case(
        "a buy trades at the maker's lower price and gets the difference back",
        "ada buys 1 at 110",
        "FILLED 1 for 100",
        resting="bob sells 1 at 100",
        trades="1 at 100 with bob1",
        balances="ada 900+0 USDT, bob 1100+0 USDT",
    ),
    Case(
        "a sell trades at the maker's higher price",
        "ada sells 1 at 90",
        "FILLED 1 for 100",
        resting="bob buys 1 at 100",
        trades="1 at 100 with bob1",
        balances="ada 1100+0 USDT, ada 9+0 BTC, bob 900+0 USDT, bob 11+0 BTC",
    ),
    Case(
        "a partial fill rests with what is left, locking no more than that",
        "ada buys 3 at 110",
        "PARTIALLY_FILLED 1 for 100",
        resting="bob sells 1 at 100",
        trades="1 at 100 with bob1",
        book="2@110 |",
        balances="ada 680+220 USDT, ada 11+0 BTC",
    ),
    Case(
        "a sell partly filled rests with what is left",
        "ada sells 3 at 90",
        "PARTIALLY_FILLED 1 for 100",
        resting="bob buys 1 at 100",
        trades="1 at 100 with bob1",
        book="| 2@90",
        balances="ada 1100+0 USDT, ada 7+2 BTC",
    ),
    Case(
        "a maker filled in part stays with the rest",
        "ada buys 1 at 100",
        "FILLED 1 for 100",
        resting="bob sells 3 at 100",
        trades="1 at 100 with bob1",
        book="| 2@100",
        balances="bob 1100+0 USDT, bob 7+2 BTC",
    ),
    Case(
        "a buying maker filled in part keeps locking the rest",
        "ada sells 1 at 100",
        "FILLED 1 for 100",
        resting="bob buys 3 at 100",
        trades="1 at 100 with bob1",
        book="2@100 |",
        balances="bob 700+200 USDT, bob 11+0 BTC",
    ),
    Case(
        "sweeps up to its limit and rests there",
        "ada buys 4 at 101",
        "PARTIALLY_FILLED 2 for 201",
        resting="bob sells 1 at 100, bob sells 1 at 101, bob sells 1 at 102",
        trades="1 at 100 with bob1, 1 at 101 with bob2",
        book="2@101 | 1@102",
        balances="ada 597+202 USDT, ada 12+0 BTC",
    ),
    Case(
        "may trade with its own account",
        "ada buys 1 at 100",
        "FILLED 1 for 100",
        resting="ada sells 1 at 100 as other",
        trades="1 at 100 with other",
        balances="ada 1000+0 USDT, ada 10+0 BTC",
    ),
    Case(
        "may spend the last cent",
        "ada buys 10 at 100",
        "NEW 0 for 0",
        book="10@100 |",
        balances="ada 0+1000 USDT",
    ),
]

PRIORITY = [
    Case(
        "the lowest ask trades first, whenever it came",
        "ada buys 1 at 105",
        "FILLED 1 for 99",
        resting="bob sells 1 at 101, cleo sells 1 at 99, bob sells 1 at 100",
        trades="1 at 99 with cleo1",
        book="| 1@100 1@101",
    ),
    Case(
        "the highest bid trades first, whenever it came",
        "ada sells 1 at 95",
        "FILLED 1 for 101",
        resting="bob buys 1 at 99, cleo buys 1 at 101, bob buys 1 at 100",
        trades="1 at 101 with cleo1",
        book="1@100 1@99 |",
    ),
    Case(
        "at one price the oldest trades first",
        "ada buys 2.5 at 100",
        "FILLED 2.5 for 250",
        resting="bob sells 1 at 100, cleo sells 1 at 100, bob sells 1 at 100",
        trades="1 at 100 with bob1, 1 at 100 with cleo1, 0.5 at 100 with bob2",
        book="| 0.5@100",
    ),
    Case(
        "a partly filled maker keeps its place",
        "ada buys 1 at 100",
        "FILLED 1 for 100",
        resting="bob sells 2 at 100, cleo sells 1 at 100, cleo buys 0.5 at 100",
        trades="1 at 100 with bob1",
        book="| 1.5@100",
    ),
    Case(
        "an order placed again has lost its place",
        "ada buys 1 at 100",
        "FILLED 1 for 100",
        resting="bob sells 1 at 100, cleo sells 1 at 100, bob cancels bob1, bob sells 1 at 100",
        trades="1 at 100 with cleo1",
        book="| 1@100",
    ),
    Case(
        "cancelling in the middle of a level keeps the others in line",
        "ada buys 2 at 100",
        "FILLED 2 for 200",
        resting="bob sells 1 at 100, cleo sells 1 at 100, bob sells 1 at 100, cleo cancels cleo1",
        trades="1 at 100 with bob1, 1 at 100 with bob2",
    ),
    Case(
        "cancelling at the end of a level leaves room behind the last",
        "ada buys 2 at 100",
        "FILLED 2 for 200",
        resting="bob sells 1 at 100, cleo sells 1 at 100, cleo cancels cleo1, bob sells 1 at 100",
        trades="1 at 100 with bob1, 1 at 100 with bob2",
    ),
    Case(
        "a price comes before a time",
        "ada buys 3 at 101",
        "FILLED 3 for 301",
        resting="bob sells 1 at 101, cleo sells 1 at 100, bob sells 1 at 100",
        trades="1 at 100 with cleo1, 1 at 100 with bob2, 1 at 101 with bob1",
    ),
]

LIMIT_IOC = [
    Case(
        "expires at once on an empty book and gives its lock back",
        "ada buys 1 at 100 IOC",
        "EXPIRED 0 for 0 UNFILLED_IOC_QUANTITY_EXPIRED",
        balances="ada 1000+0 USDT",
    ),
    Case(
        "fills completely",
        "ada buys 1 at 100 IOC",
        "FILLED 1 for 100",
        resting="bob sells 2 at 100",
        trades="1 at 100 with bob1",
        book="| 1@100",
    ),
    Case(
        "keeps what it got, and the rest expires",
        "ada buys 3 at 100 IOC",
        "EXPIRED 1 for 99 UNFILLED_IOC_QUANTITY_EXPIRED",
        resting="bob sells 1 at 99, bob sells 5 at 101",
        trades="1 at 99 with bob1",
        book="| 5@101",
        balances="ada 901+0 USDT, ada 11+0 BTC",
    ),
    Case(
        "a sell expires too",
        "ada sells 3 at 100 IOC",
        "EXPIRED 1 for 101 UNFILLED_IOC_QUANTITY_EXPIRED",
        resting="bob buys 1 at 101, bob buys 5 at 99",
        trades="1 at 101 with bob1",
        book="5@99 |",
        balances="ada 1101+0 USDT, ada 9+0 BTC",
    ),
]

LIMIT_FOK = [
    Case(
        "fills completely over several levels",
        "ada buys 3 at 101 FOK",
        "FILLED 3 for 302",
        resting="bob sells 1 at 100, cleo sells 1 at 101, bob sells 1 at 101",
        trades="1 at 100 with bob1, 1 at 101 with cleo1, 1 at 101 with bob2",
        balances="ada 698+0 USDT, ada 13+0 BTC",
    ),
    Case(
        "takes nothing when the book holds too little",
        "ada buys 3 at 101 FOK",
        "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED",
        resting="bob sells 2.999 at 100",
        book="| 2.999@100",
        balances="ada 1000+0 USDT, ada 10+0 BTC",
    ),
    Case(
        "takes nothing when enough is offered but not within its limit",
        "ada buys 3 at 101 FOK",
        "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED",
        resting="bob sells 2 at 100, bob sells 5 at 101.01",
        book="| 2@100 5@101.01",
        balances="ada 1000+0 USDT",
    ),
    Case(
        "a sell fills completely",
        "ada sells 2 at 99 FOK",
        "FILLED 2 for 199",
        resting="bob buys 1 at 100, bob buys 1 at 99",
        trades="1 at 100 with bob1, 1 at 99 with bob2",
    ),
    Case(
        "a sell takes nothing when too little is bid within its limit",
        "ada sells 2 at 99 FOK",
        "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED",
        resting="bob buys 1 at 100, bob buys 9 at 98.99",
        book="1@100 9@98.99 |",
        balances="ada 10+0 BTC",
    ),
    Case(
        "expires at once on an empty book",
        "ada sells 2 at 99 FOK",
        "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED",
        balances="ada 10+0 BTC",
    ),
]

LIMIT_MAKER = [
    Case("rests on an empty book", "ada buys 1 at 100 MAKER", "NEW 0 for 0", book="1@100 |"),
    Case(
        "rests one tick below the best ask",
        "ada buys 1 at 99.99 MAKER",
        "NEW 0 for 0",
        resting="bob sells 1 at 100",
        book="1@99.99 | 1@100",
    ),
    Case(
        "rests one tick above the best bid",
        "ada sells 1 at 100.01 MAKER",
        "NEW 0 for 0",
        resting="bob buys 1 at 100",
        book="1@100 | 1@100.01",
    ),
    Case(
        "a buy that touches the best ask is refused",
        "ada buys 1 at 100 MAKER",
        "refused WOULD_MATCH_IMMEDIATELY",
        resting="bob sells 1 at 100",
        book="| 1@100",
        balances="ada 1000+0 USDT",
    ),
    Case(
        "a sell that touches the best bid is refused",
        "ada sells 1 at 99 MAKER",
        "refused WOULD_MATCH_IMMEDIATELY",
        resting="bob buys 1 at 100",
        book="1@100 |",
    ),
    Case(
        "trades as a maker later",
        "bob sells 1 at 99",
        "FILLED 1 for 100",
        resting="ada buys 1 at 100 MAKER",
        trades="1 at 100 with ada1",
    ),
]

MARKET_BY_QUANTITY = [
    Case(
        "a buy sweeps the asks and pays each maker's price",
        "ada buys 2 at market",
        "FILLED 2 for 210",
        resting="bob sells 1 at 100, bob sells 5 at 110",
        trades="1 at 100 with bob1, 1 at 110 with bob2",
        book="| 4@110",
        balances="ada 790+0 USDT, ada 12+0 BTC",
    ),
    Case(
        "a sell sweeps the bids",
        "ada sells 2 at market",
        "FILLED 2 for 190",
        resting="bob buys 1 at 100, bob buys 5 at 90",
        trades="1 at 100 with bob1, 1 at 90 with bob2",
        book="4@90 |",
        balances="ada 1190+0 USDT, ada 8+0 BTC",
    ),
    Case(
        "a buy keeps what an exhausted book gave, and the rest expires",
        "ada buys 3 at market",
        "EXPIRED 1 for 100 INSUFFICIENT_LIQUIDITY",
        resting="bob sells 1 at 100",
        trades="1 at 100 with bob1",
        balances="ada 900+0 USDT, ada 11+0 BTC",
    ),
    Case(
        "a sell keeps what an exhausted book paid, and the rest is free again",
        "ada sells 3 at market",
        "EXPIRED 1 for 100 INSUFFICIENT_LIQUIDITY",
        resting="bob buys 1 at 100",
        trades="1 at 100 with bob1",
        balances="ada 1100+0 USDT, ada 9+0 BTC",
    ),
    Case(
        "a buy expires on an empty book",
        "ada buys 1 at market",
        "EXPIRED 0 for 0 INSUFFICIENT_LIQUIDITY",
        balances="ada 1000+0 USDT",
    ),
    Case(
        "a sell expires on an empty book",
        "ada sells 1 at market",
        "EXPIRED 0 for 0 INSUFFICIENT_LIQUIDITY",
        balances="ada 10+0 BTC",
    ),
    Case(
        "a buy needs the cost of the whole sweep, no more",
        "ada buys 10 at market",
        "FILLED 10 for 1000",
        resting="bob sells 5 at 90, bob sells 5 at 110",
        trades="5 at 90 with bob1, 5 at 110 with bob2",
        balances="ada 0+0 USDT, ada 20+0 BTC",
    ),
    Case(
        "a buy that cannot pay for the whole sweep is refused before it takes anything",
        "ada buys 9.991 at market",
        "refused INSUFFICIENT_BALANCE",
        resting="bob sells 9.99 at 100, cleo sells 1 at 1001",
        book="| 9.99@100 1@1001",
        balances="ada 1000+0 USDT",
    ),
    Case(
        "a sell needs its whole quantity, even when the book is smaller",
        "ada sells 10.001 at market",
        "refused INSUFFICIENT_BALANCE",
        resting="bob buys 1 at 100",
        book="1@100 |",
    ),
]

MARKET_BY_QUOTE = [
    Case(
        "a buy spends no more than the amount, in whole steps",
        "ada buys at market for 100.19",
        "FILLED 1.001 for 100.1",
        resting="bob sells 5 at 100",
        trades="1.001 at 100 with bob1",
        book="| 3.999@100",
        balances="ada 899.9+0 USDT, ada 11.001+0 BTC",
    ),
    Case(
        "a buy spends the amount exactly where steps allow",
        "ada buys at market for 250",
        "FILLED 2.5 for 250",
        resting="bob sells 5 at 100",
        trades="2.5 at 100 with bob1",
        book="| 2.5@100",
    ),
    Case(
        "a buy goes on to dearer levels",
        "ada buys at market for 210",
        "FILLED 2 for 210",
        resting="bob sells 1 at 100, cleo sells 9 at 110",
        trades="1 at 100 with bob1, 1 at 110 with cleo1",
        book="| 8@110",
    ),
    Case(
        "a buy stops where the next step costs more than is left",
        "ada buys at market for 100.1",
        "FILLED 1 for 100",
        resting="bob sells 1 at 100, cleo sells 9 at 110",
        trades="1 at 100 with bob1",
        book="| 9@110",
    ),
    Case(
        "a sell sells what is needed to receive no more than the amount",
        "ada sells at market for 100.19",
        "FILLED 1.001 for 100.1",
        resting="bob buys 5 at 100",
        trades="1.001 at 100 with bob1",
        book="3.999@100 |",
        balances="ada 1100.1+0 USDT, ada 8.999+0 BTC",
    ),
    Case(
        "a sell goes on to lower bids",
        "ada sells at market for 190",
        "FILLED 2 for 190",
        resting="bob buys 1 at 100, cleo buys 9 at 90",
        trades="1 at 100 with bob1, 1 at 90 with cleo1",
        book="8@90 |",
    ),
    Case(
        "a sell whose amount ends with a level goes on where a step still fits",
        "ada sells at market for 100.09",
        "FILLED 1.001 for 100.09",
        resting="bob buys 1 at 100, cleo buys 9 at 90",
        trades="1 at 100 with bob1, 0.001 at 90 with cleo1",
        book="8.999@90 |",
    ),
    Case(
        "a buy that empties the book with money left has expired",
        "ada buys at market for 500",
        "EXPIRED 1 for 100 INSUFFICIENT_LIQUIDITY",
        resting="bob sells 1 at 100",
        trades="1 at 100 with bob1",
        balances="ada 900+0 USDT, ada 11+0 BTC",
    ),
    Case(
        "a sell that empties the book with money wanting has expired",
        "ada sells at market for 500",
        "EXPIRED 1 for 100 INSUFFICIENT_LIQUIDITY",
        resting="bob buys 1 at 100",
        trades="1 at 100 with bob1",
        balances="ada 1100+0 USDT, ada 9+0 BTC",
    ),
    Case(
        "emptying the book with less than a step left is complete",
        "ada buys at market for 100.09",
        "FILLED 1 for 100",
        resting="bob sells 1 at 100",
        trades="1 at 100 with bob1",
    ),
    Case("a buy on an empty book is refused", "ada buys at market for 100", "refused NO_LIQUIDITY"),
    Case(
        "own orders on the same side are no liquidity",
        "ada sells at market for 100",
        "refused NO_LIQUIDITY",
        resting="bob sells 1 at 100",
        book="| 1@100",
    ),
    Case(
        "an amount below one step is refused",
        "ada buys at market for 0.09",
        "refused LIQUIDITY_BELOW_LOT_SIZE",
        resting="bob sells 1 at 100",
        book="| 1@100",
    ),
    Case(
        "an amount beyond the balance is fine if the book costs less",
        "ada buys at market for 5000",
        "EXPIRED 5 for 500 INSUFFICIENT_LIQUIDITY",
        resting="bob sells 5 at 100",
        trades="5 at 100 with bob1",
        balances="ada 500+0 USDT",
    ),
    Case(
        "an amount beyond the balance is refused if the book could take it",
        "ada buys at market for 1000.1",
        "refused INSUFFICIENT_BALANCE",
        resting="bob sells 5 at 100, cleo sells 8 at 101",
        book="| 5@100 8@101",
    ),
]

GROUPS = {
    "limit-gtc": LIMIT_GTC,
    "priority": PRIORITY,
    "limit-ioc": LIMIT_IOC,
    "limit-fok": LIMIT_FOK,
    "limit-maker": LIMIT_MAKER,
    "market-quantity": MARKET_BY_QUANTITY,
    "market-quote": MARKET_BY_QUOTE,
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{group}: {case.name}") for group, cases in GROUPS.items() for case in cases]
)
def test_order(venue: Venue, case: Case) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    for outcome in scenario.play(case.resting):
        assert outcome.refusal is None
    (outcome,) = scenario.play(case.order)
    assert scenario.result(outcome) == case.result
    assert scenario.trades(outcome) == case.trades
    assert scenario.book() == (case.book or "|")
    assert scenario.balances(like=case.balances) == case.balances


def test_the_quantity_of_an_order_by_quote_is_what_it_bought(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    *_, outcome = scenario.play("bob sells 5 at 100, ada buys at market for 250")
    order = outcome.orders[2]
    assert (order.quantity_e8, order.quote_quantity_e8, order.price_e8) == (250_000_000, 25_000_000_000, 0)


def test_an_order_by_quote_that_empties_the_book_asked_for_the_rest_at_the_last_price(venue: Venue) -> None:
    """Goal: it ends with quantity open, as any order that expires, whatever its amount was given in."""
    scenario = Scenario(venue, funds=FUNDS)
    *_, outcome = scenario.play("bob sells 1 at 100, bob sells 1 at 110, ada buys at market for 999.99")
    order = outcome.orders[3]
    assert (scenario.result(outcome), plain(order.quantity_e8)) == (
        "EXPIRED 2 for 210 INSUFFICIENT_LIQUIDITY",
        "9.181",
    )


def test_a_sell_by_quote_need_not_own_what_nobody_bids_for(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    *_, outcome = scenario.play("bob buys 10 at 50, ada sells at market for 1000")
    assert scenario.result(outcome) == "EXPIRED 10 for 500 INSUFFICIENT_LIQUIDITY"


def test_orders_and_trades_are_numbered_from_one_in_the_order_they_came(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    outcomes = scenario.play(
        "bob sells 1 at 100, ada buys 1 at 1 FOK, bob buys 1 at 5000, cleo sells 1 at 100, ada buys 2 at 100"
    )
    assert [max(outcome.orders, default=0) for outcome in outcomes] == [1, 2, 0, 3, 4]
    assert [trade.trade_id for trade in outcomes[-1].trades] == [1, 2]


def test_times_are_those_of_the_commands(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    (placed,) = scenario.play("bob sells 2 at 100")
    placed_us = scenario.now_us
    (filled,) = scenario.play("ada buys 1 at 100")
    assert (placed.orders[1].created_us, placed.orders[1].updated_us) == (placed_us, placed_us)
    assert (filled.orders[1].created_us, filled.orders[1].updated_us) == (placed_us, scenario.now_us)
    assert filled.orders[2].created_us == scenario.now_us


def test_time_never_runs_backwards(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    before_us = scenario.now_us
    outcome = venue.apply(scenario.read("ada buys 1 at 100"), before_us - 500)
    assert outcome.orders[1].created_us == before_us


def test_book_changes_name_the_levels_that_changed_and_are_numbered_without_gaps(venue: Venue) -> None:
    """Goal: what the dialect's depth stream is built from (reference section 7.4)."""
    scenario = Scenario(venue, funds=FUNDS)
    outcomes = scenario.play(
        "bob sells 1 at 100, bob sells 1 at 101, ada buys 1 at 90 IOC, ada buys 1.5 at 101, ada buys 9 at 100 FOK,"
        "bob cancels all"
    )
    assert [outcome.update_id for outcome in outcomes] == [1, 2, 0, 3, 0, 4]
    assert [_plain_levels(outcome.levels) for outcome in outcomes] == [
        {"SELL 100": 10**8},
        {"SELL 101": 10**8},
        {},
        {"SELL 100": 0, "SELL 101": 50_000_000},
        {},
        {"SELL 101": 0},
    ]


def _plain_levels(levels: LevelChanges) -> dict[str, int]:
    return {f"{side.name} {price // 10**8}": quantity for (side, price), quantity in levels.items()}
