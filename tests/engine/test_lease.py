"""Exactly one of any number of engines is active, and a second one takes over."""

import asyncio
import time
from datetime import datetime
from functools import partial

from services.domain.orders import Side
from services.domain.protocol import Applied
from services.engine import lease
from services.engine.postgres_store import PostgresSession, PostgresStore
from services.engine.runner import Engine
from services.engine.settings import EngineSettings
from services.infra import redis
from services.infra.postgres import Connection
from tests.engine.conftest import ALICE, StartEngine, active, fund, limit, submit, until

TTL_MS = 600
pause = partial(asyncio.sleep, 0.02)


async def connect(settings: EngineSettings) -> PostgresSession:
    return await PostgresStore(settings).connect("test", statement_timeout_ms=5000)


async def take(session: PostgresSession, holder: str) -> lease.Lease:
    return await lease.acquire(session, holder, ttl_ms=TTL_MS, pause=pause)


async def test_one_of_three_is_active(start_engine: StartEngine, database: Connection) -> None:
    expiry = "SELECT expires_at FROM exchange.engine_lease"
    async with (
        start_engine() as first,
        start_engine(wait=False) as second,
        start_engine(wait=False) as third,
    ):
        could_have_ended = await database.fetchval(expiry)
        await until(lambda: _is_past(database, could_have_ended))  # An idle holder renews it.
        assert await database.fetchval(expiry) > could_have_ended
        assert [engine.active is not None for engine in (first, second, third)] == [True, False, False]


async def _is_past(database: Connection, instant: datetime) -> bool:
    return bool(await database.fetchval("SELECT clock_timestamp() > $1", instant))


async def test_a_standby_takes_over_with_everything_when_the_holder_stops(start_engine: StartEngine) -> None:
    async with start_engine(wait=False) as standby, start_engine(wait=False) as other:
        await until(lambda: (standby.active is None) != (other.active is None))
        leader, follower = (standby, other) if standby.active else (other, standby)
        await fund(leader, ALICE)
        await submit(leader, limit(ALICE, Side.BUY, 10))
        epoch = active(leader).lease.epoch
        leader.stop()
        await until(lambda: follower.active is not None)
        assert active(follower).lease.epoch == epoch + 1
        (reply,) = await submit(follower, limit(ALICE, Side.BUY, 11))
        assert isinstance(reply, Applied)
        assert len(active(follower).exchange.orders) == 2


async def test_who_stood_still_while_it_recovered_leads_all_the_same(settings: EngineSettings) -> None:
    ttl_ms = 1_000
    client = redis.connect(settings.redis_url.get_secret_value())
    short = settings.model_copy(update={"lease_ttl_ms": ttl_ms})
    engine = Engine(short, client, on_recovered=lambda: time.sleep(1.5 * ttl_ms / 1000))
    running = asyncio.create_task(engine.run())
    await until(lambda: engine.active is not None)
    assert active(engine).lease.epoch == 1
    engine.stop()
    await running
    await client.aclose()


async def test_a_dead_session_frees_the_lease_before_it_expires(settings: EngineSettings) -> None:
    first, second = await connect(settings), await connect(settings)
    held = await lease.acquire(first, "first", ttl_ms=3_600_000, pause=pause)
    waiting = asyncio.create_task(take(second, "second"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    first.terminate()
    taken = await asyncio.wait_for(waiting, 5)
    assert taken.epoch == held.epoch + 1
    second.terminate()


async def test_a_silent_holder_loses_the_lease_when_it_expires(settings: EngineSettings) -> None:
    """Its session lives on, as that of a stopped process does."""
    first, second = await connect(settings), await connect(settings)
    held = await take(first, "first")
    taken = await asyncio.wait_for(take(second, "second"), 5)
    assert taken.epoch == held.epoch + 1
    for late in (lease.renew(first, held, ttl_ms=TTL_MS), lease.confirm(first, held)):
        try:
            await late
        except lease.LeaseLost:
            continue
        raise AssertionError("the first holder still believes in its lease")
    await lease.release(first, held)
    await lease.confirm(second, taken)
    first.terminate()
    second.terminate()


async def test_twenty_rivals_get_twenty_different_epochs_one_after_another(settings: EngineSettings) -> None:
    sessions = [await connect(settings) for _ in range(20)]

    async def compete(session: PostgresSession) -> int:
        held = await lease.acquire(session, "rival", ttl_ms=60_000, pause=partial(asyncio.sleep, 0.005))
        await lease.confirm(session, held)
        await lease.release(session, held)
        return held.epoch

    epochs = await asyncio.gather(*(compete(session) for session in sessions))
    assert sorted(epochs) == list(range(1, 21))
    for session in sessions:
        session.terminate()
