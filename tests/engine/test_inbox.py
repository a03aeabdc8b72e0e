"""A parcel is carried out once, however often something between a gateway and the engine repeats it."""

import asyncio
import time

import pytest

from services.domain.commands import Deposit
from services.domain.protocol import Applied, Envelope, Failed, FailureKind, parcel_id
from services.domain.refusals import Refusal
from services.engine.batch import Batch
from services.engine.core.exchange import Exchange
from services.engine.inbox import EXPIRED, Closed, Inbox, Superseded
from tests.engine.conftest import StartEngine, active, fund

ALICE = 1000


def envelopes(reference: str) -> list[Envelope]:
    return [Envelope(2**62, Deposit(ALICE, "USDT", 1, reference))]


async def test_a_repeat_shares_the_replies(start_engine: StartEngine) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE)
        before = active(engine).sequence
        first, repeat = await asyncio.gather(
            *(engine.inbox.submit(envelopes("once"), parcel_id("g", 1)) for _ in range(2))
        )
        later = await engine.inbox.submit(envelopes("once"), parcel_id("g", 1))
        assert first == repeat == later
        assert active(engine).sequence == before + 1
        # Another gateway's first parcel, and this one's second, are others.
        for name, number in (("h", 1), ("g", 2)):
            (reply,) = await engine.inbox.submit(envelopes(f"{name}{number}"), parcel_id(name, number))
            assert not isinstance(reply, Failed)


async def test_a_parcel_that_comes_after_its_successor_is_not_started() -> None:
    inbox = Inbox(limit=10)
    inbox.open()
    waiting = asyncio.create_task(inbox.submit(envelopes("second"), parcel_id("g", 2)))
    await asyncio.sleep(0)
    with pytest.raises(Superseded):
        await inbox.submit(envelopes("first"), parcel_id("g", 1))
    assert inbox.depth == 1
    waiting.cancel()


async def test_what_was_declined_stays_declined() -> None:
    """Its gateway has been told that nothing was started, and may have sent it to another engine."""
    inbox = Inbox(limit=10)
    with pytest.raises(Closed):
        await inbox.submit(envelopes("early"), parcel_id("g", 1))
    inbox.open()
    with pytest.raises(Closed):
        await inbox.submit(envelopes("early"), parcel_id("g", 1))
    assert inbox.depth == 0


async def test_only_so_many_gateways_are_remembered() -> None:
    inbox = Inbox(limit=10)
    for number in range(1_000):
        with pytest.raises(Closed):
            await inbox.submit(envelopes("x"), parcel_id(f"gateway{number}", 1))
    assert len(inbox._last) <= 256


async def test_one_who_hangs_up_takes_the_replies_from_nobody(start_engine: StartEngine) -> None:
    async with start_engine() as engine:
        hasty = asyncio.create_task(engine.inbox.submit(envelopes("a"), parcel_id("g", 1)))
        await asyncio.sleep(0)
        hasty.cancel()
        (reply,) = await engine.inbox.submit(envelopes("a"), parcel_id("g", 1))
        assert not isinstance(reply, Applied) or reply.sequence == active(engine).sequence


def test_deadlines_are_held_against_the_clock_and_not_against_the_journal() -> None:
    """The journal's time stands still after a clock ran an hour ahead; orders are taken all the same."""
    now_us = time.time_ns() // 1000
    hour_us = 3_600_000_000
    batch = Batch(Exchange(), 1, now_us + hour_us, now_us)
    in_time = Envelope(now_us + 1_000_000, Deposit(ALICE, "USDT", 1, "in time"))
    too_late = Envelope(now_us - 1, Deposit(ALICE, "USDT", 1, "too late"))
    answers = [batch._answer(envelope) for envelope in (in_time, too_late)]
    assert getattr(answers[0], "reason", None) is Refusal.UNKNOWN_ASSET
    assert answers[1] == Failed(FailureKind.EXPIRED)


async def test_an_engine_that_is_about_to_lead_keeps_what_comes() -> None:
    inbox = Inbox(10)
    inbox.expect(3_600)
    waiting = asyncio.create_task(inbox.submit(envelopes("kept")))
    await asyncio.sleep(0)
    inbox.open()
    (parcel,) = await inbox.take(10, 1)
    parcel.fail(EXPIRED)
    assert await waiting == [EXPIRED]


async def test_what_was_kept_in_vain_is_declined() -> None:
    inbox = Inbox(10)
    inbox.expect(0.01)
    with pytest.raises(Closed):
        await inbox.submit(envelopes("kept"))
    with pytest.raises(Closed):
        await inbox.submit(envelopes("kept"))
