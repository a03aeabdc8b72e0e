"""Clients that say or take things a byte at a time: each costs little, is dropped as documented, and harms nobody."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psutil
import pytest

from tests.faults import report
from tests.faults.load import READY_TIMEOUT_S, under_load, until
from tests.faults.test_kills import SEED
from tests.running import RunningSystem
from tests.streams.test_stream_connections import metric, slow_client

CLIENTS = int(os.environ.get("CROSSBOOK_SLOW_CLIENTS", "10"))
REQUEST_TIMEOUT_S = 2
BYTE_PAUSE_S = 0.4
BUFFER_BYTES = 16 * 1024
MEMORY_MIB = 96
HEAD = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
# Each whole answer is larger than what a kernel keeps for a client that does not read.
GREEDY = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100
STREAMS = [f"btcusdt@{name}" for name in ("depth5@100ms", "depth10@100ms", "depth20@100ms", "depth@100ms", "trade")]

T = TypeVar("T")
StartSystem = Callable[..., RunningSystem]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_slow_clients(start_system: StartSystem) -> None:
    environment = {
        "CROSSBOOK_TRADING__CROSSBOOK_REQUEST_TIMEOUT_S": str(REQUEST_TIMEOUT_S),
        "CROSSBOOK_TRADING__CROSSBOOK_KEEP_ALIVE_S": str(REQUEST_TIMEOUT_S),
        "CROSSBOOK_TRADING__CROSSBOOK_SOCKET_BUFFER_BYTES": str(BUFFER_BYTES),
    }
    system = await asyncio.to_thread(start_system, environment=environment)
    async with under_load(system, "slow clients", SEED) as load:
        await load.until_acknowledged(READY_TIMEOUT_S)
        trading = psutil.Process(system.pid("trading"))
        before = trading.memory_info().rss
        async with asyncio.timeout(READY_TIMEOUT_S):
            bodies, heads, silent, deaf = await asyncio.gather(
                many(lambda: trickle(system.port, HEAD + b"\r\n", b"x" * 1000)),
                many(lambda: trickle(system.port, HEAD[:20], HEAD[20:])),
                many(lambda: trickle(system.port, b"", b"")),
                many(lambda: never_read(system.port)),
            )
        assert {answer[:12] for answer in bodies + heads} == {b"HTTP/1.1 408"}
        assert set(silent) == {b""}
        assert all(deaf)
        load.faults["slow HTTP clients"] = 4 * CLIENTS
        await drop_slow_subscriber(system)
        load.faults["slow subscriber"] = 1
        grown_mib = (trading.memory_info().rss - before) / 2**20
        report.say(f"trading grew by {grown_mib:.0f} MiB")
        assert grown_mib < MEMORY_MIB
        await load.until_acknowledged(READY_TIMEOUT_S)
    answers = load.figures()["answers"]
    assert set(answers) <= {"200", "400 -2011", "400 -2010"}, "nobody else noticed"
    log = (system.directory.logs / "trading.log").read_text(errors="replace")
    assert [line for line in log.splitlines() if "unexpected_error" in line] == []


async def many(client: Callable[[], Awaitable[T]]) -> list[T]:
    return await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def trickle(port: int, at_once: bytes, slowly: bytes) -> bytes:
    """Say the one, then the other byte by byte; return what was answered until the server had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(at_once)
    answering = asyncio.create_task(reader.read(1024))
    with contextlib.suppress(OSError):
        for byte in slowly:
            if answering.done():
                break
            writer.write(bytes((byte,)))
            await asyncio.wait([answering], timeout=BYTE_PAUSE_S)
    try:
        return await answering
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def never_read(port: int) -> bool:
    """Ask for a lot and take nothing; whether that ended with being cut off."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    try:
        while True:
            await loop.sock_sendall(client, GREEDY)
            await asyncio.sleep(BYTE_PAUSE_S)
    except OSError:
        return True
    finally:
        client.close()


async def drop_slow_subscriber(system: RunningSystem) -> None:
    dropped = "crossbook_trading_sockets_dropped_total"
    client = await slow_client(system.base_url, STREAMS)
    await until(lambda: metric(system.base_url, dropped, 'reason="Slow consumer"') >= 1, READY_TIMEOUT_S)
    client.close()
