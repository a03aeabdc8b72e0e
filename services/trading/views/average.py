"""The view of one market's average price over the last minutes, in whole seconds, as ``market_queries`` has it."""

from collections import deque
from typing import Final

from services.domain.events import OrderFilled
from services.domain.money import ONE_E8
from services.infra.postgres import Connection
from services.trading.candles import MINUTE_US, SECOND_US
from services.trading.views.trade_view import TradeView

_SECONDS_SQL: Final = """
SELECT time_us / 1000000 AS second, sum(quantity_e8)::text, sum(quote_e8)::text
FROM exchange.trades WHERE symbol = $1 AND time_us >= $2 GROUP BY second ORDER BY second
"""
_LAST_SQL: Final = """
SELECT price_e8, time_us FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""


class AveragePriceView(TradeView):
    """A (second, volume, quote volume) for each second with trades, oldest first, and their sums."""

    def __init__(self, symbol: str, minutes: int) -> None:
        super().__init__(symbol)
        self.minutes = minutes
        self.last_trade_us = 0
        self._seconds: deque[list[int]] = deque()
        self._volume_e8 = 0
        self._quote_volume_e8 = 0
        self._last_e8 = 0

    async def read(self, connection: Connection, now_us: int) -> None:
        last = await connection.fetchrow(_LAST_SQL, self.symbol)
        self._last_e8, self.last_trade_us = (0, 0) if last is None else tuple(last)
        rows = await connection.fetch(_SECONDS_SQL, self.symbol, self._start_us(now_us))
        self._seconds = deque([int(number) for number in tuple(row)] for row in rows)
        self._volume_e8 = sum(second[1] for second in self._seconds)
        self._quote_volume_e8 = sum(second[2] for second in self._seconds)

    def add(self, trade: OrderFilled) -> None:
        self._last_e8, self.last_trade_us = trade.price_e8, trade.taker.updated_us
        second = self.last_trade_us // SECOND_US
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][1] += trade.quantity_e8
        self._seconds[-1][2] += trade.quote_e8
        self._volume_e8 += trade.quantity_e8
        self._quote_volume_e8 += trade.quote_e8

    def price_e8(self, now_us: int) -> int:
        """The last price if nobody traded; 0 if nobody ever has."""
        start = self._start_us(now_us) // SECOND_US
        while self._seconds and self._seconds[0][0] < start:
            _, volume_e8, quote_volume_e8 = self._seconds.popleft()
            self._volume_e8 -= volume_e8
            self._quote_volume_e8 -= quote_volume_e8
        return self._quote_volume_e8 * ONE_E8 // self._volume_e8 if self._volume_e8 else self._last_e8

    def _start_us(self, now_us: int) -> int:
        return now_us - now_us % SECOND_US - self.minutes * MINUTE_US
