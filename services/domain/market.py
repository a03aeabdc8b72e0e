"""A market: which assets it trades, on which grid, within which limits, at which fees.

A market enters the engine as a journaled command (``DefineMarket``), so replay never depends on a file. Fields are
named after the dialect's filters (compatibility reference section 3); 0 switches a bound off.
"""

import re
from enum import Enum
from typing import Final

import msgspec

from services.domain.money import MAX_E8, ONE_E8

_name = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)

# Higher rates are typing errors (a fee of 50 %) rather than policy.
MAX_FEE_RATE_E8: Final = ONE_E8 // 10


class MarketStatus(Enum):
    """Only TRADING takes orders; cancels are always allowed."""

    TRADING = "TRADING"
    HALT = "HALT"
    BREAK = "BREAK"
    CANCEL_ONLY = "CANCEL_ONLY"


class Market(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pair. ``status`` is what it opens with."""

    symbol: str
    base_asset: str
    quote_asset: str
    tick_size_e8: int
    step_size_e8: int
    status: MarketStatus = MarketStatus.TRADING
    min_price_e8: int = 0
    max_price_e8: int = 0
    min_quantity_e8: int = 0
    max_quantity_e8: int = 0
    max_market_quantity_e8: int = 0
    min_notional_e8: int = 0
    max_notional_e8: int = 0
    apply_min_notional_to_market: bool = True
    apply_max_notional_to_market: bool = False
    max_open_orders: int = 200
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
            (0 < self.max_open_orders <= MAX_E8, "max open orders must be positive"),
            (self._bounds_are_ordered(), "each minimum must lie between 0 and its maximum"),
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
            (0, self.max_market_quantity_e8),
            (self.min_notional_e8, self.max_notional_e8),
        ]
        return all(0 <= low <= MAX_E8 and 0 <= high <= MAX_E8 and (high == 0 or low <= high) for low, high in pairs)
