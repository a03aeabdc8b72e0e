"""Producers: what makes the messages of one market stream, for as long as somebody listens to it.

A producer hears of its market's trades and book changes, of the end of each journal entry, and of time (every 100 ms).
What it says is encoded once for each time unit that is asked for. Messages that show a state, not a happening, are kept
for those who come later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.domain.events import BookChanged, OrderFilled
from services.domain.market import Market
from services.trading.feed import Feed, JournalEntry
from services.trading.routes.market_data import AVERAGE_MINUTES
from services.trading.streams import payloads
from services.trading.streams.hub import Hub, Topic
from services.trading.streams.names import Stream
from services.trading.views.aggregate import AggregateTrade, AggregateView
from services.trading.views.average import AveragePriceView
from services.trading.views.book import Best
from services.trading.views.books import Books
from services.trading.views.candle import CandleView, OpenCandle
from services.trading.views.tape import Tape

TICK_MS: Final = 100


@dataclass(frozen=True, slots=True)
class Tools:
    """What producers work with; ``markets`` are those there are, by symbol."""

    hub: Hub
    feed: Feed
    books: Books
    tape: Tape
    markets: dict[str, Market]


class Producer:
    """``keeps`` says whether the latest message is for newcomers too."""

    keeps = True

    def __init__(self, stream: Stream, tools: Tools) -> None:
        self.stream = stream
        self.tools = tools
        self._topics: dict[int, list[Topic]] = {}
        self._last_ms = 0

    def add(self, topic: Topic) -> None:
        self._topics.setdefault(topic.unit, []).append(topic)

    def remove(self, topic: Topic) -> bool:
        """True if that was the last one."""
        self._topics[topic.unit].remove(topic)
        if not self._topics[topic.unit]:
            del self._topics[topic.unit]
        return not self._topics

    @property
    def is_wanted(self) -> bool:
        return bool(self._topics)

    def say(self, encode: Callable[[int], bytes]) -> None:
        for unit, topics in self._topics.items():
            message = encode(unit)
            for topic in topics:
                self.tools.hub.publish(topic, message, keep=self.keeps)

    def is_due(self, now_us: int) -> bool:
        """True once in each period of the stream's cadence."""
        now_ms = now_us // 1000
        is_due = now_ms // self.stream.cadence_ms != self._last_ms // self.stream.cadence_ms
        self._last_ms = now_ms
        return is_due

    def on_trade(self, trade: OrderFilled, entry: JournalEntry) -> None:
        """A trade of this market."""

    def on_change(self, change: BookChanged, entry: JournalEntry) -> None:
        """A change of this market's book."""

    def on_end(self, entry: JournalEntry) -> None:
        """An entry with something about this market is over, and all views have it."""

    def on_tick(self, now_us: int) -> None:
        """A tenth of a second has passed."""

    def stop(self) -> None:
        """Nobody listens any longer."""


class Trades(Producer):
    keeps = False

    def on_trade(self, trade: OrderFilled, entry: JournalEntry) -> None:
        self.say(lambda unit: payloads.trade(trade, entry.time_us, unit))


class AggregateTrades(Producer):
    keeps = False

    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        self._view = tools.tape.use(stream, lambda: AggregateView(stream.symbol))

    def on_end(self, entry: JournalEntry) -> None:
        self._say_taken(entry.time_us)

    def on_tick(self, now_us: int) -> None:
        # Trades that came while the view was loading.
        self._say_taken(now_us)

    def _say_taken(self, event_us: int) -> None:
        if not self._view.is_loaded:
            return
        for aggregate in self._view.take():
            self._say(aggregate, event_us)

    def _say(self, aggregate: AggregateTrade, event_us: int) -> None:
        symbol = self.stream.symbol
        self.say(lambda unit: payloads.aggregate_trade(symbol, aggregate, event_us, unit))

    def stop(self) -> None:
        self.tools.tape.leave(self.stream)


class BookTicker(Producer):
    """Says the best bid and ask when they have changed: what a journal entry did at once is seen at once."""

    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        self._said: Best | None = None
        tools.books.follow(stream.symbol)

    def on_end(self, entry: JournalEntry) -> None:  # noqa: ARG002
        self._look()

    def on_tick(self, now_us: int) -> None:  # noqa: ARG002
        # The view may have been taken, or taken anew.
        self._look()

    def _look(self) -> None:
        view = self.tools.books.loaded(self.stream.symbol)
        if view is None or view.best == self._said:
            return
        self._said = view.best
        message = payloads.book_ticker(self.stream.symbol, view.update_id, view.best)
        self.say(lambda _: message)

    def stop(self) -> None:
        self.tools.books.leave(self.stream.symbol)


class DiffDepth(Producer):
    """Says what changed since it last spoke: each first update id is the last one before, plus one."""

    keeps = False

    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        self._first = 0
        self._last = 0
        self._time_us = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def on_change(self, change: BookChanged, entry: JournalEntry) -> None:
        if not self._last:
            self._first = change.update_id
        self._last = change.update_id
        self._time_us = entry.time_us
        self._bids.update(change.bids)
        self._asks.update(change.asks)

    def on_tick(self, now_us: int) -> None:
        if not self.is_due(now_us) or not self._last:
            return
        bids = tuple(sorted(self._bids.items(), reverse=True))
        asks = tuple(sorted(self._asks.items()))
        change = BookChanged(self.stream.symbol, self._last, bids, asks)
        first, time_us = self._first, self._time_us
        self._first = self._last = 0
        self._bids.clear()
        self._asks.clear()
        self.say(lambda unit: payloads.diff_depth(change, first, time_us, unit))


class PartialDepth(Producer):
    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        self._said: int | None = None
        tools.books.follow(stream.symbol)

    def on_tick(self, now_us: int) -> None:
        if not self.is_due(now_us):
            return
        view = self.tools.books.loaded(self.stream.symbol)
        if view is None or view.update_id == self._said:
            return
        self._said = view.update_id
        message = payloads.partial_depth(view.depth(self.stream.levels))
        self.say(lambda _: message)

    def stop(self) -> None:
        self.tools.books.leave(self.stream.symbol)


class Klines(Producer):
    """Says the current candle at its cadence if it has changed, and every candle once more when it closes."""

    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        assert stream.grid is not None, "a kline stream has an interval"
        grid = stream.grid
        self._interval = grid.interval.value
        self._view = tools.tape.use(stream, lambda: CandleView(stream.symbol, grid))
        self._said: object = None

    def on_tick(self, now_us: int) -> None:
        if not self._view.is_loaded:
            return
        self._view.settle(self.tools.feed.settled_us)
        for closed in self._view.take_closed():
            self._say(closed, now_us, is_closed=True)
        current = self._view.current
        if self.is_due(now_us) and current is not None and current.candle != self._said:
            self._said = current.candle
            self._say(current, now_us, is_closed=False)

    def _say(self, shown: OpenCandle, event_us: int, *, is_closed: bool) -> None:
        symbol, interval = self.stream.symbol, self._interval
        self.say(
            lambda unit: payloads.kline(symbol, interval, shown, is_closed=is_closed, event_us=event_us, unit=unit)
        )

    def stop(self) -> None:
        self.tools.tape.leave(self.stream)


class AveragePrice(Producer):
    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        self._minutes = tools.markets[stream.symbol].average_minutes or AVERAGE_MINUTES
        self._view = tools.tape.use(stream, lambda: AveragePriceView(stream.symbol, self._minutes))
        self._said: tuple[int, int] | None = None

    def on_tick(self, now_us: int) -> None:
        if not self.is_due(now_us) or not self._view.is_loaded:
            return
        shown = (self._view.price_e8(now_us), self._view.last_trade_us)
        if shown == self._said:
            return
        self._said = shown
        symbol, minutes = self.stream.symbol, self._minutes
        self.say(lambda unit: payloads.average_price(symbol, minutes, *shown, now_us, unit))

    def stop(self) -> None:
        self.tools.tape.leave(self.stream)
