"""The markets as the engine last committed them, read from the database and kept for a moment.

A market's ``status`` is the one in force, not the one it was listed with.
"""

import asyncio
import time
from typing import Final

import msgspec

from services.domain.market import Market, MarketStatus
from services.infra.postgres import Pool
from services.trading import errors

_FRESH_S: Final = 2.0
_SQL: Final = "SELECT definition, status FROM exchange.markets ORDER BY symbol"


class Markets:
    """A symbol that is not known is looked up anew, so a market can be used the moment it is listed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._markets: dict[str, Market] = {}
        self._read_s = float("-inf")
        self._reading = asyncio.Lock()

    async def all(self) -> dict[str, Market]:
        return await self._read_since(time.monotonic() - _FRESH_S)

    async def get(self, symbol: str) -> Market:
        """Return the market; raise -1121 when there is none."""
        asked_s = time.monotonic()
        market = (await self.all()).get(symbol) or (await self._read_since(asked_s)).get(symbol)
        if market is None:
            raise errors.INVALID_SYMBOL
        return market

    async def _read_since(self, earliest_s: float) -> dict[str, Market]:
        """The markets as they were read then or later. Whoever comes while they are being read waits for that."""
        if self._read_s < earliest_s:
            async with self._reading:
                if self._read_s < earliest_s:
                    began_s = time.monotonic()
                    rows = await self._pool.fetch(_SQL)
                    markets = [_market(row["definition"], row["status"]) for row in rows]
                    self._markets = {market.symbol: market for market in markets}
                    self._read_s = began_s
        return self._markets


def _market(definition: str, status: str) -> Market:
    market = msgspec.json.decode(definition, type=Market)
    return msgspec.structs.replace(market, status=MarketStatus(status))
