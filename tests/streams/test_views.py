"""Views folded from trades: what no system under test can be made to show when it is wanted."""

import msgspec
import pytest

from services.domain.events import BookChanged, OrderFilled
from services.domain.orders import OrderState, OrderStatus, OrderType, Side, TimeInForce
from services.domain.protocol import Depth
from services.infra import postgres
from services.trading.candles import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Candle, Grid, Interval
from services.trading.tickers import NO_TRADE_ID
from services.trading.views.aggregate import AggregateView
from services.trading.views.average import AveragePriceView
from services.trading.views.book import Best, BookGap, BookView
from services.trading.views.candle import CandleView, OpenCandle
from services.trading.views.minutes import MinutesView

SYMBOL = "BTCUSDT"
E8 = 10**8
# On a day's, and so on every shorter interval's, beginning.
START_US = 20_000 * DAY_US


class Market:
    """Makes trades with the ids that follow each other."""

    def __init__(self) -> None:
        self.trade_id = 0

    def trade(self, time_us: int, price: int, quantity: int = 1, *, taker_id: int = 1) -> OrderFilled:
        self.trade_id += 1
        amounts = (price * E8, quantity * E8, 0, quantity * E8, price * quantity * E8)
        times = (time_us, time_us, time_us)
        order = OrderState(
            taker_id, 1, SYMBOL, "x", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, *amounts, OrderStatus.FILLED, *times
        )
        maker = msgspec.structs.replace(order, order_id=2, side=Side.SELL)
        return OrderFilled(self.trade_id, SYMBOL, price * E8, quantity * E8, price * quantity * E8, 0, 0, order, maker)


@pytest.fixture
def market() -> Market:
    return Market()


def closed(view: CandleView) -> list[tuple[int, int, int, int]]:
    """Seconds since the start, close, number of trades, last trade."""
    return [
        (
            (shown.candle.open_us - START_US) // SECOND_US,
            shown.candle.sums.close_e8 // E8,
            shown.candle.sums.trade_count,
            shown.last_trade_id,
        )
        for shown in view.take_closed()
    ]


def current(view: CandleView) -> OpenCandle:
    assert view.current is not None
    return view.current


def test_a_candle_closes_when_no_trade_of_it_can_come(market: Market) -> None:
    view = CandleView(SYMBOL, Grid(Interval.SECOND))
    view.settle(START_US + SECOND_US)
    assert view.current is None
    view.add(market.trade(START_US + 100, 10))
    view.add(market.trade(START_US + 200, 12))
    view.settle(START_US + SECOND_US - 1)
    assert closed(view) == []
    view.settle(START_US + SECOND_US)
    assert closed(view) == [(0, 12, 2, 2)]
    # A trade closes what is before it, whether or not something happened there.
    view.add(market.trade(START_US + 3 * SECOND_US, 9))
    assert closed(view) == [(1, 12, 0, NO_TRADE_ID), (2, 12, 0, NO_TRADE_ID)]
    assert (current(view).first_trade_id, current(view).last_trade_id) == (3, 3)


def test_a_late_trade_closes_its_candle_again(market: Market) -> None:
    """It is in that candle for REST, too; and the flat candle after it begins at its price."""
    view = CandleView(SYMBOL, Grid(Interval.SECOND))
    view.add(market.trade(START_US, 10))
    view.settle(START_US + SECOND_US)
    assert closed(view) == [(0, 10, 1, 1)]
    view.add(market.trade(START_US + 500, 14))
    assert closed(view) == [(0, 14, 2, 2)]
    assert current(view).candle.sums.open_e8 == 14 * E8
    view.add(market.trade(START_US + SECOND_US, 15))
    view.add(market.trade(START_US + SECOND_US + 1, 16))
    assert current(view).candle == Candle(
        START_US + SECOND_US,
        START_US + 2 * SECOND_US,
        (15 * E8, 16 * E8, 15 * E8, 16 * E8, 2 * E8, 31 * E8, 2, 2 * E8, 31 * E8),  # type: ignore[arg-type]
    )


def test_standing_still_closes_a_bounded_number_of_candles(market: Market) -> None:
    view = CandleView(SYMBOL, Grid(Interval.SECOND))
    view.add(market.trade(START_US, 10))
    view.settle(START_US + DAY_US // 8)
    assert 0 < len(closed(view)) <= 1_000
    assert current(view).candle.open_us == START_US + DAY_US // 8


def test_a_window_slides_by_minutes(market: Market) -> None:
    view = MinutesView(SYMBOL)
    for minute, price in ((0, 10), (30, 30), (61, 20)):
        view.add(market.trade(START_US + minute * MINUTE_US, price))
    now_us = START_US + 61 * MINUTE_US + 5
    hour = view.statistics(now_us, HOUR_US)
    assert (hour.open_e8, hour.high_e8, hour.low_e8, hour.last_e8) == (30 * E8, 30 * E8, 20 * E8, 20 * E8)
    assert (hour.trade_count, hour.first_trade_id, hour.last_trade_id) == (2, 2, 3)
    assert hour.previous_close_e8 == 10 * E8
    day = view.statistics(now_us, DAY_US)
    assert (day.open_e8, day.trade_count, day.previous_close_e8, day.volume_e8) == (10 * E8, 3, 0, 3 * E8)
    # A day later only the last minute is left, then nothing but the last price.
    day = view.statistics(START_US + DAY_US + 31 * MINUTE_US, DAY_US)
    assert (day.open_e8, day.trade_count, day.previous_close_e8) == (20 * E8, 1, 30 * E8)
    day = view.statistics(START_US + 2 * DAY_US, DAY_US)
    assert (day.open_e8, day.trade_count, day.previous_close_e8, day.first_trade_id) == (20 * E8, 0, 20 * E8, -1)


def test_an_average_forgets_by_seconds(market: Market) -> None:
    view = AveragePriceView(SYMBOL, 5)
    assert view.price_e8(START_US) == 0
    view.add(market.trade(START_US + 100, 10, 3))
    view.add(market.trade(START_US + SECOND_US, 20))
    assert view.price_e8(START_US + SECOND_US) == 125 * E8 // 10
    assert view.price_e8(START_US + 5 * MINUTE_US + SECOND_US - 1) == 125 * E8 // 10
    assert view.price_e8(START_US + 5 * MINUTE_US + SECOND_US) == 20 * E8
    assert view.price_e8(START_US + 6 * MINUTE_US) == 20 * E8
    assert view.last_trade_us == START_US + SECOND_US


def test_aggregates_are_taken_whole(market: Market) -> None:
    view = AggregateView(SYMBOL)
    for price, taker_id in ((10, 7), (10, 7), (11, 7), (11, 8)):
        view.add(market.trade(START_US, price, taker_id=taker_id))
    assert [(one.aggregate_id, one.first_trade_id, one.last_trade_id, one.quantity_e8) for one in view.take()] == [
        (1, 1, 2, 2 * E8),
        (2, 3, 3, E8),
        (3, 4, 4, E8),
    ]
    assert view.take() == []
    view.add(market.trade(START_US + 1, 11, taker_id=9))
    assert [one.aggregate_id for one in view.take()] == [4]


def test_a_book_takes_changes_in_order_only() -> None:
    view = BookView(Depth(5, [(100, 1), (99, 2)], [(101, 3), (103, 4)]))
    assert view.best == Best((100, 1), (101, 3))
    view.apply(BookChanged(SYMBOL, 5, ((100, 0),), ()))
    assert view.best.bid == (100, 1)
    view.apply(BookChanged(SYMBOL, 6, ((100, 0), (98, 7), (97, 0)), ((102, 1), (101, 0))))
    assert view.depth(5) == Depth(6, [(99, 2), (98, 7)], [(102, 1), (103, 4)])
    assert view.depth(1) == Depth(6, [(99, 2)], [(102, 1)])
    with pytest.raises(BookGap):
        view.apply(BookChanged(SYMBOL, 8, (), ()))
    view.apply(BookChanged(SYMBOL, 7, ((99, 0), (98, 0)), ((102, 0), (103, 0))))
    assert view.best == Best((0, 0), (0, 0))
    assert view.depth(5) == Depth(7, [], [])


async def test_a_view_starts_where_the_database_ends(market: Market, postgres_url: str) -> None:
    """Trades offered while it loads are in its start state or come after it, never both and never neither."""
    pool = await postgres.create_pool(postgres_url, application_name="test", size=2, statement_timeout_ms=10_000)
    try:
        for sequence in (1, 2, 3):
            await pool.execute("INSERT INTO exchange.journal VALUES ($1, 1, $2, '', '', '')", sequence, START_US)
            await pool.execute(
                "INSERT INTO exchange.candles VALUES ($1, '1m', $2, 1, 1, 1, 1, 1, 1, 1, 1, 1, $3, $3, $3)",
                SYMBOL,
                START_US + sequence * MINUTE_US,
                sequence,
            )
        view = MinutesView(SYMBOL)
        for sequence in (2, 3, 4, 5):
            view.offer(sequence, market.trade(START_US + sequence * MINUTE_US, 10))
        assert not view.is_loaded
        await view.load(pool, START_US + HOUR_US)
        view.offer(3, market.trade(START_US + 3 * MINUTE_US, 10))
        view.offer(6, market.trade(START_US + 6 * MINUTE_US, 10))
        found = view.statistics(START_US + HOUR_US, HOUR_US)
        assert (found.trade_count, found.volume_e8) == (3 + 3, 3 + 3 * E8)
    finally:
        await pool.close()
