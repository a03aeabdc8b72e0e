"""What market data is read from: trades and stored candles, always by their primary keys.

The trades of a market are numbered without gaps and in the order of time, and so are its aggregate trades, so the time
of a trade or of an aggregate is found by halving: some forty look-ups, and no index to be kept for it. What an answer
takes from several statements stays true together, because trades are only ever added, and dropped only when they are
old. Candles outlive the trades that they were made of.
"""

from collections.abc import Sequence
from typing import Any, Final

from services.domain.money import ONE_E8
from services.infra.postgres import Source
from services.trading.candles import HOUR_US, MINUTE_US, Candle, Grid, Interval, Sums, cut, fill, stored_as
from services.trading.queries import MAX_US, TIME_OF_AGGREGATE, TIME_OF_TRADE
from services.trading.tickers import Statistics, flat

Row = Any

_TRADE: Final = "SELECT trade_id, price_e8, quantity_e8, quote_e8, time_us, buyer_is_maker FROM exchange.trades"
TRADES_FROM: Final = (
    f"{_TRADE} WHERE symbol = $1 AND time_us >= $2 AND trade_id + 0 >= $3 ORDER BY time_us, trade_id LIMIT $4"
)
NEWEST_TRADES: Final = f"{_TRADE} WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT $2"

AGGREGATE_FROM: Final = """
SELECT aggregate_id FROM exchange.trades WHERE symbol = $1 AND time_us >= $2 ORDER BY time_us, trade_id LIMIT 1
"""
AGGREGATE_UNTIL: Final = """
SELECT aggregate_id FROM exchange.trades WHERE symbol = $1 AND time_us <= $2
ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""
# An aggregate has one time.
AGGREGATES: Final = """
SELECT aggregate_id, min(price_e8) AS price_e8, sum(quantity_e8)::bigint AS quantity_e8,
    min(trade_id) AS first_trade_id, max(trade_id) AS last_trade_id,
    min(time_us) AS time_us, bool_and(buyer_is_maker) AS buyer_is_maker
FROM exchange.trades
WHERE symbol = $1 AND time_us >= $2 AND time_us <= $3 AND aggregate_id >= $4 AND aggregate_id < $5
GROUP BY aggregate_id ORDER BY aggregate_id
"""
# Minutes are enough for candles of a minute and longer.
LIFETIME: Final = """
SELECT min(open_us) AS first_us, max(open_us) AS last_us FROM exchange.candles WHERE symbol = $1 AND interval = '1m'
"""
LIFETIME_IN_TRADES: Final = """
SELECT (SELECT time_us FROM exchange.trades WHERE symbol = $1 ORDER BY time_us, trade_id LIMIT 1) AS first_us,
    (SELECT time_us FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1) AS last_us
"""

_STORED: Final = """
SELECT width_bucket(open_us, $3::bigint[]), open_e8, high_e8, low_e8, close_e8, volume_e8::text, quote_volume_e8::text,
    trade_count, taker_buy_e8::text, taker_buy_quote_e8::text
FROM exchange.candles WHERE symbol = $1 AND interval = $2 AND open_us >= $4 AND open_us < $5
"""
# $2: edges of slots; $3 to $5: runs of candles. OFFSET keeps the planner, which knows nothing of these arrays, from
# reading all candles and then looking for them in the arrays. Sums travel as text: decoding numeric would take longer
# than adding it up.
_CANDLES: Final = """
SELECT width_bucket(open_us, $2::bigint[]) AS slot, (min(ARRAY[first_trade_id, open_e8]))[2], max(high_e8), min(low_e8),
    (max(ARRAY[last_trade_id, close_e8]))[2], sum(volume_e8)::text, sum(quote_volume_e8)::text,
    sum(trade_count)::bigint, sum(taker_buy_e8)::text, sum(taker_buy_quote_e8)::text
FROM unnest($3::text[], $4::bigint[], $5::bigint[]) AS run (stored, from_us, to_us)
CROSS JOIN LATERAL (
    SELECT * FROM exchange.candles
    WHERE symbol = $1 AND interval = run.stored AND open_us >= run.from_us AND open_us < run.to_us OFFSET 0
) AS candle
GROUP BY slot
"""
_SECONDS: Final = """
SELECT width_bucket(time_us, $4::bigint[]) AS slot, (min(ARRAY[trade_id, price_e8]))[2], max(price_e8), min(price_e8),
    (max(ARRAY[trade_id, price_e8]))[2], sum(quantity_e8)::text, sum(quote_e8)::text, count(*),
    coalesce(sum(quantity_e8) FILTER (WHERE NOT buyer_is_maker), 0)::text,
    coalesce(sum(quote_e8) FILTER (WHERE NOT buyer_is_maker), 0)::text
FROM exchange.trades WHERE symbol = $1 AND time_us >= $2 AND time_us < $3
GROUP BY slot
"""
_PRICE_BEFORE: Final = """
SELECT price_e8 FROM exchange.trades WHERE symbol = $1 AND time_us < $2 ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""
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
    SELECT price_e8, quantity_e8 FROM exchange.trades WHERE symbol = asked.symbol
    ORDER BY time_us DESC, trade_id DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT close_e8 FROM exchange.candles WHERE symbol = asked.symbol AND interval = '1m' AND open_us < $2
    ORDER BY open_us DESC LIMIT 1
) AS before ON true
ORDER BY place
"""
# From the time $2 up to the minute $3 by trades, from there on by minutes.
_AVERAGE: Final = """
SELECT sum(quantity_e8) AS volume_e8, sum(quote_e8) AS quote_volume_e8 FROM (
    SELECT quantity_e8, quote_e8 FROM exchange.trades WHERE symbol = $1 AND time_us >= $2 AND time_us < $3
    UNION ALL
    SELECT volume_e8, quote_volume_e8 FROM exchange.candles WHERE symbol = $1 AND interval = '1m' AND open_us >= $3
) AS part
"""
_LAST_TRADE: Final = """
SELECT price_e8, time_us FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""


async def trades(source: Source, symbol: str, from_id: int | None, limit: int) -> list[Row]:
    """Oldest first: from an id, else the newest."""
    if from_id is not None:
        time_us = await source.fetchval(TIME_OF_TRADE, symbol, from_id)
        return [] if time_us is None else await source.fetch(TRADES_FROM, symbol, time_us, from_id, limit)
    return (await source.fetch(NEWEST_TRADES, symbol, limit))[::-1]


async def aggregates(
    source: Source, symbol: str, *, from_id: int | None, start_us: int | None, end_us: int, limit: int
) -> list[Row]:
    """Oldest first: from an id or a start time, else the newest, none of them after ``end_us``."""
    first = await _first_aggregate(source, symbol, start_us, end_us, limit) if from_id is None else from_id
    if first is None:
        return []
    first = min(max(first, 1), MAX_US - limit)
    from_us = await source.fetchval(TIME_OF_AGGREGATE, symbol, first)
    to_us = await source.fetchval(TIME_OF_AGGREGATE, symbol, first + limit)
    return await source.fetch(AGGREGATES, symbol, from_us, min(to_us or 0, end_us), first, first + limit)


async def _first_aggregate(source: Source, symbol: str, start_us: int | None, end_us: int, limit: int) -> int | None:
    if start_us is not None:
        # An aggregate has one time, so this trade begins one.
        first: int | None = await source.fetchval(AGGREGATE_FROM, symbol, start_us)
        return first
    last = await source.fetchval(AGGREGATE_UNTIL, symbol, end_us)
    return None if last is None else max(last - limit + 1, 1)


async def candles(
    source: Source, symbol: str, grid: Grid, *, start_us: int | None, end_us: int | None, now_us: int, limit: int
) -> list[Candle]:
    """The market's candles that open from ``start_us`` to ``end_us``: the first ones from a start, else the newest."""
    lifetime = await source.fetchrow(LIFETIME_IN_TRADES if grid.interval is Interval.SECOND else LIFETIME, symbol)
    if lifetime is None or lifetime["first_us"] is None:
        return []
    # The engine's clock may be ahead of this process's.
    last_us = max(now_us, lifetime["last_us"])
    edges = grid.edges(lifetime["first_us"], last_us, start_us, end_us, limit)
    if not edges:
        return []
    if grid.interval is Interval.SECOND:
        return await _candles_of_trades(source, symbol, edges)
    return await _candles_of_candles(source, symbol, grid, edges)


async def _candles_of_candles(source: Source, symbol: str, grid: Grid, edges: list[int]) -> list[Candle]:
    stored = stored_as(grid)
    if stored is not None:
        rows = await source.fetch(_STORED, symbol, stored, edges, edges[0], edges[-1])
    else:
        rows = await source.fetch(_CANDLES, symbol, edges, *zip(*cut(edges), strict=True))
    sums = _sums(rows)
    close_e8 = None if 1 in sums else await source.fetchval(_CLOSE_BEFORE, symbol, edges[0])
    return fill(edges, sums, close_e8 or 0)


async def _candles_of_trades(source: Source, symbol: str, edges: list[int]) -> list[Candle]:
    rows = await source.fetch(_SECONDS, symbol, edges[0], edges[-1], edges)
    close_e8 = await source.fetchval(_PRICE_BEFORE, symbol, edges[0])
    return fill(edges, _sums(rows), close_e8 or 0)


def _sums(rows: Sequence[Row]) -> dict[int, Sums]:
    """By the number of their slot."""
    return {
        slot: Sums(opened, high, low, close, int(volume), int(quote), count, int(bought), int(bought_quote))
        for slot, opened, high, low, close, volume, quote, count, bought, bought_quote in rows
    }


async def statistics(source: Source, symbols: Sequence[str], start_us: int) -> list[Statistics]:
    """What happened from ``start_us``, on a minute, until now; one for each market, in their order."""
    hour_us = -(-start_us // HOUR_US) * HOUR_US
    rows = await source.fetch(_STATISTICS, symbols, start_us, hour_us)
    return [_statistics(row) for row in rows]


def _statistics(row: Row) -> Statistics:
    if row["trade_count"] is None:
        return flat(row["symbol"], row["last_e8"] or 0, row["last_quantity_e8"] or 0)
    symbol, *numbers = tuple(row)
    return Statistics(symbol, *(int(number or 0) for number in numbers))


async def average_price(source: Source, symbol: str, start_us: int) -> tuple[int, int]:
    """The average price since ``start_us``, else the last price, and the time of the last trade; zeros without any."""
    last = await source.fetchrow(_LAST_TRADE, symbol)
    if last is None:
        return 0, 0
    minute_us = -(-start_us // MINUTE_US) * MINUTE_US
    sums = await source.fetchrow(_AVERAGE, symbol, start_us, minute_us)
    if sums is None or not sums["volume_e8"]:
        return last["price_e8"], last["time_us"]
    return int(sums["quote_volume_e8"]) * ONE_E8 // int(sums["volume_e8"]), last["time_us"]
