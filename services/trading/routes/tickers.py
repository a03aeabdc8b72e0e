"""Tickers: the last price, the best bid and ask, and what happened within a window of time."""

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema

from services.domain.market import Market, MarketStatus
from services.domain.money import format_e8
from services.trading import errors, market_queries, market_schemas, queries, render, tickers
from services.trading.candles import DAY_US, Grid, Interval
from services.trading.endpoint import Call, Endpoint, Security
from services.trading.parameters import Parameters, SymbolList, SymbolName, SymbolStatusName, member_of
from services.trading.routes.general import choose_markets
from services.trading.routes.market_data import TimeZoneName, read_depth, time_zone_us
from services.trading.schemas import BOOK_TICKER, PRICE_TICKER, listing, one_of
from services.trading.tickers import Statistics, Window

MAX_SYMBOLS: Final = 100


class TickerType(Enum):
    """How much a ticker says."""

    FULL = "FULL"
    MINI = "MINI"


TickerTypeName = Annotated[
    TickerType,
    PlainValidator(member_of(TickerType, errors.INVALID_TICKER_TYPE)),
    WithJsonSchema({"type": "string", "enum": [kind.value for kind in TickerType]}),
]
WindowName = Annotated[
    str, WithJsonSchema({"type": "string", "examples": ["5m", "12h", "7d"], "description": "1m-59m, 1h-23h or 1d-7d"})
]


class TickerParameters(Parameters):
    symbol: SymbolName | None = None
    symbols: SymbolList | None = None
    symbol_status: SymbolStatusName | None = None


class DayTickerParameters(TickerParameters):
    type: TickerTypeName = TickerType.FULL


class TradingDayParameters(DayTickerParameters):
    time_zone: TimeZoneName = "0"


class RollingParameters(DayTickerParameters):
    window_size: WindowName = "1d"


async def price_ticker(call: Call, parameters: TickerParameters) -> Any:
    """The last trade's price; zero for a market that has never traded."""
    chosen = await _choose(call, parameters)
    rows = await call.services.pool.fetch(queries.LAST_PRICES, [market.symbol for market in chosen])
    return _shaped(parameters, [{"symbol": row["symbol"], "price": format_e8(row["price_e8"] or 0)} for row in rows])


async def book_ticker(call: Call, parameters: TickerParameters) -> Any:
    return _shaped(parameters, await _book_tickers(call, await _choose(call, parameters)))


async def day_ticker(call: Call, parameters: DayTickerParameters) -> Any:
    chosen = await _choose(call, parameters)
    window = tickers.rolling(call.now_us, DAY_US)
    found = await _statistics(call, chosen, window)
    if parameters.type is TickerType.MINI:
        return _shaped(parameters, _render(call, parameters, found, window))
    books = await _book_tickers(call, chosen)
    times = (window.start_us // call.unit, window.end_us // call.unit)
    return _shaped(parameters, [tickers.full_day(one, book, *times) for one, book in zip(found, books, strict=True)])


async def trading_day_ticker(call: Call, parameters: TradingDayParameters) -> Any:
    """From local midnight to the last instant of the day."""
    grid = Grid(Interval.DAY, time_zone_us(parameters.time_zone))
    today = grid.slot(call.now_us)
    window = Window(grid.opening(today), grid.opening(today + 1) - call.unit)
    return await _window_ticker(call, parameters, window)


async def rolling_ticker(call: Call, parameters: RollingParameters) -> Any:
    length_us = tickers.parse_window(parameters.window_size)
    if length_us is None:
        raise errors.not_valid("windowSize") if parameters.window_size else errors.empty("windowSize")
    return await _window_ticker(call, parameters, tickers.rolling(call.now_us, length_us))


async def _window_ticker(call: Call, parameters: DayTickerParameters, window: Window) -> Any:
    if parameters.symbol is None and parameters.symbols is None:
        raise errors.either_mandatory("symbol", "symbols")
    if parameters.symbols is not None and len(parameters.symbols) > MAX_SYMBOLS:
        raise errors.too_many_values("symbols", MAX_SYMBOLS)
    chosen = await _choose(call, parameters)
    found = await _statistics(call, chosen, window)
    return _shaped(parameters, _render(call, parameters, found, window))


async def _statistics(call: Call, markets: Sequence[Market], window: Window) -> list[Statistics]:
    symbols = [market.symbol for market in markets]
    return await call.services.history.read(lambda source: market_queries.statistics(source, symbols, window.start_us))


def _render(
    call: Call, parameters: DayTickerParameters, found: Sequence[Statistics], window: Window
) -> list[dict[str, Any]]:
    render_one = tickers.mini if parameters.type is TickerType.MINI else tickers.full
    return [render_one(one, window.start_us // call.unit, window.end_us // call.unit) for one in found]


async def _book_tickers(call: Call, markets: Sequence[Market]) -> list[dict[str, Any]]:
    """All in one parcel to the engine, or a few."""
    books = await asyncio.gather(*(read_depth(call, market.symbol, 1) for market in markets))
    return [render.book_ticker(market.symbol, book) for market, book in zip(markets, books, strict=True)]


async def _choose(call: Call, parameters: TickerParameters) -> list[Market]:
    """A single market must have the status asked for; of several, those that have it are answered."""
    chosen = await choose_markets(call, parameters.symbol, parameters.symbols)
    status: MarketStatus | None = parameters.symbol_status
    matching = [market for market in chosen if status is None or market.status is status]
    if parameters.symbol is not None and not matching:
        raise errors.OTHER_STATUS
    return matching


def _shaped(parameters: TickerParameters, answers: list[dict[str, Any]]) -> Any:
    """An object for ``symbol``, else a list."""
    return answers[0] if parameters.symbol is not None else answers


def _public(path: str, parameters: Any, handler: Any, summary: str, answer: dict[str, Any]) -> Endpoint[Any]:
    return Endpoint("GET", f"/api/v3/ticker{path}", Security.NONE, parameters, handler, summary, answer)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    _public(
        "/price",
        TickerParameters,
        price_ticker,
        "The price of the last trade",
        one_of(PRICE_TICKER, listing(PRICE_TICKER)),
    ),
    _public(
        "/bookTicker", TickerParameters, book_ticker, "The best bid and ask", one_of(BOOK_TICKER, listing(BOOK_TICKER))
    ),
    _public("/24hr", DayTickerParameters, day_ticker, "The last 24 hours", market_schemas.DAY_TICKERS),
    _public(
        "/tradingDay", TradingDayParameters, trading_day_ticker, "Today, in a time zone", market_schemas.WINDOW_TICKERS
    ),
    _public("", RollingParameters, rolling_ticker, "A window of time up to now", market_schemas.WINDOW_TICKERS),
)
