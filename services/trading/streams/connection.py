"""Connections: WebSockets with a bound on everything, and the register of all that are open in this process.

Sending never waits. What a client has not taken yet lies in its transport's buffer, up to ``socket_buffer_bytes``; a
client that lets more pile up is dropped (close code 1008, reason "Slow consumer") and harms nobody else. Replies come
on top of that, as long as they may be: who answers requests reads no more of them until the client has taken these.

Bounds: connections in this process, bytes waiting for one, bytes of a message received (``services/infra/web.py``),
messages, pings and pongs received a second, and 24 hours. The server's own pings end connections that no longer answer.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.websockets import WebSocket

from services.infra.websocket import FramingProtocol, protocol_of, text_frame
from services.trading import metrics

LIFETIME_S: Final = 24 * 3600
# Where limits are off, nobody needs more, and more would only keep this process busy.
GENEROUS_MESSAGES_PER_S: Final = 1_000

POLICY_VIOLATION: Final = 1008
GOING_AWAY: Final = 1001
TRY_AGAIN_LATER: Final = 1013
UNSUPPORTED_DATA: Final = 1003

_WINDOW_S: Final = 1.0
# Who waits for the client to take what was sent does so long before there is so much of it that it would be dropped.
_PATIENT_BYTES: Final = 64 * 1024
_PATIENT_SHARE: Final = 4
_ids = itertools.count(1)


class Connection:
    """One accepted WebSocket. ``connected_us`` is when; ``kind`` says what for, in metrics."""

    __slots__ = (
        *("_buffer_limit", "_closed", "_per_s", "_protocol", "_received", "_replies_bytes", "_window_s"),
        *("connected_us", "id", "kind", "on_shutdown", "socket"),
    )

    def __init__(self, socket: WebSocket, kind: str, buffer_limit: int) -> None:
        self.id = next(_ids)
        self.socket = socket
        self.kind = kind
        self.connected_us = time.time_ns() // 1000
        # Called when the server is about to stop: the place to send ``serverShutdown``.
        self.on_shutdown: Callable[[], None] | None = None
        self._protocol: FramingProtocol = protocol_of(socket.scope)
        self._protocol.pause_at(min(_PATIENT_BYTES, buffer_limit // _PATIENT_SHARE))
        self._buffer_limit = buffer_limit
        # How many of the bytes that wait may be replies.
        self._replies_bytes = 0
        # Messages, pings and pongs since ``_window_s``.
        self._received = 0
        self._window_s = 0.0
        self._per_s = GENEROUS_MESSAGES_PER_S
        self._protocol.on_control = self._count
        self._closed = False

    @property
    def is_open(self) -> bool:
        return not self._closed

    def send(self, message: bytes) -> None:
        """Send one text message; it is lost if the connection is closing."""
        frame = text_frame(message)
        metrics.MESSAGES_SENT.inc()
        metrics.BYTES_SENT.inc(len(frame))
        self.send_frame(frame)

    def send_frame(self, frame: bytes) -> None:
        """Send what ``text_frame`` made, which many connections may share. Whoever multiplies it counts it."""
        if self._closed:
            return
        self._protocol.write_frame(frame)
        if self._protocol.waiting_bytes > self._buffer_limit:
            self._drop_if_slow()

    def reply(self, message: bytes) -> None:
        """Send what the client asked for, however long it is."""
        if not self._closed:
            waiting_bytes = self._protocol.waiting_bytes
            self._replies_bytes = min(self._replies_bytes, waiting_bytes) + len(message)
            self.send(message)

    async def taken(self) -> None:
        """Wait until the client has taken nearly all that was sent, or is gone."""
        await self._protocol.writable.wait()

    def close(self, code: int, reason: str) -> None:
        """End it; nothing is sent after this, and ``messages`` ends. Closing again does no harm."""
        if self._closed:
            return
        self._closed = True
        metrics.SOCKETS_DROPPED.labels(reason).inc()
        self._protocol.drop(code, reason)

    async def messages(self, per_s: int) -> AsyncIterator[str | bytes]:
        """What the client says, until it or this side ends the connection.

        More than ``per_s`` messages, pings and pongs in a second end it too.
        """
        self._per_s = per_s
        deadline_s = asyncio.get_running_loop().time() + LIFETIME_S
        while not self._closed:
            try:
                async with asyncio.timeout_at(deadline_s):
                    event = await self.socket.receive()
            except TimeoutError:
                self.close(GOING_AWAY, "24 hours are over")
                return
            if event["type"] == "websocket.disconnect":
                self._closed = True
                return
            self._count()
            if not self.is_open:
                return
            text = event.get("text")
            yield event["bytes"] if text is None else text

    def _count(self) -> None:
        now_s = time.monotonic()
        if now_s - self._window_s >= _WINDOW_S:
            self._window_s, self._received = now_s, 0
        self._received += 1
        if self._received > self._per_s:
            self.close(POLICY_VIOLATION, "Too many requests")
        elif self._protocol.waiting_bytes > self._buffer_limit:
            # Pings are answered by the protocol itself.
            self._drop_if_slow()

    def _drop_if_slow(self) -> None:
        self._replies_bytes = min(self._replies_bytes, self._protocol.waiting_bytes)
        if self._protocol.waiting_bytes > self._buffer_limit + self._replies_bytes:
            self.close(POLICY_VIOLATION, "Slow consumer")

    def ended(self) -> None:
        self._closed = True


class Connections:
    """All that are open in this process, at most ``limit``."""

    def __init__(self, limit: int, buffer_limit: int) -> None:
        self._limit = limit
        self._buffer_limit = buffer_limit
        self._open: set[Connection] = set()
        self._stopping = False

    @asynccontextmanager
    async def open(self, socket: WebSocket, kind: str) -> AsyncIterator[Connection]:
        """Accept it for as long as the context lasts; when there is no room, it is already closed."""
        await socket.accept()
        connection = Connection(socket, kind, self._buffer_limit)
        if len(self._open) >= self._limit or self._stopping:
            connection.close(TRY_AGAIN_LATER, "Too many connections")
            yield connection
            return
        self._open.add(connection)
        metrics.SOCKETS.labels(kind).inc()
        try:
            yield connection
        finally:
            connection.ended()
            self._open.discard(connection)
            metrics.SOCKETS.labels(kind).dec()

    def announce_shutdown(self) -> None:
        """Tell every client that the server is about to stop, and accept no more."""
        self._stopping = True
        for connection in tuple(self._open):
            if connection.on_shutdown is not None:
                connection.on_shutdown()
