"""The server's side of a socket, on a real uvicorn with other periods: frames, pings, the end of a connection."""

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from services.infra.websocket import ABORT_AFTER_S, FramingProtocol
from services.trading import metrics
from services.trading.streams import connection as connections
from services.trading.streams.connection import Connections
from tests.engine.conftest import until

TIMEOUT_S = 30.0
PING_INTERVAL_S = 0.2
PING_TIMEOUT_S = 0.5


@contextlib.asynccontextmanager
async def serving(*, ping_interval_s: float = PING_INTERVAL_S, buffer_bytes: int = 10_000_000) -> AsyncIterator[int]:
    """The port of a server that answers a number with as many bytes."""
    register = Connections(limit=10, buffer_limit=buffer_bytes)

    async def answer(socket: WebSocket) -> None:
        async with register.open(socket, "test") as connection:
            async for message in connection.messages(per_s=1_000_000):
                connection.send(b"x" * int(message))

    with sockets.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            Starlette(routes=[WebSocketRoute("/", answer)]),
            ws=FramingProtocol,
            ws_ping_interval=ping_interval_s,
            ws_ping_timeout=PING_TIMEOUT_S,
            ws_per_message_deflate=False,
            log_config=None,
            lifespan="off",
        )
        server = uvicorn.Server(config)
        # Signals are the test runner's.
        server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]
        running = asyncio.create_task(server.serve([listener]))
        await until(lambda: server.started)
        yield int(listener.getsockname()[1])
        server.should_exit = True
        await running


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving() as found:
        yield found


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
async def test_frames_of_every_length(port: int, length: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
        await client.send(str(length))
        assert await asyncio.wait_for(client.recv(), TIMEOUT_S) == "x" * length


async def test_who_answers_pings_stays(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", proxy=None, ping_interval=None) as client:
        await asyncio.sleep(4 * (PING_INTERVAL_S + PING_TIMEOUT_S))
        await client.send("3")
        assert await asyncio.wait_for(client.recv(), TIMEOUT_S) == "xxx"


async def quiet_client(port: int) -> sockets.socket:
    """Connected, and from then on doing what it is told only."""
    loop = asyncio.get_running_loop()
    client = sockets.socket()
    client.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(
        client,
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    assert b"101" in await loop.sock_recv(client, 32)
    return client


async def test_who_does_not_answer_pings_is_dropped(port: int) -> None:
    """Even if it takes nothing of what is said to it, so that no goodbye can reach it."""
    loop = asyncio.get_running_loop()
    client = await quiet_client(port)
    # "5000000", masked with zeros: more than kernels hold.
    await loop.sock_sendall(client, b"\x81\x87\0\0\0\x005000000")
    await asyncio.sleep(PING_INTERVAL_S + PING_TIMEOUT_S + ABORT_AFTER_S + 1)
    received = 0
    async with asyncio.timeout(TIMEOUT_S):
        with contextlib.suppress(ConnectionResetError):
            while chunk := await loop.sock_recv(client, 65_536):
                received += len(chunk)
    client.close()
    assert received < 5_000_000


async def test_a_connection_ends_after_a_day(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LIFETIME_S", 0.3)
    async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
        await asyncio.wait_for(client.wait_closed(), TIMEOUT_S)
        assert (client.close_code, client.close_reason) == (1001, "24 hours are over")


async def test_pings_cannot_fill_the_memory() -> None:
    """They are answered, and answers that nobody takes count as others do."""
    loop = asyncio.get_running_loop()
    dropped = metrics.SOCKETS_DROPPED.labels("Slow consumer")
    before = dropped._value.get()
    async with serving(ping_interval_s=3600, buffer_bytes=16 * 1024) as port, asyncio.timeout(TIMEOUT_S):
        client = await quiet_client(port)
        ping = b"\x89\xfd" + bytes(4) + b"p" * 125
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while True:
                await loop.sock_sendall(client, ping * 20)
        client.close()
    assert dropped._value.get() == before + 1
