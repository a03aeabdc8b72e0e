"""The volume-weighted average price of the last minutes, kept in one bucket a second.

Used by filters whose reference is an average (dialect reference section 3). Only a trade changes the buckets. There are
never many more than an hour has seconds, however many trades there are; each holds the sums since the first bucket, so
a window's average is a search and a difference.
"""

from bisect import bisect_left
from typing import Final

from services.domain.market import MAX_AVERAGE_MINUTES
from services.domain.money import ONE_E8

SECOND_US: Final = 1_000_000
_MAX_AGE_S: Final = 60 * MAX_AVERAGE_MINUTES
# Buckets that have become too old go many at a time, because that moves the others.
_SPARE_BUCKETS: Final = 600


class AveragePrice:
    """``_quantities_e8[i]`` and ``_quotes_e8[i]`` are the sums of all trades up to the end of ``_seconds[i]``."""

    __slots__ = ("_answer_e8", "_asked_since", "_forgotten", "_is_answered", "_quantities_e8", "_quotes_e8", "_seconds")

    def __init__(self) -> None:
        self._seconds: list[int] = []
        self._quantities_e8: list[int] = []
        self._quotes_e8: list[int] = []
        # The sums before the first bucket.
        self._forgotten = (0, 0)
        # The last question is answered without a search until a trade changes the answer.
        self._is_answered = False
        self._asked_since = 0
        self._answer_e8 = 0

    def add(self, second: int, quantity_e8: int, quote_e8: int) -> None:
        """Note a trade; time never runs backwards."""
        seconds = self._seconds
        self._is_answered = False
        if seconds and seconds[-1] == second:
            self._quantities_e8[-1] += quantity_e8
            self._quotes_e8[-1] += quote_e8
            return
        quantity_sum_e8, quote_sum_e8 = self._sums_before(len(seconds))
        seconds.append(second)
        self._quantities_e8.append(quantity_sum_e8 + quantity_e8)
        self._quotes_e8.append(quote_sum_e8 + quote_e8)
        if len(seconds) > _MAX_AGE_S + _SPARE_BUCKETS:
            self._forget(bisect_left(seconds, second - _MAX_AGE_S))

    def price_e8(self, now_us: int, minutes: int) -> int:
        """The average, rounded down to 1e-8; 0 when there was no trade in the window."""
        oldest = now_us // SECOND_US - 60 * minutes
        if not self._is_answered or self._asked_since != oldest:
            self._is_answered, self._asked_since = True, oldest
            self._answer_e8 = self._price_since(oldest)
        return self._answer_e8

    def buckets(self) -> list[tuple[int, int, int]]:
        """(second, quantity, quote) of every second with trades of which a question can still be asked."""
        if not self._seconds:
            return []
        first = bisect_left(self._seconds, self._seconds[-1] - _MAX_AGE_S)
        quantity_before_e8, quote_before_e8 = self._sums_before(first)
        buckets = []
        for second, quantity_e8, quote_e8 in zip(
            self._seconds[first:], self._quantities_e8[first:], self._quotes_e8[first:], strict=True
        ):
            buckets.append((second, quantity_e8 - quantity_before_e8, quote_e8 - quote_before_e8))
            quantity_before_e8, quote_before_e8 = quantity_e8, quote_e8
        return buckets

    def _price_since(self, oldest: int) -> int:
        if not self._seconds or self._seconds[-1] < oldest:
            return 0
        quantity_before_e8, quote_before_e8 = self._sums_before(bisect_left(self._seconds, oldest))
        quantity_e8 = self._quantities_e8[-1] - quantity_before_e8
        return (self._quotes_e8[-1] - quote_before_e8) * ONE_E8 // quantity_e8

    def _sums_before(self, index: int) -> tuple[int, int]:
        return (self._quantities_e8[index - 1], self._quotes_e8[index - 1]) if index else self._forgotten

    def _forget(self, count: int) -> None:
        self._forgotten = self._sums_before(count)
        del self._seconds[:count], self._quantities_e8[:count], self._quotes_e8[:count]
