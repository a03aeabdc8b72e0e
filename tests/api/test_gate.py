"""The gate before an application: who is refused is told so where he is read, and his connection goes on."""

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.infra.gate import IGNORED_BYTES_MAX, KNOWN_BYTES_MAX, KNOWN_MAX, GateKeeper, Headers, Seen, behind
from services.infra.http_protocol import PIPELINED_MAX

REQUEST_TIMEOUT_S = 30.0

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Turnstile:
    """Lets everyone in or nobody, and counts who is inside."""

    def __init__(self) -> None:
        self.refusal = b'{"code":-1008}'
        self.caller_header = b"x-key"
        self.is_open = True
        self.may_refuse = False
        self.turned_away: list[tuple[str, bytes]] = []
        self.entered = self.inside = 0

    def concerns(self, target: bytes) -> bool:
        return target.startswith(b"/api/")

    def enter(self, scope: Scope, *, is_crowded: bool) -> object | None:
        assert scope["method"] in ("GET", "HEAD", "POST")
        if not self.is_open or is_crowded:
            return None
        self.entered += 1
        self.inside += 1
        return self

    def turns_away(self, method: str, caller: bytes) -> bool:
        if not self.is_open:
            self.turned_away.append((method, caller))
        return not self.is_open

    def leave(self, ticket: object) -> None:
        assert ticket is self
        self.inside -= 1


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(b"took %d" % len(body))(scope, receive, send)


@asynccontextmanager
async def serving(
    gate: Turnstile, limit: int | None = None, *, request_timeout_s: float = REQUEST_TIMEOUT_S, keep_alive_s: float = 75
) -> AsyncIterator[int]:
    keeper = GateKeeper(application, gate)
    config = uvicorn.Config(
        keeper,
        port=0,
        http=behind(gate, request_timeout_s),  # type: ignore[arg-type]
        timeout_keep_alive=keep_alive_s,  # type: ignore[arg-type]
        log_config=None,
        lifespan="off",
        limit_concurrency=limit,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has nothing to wait for)
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split()[1]), head, await reader.readexactly(length)


def post(path: str, body: bytes, headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def test_who_is_refused_keeps_his_connection() -> None:
    gate = Turnstile()
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for is_open, status, body in ((True, 200, b"took 3"), (False, 503, gate.refusal)) * 2:
            gate.is_open = is_open
            writer.write(post("/api/order", b"abc"))
            answered, head, content = await answer(reader)
            assert (answered, content) == (status, body)
            assert b"\r\ndate: " in head.lower()
            assert is_open or b"\r\nx-request-id: " in head
        # What the gate does not concern passes by it.
        writer.write(post("/health", b"a"))
        assert (await answer(reader))[2] == b"took 1"
        assert (gate.entered, gate.inside) == (2, 0)
        writer.close()


async def test_a_whole_request_is_turned_away_by_its_bytes() -> None:
    gate = Turnstile()
    gate.may_refuse, gate.is_open = True, False
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in (
            post("/api/order", b"abc", "X-Key: Mine\r\nConnection: keep-alive\r\nX-Request-Id: Its-own\r\n"),
            b"GET /api/depth?a=b HTTP/1.1\r\nHost: x\r\nx-key: Mine\r\n\r\n",
        ):
            writer.write(request)
            status, head, content = await answer(reader)
            assert (status, content) == (503, gate.refusal)
            assert b"\r\ndate: " in head.lower()
            assert (b"\r\nx-request-id: Its-own\r\n" in head) == (b"Its-own" in request)
            assert b"\r\nx-request-id: " in head
        assert gate.turned_away == [("POST", b"Mine"), ("GET", b"Mine")]
        gate.is_open = True
        writer.write(post("/api/order", b"abc", "X-Key: Mine\r\n"))
        assert (await answer(reader))[2] == b"took 3"
        writer.close()
    assert (gate.entered, gate.inside) == (1, 0)


KEY = "X-Key: Mine\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [post("/api/order", b"abc", KEY)[:-1], b"c"],
        [post("/api/order", b"abc", KEY) * 2],
        [post("/api/order", b"abc")],
        [post("/api/order", b"abc", KEY + "Content-Length: 3\r\n")],
        [post("/api/order", b"abc", KEY + "Transfer-Encoding: chunked\r\n")],
        [post("/api/order", b"abc", KEY + "Connection: close\r\n")],
        [post("/api/order", b"abc", KEY + "Connection: Keep-Alive, Upgrade\r\nUpgrade: h2c\r\n")],
        [post("/api/order", b"abc", KEY + "Expect: 100-continue\r\n")],
        [post("/api/order", b"abc", KEY).replace(b"Host: x\r\n", b"Host: x\n")],
        [post("/api/order", b"abc", KEY).replace(b"Host: x\r\n", b"Host: x\r\n y\r\n")],
        [post("/api/order", b"abc", KEY).replace(b"HTTP/1.1", b"HTTP/1.0")],
        [post("/health", b"abc", KEY)],
    ],
)
async def test_what_is_not_certainly_one_usual_request_is_left_to_the_parser(parts: list[bytes]) -> None:
    """Where one request ends and the next begins is nothing to be guessed."""
    gate = Turnstile()
    gate.may_refuse, gate.is_open = True, False
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        await reader.read(1)
        writer.close()
    assert gate.turned_away == []


async def test_requests_that_follow_each_other_closely_are_answered_in_order() -> None:
    gate = Turnstile()
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/api/order", b"a") + post("/api/order", b"ab"))
        assert [(await answer(reader))[2] for _ in range(2)] == [b"took 1", b"took 2"]
        gate.is_open = False
        writer.write(post("/api/order", b"a") + post("/api/order", b"ab"))
        assert [(await answer(reader))[0] for _ in range(2)] == [503, 503]
        assert (gate.entered, gate.inside) == (2, 0)
        writer.close()


@pytest.mark.parametrize("count", [PIPELINED_MAX + 1, PIPELINED_MAX + 2, 5_000])
async def test_so_many_may_follow_each_other_and_no_more(count: int) -> None:
    """Those behind are not even read, and the connection ends when all before them are answered."""
    gate = Turnstile()
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(post("/api/x", b"%05d" % number) for number in range(count)))
        for _ in range(PIPELINED_MAX + 1):
            assert (await answer(reader))[0] == 200
        if count > PIPELINED_MAX + 1:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        assert (gate.entered, gate.inside) == (PIPELINED_MAX + 1, 0)
        writer.close()


@pytest.mark.parametrize("headers", ["Connection: close\r\n", "Expect: 100-continue\r\nConnection: close\r\n"])
async def test_a_refusal_ends_the_connection_if_that_is_asked_for(headers: str) -> None:
    gate = Turnstile()
    gate.is_open = False
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/api/order", b"abc", headers))
        status, head, _ = await answer(reader)
        assert status == 503
        assert b"connection: close" in head.lower()
        assert await reader.read() == b""
        writer.close()


async def test_a_body_that_nobody_wants_is_not_listened_to_for_ever() -> None:
    gate = Turnstile()
    gate.is_open = False
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/api/order", bytes(4 * IGNORED_BYTES_MAX)))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await answer(reader)
        writer.close()


async def test_a_target_that_cannot_be_read_leaves_nobody_inside() -> None:
    gate = Turnstile()
    async with serving(gate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /api/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.read(1)
        writer.close()
        assert gate.inside == 0


async def test_too_many_connections_are_refused_in_the_applications_own_words() -> None:
    gate = Turnstile()
    async with serving(gate, limit=2) as port:
        wires: list[Wire] = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        wires[0][1].write(post("/api/order", b"a"))
        assert (await answer(wires[0][0]))[2] == gate.refusal
        for _, writer in wires:
            writer.close()


async def test_a_connection_may_wait_for_its_first_request_as_for_the_next_one() -> None:
    gate = Turnstile()
    async with serving(gate, request_timeout_s=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            await asyncio.sleep(0.2)
            writer.write(b"\r\n" + post("/api/order", b"abc"))
            assert (await answer(reader))[2] == b"took 3"
        # But once one has begun, it must go on.
        writer.write(b"\r\nPOST")
        assert (await answer(reader))[0] == 408
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("before", [b"", post("/api/order", b"abc")])
async def test_nobody_keeps_a_connection_without_asking_for_anything(before: bytes) -> None:
    async with serving(Turnstile(), keep_alive_s=0.2) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(before)
        ending = asyncio.create_task(reader.read())
        while not ending.done():
            writer.write(b"\r\n")
            await asyncio.wait([ending], timeout=0.05)
        assert (b"took 3" in await ending) == bool(before)
        writer.close()


def test_what_headers_say_is_the_same_when_it_is_remembered() -> None:
    headers = Headers(b"x-key")
    for _ in range(2):
        assert headers.look(b"\r\nX-Key: me\r\nContent-Length: 12\r\n") == Seen(12, b"me", b"")
        assert headers.look(b"\r\nX-Key: you\r\nX-Request-Id: a\r\n") == Seen(0, b"you", b"a")
        assert headers.look(b"\r\nX-Key: me\r\nTransfer-Encoding: chunked\r\n") is None
        assert headers.look(b"\r\nHost: x\r\n") is None


def test_what_is_remembered_of_headers_has_a_bound() -> None:
    headers = Headers(b"x-key")
    tracemalloc.start()
    for number in range(4 * KNOWN_MAX):
        key = b"%0512d" % number
        assert headers.look(b"\r\nX-Key: %b\r\n" % key) == Seen(0, key, b"")
    assert headers.look(b"\r\nX-Key: %b\r\n" % bytes(KNOWN_BYTES_MAX)) is not None
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < KNOWN_MAX * 2 * KNOWN_BYTES_MAX
