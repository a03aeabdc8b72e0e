"""Networks that swallow, reset and delay: whoever trades is answered in bounded time, and what she is told is true.

A cut is a black hole: both ends believe in their connections, and what was under way arrives when the network is whole
again. CROSSBOOK_CUT_S is how long cuts last (``make chaos`` sets 30).
"""

import asyncio
import os
import time
from collections.abc import Callable

import asyncpg
import pytest
import uvloop
from redis.exceptions import RedisError

from services.infra import redis
from tests.faults import report
from tests.faults.conftest import Wired
from tests.faults.load import FUNDS, READY_TIMEOUT_S, Load, under_load
from tests.faults.test_kills import SEED, current_epoch, nothing_late
from tests.faults.traders import Trader
from tests.faults.wire import Wire

CUT_S = float(os.environ.get("CROSSBOOK_CUT_S", "3"))
RESET_S = min(CUT_S, 3.0)
SLOW_S = min(CUT_S, 10.0)
DELAY_S = 0.05
# Since the last that PostgreSQL heard of the engine.
LEASE_S = 3.5
# The gateway's own patience, and what a busy machine adds.
ANSWER_TIMEOUT_S = 15.0

StartWired = Callable[..., Wired]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_wires_are_cut(start_wired: StartWired) -> None:
    wired = await asyncio.to_thread(start_wired)
    await what_comes_late_is_not_done(wired)
    async with under_load(wired.system, "network", SEED) as load:
        await cut(load, "database", wired.database, CUT_S)
        assert load.unknown, "what was under way when the wire was cut is unknown"
        await cut(load, "engine", wired.engine, CUT_S)
        # Orders have no need of Redis.
        wired.redis.cut()
        load.faults["redis cut"] += 1
        await load.until_acknowledged(READY_TIMEOUT_S)
        await asyncio.sleep(CUT_S)
        await load.until_acknowledged(READY_TIMEOUT_S)
        await mend(load, wired.redis)
        for name, wire in (("database", wired.database), ("engine", wired.engine), ("redis", wired.redis)):
            load.faults[f"{name} reset"] += 1
            wire.reset()
            await asyncio.sleep(RESET_S)
            await mend(load, wire)
            load.faults[f"{name} slow"] += 1
            wire.slow_down(DELAY_S)
            await load.until_acknowledged(READY_TIMEOUT_S)
            await asyncio.sleep(SLOW_S)
            await mend(load, wire)
    assert all(process.restarts == 0 for process in wired.system.state.processes), "nobody died of it"
    assert load.pulse.longest_answer_s < ANSWER_TIMEOUT_S
    answers = load.figures()["answers"]
    assert "none in time" not in answers


async def what_comes_late_is_not_done(wired: Wired) -> None:
    """A commit that the network holds back until its client has been told that there is no such order."""
    account = await asyncio.to_thread(wired.system.create_account, FUNDS)
    trader = Trader(wired.system.base_url, account, SEED)
    # No more at once than what is asked for: nothing but the commit is on its way when the wire is cut.
    for _ in range(3):
        await trader.place()
    wired.database.cut()
    await trader.place()
    (name,) = trader.told.unknown
    await asyncio.sleep(LEASE_S)
    assert await trader.query(name) is None
    wired.database.mend()
    await asyncio.to_thread(wired.system.wait_ready, READY_TIMEOUT_S)
    assert await trader.query(name) is None, "what was said not to be there came into being"
    await trader.close()


async def cut(load: Load, name: str, wire: Wire, seconds: float) -> None:
    report.say(f"{name} cut for {seconds} s")
    load.faults[f"{name} cut"] += 1
    wire.cut()
    await asyncio.sleep(seconds)
    await mend(load, wire)


async def mend(load: Load, wire: Wire) -> None:
    wire.mend()
    await load.until_trading()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_leader_is_cut_off_from_the_database(start_wired: StartWired) -> None:
    """The standby leads within the lease's life; what the old leader had sent arrives late and changes nothing."""
    wired = await asyncio.to_thread(start_wired, "--engines", "2")
    system = wired.system
    async with under_load(system, "partition", SEED) as load:
        if system.active_engine() != system.engine_urls[0]:
            await asyncio.to_thread(system.kill_process, "engine2")
            await load.until_trading()
        connection = await asyncpg.connect(system.database_url)
        epoch = await current_epoch(connection)
        load.faults["leader cut off"] += 1
        wired.database.cut()
        await asyncio.sleep(CUT_S)
        await load.until_acknowledged(READY_TIMEOUT_S)
        assert await current_epoch(connection) > epoch
        wired.database.mend()
        await load.until_trading()
        await nothing_late(connection, epoch)
        await connection.close()
    assert load.summary is not None and load.summary.acknowledged > 50


def test_redis_that_resets_is_redis_that_is_gone() -> None:
    """With the services' own event loop, kept busy: a connection may be gone before anything was written to it."""
    wire = Wire()
    wire.reset()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(ask_in_vain(f"redis://127.0.0.1:{wire.port}"))
    finally:
        wire.close()


async def ask_in_vain(redis_url: str) -> None:
    client = redis.connect(redis_url)

    async def ask() -> None:
        with pytest.raises(RedisError):
            await client.ping()

    async def be_busy() -> None:
        while True:
            time.sleep(0.002)  # noqa: ASYNC251 (that is the point)
            await asyncio.sleep(0)

    busy = asyncio.create_task(be_busy())
    for _ in range(5):
        await asyncio.gather(*(ask() for _ in range(12)))
    busy.cancel()
    await client.aclose()
