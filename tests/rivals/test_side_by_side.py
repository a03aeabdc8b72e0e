"""The comparison with other exchanges plays what it says it plays, and counts what came of it."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from loadtests.rivals.crossbook import BinanceDialect
from loadtests.rivals.order_matching import OrderMatching
from loadtests.rivals.player import Played, Player
from loadtests.rivals.table import markdown
from loadtests.rivals.tape import MAKERS, TAKERS, Kind, Tape
from loadtests.side_by_side import Plan, compare
from loadtests.venue import Trader
from tests.running import RunningSystem

SMALL = Plan(
    rounds=1,
    steps=((1, 60), (4, 60)),
    limit_s=60.0,
    resting=300,
    sizes=(100, 200),
    growth_steps=30,
    acknowledged=50,
    patience_s=0.0,
)


def test_a_tape_is_the_same_each_time_and_cancels_what_it_placed() -> None:
    tapes = [Tape(5), Tape(5)]
    first, second = ([*tape.resting(300), *tape.flow(300)] for tape in tapes)
    assert first == second
    assert {step.kind for step in first} == set(Kind)
    placed = {step.number for step in first if step.kind is Kind.LIMIT and not step.takes}
    assert {step.number for step in first if step.kind is Kind.CANCEL} <= placed


def test_crossbook_executes_what_the_tape_asks(system: RunningSystem) -> None:
    maker, other, taker = (
        Trader(account.api_key, account.secret_key.encode())
        for account in (system.create_account({"USDT": "20000000", "BTC": "1000"}) for _ in range(3))
    )
    dialect = BinanceDialect([maker, other] * (MAKERS // 2) + [taker] * TAKERS)
    tape = Tape(5)

    async def play() -> tuple[Played, Played]:
        port = system.state.process("trading").port
        filled = await Player(dialect, port).play(tape.resting(150), 4, 60)
        return filled, await Player(dialect, port).play(tape.flow(120), 4, 60)

    filled, played = asyncio.run(play())
    assert not filled.errors and not played.errors, (filled.samples, played.samples)
    assert (filled.steps, played.steps) == (150, 120)
    assert played.executed_steps == played.expected_steps > 0


@pytest.mark.skipif(bool(OrderMatching.unavailable()), reason=OrderMatching.unavailable())
def test_a_contender_is_measured_and_loses_what_it_keeps_in_memory(tmp_path: Path) -> None:
    figures = compare([OrderMatching], SMALL, tmp_path)
    # On several connections a cancel of one may match what another has just placed, and tells nobody of the trades.
    assert not [one for one in figures["differences"] if "1 connections" in one]
    assert figures["kills"][OrderMatching.name]["lost"] == SMALL.acknowledged
    parameters = {"steps": SMALL.steps, "sizes": SMALL.sizes, "acknowledged": SMALL.acknowledged}
    tables = markdown(msgspec.to_builtins(figures), parameters)
    assert "| order-matching, matched at once | 0.12.0 | none |" in tables
