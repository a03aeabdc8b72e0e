"""A TCP proxy that does to a connection what networks do: hold everything back, reset, or be slow.

It stands between two parts of an exchange, which are told its port instead of the other's address. It runs on a loop in
a thread of its own, so that it works while tests wait. What is held back is delivered when the wire is whole again,
however late, like what a network repeats.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

CHUNK_BYTES = 64 * 1024
# With this a closed socket says RST instead of goodbye.
_LINGER_NOT = struct.pack("ii", 1, 0)

Connect = Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
Link = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Wire:
    """It has a port at once, and goes somewhere when ``lead`` has said where."""

    def __init__(self) -> None:
        self._connect: Connect | None = None
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._whole.set()
        self._refuses = False
        self._delay_s = 0.0
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def lead(self, connect: Connect) -> None:
        """``connect`` opens a connection to whoever is behind; it is asked for each connection anew."""
        self._connect = connect

    def cut(self) -> None:
        """A black hole: nothing passes in either direction, nobody is told."""
        self._call(self._whole.clear)

    def reset(self) -> None:
        """Every connection is reset, and so is each new one, until the wire is mended."""
        self._call(self._reset)

    def slow_down(self, delay_s: float) -> None:
        """Whatever passes comes that much later."""
        self._call(lambda: setattr(self, "_delay_s", delay_s))

    def mend(self) -> None:
        self._call(self._mend)

    def close(self) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, act: Callable[[], object]) -> None:
        async def run() -> None:
            act()

        self._do(run())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    # On the loop

    def _reset(self) -> None:
        self._refuses = True
        for link in tuple(self._links):
            for writer in link:
                _abort(writer)

    def _mend(self) -> None:
        self._refuses, self._delay_s = False, 0.0
        self._whole.set()

    async def _close(self) -> None:
        self._server.close()
        self._mend()
        for link in tuple(self._links):
            for writer in link:
                writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._whole.wait()
            if self._refuses:
                _abort(writer)
                return
            with contextlib.suppress(OSError):
                await self._relay(reader, writer)
        except asyncio.CancelledError:
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._connect is not None, "the wire leads nowhere"
        far_reader, far_writer = await self._connect()
        link = (writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._links.discard(link)
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, up to and including its end."""
        while data := await reader.read(CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        await self._whole.wait()
        if writer.can_write_eof():
            writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family == socket.AF_INET:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


def to_tcp(address: Callable[[], tuple[str, int]]) -> Connect:
    return lambda: asyncio.open_connection(*address())


def to_unix(path: Callable[[], str]) -> Connect:
    return lambda: asyncio.open_unix_connection(path())
