"""What each endpoint costs: its weight, and how many unfilled orders it adds (compatibility reference section 1).

A weight may depend on what is asked. It is read from the parameters as they came, because a request is charged before
anyone looks whether it is right: what cannot be understood costs as if it had not been sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

Parameters = Mapping[str, str]

DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50))
DEEPEST_WEIGHT: Final = 250


@dataclass(frozen=True, slots=True)
class Charge:
    """``free_on_success``: only a request that fails costs its weight (since 2026-04-02 in the dialect)."""

    weight: int | Callable[[Parameters], int] = 1
    orders: int = 0
    free_on_success: bool = False


def charge_of(method: str, path: str) -> Charge:
    """Return what an endpoint costs; one that the dialect gives no number for costs 1."""
    return CHARGES.get(f"{method} {path}", PLAIN)


def _depth(parameters: Parameters) -> int:
    text = parameters.get("limit", "")
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 100
    return next((weight for levels, weight in DEPTH_WEIGHTS if limit <= levels), DEEPEST_WEIGHT)


def _symbols(parameters: Parameters) -> int:
    """How many markets are named; 0 for none."""
    if "symbol" in parameters:
        return 1
    named = parameters.get("symbols")
    return named.count(",") + 1 if named else 0


def _with(name: str, weight: int, otherwise: int) -> Callable[[Parameters], int]:
    return lambda parameters: weight if parameters.get(name) else otherwise


def _day_ticker(parameters: Parameters) -> int:
    symbols = _symbols(parameters)
    if symbols == 0 or symbols > 100:
        return 80
    return 2 if symbols <= 20 else 40


def _window_ticker(parameters: Parameters) -> int:
    return min(4 * max(_symbols(parameters), 1), 200)


def _rules(parameters: Parameters) -> int:
    return min(2 * _symbols(parameters), 40) or 40


def _with_rates(parameters: Parameters) -> int:
    return 20 if parameters.get("computeCommissionRates", "").lower() == "true" else 1


PLAIN: Final = Charge()
_CANCEL: Final = Charge(1, 0, free_on_success=True)
_ONE: Final = Charge(1, 1, free_on_success=True)
_TWO: Final = Charge(1, 2, free_on_success=True)
_THREE: Final = Charge(1, 3, free_on_success=True)

CHARGES: Final[dict[str, Charge]] = {
    "GET /api/v3/exchangeInfo": Charge(20),
    "GET /api/v3/executionRules": Charge(_rules),
    "GET /api/v3/depth": Charge(_depth),
    "GET /api/v3/trades": Charge(25),
    "GET /api/v3/historicalTrades": Charge(25),
    "GET /api/v3/historicalBlockTrades": Charge(25),
    "GET /api/v3/aggTrades": Charge(4),
    "GET /api/v3/klines": Charge(2),
    "GET /api/v3/uiKlines": Charge(2),
    "GET /api/v3/avgPrice": Charge(2),
    "GET /api/v3/ticker/24hr": Charge(_day_ticker),
    "GET /api/v3/ticker/tradingDay": Charge(_window_ticker),
    "GET /api/v3/ticker": Charge(_window_ticker),
    "GET /api/v3/ticker/price": Charge(_with("symbol", 2, otherwise=4)),
    "GET /api/v3/ticker/bookTicker": Charge(_with("symbol", 2, otherwise=4)),
    "GET /api/v3/referencePrice": Charge(2),
    "GET /api/v3/referencePrice/calculation": Charge(2),
    "POST /api/v3/order": _ONE,
    "POST /api/v3/order/test": Charge(_with_rates),
    "POST /api/v3/sor/order": _ONE,
    "POST /api/v3/sor/order/test": Charge(_with_rates),
    "DELETE /api/v3/order": _CANCEL,
    "DELETE /api/v3/openOrders": _CANCEL,
    "DELETE /api/v3/orderList": _CANCEL,
    "POST /api/v3/order/cancelReplace": _ONE,
    "PUT /api/v3/order/amend/keepPriority": Charge(4),
    "POST /api/v3/order/oco": _TWO,
    "POST /api/v3/orderList/oco": _TWO,
    "POST /api/v3/orderList/oto": _TWO,
    "POST /api/v3/orderList/opo": _TWO,
    "POST /api/v3/orderList/otoco": _THREE,
    "POST /api/v3/orderList/opoco": _THREE,
    "GET /api/v3/account": Charge(20),
    "GET /api/v3/order": Charge(4),
    "GET /api/v3/openOrders": Charge(_with("symbol", 6, otherwise=80)),
    "GET /api/v3/allOrders": Charge(20),
    "GET /api/v3/orderList": Charge(4),
    "GET /api/v3/allOrderList": Charge(20),
    "GET /api/v3/openOrderList": Charge(6),
    "GET /api/v3/myTrades": Charge(_with("orderId", 5, otherwise=20)),
    "GET /api/v3/rateLimit/order": Charge(40),
    "GET /api/v3/myPreventedMatches": Charge(_with("orderId", 20, otherwise=2)),
    "GET /api/v3/myAllocations": Charge(20),
    "GET /api/v3/account/commission": Charge(20),
    "GET /api/v3/order/amendments": Charge(4),
    "GET /api/v3/myFilters": Charge(40),
    "POST /api/v3/userDataStream": Charge(2),
    "PUT /api/v3/userDataStream": Charge(2),
    "DELETE /api/v3/userDataStream": Charge(2),
}
