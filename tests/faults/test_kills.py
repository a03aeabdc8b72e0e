"""Nothing acknowledged is lost, whatever dies when.

Several traders trade while processes are killed at random instants. Afterwards every answer they got is held against
the database. CROSSBOOK_KILLS raises the number of kills (``make chaos`` sets 200).
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from services.infra.postgres import Connection
from tests.faults.checker import Summary, check
from tests.faults.traders import Trader
from tests.running import RunningSystem

KILLS = int(os.environ.get("CROSSBOOK_KILLS", "12"))
TRADERS = 6
SEED = 20261122
FUNDS = {"USDT": "10000000", "BTC": "1000"}
READY_TIMEOUT_S = 30.0

StartSystem = Callable[..., RunningSystem]
Fault = Callable[[RunningSystem, random.Random], Awaitable[None]]


async def trade_through(system: RunningSystem, fault: Fault, times: int) -> Summary:
    """Trade, inject the fault as often as said, stop trading, and check everything."""
    accounts = [system.create_account(FUNDS) for _ in range(TRADERS)]
    traders = [
        Trader(system.base_url, account.user_id, account.api_key, account.secret_key, SEED + number)
        for number, account in enumerate(accounts)
    ]
    stop = asyncio.Event()
    chance = random.Random(SEED)
    async with asyncio.TaskGroup() as group:
        for trader in traders:
            group.create_task(trader.trade(stop))
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0.05, 0.6))
            await fault(system, chance)
        await until_trading(system)
        await asyncio.sleep(0.5)
        stop.set()
    await until_trading(system)
    summary = await check(system.database_url, traders)
    for trader in traders:
        await trader.close()
    print(f"{times} faults: {summary}")  # noqa: T201 (shown with -rP: what the run really checked)
    return summary


async def until_trading(system: RunningSystem) -> None:
    """Wait until an engine is active and everything else runs; market data is answered without one."""
    await asyncio.to_thread(system.wait_ready, READY_TIMEOUT_S)


async def kill_engine(system: RunningSystem, _chance: random.Random) -> None:
    await asyncio.to_thread(system.kill_process, "engine")
    await until_trading(system)


async def kill_engine_and_flush_redis(system: RunningSystem, chance: random.Random) -> None:
    await asyncio.to_thread(system.flush_redis)
    await kill_engine(system, chance)


async def crash_postgres(system: RunningSystem, _chance: random.Random) -> None:
    """As by ``pg_ctl stop -m immediate``: no checkpoint, no goodbye; the supervisor starts it again."""
    await asyncio.to_thread(system.crash_postgres)
    await until_trading(system)


@pytest.mark.slow
@pytest.mark.timeout(20 * KILLS + 120)
async def test_the_engine_is_killed_again_and_again(start_system: StartSystem) -> None:
    summary = await trade_through(start_system(), kill_engine, KILLS)
    assert summary.acknowledged > 10 * KILLS
    assert summary.fills > KILLS
    assert summary.cancels > KILLS


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_redis_is_flushed_before_each_kill(start_system: StartSystem) -> None:
    summary = await trade_through(start_system(), kill_engine_and_flush_redis, max(5, KILLS // 6))
    assert summary.acknowledged > 50


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_postgres_crashes_under_load(start_system: StartSystem) -> None:
    summary = await trade_through(start_system(), crash_postgres, max(4, KILLS // 8))
    assert summary.acknowledged > 50


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_paused_leader_commits_nothing_when_it_wakes(start_system: StartSystem) -> None:
    """SIGSTOP for ten seconds: the standby takes over; after SIGCONT the old leader finds its epoch gone."""
    epochs: list[int] = []

    async def pause_leader(system: RunningSystem, _chance: random.Random) -> None:
        connection = await asyncpg.connect(system.database_url)
        leader = await leader_pid(connection)
        epoch = await current_epoch(connection)
        os.kill(leader, signal.SIGSTOP)
        try:
            paused_until = time.monotonic() + 10
            while await current_epoch(connection) == epoch:
                assert time.monotonic() < paused_until, "no standby took over"
                await asyncio.sleep(0.05)
            await until_trading(system)
            await asyncio.sleep(max(0.0, paused_until - time.monotonic()))
        finally:
            os.kill(leader, signal.SIGCONT)
        await asyncio.sleep(1)
        epochs.append(await current_epoch(connection))
        assert epochs[-1] > epoch
        assert await leader_pid(connection) != leader
        late = await connection.fetchval(
            "SELECT count(*) FROM exchange.journal AS late WHERE epoch = $1 AND sequence > "
            "(SELECT min(sequence) FROM exchange.journal WHERE epoch > $1)",
            epoch,
        )
        assert late == 0, "the stale leader wrote after its successor"
        await connection.close()

    summary = await trade_through(start_system("--engines", "2"), pause_leader, 1)
    assert len(epochs) == 1
    assert summary.acknowledged > 50


async def current_epoch(connection: Connection) -> int:
    epoch: int = await connection.fetchval("SELECT epoch FROM exchange.engine_lease")
    return epoch


async def leader_pid(connection: Connection) -> int:
    holder: str = await connection.fetchval("SELECT holder FROM exchange.engine_lease")
    return int(holder.split(":")[1])
