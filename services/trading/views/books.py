"""The books of this process: one view for each market that somebody asked for, kept up by the feed.

A view starts from the whole book as the engine has it. The feed has delivered everything up to some entry when the
engine is asked, so the changes that follow, in the order of update ids, continue from the answer without a gap; those
that are in it already are left out. A view that a change does not fit is thrown away and taken anew.
"""

import asyncio
import contextlib
from typing import Final

from services.domain.events import BookChanged
from services.domain.protocol import Depth, ReadDepth
from services.infra import postgres, telemetry
from services.trading import metrics
from services.trading.errors import DialectError
from services.trading.feed import Feed, JournalEntry
from services.trading.gateway import Gateway
from services.trading.journal_head import JournalHead
from services.trading.views.book import BookGap, BookView

# Every level there is; open orders are limited by the markets' filters.
_ALL_LEVELS: Final = 2**31 - 1
_ATTEMPTS: Final = 20
_RETRY_S: Final = 0.1
_FOLLOW_AGAIN_S: Final = 1.0
# A feed that is further behind than this is not waited for: the engine is asked.
_PATIENCE_S: Final = 0.25

_log = telemetry.logger(__name__)


class BookUnavailable(Exception):
    """The engine's book and the feed do not fit together, time and again."""


class Books:
    """``read`` for a book as fresh as the engine's own; ``follow`` and ``loaded`` for one that is kept."""

    def __init__(self, feed: Feed, gateway: Gateway, head: JournalHead) -> None:
        self._feed = feed
        self._gateway = gateway
        self._head = head
        self._views: dict[str, BookView] = {}
        self._loading: dict[str, asyncio.Task[BookView]] = {}
        # Changes since a view began to load.
        self._pending: dict[str, list[BookChanged]] = {}
        self._seen: dict[str, int] = {}
        self._followers: dict[str, int] = {}
        self._taking: dict[str, asyncio.Task[None]] = {}
        feed.listen(self._on_entry)

    async def read(self, symbol: str, limit: int) -> Depth:
        """The best levels; whatever anybody was told of before this was called is in them."""
        view = None
        with contextlib.suppress(BookUnavailable, *postgres.FAILURES):
            await self.get(symbol)
            await self._feed.reached(await self._head.read(), _PATIENCE_S if self._feed.is_live else 0)
            view = self._views.get(symbol)
        if view is not None:
            return view.depth(limit)
        metrics.BOOKS_ASKED.inc()
        return await self._ask(symbol, limit)

    def loaded(self, symbol: str) -> BookView | None:
        """The view, if there is one at this moment."""
        return self._views.get(symbol)

    async def get(self, symbol: str) -> BookView:
        """The view, which is taken if nobody has asked for it before; raise DialectError if the engine refuses."""
        view = self._views.get(symbol)
        if view is not None:
            return view
        loading = self._loading.get(symbol)
        if loading is None:
            loading = self._loading[symbol] = asyncio.create_task(self._load(symbol))
            loading.add_done_callback(lambda _: self._loading.pop(symbol, None))
        return await asyncio.shield(loading)

    def follow(self, symbol: str) -> None:
        """Take the view as soon as can be and keep it, until ``leave`` has been called as often.

        The symbol must be a market's.
        """
        self._followers[symbol] = self._followers.get(symbol, 0) + 1
        if symbol not in self._views:
            self._take_again(symbol)

    def leave(self, symbol: str) -> None:
        self._followers[symbol] -= 1
        if not self._followers[symbol]:
            del self._followers[symbol]

    async def _ask(self, symbol: str, limit: int) -> Depth:
        reply = await self._gateway.submit(ReadDepth(symbol, limit))
        assert isinstance(reply, Depth), "the engine answers ReadDepth with Depth"
        return reply

    async def _load(self, symbol: str) -> BookView:
        for _ in range(_ATTEMPTS):
            pending = self._pending[symbol] = []
            try:
                depth = await self._ask(symbol, _ALL_LEVELS)
            finally:
                del self._pending[symbol]
            view = BookView(depth)
            try:
                for change in pending:
                    view.apply(change)
            except BookGap as gap:
                _log.warning("book_does_not_fit", gap=str(gap))
            else:
                # An engine that has lost its lease may not know yet, and answer with an old book.
                if view.update_id >= self._seen.get(symbol, 0):
                    self._views[symbol] = view
                    return view
            await asyncio.sleep(_RETRY_S)
        raise BookUnavailable(symbol)

    def _on_entry(self, entry: JournalEntry) -> None:
        for events in entry.events:
            for event in events:
                if type(event) is BookChanged:
                    self._on_change(event)

    def _on_change(self, change: BookChanged) -> None:
        symbol = change.symbol
        self._seen[symbol] = change.update_id
        view = self._views.get(symbol)
        if view is None:
            if symbol in self._pending:
                self._pending[symbol].append(change)
            return
        if change.update_id <= view.update_id:
            return
        try:
            view.apply(change)
        except BookGap as gap:
            _log.error("book_view_dropped", gap=str(gap))
            del self._views[symbol]
            if symbol in self._followers:
                self._take_again(symbol)

    def _take_again(self, symbol: str) -> None:
        if symbol not in self._taking:
            self._taking[symbol] = asyncio.create_task(self._take(symbol))
            self._taking[symbol].add_done_callback(lambda _: self._taking.pop(symbol))

    async def _take(self, symbol: str) -> None:
        """For those who only follow: try until there is a view, or nobody follows any longer."""
        while symbol not in self._views and symbol in self._followers:
            try:
                await self.get(symbol)
            except (DialectError, BookUnavailable) as error:
                _log.warning("book_unavailable", symbol=symbol, error=repr(error))
                await asyncio.sleep(_FOLLOW_AGAIN_S)
