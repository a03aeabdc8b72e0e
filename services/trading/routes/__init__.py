"""The dialect's endpoints by theme; ``ENDPOINTS`` is the whole table."""

from typing import Any

from services.trading.endpoint import Endpoint
from services.trading.routes import (
    account,
    cancel_replace,
    capital,
    general,
    listen_keys,
    market_data,
    order_lists,
    orders,
    sapi,
    tickers,
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *general.ENDPOINTS,
    *market_data.ENDPOINTS,
    *tickers.ENDPOINTS,
    *orders.ENDPOINTS,
    *cancel_replace.ENDPOINTS,
    *order_lists.ENDPOINTS,
    *account.ENDPOINTS,
    *listen_keys.ENDPOINTS,
    *sapi.ENDPOINTS,
    *capital.ENDPOINTS,
)
