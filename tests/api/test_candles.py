"""Candles, aggregate trades and tickers against what a plain reading of the trades gives.

Seeded random trades go through the real settlement, in batches; then every question is asked of the real queries and of
the naive functions here, which know nothing but the list of trades.
"""

import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby

import asyncpg
import pytest

from services.domain.events import OrderFilled
from services.domain.money import ONE_E8
from services.domain.orders import OrderState, OrderStatus, OrderType, Side, TimeInForce
from services.engine.journal import JournalRow
from services.engine.projection import Projection
from services.engine.settlement import Tails, settle
from services.infra import postgres
from services.infra.postgres import Pool
from services.trading import market_queries, tickers
from services.trading.candles import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    Candle,
    Grid,
    Interval,
    Sums,
    parse_time_zone,
)
from tests.history_partitions import cut_history

SYMBOL = "BTCUSDT"
ZONES = ("0", "8", "-1:00", "05:45", "-3:30", "0:07", "14", "-12:00")
MONTH_US = 30 * DAY_US
SPARSE_START_US = int(datetime(2024, 2, 27, 23, 58, 30, tzinfo=UTC).timestamp()) * SECOND_US


@dataclass(frozen=True)
class Trade:
    trade_id: int
    price_e8: int
    quantity_e8: int
    time_us: int
    taker_buys: bool
    taker_order_id: int

    @property
    def quote_e8(self) -> int:
        return self.price_e8 * self.quantity_e8 // ONE_E8


@dataclass(frozen=True)
class Traded:
    """A market's whole history, in the database and here."""

    pool: Pool
    trades: list[Trade]
    now_us: int


def random_trades(seed: int, gaps_us: Iterable[int], start_us: int) -> list[list[Trade]]:
    """Batches of trades: orders that take at one price or several."""
    chance = random.Random(seed)
    batches: list[list[Trade]] = []
    time_us, price, trade_id, order_id = start_us, 50_000, 0, 0
    for gap_us in gaps_us:
        time_us += chance.randint(0, gap_us)
        batch: list[Trade] = []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            order_id += 2
            buys = chance.random() < 0.5
            for _ in range(chance.choice((1, 1, 2, 4))):
                price = max(1_000, price + (chance.choice((0, 0, 1, 7)) if buys else -chance.choice((0, 0, 1, 7))))
                trade_id += 1
                quantity_e8 = chance.randint(1, 10**9) * 1000
                batch.append(Trade(trade_id, price * ONE_E8, quantity_e8, time_us, buys, order_id))
        batches.append(batch)
    return batches


def event(trade: Trade) -> OrderFilled:
    def state(order_id: int, side: Side) -> OrderState:
        kind, status = OrderType.LIMIT, OrderStatus.FILLED
        amounts = (trade.price_e8, trade.quantity_e8, 0, trade.quantity_e8, trade.quote_e8)
        times = (trade.time_us,) * 3
        return OrderState(order_id, 1000, SYMBOL, "", side, kind, TimeInForce.GTC, *amounts, status, *times)

    sides = (Side.BUY, Side.SELL) if trade.taker_buys else (Side.SELL, Side.BUY)
    states = (state(trade.taker_order_id, sides[0]), state(trade.taker_order_id - 1, sides[1]))
    return OrderFilled(
        trade.trade_id, SYMBOL, trade.price_e8, trade.quantity_e8, trade.quote_e8, 0, 0, states[0], states[1]
    )


async def store(url: str, batches: list[list[Trade]]) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE exchange.engine_lease SET epoch = 1, expires_at = 'infinity'")
    first_us = batches[0][0].time_us
    await cut_history(connection, "trades", [first_us + month * MONTH_US for month in range(60)])
    tails = Tails()
    for sequence, batch in enumerate(batches, 1):
        projection = Projection()
        projection.fold(event(trade) for trade in batch)
        row = JournalRow(sequence, 1, batch[0].time_us, b"", b"", b"")
        await settle(connection, row, projection, tails, lease_ttl_ms=3_600_000)
    await connection.close()


SPARSE_GAPS = [
    *[3 * DAY_US] * 40,
    *[HOUR_US] * 120,
    *[5 * MINUTE_US] * 120,
    *[40 * DAY_US] * 12,
    *[20 * SECOND_US] * 100,
]
DENSE_GAPS = [*[SECOND_US] * 250, *[20 * SECOND_US] * 50, 7 * MINUTE_US, *[SECOND_US // 5] * 150]
HISTORIES = {"sparse": (SPARSE_GAPS, SPARSE_START_US), "dense": (DENSE_GAPS, SPARSE_START_US + 17)}


@pytest.fixture(params=HISTORIES)
async def traded(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[Traded]:
    batches = random_trades(7, *HISTORIES[request.param])
    await store(postgres_url, batches)
    pool = await postgres.create_pool(
        postgres_url.replace("postgres@", "crossbook_trading@", 1),
        application_name="test",
        size=2,
        statement_timeout_ms=20_000,
    )
    trades = [trade for batch in batches for trade in batch]
    yield Traded(pool, trades, trades[-1].time_us + 3 * MINUTE_US + 123_456)
    await pool.close()


def opening(interval: Interval, offset_us: int, time_us: int) -> int:
    """When the candle that holds a time opens, by the calendar of the zone."""
    zone = timezone(timedelta(microseconds=offset_us))
    local = datetime.fromtimestamp(time_us // SECOND_US, zone)
    midnight = local.replace(hour=0, minute=0, second=0)
    count, unit = int(interval.value[:-1]), interval.value[-1]
    match unit:
        case "s":
            opened = local
        case "m":
            opened = local.replace(minute=local.minute // count * count, second=0)
        case "h":
            opened = local.replace(hour=local.hour // count * count, minute=0, second=0)
        case "d":
            day = (midnight - datetime(1970, 1, 1, tzinfo=zone)).days
            opened = midnight - timedelta(days=day % count)
        case "w":
            opened = midnight - timedelta(days=midnight.isoweekday() - 1)
        case _:
            opened = midnight.replace(day=1)
    return int(opened.timestamp()) * SECOND_US


def following(interval: Interval, offset_us: int, open_us: int) -> int:
    step_us = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US, "M": 31 * DAY_US}
    count, unit = int(interval.value[:-1]), interval.value[-1]
    return opening(interval, offset_us, open_us + count * step_us[unit])


def naive_candles(
    history: Traded, interval: Interval, offset_us: int, start_us: int | None, end_us: int | None, limit: int
) -> list[Candle]:
    def floor(time_us: int) -> int:
        return opening(interval, offset_us, time_us)

    first, last = floor(history.trades[0].time_us), floor(min(history.now_us, end_us or history.now_us))
    openings: list[int] = []
    if start_us is None:
        at = last
        while at >= first and len(openings) < limit:
            openings.insert(0, at)
            at = floor(at - 1)
    else:
        at = max(floor(start_us), first)
        if at < start_us:
            at = following(interval, offset_us, at)
        while at <= last and len(openings) < limit:
            openings.append(at)
            at = following(interval, offset_us, at)
    return [naive_candle(history, at, following(interval, offset_us, at)) for at in openings]


def naive_candle(history: Traded, open_us: int, end_us: int) -> Candle:
    within = [trade for trade in history.trades if open_us <= trade.time_us < end_us]
    if not within:
        close_e8 = [trade.price_e8 for trade in history.trades if trade.time_us < open_us][-1]
        return Candle(open_us, end_us, Sums(close_e8, close_e8, close_e8, close_e8, 0, 0, 0, 0, 0))
    bought = [trade for trade in within if trade.taker_buys]
    sums = Sums(
        within[0].price_e8,
        max(trade.price_e8 for trade in within),
        min(trade.price_e8 for trade in within),
        within[-1].price_e8,
        sum(trade.quantity_e8 for trade in within),
        sum(trade.quote_e8 for trade in within),
        len(within),
        sum(trade.quantity_e8 for trade in bought),
        sum(trade.quote_e8 for trade in bought),
    )
    return Candle(open_us, end_us, sums)


async def test_candles_of_every_interval_in_every_zone(traded: Traded) -> None:
    chance = random.Random(11)
    first_us, last_us = traded.trades[0].time_us, traded.now_us
    for interval in Interval:
        for zone in ZONES:
            offset_us = parse_time_zone(zone)
            assert offset_us is not None
            times = [chance.randint(first_us - DAY_US, last_us + HOUR_US) for _ in range(2)]
            some = opening(interval, offset_us, chance.choice(traded.trades).time_us)
            for start_us, end_us in (
                (None, None),
                (min(times), max(times)),
                (times[0], None),
                (None, times[1]),
                (some, some),
            ):
                limit = chance.choice((1, 3, 40))
                found = await market_queries.candles(
                    traded.pool,
                    SYMBOL,
                    Grid(interval, offset_us),
                    start_us=start_us,
                    end_us=end_us,
                    now_us=traded.now_us,
                    limit=limit,
                )
                expected = naive_candles(traded, interval, offset_us, start_us, end_us, limit)
                assert found == expected, (interval, zone, start_us, end_us, limit)


async def test_a_start_before_the_market_gives_its_first_candles(traded: Traded) -> None:
    first_us = traded.trades[0].time_us
    for interval in Interval:
        found = await market_queries.candles(
            traded.pool, SYMBOL, Grid(interval), start_us=1_000, end_us=2**63 - 1, now_us=traded.now_us, limit=2
        )
        assert found[0].open_us == opening(interval, 0, first_us)
        assert found[0].end_us == following(interval, 0, found[0].open_us)
        assert [candle.open_us for candle in found[1:]] in ([], [found[0].end_us])
    for start_us, end_us in ((traded.now_us + DAY_US, None), (None, 5), (2**63 - 1, None), (first_us + 9, first_us)):
        for interval in Interval:
            assert (
                await market_queries.candles(
                    traded.pool,
                    SYMBOL,
                    Grid(interval),
                    start_us=start_us,
                    end_us=end_us,
                    now_us=traded.now_us,
                    limit=5,
                )
                == []
            )


async def test_aggregates_are_the_runs_of_one_taker_at_one_price(traded: Traded) -> None:
    runs = [list(run) for _, run in groupby(traded.trades, lambda t: (t.taker_order_id, t.price_e8, t.time_us))]
    expected = [
        (
            number,
            run[0].price_e8,
            sum(trade.quantity_e8 for trade in run),
            run[0].trade_id,
            run[-1].trade_id,
            run[0].time_us,
            not run[0].taker_buys,
        )
        for number, run in enumerate(runs, 1)
    ]
    assert any(run[0].trade_id != run[-1].trade_id for run in runs), "some are made of several trades"

    async def ask(**asked: int | None) -> list[tuple[object, ...]]:
        question = {"from_id": None, "start_us": None, "end_us": 2**63 - 2, "limit": 50} | asked
        rows = await market_queries.aggregates(traded.pool, SYMBOL, **question)  # type: ignore[arg-type]
        return [tuple(row) for row in rows]

    assert await ask() == expected[-50:]
    assert await ask(limit=10_000) == expected
    assert await ask(from_id=100) == expected[99:149]
    assert await ask(from_id=0, limit=3) == expected[:3]
    assert await ask(from_id=len(expected) + 1) == await ask(from_id=2**63 - 1) == []
    chance = random.Random(3)
    for _ in range(30):
        one, other = sorted(chance.choice(traded.trades).time_us + chance.randint(-1, 1) for _ in range(2))
        from_one = [row for row in expected if row[5] >= one]
        assert await ask(start_us=one) == from_one[:50]
        assert await ask(start_us=one, end_us=other) == [row for row in from_one if row[5] <= other][:50]
        assert await ask(end_us=other) == [row for row in expected if row[5] <= other][-50:]
    assert await ask(start_us=traded.now_us) == await ask(end_us=5) == []


async def test_tickers_say_what_the_trades_say(traded: Traded) -> None:
    for name in ("1m", "2m", "59m", "1h", "5h", "23h", "1d", "7d"):
        length_us = tickers.parse_window(name)
        assert length_us is not None
        for now_us in (traded.now_us, traded.now_us - 3 * MINUTE_US, traded.now_us + HOUR_US):
            window = tickers.rolling(now_us, length_us)
            assert window.start_us % MINUTE_US == 0
            assert length_us <= now_us - window.start_us < length_us + MINUTE_US
            (found,) = await market_queries.statistics(traded.pool, [SYMBOL], window.start_us)
            within = [trade for trade in traded.trades if trade.time_us >= window.start_us]
            before = [trade for trade in traded.trades if trade.time_us < window.start_us]
            assert (found.last_e8, found.last_quantity_e8) == (
                traded.trades[-1].price_e8,
                traded.trades[-1].quantity_e8,
            )
            assert found.trade_count == len(within)
            if not within:
                assert found.open_e8 == found.high_e8 == found.low_e8 == found.last_e8 == found.previous_close_e8
                assert (found.first_trade_id, found.last_trade_id, found.volume_e8) == (-1, -1, 0)
                continue
            assert (found.open_e8, found.first_trade_id) == (within[0].price_e8, within[0].trade_id)
            assert found.last_trade_id == within[-1].trade_id
            assert found.volume_e8 == sum(trade.quantity_e8 for trade in within)
            assert found.quote_volume_e8 == sum(trade.quote_e8 for trade in within)
            assert (found.high_e8, found.low_e8) == (
                max(trade.price_e8 for trade in within),
                min(trade.price_e8 for trade in within),
            )
            assert found.previous_close_e8 == (before[-1].price_e8 if before else 0)


async def test_the_average_price_is_that_of_whole_seconds(traded: Traded) -> None:
    for minutes, ago_us in ((5, 0), (5, 170 * SECOND_US), (1, 3 * MINUTE_US), (30, 60 * SECOND_US)):
        now_us = traded.now_us - ago_us
        start_us = now_us - now_us % SECOND_US - minutes * MINUTE_US
        within = [trade for trade in traded.trades if trade.time_us >= start_us]
        price_e8, time_us = await market_queries.average_price(traded.pool, SYMBOL, start_us)
        assert time_us == traded.trades[-1].time_us
        volume_e8 = sum(trade.quantity_e8 for trade in within)
        quote_e8 = sum(trade.quote_e8 for trade in within)
        assert price_e8 == (quote_e8 * ONE_E8 // volume_e8 if within else traded.trades[-1].price_e8)


async def test_a_market_that_never_traded_has_nothing(postgres_url: str) -> None:
    pool = await postgres.create_pool(postgres_url, application_name="test", size=1, statement_timeout_ms=5_000)
    for interval in Interval:
        grid = Grid(interval)
        assert await market_queries.candles(pool, "X", grid, start_us=None, end_us=None, now_us=10**15, limit=5) == []
    assert await market_queries.aggregates(pool, "X", from_id=None, start_us=None, end_us=5, limit=5) == []
    assert await market_queries.aggregates(pool, "X", from_id=1, start_us=None, end_us=5, limit=5) == []
    assert await market_queries.statistics(pool, ["X"], 0) == [tickers.flat("X", 0, 0)]
    assert await market_queries.average_price(pool, "X", 0) == (0, 0)
    await pool.close()


@pytest.mark.parametrize(
    ("text", "hours"),
    [("0", 0), ("8", 8), ("+8", 8), (" 8", 8), ("-1:00", -1), ("05:45", 5.75), ("14", 14), ("14:00", 14), ("-12", -12)],
)
def test_time_zones(text: str, hours: float) -> None:
    assert parse_time_zone(text) == int(hours * HOUR_US)


@pytest.mark.parametrize("text", ["", "x", "14:01", "-12:01", "15", "5:60", "5:4", "005", "UTC", "--1", "1:00:00"])
def test_what_is_no_time_zone(text: str) -> None:
    assert parse_time_zone(text) is None


@pytest.mark.parametrize("text", ["", "0m", "60m", "01m", "24h", "8d", "1w", "1d2h", "1D", "m", "1"])
def test_what_is_no_window(text: str) -> None:
    assert tickers.parse_window(text) is None


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [
        (-8, 9, "-88.889"),
        (1, 3, "33.333"),
        (2, 3, "66.667"),
        (0, 5, "0.000"),
        (-1, 10**9, "0.000"),
        (1, 0, "0.000"),
        (1, 200_000, "0.001"),
        (-1, 200_000, "-0.001"),
        (3, 1, "300.000"),
    ],
)
def test_percentages(part: int, whole: int, percent: str) -> None:
    assert tickers.percent_rounded_half_up(part, whole) == percent
