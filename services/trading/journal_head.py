"""How far the journal is, asked of the database once for all who want to know at the same time.

Whoever waits until its own view has reached what ``read`` returned sees everything that anybody had been told, by any
trading process, when ``read`` was called.
"""

from typing import Final

from services.infra.postgres import Pool
from services.trading.shared import Shared

_SQL: Final = "SELECT coalesce(max(sequence), 0) FROM exchange.journal"


class JournalHead:
    """One statement is under way at a time; whoever comes meanwhile shares the next one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._shared = Shared(self._ask)

    async def read(self) -> int:
        """The last committed sequence at some instant after this was called."""
        return await self._shared.get()

    async def _ask(self) -> int:
        sequence: int = await self._pool.fetchval(_SQL)
        return sequence
