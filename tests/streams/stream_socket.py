"""A client of market streams, for tests: what it receives, in order, and the control protocol."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

TIMEOUT_S = 30.0

Json = dict[str, Any]


class StreamSocket:
    """``events`` has everything received but the answers to ``ask``."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []
        self._ids = itertools.count(1)
        self._answers: dict[object, asyncio.Future[Json]] = {}
        self._arrived = asyncio.Condition()
        self._has_ended = False

    async def ask(self, method: str, *parameters: object) -> Any:
        """The result of one control request."""
        answer = await self.ask_raw({"method": method, "params": list(parameters)})
        assert "error" not in answer, answer
        return answer["result"]

    async def ask_raw(self, request: Json) -> Json:
        """Send with an id of its own; return the whole answer."""
        request_id = next(self._ids)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        await self.connection.send(json.dumps({**request, "id": request_id}))
        async with asyncio.timeout(TIMEOUT_S):
            return await answer

    async def until(self, holds: Callable[[Any], bool], timeout_s: float = TIMEOUT_S) -> Any:
        """The first event, of those received already and those to come, of which this holds."""
        seen = 0
        async with asyncio.timeout(timeout_s), self._arrived:
            while True:
                for event in self.events[seen:]:
                    if holds(event):
                        return event
                seen = len(self.events)
                await self._arrived.wait()

    async def next_event(self, timeout_s: float = TIMEOUT_S) -> Any:
        """Take the oldest event; raise ConnectionError when the connection ends before there is one."""
        async with asyncio.timeout(timeout_s), self._arrived:
            while not self.events:
                if self._has_ended:
                    raise ConnectionError("the server closed the connection")
                await self._arrived.wait()
            return self.events.pop(0)

    async def receive(self) -> None:
        try:
            async for message in self.connection:
                assert isinstance(message, str), "streams are text"
                content = json.loads(message, parse_float=_no_floats, parse_constant=_no_floats)
                answer = self._answers.pop(content.get("id"), None) if isinstance(content, dict) else None
                if answer is not None:
                    answer.set_result(content)
                    continue
                async with self._arrived:
                    self.events.append(content)
                    self._arrived.notify_all()
        except ConnectionClosed:
            pass
        async with self._arrived:
            self._has_ended = True
            self._arrived.notify_all()


@asynccontextmanager
async def open_streams(base_url: str, path: str, **options: Any) -> AsyncIterator[StreamSocket]:
    """Connect to ``/ws/…`` or ``/stream…``."""
    url = base_url.replace("http", "ws", 1) + path
    async with connect(url, proxy=None, **options) as connection:
        socket = StreamSocket(connection)
        receiving = asyncio.create_task(socket.receive())
        try:
            yield socket
        finally:
            await connection.close()
            await receiving


def _no_floats(text: str) -> NoReturn:
    raise AssertionError(f"{text} in a message; amounts are strings")
