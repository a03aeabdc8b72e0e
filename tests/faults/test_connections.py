"""No connections left, at PostgreSQL or in a process: what needs one waits, and goes on by itself when there is one."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
import pytest

from services.infra.postgres import Connection
from tests.faults import report
from tests.faults.load import READY_TIMEOUT_S, under_load, until
from tests.faults.test_kills import SEED
from tests.running import RunningSystem

EXHAUSTED_S = float(os.environ.get("CROSSBOOK_EXHAUSTED_S", "2"))
# Descriptors that the trading process may still open.
DESCRIPTORS_LEFT = 16

StartSystem = Callable[..., RunningSystem]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_connections_run_out(start_system: StartSystem) -> None:
    system = await asyncio.to_thread(start_system)
    async with under_load(system, "connections", SEED) as load:
        # 1. Others take every connection of PostgreSQL's; the engine, which is started again, gets none.
        crowd = Crowd(system.database_url)
        await crowd.fill()
        load.faults["PostgreSQL's connections taken"] = crowd.size
        await asyncio.to_thread(system.kill_process, "engine")
        await crowd.fill()
        answered = load.refused + load.unknown
        await until(lambda: load.refused + load.unknown > answered + 5, READY_TIMEOUT_S)
        stored = load.acknowledged
        await asyncio.sleep(EXHAUSTED_S)
        assert load.acknowledged == stored
        report.say(f"{crowd.size} connections taken, no engine; now they are given back")
        await crowd.leave()
        await load.until_trading()
        # 2. The trading process can open nothing more: whoever has a connection goes on, new ones find no place.
        trading = psutil.Process(system.pid("trading"))
        limit = trading.rlimit(psutil.RLIMIT_NOFILE)
        narrow = trading.num_fds() + DESCRIPTORS_LEFT
        trading.rlimit(psutil.RLIMIT_NOFILE, (narrow, limit[1]))
        guests = [await knock(load.system.port) for _ in range(8 * DESCRIPTORS_LEFT)]
        load.faults["trading's descriptors taken"] = len(guests)
        await until(lambda: trading.num_fds() >= narrow - 2, READY_TIMEOUT_S)
        await load.until_acknowledged(READY_TIMEOUT_S)
        await asyncio.sleep(EXHAUSTED_S)
        await load.until_acknowledged(READY_TIMEOUT_S)
        for guest in guests:
            guest.close()
        assert system.state.process("trading").restarts == 0
        # A new connection finds its place again, before the limit is what it was.
        await load.until_trading()
        trading.rlimit(psutil.RLIMIT_NOFILE, limit)
    assert load.summary is not None and load.summary.acknowledged > 50


async def knock(port: int) -> socket.socket:
    """A connection that asks for nothing."""
    guest = socket.socket()
    guest.setblocking(False)
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_connect(guest, ("127.0.0.1", port))
    return guest


class Crowd:
    """Sessions of somebody who is no superuser."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._url = urlunsplit(parts._replace(netloc=f"crossbook_trading@{parts.netloc.rpartition('@')[2]}"))
        self._connections: list[Connection] = []

    @property
    def size(self) -> int:
        return len(self._connections)

    async def fill(self) -> None:
        """Take what there is."""
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                self._connections.append(await asyncpg.connect(self._url, timeout=READY_TIMEOUT_S))

    async def leave(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections))
        self._connections.clear()
