"""What a client asks the exchange, read off the wire.

A recorder stands between a client and the exchange and passes on every byte unchanged. Of each request that was
answered with 200 it keeps method, path and the names of the parameters, without those that every signed request has;
of a WebSocket, what ``conversations`` makes of it. From these ``docs/compatibility.md`` says which calls of which
clients were run.
"""

import asyncio
import contextlib
import re
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, urlsplit

from tests.clients.conversations import SIGNING, Calls, Conversation, read_frame

START_TIMEOUT_S: Final = 30.0
# More than any reply to a client here; the reader grows only as far as it must.
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024

_content_length = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
_upgrade = re.compile(rb"(?i)\r\nupgrade: *websocket\r\n")
_GONE: Final = (asyncio.IncompleteReadError, OSError)


class Recorder:
    """``with Recorder(exchange_url) as recorder`` listens on ``recorder.url`` and fills ``recorder.calls``."""

    def __init__(self, exchange_url: str) -> None:
        address = urlsplit(exchange_url)
        assert address.hostname is not None
        assert address.port is not None
        self._exchange = (address.hostname, address.port)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="recorder")
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.url = ""
        self.calls: Calls = {}

    def __enter__(self) -> "Recorder":
        self._thread.start()
        assert self._started.wait(START_TIMEOUT_S), "the recorder did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[Any]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            task.add_done_callback(connections.discard)
            with contextlib.suppress(asyncio.CancelledError, *_GONE):
                await self._pass_on(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=MAX_MESSAGE_BYTES)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._started.set()
        await self._stop.wait()
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _pass_on(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Until either side closes."""
        replies, forth = await asyncio.open_connection(*self._exchange, limit=MAX_MESSAGE_BYTES)
        # HTTP/1.1 answers in the order of the requests.
        asked: deque[tuple[bytes, bytes]] = deque()
        try:
            address = await _first_of(_pump_requests(client, forth, asked), self._pump_replies(replies, back, asked))
            conversation = Conversation(address, self.calls)
            await _first_of(
                _pump_frames(client, forth, conversation.asked), _pump_frames(replies, back, conversation.told)
            )
            conversation.end()
        finally:
            forth.transport.abort()

    async def _pump_replies(
        self, replies: asyncio.StreamReader, back: asyncio.StreamWriter, asked: deque[tuple[bytes, bytes]]
    ) -> str:
        """Until it becomes a WebSocket: the address of that."""
        while True:
            head, body = await _read_message(replies)
            request = asked.popleft()
            status = head.split(b" ", 2)[1]
            if status == b"200":
                self._record(*request)
            back.write(head + body)
            await back.drain()
            if status == b"101":
                return request[0].decode("latin-1").split(" ", 2)[1]

    def _record(self, head: bytes, body: bytes) -> None:
        method, target, _ = head.decode("latin-1").split(" ", 2)
        path, _, query = target.partition("?")
        pairs = parse_qsl(f"{query}&{body.decode('latin-1')}", keep_blank_values=True)
        self.calls.setdefault(f"{method} {path}", set()).update({name for name, _ in pairs} - SIGNING)


async def _first_of(*pumps: Coroutine[Any, Any, Any]) -> Any:
    """What the first to end returns or raises; the other ends, too."""
    tasks = [asyncio.create_task(pump) for pump in pumps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return done.pop().result()


async def _pump_requests(
    client: asyncio.StreamReader, forth: asyncio.StreamWriter, asked: deque[tuple[bytes, bytes]]
) -> NoReturn:
    while True:
        message = await _read_message(client)
        asked.append(message)
        forth.write(message[0] + message[1])
        await forth.drain()
        if _upgrade.search(message[0]) is not None:
            # What follows are frames, if the exchange agrees; then somebody else reads them.
            await asyncio.Event().wait()


async def _pump_frames(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tell: Callable[[bytes], None]
) -> NoReturn:
    while True:
        frame, text = await read_frame(reader)
        tell(text)
        writer.write(frame)
        await writer.drain()


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of a request or reply; one without a length has no body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _content_length.search(head)
    return head, await reader.readexactly(int(length[1])) if length is not None else b""
