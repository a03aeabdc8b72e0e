"""Each table-driven case runs against the core and against the naive exchange: one suite holds both to the dialect.

Hypothesis profiles: ``ci`` unless ``HYPOTHESIS_PROFILE=dev`` asks for the quick one, so that nothing runs less by
accident.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.core.invariants import check_exchange
from tests.core.naive import NaiveExchange
from tests.core.venue import CoreVenue, Venue

# No deadlines: how fast a machine happens to be is nothing a test may fail on.
_ci = settings(max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=_ci)
settings.register_profile("dev", parent=_ci, max_examples=15)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

MAKERS: list[Callable[[], Venue]] = [CoreVenue, NaiveExchange]


@pytest.fixture(params=MAKERS, ids=["core", "naive"])
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """An empty venue; after the test the core's invariants hold."""
    venue: Venue = request.param()
    yield venue
    if isinstance(venue, CoreVenue):
        check_exchange(venue.exchange)
