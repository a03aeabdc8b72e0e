"""The view of one market's book: absolute quantities by price, as of one update id."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from services.domain.events import BookChanged
from services.domain.protocol import Depth

Level = tuple[int, int]


class BookGap(Exception):
    """A change does not follow the one before it: the view must be taken anew."""


class Best(NamedTuple):
    """(price, quantity) of each side, zeros where it is empty."""

    bid: Level
    ask: Level


class BookSide:
    """Prices are kept sorted with the best at the end, where most changes are."""

    __slots__ = ("_keys", "_quantities", "_sign")

    def __init__(self, levels: Iterable[Level], *, best_is_highest: bool) -> None:
        self._sign = 1 if best_is_highest else -1
        self._quantities = dict(levels)
        self._keys = sorted(price * self._sign for price in self._quantities)

    def set(self, price_e8: int, quantity_e8: int) -> None:
        """0 removes the level."""
        if quantity_e8:
            if price_e8 not in self._quantities:
                key = price_e8 * self._sign
                self._keys.insert(bisect_left(self._keys, key), key)
            self._quantities[price_e8] = quantity_e8
        elif self._quantities.pop(price_e8, None) is not None:
            del self._keys[bisect_left(self._keys, price_e8 * self._sign)]

    def best(self) -> Level:
        if not self._keys:
            return 0, 0
        price = self._keys[-1] * self._sign
        return price, self._quantities[price]

    def top(self, limit: int) -> list[Level]:
        """The best ``limit`` levels, best first."""
        prices = (key * self._sign for key in reversed(self._keys[-limit:]))
        return [(price, self._quantities[price]) for price in prices]


class BookView:
    """Both sides of one market, folded from ``BookChanged``."""

    __slots__ = ("_asks", "_bids", "best", "update_id")

    def __init__(self, depth: Depth) -> None:
        self.update_id = depth.update_id
        self._bids = BookSide(depth.bids, best_is_highest=True)
        self._asks = BookSide(depth.asks, best_is_highest=False)
        self.best = Best(self._bids.best(), self._asks.best())

    def apply(self, change: BookChanged) -> None:
        """Take the next change; older ones are in the view already. Raise BookGap if one is missing."""
        if change.update_id <= self.update_id:
            return
        if change.update_id != self.update_id + 1:
            raise BookGap(f"{change.symbol}: update {change.update_id} after {self.update_id}")
        for price, quantity in change.bids:
            self._bids.set(price, quantity)
        for price, quantity in change.asks:
            self._asks.set(price, quantity)
        self.update_id = change.update_id
        self.best = Best(self._bids.best(), self._asks.best())

    def depth(self, limit: int) -> Depth:
        """The best ``limit`` levels of each side."""
        return Depth(self.update_id, self._bids.top(limit), self._asks.top(limit))
