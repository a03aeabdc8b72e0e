"""Goal: the same commands at the same times give the same events, byte for byte, and the same state, everywhere."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from services.domain.commands import Command
from services.domain.events import Event
from services.domain.refusals import Refusal
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from tests.core.replay import digest, main
from tests.core.streams import RandomCommands, Timed, record, run, take

ROOT = Path(__file__).parents[2]
COMMANDS = 5_000

# How a journal holds them.
encode = msgspec.msgpack.encode
decode_command = msgspec.msgpack.Decoder(Command).decode


def replay(commands: Sequence[Timed]) -> tuple[list[list[Event]], Exchange]:
    exchange = Exchange()
    outcomes = []
    for timed in commands:
        outcome = exchange.apply(*timed)
        assert not isinstance(outcome, Refusal), "what was accepted once is accepted again"
        outcomes.append(outcome)
    return outcomes, exchange


def run_in_another_process(hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.core.replay", "5", str(COMMANDS)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_neither_the_process_nor_its_hash_seed_matters() -> None:
    one, other = run_in_another_process("0"), run_in_another_process("4242")
    here = main(5, COMMANDS).split()
    assert one[:2] == other[:2] == here[:2]
    assert one[2] != other[2], "strings must hash differently, or this test proves nothing"


@pytest.mark.parametrize("seed", range(3))
def test_replaying_the_journal_gives_the_same_events_and_state(seed: int) -> None:
    """Goal: recovery. Refused commands are not in the journal, so they must have left no trace at all."""
    live = Exchange()
    journal = run(live, RandomCommands(seed), COMMANDS)
    commands = [Timed(decode_command(encode(timed.command)), timed.now_us) for timed, _ in journal]
    outcomes, replayed = replay(commands)
    assert [encode(events) for events in outcomes] == [encode(events) for _, events in journal]
    assert state_hash(capture(replayed)) == state_hash(capture(live))


def test_the_state_changes_with_every_accepted_command_and_with_no_other() -> None:
    exchange = Exchange()
    before = state_hash(capture(exchange))
    for timed in take(RandomCommands(8), 1_500, exchange):
        refused = isinstance(exchange.apply(*timed), Refusal)
        after = state_hash(capture(exchange))
        assert (after == before) == refused, timed
        before = after


def test_a_refusal_leaves_the_clock_alone() -> None:
    """Goal: a refused command from a clock that ran ahead does not date the next one."""
    (first, *_) = record(0, 1)
    exchange = Exchange()
    exchange.apply(*first[0])
    before_us = exchange.now_us
    assert exchange.apply(first[0].command, before_us + 1_000) is Refusal.MARKET_UNCHANGED
    assert exchange.now_us == before_us


def test_different_seeds_differ() -> None:
    assert digest(events for _, events in record(1, 300)) != digest(events for _, events in record(2, 300))
