"""Followers of user data, for tests: one subscription over the WebSocket API, its events in order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from services.trading.user_data.cursor import Cursor
from tests.api.trader import sign
from tests.streams.api_socket import TIMEOUT_S, ApiSocket, Json, Signer, open_socket, succeeded


class KeyHolder(Protocol):
    """Whoever has an HMAC key: a trader, or an account that was just opened."""

    @property
    def api_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...


class Follower:
    """``events`` has what was taken so far."""

    def __init__(self, socket: ApiSocket, result: Json) -> None:
        self.socket = socket
        self.result = result
        self.number: int = result["subscriptionId"]
        self.events: list[Json] = []

    async def next(self) -> Json:
        frame = await self.socket.next_pushed()
        assert set(frame) == {"subscriptionId", "event"}, frame
        assert frame["subscriptionId"] == self.number
        event: Json = frame["event"]
        self.events.append(event)
        return event

    async def take(self, count: int) -> list[Json]:
        return [await self.next() for _ in range(count)]

    async def until(self, holds: Callable[[Json], bool]) -> list[Json]:
        """Take events up to and including the first of which this holds."""
        taken: list[Json] = []
        async with asyncio.timeout(2 * TIMEOUT_S):
            while not taken or not holds(taken[-1]):
                taken.append(await self.next())
        return taken


def cursor_of(event: Json) -> Cursor:
    return Cursor(event["journalSequence"], event["journalIndex"])


def resume_of(event: Json) -> str:
    """What to send to go on after this event."""
    return f"{event['journalSequence']}-{event['journalIndex']}"


@asynccontextmanager
async def following(base_url: str, account: KeyHolder, query: str = "", **parameters: Any) -> AsyncIterator[Follower]:
    """A connection of its own that follows an account by signature."""
    async with open_socket(base_url, query) as socket:
        yield await follow(socket, account, **parameters)


async def follow(socket: ApiSocket, account: KeyHolder, **parameters: Any) -> Follower:
    reply = await socket.ask("userDataStream.subscribe.signature", signer(account)(**parameters))
    return Follower(socket, succeeded(reply))


def signer(account: KeyHolder) -> Signer:
    return Signer(account.api_key, lambda payload: sign(account.secret_key, payload))
