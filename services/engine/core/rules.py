"""What a market asks of orders: its definition as plain numbers, read often and written when it is defined.

A bound that is switched off in the definition is one here that nothing exceeds, so that filters only compare. Reading a
field of a definition, which is a msgspec struct, costs compiled code ten times as much as reading one of these.
"""

from services.domain.market import Market
from services.domain.money import MAX_E8, ONE_E8
from services.domain.orders import Side


class Rules:
    """Fields are named after the definition's. Counts and deltas keep 0 for no bound."""

    __slots__ = (
        "allowed_self_trade_prevention",
        "average_minutes",
        "base_asset",
        "default_self_trade_prevention",
        "maker_fee_rate_e8",
        "market_step_size_e8",
        "max_algo_orders",
        "max_amendments",
        "max_iceberg_orders",
        "max_iceberg_parts",
        "max_market_notional_e8",
        "max_market_quantity_e8",
        "max_notional_e8",
        "max_open_orders",
        "max_order_lists",
        "max_position_e8",
        "max_price_e8",
        "max_quantity_e8",
        "max_trailing_above_delta",
        "max_trailing_below_delta",
        "min_market_notional_e8",
        "min_market_quantity_e8",
        "min_notional_e8",
        "min_price_e8",
        "min_quantity_e8",
        "min_trailing_above_delta",
        "min_trailing_below_delta",
        "quote_asset",
        "step_size_e8",
        "symbol",
        "taker_fee_rate_e8",
        "tick_size_e8",
    )

    def __init__(self, market: Market) -> None:
        self.symbol = market.symbol
        self.base_asset = market.base_asset
        self.quote_asset = market.quote_asset
        self.tick_size_e8 = market.tick_size_e8
        self.step_size_e8 = market.step_size_e8
        self.market_step_size_e8 = market.market_step_size_e8 or market.step_size_e8
        self.min_price_e8 = market.min_price_e8
        self.max_price_e8 = market.max_price_e8 or MAX_E8
        self.min_quantity_e8 = market.min_quantity_e8 or 1
        self.max_quantity_e8 = market.max_quantity_e8 or MAX_E8
        self.min_market_quantity_e8 = market.min_market_quantity_e8
        self.max_market_quantity_e8 = market.max_market_quantity_e8 or MAX_E8
        # Without a maximum, an order must still not be able to trade for more than can be counted.
        self.min_notional_e8 = market.min_notional_e8
        self.max_notional_e8 = market.max_notional_e8 or MAX_E8
        self.min_market_notional_e8 = market.min_notional_e8 if market.apply_min_notional_to_market else 0
        self.max_market_notional_e8 = market.max_notional_e8 if market.apply_max_notional_to_market else 0
        self.average_minutes = market.average_minutes
        self.max_iceberg_parts = market.max_iceberg_parts
        self.min_trailing_above_delta = market.min_trailing_above_delta
        self.max_trailing_above_delta = market.max_trailing_above_delta
        self.min_trailing_below_delta = market.min_trailing_below_delta
        self.max_trailing_below_delta = market.max_trailing_below_delta
        self.max_open_orders = market.max_open_orders
        self.max_algo_orders = market.max_algo_orders
        self.max_iceberg_orders = market.max_iceberg_orders
        self.max_order_lists = market.max_order_lists
        self.max_amendments = market.max_amendments
        self.max_position_e8 = market.max_position_e8
        self.default_self_trade_prevention = market.default_self_trade_prevention
        self.allowed_self_trade_prevention = frozenset(market.allowed_self_trade_prevention)
        self.maker_fee_rate_e8 = market.maker_fee_rate_e8
        self.taker_fee_rate_e8 = market.taker_fee_rate_e8


class PriceBand:
    """PERCENT_PRICE and PERCENT_PRICE_BY_SIDE: the lowest and the highest price within reach of ``reference_e8``.

    0 is a reference that does not exist yet, and every price is within its reach.
    """

    __slots__ = (
        "high_e8",
        "highest_ask_e8",
        "highest_bid_e8",
        "low_e8",
        "lowest_ask_e8",
        "lowest_bid_e8",
        "reference_e8",
    )

    def __init__(self, market: Market, reference_e8: int) -> None:
        self.reference_e8 = reference_e8
        self.low_e8 = _at_least(reference_e8, market.multiplier_down_e8)
        self.high_e8 = _at_most(reference_e8, market.multiplier_up_e8)
        self.lowest_bid_e8 = _at_least(reference_e8, market.bid_multiplier_down_e8)
        self.highest_bid_e8 = _at_most(reference_e8, market.bid_multiplier_up_e8)
        self.lowest_ask_e8 = _at_least(reference_e8, market.ask_multiplier_down_e8)
        self.highest_ask_e8 = _at_most(reference_e8, market.ask_multiplier_up_e8)

    def holds(self, price_e8: int) -> bool:
        return self.low_e8 <= price_e8 <= self.high_e8

    def holds_for(self, side: Side, price_e8: int) -> bool:
        if side is Side.BUY:
            return self.lowest_bid_e8 <= price_e8 <= self.highest_bid_e8
        return self.lowest_ask_e8 <= price_e8 <= self.highest_ask_e8


def _at_least(reference_e8: int, multiplier_e8: int) -> int:
    """The smallest price that is not less than so much of the reference."""
    return -(-reference_e8 * multiplier_e8 // ONE_E8)


def _at_most(reference_e8: int, multiplier_e8: int) -> int:
    """The greatest price that is not more than so much of the reference; none is, without a multiplier."""
    return reference_e8 * multiplier_e8 // ONE_E8 if reference_e8 and multiplier_e8 else MAX_E8
