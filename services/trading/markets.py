"""The markets as the engine last committed them, read from the database and kept for a moment.

A market's ``status`` is the one in force, not the one it was listed with.
"""

import asyncio
import time
from typing import Final

import msgspec

from services.domain.events import MarketDefined, MarketStatusSet
from services.domain.market import Market, MarketStatus
from services.infra.postgres import Pool
from services.trading import errors
from services.trading.feed import JournalEntry

_FRESH_S: Final = 2.0
_SQL: Final = "SELECT definition, status FROM exchange.markets ORDER BY symbol"


class Markets:
    """Read anew when ``on_entry`` hears of a change, so a market can be used the moment it is listed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._markets: dict[str, Market] = {}
        self._read_s = float("-inf")
        self._reading = asyncio.Lock()
        self._changes = 0

    def on_entry(self, entry: JournalEntry) -> None:
        """For the feed."""
        for events in entry.events:
            for event in events:
                if isinstance(event, MarketDefined | MarketStatusSet):
                    self._changes += 1
                    self._read_s = float("-inf")

    async def all(self) -> dict[str, Market]:
        if time.monotonic() - self._read_s > _FRESH_S:
            async with self._reading:
                if time.monotonic() - self._read_s > _FRESH_S:
                    changes = self._changes
                    rows = await self._pool.fetch(_SQL)
                    markets = [_market(row["definition"], row["status"]) for row in rows]
                    self._markets = {market.symbol: market for market in markets}
                    if changes == self._changes:
                        self._read_s = time.monotonic()
        return self._markets

    async def get(self, symbol: str) -> Market:
        """Return the market; raise -1121 when there is none."""
        market = (await self.all()).get(symbol)
        if market is None:
            raise errors.INVALID_SYMBOL
        return market


def _market(definition: str, status: str) -> Market:
    market = msgspec.json.decode(definition, type=Market)
    return msgspec.structs.replace(market, status=MarketStatus(status))
