"""A keep-alive HTTP/1.1 connection that costs the generator next to nothing.

At most one request is under way on a connection. There are no futures: the one callback is told the status and the
body, and status 0 when the connection broke before the answer was complete.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

Answered = Callable[[int, bytes], None]

CONNECT_TIMEOUT_S: Final = 5.0


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: Answered | None = None
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    @property
    def is_usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes, answered: Answered) -> None:
        """Send a whole request; ``answered`` is called exactly once, perhaps at once when the connection is gone."""
        assert self._answered is None, "one request at a time"
        if self._transport is None or self._transport.is_closing():
            answered(0, b"not connected")
            return
        self._answered = answered
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface, not the ancestry.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._finish(0, f"not HTTP: {error}".encode())
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._finish(0, f"connection lost: {exc}".encode())

    # httptools' callbacks

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._finish(self._parser.get_status_code(), body)

    def _finish(self, status: int, body: bytes) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status, body)


async def connect(host: str, port: int, count: int) -> list[Connection]:
    """Open ``count`` connections one after the other, so that no backlog is put to the test."""
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(count):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connection = await loop.create_connection(Connection, host, port)
        connections.append(connection)
    return connections


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A whole request; for the few that are not on the hot path."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
