"""How far the journal is, asked of the database once for all who want to know at the same time.

Whoever waits until its own view has reached what ``read`` returned sees everything that anybody had been told, by any
trading process, when ``read`` was called.
"""

import asyncio
from typing import Final

from services.infra.postgres import Pool

_SQL: Final = "SELECT coalesce(max(sequence), 0) FROM exchange.journal"


class JournalHead:
    """One statement is under way at a time; whoever comes meanwhile shares the next one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asking: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def read(self) -> int:
        """The last committed sequence at some instant after this was called."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
            return await asyncio.shield(self._asking)
        if self._next is None:
            self._next = asyncio.create_task(self._ask_after(self._asking))
        return await asyncio.shield(self._next)

    async def _ask(self) -> int:
        sequence: int = await self._pool.fetchval(_SQL)
        return sequence

    async def _ask_after(self, asking: asyncio.Task[int]) -> int:
        await asyncio.wait([asking])
        self._asking, self._next = self._next, None
        return await self._ask()
