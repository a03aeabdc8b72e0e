"""The view of one market's current candle of one interval and time zone.

Candles follow each other without a gap from the slot of the market's first trade on, flat where nothing happened, as
``market_queries.candles`` has them. A candle closes when no trade of it is to be expected any more; should one come
all the same, the candle it belongs to is closed a second time.
"""

from services.domain.events import OrderFilled
from services.domain.orders import Side
from services.infra.postgres import Connection
from services.trading import market_queries
from services.trading.candles import Candle, Grid, Sums
from services.trading.views.trade_view import TradeView

# Slots that close at once after this process stood still; what is older can be read over REST.
_MAX_CLOSED = 1_000
_LAST_TRADE_SQL = "SELECT trade_id FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1"
NO_TRADE_ID = -1


class OpenCandle:
    """``first_trade_id`` and ``last_trade_id`` are -1 without trades."""

    __slots__ = ("candle", "last_trade_id")

    def __init__(self, candle: Candle, last_trade_id: int) -> None:
        self.candle = candle
        self.last_trade_id = last_trade_id if candle.sums.trade_count else NO_TRADE_ID

    @property
    def first_trade_id(self) -> int:
        """A market's trades are numbered without gaps."""
        count = self.candle.sums.trade_count
        return self.last_trade_id - count + 1 if count else NO_TRADE_ID

    def add(self, trade: OrderFilled) -> None:
        open_us, end_us, sums = self.candle
        is_first = not sums.trade_count
        price_e8 = trade.price_e8
        is_buy = trade.taker.side is Side.BUY
        self.candle = Candle(
            open_us,
            end_us,
            Sums(
                price_e8 if is_first else sums.open_e8,
                price_e8 if is_first else max(sums.high_e8, price_e8),
                price_e8 if is_first else min(sums.low_e8, price_e8),
                price_e8,
                sums.volume_e8 + trade.quantity_e8,
                sums.quote_volume_e8 + trade.quote_e8,
                sums.trade_count + 1,
                sums.taker_buy_e8 + (trade.quantity_e8 if is_buy else 0),
                sums.taker_buy_quote_e8 + (trade.quote_e8 if is_buy else 0),
            ),
        )
        self.last_trade_id = trade.trade_id


class CandleView(TradeView):
    """``current`` is None until the market has traded. ``take_closed`` gives each candle as it closes."""

    def __init__(self, symbol: str, grid: Grid) -> None:
        super().__init__(symbol)
        self.grid = grid
        self.current: OpenCandle | None = None
        self._previous: OpenCandle | None = None
        self._closed: list[OpenCandle] = []

    async def read(self, connection: Connection, now_us: int) -> None:
        found = await market_queries.candles(
            connection, self.symbol, self.grid, start_us=None, end_us=None, now_us=now_us, limit=1
        )
        last_trade_id = await connection.fetchval(_LAST_TRADE_SQL, self.symbol)
        self.current = OpenCandle(found[-1], last_trade_id) if found else None

    def add(self, trade: OrderFilled) -> None:
        time_us = trade.taker.updated_us
        if self.current is None:
            slot = self.grid.slot(time_us)
            self.current = self._flat(self.grid.opening(slot), self.grid.opening(slot + 1), trade.price_e8)
        self.settle(time_us)
        if time_us >= self.current.candle.open_us:
            self.current.add(trade)
            return
        if self._previous is not None and time_us >= self._previous.candle.open_us:
            self._previous.add(trade)
            self._closed.append(self._previous)
        if not self.current.candle.sums.trade_count:
            self.current = self._flat(*self.current.candle[:2], trade.price_e8)

    def settle(self, settled_us: int) -> None:
        """Close what ended by then."""
        while self.current is not None and self.current.candle.end_us <= settled_us:
            self._previous = self.current
            if len(self._closed) < _MAX_CLOSED:
                self._closed.append(self.current)
            open_us = self.current.candle.end_us
            end_us = self.grid.opening(self.grid.slot(open_us) + 1)
            self.current = self._flat(open_us, end_us, self.current.candle.sums.close_e8)

    def take_closed(self) -> list[OpenCandle]:
        """Those that closed since this was last called, in order."""
        closed, self._closed = self._closed, []
        return closed

    @staticmethod
    def _flat(open_us: int, end_us: int, price_e8: int) -> OpenCandle:
        sums = Sums(price_e8, price_e8, price_e8, price_e8, 0, 0, 0, 0, 0)
        return OpenCandle(Candle(open_us, end_us, sums), NO_TRADE_ID)
