"""Clocks that are hours wrong: whoever leads, orders go on, and time in the journal never runs backwards.

One engine lives three hours ahead and the other two behind, trading an hour behind and the back office two, by
libfaketime (Debian's package faketime). PostgreSQL's clock is right; every process takes it from there.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.api.trader import API_KEY_HEADER, encode, sign
from tests.backoffice.people import WALLET
from tests.faults.depositors import Depositor
from tests.faults.load import FUNDS, READY_TIMEOUT_S, under_load
from tests.faults.test_kills import SEED
from tests.running import RunningSystem, wait_until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
SKEWS = {"ENGINE1": "+3h", "ENGINE2": "-2h", "TRADING": "-1h", "BACKOFFICE": "-2h"}
TIMESTAMP_OUTSIDE = -1021

StartSystem = Callable[..., RunningSystem]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not LIBRARIES, reason="needs libfaketime: apt install faketime")
async def test_clocks_are_wrong(start_system: StartSystem) -> None:
    environment: dict[str, str] = {}
    for name, skew in SKEWS.items():
        environment |= {
            f"CROSSBOOK_{name}__LD_PRELOAD": str(LIBRARIES[0]),
            f"CROSSBOOK_{name}__FAKETIME": skew,
            f"CROSSBOOK_{name}__FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    system = await asyncio.to_thread(start_system, "--engines", "2", environment=environment, is_lean=False)
    begun_us = time.time_ns() // 1000
    await windows_are_held_against_the_right_time(system)
    await deposits_are_credited(system)
    async with under_load(system, "clocks", SEED) as load:
        for _ in range(4):
            await load.until_acknowledged(READY_TIMEOUT_S)
            leader = f"engine{system.engine_urls.index(system.active_engine() or '') + 1}"
            load.faults[f"{leader} killed"] += 1
            await asyncio.to_thread(system.kill_process, leader)
            await load.until_trading()
    assert set(load.faults) == {"engine1 killed", "engine2 killed"}, "both have led"
    connection = await asyncpg.connect(system.database_url)
    first_us, last_us = await connection.fetchrow("SELECT min(time_us), max(time_us) FROM exchange.journal") or (0, 0)
    await connection.close()
    hour_us = 3_600_000_000
    assert begun_us - hour_us < first_us <= last_us < begun_us + hour_us


async def deposits_are_credited(system: RunningSystem) -> None:
    """Reported in time, and carried out though the deadline of that comes from a wrong clock."""

    def is_there() -> bool:
        return httpx.get(f"{system.base_url}{WALLET}/deposits", trust_env=False).status_code == httpx.codes.UNAUTHORIZED

    await asyncio.to_thread(wait_until, is_there, READY_TIMEOUT_S)
    depositor = await asyncio.to_thread(Depositor, system, SEED)
    enough = asyncio.Event()
    asyncio.get_running_loop().call_later(1.0, enough.set)
    await depositor.run(enough)
    assert await depositor.check(system.database_url, READY_TIMEOUT_S) == len(depositor.reported) > 0


async def windows_are_held_against_the_right_time(system: RunningSystem) -> None:
    account = await asyncio.to_thread(system.create_account, FUNDS)

    async def code(timestamp_ms: int, window_ms: int) -> int:
        query = encode({"timestamp": timestamp_ms, "recvWindow": window_ms})
        answer = await client.get(
            f"/api/v3/account?{query}&signature={sign(account.secret_key, query)}",
            headers={API_KEY_HEADER: account.api_key},
        )
        return int(answer.json().get("code", 0))

    async with httpx.AsyncClient(base_url=system.base_url, timeout=20, trust_env=False) as client:
        told_ms = (await client.get("/api/v3/time")).json()["serverTime"]
        now_ms = time.time_ns() // 1_000_000
        assert abs(told_ms - now_ms) < 60_000
        assert await code(now_ms, 60_000) == 0
        assert await code(now_ms - 3_600_000, 60_000) == TIMESTAMP_OUTSIDE
        assert await code(now_ms + 3_600_000, 60_000) == TIMESTAMP_OUTSIDE
