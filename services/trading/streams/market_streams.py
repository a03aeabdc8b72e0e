"""Market streams: the source that fills the hub's topics with what happens in markets.

For every stream that somebody listens to there is one producer, whatever the number of names and time units it is
asked for under. Streams of symbols that are no markets (yet) wait for the market to be listed.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from services.domain.events import BookChanged, MarketDefined, OrderFilled
from services.trading.feed import Feed, JournalEntry
from services.trading.markets import Markets
from services.trading.streams import names, producers, ticker_producers
from services.trading.streams.hub import Hub, Topic
from services.trading.streams.names import Kind, Stream
from services.trading.streams.producers import TICK_MS, Producer, Tools
from services.trading.views.books import Books
from services.trading.views.tape import Tape

_MAKERS: Final[dict[Kind, Callable[[Stream, Tools], Producer]]] = {
    Kind.TRADE: producers.Trades,
    Kind.AGGREGATE_TRADE: producers.AggregateTrades,
    Kind.BOOK_TICKER: producers.BookTicker,
    Kind.DIFF_DEPTH: producers.DiffDepth,
    Kind.PARTIAL_DEPTH: producers.PartialDepth,
    Kind.KLINE: producers.Klines,
    Kind.AVERAGE_PRICE: producers.AveragePrice,
    **dict.fromkeys(names.TICKERS, ticker_producers.Ticker),
}


class MarketStreams:
    """``start`` it before the first subscription, and ``run`` it as a task.

    Its listener must come after those of the books and the tape.
    """

    def __init__(self, hub: Hub, feed: Feed, books: Books, tape: Tape) -> None:
        self._tools = Tools(hub, feed, books, tape, {})
        self._producers: dict[Stream, Producer] = {}
        self._by_symbol: defaultdict[str, list[Producer]] = defaultdict(list)
        self._waiting: defaultdict[str, set[Topic]] = defaultdict(set)
        feed.listen(self._on_entry)
        hub.sources.append(self)

    async def start(self, markets: Markets) -> None:
        """Learn which markets there are; others come through the feed."""
        self._tools.markets.update(await markets.all())

    def begin(self, topic: Topic) -> None:
        stream = names.parse(topic.stream)
        if stream is None:
            return
        if stream.symbol and stream.symbol not in self._tools.markets:
            self._waiting[stream.symbol].add(topic)
            return
        self._begin(stream, topic)

    def end(self, topic: Topic) -> None:
        stream = names.parse(topic.stream)
        if stream is None:
            return
        if topic in self._waiting.get(stream.symbol, ()):
            self._waiting[stream.symbol].remove(topic)
            if not self._waiting[stream.symbol]:
                del self._waiting[stream.symbol]
            return
        producer = self._producers[stream]
        if producer.remove(topic):
            del self._producers[stream]
            self._by_symbol[stream.symbol].remove(producer)
            producer.stop()

    async def run(self) -> None:
        """Tell time, in steps that lie on tenths of seconds."""
        while True:
            await asyncio.sleep((TICK_MS - time.time_ns() // 1_000_000 % TICK_MS) / 1000)
            now_us = time.time_ns() // 1000
            for producer in tuple(self._producers.values()):
                if producer.is_wanted:
                    producer.on_tick(now_us)
                    # Each may have thousands of messages to send.
                    await asyncio.sleep(0)

    def _begin(self, stream: Stream, topic: Topic) -> None:
        producer = self._producers.get(stream)
        if producer is None:
            make = _MAKERS[stream.kind] if stream.symbol else ticker_producers.AllTickers
            producer = self._producers[stream] = make(stream, self._tools)
            self._by_symbol[stream.symbol].append(producer)
        producer.add(topic)

    def _on_entry(self, entry: JournalEntry) -> None:
        touched: dict[str, None] = {}
        for events in entry.events:
            for event in events:
                if type(event) is BookChanged:
                    touched[event.symbol] = None
                    for producer in self._by_symbol.get(event.symbol, ()):
                        producer.on_change(event, entry)
                elif type(event) is OrderFilled:
                    touched[event.symbol] = None
                    for producer in self._by_symbol.get(event.symbol, ()):
                        producer.on_trade(event, entry)
                elif type(event) is MarketDefined:
                    self._on_market(event)
        for symbol in touched:
            for producer in self._by_symbol.get(symbol, ()):
                producer.on_end(entry)

    def _on_market(self, event: MarketDefined) -> None:
        symbol = event.market.symbol
        self._tools.markets[symbol] = event.market
        for topic in self._waiting.pop(symbol, ()):
            self.begin(topic)
