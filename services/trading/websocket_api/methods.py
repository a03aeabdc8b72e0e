"""Methods: the name over a socket of each REST endpoint. Everything else about it is the endpoint's.

Names, prices and parameters are the dialect's; a method and its twin cannot disagree because they are one entry. What
belongs to a connection and has no twin (``session.*``, ``userDataStream.subscribe``) is in ``session_methods``.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.trading.endpoint import Endpoint
from services.trading.routes import ENDPOINTS

_TWINS: Final = {
    "ping": "GET ping",
    "time": "GET time",
    "exchangeInfo": "GET exchangeInfo",
    "executionRules": "GET executionRules",
    "depth": "GET depth",
    "trades.recent": "GET trades",
    "trades.historical": "GET historicalTrades",
    "trades.aggregate": "GET aggTrades",
    "blockTrades.historical": "GET historicalBlockTrades",
    "klines": "GET klines",
    "uiKlines": "GET uiKlines",
    "avgPrice": "GET avgPrice",
    "ticker": "GET ticker",
    "ticker.24hr": "GET ticker/24hr",
    "ticker.tradingDay": "GET ticker/tradingDay",
    "ticker.price": "GET ticker/price",
    "ticker.book": "GET ticker/bookTicker",
    "referencePrice": "GET referencePrice",
    "referencePrice.calculation": "GET referencePrice/calculation",
    "order.place": "POST order",
    "order.test": "POST order/test",
    "order.status": "GET order",
    "order.cancel": "DELETE order",
    "order.cancelReplace": "POST order/cancelReplace",
    "order.amend.keepPriority": "PUT order/amend/keepPriority",
    "order.amendments": "GET order/amendments",
    "openOrders.status": "GET openOrders",
    "openOrders.cancelAll": "DELETE openOrders",
    "allOrders": "GET allOrders",
    "orderList.place": "POST order/oco",
    "orderList.place.oco": "POST orderList/oco",
    "orderList.place.oto": "POST orderList/oto",
    "orderList.place.otoco": "POST orderList/otoco",
    "orderList.place.opo": "POST orderList/opo",
    "orderList.place.opoco": "POST orderList/opoco",
    "orderList.cancel": "DELETE orderList",
    "orderList.status": "GET orderList",
    "openOrderLists.status": "GET openOrderList",
    "allOrderLists": "GET allOrderList",
    "account.status": "GET account",
    "account.commission": "GET account/commission",
    "account.rateLimits.orders": "GET rateLimit/order",
    "myTrades": "GET myTrades",
    "myPreventedMatches": "GET myPreventedMatches",
    "myAllocations": "GET myAllocations",
    "myFilters": "GET myFilters",
    "userDataStream.start": "POST userDataStream",
    "userDataStream.ping": "PUT userDataStream",
    "userDataStream.stop": "DELETE userDataStream",
}


def _table() -> dict[str, Endpoint[Any]]:
    by_route = {f"{endpoint.method} {endpoint.path}": endpoint for endpoint in ENDPOINTS}
    return {name: by_route[twin.replace(" ", " /api/v3/")] for name, twin in _TWINS.items()}


METHODS: Final[Mapping[str, Endpoint[Any]]] = _table()
