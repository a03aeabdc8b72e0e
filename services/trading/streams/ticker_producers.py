"""Producers of tickers, of one market or of all that changed. The numbers are those of REST (``tickers.py``).

A ``TickerSource`` works out one market's ticker once a second, however many streams show it.
"""

from collections.abc import Callable
from typing import Final

from services.trading.candles import DAY_US, HOUR_US
from services.trading.streams import payloads
from services.trading.streams.names import Kind, Stream
from services.trading.streams.producers import Producer, Tools
from services.trading.tickers import Statistics, rolling
from services.trading.views.book import Best
from services.trading.views.minutes import MinutesView

_LENGTH_US: Final = {
    Kind.MINI_TICKER: DAY_US,
    Kind.TICKER: DAY_US,
    Kind.TICKER_HOUR: HOUR_US,
    Kind.TICKER_4_HOURS: 4 * HOUR_US,
    Kind.TICKER_DAY: DAY_US,
}

Render = Callable[[int], bytes]


class TickerSource:
    """``look`` says what the ticker has become, or None while it is what it was at the last look."""

    def __init__(self, kind: Kind, symbol: str, tools: Tools) -> None:
        self._kind = kind
        self._symbol = symbol
        self._tools = tools
        self._view = tools.tape.use(self._key, lambda: MinutesView(symbol))
        self._seen: tuple[Statistics, Best | None] | None = None
        if kind is Kind.TICKER:
            tools.books.follow(symbol)

    @property
    def _key(self) -> tuple[str, str]:
        return "minutes", self._symbol

    def look(self, now_us: int) -> Render | None:
        best = None
        if self._kind is Kind.TICKER:
            book = self._tools.books.loaded(self._symbol)
            if book is None:
                return None
            best = book.best
        if not self._view.is_loaded:
            return None
        shown = (self._view.statistics(now_us, _LENGTH_US[self._kind]), best)
        if shown == self._seen:
            return None
        self._seen = shown
        return self._renderer(*shown, now_us)

    def _renderer(self, found: Statistics, best: Best | None, now_us: int) -> Render:
        window = rolling(now_us, _LENGTH_US[self._kind])
        if self._kind is Kind.MINI_TICKER:
            return lambda unit: payloads.mini_ticker(found, now_us, unit)
        if best is not None:
            return lambda unit: payloads.day_ticker(found, best, window, now_us, unit)
        name = self._kind.value.removeprefix("ticker_")
        return lambda unit: payloads.window_ticker(name, found, window, now_us, unit)

    def stop(self) -> None:
        self._tools.tape.leave(self._key)
        if self._kind is Kind.TICKER:
            self._tools.books.leave(self._symbol)


class Ticker(Producer):
    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        self._source = TickerSource(stream.kind, stream.symbol, tools)

    def on_tick(self, now_us: int) -> None:
        if self.is_due(now_us):
            render = self._source.look(now_us)
            if render is not None:
                self.say(render)

    def stop(self) -> None:
        self._source.stop()


class AllTickers(Producer):
    """Of every market, those that have changed; a market that is listed later joins them."""

    # The latest message has only the markets that changed last.
    keeps = False

    def __init__(self, stream: Stream, tools: Tools) -> None:
        super().__init__(stream, tools)
        self._sources: dict[str, TickerSource] = {}

    def on_tick(self, now_us: int) -> None:
        if not self.is_due(now_us):
            return
        for symbol in self.tools.markets.keys() - self._sources.keys():
            self._sources[symbol] = TickerSource(self.stream.kind, symbol, self.tools)
        looks = [source.look(now_us) for _, source in sorted(self._sources.items())]
        changed = [render for render in looks if render is not None]
        if changed:
            self.say(lambda unit: payloads.array(render(unit) for render in changed))

    def stop(self) -> None:
        for source in self._sources.values():
            source.stop()
