"""Goal: on long random command streams the core does what the naive exchange does, and every invariant holds.

Every outcome is compared on every command. The whole state costs more to compare, so it is compared every few commands.
"""

from collections import Counter
from typing import get_args

import pytest

from services.domain.commands import PlaceOrder
from services.domain.events import Event
from services.domain.orders import ExpiryReason, OrderStatus
from services.domain.refusals import Refusal
from tests.core.fold import StrictFold, check_fold
from tests.core.invariants import check_events, check_exchange
from tests.core.naive import NaiveExchange
from tests.core.streams import RandomCommands, Timed, take
from tests.core.venue import CoreVenue

SEEDS = range(20)
COMMANDS_PER_SEED = 5_000
FULL_CHECK_EVERY = 10


class Comparison:
    """The core and the naive exchange side by side."""

    def __init__(self) -> None:
        self.core = CoreVenue()
        self.naive = NaiveExchange()
        self.fold = StrictFold()
        self.commands = 0

    def apply(self, timed: Timed) -> None:
        if isinstance(timed.command, PlaceOrder):
            assert self.core.check(timed.command) == self.naive.check(timed.command)
        outcome = self.core.apply(*timed)
        assert outcome == self.naive.apply(*timed)
        check_events(self.core.events)
        self.fold.apply(self.core.events)
        self.commands += 1
        if self.commands % FULL_CHECK_EVERY == 0:
            self.check_state()

    def check_state(self) -> None:
        assert self.core.balances() == self.naive.balances()
        assert self.core.open_orders() == self.naive.open_orders()
        for symbol in self.naive.markets:
            assert self.core.depth(symbol) == self.naive.depth(symbol)
        check_exchange(self.core.exchange)
        check_fold(self.fold, self.core.exchange)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_core_does_what_the_naive_exchange_does(seed: int) -> None:
    both = Comparison()
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
