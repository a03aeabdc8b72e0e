"""What market data is read from: trades and stored candles, always by their primary keys.

The trades of a market are numbered without gaps and in the order of time, and so are its aggregate trades, so the first
trade of a time or of an aggregate is found by halving: some twenty look-ups, and no index to be kept for it. What an
answer takes from several statements stays true together, because trades are only ever added.
"""

from collections.abc import Sequence
from typing import Any, Final

from services.domain.money import ONE_E8
from services.infra.postgres import Connection, Pool
from services.trading.candles import HOUR_US, MINUTE_US, Candle, Grid, Interval, Sums, cut, fill, stored_as
from services.trading.queries import MAX_US
from services.trading.tickers import Statistics, flat

Row = Any
# One connection where everything must come from one state of the database.
Reader = Pool | Connection

_TRADE: Final = "SELECT trade_id, price_e8, quantity_e8, quote_e8, time_us, buyer_is_maker FROM exchange.trades"
TRADES_FROM: Final = f"{_TRADE} WHERE symbol = $1 AND trade_id >= $2 ORDER BY trade_id LIMIT $3"
NEWEST_TRADES: Final = f"{_TRADE} WHERE symbol = $1 ORDER BY trade_id DESC LIMIT $2"

_FIRST_TRADE: Final = """
WITH RECURSIVE search (low, high) AS (
    SELECT (SELECT min(trade_id) FROM exchange.trades WHERE symbol = $1),
        (SELECT max(trade_id) + 1 FROM exchange.trades WHERE symbol = $1)
    UNION ALL
    SELECT CASE WHEN middle.is_reached THEN low ELSE middle.trade_id + 1 END,
        CASE WHEN middle.is_reached THEN middle.trade_id ELSE high END
    FROM search CROSS JOIN LATERAL (
        SELECT (low + high) / 2 AS trade_id, (
            SELECT {column} >= $2 FROM exchange.trades WHERE symbol = $1 AND trade_id = (low + high) / 2
        ) AS is_reached
    ) AS middle
    WHERE low < high
)
SELECT low FROM search WHERE low >= high
"""
# The first trade at or after a time, or of an aggregate; past the last one if there is none, NULL without any trades.
FIRST_TRADE_AT: Final = _FIRST_TRADE.format(column="time_us")
FIRST_TRADE_OF_AGGREGATE: Final = _FIRST_TRADE.format(column="aggregate_id")
AGGREGATE_OF_TRADE: Final = "SELECT aggregate_id FROM exchange.trades WHERE symbol = $1 AND trade_id = $2"
AGGREGATES: Final = """
SELECT aggregate_id, min(price_e8) AS price_e8, sum(quantity_e8)::bigint AS quantity_e8,
    min(trade_id) AS first_trade_id, max(trade_id) AS last_trade_id,
    min(time_us) AS time_us, bool_and(buyer_is_maker) AS buyer_is_maker
FROM exchange.trades WHERE symbol = $1 AND trade_id >= $2 AND trade_id < $3 AND time_us <= $4
GROUP BY aggregate_id ORDER BY aggregate_id
"""
LIFETIME: Final = """
SELECT (SELECT time_us FROM exchange.trades WHERE symbol = $1 ORDER BY trade_id LIMIT 1) AS first_us,
    (SELECT time_us FROM exchange.trades WHERE symbol = $1 ORDER BY trade_id DESC LIMIT 1) AS last_us
"""

_STORED: Final = """
SELECT width_bucket(open_us, $3::bigint[]), open_e8, high_e8, low_e8, close_e8, volume_e8::text, quote_volume_e8::text,
    trade_count, taker_buy_e8::text, taker_buy_quote_e8::text
FROM exchange.candles WHERE symbol = $1 AND interval = $2 AND open_us >= $4 AND open_us < $5
"""
# $2 to $5: pieces of slots. OFFSET keeps the planner, which knows nothing of these arrays, from reading all candles and
# then looking for them in the arrays. Sums travel as text: decoding numeric would take longer than adding it up.
_CANDLES: Final = """
SELECT number, (min(ARRAY[first_trade_id, open_e8]))[2], max(high_e8), min(low_e8),
    (max(ARRAY[last_trade_id, close_e8]))[2], sum(volume_e8)::text, sum(quote_volume_e8)::text,
    sum(trade_count)::bigint, sum(taker_buy_e8)::text, sum(taker_buy_quote_e8)::text
FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) AS piece (number, stored, from_us, to_us)
CROSS JOIN LATERAL (
    SELECT * FROM exchange.candles
    WHERE symbol = $1 AND interval = piece.stored AND open_us >= piece.from_us AND open_us < piece.to_us OFFSET 0
) AS candle
GROUP BY number
"""
_SECONDS: Final = """
SELECT width_bucket(time_us, $4::bigint[]) AS slot, (min(ARRAY[trade_id, price_e8]))[2], max(price_e8), min(price_e8),
    (max(ARRAY[trade_id, price_e8]))[2], sum(quantity_e8)::text, sum(quote_e8)::text, count(*),
    coalesce(sum(quantity_e8) FILTER (WHERE NOT buyer_is_maker), 0)::text,
    coalesce(sum(quote_e8) FILTER (WHERE NOT buyer_is_maker), 0)::text
FROM exchange.trades WHERE symbol = $1 AND trade_id >= $2 AND trade_id < $3
GROUP BY slot
"""
_PRICE_OF_TRADE: Final = "SELECT price_e8 FROM exchange.trades WHERE symbol = $1 AND trade_id = $2"
_CLOSE_BEFORE: Final = """
SELECT close_e8 FROM exchange.candles WHERE symbol = $1 AND interval = '1m' AND open_us < $2
ORDER BY open_us DESC LIMIT 1
"""

# From $2, on a minute, on: minutes up to the hour $3, then hours.
_STATISTICS: Final = """
SELECT asked.symbol, open_e8, high_e8, low_e8, volume_e8, quote_volume_e8, trade_count, first_trade_id, last_trade_id,
    last.price_e8 AS last_e8, last.quantity_e8 AS last_quantity_e8, before.close_e8 AS previous_close_e8
FROM unnest($1::text[]) WITH ORDINALITY AS asked (symbol, place)
CROSS JOIN LATERAL (
    SELECT (min(ARRAY[first_trade_id, open_e8]))[2] AS open_e8, max(high_e8) AS high_e8, min(low_e8) AS low_e8,
        sum(volume_e8) AS volume_e8, sum(quote_volume_e8) AS quote_volume_e8, sum(trade_count)::bigint AS trade_count,
        min(first_trade_id) AS first_trade_id, max(last_trade_id) AS last_trade_id
    FROM (
        SELECT * FROM exchange.candles
        WHERE symbol = asked.symbol AND interval = '1m' AND open_us >= $2 AND open_us < $3
        UNION ALL
        SELECT * FROM exchange.candles WHERE symbol = asked.symbol AND interval = '1h' AND open_us >= $3
    ) AS candle
) AS sums
LEFT JOIN LATERAL (
    SELECT price_e8, quantity_e8 FROM exchange.trades WHERE symbol = asked.symbol ORDER BY trade_id DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT close_e8 FROM exchange.candles WHERE symbol = asked.symbol AND interval = '1m' AND open_us < $2
    ORDER BY open_us DESC LIMIT 1
) AS before ON true
ORDER BY place
"""
# From trade $2 up to the minute $3 by trades, from there on by minutes.
_AVERAGE: Final = """
SELECT sum(quantity_e8) AS volume_e8, sum(quote_e8) AS quote_volume_e8 FROM (
    SELECT quantity_e8, quote_e8 FROM exchange.trades WHERE symbol = $1 AND trade_id >= $2 AND trade_id < $3
    UNION ALL
    SELECT volume_e8, quote_volume_e8 FROM exchange.candles WHERE symbol = $1 AND interval = '1m' AND open_us >= $4
) AS part
"""
_LAST_TRADE: Final = "SELECT price_e8, time_us FROM exchange.trades WHERE symbol = $1 ORDER BY trade_id DESC LIMIT 1"


async def trades(pool: Pool, symbol: str, from_id: int | None, limit: int) -> list[Row]:
    """Oldest first: from an id, else the newest."""
    if from_id is not None:
        return await pool.fetch(TRADES_FROM, symbol, from_id, limit)
    return (await pool.fetch(NEWEST_TRADES, symbol, limit))[::-1]


async def aggregates(
    pool: Pool, symbol: str, *, from_id: int | None, start_us: int | None, end_us: int, limit: int
) -> list[Row]:
    """Oldest first: from an id or a start time, else the newest, none of them after ``end_us``."""
    first = await _first_aggregate(pool, symbol, start_us, end_us, limit) if from_id is None else from_id
    if first is None:
        return []
    first = min(max(first, 1), MAX_US - limit)
    low = await pool.fetchval(FIRST_TRADE_OF_AGGREGATE, symbol, first)
    high = await pool.fetchval(FIRST_TRADE_OF_AGGREGATE, symbol, first + limit)
    return await pool.fetch(AGGREGATES, symbol, low, high, end_us)


async def _first_aggregate(pool: Pool, symbol: str, start_us: int | None, end_us: int, limit: int) -> int | None:
    trade_id = await pool.fetchval(FIRST_TRADE_AT, symbol, end_us + 1 if start_us is None else start_us)
    if trade_id is None:
        return None
    if start_us is not None:
        # An aggregate has one time, so this trade begins one.
        first: int | None = await pool.fetchval(AGGREGATE_OF_TRADE, symbol, trade_id)
        return first
    last = await pool.fetchval(AGGREGATE_OF_TRADE, symbol, trade_id - 1)
    return None if last is None else max(last - limit + 1, 1)


async def candles(
    pool: Reader, symbol: str, grid: Grid, *, start_us: int | None, end_us: int | None, now_us: int, limit: int
) -> list[Candle]:
    """The market's candles that open from ``start_us`` to ``end_us``: the first ones from a start, else the newest."""
    lifetime = await pool.fetchrow(LIFETIME, symbol)
    if lifetime is None or lifetime["first_us"] is None:
        return []
    # The engine's clock may be ahead of this process's.
    last_us = max(now_us, lifetime["last_us"])
    edges = grid.edges(lifetime["first_us"], last_us, start_us, end_us, limit)
    if not edges:
        return []
    if grid.interval is Interval.SECOND:
        return await _candles_of_trades(pool, symbol, edges)
    return await _candles_of_candles(pool, symbol, grid, edges)


async def _candles_of_candles(pool: Reader, symbol: str, grid: Grid, edges: list[int]) -> list[Candle]:
    stored = stored_as(grid)
    if stored is not None:
        rows = await pool.fetch(_STORED, symbol, stored, edges, edges[0], edges[-1])
    else:
        rows = await pool.fetch(_CANDLES, symbol, *zip(*cut(edges), strict=True))
    sums = _sums(rows)
    close_e8 = None if sums and sums[0][0] == 1 else await pool.fetchval(_CLOSE_BEFORE, symbol, edges[0])
    return fill(edges, sums, close_e8 or 0)


async def _candles_of_trades(pool: Reader, symbol: str, edges: list[int]) -> list[Candle]:
    low = await pool.fetchval(FIRST_TRADE_AT, symbol, edges[0])
    high = await pool.fetchval(FIRST_TRADE_AT, symbol, edges[-1])
    rows = await pool.fetch(_SECONDS, symbol, low, high, edges)
    close_e8 = await pool.fetchval(_PRICE_OF_TRADE, symbol, low - 1)
    return fill(edges, _sums(rows), close_e8 or 0)


def _sums(rows: Sequence[Row]) -> list[tuple[int, Sums]]:
    return sorted((row[0], Sums(*map(int, row[1:]))) for row in (tuple(record) for record in rows))


async def statistics(pool: Pool, symbols: Sequence[str], start_us: int) -> list[Statistics]:
    """What happened from ``start_us``, on a minute, until now; one for each market, in their order."""
    hour_us = -(-start_us // HOUR_US) * HOUR_US
    rows = await pool.fetch(_STATISTICS, symbols, start_us, hour_us)
    return [_statistics(row) for row in rows]


def _statistics(row: Row) -> Statistics:
    if row["trade_count"] is None:
        return flat(row["symbol"], row["last_e8"] or 0, row["last_quantity_e8"] or 0)
    symbol, *numbers = tuple(row)
    return Statistics(symbol, *(int(number or 0) for number in numbers))


async def average_price(pool: Pool, symbol: str, start_us: int) -> tuple[int, int]:
    """The average price since ``start_us``, else the last price, and the time of the last trade; zeros without any."""
    last = await pool.fetchrow(_LAST_TRADE, symbol)
    if last is None:
        return 0, 0
    minute_us = -(-start_us // MINUTE_US) * MINUTE_US
    low = await pool.fetchval(FIRST_TRADE_AT, symbol, start_us)
    high = await pool.fetchval(FIRST_TRADE_AT, symbol, minute_us)
    sums = await pool.fetchrow(_AVERAGE, symbol, low, high, minute_us)
    if sums is None or not sums["volume_e8"]:
        return last["price_e8"], last["time_us"]
    return int(sums["quote_volume_e8"]) * ONE_E8 // int(sums["volume_e8"]), last["time_us"]
