"""Latencies: kept one by one while a run goes on, summed up when it is over.

Percentiles are exact (nearest rank over all values). The histogram that results keep is sparse and log-linear: at most
1.6 % between a bucket's bounds, so any percentile can be recomputed from it within that.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

_MANTISSA_BITS: Final = 6


class Summary(msgspec.Struct, frozen=True):
    """Milliseconds. ``histogram_us`` lists (upper bound in microseconds, count) of every bucket that is not empty."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p99_9_ms: float
    max_ms: float
    histogram_us: list[tuple[int, int]]


def summarize(values_us: Iterable[int]) -> Summary | None:
    """None when there is nothing to sum up."""
    ordered = sorted(values_us)
    if not ordered:
        return None
    return Summary(
        count=len(ordered),
        mean_ms=_milliseconds(sum(ordered) / len(ordered)),
        p50_ms=_milliseconds(percentile(ordered, 0.5)),
        p90_ms=_milliseconds(percentile(ordered, 0.9)),
        p99_ms=_milliseconds(percentile(ordered, 0.99)),
        p99_9_ms=_milliseconds(percentile(ordered, 0.999)),
        max_ms=_milliseconds(ordered[-1]),
        histogram_us=sorted(Counter(map(bucket_upper_us, ordered)).items()),
    )


def summarize_counts(counts: Mapping[int, int]) -> Summary | None:
    """The same of a histogram by upper bounds, so within what its buckets are wide."""
    return summarize(upper_us for upper_us, count in counts.items() for _ in range(count))


def percentile(ordered: list[int], share: float) -> int:
    """Nearest rank: the smallest value that at least ``share`` of all values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def bucket_upper_us(value_us: int) -> int:
    """The largest value in the bucket of ``value_us``."""
    shift = max(0, value_us.bit_length() - _MANTISSA_BITS - 1)
    return ((value_us >> shift) + 1 << shift) - 1


def _milliseconds(value_us: float) -> float:
    return round(value_us / 1000, 3)
