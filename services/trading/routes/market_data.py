"""Public market data: depth, trades and the price and book tickers."""

from typing import Any

from services.domain.money import format_e8
from services.domain.protocol import Depth, ReadDepth
from services.trading import queries, render
from services.trading.endpoint import Call, Endpoint, Security
from services.trading.parameters import Parameters, SymbolList, SymbolName, limit_of
from services.trading.routes.general import choose_markets
from services.trading.schemas import BOOK_TICKER, DEPTH, PRICE_TICKER, PUBLIC_TRADE, listing, one_of

MAX_DEPTH_LEVELS = 5000
MAX_TRADES = 1000


class DepthParameters(Parameters):
    symbol: SymbolName
    limit: limit_of(MAX_DEPTH_LEVELS) = 100  # type: ignore[valid-type]


class TradesParameters(Parameters):
    symbol: SymbolName
    limit: limit_of(MAX_TRADES) = 500  # type: ignore[valid-type]


class TickerParameters(Parameters):
    symbol: SymbolName | None = None
    symbols: SymbolList | None = None


async def depth(call: Call, parameters: DepthParameters) -> dict[str, Any]:
    return render.depth(await _read_depth(call, parameters.symbol, parameters.limit))


async def _read_depth(call: Call, symbol: str, limit: int) -> Depth:
    reply = await call.services.gateway.submit(ReadDepth(symbol, limit))
    assert isinstance(reply, Depth), "the engine answers ReadDepth with Depth"
    return reply


async def trades(call: Call, parameters: TradesParameters) -> list[dict[str, Any]]:
    market = await call.services.markets.get(parameters.symbol)
    rows = await call.services.pool.fetch(queries.RECENT_TRADES, market.symbol, parameters.limit)
    return [render.public_trade(row, call.unit) for row in reversed(rows)]


async def price_ticker(call: Call, parameters: TickerParameters) -> Any:
    """The last trade's price; zero for a market that has never traded."""
    chosen = await choose_markets(call, parameters.symbol, parameters.symbols)
    rows = await call.services.pool.fetch(queries.LAST_PRICES, [market.symbol for market in chosen])
    tickers = [{"symbol": row["symbol"], "price": format_e8(row["price_e8"] or 0)} for row in rows]
    return tickers[0] if parameters.symbol is not None else tickers


async def book_ticker(call: Call, parameters: TickerParameters) -> Any:
    chosen = await choose_markets(call, parameters.symbol, parameters.symbols)
    tickers = [render.book_ticker(market.symbol, await _read_depth(call, market.symbol, 1)) for market in chosen]
    return tickers[0] if parameters.symbol is not None else tickers


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint("GET", "/api/v3/depth", Security.NONE, DepthParameters, depth, "The order book, best first", DEPTH),
    Endpoint(
        "GET",
        "/api/v3/trades",
        Security.NONE,
        TradesParameters,
        trades,
        "The newest trades, oldest first",
        listing(PUBLIC_TRADE),
    ),
    Endpoint(
        "GET",
        "/api/v3/ticker/price",
        Security.NONE,
        TickerParameters,
        price_ticker,
        "The price of the last trade",
        one_of(PRICE_TICKER, listing(PRICE_TICKER)),
    ),
    Endpoint(
        "GET",
        "/api/v3/ticker/bookTicker",
        Security.NONE,
        TickerParameters,
        book_ticker,
        "The best bid and ask",
        one_of(BOOK_TICKER, listing(BOOK_TICKER)),
    ),
)
