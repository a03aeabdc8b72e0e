"""A market: which assets it trades, on which grid, within which limits, at which fees; and the venue's own limits.

A market enters the engine as a journaled command (``DefineMarket``), so replay never depends on a file. Fields are
named after the dialect's filters (compatibility reference section 3); 0 switches a bound off.
"""

import re
from typing import Final

import msgspec

from services.domain.money import MAX_E8, ONE_E8
from services.domain.orders import SelfTradePrevention
from services.domain.words import Word

_name = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)

# Higher rates are typing errors (a fee of 50 %) rather than policy.
MAX_FEE_RATE_E8: Final = ONE_E8 // 10
MAX_AVERAGE_MINUTES: Final = 60


class MarketStatus(Word):
    """Only TRADING takes orders; cancels are always allowed."""

    TRADING = "TRADING"
    HALT = "HALT"
    BREAK = "BREAK"
    CANCEL_ONLY = "CANCEL_ONLY"


class Market(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pair. ``status`` is what it opens with; ``average_minutes`` is the window of all average-price filters."""

    symbol: str
    base_asset: str
    quote_asset: str
    tick_size_e8: int
    step_size_e8: int
    status: MarketStatus = MarketStatus.TRADING
    # PRICE_FILTER, LOT_SIZE, MARKET_LOT_SIZE
    min_price_e8: int = 0
    max_price_e8: int = 0
    min_quantity_e8: int = 0
    max_quantity_e8: int = 0
    min_market_quantity_e8: int = 0
    max_market_quantity_e8: int = 0
    market_step_size_e8: int = 0
    # NOTIONAL; MIN_NOTIONAL is the same with no maximum
    min_notional_e8: int = 0
    max_notional_e8: int = 0
    apply_min_notional_to_market: bool = True
    apply_max_notional_to_market: bool = False
    average_minutes: int = 0
    # PERCENT_PRICE and PERCENT_PRICE_BY_SIDE: multipliers of the reference price
    multiplier_up_e8: int = 0
    multiplier_down_e8: int = 0
    bid_multiplier_up_e8: int = 0
    bid_multiplier_down_e8: int = 0
    ask_multiplier_up_e8: int = 0
    ask_multiplier_down_e8: int = 0
    # ICEBERG_PARTS, TRAILING_DELTA (basis points)
    max_iceberg_parts: int = 100
    min_trailing_above_delta: int = 10
    max_trailing_above_delta: int = 2000
    min_trailing_below_delta: int = 10
    max_trailing_below_delta: int = 2000
    # MAX_NUM_ORDERS and its siblings, per account
    max_open_orders: int = 200
    max_algo_orders: int = 5
    max_iceberg_orders: int = 0
    max_order_lists: int = 20
    max_amendments: int = 10
    max_position_e8: int = 0
    default_self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE
    allowed_self_trade_prevention: tuple[SelfTradePrevention, ...] = tuple(SelfTradePrevention)
    maker_fee_rate_e8: int = 100_000
    taker_fee_rate_e8: int = 100_000

    def defects(self) -> list[str]:
        """Say in words what makes this market unusable; an empty list means it is valid."""
        grid_is_positive = 0 < self.tick_size_e8 <= MAX_E8 and 0 < self.step_size_e8 <= MAX_E8
        rules = [
            (_name.fullmatch(self.symbol) is not None, "symbol must be 1 to 20 of A-Z and 0-9"),
            (_name.fullmatch(self.base_asset) is not None, "base asset must be 1 to 20 of A-Z and 0-9"),
            (_name.fullmatch(self.quote_asset) is not None, "quote asset must be 1 to 20 of A-Z and 0-9"),
            (self.base_asset != self.quote_asset, "base and quote asset must differ"),
            (grid_is_positive, "tick size and step size must be positive"),
            (
                self.tick_size_e8 * self.step_size_e8 % ONE_E8 == 0,
                "tick size times step size must be a whole number of 1e-8 of the quote asset",
            ),
            (
                not grid_is_positive or self.market_step_size_e8 % self.step_size_e8 == 0,
                "market step size must be a multiple of step size",
            ),
            (0 < self.max_open_orders <= MAX_E8, "max open orders must be positive"),
            (self._bounds_are_ordered(), "each minimum must lie between 0 and its maximum"),
            (self._counts_are_natural(), "counts must not be negative"),
            (0 <= self.average_minutes <= MAX_AVERAGE_MINUTES, "average minutes must lie between 0 and 60"),
            (
                self.default_self_trade_prevention in self.allowed_self_trade_prevention,
                "the default self-trade prevention must be an allowed one",
            ),
            (
                0 <= self.maker_fee_rate_e8 <= MAX_FEE_RATE_E8 and 0 <= self.taker_fee_rate_e8 <= MAX_FEE_RATE_E8,
                "fee rates must lie between 0 and 0.1",
            ),
        ]
        return [message for holds, message in rules if not holds]

    def _bounds_are_ordered(self) -> bool:
        pairs = [
            (self.min_price_e8, self.max_price_e8),
            (self.min_quantity_e8, self.max_quantity_e8),
            (self.min_market_quantity_e8, self.max_market_quantity_e8),
            (self.min_notional_e8, self.max_notional_e8),
            (self.multiplier_down_e8, self.multiplier_up_e8),
            (self.bid_multiplier_down_e8, self.bid_multiplier_up_e8),
            (self.ask_multiplier_down_e8, self.ask_multiplier_up_e8),
            (self.min_trailing_above_delta, self.max_trailing_above_delta),
            (self.min_trailing_below_delta, self.max_trailing_below_delta),
        ]
        return all(0 <= low <= MAX_E8 and 0 <= high <= MAX_E8 and (high == 0 or low <= high) for low, high in pairs)

    def _counts_are_natural(self) -> bool:
        counts = (
            self.market_step_size_e8,
            self.max_iceberg_parts,
            self.max_algo_orders,
            self.max_iceberg_orders,
            self.max_order_lists,
            self.max_amendments,
            self.max_position_e8,
        )
        return all(0 <= count <= MAX_E8 for count in counts)


class Venue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits per account over all markets (the dialect's exchange and asset filters); 0 switches a limit off.

    ``max_order_amounts`` is MAX_ASSET: the most of an asset that a single order may give or take.
    """

    max_open_orders: int = 0
    max_algo_orders: int = 0
    max_iceberg_orders: int = 0
    max_order_lists: int = 0
    max_order_amounts_e8: tuple[tuple[str, int], ...] = ()

    def defects(self) -> list[str]:
        """Say in words what makes these limits unusable; an empty list means they are valid."""
        assets = [asset for asset, _ in self.max_order_amounts_e8]
        counts = (self.max_open_orders, self.max_algo_orders, self.max_iceberg_orders, self.max_order_lists)
        rules = [
            (all(0 <= count <= MAX_E8 for count in counts), "counts must not be negative"),
            (all(_name.fullmatch(asset) for asset in assets), "an asset must be 1 to 20 of A-Z and 0-9"),
            (len(set(assets)) == len(assets), "an asset must be named once"),
            (
                all(0 < amount_e8 <= MAX_E8 for _, amount_e8 in self.max_order_amounts_e8),
                "the most of an asset must be positive; leave the asset out for no limit",
            ),
        ]
        return [message for holds, message in rules if not holds]
