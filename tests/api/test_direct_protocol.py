"""Direct routes on the wire: what the protocol keeps for itself is answered as what goes through the application."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from services.infra.direct import DirectApp, Incoming, Outgoing
from services.infra.direct_protocol import direct
from tests.api.test_direct import LIMIT_BYTES, echo, too_large
from tests.api.test_gate import REQUEST_TIMEOUT_S, Turnstile, answer, post

ASGI = "Transfer-Encoding: chunked\r\n"


class Exchange:
    """A server with direct routes. ``through`` counts what went through the application."""

    def __init__(self) -> None:
        self.gate = Turnstile()
        self.app = DirectApp(limit_bytes=LIMIT_BYTES, too_large=too_large, gate=self.gate)
        self.app.add_direct_route("POST", "/api/echo", echo)
        self.app.add_direct_route("GET", "/api/echo", echo)
        self.app.add_direct_route("POST", "/api/slow", self.slow)
        self.app.add_direct_route("POST", "/api/broken", broken)
        self.through = 0
        self.may_go_on = asyncio.Event()
        self.port = 0
        self.server: uvicorn.Server | None = None

    async def slow(self, incoming: Incoming) -> Outgoing:
        await self.may_go_on.wait()
        return await echo(incoming)

    async def counting(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.through += scope["type"] == "http"
        await self.app(scope, receive, send)

    async def ask(self, *parts: bytes) -> tuple[int, bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        answered = await answer(reader)
        writer.close()
        return answered


async def broken(incoming: Incoming) -> Outgoing:
    raise ValueError(incoming.request_id)


@asynccontextmanager
async def serving() -> AsyncIterator[Exchange]:
    exchange = Exchange()
    config = uvicorn.Config(
        exchange.counting,
        port=0,
        http=direct(exchange.app, exchange.gate, REQUEST_TIMEOUT_S),  # type: ignore[arg-type]
        log_config=None,
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
    )
    exchange.server = uvicorn.Server(config)
    running = asyncio.create_task(exchange.server.serve())
    while not exchange.server.started:  # noqa: ASYNC110 (uvicorn has nothing to wait for)
        await asyncio.sleep(0.01)
    exchange.port = exchange.server.servers[0].sockets[0].getsockname()[1]
    try:
        yield exchange
    finally:
        exchange.server.should_exit = True
        await running


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def chunked(path: str, body: bytes, headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}{ASGI}\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def without_what_changes(head: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*", b"", re.sub(rb"[0-9a-f]{32}", b"ID", head))


@pytest.mark.parametrize(
    "headers", ["", "X-Name: 1\r\nx-name: 2\r\n", "X-Request-Id: own\r\n", "Connection: close\r\n"]
)
async def test_both_ways_give_the_same_bytes(headers: str) -> None:
    async with serving() as exchange:
        kept = await exchange.ask(post("/api/echo?a=b", b"abc", headers))
        assert exchange.through == 0
        passed = await exchange.ask(chunked("/api/echo?a=b", b"abc", headers))
        assert exchange.through == 1
        assert (kept[0], kept[2]) == (passed[0], passed[2]) == (201, b"POST abc")
        assert without_what_changes(kept[1]) == without_what_changes(passed[1])
        assert (exchange.gate.entered, exchange.gate.inside) == (2, 0)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET http://x/api/echo HTTP/1.1\r\nHost: x\r\n\r\n", 201),
        (b"GET /api/%65cho HTTP/1.1\r\nHost: x\r\n\r\n", 201),
        (b"POST /api/echo?a#b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 201),
        (b"GET /api/echo HTTP/1.0\r\nHost: x\r\n\r\n", 201),
        (b"HEAD /api/echo HTTP/1.1\r\nHost: x\r\n\r\n", 201),
        (b"GET /api/none HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (post("/api/echo", b"x" * (LIMIT_BYTES + 1)), 413),
        (post("/api/echo", b"x", "Expect: 100-continue\r\n"), 100),
    ],
)
async def test_what_is_unusual_goes_through_the_application(request_bytes: bytes, status: int) -> None:
    async with serving() as exchange:
        reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
        writer.write(request_bytes)
        assert int((await reader.readuntil(b"\r\n")).split()[1]) == status
        writer.close()
        # An absolute target is none of the gate's either.
        await until(lambda: exchange.through == 1 and exchange.gate.inside == 0)


async def test_a_body_may_come_in_pieces_and_requests_in_one() -> None:
    async with serving() as exchange:
        whole = post("/api/echo", b"abc")
        assert (await exchange.ask(whole[:10], whole[10:-2], whole[-2:-1], whole[-1:]))[2] == b"POST abc"
        reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
        for _ in range(2):
            writer.write(post("/api/echo", b"a") + post("/api/echo", b"ab") + post("/api/echo", b""))
            assert [(await answer(reader))[2] for _ in range(3)] == [b"POST a", b"POST ab", b"POST "]
        writer.close()
        assert exchange.gate.inside == 0


async def test_a_client_that_leaves_takes_its_ticket_along() -> None:
    async with serving() as exchange:
        for request, path in ((post("/api/slow", b"abc")[:-1], "arriving"), (post("/api/slow", b"abc"), "waiting")):
            _, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
            writer.write(request)
            await until(lambda: exchange.gate.inside == 1)
            writer.transport.abort()
            if path == "waiting":
                # It goes on, for whatever it has begun.
                exchange.may_go_on.set()
            await until(lambda: exchange.gate.inside == 0)
        assert exchange.through == 0


async def test_a_handler_that_fails_is_answered_and_the_connection_ends(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as exchange:
        reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
        writer.write(post("/api/broken", b"abc"))
        status, head, content = await answer(reader)
        assert (status, content) == (500, b"Internal Server Error")
        assert b"\r\nconnection: close\r\n" in head
        assert await reader.read() == b""
        writer.close()
        assert exchange.gate.inside == 0
    assert "direct route" in caplog.text


async def test_the_server_ends_when_requests_under_way_are_answered() -> None:
    async with serving() as exchange:
        assert exchange.server is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
        writer.write(post("/api/slow", b"abc"))
        await until(lambda: exchange.gate.inside == 1)
        exchange.server.should_exit = True
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        exchange.may_go_on.set()
        status, head, content = await answer(reader)
        assert (status, content) == (201, b"POST abc")
        assert b"\r\nconnection: close\r\n" in head
        writer.close()
