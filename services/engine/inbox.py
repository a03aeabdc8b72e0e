"""The inbox: what has arrived and waits for the next batch, bounded.

A parcel is what one gateway sent in one POST. Parcels keep their order and are never split, so the requests of one
gateway are carried out in the order in which it sent them.
"""

import asyncio
from collections import deque

from services.domain.protocol import Envelope, Failed, FailureKind, Reply

OVERLOADED = Failed(FailureKind.OVERLOADED)
EXPIRED = Failed(FailureKind.EXPIRED)
UNKNOWN = Failed(FailureKind.UNKNOWN)


class Closed(Exception):
    """This engine is not active: nothing of the parcel was started."""


class Parcel:
    """Requests in order, and the future of their encoded replies."""

    __slots__ = ("answer", "envelopes")

    def __init__(self, envelopes: list[Envelope]) -> None:
        self.envelopes = envelopes
        self.answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()

    def reply(self, replies: list[Reply]) -> None:
        if not self.answer.done():
            self.answer.set_result(replies)

    def fail(self, failure: Failed) -> None:
        self.reply([failure] * len(self.envelopes))


class Inbox:
    """Open while this engine is active."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parcels: deque[Parcel] = deque()
        self._arrived = asyncio.Event()
        self._is_open = False
        self.depth = 0

    def open(self) -> None:
        self._is_open = True

    def close(self) -> None:
        """Refuse what waits and what comes: none of it was started."""
        self._is_open = False
        while self._parcels:
            parcel = self._parcels.popleft()
            if not parcel.answer.done():
                parcel.answer.set_exception(Closed())
        self.depth = 0

    async def submit(self, envelopes: list[Envelope]) -> list[Reply]:
        """Queue the requests and wait for their replies; raise Closed if this engine is not active."""
        if not self._is_open:
            raise Closed
        parcel = Parcel(envelopes)
        if self.depth + len(envelopes) > self._limit:
            parcel.fail(OVERLOADED)
        else:
            self._parcels.append(parcel)
            self.depth += len(envelopes)
            self._arrived.set()
        return await parcel.answer

    def wake(self) -> None:
        """Let a waiting ``take`` return at once."""
        self._arrived.set()

    async def take(self, limit: int, timeout_s: float) -> list[Parcel]:
        """Everything that has arrived, up to about ``limit`` requests; an empty list if nothing comes in time."""
        if not self._parcels:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        taken: list[Parcel] = []
        count = 0
        while self._parcels and (not taken or count + len(self._parcels[0].envelopes) <= limit):
            parcel = self._parcels.popleft()
            count += len(parcel.envelopes)
            taken.append(parcel)
        self.depth -= count
        return taken
