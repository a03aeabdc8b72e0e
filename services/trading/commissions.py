"""What an account or an order pays, in the dialect's shapes: only standard rates apply, all others are nothing."""

from typing import Final

from services.domain.money import format_e8
from services.trading.queries import FeeRates
from services.trading.render import ZERO, Json

_NO_DISCOUNT: Final[Json] = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": None,
    "discount": ZERO,
}


def commission_rates(maker_e8: int, taker_e8: int) -> Json:
    """Rates by role; buyer and seller add nothing to maker and taker here."""
    return {"maker": format_e8(maker_e8), "taker": format_e8(taker_e8), "buyer": ZERO, "seller": ZERO}


def order_commission(rates: FeeRates) -> Json:
    """What an order would pay: only the standard rates apply."""
    nothing = {"maker": ZERO, "taker": ZERO}
    return {
        "standardCommissionForOrder": {"maker": format_e8(rates.maker_e8), "taker": format_e8(rates.taker_e8)},
        "specialCommissionForOrder": nothing,
        "taxCommissionForOrder": nothing,
        "discount": _NO_DISCOUNT,
    }


def account_commission(symbol: str, rates: FeeRates) -> Json:
    nothing = commission_rates(0, 0)
    return {
        "symbol": symbol,
        "standardCommission": commission_rates(rates.maker_e8, rates.taker_e8),
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": _NO_DISCOUNT,
    }
