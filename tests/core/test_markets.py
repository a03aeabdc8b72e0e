"""Goal: a market enters once, changes within reason, and never makes the orders that rest on it wrong."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.domain.commands import DefineMarket, Deposit
from services.domain.events import MarketDefined
from services.domain.money import ONE_E8
from services.domain.refusals import Refusal
from tests.core.scenario import ACTORS, MARKET, Scenario
from tests.core.venue import CoreVenue, Venue

FUNDS = "ada 1000 USDT, ada 10 BTC, bob 1000 USDT, bob 10 BTC"
CENT = ONE_E8 // 100
MILLI = ONE_E8 // 1000


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, Refusal.MARKET_UNCHANGED),
        ({"maker_fee_rate_e8": 5}, None),
        ({"max_price_e8": 500 * ONE_E8}, None),
        ({"base_asset": "ETH"}, Refusal.MARKET_ASSETS_FIXED),
        ({"quote_asset": "EUR"}, Refusal.MARKET_ASSETS_FIXED),
        ({"base_asset": "USDT", "quote_asset": "BTC"}, Refusal.MARKET_ASSETS_FIXED),
        ({"tick_size_e8": 0}, Refusal.INVALID_MARKET),
        ({"tick_size_e8": 1}, Refusal.INVALID_MARKET),
        ({"tick_size_e8": CENT // 2}, None),
        ({"step_size_e8": MILLI // 10}, None),
        ({"tick_size_e8": CENT * 2}, Refusal.GRID_COARSER_THAN_OPEN_ORDERS),
        ({"step_size_e8": MILLI * 2}, Refusal.GRID_COARSER_THAN_OPEN_ORDERS),
        ({"tick_size_e8": CENT // 2, "step_size_e8": MILLI * 2}, Refusal.GRID_COARSER_THAN_OPEN_ORDERS),
        ({"tick_size_e8": CENT * 3 // 2}, Refusal.GRID_COARSER_THAN_OPEN_ORDERS),
    ],
)
def test_what_may_change_while_orders_rest(venue: Venue, changes: dict[str, Any], refusal: Refusal | None) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.play("ada buys 1 at 100")
    assert scenario.define(**changes).refusal is refusal


@pytest.mark.parametrize("ending", ["ada cancels ada1", "bob sells 1 at 100", "ada cancels all"])
def test_the_grid_may_become_coarser_when_no_order_rests(venue: Venue, ending: str) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.play("ada buys 1 at 100")
    coarser = {"tick_size_e8": ONE_E8, "step_size_e8": ONE_E8}
    assert scenario.define(**coarser).refusal is Refusal.GRID_COARSER_THAN_OPEN_ORDERS
    scenario.play(ending)
    assert scenario.define(**coarser).refusal is None
    outcomes = scenario.play("ada buys 1 at 99.99, ada buys 0.999 at 99, ada buys 2 at 99")
    assert [outcome.refusal for outcome in outcomes] == [Refusal.PRICE_FILTER, Refusal.LOT_SIZE, None]


def test_orders_of_a_coarse_grid_trade_exactly_on_a_finer_one(venue: Venue) -> None:
    """Goal: what was locked on the old grid pays for fills on the new one to the last unit."""
    scenario = Scenario(venue, funds=FUNDS)
    scenario.play("ada buys 1 at 100.01")
    scenario.define(tick_size_e8=MILLI, step_size_e8=ONE_E8 // 100_000)
    scenario.play("bob sells 0.00001 at 50, bob sells 0.33333 at 100.001 FOK")
    assert scenario.balances(like="ada 0+0 USDT, ada 0+0 BTC") == "ada 899.99+66.6726666 USDT, ada 10.33334+0 BTC"
    scenario.play("ada cancels all")
    assert scenario.balance("ada", "USDT") == "ada 966.6626666+0 USDT"


def test_another_market_may_trade_the_same_assets_with_the_same_money(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    assert scenario.define(symbol="BTCUSDT2").refusal is None
    scenario.play("ada buys 4 at 100")
    scenario.symbol = "BTCUSDT2"
    outcomes = scenario.play("ada buys 7 at 100, ada buys 6 at 100")
    assert [outcome.refusal for outcome in outcomes] == [Refusal.INSUFFICIENT_BALANCE, None]
    assert scenario.balance("ada", "USDT") == "ada 0+1000 USDT"


def test_books_of_different_markets_do_not_meet(venue: Venue) -> None:
    scenario = Scenario(venue, funds=FUNDS)
    scenario.define(symbol="BTCUSDT2")
    scenario.play("ada buys 1 at 100")
    scenario.symbol = "BTCUSDT2"
    (outcome,) = scenario.play("bob sells 1 at 90")
    assert scenario.result(outcome) == "NEW 0 for 0"


def test_assets_become_known_with_their_first_market(venue: Venue) -> None:
    scenario = Scenario(venue)
    deposit = Deposit(ACTORS["ada"], "ETH", 5, "a")
    assert scenario.apply(deposit).refusal is Refusal.UNKNOWN_ASSET
    scenario.define(symbol="ETHUSDT", base_asset="ETH")
    assert scenario.apply(deposit).refusal is None


def test_a_refused_market_is_not_listed(venue: Venue) -> None:
    scenario = Scenario(venue)
    assert scenario.define(symbol="ETHUSDT", base_asset="ETH", max_open_orders=0).refusal is Refusal.INVALID_MARKET
    assert scenario.apply(Deposit(ACTORS["ada"], "ETH", 5, "a")).refusal is Refusal.UNKNOWN_ASSET


def test_a_definition_is_reported_as_it_was_given() -> None:
    core = CoreVenue()
    scenario = Scenario(core)
    for market in (replace(MARKET, maker_fee_rate_e8=7), replace(MARKET, symbol="BTCUSDT2")):
        scenario.apply(DefineMarket(market))
        assert list(core.events) == [MarketDefined(market)]


def test_a_file_does_not_overrule_a_command(venue: Venue) -> None:
    scenario = Scenario(venue)
    by_file, by_command = (
        replace(MARKET, symbol="AQ", max_open_orders=5),
        replace(MARKET, symbol="AQ", max_open_orders=6),
    )
    changed_file = replace(by_file, max_open_orders=7)
    steps = [
        (DefineMarket(by_file, from_file=True), None),
        (DefineMarket(changed_file, from_file=True), None),
        (DefineMarket(changed_file, from_file=True), Refusal.MARKET_UNCHANGED),
        (DefineMarket(by_command), None),
        (DefineMarket(by_file, from_file=True), Refusal.DEFINED_BY_COMMAND),
        (DefineMarket(by_command, from_file=True), Refusal.MARKET_UNCHANGED),
    ]
    for command, refusal in steps:
        assert scenario.apply(command).refusal is refusal, command
