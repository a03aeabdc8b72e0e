"""The view that rolling tickers are read from: the minutes of the last day of one market, and its last trade.

The numbers are those of ``market_queries.statistics``, so streams and REST agree.
"""

from collections import deque
from itertools import takewhile
from typing import Final

from services.domain.events import OrderFilled
from services.infra.postgres import Connection
from services.trading.candles import DAY_US, MINUTE_US
from services.trading.tickers import Statistics, flat, rolling
from services.trading.views.trade_view import TradeView

_MINUTES_SQL: Final = """
SELECT open_us, open_e8, high_e8, low_e8, close_e8, volume_e8::text, quote_volume_e8::text, trade_count,
    first_trade_id, last_trade_id
FROM exchange.candles WHERE symbol = $1 AND interval = '1m' AND open_us >= $2 ORDER BY open_us
"""
_BEFORE_SQL: Final = """
SELECT close_e8 FROM exchange.candles WHERE symbol = $1 AND interval = '1m' AND open_us < $2
ORDER BY open_us DESC LIMIT 1
"""
_LAST_SQL: Final = """
SELECT price_e8, quantity_e8 FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""


class Minute:
    """A minute with trades."""

    __slots__ = (
        "close_e8",
        "first_trade_id",
        "high_e8",
        "last_trade_id",
        "low_e8",
        "open_e8",
        "open_us",
        "quote_volume_e8",
        "trade_count",
        "volume_e8",
    )

    def __init__(
        self,
        open_us: int,
        open_e8: int,
        high_e8: int,
        low_e8: int,
        close_e8: int,
        volume_e8: int,
        quote_volume_e8: int,
        trade_count: int,
        first_trade_id: int,
        last_trade_id: int,
    ) -> None:
        self.open_us = open_us
        self.open_e8 = open_e8
        self.high_e8 = high_e8
        self.low_e8 = low_e8
        self.close_e8 = close_e8
        self.volume_e8 = volume_e8
        self.quote_volume_e8 = quote_volume_e8
        self.trade_count = trade_count
        self.first_trade_id = first_trade_id
        self.last_trade_id = last_trade_id

    def add(self, trade: OrderFilled) -> None:
        self.high_e8 = max(self.high_e8, trade.price_e8)
        self.low_e8 = min(self.low_e8, trade.price_e8)
        self.close_e8 = trade.price_e8
        self.volume_e8 += trade.quantity_e8
        self.quote_volume_e8 += trade.quote_e8
        self.trade_count += 1
        self.last_trade_id = trade.trade_id


class MinutesView(TradeView):
    """At most a day and a minute of minutes, oldest first."""

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self._minutes: deque[Minute] = deque()
        # The price before the oldest minute, 0 if there was none.
        self._before_e8 = 0
        self._last_e8 = 0
        self._last_quantity_e8 = 0

    async def read(self, connection: Connection, now_us: int) -> None:
        start_us = rolling(now_us, DAY_US).start_us
        rows = await connection.fetch(_MINUTES_SQL, self.symbol, start_us)
        self._minutes = deque(Minute(*map(int, tuple(row))) for row in rows)
        self._before_e8 = await connection.fetchval(_BEFORE_SQL, self.symbol, start_us) or 0
        last = await connection.fetchrow(_LAST_SQL, self.symbol)
        self._last_e8, self._last_quantity_e8 = (0, 0) if last is None else tuple(last)

    def add(self, trade: OrderFilled) -> None:
        time_us, price_e8 = trade.taker.updated_us, trade.price_e8
        open_us = time_us - time_us % MINUTE_US
        self._last_e8, self._last_quantity_e8 = price_e8, trade.quantity_e8
        if not self._minutes or self._minutes[-1].open_us < open_us:
            first = (price_e8, price_e8, price_e8, price_e8, 0, 0, 0, trade.trade_id, trade.trade_id)
            self._minutes.append(Minute(open_us, *first))
        self._minutes[-1].add(trade)

    def statistics(self, now_us: int, length_us: int) -> Statistics:
        """Of the window that ends now, which may be up to a day long."""
        self._forget(rolling(now_us, DAY_US).start_us)
        start_us = rolling(now_us, length_us).start_us
        newest_first = list(takewhile(lambda minute: minute.open_us >= start_us, reversed(self._minutes)))
        if not newest_first:
            return flat(self.symbol, self._last_e8, self._last_quantity_e8)
        older = len(self._minutes) - len(newest_first)
        before_e8 = self._minutes[older - 1].close_e8 if older else self._before_e8
        return self._sum(newest_first, before_e8)

    def _forget(self, start_us: int) -> None:
        while self._minutes and self._minutes[0].open_us < start_us:
            self._before_e8 = self._minutes.popleft().close_e8

    def _sum(self, newest_first: list[Minute], before_e8: int) -> Statistics:
        oldest, newest = newest_first[-1], newest_first[0]
        return Statistics(
            self.symbol,
            oldest.open_e8,
            max(minute.high_e8 for minute in newest_first),
            min(minute.low_e8 for minute in newest_first),
            sum(minute.volume_e8 for minute in newest_first),
            sum(minute.quote_volume_e8 for minute in newest_first),
            sum(minute.trade_count for minute in newest_first),
            oldest.first_trade_id,
            newest.last_trade_id,
            self._last_e8,
            self._last_quantity_e8,
            before_e8,
        )
