"""The dialect's endpoints by theme; ``ENDPOINTS`` is the whole table."""

from typing import Any

from services.trading.endpoint import Endpoint
from services.trading.routes import account, general, market_data, orders, sapi

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *general.ENDPOINTS,
    *market_data.ENDPOINTS,
    *orders.ENDPOINTS,
    *account.ENDPOINTS,
    *sapi.ENDPOINTS,
)
