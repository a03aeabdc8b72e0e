"""Public market data: depth, trades, candles and the average price. Tickers are in ``tickers.py``."""

from typing import Annotated, Any, Final, NoReturn

from pydantic import PlainValidator, WithJsonSchema

from services.domain.market import Market
from services.domain.money import format_e8
from services.domain.protocol import Depth
from services.trading import errors, market_queries, market_schemas, render
from services.trading.candles import MINUTE_US, SECOND_US, Candle, Grid, Interval, parse_time_zone
from services.trading.endpoint import Call, Endpoint, Security
from services.trading.parameters import (
    EndTimeUs,
    Long,
    Parameters,
    SymbolList,
    SymbolName,
    SymbolStatusName,
    TimeUs,
    limit_of,
    member_of,
)
from services.trading.queries import MAX_US
from services.trading.routes.general import choose_markets
from services.trading.schemas import DEPTH, PUBLIC_TRADE, listing

MAX_DEPTH_LEVELS = 5000
MAX_TRADES = 1000
MAX_CANDLES = 1000
# The window of avgPrice in a market whose filters use no average.
AVERAGE_MINUTES: Final = 5
_UNUSED: Final = "0"

IntervalName = Annotated[
    Interval,
    PlainValidator(member_of(Interval, errors.INVALID_INTERVAL)),
    WithJsonSchema({"type": "string", "enum": [interval.value for interval in Interval]}),
]
TimeZoneName = Annotated[
    str, WithJsonSchema({"type": "string", "examples": ["0", "-1:00", "05:45"], "description": "-12:00 to +14:00"})
]


class SymbolParameters(Parameters):
    symbol: SymbolName


class DepthParameters(SymbolParameters):
    limit: limit_of(MAX_DEPTH_LEVELS) = 100  # type: ignore[valid-type]
    symbol_status: SymbolStatusName | None = None


class TradesParameters(SymbolParameters):
    limit: limit_of(MAX_TRADES) = 500  # type: ignore[valid-type]


class OldTradesParameters(TradesParameters):
    from_id: Long | None = None


class BlockTradesParameters(TradesParameters):
    from_id: Long


class AggregateParameters(TradesParameters):
    from_id: Long | None = None
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None


class CandleParameters(SymbolParameters):
    interval: IntervalName
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None
    time_zone: TimeZoneName = "0"
    limit: limit_of(MAX_CANDLES) = 500  # type: ignore[valid-type]


class CalculationParameters(SymbolParameters):
    symbol_status: SymbolStatusName | None = None


class RulesParameters(Parameters):
    symbol: SymbolName | None = None
    symbols: SymbolList | None = None
    symbol_status: SymbolStatusName | None = None


async def depth(call: Call, parameters: DepthParameters) -> dict[str, Any]:
    if parameters.symbol_status is not None:
        _check_status(await call.services.markets.get(parameters.symbol), parameters.symbol_status)
    return render.depth(await read_depth(call, parameters.symbol, parameters.limit))


def _check_status(market: Market, status: object) -> None:
    if market.status is not status:
        raise errors.OTHER_STATUS


async def read_depth(call: Call, symbol: str, limit: int) -> Depth:
    return await call.services.books.read(symbol, limit)


async def trades(call: Call, parameters: TradesParameters) -> list[dict[str, Any]]:
    return await _trades(call, parameters, None)


async def old_trades(call: Call, parameters: OldTradesParameters) -> list[dict[str, Any]]:
    return await _trades(call, parameters, parameters.from_id)


async def _trades(call: Call, parameters: TradesParameters, from_id: int | None) -> list[dict[str, Any]]:
    market = await call.services.markets.get(parameters.symbol)
    rows = await call.services.history.read(
        lambda source: market_queries.trades(source, market.symbol, from_id, parameters.limit)
    )
    return [render.public_trade(row, call.unit) for row in rows]


async def block_trades(call: Call, parameters: BlockTradesParameters) -> list[dict[str, Any]]:
    """Nobody can trade in blocks here."""
    await call.services.markets.get(parameters.symbol)
    return []


async def aggregate_trades(call: Call, parameters: AggregateParameters) -> list[dict[str, Any]]:
    market = await call.services.markets.get(parameters.symbol)
    if parameters.from_id is not None and (parameters.start_time is not None or parameters.end_time is not None):
        raise errors.BAD_COMBINATION
    rows = await call.services.history.read(
        lambda source: market_queries.aggregates(
            source,
            market.symbol,
            from_id=parameters.from_id,
            start_us=parameters.start_time,
            end_us=MAX_US - 1 if parameters.end_time is None else min(parameters.end_time, MAX_US - 1),
            limit=parameters.limit,
        )
    )
    return [
        {
            "a": row["aggregate_id"],
            "p": format_e8(row["price_e8"]),
            "q": format_e8(row["quantity_e8"]),
            "f": row["first_trade_id"],
            "l": row["last_trade_id"],
            "T": row["time_us"] // call.unit,
            "m": row["buyer_is_maker"],
            "M": True,
        }
        for row in rows
    ]


async def candles(call: Call, parameters: CandleParameters) -> list[list[Any]]:
    market = await call.services.markets.get(parameters.symbol)
    grid = Grid(parameters.interval, time_zone_us(parameters.time_zone))
    found = await call.services.history.read(
        lambda source: market_queries.candles(
            source,
            market.symbol,
            grid,
            start_us=parameters.start_time,
            end_us=parameters.end_time,
            now_us=call.now_us,
            limit=parameters.limit,
        )
    )
    return [_candle(candle, call.unit) for candle in found]


def time_zone_us(text: str) -> int:
    offset_us = parse_time_zone(text)
    if offset_us is None:
        raise errors.not_valid("timeZone") if text else errors.empty("timeZone")
    return offset_us


def _candle(candle: Candle, unit: int) -> list[Any]:
    sums = candle.sums
    return [
        candle.open_us // unit,
        format_e8(sums.open_e8),
        format_e8(sums.high_e8),
        format_e8(sums.low_e8),
        format_e8(sums.close_e8),
        format_e8(sums.volume_e8),
        candle.end_us // unit - 1,
        format_e8(sums.quote_volume_e8),
        sums.trade_count,
        format_e8(sums.taker_buy_e8),
        format_e8(sums.taker_buy_quote_e8),
        _UNUSED,
    ]


async def average_price(call: Call, parameters: SymbolParameters) -> dict[str, Any]:
    """What average-price filters compare with; over whole seconds, as they are counted there."""
    market = await call.services.markets.get(parameters.symbol)
    minutes = market.average_minutes or AVERAGE_MINUTES
    start_us = call.now_us - call.now_us % SECOND_US - minutes * MINUTE_US
    price_e8, time_us = await market_queries.average_price(call.services.pool, market.symbol, start_us)
    return {"mins": minutes, "price": format_e8(price_e8), "closeTime": time_us // call.unit}


async def reference_price(call: Call, parameters: SymbolParameters) -> NoReturn:
    """No market here has one."""
    await call.services.markets.get(parameters.symbol)
    raise errors.NO_REFERENCE_PRICE


async def reference_price_calculation(call: Call, parameters: CalculationParameters) -> NoReturn:
    market = await call.services.markets.get(parameters.symbol)
    if parameters.symbol_status is not None:
        _check_status(market, parameters.symbol_status)
    raise errors.NO_REFERENCE_PRICE


async def execution_rules(call: Call, parameters: RulesParameters) -> dict[str, Any]:
    """No market here has any."""
    if parameters.symbol_status is not None and (parameters.symbol is not None or parameters.symbols is not None):
        raise errors.BAD_COMBINATION
    await choose_markets(call, parameters.symbol, parameters.symbols)
    return {"symbolRules": []}


def _public(path: str, parameters: Any, handler: Any, summary: str, answer: dict[str, Any]) -> Endpoint[Any]:
    return Endpoint("GET", f"/api/v3/{path}", Security.NONE, parameters, handler, summary, answer)


_CANDLES = market_schemas.CANDLES
ENDPOINTS: tuple[Endpoint[Any], ...] = (
    _public("depth", DepthParameters, depth, "The order book, best first", DEPTH),
    _public("trades", TradesParameters, trades, "The newest trades, oldest first", listing(PUBLIC_TRADE)),
    _public("historicalTrades", OldTradesParameters, old_trades, "Trades from an id on", listing(PUBLIC_TRADE)),
    _public(
        "historicalBlockTrades",
        BlockTradesParameters,
        block_trades,
        "Block trades; there are none",
        listing(market_schemas.BLOCK_TRADE),
    ),
    _public(
        "aggTrades",
        AggregateParameters,
        aggregate_trades,
        "Trades of one taker order at one price, taken together",
        listing(market_schemas.AGGREGATE_TRADE),
    ),
    _public("klines", CandleParameters, candles, "Candles", _CANDLES),
    _public("uiKlines", CandleParameters, candles, "Candles to be drawn: the same as klines", _CANDLES),
    _public(
        "avgPrice",
        SymbolParameters,
        average_price,
        "The average price of the last minutes",
        market_schemas.AVERAGE_PRICE,
    ),
    _public(
        "referencePrice",
        SymbolParameters,
        reference_price,
        "The reference price; no market has one",
        market_schemas.REFERENCE_PRICE,
    ),
    _public(
        "referencePrice/calculation",
        CalculationParameters,
        reference_price_calculation,
        "How the reference price comes about; no market has one",
        market_schemas.REFERENCE_PRICE_CALCULATION,
    ),
    _public(
        "executionRules",
        RulesParameters,
        execution_rules,
        "Rules that bound the price of execution; there are none",
        market_schemas.EXECUTION_RULES,
    ),
)
