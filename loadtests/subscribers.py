"""Subscribers: thousands of WebSockets that read one exchange's streams, in a process of their own.

A subscriber does as little as it can with a message: it finds the event's time in it and notes how long ago that was.
The event's time is when the engine took up the batch, so the latency is that of the commit, the publication, the
fan-out and the network together. Both processes read the same clock.
"""

import asyncio
import base64
import multiprocessing
import os
import time
from collections import Counter
from multiprocessing.connection import Connection as Pipe
from typing import Final, Self, cast

import msgspec
import uvloop

from loadtests.latencies import bucket_upper_us
from loadtests.venue import HOST, VenueFailed

CONNECT_TIMEOUT_S: Final = 60.0
ANSWER_TIMEOUT_S: Final = 30.0
# Handshakes under way at once: a backlog is not what is measured.
_HANDSHAKES: Final = 16
_EVENT_TIME: Final = b'"E":'
_TEXT: Final = 0x81
_PING: Final = 0x89


class Heard(msgspec.Struct, frozen=True):
    """``latencies_us`` counts messages by the upper bound of their bucket; ``lost`` are broken connections."""

    messages: int
    timed: int
    bytes: int
    lost: int
    latencies_us: dict[int, int]


class _Subscriber(asyncio.Protocol):
    """One WebSocket that was accepted. ``tally`` is everybody's."""

    def __init__(self, target: str, tally: "_Tally", accepted: asyncio.Future[None]) -> None:
        self._target = target
        self._tally = tally
        self._accepted = accepted
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._target} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now_us = time.time_ns() // 1000
        if self._pending:
            data = self._pending + data
        if not self._accepted.done():
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self._pending = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._accepted.set_exception(VenueFailed(f"no WebSocket: {head[:200]!r}"))
                return
            self._accepted.set_result(None)
        self._pending = self._read_frames(data, now_us)

    def connection_lost(self, _: Exception | None) -> None:
        self._tally.lost += 1

    def _read_frames(self, data: bytes, now_us: int) -> bytes:
        """Note every whole frame; return what is left of the last one."""
        start = 0
        while len(data) - start >= 2:
            body, length = start + 2, data[start + 1]
            if length == 126:
                body, length = start + 4, int.from_bytes(data[start + 2 : start + 4], "big")
            elif length == 127:
                body, length = start + 10, int.from_bytes(data[start + 2 : start + 10], "big")
            end = body + length
            if end > len(data):
                break
            if data[start] == _TEXT:
                self._tally.note(data, body, end, now_us)
            elif data[start] == _PING:
                # Frames to a server are masked; a mask of zeros changes nothing.
                self._transport.write(bytes((0x8A, 0x80 | length, 0, 0, 0, 0)) + data[body:end])
            start = end
        return data[start:]


class _Tally:
    def __init__(self) -> None:
        self.messages = self.timed = self.bytes = self.lost = 0
        self.latencies_us: Counter[int] = Counter()

    def note(self, data: bytes, start: int, end: int, now_us: int) -> None:
        self.messages += 1
        self.bytes += end - start
        found = data.find(_EVENT_TIME, start, end)
        if found >= 0:
            self.timed += 1
            # Microseconds since 1970 have 16 digits until the year 2286.
            self.latencies_us[bucket_upper_us(max(0, now_us - int(data[found + 4 : found + 20])))] += 1

    def heard(self) -> Heard:
        heard = Heard(self.messages, self.timed, self.bytes, self.lost, dict(self.latencies_us))
        self.__init__()  # type: ignore[misc]
        return heard


class Subscribers:
    """``count`` sockets on one target such as ``/ws/btcusdt@trade``; a context that ends with them."""

    def __init__(self, port: int, target: str, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        separator = "&" if "?" in target else "?"
        target = f"{target}{separator}timeUnit=MICROSECOND"
        self._process = context.Process(target=_run, args=(theirs, port, target, count), daemon=True)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self._process.start()
        if not self._pipe.poll(CONNECT_TIMEOUT_S) or self._pipe.recv() != "ready":
            raise VenueFailed("the subscribers could not connect")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def heard(self) -> Heard:
        """What all of them have heard since the last call."""
        self._pipe.send("report")
        if not self._pipe.poll(ANSWER_TIMEOUT_S):
            raise VenueFailed("the subscribers are too busy to answer")
        return cast(Heard, self._pipe.recv())


def _run(pipe: Pipe, port: int, target: str, count: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_subscribe(pipe, port, target, count))


async def _subscribe(pipe: Pipe, port: int, target: str, count: int) -> None:
    loop = asyncio.get_running_loop()
    tally, room = _Tally(), asyncio.Semaphore(_HANDSHAKES)

    async def connect() -> None:
        async with room:
            accepted = loop.create_future()
            await loop.create_connection(lambda: _Subscriber(target, tally, accepted), HOST, port)
            await accepted

    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        await asyncio.gather(*(connect() for _ in range(count)))
    pipe.send("ready")

    def report() -> None:
        pipe.recv()
        pipe.send(tally.heard())

    loop.add_reader(pipe.fileno(), report)
    await loop.create_future()
