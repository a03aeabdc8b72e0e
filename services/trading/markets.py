"""The markets and the venue as the engine last committed them, read from the database and kept.

``all`` and ``get`` may be a moment behind, which only matters to what the engine checks again. ``listing`` never is: it
asks for the version first (one look-up, shared by whoever asks meanwhile), and reads and renders anew when that has
changed. A symbol that is not known is looked up there, so a market can be used the moment it is listed. A market's
``status`` is the one in force, not the one it was listed with: while the venue is halted, every open market is halted.
"""

import time
from typing import Final, NamedTuple

import msgspec

from services.domain.events import MarketDefined, MarketStatusSet, VenueStatusSet
from services.domain.market import Market, MarketStatus, Venue
from services.domain.standing import VenueStatus
from services.infra.postgres import Pool
from services.trading import errors, metrics, queries
from services.trading.feed import JournalEntry
from services.trading.shared import Shared
from services.trading.symbol_rules import exchange_symbol

_FRESH_S: Final = 2.0
_SQL: Final = "SELECT definition, status FROM exchange.markets ORDER BY symbol"
# Rows are only ever added or written again, each time with the sequence of the settlement that does.
_VERSION: Final = """
SELECT coalesce((SELECT max(sequence) FROM exchange.markets), 0),
    coalesce((SELECT max(sequence) FROM exchange.venue), 0),
    coalesce((SELECT max(sequence) FROM exchange.venue_standing), 0)
"""
_CHANGES: Final = frozenset({MarketDefined, MarketStatusSet, VenueStatusSet})
_encoder: Final = msgspec.json.Encoder()


class Version(NamedTuple):
    """The settlements that last changed a market, the venue's limits and its status."""

    markets: int
    venue: int
    venue_standing: int


class Listing:
    """All there is to trade under one version. Each market is rendered once for all who ask."""

    def __init__(self, version: Version | None, markets: dict[str, Market], venue: Venue) -> None:
        self.version = version
        self.markets = markets
        self.venue = venue
        self._rendered: dict[tuple[str, bool], msgspec.Raw] = {}

    def symbol(self, market: Market, *, show_permission_sets: bool) -> msgspec.Raw:
        """What exchangeInfo says of one of its markets."""
        key = (market.symbol, show_permission_sets)
        rendered = self._rendered.get(key)
        if rendered is None:
            content = _encoder.encode(exchange_symbol(market, show_permission_sets=show_permission_sets))
            rendered = self._rendered[key] = msgspec.Raw(content)
        return rendered


class Markets:
    """A listing is used the moment it is committed by whoever asks for ``listing``, and by everybody else when
    ``on_entry`` hears of it.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._listing = Listing(None, {}, Venue())
        self._read_s = float("-inf")
        self._changed_s = float("-inf")
        self._newest = Shared(self._read)

    def on_entry(self, entry: JournalEntry) -> None:
        """For the feed."""
        for events in entry.events:
            for event in events:
                if type(event) in _CHANGES:
                    self._changed_s = time.monotonic()

    async def all(self) -> dict[str, Market]:
        if self._read_s < max(time.monotonic() - _FRESH_S, self._changed_s):
            await self._newest.get()
        return self._listing.markets

    async def get(self, symbol: str) -> Market:
        """Return the market; raise -1121 when there is none."""
        market = (await self.all()).get(symbol) or (await self.listing()).markets.get(symbol)
        if market is None:
            raise errors.INVALID_SYMBOL
        return market

    async def listing(self) -> Listing:
        """As it was committed when asked for, or later."""
        return await self._newest.get()

    async def _read(self) -> Listing:
        began_s = time.monotonic()
        version = Version(*await self._pool.fetchrow(_VERSION))  # type: ignore[misc]
        is_kept = version == self._listing.version
        metrics.LISTING_READS.labels("kept" if is_kept else "database").inc()
        if not is_kept:
            # What these read may be newer than the version, never older; then the next one reads again.
            rows = await self._pool.fetch(_SQL)
            is_halted = await queries.venue_status(self._pool) is VenueStatus.HALTED
            markets = [_market(row["definition"], row["status"], is_halted=is_halted) for row in rows]
            venue = await queries.venue(self._pool)
            self._listing = Listing(version, {market.symbol: market for market in markets}, venue)
        self._read_s = began_s
        return self._listing


async def own_markets(pool: Pool) -> dict[str, Market]:
    """By symbol, each with its own status, whatever the venue's is."""
    rows = await pool.fetch(_SQL)
    markets = [_market(row["definition"], row["status"], is_halted=False) for row in rows]
    return {market.symbol: market for market in markets}


def _market(definition: str, status: str, *, is_halted: bool) -> Market:
    market = msgspec.json.decode(definition, type=Market)
    own = MarketStatus(status)
    in_force = MarketStatus.HALT if is_halted and own is MarketStatus.TRADING else own
    return msgspec.structs.replace(market, status=in_force)
