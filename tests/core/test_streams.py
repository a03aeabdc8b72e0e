"""Goal: on long random command streams the core does what the naive exchange does, and every invariant holds.

Every outcome is compared on every command. The whole state costs more to compare, so it is compared every few commands.
"""

from collections import Counter
from typing import get_args

import pytest

from services.domain.events import Event
from services.domain.orders import ExpiryReason, OrderStatus
from services.domain.refusals import Refusal
from tests.core.comparison import Comparison
from tests.core.streams import RandomCommands, take
from tests.core.venue import CoreVenue

SEEDS = range(24)
COMMANDS_PER_SEED = 5_000
FULL_CHECK_EVERY = 8


@pytest.mark.parametrize("seed", SEEDS)
def test_the_core_does_what_the_naive_exchange_does(seed: int) -> None:
    both = Comparison(FULL_CHECK_EVERY)
    for timed in take(RandomCommands(seed), COMMANDS_PER_SEED, both.core.exchange):
        try:
            both.apply(timed)
        except AssertionError as error:
            error.add_note(f"seed {seed}, command {both.commands}: {timed}")
            raise
    both.check_state()
    assert both.commands == COMMANDS_PER_SEED


def test_a_run_executes_at_least_a_hundred_thousand_commands() -> None:
    """Each seed's test asserts that it ran its share."""
    assert len(SEEDS) * COMMANDS_PER_SEED >= 100_000


def test_the_streams_reach_everything() -> None:
    """A stream that never gets somewhere proves nothing about it."""
    core = CoreVenue()
    seen: Counter[object] = Counter()
    for timed in take(RandomCommands(len(SEEDS)), 20_000, core.exchange):
        outcome = core.apply(*timed)
        seen.update((outcome.refusal, *(type(event) for event in core.events)))
        for order in outcome.orders.values():
            seen.update((order.status, order.expiry_reason))
    expected = {None, *Refusal, *OrderStatus, *ExpiryReason, *get_args(Event)}
    assert {thing for thing in expected if seen[thing] < 5} == set()
