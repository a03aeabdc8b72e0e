"""The volume-weighted average price of the last minutes, kept in one bucket a second.

Used by filters whose reference is an average (dialect reference section 3). There are never more than 3,600 buckets,
however many trades there are. Only a trade changes them: reading does not.
"""

from collections import deque
from typing import Final

from services.domain.market import MAX_AVERAGE_MINUTES
from services.domain.money import ONE_E8

_SECOND_US: Final = 1_000_000


class AveragePrice:
    """Buckets are (second, quantity, quote)."""

    __slots__ = ("_quantity_e8", "_quote_e8", "buckets")

    def __init__(self) -> None:
        self.buckets: deque[tuple[int, int, int]] = deque()
        self._quantity_e8 = 0
        self._quote_e8 = 0

    def add(self, time_us: int, quantity_e8: int, quote_e8: int) -> None:
        second = time_us // _SECOND_US
        self._forget_before(second - 60 * MAX_AVERAGE_MINUTES)
        if self.buckets and self.buckets[-1][0] == second:
            _, earlier_quantity_e8, earlier_quote_e8 = self.buckets.pop()
            self.buckets.append((second, earlier_quantity_e8 + quantity_e8, earlier_quote_e8 + quote_e8))
        else:
            self.buckets.append((second, quantity_e8, quote_e8))
        self._quantity_e8 += quantity_e8
        self._quote_e8 += quote_e8

    def restore(self, bucket: tuple[int, int, int]) -> None:
        """Put back the next bucket of a snapshot."""
        self.buckets.append(bucket)
        self._quantity_e8 += bucket[1]
        self._quote_e8 += bucket[2]

    def price_e8(self, now_us: int, minutes: int) -> int:
        """The average, rounded down to 1e-8; 0 when there was no trade in the window. Changes nothing."""
        oldest = now_us // _SECOND_US - 60 * minutes
        quantity_e8, quote_e8 = self._quantity_e8, self._quote_e8
        for second, old_quantity_e8, old_quote_e8 in self.buckets:
            if second >= oldest:
                break
            quantity_e8 -= old_quantity_e8
            quote_e8 -= old_quote_e8
        return quote_e8 * ONE_E8 // quantity_e8 if quantity_e8 else 0

    def _forget_before(self, oldest: int) -> None:
        while self.buckets and self.buckets[0][0] < oldest:
            _, quantity_e8, quote_e8 = self.buckets.popleft()
            self._quantity_e8 -= quantity_e8
            self._quote_e8 -= quote_e8
