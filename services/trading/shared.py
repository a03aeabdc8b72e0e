"""Questions that many ask at once, answered together: a caller shares an answer that was asked for after it came.

An answer already under way may have been formed before the caller's own write, so it is never joined; the caller waits
for the next one, which starts as soon as the one before has ended. So there are at most two at a time, one running and
one that others still may join, however many callers there are, and a lone caller never waits for others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[T]):
    """``get`` is what ``ask`` answers when it is called after ``get`` was; its failure is every sharer's."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._run())
            self._next.add_done_callback(_hear_failure)
        # Whoever is cancelled leaves; the others still want the answer.
        return await asyncio.shield(self._next)

    async def _run(self) -> T:
        async with self._turn:
            # From here on callers come too late for this answer.
            self._next = None
            return await self._ask()


def _hear_failure(done: asyncio.Future[T]) -> None:
    """A failure that nobody waits for any more is not worth a complaint by the event loop."""
    if not done.cancelled():
        done.exception()


class SharedTrips(Generic[K, V]):
    """Questions by key, answered together: while one trip is under way, the next one fills up.

    ``fetch`` is given different keys, at most ``limit`` of them, and answers each in its place. As above, an answer is
    never older than its question, and a failure is that of everybody on the trip.
    """

    def __init__(self, fetch: Callable[[list[K]], Awaitable[list[V]]], limit: int) -> None:
        self._fetch = fetch
        self._limit = limit
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_hear_failure)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(answer)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._go({key: self._waiting.pop(key) for key in list(self._waiting)[: self._limit]})
        finally:
            self._running = None

    async def _go(self, trip: dict[K, asyncio.Future[V]]) -> None:
        try:
            values = await self._fetch(list(trip))
            for answer, value in zip(trip.values(), values, strict=True):
                answer.set_result(value)
        except Exception as error:
            for answer in trip.values():
                answer.set_exception(error)
        finally:
            # Of a trip that was cancelled.
            for answer in trip.values():
                answer.cancel()
