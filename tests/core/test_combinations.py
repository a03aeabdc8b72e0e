"""Goal: which type goes with which time in force, price, quantity and trigger (compatibility reference section 4.1)."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.domain.commands import PlaceOrder
from services.domain.money import ONE_E8
from services.domain.orders import (
    CONTINGENT_TYPES,
    PRICELESS_TYPES,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.domain.refusals import Refusal
from tests.core.invariants import check_exchange
from tests.core.scenario import ACTORS, Scenario
from tests.core.venue import CoreVenue

FUNDS = "ada 1000 USDT, ada 100 BTC, bob 100000 USDT, bob 1000 BTC"
WITH_TIME_IN_FORCE = {OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT}


def opened() -> tuple[Scenario, CoreVenue]:
    """The last trade was at 100; 5 are wanted at 99 and 5 on offer at 101, of each 1 by ada herself."""
    core = CoreVenue()
    scenario = Scenario(core, funds=FUNDS)
    scenario.play(
        "bob sells 1 at 100, bob buys 1 at 100,"
        "ada buys 1 at 99, bob buys 4 at 99, ada sells 1 at 101, bob sells 4 at 101"
    )
    return scenario, core


def order(kind: OrderType, side: Side = Side.BUY, **changes: Any) -> PlaceOrder:
    """Well formed, post-only and stops on the side where they may wait, others crossing."""
    buys = side is Side.BUY
    price = (98 if buys else 102) if kind is OrderType.LIMIT_MAKER else (101 if buys else 99)
    above = buys == (kind in {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
    command = PlaceOrder(
        ACTORS["ada"],
        "BTCUSDT",
        "it",
        side,
        kind,
        TimeInForce.GTC,
        2 * ONE_E8,
        0 if kind in PRICELESS_TYPES else price * ONE_E8,
        stop_price_e8=(105 if above else 95) * ONE_E8 if kind in CONTINGENT_TYPES else 0,
    )
    return replace(command, **changes)


@pytest.mark.parametrize("mode", SelfTradePrevention)
@pytest.mark.parametrize("time_in_force", TimeInForce)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("kind", OrderType)
def test_every_type_time_and_mode(
    kind: OrderType, side: Side, time_in_force: TimeInForce, mode: SelfTradePrevention
) -> None:
    scenario, core = opened()
    outcome = scenario.apply(order(kind, side, time_in_force=time_in_force, self_trade_prevention=mode))
    if time_in_force is not TimeInForce.GTC and kind not in WITH_TIME_IN_FORCE:
        assert outcome.refusal is Refusal.UNSUPPORTED_COMBINATION
        return
    assert outcome.refusal is None
    placed = outcome.orders[max(outcome.orders)]
    if kind in CONTINGENT_TYPES or kind is OrderType.LIMIT_MAKER:
        assert placed.status is OrderStatus.NEW
        return
    assert scenario.result(outcome) == result_of_two(mode, time_in_force, 101 if side is Side.BUY else 99)
    check_exchange(core.exchange)


def result_of_two(mode: SelfTradePrevention, time_in_force: TimeInForce, price: int) -> str:
    """What comes of wanting 2 where ada's own 1 stands before bob's 4."""
    if mode in {SelfTradePrevention.NONE, SelfTradePrevention.EXPIRE_MAKER}:
        return f"FILLED 2 for {2 * price}"
    if time_in_force is TimeInForce.FOK:
        return "EXPIRED 0 for 0 UNFILLED_FOK_ORDER_EXPIRED"
    if mode in {SelfTradePrevention.DECREMENT, SelfTradePrevention.TRANSFER}:
        return f"FILLED 1 for {price} prevented 1"
    return "EXPIRED_IN_MATCH 0 for 0 prevented 2"


@pytest.mark.parametrize("kind", OrderType)
@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"quantity_e8": 0}, set()),
        ({"quantity_e8": -ONE_E8}, set()),
        ({"quote_quantity_e8": 100 * ONE_E8}, set()),
        ({"quote_quantity_e8": 202 * ONE_E8, "quantity_e8": 0}, {OrderType.MARKET}),
        ({"price_e8": 0}, PRICELESS_TYPES),
        ({"price_e8": 98 * ONE_E8}, set(OrderType) - PRICELESS_TYPES),
        ({"price_e8": -ONE_E8}, set()),
        ({"stop_price_e8": 0}, set(OrderType) - CONTINGENT_TYPES),
        ({"stop_price_e8": -ONE_E8}, set()),
        ({"stop_price_e8": 0, "trailing_delta": 100}, CONTINGENT_TYPES),
        ({"trailing_delta": 100}, CONTINGENT_TYPES),
        ({"trailing_delta": -100}, set()),
        ({"iceberg_e8": ONE_E8}, set(OrderType) - PRICELESS_TYPES),
        ({"iceberg_e8": -ONE_E8}, set()),
        ({"peg_offset": 1}, set()),
    ],
)
def test_what_each_type_must_and_may_have(kind: OrderType, changes: dict[str, Any], allowed: set[OrderType]) -> None:
    scenario, core = opened()
    outcome = scenario.apply(order(kind, **changes))
    assert outcome.refusal is (None if kind in allowed else Refusal.UNSUPPORTED_COMBINATION)
    check_exchange(core.exchange)
