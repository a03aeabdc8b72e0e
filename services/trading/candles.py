"""Candles: the sixteen intervals of the dialect, laid out in any time zone, and what fills the gaps between trades.

- An interval divides time into numbered slots. Days, weeks (from Monday) and months begin at local midnight of the
  zone; shorter ones and groups of days are counted from the local epoch.
- A market's candles reach without a gap from the slot of its first trade to the slot of now. A slot without trades has
  a flat candle at the price before it.
- Candles of 1 and 15 minutes, an hour and a day are stored (``stored_as``). Others are added up from those (``cut``),
  but for seconds, which are added up from trades.

Nothing here reads a clock or a database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
# The first Monday of the epoch.
_MONDAY_US: Final = 4 * DAY_US
# What settlement stores (services/engine/projection.py). Every time zone in use is a whole number of quarters from UTC.
STORED_US: Final = {"1m": MINUTE_US, "15m": 15 * MINUTE_US, "1h": HOUR_US, "1d": DAY_US}
MIN_OFFSET_US: Final = -12 * HOUR_US
MAX_OFFSET_US: Final = 14 * HOUR_US

_time_zone = re.compile(r"([-+ ]?)([0-9]{1,2})(?::([0-5][0-9]))?", re.ASCII)


class Interval(Enum):
    """By the names of the dialect; case matters, for 1m is a minute and 1M a month."""

    SECOND = "1s"
    MINUTE = "1m"
    MINUTES_3 = "3m"
    MINUTES_5 = "5m"
    MINUTES_15 = "15m"
    MINUTES_30 = "30m"
    HOUR = "1h"
    HOURS_2 = "2h"
    HOURS_4 = "4h"
    HOURS_6 = "6h"
    HOURS_8 = "8h"
    HOURS_12 = "12h"
    DAY = "1d"
    DAYS_3 = "3d"
    WEEK = "1w"
    MONTH = "1M"


_UNIT_US: Final = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US, "M": 28 * DAY_US}
# Of a month, the least it may be.
LENGTH_US: Final = {interval: int(interval.value[:-1]) * _UNIT_US[interval.value[-1]] for interval in Interval}


class Run(NamedTuple):
    """Stored candles of one length that open from ``from_us`` on and before ``to_us``. Each lies within one slot."""

    stored: str
    from_us: int
    to_us: int


class Sums(NamedTuple):
    """What the trades of one slot add up to."""

    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int
    quote_volume_e8: int
    trade_count: int
    taker_buy_e8: int
    taker_buy_quote_e8: int


class Candle(NamedTuple):
    """``end_us`` is when the next one opens."""

    open_us: int
    end_us: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Grid:
    """An interval in a time zone ``offset_us`` ahead of UTC: slots, numbered in the order of time."""

    interval: Interval
    offset_us: int = 0

    def slot(self, time_us: int) -> int:
        """The slot that a time lies in."""
        local_us = time_us + self.offset_us
        if self.interval is Interval.MONTH:
            moment = datetime.fromtimestamp(local_us // SECOND_US, UTC)
            return moment.year * 12 + moment.month - 1
        return (local_us - self._anchor_us) // LENGTH_US[self.interval]

    def opening(self, slot: int) -> int:
        """When a slot begins; the one before ends there."""
        if self.interval is Interval.MONTH:
            local_us = int(datetime(slot // 12, slot % 12 + 1, 1, tzinfo=UTC).timestamp()) * SECOND_US
        else:
            local_us = slot * LENGTH_US[self.interval] + self._anchor_us
        return local_us - self.offset_us

    @property
    def _anchor_us(self) -> int:
        return _MONDAY_US if self.interval is Interval.WEEK else 0

    def edges(self, first_us: int, last_us: int, start_us: int | None, end_us: int | None, limit: int) -> list[int]:
        """The openings of the slots asked for, and the end of the last; empty if there are none.

        The market's slots are those of ``first_us`` to ``last_us``. Slots opening from ``start_us`` to ``end_us`` are
        asked for: the first ones if there is a start, else the last ones.
        """
        start, end = max(start_us or 0, 0), last_us if end_us is None else min(end_us, last_us)
        if start > last_us or end < self.opening(self.slot(first_us)):
            return []
        lowest = self.slot(first_us)
        if start > self.opening(lowest):
            lowest = self.slot(start - 1) + 1
        slots = range(lowest, self.slot(end) + 1)
        slots = slots[:limit] if start_us is not None else slots[-limit:]
        return [self.opening(slot) for slot in range(slots.start, slots.stop + 1)] if slots else []


def stored_as(grid: Grid) -> str | None:
    """The stored candles that lie in this grid, one in each slot."""
    length_us = STORED_US.get(grid.interval.value)
    return grid.interval.value if length_us is not None and grid.offset_us % length_us == 0 else None


def cut(edges: Sequence[int]) -> list[Run]:
    """Cover every slot with the fewest stored candles: the longest inside, shorter ones at its ends.

    What adjoins is one run, across slots too: to find where one begins costs as much as to read some of it. Edges must
    lie on minutes.
    """
    longest_us = max(edges[1] - edges[0], MINUTE_US)
    lengths = [(name, us) for name, us in reversed(STORED_US.items()) if us <= longest_us]
    runs: dict[str, list[Run]] = {name: [] for name, _ in lengths}
    for from_us, to_us in pairwise(edges):
        _cut_slot(runs, from_us, to_us, lengths)
    return [run for found in runs.values() for run in found]


def _cut_slot(runs: dict[str, list[Run]], from_us: int, to_us: int, lengths: list[tuple[str, int]]) -> None:
    name, us = lengths[0]
    low_us, high_us = -(-from_us // us) * us, to_us // us * us
    if low_us >= high_us:
        _cut_slot(runs, from_us, to_us, lengths[1:])
        return
    if from_us < low_us:
        _cut_slot(runs, from_us, low_us, lengths[1:])
    found = runs[name]
    if found and found[-1].to_us == low_us:
        found[-1] = Run(name, found[-1].from_us, high_us)
    else:
        found.append(Run(name, low_us, high_us))
    if high_us < to_us:
        _cut_slot(runs, high_us, to_us, lengths[1:])


def fill(edges: Sequence[int], sums: Mapping[int, Sums], close_before_e8: int) -> list[Candle]:
    """One candle a slot. ``sums`` has those of the slots with trades, numbered from 1."""
    candles = []
    close_e8 = close_before_e8
    for number, open_us in enumerate(edges[:-1], 1):
        slot = sums.get(number)
        if slot is None:
            slot = Sums(close_e8, close_e8, close_e8, close_e8, 0, 0, 0, 0, 0)
        close_e8 = slot.close_e8
        candles.append(Candle(open_us, edges[number], slot))
    return candles


def parse_time_zone(text: str) -> int | None:
    """``8``, ``-1:00`` or ``05:45`` as microseconds ahead of UTC; None if it is not a time zone.

    A plus sign may have become a space on its way through a query string.
    """
    match = _time_zone.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    offset_us = int(hours) * HOUR_US + int(minutes or 0) * MINUTE_US
    if sign == "-":
        offset_us = -offset_us
    return offset_us if MIN_OFFSET_US <= offset_us <= MAX_OFFSET_US else None
