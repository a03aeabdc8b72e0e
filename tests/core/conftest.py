"""Each table-driven case runs against the core and against the naive exchange: one suite holds both to the dialect."""

from collections.abc import Callable, Iterator

import pytest

import tests.profiles  # noqa: F401
from tests.core.invariants import check_exchange
from tests.core.naive import NaiveExchange
from tests.core.venue import CoreVenue, Venue

MAKERS: list[Callable[[], Venue]] = [CoreVenue, NaiveExchange]


@pytest.fixture(params=MAKERS, ids=["core", "naive"])
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """An empty venue; after the test the core's invariants hold."""
    venue: Venue = request.param()
    yield venue
    if isinstance(venue, CoreVenue):
        check_exchange(venue.exchange)
