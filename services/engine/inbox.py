"""The inbox: what has arrived and waits for the next batch, bounded.

A parcel is what one gateway sent in one POST. Parcels keep their order and are never split, so the requests of one
gateway are carried out in the order in which it sent them.

Something between a gateway and an engine may repeat a POST or deliver it late. A gateway has one under way at a time
and numbers them, so a number that has been seen is a repeat, which shares the first one's replies, and a lower one
comes too late: its gateway has given it up as unknown. Both hold for the life of the process; no POST outlives it.

An engine that is about to lead (``expect``) keeps what comes for the short time that takes, rather than send gateways
away that have nowhere else to go. If it does not lead by then, they hear that nothing was started.
"""

import asyncio
from collections import deque

from services.domain.protocol import Envelope, Failed, FailureKind, Reply
from services.infra import traces

OVERLOADED = Failed(FailureKind.OVERLOADED)
EXPIRED = Failed(FailureKind.EXPIRED)
UNKNOWN = Failed(FailureKind.UNKNOWN)
# Gateways whose last parcel is remembered; the one that was silent for longest is forgotten first.
_GATEWAYS_MAX = 256


class Closed(Exception):
    """This engine is not active: nothing of the parcel was started."""


class Superseded(Exception):
    """The gateway has sent a later parcel: nobody waits for this one, and nothing of it was started by this call."""


class Parcel:
    """Requests in order, and the future of their encoded replies."""

    __slots__ = ("answer", "envelopes", "span")

    def __init__(self, envelopes: list[Envelope]) -> None:
        self.envelopes = envelopes
        self.span = traces.current() if traces.is_on else None
        self.answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()

    def reply(self, replies: list[Reply]) -> None:
        if not self.answer.done():
            self.answer.set_result(replies)

    def fail(self, failure: Failed) -> None:
        self.reply([failure] * len(self.envelopes))

    def decline(self) -> None:
        """Nothing of it was started, nor will be."""
        if not self.answer.done():
            self.answer.set_exception(Closed())
            # It may be that nobody asks any more; that is no error.
            self.answer.exception()


class Inbox:
    """Open while this engine is active."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parcels: deque[Parcel] = deque()
        self._arrived = asyncio.Event()
        self._is_open = False
        self._expecting: asyncio.TimerHandle | None = None
        # By gateway, the number of its last POST and its replies to come.
        self._last: dict[str, tuple[int, asyncio.Future[list[Reply]]]] = {}
        self.depth = 0
        # Parcels that came while this engine was not active, since it was made.
        self.declined = 0

    def expect(self, within_s: float) -> None:
        """Keep what comes; without ``open`` in time it is declined."""
        self.close()
        self._is_open = True
        self._expecting = asyncio.get_running_loop().call_later(within_s, self.close)

    def open(self) -> None:
        self._is_open = True
        self._expect_no_more()

    def close(self) -> None:
        """Refuse what waits and what comes: none of it was started."""
        self._is_open = False
        self._expect_no_more()
        while self._parcels:
            self._parcels.popleft().decline()
        self.depth = 0

    async def submit(self, envelopes: list[Envelope], parcel_id: str = "") -> list[Reply]:
        """Queue the requests and wait for their replies; raise Closed if this engine is not active.

        A parcel with an id is queued once, and raises Superseded when its gateway has sent a later one.
        """
        gateway, _, number = parcel_id.rpartition("-")
        if not gateway or not number.isdecimal():
            return await self._enqueue(envelopes)
        last = self._last.pop(gateway, None)
        if last is None or last[0] < int(number):
            last = int(number), self._enqueue(envelopes)
            if len(self._last) >= _GATEWAYS_MAX:
                del self._last[next(iter(self._last))]
        self._last[gateway] = last
        if last[0] > int(number):
            raise Superseded
        # Whoever hangs up takes the replies from nobody else.
        return await asyncio.shield(last[1])

    def _enqueue(self, envelopes: list[Envelope]) -> asyncio.Future[list[Reply]]:
        parcel = Parcel(envelopes)
        if not self._is_open:
            self.declined += 1
            parcel.decline()
        elif self.depth + len(envelopes) > self._limit:
            parcel.fail(OVERLOADED)
        else:
            self._parcels.append(parcel)
            self.depth += len(envelopes)
            self._arrived.set()
        return parcel.answer

    def _expect_no_more(self) -> None:
        if self._expecting is not None:
            self._expecting.cancel()
            self._expecting = None

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
