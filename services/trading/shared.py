"""A question that many ask at once and one answer serves: a caller shares an answer that was asked for after it came.

An answer already under way may have been formed before the caller's own write, so it is never joined; the caller waits
for the next one, which starts as soon as the one before has ended. So there are at most two at a time, one running and
one that others still may join, however many callers there are, and a lone caller never waits for others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


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


def _hear_failure(done: asyncio.Task[T]) -> None:
    """A failure that nobody waits for any more is not worth a complaint by the event loop."""
    if not done.cancelled():
        done.exception()
