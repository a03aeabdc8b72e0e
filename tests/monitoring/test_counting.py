"""Counters of hot paths tell the registry what prometheus_client's own would."""

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from services.infra import counting

BUCKETS = (0.001, 0.5, 2)


def told_by(collector: "counting.Counter | counting.Histogram") -> list[str]:
    return shown(collector.collect())


def shown(families: "list[Metric] | object") -> list[str]:
    registry = CollectorRegistry()

    class Fixed:
        def collect(self) -> object:
            return families

    registry.register(Fixed())  # type: ignore[arg-type]
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


def test_a_histogram() -> None:
    own = counting.Histogram("crossbook_test_quick_seconds", "How long.", ["route"], buckets=BUCKETS)
    theirs = prometheus_client.Histogram(
        "crossbook_test_quick_seconds", "How long.", ["route"], buckets=BUCKETS, registry=CollectorRegistry()
    )
    for route, amounts in (("a", (0.0, 0.001, 0.0011, 2, 2.5)), ("b", ()), ("c", (7,))):
        for amount in amounts:
            own.labels(route).observe(amount)
            theirs.labels(route).observe(amount)
        assert own.labels(route) is own.labels(route)
        theirs.labels(route)
    assert told_by(own) == shown(list(theirs.collect()))


def test_a_counter() -> None:
    own = counting.Counter("crossbook_test_quick_total", "How many.", ["route", "code"])
    theirs = prometheus_client.Counter(
        "crossbook_test_quick_total", "How many.", ["route", "code"], registry=CollectorRegistry()
    )
    for values, amount in ((("a", "1"), 1), (("a", "2"), 40), (("a", "1"), 2)):
        own.labels(*values).inc(amount)
        theirs.labels(*values).inc(amount)
    assert told_by(own) == shown(list(theirs.collect()))
    with pytest.raises(ValueError, match="no values"):
        own.labels("a")
