"""Goal: on long random streams the core does what the naive exchange does, and nothing else breaks: not the invariants,
not the events, not a restart in the middle, not a replay from the beginning.

Plain streams hold the common orders only, so that books grow deep; the others hold every order there is, and the last
ones every command. Each outcome is compared on each command; the whole state costs more to compare, so that happens
every fifty commands, or every few where CROSSBOOK_FULL_CHECK_EVERY says so.
"""

import os
from collections import Counter
from collections.abc import Sequence
from typing import get_args

import msgspec
import pytest

from services.domain.events import CancelRefused, Event, ReplacementRefused
from services.domain.orders import ExpiryReason, OrderStatus
from services.domain.refusals import Refusal
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import ExchangeSnapshot, capture, restore, state_hash
from tests.core.advanced import AdvancedCommands
from tests.core.comparison import Comparison
from tests.core.custody import CustodyCommands
from tests.core.streams import RandomCommands, Timed, take
from tests.core.venue import CoreVenue

STREAMS: list[tuple[type[RandomCommands], int]] = [
    *((RandomCommands, seed) for seed in range(12)),
    *((AdvancedCommands, seed) for seed in range(16)),
    *((CustodyCommands, seed) for seed in range(12)),
]
COMMANDS_PER_STREAM = 5_000
# A difference in the state shows in a later outcome or stays until the next look; ``test_machine.py`` looks every time.
FULL_CHECK_EVERY = int(os.environ.get("CROSSBOOK_FULL_CHECK_EVERY", "50"))
RESTART_EVERY = 500

encode = msgspec.msgpack.encode


@pytest.mark.parametrize(("kind", "seed"), STREAMS)
def test_the_core_does_what_the_naive_exchange_does(kind: type[RandomCommands], seed: int) -> None:
    both = Comparison(FULL_CHECK_EVERY)
    shadow = Exchange()
    journal: list[tuple[Timed, Sequence[Event]]] = []
    for timed in take(kind(seed), COMMANDS_PER_STREAM, both.core.exchange):
        try:
            both.apply(timed)
            outcome = shadow.apply(*timed)
            events = [] if isinstance(outcome, Refusal) else outcome
            assert encode(events) == encode(both.core.events), "a restored core goes on like the original"
        except AssertionError as error:
            error.add_note(f"{kind.__name__}({seed}), command {both.commands}: {timed}")
            raise
        if both.core.events:
            journal.append((timed, both.core.events))
        if both.commands % RESTART_EVERY == 0:
            shadow = restart(both.core.exchange)
    both.check_state()
    check_replay(journal, both.core.exchange)
    assert both.commands == COMMANDS_PER_STREAM


def restart(exchange: Exchange) -> Exchange:
    """Through bytes, as a snapshot travels."""
    return restore(msgspec.msgpack.decode(encode(capture(exchange)), type=ExchangeSnapshot))


def check_replay(journal: Sequence[tuple[Timed, Sequence[Event]]], live: Exchange) -> None:
    """Refused commands are not in the journal, so they must have left no trace at all."""
    replayed = Exchange()
    for timed, events in journal:
        assert encode(replayed.apply(*timed)) == encode(events)
    assert state_hash(capture(replayed)) == state_hash(capture(live))


def test_a_run_executes_at_least_two_hundred_thousand_commands() -> None:
    """Each stream's test asserts that it ran its share."""
    assert len(STREAMS) * COMMANDS_PER_STREAM >= 200_000


def test_the_streams_reach_everything() -> None:
    """A stream that never gets somewhere proves nothing about it. Too many withdrawals take a play of their own."""
    seen: Counter[object] = Counter()
    for kind, seed in [*STREAMS[10:16], *STREAMS[28:32]]:
        core = CoreVenue()
        for timed in take(kind(seed), COMMANDS_PER_STREAM, core.exchange):
            outcome = core.apply(*timed)
            seen.update((outcome.refusal, *(type(event) for event in core.events)))
            for order in outcome.orders.values():
                seen.update((order.status, order.expiry_reason))
    expected = {*Refusal, *OrderStatus, *ExpiryReason, *get_args(Event)} - {Refusal.TOO_MANY_WITHDRAWALS}
    assert {thing for thing in expected if seen[thing] < 2} == set()


@pytest.mark.parametrize("seed", [101, 102])
def test_the_state_changes_with_every_accepted_command_and_with_no_other(seed: int) -> None:
    exchange = Exchange()
    before = state_hash(capture(exchange))
    for timed in take(CustodyCommands(seed), 1_200, exchange):
        outcome = exchange.apply(*timed)
        after = state_hash(capture(exchange))
        refused = isinstance(outcome, Refusal)
        # A replacement of which both halves failed is told by events, and only its time is new.
        both_failed = not isinstance(outcome, Refusal) and all(
            isinstance(event, CancelRefused | ReplacementRefused) for event in outcome
        )
        assert both_failed or (after == before) == refused, timed
        before = after
