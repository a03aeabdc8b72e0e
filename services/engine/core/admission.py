"""Admission: the ladder of checks an order passes before anything changes.

Each step either names a refusal or lets the order through; the order of the steps is the order of
``services.domain.refusals.Refusal``. Nothing here mutates state, so a refused order leaves no trace.
"""

from typing import Final, NamedTuple

from services.domain.commands import PlaceOrder
from services.domain.market import Venue
from services.domain.money import MAX_E8, notional_exact
from services.domain.orders import (
    CONTINGENT_TYPES,
    PRICELESS_TYPES,
    OrderType,
    SelfTradePrevention,
    Side,
)
from services.domain.refusals import ORDER_FILTERS, Refusal
from services.engine.core import filters
from services.engine.core.accounts import Accounts
from services.engine.core.form import is_well_formed
from services.engine.core.listing import Listing
from services.engine.core.sweep import sweep_for_quantity, sweep_for_quote
from services.engine.core.triggers import is_reached

# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY
_LIMIT: Final = OrderType.LIMIT
_MARKET: Final = OrderType.MARKET


class Admitted(NamedTuple):
    """What the order asks for, the price it will work at (0 for any), and what it needs of the asset it pays with."""

    quantity_e8: int
    limit_e8: int
    need_e8: int
    self_trade_prevention: SelfTradePrevention


class Admission:
    """The checks of one market. ``listings`` and the venue are for limits that span markets."""

    __slots__ = ("_accounts", "_listing", "_listings")

    def __init__(self, accounts: Accounts, listing: Listing, listings: dict[str, Listing]) -> None:
        self._accounts = accounts
        self._listing = listing
        self._listings = listings

    def admit(self, command: PlaceOrder, venue: Venue, now_us: int) -> Admitted | Refusal:
        """Check a single order against its market, the book and its owner's balance."""
        admitted = self.admit_unfunded(command, venue, now_us)
        if not isinstance(admitted, Admitted):
            return admitted
        kind = command.type
        if kind is not _LIMIT and kind is not _MARKET:
            refusal = self.refuse_entry(command, admitted.limit_e8)
            if refusal is not None:
                return refusal
        asset = self._listing.paying_asset(command.side)
        if self._accounts.free(command.account_id, asset) < admitted.need_e8:
            return Refusal.INSUFFICIENT_BALANCE
        return admitted

    def admit_unfunded(
        self, command: PlaceOrder, venue: Venue, now_us: int, *, counts: bool = True
    ) -> Admitted | Refusal:
        """All checks but those of the moment of entry and of the balance, which a list makes for all its orders."""
        listing = self._listing
        if not is_well_formed(command):
            return Refusal.UNSUPPORTED_COMBINATION
        if command.account_id in self._accounts.frozen:
            return Refusal.ACCOUNT_FROZEN
        if not listing.takes_orders:
            return Refusal.MARKET_CLOSED
        if (command.account_id, command.client_order_id) in listing.by_client_order_id:
            return Refusal.DUPLICATE_CLIENT_ORDER_ID
        prevention = self._prevention(command)
        if prevention not in listing.market.allowed_self_trade_prevention:
            return Refusal.SELF_TRADE_PREVENTION_NOT_ALLOWED
        admitted = self._admit_numbers(command, prevention, now_us)
        if not isinstance(admitted, Admitted):
            return admitted
        refusal = None
        if listing.market.max_position_e8:
            refusal = filters.max_position(command, admitted.quantity_e8, listing, self._accounts)
        if refusal is None and counts and command.type is not _MARKET:
            is_algo, is_iceberg = command.type in CONTINGENT_TYPES, command.iceberg_e8 > 0
            refusal = filters.order_counts(command.account_id, 1, is_algo, is_iceberg, listing, self._listings, venue)
        if refusal is None and venue.max_order_amounts_e8:
            price = admitted.limit_e8 or listing.last_price_e8
            refusal = filters.max_asset(admitted.quantity_e8, price, listing.market, venue)
        return admitted if refusal is None else refusal

    def refuse_by_filter(self, command: PlaceOrder, now_us: int) -> Refusal | None:
        """Only the filters that look at the order alone, whatever else may be wrong with it."""
        admitted = self._admit_numbers(command, self._prevention(command), now_us)
        return admitted if not isinstance(admitted, Admitted) and admitted in ORDER_FILTERS else None

    def _admit_numbers(self, command: PlaceOrder, prevention: SelfTradePrevention, now_us: int) -> Admitted | Refusal:
        if command.type is _MARKET:
            return self._admit_market(command, prevention, now_us)
        return self._admit_priced(command, prevention, now_us)

    def _prevention(self, command: PlaceOrder) -> SelfTradePrevention:
        """The order's own mode, else the account's, else the market's."""
        if command.self_trade_prevention is not None:
            return command.self_trade_prevention
        terms = self._accounts.terms.get(command.account_id) if self._accounts.terms else None
        if terms is not None and terms.self_trade_prevention is not None:
            return terms.self_trade_prevention
        return self._listing.market.default_self_trade_prevention

    def _admit_priced(self, command: PlaceOrder, prevention: SelfTradePrevention, now_us: int) -> Admitted | Refusal:
        """Everything but MARKET: limit orders, and stops whether they become limit or market orders."""
        listing = self._listing
        market = listing.market
        limit, quantity = command.price_e8, command.quantity_e8
        if command.iceberg_e8 >= quantity:
            return Refusal.ICEBERG_EXCEEDS_QUANTITY
        if command.peg_price is not None and command.type not in CONTINGENT_TYPES:
            limit = listing.book.pegged_price_e8(command.side, command.peg_price, command.peg_offset, command.price_e8)
            if not limit:
                return Refusal.NO_PEG_LEVEL
        refusal = self._refuse_numbers(command, limit, now_us)
        if refusal is not None:
            return refusal
        amount = notional_exact(limit or command.stop_price_e8 or listing.last_price_e8, quantity)
        fits = filters.fits_notional(amount, market) if limit else filters.fits_market_notional(amount, market)
        if not fits:
            return Refusal.NOTIONAL
        return Admitted(quantity, limit, amount if command.side is _BUY else quantity, prevention)

    def _refuse_numbers(self, command: PlaceOrder, limit_e8: int, now_us: int) -> Refusal | None:
        """Price, quantity and trailing filters, asked only where the order has such a number."""
        market, quantity = self._listing.market, command.quantity_e8
        if limit_e8 and not filters.fits_price(limit_e8, market):
            return Refusal.PRICE_FILTER
        # A peg's own price is its cap.
        for price in (command.price_e8, command.stop_price_e8):
            if price and price != limit_e8 and not filters.fits_price(price, market):
                return Refusal.PRICE_FILTER
        if not filters.fits_lot(quantity, market):
            return Refusal.LOT_SIZE
        if command.iceberg_e8 and not filters.fits_lot(command.iceberg_e8, market):
            return Refusal.LOT_SIZE
        if limit_e8 and self._overfills_level(command.side, limit_e8, quantity):
            return Refusal.LEVEL_FULL
        if command.type in PRICELESS_TYPES and not filters.fits_market_lot(quantity, market):
            return Refusal.MARKET_LOT_SIZE
        refusal = filters.iceberg_parts(command, market) if command.iceberg_e8 else None
        if refusal is None and command.trailing_delta:
            refusal = filters.trailing_delta(command, market)
        if refusal is None and limit_e8:
            refusal = filters.percent_price(limit_e8, command.side, self._listing, now_us)
        return refusal

    def _overfills_level(self, side: Side, price_e8: int, quantity_e8: int) -> bool:
        book = self._listing.book
        level = (book.bids if side is _BUY else book.asks).levels.get(price_e8)
        return level is not None and level.quantity_e8 + quantity_e8 > MAX_E8

    def _admit_market(self, command: PlaceOrder, prevention: SelfTradePrevention, now_us: int) -> Admitted | Refusal:
        """A MARKET order reserves exactly what sweeping the book now costs, so it can never fail half way.

        Asking for more than the book holds is allowed: the rest expires.
        """
        listing, accounts = self._listing, self._accounts
        market = listing.market
        if command.quote_quantity_e8:
            sweep = sweep_for_quote(
                listing, accounts, command.account_id, command.side, prevention, command.quote_quantity_e8
            )
            if sweep.quantity_e8 < max(market.min_quantity_e8, 1):
                has_offers = listing.book.opposite_side(command.side).best() is not None
                return Refusal.LIQUIDITY_BELOW_LOT_SIZE if has_offers else Refusal.NO_LIQUIDITY
            if sweep.quantity_e8 < market.min_market_quantity_e8:
                return Refusal.LIQUIDITY_BELOW_MARKET_LOT_SIZE
            quantity, reserve = sweep.quantity_e8 + sweep.short_e8, sweep.quantity_e8
            amount = sweep.quote_e8
        else:
            quantity = reserve = command.quantity_e8
            sweep = sweep_for_quantity(listing, accounts, command.account_id, command.side, prevention, quantity, 0)
            amount = notional_exact(listing.reference_price_e8(now_us), quantity)
        if not filters.fits_lot(quantity, market):
            return Refusal.LOT_SIZE
        if not filters.fits_market_lot(quantity, market):
            return Refusal.MARKET_LOT_SIZE
        if not filters.fits_market_notional(amount, market):
            return Refusal.NOTIONAL
        return Admitted(quantity, 0, sweep.quote_e8 if command.side is _BUY else reserve, prevention)

    def refuse_entry(self, command: PlaceOrder, limit_e8: int) -> Refusal | None:
        """What depends on the market at the moment of entry."""
        listing = self._listing
        if command.type is OrderType.LIMIT_MAKER:
            if listing.book.opposite_side(command.side).best_within(limit_e8) is not None:
                return Refusal.WOULD_MATCH_IMMEDIATELY
        elif command.type in CONTINGENT_TYPES and command.stop_price_e8 and not command.trailing_delta:
            last = listing.last_price_e8
            if last and is_reached(command.side, command.type, command.stop_price_e8, last):
                return Refusal.WOULD_TRIGGER_IMMEDIATELY
        return None
