"""Redis is gone for a while and comes back empty: orders have no need of it, and streams miss nothing."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable

import psutil
import pytest

from tests.faults.load import READY_TIMEOUT_S, under_load
from tests.faults.test_kills import SEED
from tests.running import RunningSystem

GONE_S = float(os.environ.get("CROSSBOOK_REDIS_GONE_S", "3"))
LOOK_S = 0.05

StartSystem = Callable[..., RunningSystem]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_redis_is_lost(start_system: StartSystem) -> None:
    system = await asyncio.to_thread(start_system)
    async with under_load(system, "redis", SEED) as load:
        until_s = time.monotonic() + GONE_S
        while time.monotonic() < until_s:
            # The supervisor starts it again at once; here it is a machine that does not come back so soon.
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(system.pid("redis")).kill()
                load.faults["redis"] += 1
            await asyncio.sleep(LOOK_S)
        await load.until_acknowledged(READY_TIMEOUT_S)
        await load.until_trading()
        # An engine that starts now finds no snapshot there.
        load.faults["engine"] += 1
        await asyncio.to_thread(system.kill_process, "engine")
    assert load.summary is not None and load.summary.acknowledged > 50
    answers = load.figures()["answers"]
    assert answers["200"] > sum(count for kind, count in answers.items() if kind.startswith(("503", "504")))
