"""Counters and histograms for hot paths: prometheus_client's interface at a fifth of the cost.

Its own take a lock for every value they touch, and a histogram looks at one bound after the other. These are plain
numbers, told to the registry when it asks. So they belong to one thread: that of the event loop, which also answers
whoever scrapes.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Count:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        self.value += amount


class Spread:
    """One series of a histogram. ``counts`` has one more than there are bounds: what is above all of them."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, amount: float) -> None:
        self.counts[bisect_left(self._bounds, amount)] += 1
        self.total += amount


S = TypeVar("S")


class _Labelled(Generic[S]):
    """Keep the series that ``labels`` returns: to find it costs more than counting in it."""

    def __init__(self, names: Sequence[str], make: Callable[[], S]) -> None:
        self._names = tuple(names)
        self._make = make
        self._series: dict[tuple[str, ...], S] = {}

    def labels(self, *values: str) -> S:
        series = self._series.get(values)
        if series is None:
            if len(values) != len(self._names):
                raise ValueError(f"{values} are no values for {self._names}")
            series = self._series[values] = self._make()
        return series


class Counter(_Labelled[Count], Collector):
    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        super().__init__(labels, Count)
        self._described = (name.removesuffix("_total"), documentation)
        REGISTRY.register(self)

    def describe(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily(*self._described, labels=self._names)

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(*self._described, labels=self._names)
        for values, series in self._series.items():
            family.add_metric(values, series.value)
        yield family


class Histogram(_Labelled[Spread], Collector):
    def __init__(self, name: str, documentation: str, labels: Sequence[str], *, buckets: Sequence[float]) -> None:
        super().__init__(labels, lambda: Spread(buckets))
        self._described = (name, documentation)
        self._bounds = [*map(floatToGoString, buckets), "+Inf"]
        REGISTRY.register(self)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        yield HistogramMetricFamily(*self._described, labels=self._names)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = HistogramMetricFamily(*self._described, labels=self._names)
        for values, series in self._series.items():
            family.add_metric(values, list(zip(self._bounds, accumulate(series.counts), strict=True)), series.total)
        yield family
