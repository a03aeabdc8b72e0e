"""The client that parcels travel with: each request ends with an answer, as "not sent" or as "lost", never a guess."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.infra.lean_post import SILENCE_MS_MAX, Answer, AnswerLost, LeanPost, NotSent

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def serving(serve: Serve, timeout_s: float = 30.0) -> AsyncIterator[tuple[LeanPost, str]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    client = LeanPost({"Authorization": "Bearer t"}, timeout_s=timeout_s)
    try:
        yield client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/commands"
    finally:
        await client.close()
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


async def test_requests_share_a_connection_and_carry_their_headers() -> None:
    seen: list[tuple[bytes, bytes]] = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        seen.append(await read_request(reader))
        # In pieces, as a network may have it.
        for part in (OK[:20], OK[20:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        seen.append(await read_request(reader))
        writer.write(OK.replace(b"200 OK", b"503 No"))

    async with serving(serve) as (client, url):
        assert await client.post(url, b"one", {"X-Name": "1"}) == Answer(200, b"hi")
        assert await client.post(url, b"two", {"X-Name": "2"}) == Answer(503, b"hi")
    assert connections == 1
    assert [content for _, content in seen] == [b"one", b"two"]
    assert seen[0][0].startswith(b"POST /commands HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer t\r\nX-Name: 1\r\n" in seen[0][0]


async def test_nobody_there_is_not_sent() -> None:
    async with serving(lambda *_: asyncio.sleep(0)) as (_, url):
        pass
    client = LeanPost({}, timeout_s=30)
    with pytest.raises(NotSent):
        await client.post(url, b"", {})


@pytest.mark.parametrize(
    "answer",
    [b"", OK[:-1], b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\x15\x03\x01\x00"],
    ids=["none", "cut short", "malformed", "not HTTP"],
)
async def test_an_answer_that_is_not_whole_is_lost(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    async with serving(serve) as (client, url):
        for _ in range(2):
            with pytest.raises(AnswerLost):
                await client.post(url, b"content", {})


async def test_the_next_request_never_hears_a_late_answer() -> None:
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                _, content = await read_request(reader)
            except asyncio.IncompleteReadError:
                return
            if content == b"slow":
                arrived.set()
                await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))

    async with serving(serve, timeout_s=0.01) as (impatient, url):
        with pytest.raises(AnswerLost):
            await impatient.post(url, b"slow", {})
        client = LeanPost({}, timeout_s=30)
        assert await client.post(url, b"first", {}) == Answer(200, b"first")
        # The same when whoever asked went away.
        arrived.clear()
        asking = asyncio.create_task(client.post(url, b"slow", {}))
        await arrived.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await client.post(url, b"second", {}) == Answer(200, b"second")
        await client.close()


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_connection_that_the_server_closed_is_not_used_again(says_so: bool) -> None:
    """Or the next request would be lost on it, and its outcome unknown."""
    answer = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") if says_so else OK
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()
        writer.close()
        closed.set()

    async with serving(serve) as (client, url):
        for _ in range(3):
            closed.clear()
            assert await client.post(url, b"", {}) == Answer(200, b"hi")
            await closed.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own watch over a connection is set up on Linux only")
async def test_the_kernel_looks_after_a_connection_that_nobody_uses() -> None:
    """What it then does when a machine vanishes needs two of them: ``make deploy-check ARGS="--only play"``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)

    async with serving(serve) as (client, url):
        await client.post(url, b"", {})
        (connection,) = client._connections.values()
        assert connection._transport is not None
        connected = connection._transport.get_extra_info("socket")
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENCE_MS_MAX
