"""ping, time and exchangeInfo."""

from typing import Any

from services.domain.market import Market
from services.trading import errors, render
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
from services.trading.parameters import Parameters, SymbolList, SymbolName
from services.trading.schemas import EXCHANGE_INFO, INTEGER, NOTHING, record


class ExchangeInfoParameters(Parameters):
    symbol: SymbolName | None = None
    symbols: SymbolList | None = None


async def ping(_call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {}


async def server_time(call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {"serverTime": call.now_us // call.unit}


async def exchange_info(call: Call, parameters: ExchangeInfoParameters) -> dict[str, Any]:
    chosen = await choose_markets(call, parameters.symbol, parameters.symbols)
    return {
        "timezone": "UTC",
        "serverTime": call.now_us // call.unit,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [render.exchange_symbol(market) for market in chosen],
    }


async def choose_markets(call: Call, symbol: str | None, symbols: tuple[str, ...] | None) -> list[Market]:
    """The markets a ``symbol`` or ``symbols`` parameter names, all when neither is sent."""
    if symbol is not None and symbols is not None:
        raise errors.BAD_COMBINATION
    if symbol is not None:
        return [await call.services.markets.get(symbol)]
    if symbols is not None:
        return [await call.services.markets.get(name) for name in symbols]
    return list((await call.services.markets.all()).values())


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
