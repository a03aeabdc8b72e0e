"""Goal: a command that breaks several rules gets the refusal of the first in the documented precedence.

Method: each ladder starts with a command that breaks every rule on it. The venue must name the first and change
nothing; then that one fault is healed, and the next must be named, until the command is accepted.
"""

from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from services.domain.commands import CancelAllOrders, CancelOrder, Command, DefineMarket, Deposit, PlaceOrder, Withdraw
from services.domain.market import MarketStatus
from services.domain.money import MAX_E8, ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from services.engine.core.snapshot import capture, state_hash
from tests.core.scenario import ACTORS, MARKET, Scenario
from tests.core.venue import CoreVenue, Venue

ADA = ACTORS["ada"]
CENT = ONE_E8 // 100
NARROW = replace(
    MARKET,
    status=MarketStatus.HALT,
    min_price_e8=ONE_E8 // 2,
    max_price_e8=1000 * ONE_E8,
    min_quantity_e8=CENT,
    max_quantity_e8=100 * ONE_E8,
    max_market_quantity_e8=50 * ONE_E8,
    min_notional_e8=5 * ONE_E8,
    max_notional_e8=6000 * ONE_E8,
    apply_max_notional_to_market=True,
    max_open_orders=2,
)
OPEN = replace(NARROW, status=MarketStatus.TRADING)
# ada is left with 1 USDT free and as many open orders as she may have; the last trade was at 100.
FUNDS = "ada 22 USDT, bob 1000 BTC, cleo 100 USDT"
RESTING = "ada buys 1 at 10 as taken, ada buys 1 at 11 as other, bob sells 1 at 100, cleo buys 1 at 100"

# The refusal that must come, and what heals it: changes of the command, a market to define, or commands to play.
Rung = tuple[Refusal, dict[str, Any] | DefineMarket | str]


def order(type: OrderType, **changes: Any) -> PlaceOrder:
    command = PlaceOrder(ADA, "NOPE", "taken", Side.BUY, type, TimeInForce.GTC, 0)
    return replace(command, **changes)


def every_order(**well_formed: int) -> list[Rung]:
    return [
        (Refusal.UNKNOWN_SYMBOL, {"symbol": MARKET.symbol}),
        (Refusal.UNSUPPORTED_COMBINATION, well_formed),
        (Refusal.MARKET_CLOSED, DefineMarket(OPEN)),
        (Refusal.DUPLICATE_CLIENT_ORDER_ID, {"client_order_id": "fresh"}),
    ]


class Ladder(NamedTuple):
    command: Command
    rungs: list[Rung]
    resting: str = ""


LADDERS = {
    "a post-only order": Ladder(
        order(OrderType.LIMIT_MAKER, quantity_e8=1000 * ONE_E8 + 1, price_e8=100 * ONE_E8 + 1, quote_quantity_e8=1),
        [
            *every_order(quote_quantity_e8=0),
            (Refusal.PRICE_FILTER, {"price_e8": 100 * ONE_E8}),
            (Refusal.LOT_SIZE, {"quantity_e8": 61 * ONE_E8}),
            (Refusal.NOTIONAL, {"quantity_e8": 60 * ONE_E8}),
            (Refusal.MAX_NUM_ORDERS, "ada cancels other"),
            (Refusal.WOULD_MATCH_IMMEDIATELY, {"type": OrderType.LIMIT}),
            (Refusal.INSUFFICIENT_BALANCE, {"quantity_e8": ONE_E8 // 10}),
        ],
        resting="bob sells 1 at 100",
    ),
    "a buy on a level that is nearly full": Ladder(
        order(OrderType.LIMIT, quantity_e8=101 * ONE_E8, price_e8=ONE_E8 // 2 + 1, quote_quantity_e8=1),
        [
            *every_order(quote_quantity_e8=0),
            (Refusal.PRICE_FILTER, {"price_e8": ONE_E8 // 2}),
            (Refusal.LOT_SIZE, {"quantity_e8": 100 * ONE_E8}),
            (Refusal.LEVEL_FULL, {"quantity_e8": 50 * ONE_E8}),
            (Refusal.MAX_NUM_ORDERS, "ada cancels other"),
            (Refusal.INSUFFICIENT_BALANCE, "ada deposits 100 USDT as more"),
        ],
        resting="bob deposits 46116860150 USDT as most, bob buys 92233720300 at 0.5",
    ),
    "a market order by quantity": Ladder(
        order(OrderType.MARKET, quantity_e8=1000 * ONE_E8 + 1, price_e8=1),
        [
            *every_order(price_e8=0),
            (Refusal.LOT_SIZE, {"quantity_e8": 61 * ONE_E8}),
            (Refusal.MARKET_LOT_SIZE, {"quantity_e8": 4 * CENT}),
            (Refusal.NOTIONAL, {"quantity_e8": 5 * CENT}),
            (Refusal.INSUFFICIENT_BALANCE, "ada deposits 9 USDT as more"),
        ],
        resting="bob sells 60 at 200",
    ),
    "a market order by quote amount without makers": Ladder(
        order(OrderType.MARKET, quote_quantity_e8=ONE_E8 // 2, quantity_e8=1),
        [
            *every_order(quantity_e8=0),
            (Refusal.NO_LIQUIDITY, "bob sells 60 at 100"),
            (Refusal.LIQUIDITY_BELOW_LOT_SIZE, {"quote_quantity_e8": 4 * ONE_E8}),
            (Refusal.NOTIONAL, {"quote_quantity_e8": 5 * ONE_E8}),
            (Refusal.INSUFFICIENT_BALANCE, "ada deposits 4 USDT as more"),
        ],
    ),
    "a market order by a large quote amount": Ladder(
        order(OrderType.MARKET, quote_quantity_e8=6001 * ONE_E8, price_e8=1),
        [
            *every_order(price_e8=0),
            (Refusal.LOT_SIZE, {"quote_quantity_e8": 3000 * ONE_E8}),
            (Refusal.MARKET_LOT_SIZE, {"quote_quantity_e8": 4 * ONE_E8}),
            (Refusal.NOTIONAL, {"quote_quantity_e8": 5 * ONE_E8}),
            (Refusal.INSUFFICIENT_BALANCE, "ada deposits 4 USDT as more"),
        ],
        resting="bob sells 121 at 50",
    ),
    "a cancel": Ladder(
        CancelOrder(ACTORS["bob"], "NOPE", 2, "taken", "cancel"),
        [
            (Refusal.UNKNOWN_SYMBOL, {"symbol": MARKET.symbol}),
            (Refusal.UNKNOWN_ORDER, {"account_id": ADA}),
            (Refusal.CLIENT_ORDER_ID_MISMATCH, {"client_order_id": "other"}),
        ],
    ),
    "a cancel of everything": Ladder(
        CancelAllOrders(ACTORS["bob"], "NOPE", "all"),
        [
            (Refusal.UNKNOWN_SYMBOL, {"symbol": MARKET.symbol}),
            (Refusal.UNKNOWN_ORDER, {"account_id": ADA}),
        ],
    ),
    "a deposit": Ladder(
        Deposit(0, "DOGE", 0, "fund1"),
        [
            (Refusal.REFERENCE_USED_DIFFERENTLY, {"reference": "x" * 129}),
            (Refusal.INVALID_AMOUNT, {"amount_e8": MAX_E8}),
            (Refusal.INVALID_ACCOUNT, {"account_id": ADA}),
            (Refusal.INVALID_REFERENCE, {"reference": "fresh"}),
            (Refusal.UNKNOWN_ASSET, {"asset": "USDT"}),
            (Refusal.SUPPLY_OVERFLOW, {"amount_e8": ONE_E8}),
        ],
    ),
    "a deposit made already": Ladder(
        Deposit(ADA, "USDT", 22 * ONE_E8, "fund1"),
        [(Refusal.REFERENCE_ALREADY_USED, {"reference": "fresh"})],
    ),
    "a withdrawal": Ladder(
        Withdraw(0, "DOGE", 0, "fund1"),
        [
            (Refusal.REFERENCE_USED_DIFFERENTLY, {"reference": ""}),
            (Refusal.INVALID_AMOUNT, {"amount_e8": MAX_E8}),
            (Refusal.INVALID_ACCOUNT, {"account_id": ADA}),
            (Refusal.INVALID_REFERENCE, {"reference": "fresh"}),
            (Refusal.UNKNOWN_ASSET, {"asset": "USDT"}),
            (Refusal.INSUFFICIENT_BALANCE, {"amount_e8": ONE_E8}),
        ],
    ),
    "a market": Ladder(
        DefineMarket(replace(NARROW, tick_size_e8=2 * CENT, quote_asset="DOGE", max_open_orders=0)),
        [
            (Refusal.INVALID_MARKET, {"market": replace(NARROW, tick_size_e8=2 * CENT, quote_asset="DOGE")}),
            (Refusal.MARKET_ASSETS_FIXED, {"market": replace(NARROW, tick_size_e8=2 * CENT)}),
            (Refusal.GRID_COARSER_THAN_OPEN_ORDERS, "ada cancels all"),
        ],
    ),
    "a market defined already": Ladder(
        DefineMarket(NARROW),
        [(Refusal.MARKET_UNCHANGED, DefineMarket(OPEN))],
    ),
}


@pytest.mark.parametrize("name", LADDERS)
def test_the_first_broken_rule_is_named_and_nothing_changes(venue: Venue, name: str) -> None:
    command, rungs, resting = LADDERS[name]
    scenario = narrow_scenario(venue, resting)
    for refusal, healing in rungs:
        before = state(venue)
        assert scenario.apply(command).refusal is refusal
        assert state(venue) == before
        command = heal(scenario, command, healing)
    assert scenario.apply(command).refusal is None


def narrow_scenario(venue: Venue, resting: str) -> Scenario:
    scenario = Scenario(venue, funds=FUNDS)
    assert {outcome.refusal for outcome in scenario.play(f"{RESTING}, {resting}")} == {None}
    scenario.apply(DefineMarket(NARROW))
    return scenario


def heal(scenario: Scenario, command: Command, healing: dict[str, Any] | DefineMarket | str) -> Command:
    if isinstance(healing, dict):
        return replace(command, **healing)
    outcomes = scenario.play(healing) if isinstance(healing, str) else [scenario.apply(healing)]
    assert {outcome.refusal for outcome in outcomes} == {None}
    return command


def state(venue: Venue) -> object:
    """Of the core everything there is; of the naive exchange what can be seen."""
    if isinstance(venue, CoreVenue):
        return state_hash(capture(venue.exchange))
    return venue.balances(), venue.open_orders()


@pytest.mark.parametrize("name", [name for name, ladder in LADDERS.items() if isinstance(ladder.command, PlaceOrder)])
def test_checking_an_order_names_the_same_refusals_and_places_nothing(venue: Venue, name: str) -> None:
    command, rungs, resting = LADDERS[name]
    scenario = narrow_scenario(venue, resting)
    for refusal, healing in rungs:
        assert check(venue, command) is refusal
        command = heal(scenario, command, healing)
    before = state(venue)
    assert check(venue, command) is None
    assert state(venue) == before


def check(venue: Venue, command: Command) -> Refusal | None:
    assert isinstance(command, PlaceOrder)
    return venue.check(command)


def test_the_ladders_follow_the_enum() -> None:
    """Goal: ``Refusal`` documents the precedence. Transfers ask for their reference first and for money last."""
    documented = list(Refusal)
    for name, (command, rungs, _) in LADDERS.items():
        positions = [documented.index(refusal) for refusal, _ in rungs]
        assert positions == sorted(positions) or isinstance(command, Deposit | Withdraw), name
