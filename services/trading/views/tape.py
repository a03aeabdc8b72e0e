"""The tape: views folded from trades that somebody uses, one for each key, kept up by the feed."""

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Final, TypeVar

from services.domain.events import OrderFilled
from services.infra import postgres, telemetry
from services.infra.postgres import Pool
from services.trading.feed import Feed, JournalEntry
from services.trading.views.trade_view import TradeView

# Views that load at once; each takes a connection of the pool while it does.
_LOADS: Final = 2
_RETRY_S: Final = 1.0

_log = telemetry.logger(__name__)
V = TypeVar("V", bound=TradeView)


class Tape:
    """``use`` a view as often as you like, and ``leave`` it as often: it is forgotten when nobody is left."""

    def __init__(self, feed: Feed, pool: Pool) -> None:
        self._pool = pool
        self._views: dict[Hashable, TradeView] = {}
        self._users: dict[Hashable, int] = {}
        self._by_symbol: dict[str, list[TradeView]] = {}
        self._loading: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_LOADS)
        feed.listen(self._on_entry)

    def use(self, key: Hashable, make: Callable[[], V]) -> V:
        """The key's view, which ``make`` makes if nobody uses it yet; one key always means the same type of view."""
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = make()
            self._by_symbol.setdefault(view.symbol, []).append(view)
            task = asyncio.create_task(self._load(key, view))
            self._loading.add(task)
            task.add_done_callback(self._loading.discard)
        self._users[key] = self._users.get(key, 0) + 1
        return view  # type: ignore[return-value]

    def leave(self, key: Hashable) -> None:
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key]
            view = self._views.pop(key)
            self._by_symbol[view.symbol].remove(view)

    async def _load(self, key: Hashable, view: TradeView) -> None:
        """Try until it is loaded, or nobody uses it any longer."""
        async with self._room:
            while self._views.get(key) is view:
                try:
                    await view.load(self._pool, time.time_ns() // 1000)
                    return
                except postgres.FAILURES as error:
                    _log.warning("view_not_loaded", symbol=view.symbol, error=repr(error))
                    await asyncio.sleep(_RETRY_S)

    def _on_entry(self, entry: JournalEntry) -> None:
        for events in entry.events:
            for event in events:
                if type(event) is OrderFilled:
                    for view in self._by_symbol.get(event.symbol, ()):
                        view.offer(entry.sequence, event)
