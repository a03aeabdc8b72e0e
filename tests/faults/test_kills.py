"""Nothing acknowledged is lost, whatever dies when.

Several traders trade while processes are killed at random instants. Afterwards every answer they got is held against
the database. CROSSBOOK_KILLS raises the number of kills (``make chaos`` sets 200).
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

import asyncpg
import pytest

from services.infra.postgres import Connection
from tests.faults import report
from tests.faults.depositors import Depositor
from tests.faults.load import READY_TIMEOUT_S, Load, under_load
from tests.running import RunningSystem

KILLS = int(os.environ.get("CROSSBOOK_KILLS", "8"))
SEED = int(os.environ.get("CROSSBOOK_CHAOS_SEED", "20261130"))
# Of a system with two engines; "trading" is the edge, too.
VICTIMS = dict.fromkeys(("engine1", "engine2", "trading"), 4) | dict.fromkeys(("auth", "backoffice", "notifier"), 2)
VICTIMS |= dict.fromkeys(("redis", "postgres"), 1)

StartSystem = Callable[..., RunningSystem]


class Blow(NamedTuple):
    """Whom to kill how long after the one before; ``is_followed`` by the next before the exchange is whole again."""

    pause_s: float
    victim: str
    is_followed: bool

    def __str__(self) -> str:
        return f"{self.pause_s}:{self.victim}{'+' if self.is_followed else ''}"


def draw_schedule(seed: int, kills: int) -> list[Blow]:
    """Everybody's turn comes early, then by weight."""
    chance = random.Random(seed)
    names = list(VICTIMS)
    chance.shuffle(names)
    names += chance.choices(list(VICTIMS), list(VICTIMS.values()), k=max(0, kills - len(names)))
    return [Blow(round(chance.uniform(0.05, 0.6), 2), name, chance.random() < 0.3) for name in names[:kills]]


@pytest.mark.slow
@pytest.mark.timeout(20 * KILLS + 240)
async def test_every_process_is_killed_again_and_again(start_system: StartSystem) -> None:
    schedule = draw_schedule(SEED, KILLS)
    report.say(f"seed {SEED}: {' '.join(map(str, schedule))}")
    system = await asyncio.to_thread(start_system, "--engines", "2", is_lean=False)
    depositor, stop = await asyncio.to_thread(Depositor, system, SEED), asyncio.Event()
    async with under_load(system, "kills", SEED) as load:
        depositing = asyncio.create_task(depositor.run(stop))
        for number, blow in enumerate(schedule, 1):
            await strike(load, blow)
            if number % 10 == 0:
                report.say(f"{number} of {KILLS} kills, {load.acknowledged} orders acknowledged")
        await load.until_trading()
        stop.set()
        await depositing
        load.checks["deposits"] = await depositor.check(system.database_url, READY_TIMEOUT_S)
        load.faults["deposits asked again"] = depositor.answers["deposit asked again"]
    assert load.summary is not None
    assert load.summary.acknowledged > 10 * KILLS
    assert load.summary.fills > KILLS
    assert load.summary.cancels > KILLS
    assert depositor.answers["page 200"] > KILLS
    assert set(load.faults) >= {blow.victim for blow in schedule}


async def strike(load: Load, blow: Blow) -> None:
    await asyncio.sleep(blow.pause_s)
    load.faults[blow.victim] += 1
    if blow.victim == "postgres":
        # As by ``pg_ctl stop -m immediate``: no checkpoint, no goodbye; the supervisor starts it again.
        await asyncio.to_thread(load.system.crash_postgres)
    else:
        await asyncio.to_thread(load.system.kill_process, blow.victim)
    if not blow.is_followed:
        await load.until_trading()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_redis_is_flushed_before_each_kill(start_system: StartSystem) -> None:
    system = await asyncio.to_thread(start_system)
    chance = random.Random(SEED)
    async with under_load(system, "flushes", SEED) as load:
        for _ in range(max(4, KILLS // 10)):
            await asyncio.sleep(chance.uniform(0.05, 0.6))
            load.faults["redis flushed, engine killed"] += 1
            await asyncio.to_thread(system.flush_redis)
            await asyncio.to_thread(system.kill_process, "engine")
            await load.until_trading()
    assert load.summary is not None and load.summary.acknowledged > 50


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_postgres_crashes_under_load(start_system: StartSystem) -> None:
    system = await asyncio.to_thread(start_system)
    chance = random.Random(SEED)
    async with under_load(system, "postgres", SEED) as load:
        for _ in range(max(3, KILLS // 16)):
            await asyncio.sleep(chance.uniform(0.05, 0.6))
            load.faults["postgres"] += 1
            await asyncio.to_thread(system.crash_postgres)
            await load.until_trading()
    assert load.summary is not None and load.summary.acknowledged > 50


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_paused_leader_commits_nothing_when_it_wakes(start_system: StartSystem) -> None:
    """SIGSTOP for ten seconds: the standby takes over; after SIGCONT the old leader finds its epoch gone."""
    system = await asyncio.to_thread(start_system, "--engines", "2")
    async with under_load(system, "paused leader", SEED) as load:
        connection = await asyncpg.connect(system.database_url)
        leader = await leader_pid(connection)
        epoch = await current_epoch(connection)
        load.faults["leader paused"] += 1
        os.kill(leader, signal.SIGSTOP)
        try:
            paused_until = time.monotonic() + 10
            while await current_epoch(connection) == epoch:
                assert time.monotonic() < paused_until, "no standby took over"
                await asyncio.sleep(0.05)
            await load.until_trading()
            await asyncio.sleep(max(0.0, paused_until - time.monotonic()))
        finally:
            os.kill(leader, signal.SIGCONT)
        await asyncio.sleep(1)
        assert await current_epoch(connection) > epoch
        assert await leader_pid(connection) != leader
        await nothing_late(connection, epoch)
        await connection.close()
    assert load.summary is not None and load.summary.acknowledged > 50


async def nothing_late(connection: Connection, epoch: int) -> None:
    late = await connection.fetchval(
        "SELECT count(*) FROM exchange.journal AS late WHERE epoch = $1 AND sequence > "
        "(SELECT min(sequence) FROM exchange.journal WHERE epoch > $1)",
        epoch,
    )
    assert late == 0, "the stale leader wrote after its successor"


async def current_epoch(connection: Connection) -> int:
    epoch: int = await connection.fetchval("SELECT epoch FROM exchange.engine_lease")
    return epoch


async def leader_pid(connection: Connection) -> int:
    holder: str = await connection.fetchval("SELECT holder FROM exchange.engine_lease")
    return int(holder.split(":")[1])
