"""Goal: each filter's bounds are inclusive, 0 switches one off, and each judges the orders it should (section 3)."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.domain.commands import DefineVenue, PlaceOrder
from services.domain.market import MarketStatus
from services.domain.market import Venue as Limits
from services.domain.money import MAX_E8, ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from tests.core.scenario import ACTORS, MARKET, Scenario
from tests.core.venue import CoreVenue, Venue

FUNDS = "ada 100000 USDT, ada 1000 BTC, bob 100000 USDT, bob 1000 BTC"
PRICES = {"min_price_e8": 10 * ONE_E8, "max_price_e8": 20 * ONE_E8}
QUANTITIES = {"min_quantity_e8": ONE_E8 // 2, "max_quantity_e8": 50 * ONE_E8}
NOTIONALS = {"min_notional_e8": 5 * ONE_E8, "max_notional_e8": 500 * ONE_E8}
MARKET_QUANTITY = {"max_market_quantity_e8": 7 * ONE_E8}
NOTIONAL_NOT_FOR_MARKET = {**NOTIONALS, "apply_min_notional_to_market": False}
NOTIONAL_FOR_MARKET = {**NOTIONALS, "apply_max_notional_to_market": True}

LIMIT_ORDERS: list[tuple[dict[str, Any], str, str]] = [
    (PRICES, "ada buys 1 at 9.99", "refused PRICE_FILTER"),
    (PRICES, "ada buys 1 at 10", "NEW 0 for 0"),
    (PRICES, "ada sells 1 at 20", "NEW 0 for 0"),
    (PRICES, "ada sells 1 at 20.01", "refused PRICE_FILTER"),
    ({}, "ada buys 1 at 0", "refused UNSUPPORTED_COMBINATION"),
    ({}, "ada buys 1 at 0.01", "NEW 0 for 0"),
    ({}, "ada buys 1 at 10.001", "refused PRICE_FILTER"),
    ({}, "ada buys 1 at 10.00000001", "refused PRICE_FILTER"),
    ({}, "ada sells 1 at 90000000000", "NEW 0 for 0"),
    (QUANTITIES, "ada buys 0.499 at 10", "refused LOT_SIZE"),
    (QUANTITIES, "ada buys 0.5 at 10", "NEW 0 for 0"),
    (QUANTITIES, "ada buys 50 at 10", "NEW 0 for 0"),
    (QUANTITIES, "ada buys 50.001 at 10", "refused LOT_SIZE"),
    ({}, "ada buys 0 at 10", "refused UNSUPPORTED_COMBINATION"),
    ({}, "ada buys 0.001 at 10", "NEW 0 for 0"),
    ({}, "ada buys 1.0001 at 10", "refused LOT_SIZE"),
    ({}, "ada buys 9000 at 10", "NEW 0 for 0"),
    (NOTIONALS, "ada buys 0.499 at 10", "refused NOTIONAL"),
    (NOTIONALS, "ada buys 0.5 at 10", "NEW 0 for 0"),
    (NOTIONALS, "ada sells 50 at 10", "NEW 0 for 0"),
    (NOTIONALS, "ada sells 50.001 at 10", "refused NOTIONAL"),
    (MARKET_QUANTITY, "ada buys 7.001 at 10", "NEW 0 for 0"),
]

# The last trade was at 10, and 90 are on offer and 90 wanted.
MARKET_ORDERS: list[tuple[dict[str, Any], str, str]] = [
    (QUANTITIES, "ada buys 0.499 at market", "refused LOT_SIZE"),
    (QUANTITIES, "ada buys 0.5 at market", "FILLED 0.5 for 5.5"),
    (QUANTITIES, "ada buys 50 at market", "FILLED 50 for 550"),
    (QUANTITIES, "ada buys 50.001 at market", "refused LOT_SIZE"),
    (QUANTITIES, "ada buys at market for 5.489", "refused LIQUIDITY_BELOW_LOT_SIZE"),
    ({"min_market_quantity_e8": 2 * ONE_E8}, "ada buys at market for 15", "refused LIQUIDITY_BELOW_MARKET_LOT_SIZE"),
    (QUANTITIES, "ada buys at market for 5.5", "FILLED 0.5 for 5.5"),
    (QUANTITIES, "ada sells at market for 450", "FILLED 50 for 450"),
    (QUANTITIES, "ada sells at market for 450.009", "refused LOT_SIZE"),
    ({}, "ada buys 0 at market", "refused UNSUPPORTED_COMBINATION"),
    ({}, "ada buys 0.0005 at market", "refused LOT_SIZE"),
    (MARKET_QUANTITY, "ada sells 7 at market", "FILLED 7 for 63"),
    (MARKET_QUANTITY, "ada sells 7.001 at market", "refused MARKET_LOT_SIZE"),
    (MARKET_QUANTITY, "ada buys at market for 77.01", "FILLED 7 for 77"),
    (MARKET_QUANTITY, "ada buys at market for 77.011", "refused MARKET_LOT_SIZE"),
    # By quantity the reference is the last price, by quote amount what the order would move.
    (NOTIONALS, "ada buys 0.499 at market", "refused NOTIONAL"),
    (NOTIONALS, "ada sells 0.5 at market", "FILLED 0.5 for 4.5"),
    (NOTIONALS, "ada buys 51 at market", "FILLED 51 for 561"),
    (NOTIONALS, "ada buys at market for 4.995", "refused NOTIONAL"),
    (NOTIONALS, "ada buys at market for 5.005", "FILLED 0.455 for 5.005"),
    (NOTIONAL_NOT_FOR_MARKET, "ada buys 0.001 at market", "FILLED 0.001 for 0.011"),
    (NOTIONAL_NOT_FOR_MARKET, "ada buys at market for 0.011", "FILLED 0.001 for 0.011"),
    (NOTIONAL_FOR_MARKET, "ada buys 50 at market", "FILLED 50 for 550"),
    (NOTIONAL_FOR_MARKET, "ada buys 50.001 at market", "refused NOTIONAL"),
    (NOTIONAL_FOR_MARKET, "ada buys at market for 500.004", "FILLED 45.454 for 499.994"),
    (NOTIONAL_FOR_MARKET, "ada buys at market for 500.005", "refused NOTIONAL"),
    (PRICES, "ada sells 1 at market", "FILLED 1 for 9"),
]


@pytest.mark.parametrize(("changes", "order", "result"), LIMIT_ORDERS)
def test_limit_order(venue: Venue, changes: dict[str, Any], order: str, result: str) -> None:
    scenario = Scenario(venue, replace(MARKET, **changes), FUNDS)
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == result


@pytest.mark.parametrize(("changes", "order", "result"), MARKET_ORDERS)
def test_market_order(venue: Venue, changes: dict[str, Any], order: str, result: str) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.play("bob sells 1 at 10, ada buys 1 at 10, bob sells 90 at 11, bob buys 90 at 9")
    if changes:
        scenario.define(**changes)
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == result


def test_a_market_that_never_traded_has_no_notional_to_judge(venue: Venue) -> None:
    scenario = Scenario(venue, replace(MARKET, **NOTIONALS), FUNDS)
    _, outcome = scenario.play("bob sells 10 at 11, ada buys 0.001 at market")
    assert scenario.result(outcome) == "FILLED 0.001 for 0.011"


@pytest.mark.parametrize("fourth", ["ada buys 1 at 4", "ada sells 1 at 9 MAKER", "ada buys 1 at 4 IOC"])
def test_open_orders_are_counted_per_account_and_market(venue: Venue, fourth: str) -> None:
    scenario = Scenario(venue, replace(MARKET, max_open_orders=3), FUNDS)
    outcomes = scenario.play(f"ada buys 1 at 1, ada buys 1 at 2, ada sells 1 at 9, {fourth} as last, bob buys 1 at 1")
    assert [scenario.result(outcome) for outcome in outcomes[3:]] == ["refused MAX_NUM_ORDERS", "NEW 0 for 0"]
    (outcome,) = scenario.play("ada sells 1 at market")
    assert scenario.result(outcome) == "FILLED 1 for 2", "market orders never rest, so they are not counted"
    (outcome,) = scenario.play("ada buys 1 at 3")
    assert scenario.result(outcome) == "NEW 0 for 0", "an order that was filled no longer counts"


@pytest.mark.parametrize("status", [MarketStatus.HALT, MarketStatus.BREAK, MarketStatus.CANCEL_ONLY])
def test_only_a_trading_market_takes_orders_but_each_lets_them_go(venue: Venue, status: MarketStatus) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.play("ada buys 1 at 5, ada buys 1 at 6, ada buys 1 at 7")
    scenario.define(status=status)
    outcomes = scenario.play("ada buys 1 at 5, ada sells 1 at market, ada cancels ada1, ada cancels all")
    assert [scenario.result(outcome) for outcome in outcomes] == [
        "refused MARKET_CLOSED",
        "refused MARKET_CLOSED",
        "CANCELED 0 for 0",
        "CANCELED 0 for 0",
    ]
    scenario.define(status=MarketStatus.TRADING)
    (outcome,) = scenario.play("ada buys 1 at 5")
    assert scenario.result(outcome) == "NEW 0 for 0"


@pytest.mark.parametrize(
    ("price", "quantity", "refusal"),
    [
        ((MAX_E8 // ONE_E8 + 1) * ONE_E8, ONE_E8, Refusal.PRICE_FILTER),
        (ONE_E8, (MAX_E8 // ONE_E8 + 1) * ONE_E8, Refusal.LOT_SIZE),
        (MAX_E8 // ONE_E8 * ONE_E8, ONE_E8, None),
    ],
)
def test_numbers_beyond_64_bits_are_refused(venue: Venue, price: int, quantity: int, refusal: Refusal | None) -> None:
    """Goal: MessagePack carries twice as much as a bigint holds."""
    scenario = Scenario(venue, funds=FUNDS)
    sell = PlaceOrder(ACTORS["ada"], "BTCUSDT", "large", Side.SELL, OrderType.LIMIT, TimeInForce.GTC, quantity, price)
    assert scenario.apply(sell).refusal is refusal


@pytest.mark.parametrize(
    ("order", "result"),
    [
        ("ada buys 92233720368 at 0.00000001", "NEW 0 for 0"),
        ("ada buys 92233720367 at 0.00000002", "NEW 0 for 0"),
        ("ada buys 92233720368 at 0.00000002", "refused LEVEL_FULL"),
        ("ada buys 92233720368 at 0.00000002 IOC", "refused LEVEL_FULL"),
    ],
)
def test_the_total_of_a_level_stays_a_64_bit_number(venue: Venue, order: str, result: str) -> None:
    """Goal: bids at tiny prices cost little, so only this bound keeps their sums in range."""
    scenario = Scenario(venue, replace(MARKET, tick_size_e8=1, step_size_e8=ONE_E8), FUNDS)
    scenario.play("bob buys 1 at 0.00000002")
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == result


@pytest.mark.parametrize(
    ("order", "result"),
    [
        ("ada sells 92233720368.547 at 92233720368.54", "refused NOTIONAL"),
        ("ada sells 92233720368.547 at 1 FOK", "FILLED 92233720368.547 for 92233720368.547"),
        ("ada sells 92233720368.547 at market", "FILLED 92233720368.547 for 92233720368.547"),
        ("ada sells at market for 92233720368.547", "FILLED 92233720368.547 for 92233720368.547"),
        ("ada buys 92233720368.547 at 92233720368.54", "refused NOTIONAL"),
    ],
)
def test_the_largest_numbers_there_are(venue: Venue, order: str, result: str) -> None:
    """Goal: no amount that fits the wire format overflows, is rounded or slips through."""
    scenario = Scenario(venue, replace(MARKET, taker_fee_rate_e8=ONE_E8 // 10))
    everything = "92233720368.54775807"
    scenario.play(f"ada deposits {everything} BTC as a, bob deposits {everything} USDT as b")
    scenario.play("bob buys 92233720368.547 at 1")
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == result
    for asset in ("BTC", "USDT"):
        total = sum(sum(amounts) for (_, held), amounts in venue.balances().items() if held == asset)
        assert total == MAX_E8


# Filters of what only some orders have, and limits over markets. The last trade was at 100.
SPECIAL_ORDERS: list[tuple[dict[str, Any], str, str]] = [
    ({"min_price_e8": 90 * ONE_E8}, "ada sells 1 at 95 on loss 89.99", "refused PRICE_FILTER"),
    ({"min_price_e8": 90 * ONE_E8}, "ada sells 1 at 95 on loss 90", "NEW 0 for 0"),
    ({"max_price_e8": 110 * ONE_E8}, "ada buys 1 at market on loss 110.01", "refused PRICE_FILTER"),
    ({}, "ada buys 1 at market on loss 110.001", "refused PRICE_FILTER"),
    ({"max_market_quantity_e8": 2 * ONE_E8}, "ada sells 2 at market on loss 90", "NEW 0 for 0"),
    ({"max_market_quantity_e8": 2 * ONE_E8}, "ada sells 2.001 at market on loss 90", "refused MARKET_LOT_SIZE"),
    ({"max_market_quantity_e8": 2 * ONE_E8}, "ada sells 2.001 at 90 on loss 90", "NEW 0 for 0"),
    ({"min_market_quantity_e8": 2 * ONE_E8}, "ada sells 1.999 at market", "refused MARKET_LOT_SIZE"),
    ({"market_step_size_e8": ONE_E8}, "ada sells 1.5 at market", "refused MARKET_LOT_SIZE"),
    ({"market_step_size_e8": ONE_E8}, "ada sells 1.5 at 101", "NEW 0 for 0"),
    ({"market_step_size_e8": ONE_E8}, "ada buys at market for 350", "FILLED 3 for 300"),
    # Above: STOP_LOSS that buys, TAKE_PROFIT that sells.
    ({"min_trailing_above_delta": 20}, "ada buys 1 at market on loss trailing 19", "refused TRAILING_DELTA"),
    ({"min_trailing_above_delta": 20}, "ada buys 1 at market on loss trailing 20", "NEW 0 for 0"),
    ({"max_trailing_above_delta": 20}, "ada sells 1 at market on profit trailing 20", "NEW 0 for 0"),
    ({"max_trailing_above_delta": 20}, "ada sells 1 at market on profit trailing 21", "refused TRAILING_DELTA"),
    ({"min_trailing_below_delta": 20}, "ada sells 1 at market on loss trailing 19", "refused TRAILING_DELTA"),
    ({"min_trailing_below_delta": 20}, "ada sells 1 at market on loss trailing 20", "NEW 0 for 0"),
    ({"max_trailing_below_delta": 20}, "ada buys 1 at market on profit trailing 20", "NEW 0 for 0"),
    ({"max_trailing_below_delta": 20}, "ada buys 1 at market on profit trailing 21", "refused TRAILING_DELTA"),
    ({"max_trailing_below_delta": 20}, "ada sells 1 at market on profit trailing 21", "NEW 0 for 0"),
    # PERCENT_PRICE: both sides within 80 to 120.
    ({"multiplier_up_e8": 120_000_000, "multiplier_down_e8": 80_000_000}, "ada sells 1 at 120", "NEW 0 for 0"),
    (
        {"multiplier_up_e8": 120_000_000, "multiplier_down_e8": 80_000_000},
        "ada sells 1 at 120.01",
        "refused PERCENT_PRICE",
    ),
    ({"multiplier_up_e8": 120_000_000, "multiplier_down_e8": 80_000_000}, "ada buys 1 at 80", "NEW 0 for 0"),
    (
        {"multiplier_up_e8": 120_000_000, "multiplier_down_e8": 80_000_000},
        "ada buys 1 at 79.99",
        "refused PERCENT_PRICE",
    ),
    # PERCENT_PRICE_BY_SIDE: each side has its own.
    ({"bid_multiplier_up_e8": 110_000_000}, "ada buys 1 at 110.01", "refused PERCENT_PRICE_BY_SIDE"),
    ({"bid_multiplier_up_e8": 110_000_000}, "ada sells 1 at 110.01", "NEW 0 for 0"),
    (
        {"bid_multiplier_up_e8": 110_000_000, "bid_multiplier_down_e8": 90_000_000},
        "ada buys 1 at 89.99",
        "refused PERCENT_PRICE_BY_SIDE",
    ),
    ({"ask_multiplier_up_e8": 110_000_000}, "ada sells 1 at 110.01", "refused PERCENT_PRICE_BY_SIDE"),
    ({"ask_multiplier_up_e8": 110_000_000}, "ada sells 1 at 110", "NEW 0 for 0"),
    (
        {"ask_multiplier_up_e8": 110_000_000, "ask_multiplier_down_e8": 90_000_000},
        "ada sells 1 at 89.99 IOC",
        "refused PERCENT_PRICE_BY_SIDE",
    ),
    # ada owns 1000, and 100 more are on offer.
    ({"max_position_e8": 1001 * ONE_E8}, "ada buys 1 at 90", "NEW 0 for 0"),
    ({"max_position_e8": 1001 * ONE_E8}, "ada buys 1.001 at 90", "refused MAX_POSITION"),
    ({"max_position_e8": 1001 * ONE_E8}, "ada buys 1.001 at market", "refused MAX_POSITION"),
    ({"max_position_e8": 1001 * ONE_E8}, "ada sells 5 at 101", "NEW 0 for 0"),
]


@pytest.mark.parametrize(("changes", "order", "result"), SPECIAL_ORDERS)
def test_what_only_some_orders_have(changes: dict[str, Any], order: str, result: str) -> None:
    scenario = Scenario(CoreVenue(), replace(MARKET, **changes), FUNDS)
    for command in ("bob sells 99 at 100", "cleo deposits 500 USDT as cleos", "cleo buys 1 at 100"):
        scenario.venue.apply(scenario.read(command), 1)
    if not scenario.venue.depth("BTCUSDT")[1]:
        pytest.fail("nothing is on offer")
    (outcome,) = scenario.play(order)
    assert scenario.result(outcome) == result


def test_a_position_counts_open_buys() -> None:
    scenario = Scenario(CoreVenue(), replace(MARKET, max_position_e8=1005 * ONE_E8), FUNDS)
    outcomes = scenario.play(
        "ada buys 3 at 90, ada buys 2 at 90 on loss 95, ada buys 0.001 at 1, ada cancels ada1, ada buys 3 at 80"
    )
    assert [outcome.refusal for outcome in outcomes] == [None, None, Refusal.MAX_POSITION, None, None]


def test_algo_orders_are_counted_per_account_and_market() -> None:
    scenario = Scenario(CoreVenue(), replace(MARKET, max_algo_orders=2), FUNDS)
    outcomes = scenario.play(
        "ada sells 1 at 90 on loss 95 as a, ada sells 1 at market on loss trailing 100, ada sells 1 at 90 on loss 95,"
        "bob sells 1 at 90 on loss 95, ada sells 1 at 99, ada cancels a, ada buys 1 at market on profit 95"
    )
    expected = [None, None, Refusal.MAX_NUM_ALGO_ORDERS, None, None, None, None]
    assert [outcome.refusal for outcome in outcomes] == expected


STOP = "ada sells 1 at 90 on loss 95"
ICE = "ada sells 2 at 101 showing 1"
PAIR = "ada lists OCO l{}: sells 1 at 110 MAKER & sells 1 at 85 on loss 90"


@pytest.mark.parametrize(
    ("limits", "here", "there", "refusal"),
    [
        (Limits(max_open_orders=2), "ada buys 1 at 1", "ada buys 1 at 1", Refusal.EXCHANGE_MAX_NUM_ORDERS),
        (Limits(max_algo_orders=2), STOP, STOP, Refusal.EXCHANGE_MAX_NUM_ALGO_ORDERS),
        (Limits(max_iceberg_orders=2), ICE, ICE, Refusal.EXCHANGE_MAX_NUM_ICEBERG_ORDERS),
        (Limits(max_order_lists=2), PAIR, PAIR, Refusal.EXCHANGE_MAX_NUM_ORDER_LISTS),
    ],
)
def test_limits_over_all_markets(limits: Limits, here: str, there: str, refusal: Refusal) -> None:
    scenario = Scenario(CoreVenue(), funds=FUNDS)
    scenario.define(symbol="BTCUSDT2")
    scenario.apply(DefineVenue(limits))
    results = []
    for number, text in enumerate((here, there, there, there.replace("ada", "bob"))):
        scenario.symbol = "BTCUSDT" if number == 0 else "BTCUSDT2"
        results += scenario.play(text.format(number))
    assert [outcome.refusal for outcome in results] == [None, None, refusal, None]
    scenario.apply(DefineVenue(Limits()))
    (outcome,) = scenario.play(there.format(9))
    assert outcome.refusal is None


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        ("ada sells 5 at 1", None),
        ("ada sells 5.001 at 1", Refusal.MAX_ASSET),
        ("ada buys 5 at 60", None),
        ("ada buys 3 at 100.01", Refusal.MAX_ASSET),
        ("ada buys 5.001 at market", Refusal.MAX_ASSET),
        ("ada buys at market for 30", None),
    ],
)
def test_the_most_of_an_asset_that_one_order_may_move(order: str, refusal: Refusal | None) -> None:
    """Of the base asset the quantity is asked, of the quote asset what the order is worth."""
    scenario = Scenario(CoreVenue(), funds=FUNDS)
    scenario.apply(DefineVenue(Limits(max_order_amounts_e8=(("BTC", 5 * ONE_E8), ("USDT", 300 * ONE_E8)))))
    scenario.play("bob sells 4 at 10, bob sells 4 at 10")
    (outcome,) = scenario.play(order)
    assert outcome.refusal is refusal


def test_the_average_price_is_the_reference_where_the_market_says_so() -> None:
    """Trades of 1 at 100 and 3 at 200 average at 175; two minutes later only the last price is left."""
    market = replace(MARKET, average_minutes=1, multiplier_up_e8=110_000_000)
    scenario = Scenario(CoreVenue(), market, FUNDS)
    scenario.play("bob sells 1 at 100, ada buys 1 at 100, bob sells 1 at 110")
    assert scenario.result(scenario.play("bob sells 3 at 110.01")[0]) == "refused PERCENT_PRICE"
    scenario.define(average_minutes=1, multiplier_up_e8=0)
    scenario.play("ada buys 1 at 110, bob sells 3 at 200, ada buys 3 at 200")
    scenario.define(average_minutes=1, multiplier_up_e8=110_000_000)
    # (100 + 110 + 600) / 5 = 162
    assert scenario.result(scenario.play("bob sells 1 at 178.2")[0]) == "NEW 0 for 0"
    assert scenario.result(scenario.play("bob sells 1 at 178.21")[0]) == "refused PERCENT_PRICE"
    scenario.now_us += 61_000_000
    assert scenario.result(scenario.play("bob sells 1 at 220")[0]) == "NEW 0 for 0"
    assert scenario.result(scenario.play("bob sells 1 at 220.01")[0]) == "refused PERCENT_PRICE"
