"""What views folded from the trades of one market have in common: a start without a race.

A view takes part in the feed from the moment it exists, then reads its start state from one snapshot of the database,
which also says up to which journal entry that state goes. Trades that come meanwhile wait; those that are in the start
state are left out.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.domain.events import OrderFilled
from services.infra.postgres import Connection, Pool

_HEAD_SQL: Final = "SELECT coalesce(max(sequence), 0) FROM exchange.journal"


class TradeView(ABC):
    """``offer`` it every trade of its market from the moment it exists, and ``load`` it once."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        # The entry that the start state reaches to; None until it is loaded.
        self._start: int | None = None
        self._early: list[tuple[int, OrderFilled]] = []

    @property
    def is_loaded(self) -> bool:
        return self._start is not None

    def offer(self, sequence: int, trade: OrderFilled) -> None:
        if self._start is None:
            self._early.append((sequence, trade))
        elif sequence > self._start:
            self.add(trade)

    async def load(self, pool: Pool, now_us: int) -> None:
        async with snapshot(pool) as (connection, sequence):
            await self.read(connection, now_us)
        self._start = sequence
        early, self._early = self._early, []
        for offered, trade in early:
            self.offer(offered, trade)

    @abstractmethod
    async def read(self, connection: Connection, now_us: int) -> None:
        """Replace the state by what the database has; it may be called again after it failed."""

    @abstractmethod
    def add(self, trade: OrderFilled) -> None:
        """Fold the next trade."""


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[tuple[Connection, int]]:
    """A connection on which all statements see one state of the database, and the entry that state ends with."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection, await connection.fetchval(_HEAD_SQL)  # type: ignore[misc]
