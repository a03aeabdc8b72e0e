"""uvicorn's WebSocket protocol, which also takes frames that are ready to be sent.

A message to thousands of clients is encoded and framed once: frames from a server are not masked and, without
compression, the same for everyone. Writing one costs half of what a message through ASGI and a task of each
connection's own does, nearly all of it in the kernel (docs/adr/0011).

An application finds the protocol of its connection in the scope: ``protocol_of(scope)``. It writes only between accept
and close, and looks at ``waiting_bytes`` itself: nothing here waits for a slow client.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

PING_INTERVAL_S: Final = 20.0
PING_TIMEOUT_S: Final = 60.0
# A client that does not read never sees a polite end; what waits for it is thrown away after this.
ABORT_AFTER_S: Final = 2.0
# What the kernel may hold for one client (it doubles this), which by itself would take megabytes. Enough for 2 MB/s to
# the other side of the world.
SEND_BUFFER_BYTES: Final = 128 * 1024
# A message may come in so many parts. Empty ones add nothing to its size, so its size does not bound them.
MAX_FRAGMENTS: Final = 1024
_EXTENSION: Final = "crossbook.protocol"
_FINAL_TEXT: Final = 0x81


class FramingProtocol(WebSocketsSansIOProtocol):
    """``on_control`` is told of every ping and pong, which ASGI says nothing of."""

    on_control: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event) -> None:  # type: ignore[no-untyped-def]
        super().handle_connect(event)
        if not self.handshake_complete:
            self.scope["extensions"][_EXTENSION] = self  # type: ignore[assignment]

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.on_control is not None:
            self.on_control()

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        if self.on_control is not None:
            self.on_control()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self.frames = []
            self.drop(CloseCode.POLICY_VIOLATION, f"more than {MAX_FRAGMENTS} fragments")
            return
        super().handle_cont(event)

    def write_frame(self, frame: bytes) -> None:
        """Send a whole frame, or nothing once the connection is closing."""
        if self.conn.state is State.OPEN and not self.transport.is_closing():
            self.transport.write(frame)

    @property
    def waiting_bytes(self) -> int:
        """What the client has yet to take off this process' hands."""
        return self.transport.get_write_buffer_size()

    def pause_at(self, waiting_bytes: int) -> None:
        """Let ``writable`` be clear while more than this waits, until most of it is gone."""
        self.transport.set_write_buffer_limits(high=waiting_bytes)

    def drop(self, code: int, reason: str) -> None:
        """Say goodbye, and end the connection soon whether or not anybody listens."""
        if self.conn.state is not State.OPEN or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(ABORT_AFTER_S, self.transport.abort)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.loop.call_later(ABORT_AFTER_S, self.transport.abort)


def protocol_of(scope: Scope) -> FramingProtocol:
    protocol = scope["extensions"][_EXTENSION]
    assert isinstance(protocol, FramingProtocol), "the server runs with FramingProtocol"
    return protocol


def text_frame(payload: bytes) -> bytes:
    """One unfragmented text message from a server (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((_FINAL_TEXT, length)) + payload
    if length < 65_536:
        return bytes((_FINAL_TEXT, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_FINAL_TEXT, 127)) + length.to_bytes(8, "big") + payload
