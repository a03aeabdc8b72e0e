"""The wire between gateway and engine, which a test can cut, hold and bend.

A proxy that passes HTTP messages as whole ones. Its mode may be changed at any time and holds for what arrives from
then on.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from enum import Enum
from types import TracebackType

_content_length = re.compile(rb"(?i)content-length: *([0-9]+)")


class Mode(Enum):
    PASS = "pass"
    # Requests reach the engine and its replies get lost.
    SWALLOW_REPLIES = "swallow replies"
    # The connection breaks when the engine replies.
    CUT_AT_REPLY = "cut at reply"
    # The connection breaks when the gateway asks: the engine never hears of it.
    CUT_AT_REQUEST = "cut at request"
    # Requests wait until the mode changes.
    HOLD_REQUESTS = "hold requests"
    # Somebody else answers, and the engine never hears of it.
    ANSWER = "answer"


class Wire:
    """``async with Wire(engine_url) as wire`` listens on ``wire.url``."""

    def __init__(self, engine_url: str) -> None:
        host, _, port = engine_url.removeprefix("http://").partition(":")
        self._engine = (host, int(port))
        self._mode = Mode.PASS
        self._changed = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.answer = b""
        # What came from the gateway, what of it was passed to the engine, and what the engine replied.
        self.requests = self.passed = self.replies = 0

    async def __aenter__(self) -> "Wire":
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and break those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def set_mode(self, mode: Mode) -> None:
        self._mode = mode
        await self._announce()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the mode or one of the counts to become what is wanted."""
        async with self._changed:
            await self._changed.wait_for(holds)

    async def answered(self) -> None:
        """Wait until the engine has replied to all that reached it."""
        await self.until(lambda: self.replies == self.passed)

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(asyncio.CancelledError, OSError):
            engine_reader, engine_writer = await asyncio.open_connection(*self._engine)
            pumps = (
                asyncio.create_task(self._pump_requests(reader, engine_writer, writer)),
                asyncio.create_task(self._pump_replies(engine_reader, writer)),
            )
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                engine_writer.transport.abort()
        writer.transport.abort()

    async def _pump_requests(
        self, gateway: asyncio.StreamReader, engine: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        while True:
            message = await _read_message(gateway)
            self.requests += 1
            await self._announce()
            if self._mode is Mode.CUT_AT_REQUEST:
                return
            if self._mode is Mode.ANSWER:
                back.write(self.answer)
                continue
            await self.until(lambda: self._mode is not Mode.HOLD_REQUESTS)
            self.passed += 1
            engine.write(message)
            await engine.drain()

    async def _pump_replies(self, engine: asyncio.StreamReader, gateway: asyncio.StreamWriter) -> None:
        while True:
            message = await _read_message(engine)
            self.replies += 1
            await self._announce()
            if self._mode is Mode.CUT_AT_REPLY:
                return
            if self._mode is not Mode.SWALLOW_REPLIES:
                gateway.write(message)
                await gateway.drain()


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """One request or reply; both sides say how long their bodies are."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _content_length.search(head)
    assert length is not None
    return head + await reader.readexactly(int(length[1]))


def http_answer(status: str, body: bytes = b"{}") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
