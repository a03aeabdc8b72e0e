"""ping, time and exchangeInfo."""

from typing import Any

from services.domain.market import Market, MarketStatus
from services.trading import errors, limits
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
from services.trading.parameters import (
    Flag,
    Parameters,
    PermissionList,
    SymbolList,
    SymbolName,
    SymbolStatusName,
)
from services.trading.schemas import EXCHANGE_INFO, INTEGER, NOTHING, record
from services.trading.symbol_rules import PERMISSION, exchange_filters


class ExchangeInfoParameters(Parameters):
    symbol: SymbolName | None = None
    symbols: SymbolList | None = None
    permissions: PermissionList | None = None
    show_permission_sets: Flag = True
    symbol_status: SymbolStatusName | None = None


async def ping(_call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {}


async def server_time(call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {"serverTime": call.now_us // call.unit}


async def exchange_info(call: Call, parameters: ExchangeInfoParameters) -> dict[str, Any]:
    """``permissions`` and ``symbolStatus`` choose among all markets, so they do not go with named ones."""
    is_named = parameters.symbol is not None or parameters.symbols is not None
    if is_named and (parameters.permissions is not None or parameters.symbol_status is not None):
        raise errors.BAD_COMBINATION
    listing = await call.services.markets.listing()
    chosen = choose(listing.markets, parameters.symbol, parameters.symbols)
    if parameters.permissions is not None and PERMISSION not in parameters.permissions:
        chosen = []
    chosen = with_status(chosen, parameters.symbol_status)
    return {
        "timezone": "UTC",
        "serverTime": call.now_us // call.unit,
        "rateLimits": limits.describe(call.services.limits, of_sockets=call.is_socket),
        "exchangeFilters": exchange_filters(listing.venue),
        "symbols": [listing.symbol(market, show_permission_sets=parameters.show_permission_sets) for market in chosen],
    }


def with_status(markets: list[Market], status: MarketStatus | None) -> list[Market]:
    """Those that are in this status, all if none is asked for."""
    return [market for market in markets if status is None or market.status is status]


async def choose_markets(call: Call, symbol: str | None, symbols: tuple[str, ...] | None) -> list[Market]:
    """The markets a ``symbol`` or ``symbols`` parameter names, all when neither is sent."""
    return choose(await call.services.markets.all(), symbol, symbols)


def choose(markets: dict[str, Market], symbol: str | None, symbols: tuple[str, ...] | None) -> list[Market]:
    if symbol is not None and symbols is not None:
        raise errors.BAD_COMBINATION
    names = (symbol,) if symbol is not None else symbols
    if names is None:
        return list(markets.values())
    if not all(name in markets for name in names):
        raise errors.INVALID_SYMBOL
    return [markets[name] for name in names]


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint("GET", "/api/v3/ping", Security.NONE, NoParameters, ping, "Test connectivity", NOTHING),
    Endpoint(
        "GET",
        "/api/v3/time",
        Security.NONE,
        NoParameters,
        server_time,
        "The server's clock",
        record(serverTime=INTEGER),
    ),
    Endpoint(
        "GET",
        "/api/v3/exchangeInfo",
        Security.NONE,
        ExchangeInfoParameters,
        exchange_info,
        "Markets, their filters and the limits in force",
        EXCHANGE_INFO,
    ),
)
