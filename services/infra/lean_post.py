"""POST to a few services, one request at a time to each, at a tenth of what a general HTTP client costs.

The gateway sends the engine hundreds of parcels a second, and with httpx those cost the trading process more than the
orders in them (docs/performance.md). This speaks plain HTTP/1.1 over a connection that is kept, with uvicorn's parser.

What became of a request is one of three: an answer, ``NotSent`` (nothing of it left this process) or ``AnswerLost`` (it
may have been carried out). It is never sent a second time.
"""

import asyncio
import select
import socket
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from services.infra.http import CONNECT_TIMEOUT_S

# Less than any server here keeps a connection that nobody uses (``keep_alive_s``).
IDLE_S_MAX: Final = 20.0
# A machine that vanishes says no farewell. So one that acknowledges nothing for this long is taken for gone, whether a
# request is under way or not: before an engine's lease ends, so that nothing is sent to the dead when another leads.
SILENCE_MS_MAX: Final = 2_000
_PROBE_EVERY_S: Final = 1
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_HTTPS_PORT: Final = 443
_HTTP_PORT: Final = 80


class NotSent(Exception):
    """There is no connection to the service."""


class AnswerLost(Exception):
    """The request was sent, and no complete answer came."""


class Answer(NamedTuple):
    status: int
    content: bytes


class LeanPost:
    """Keeps a connection to each service; ``close`` it at the end."""

    def __init__(self, headers: Mapping[str, str], *, timeout_s: float) -> None:
        """``headers`` go with every request; an answer may take ``timeout_s``."""
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._timeout_s = timeout_s
        self._connections: dict[str, _Connection] = {}
        self._heads: dict[str, bytes] = {}

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Raise NotSent or AnswerLost. The caller sees to it that no other request to this ``url`` is under way."""
        connection = self._connections.get(url)
        if connection is None or not connection.is_usable():
            connection = self._connections[url] = await self._connect(url)
        head = self._heads.get(url) or self._head(url)
        own = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = b"%b%bContent-Length: %d\r\n\r\n%b" % (head, own.encode("ascii"), len(content), content)
        return await connection.ask(request, self._timeout_s)

    async def close(self) -> None:
        for connection in self._connections.values():
            connection.abort()
        self._connections.clear()

    def _head(self, url: str) -> bytes:
        parts = urlsplit(url)
        head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n{self._headers}".encode("ascii")
        self._heads[url] = head
        return head

    async def _connect(self, url: str) -> "_Connection":
        parts = urlsplit(url)
        is_secure, host = parts.scheme == "https", parts.hostname or ""
        port = parts.port or (_HTTPS_PORT if is_secure else _HTTP_PORT)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, host, port, ssl=is_secure or None
                )
        except OSError as error:
            # TimeoutError is one too.
            raise NotSent(str(error)) from error
        return connection


class _Connection(asyncio.Protocol):
    """One request under way at most: an answer that nobody waits for any more ends the connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._content: list[bytes] = []
        self._content_bytes = 0
        self._parser = httptools.HttpResponseParser(self)
        self._readable = select.poll()
        self._used_s = monotonic()

    def is_usable(self) -> bool:
        """Not if the server has closed it, even when the loop has not come to hear of that."""
        if self._transport is None:
            return False
        is_kept = not self._transport.is_closing() and monotonic() - self._used_s < IDLE_S_MAX
        if is_kept and not self._readable.poll(0):
            return True
        self.abort()
        return False

    async def ask(self, request: bytes, timeout_s: float) -> Answer:
        transport, loop = self._transport, asyncio.get_running_loop()
        if transport is None:
            raise NotSent("the connection is gone")
        answer: asyncio.Future[Answer] = loop.create_future()
        self._answer = answer
        transport.write(request)
        timer = loop.call_later(timeout_s, self._lose, "no answer in time")
        try:
            return await answer
        finally:
            timer.cancel()
            self._used_s = monotonic()
            if self._answer is not None:
                self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface, not the ancestry.
        self._transport = cast(asyncio.Transport, transport)
        connected = transport.get_extra_info("socket")
        self._readable.register(connected.fileno(), select.POLLIN)
        _watch(connected)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._lose(f"not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lose(f"connection lost: {exc!r}")

    # httptools' callbacks

    def on_body(self, body: bytes) -> None:
        self._content.append(body)
        self._content_bytes += len(body)
        if self._content_bytes > ANSWER_BYTES_MAX:
            self._lose(f"more than {ANSWER_BYTES_MAX} bytes")

    def on_message_complete(self) -> None:
        content = self._content[0] if len(self._content) == 1 else b"".join(self._content)
        self._content.clear()
        self._content_bytes = 0
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(self._parser.get_status_code(), content))
        if waiting is None or not self._parser.should_keep_alive():
            self.abort()

    def _lose(self, reason: str) -> None:
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(AnswerLost(reason))
        self.abort()


def _watch(connected: socket.socket) -> None:
    """Have the kernel find out whether the other machine is still there (RFC 5482; the same for an idle connection)."""
    if sys.platform != "linux":
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_EVERY_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_EVERY_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS_MAX)
