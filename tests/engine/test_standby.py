"""A standby follows, finds what differs, and takes over with everything; a planned hand-over waits for nothing else."""

import asyncio
import time

import msgspec
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from services.domain.commands import CancelOrder
from services.domain.orders import Side
from services.domain.protocol import Applied
from services.engine import snapshots
from services.engine.core.snapshot import capture, state_hash
from services.engine.inbox import Closed
from services.engine.lease import Lease
from services.engine.postgres_store import PostgresStore
from services.engine.recovery import Copy
from services.engine.runner import ActiveEngine, Engine
from services.engine.settings import EngineSettings
from services.engine.snapshots import Checkpoint
from services.engine.standby import Diverged, Standby
from tests.engine.conftest import ALICE, BOB, StartEngine, active, fund, limit, submit, until


def following(engine: Engine) -> Standby:
    assert engine.standby is not None
    return engine.standby


async def caught_up(standby: Engine, leader: Engine) -> None:
    await until(lambda: standby.standby is not None and standby.standby.sequence == active(leader).sequence)


async def test_it_follows_every_commit_and_takes_over_the_same_state(start_engine: StartEngine) -> None:
    async with start_engine() as leader:
        await fund(leader, ALICE, BOB)
        async with start_engine(wait=False) as standby:
            await caught_up(standby, leader)
            for price in range(10, 20):
                await submit(leader, limit(ALICE, Side.BUY, price, name=f"o{price}"), limit(BOB, Side.SELL, price))
            await caught_up(standby, leader)
            copy = following(standby)._copy
            assert copy is not None
            state = state_hash(capture(active(leader).exchange))
            assert state_hash(capture(copy.exchange)) == state
            leader.stop()
            await until(lambda: standby.active is not None)
            assert active(standby).exchange is copy.exchange
            (reply,) = await submit(
                standby,
                limit(ALICE, Side.BUY, 9, name="after"),
            )
            assert isinstance(reply, Applied)


async def test_states_are_compared_where_the_leader_took_a_snapshot(start_engine: StartEngine) -> None:
    often = {
        "snapshot_interval_s": 0.05,
        "snapshot_minimum_batches": 1,
        "settle_timeout_ms": 10_000,
        "lease_ttl_ms": 20_000,
    }
    async with start_engine(**often) as leader, start_engine(wait=False, **often) as standby:
        await fund(leader, ALICE)
        await until(lambda: standby.standby is not None)
        price = 10

        async def compared() -> bool:
            nonlocal price
            price += 1
            await submit(leader, limit(ALICE, Side.BUY, price), CancelOrder(ALICE, "BTCUSDT", price, "", "c"))
            return following(standby).compared > 0

        await until(compared)


async def test_a_standby_that_differs_must_not_go_on(
    start_engine: StartEngine, settings: EngineSettings, redis_url: str
) -> None:
    async with start_engine() as leader, Redis.from_url(redis_url) as client:
        await fund(leader, ALICE)
        session = await PostgresStore(settings).connect("test", 5_000)
        state = state_hash(capture(active(leader).exchange))
        told = Checkpoint(active(leader).sequence, active(leader)._journal_hash, state)

        async def follow(checkpoint: Checkpoint) -> int:
            await client.set(snapshots.CHECKPOINT_KEY, msgspec.msgpack.encode(checkpoint))
            standby = Standby(PostgresStore(settings), session, client, 3_600_000_000, lambda: None)
            # Redis is not waited for long, nor is the hash.
            for _ in range(20):
                standby._compare_at_s = 0.0
                await standby.follow()
                if standby._hashing is not None:
                    await standby._hashing
            return standby.compared

        assert await follow(told) == told.sequence
        # Of another journal, or of a row that is still to come: not comparable.
        wrong = msgspec.structs.replace(told, state_hash=bytes(32))
        assert await follow(msgspec.structs.replace(wrong, journal_hash=bytes(32))) == 0
        assert await follow(msgspec.structs.replace(wrong, sequence=told.sequence + 1)) == 0
        with pytest.raises(Diverged, match=f"after journal row {told.sequence} "):
            await follow(wrong)
        session.terminate()


async def test_the_lease_is_free_before_the_last_snapshot_is_stored(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storing the state of a big exchange takes longer than anyone wants to wait for the next engine."""
    stored = asyncio.Event()
    leave = ActiveEngine.leave_snapshot

    async def slowly(self: ActiveEngine) -> None:
        await stored.wait()
        await leave(self)

    monkeypatch.setattr(ActiveEngine, "leave_snapshot", slowly)
    async with start_engine() as leader:
        await fund(leader, ALICE)
        async with start_engine(wait=False) as standby:
            await caught_up(standby, leader)
            leader.stop()
            await until(lambda: standby.active is not None)
            with pytest.raises(Closed):
                await submit(leader, limit(ALICE, Side.BUY, 10))
            (reply,) = await submit(standby, limit(ALICE, Side.BUY, 10))
            assert isinstance(reply, Applied)
            stored.set()


async def test_a_planned_hand_over_waits_for_nobody_to_look(start_engine: StartEngine) -> None:
    """The standby is told; it would not look for itself before the test has failed."""
    async with start_engine() as leader:
        await fund(leader, ALICE)
        async with start_engine(wait=False, takeover_poll_ms=3_600_000) as standby:
            await until(lambda: standby.standby is not None and standby.standby.is_warm)
            await submit(leader, limit(ALICE, Side.BUY, 10))
            leader.stop()
            await until(lambda: standby.active is not None)
            assert len(active(standby).exchange.orders) == 1


async def test_who_comes_while_a_standby_takes_over_is_kept(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, resumed = asyncio.Event(), asyncio.Event()
    take_over = Standby.take_over

    async def slowly(self: Standby, held: Lease) -> Copy:
        reached.set()
        await resumed.wait()
        return await take_over(self, held)

    async with start_engine() as leader:
        await fund(leader, ALICE)
        async with start_engine(wait=False, takeover_poll_ms=3_600_000) as standby:
            await until(lambda: standby.standby is not None and standby.standby.is_warm)
            with pytest.raises(Closed):
                await submit(standby, limit(ALICE, Side.BUY, 10))
            monkeypatch.setattr(Standby, "take_over", slowly)
            leader.stop()
            await reached.wait()
            asking = asyncio.create_task(submit(standby, limit(ALICE, Side.BUY, 10)))
            await until(lambda: standby.inbox.depth == 1)
            resumed.set()
            (reply,) = await asking
            assert isinstance(reply, Applied)


async def test_a_standby_without_redis_follows_all_the_same(start_engine: StartEngine) -> None:
    async with start_engine() as leader:
        await fund(leader, ALICE)
        async with start_engine(wait=False, redis_url=SecretStr("redis://127.0.0.1:1/0")) as standby:
            await caught_up(standby, leader)
            started_s = time.monotonic()
            leader.stop()
            await until(lambda: standby.active is not None)
            assert time.monotonic() - started_s < 20
