"""Admission: the ladder of checks an order passes before anything changes.

Each step either names a refusal or lets the order through; the order of the steps is the order of
``services.domain.refusals.Refusal``. Nothing here mutates state, so a refused order leaves no trace.
"""

from typing import Final

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
from services.engine.core.accounts import Accounts, Balance
from services.engine.core.form import is_well_formed
from services.engine.core.listing import Listing
from services.engine.core.placement import Placement
from services.engine.core.sweep import sweep_for_quantity, sweep_for_quote
from services.engine.core.triggers import is_reached

# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY
_LIMIT: Final = OrderType.LIMIT
_MARKET: Final = OrderType.MARKET


class Admitted:
    """What the order asks for, the price it will work at (0 for any), and what it needs of the asset it pays with.

    ``funds`` is the balance that has it, once that has been checked.
    """

    __slots__ = ("funds", "limit_e8", "need_e8", "quantity_e8", "self_trade_prevention")

    def __init__(
        self, quantity_e8: int, limit_e8: int, need_e8: int, self_trade_prevention: SelfTradePrevention
    ) -> None:
        self.quantity_e8 = quantity_e8
        self.limit_e8 = limit_e8
        self.need_e8 = need_e8
        self.self_trade_prevention = self_trade_prevention
        self.funds: Balance | None = None


class Admission:
    """The checks of one market. ``listings`` and the venue are for limits that span markets."""

    __slots__ = ("_accounts", "_listing", "_listings")

    def __init__(self, accounts: Accounts, listing: Listing, listings: dict[str, Listing]) -> None:
        self._accounts = accounts
        self._listing = listing
        self._listings = listings

    def admit(self, placement: Placement, venue: Venue, now_us: int) -> Admitted | Refusal:
        """Check a single order against its market, the book and its owner's balance."""
        admitted = self.admit_unfunded(placement, venue, now_us)
        if not isinstance(admitted, Admitted):
            return admitted
        kind = placement.type
        if kind is not _LIMIT and kind is not _MARKET:
            refusal = self.refuse_entry(placement, admitted.limit_e8)
            if refusal is not None:
                return refusal
        asset = self._listing.paying_asset(placement.side)
        funds = self._accounts.find(placement.account_id, asset)
        if (0 if funds is None else funds.free_e8) < admitted.need_e8:
            return Refusal.INSUFFICIENT_BALANCE
        admitted.funds = funds
        return admitted

    def admit_unfunded(
        self, placement: Placement, venue: Venue, now_us: int, *, counts: bool = True
    ) -> Admitted | Refusal:
        """All checks but those of the moment of entry and of the balance, which a list makes for all its orders."""
        listing = self._listing
        if not is_well_formed(placement):
            return Refusal.UNSUPPORTED_COMBINATION
        if placement.account_id in self._accounts.frozen:
            return Refusal.ACCOUNT_FROZEN
        if not listing.takes_orders:
            return Refusal.MARKET_CLOSED
        own = listing.open_orders(placement.account_id)
        if placement.client_order_id in own.by_name:
            return Refusal.DUPLICATE_CLIENT_ORDER_ID
        prevention = self._prevention(placement)
        if prevention not in listing.rules.allowed_self_trade_prevention:
            return Refusal.SELF_TRADE_PREVENTION_NOT_ALLOWED
        admitted = self._admit_numbers(placement, prevention, now_us)
        if not isinstance(admitted, Admitted):
            return admitted
        refusal = None
        if listing.rules.max_position_e8:
            refusal = filters.max_position(placement, admitted.quantity_e8, listing, self._accounts)
        if refusal is None and counts and placement.type is not _MARKET:
            is_algo, is_iceberg = placement.type in CONTINGENT_TYPES, placement.iceberg_e8 > 0
            refusal = filters.order_counts(
                placement.account_id, own, 1, is_algo, is_iceberg, listing, self._listings, venue
            )
        if refusal is None and venue.max_order_amounts_e8:
            price = admitted.limit_e8 or listing.last_price_e8
            refusal = filters.max_asset(admitted.quantity_e8, price, listing.rules, venue)
        return admitted if refusal is None else refusal

    def refuse_by_filter(self, placement: Placement, now_us: int) -> Refusal | None:
        """Only the filters that look at the order alone, whatever else may be wrong with it."""
        admitted = self._admit_numbers(placement, self._prevention(placement), now_us)
        return admitted if not isinstance(admitted, Admitted) and admitted in ORDER_FILTERS else None

    def _admit_numbers(self, placement: Placement, prevention: SelfTradePrevention, now_us: int) -> Admitted | Refusal:
        if placement.type is _MARKET:
            return self._admit_market(placement, prevention, now_us)
        return self._admit_priced(placement, prevention, now_us)

    def _prevention(self, placement: Placement) -> SelfTradePrevention:
        """The order's own mode, else the account's, else the market's."""
        if placement.self_trade_prevention is not None:
            return placement.self_trade_prevention
        terms = self._accounts.terms.get(placement.account_id) if self._accounts.terms else None
        if terms is not None and terms.self_trade_prevention is not None:
            return terms.self_trade_prevention
        return self._listing.rules.default_self_trade_prevention

    def _admit_priced(self, placement: Placement, prevention: SelfTradePrevention, now_us: int) -> Admitted | Refusal:
        """Everything but MARKET: limit orders, and stops whether they become limit or market orders."""
        listing = self._listing
        rules = listing.rules
        limit, quantity = placement.price_e8, placement.quantity_e8
        if placement.iceberg_e8 >= quantity:
            return Refusal.ICEBERG_EXCEEDS_QUANTITY
        if placement.peg_price is not None and placement.type not in CONTINGENT_TYPES:
            limit = listing.book.pegged_price_e8(
                placement.side, placement.peg_price, placement.peg_offset, placement.price_e8
            )
            if not limit:
                return Refusal.NO_PEG_LEVEL
        refusal = self._refuse_numbers(placement, limit, now_us)
        if refusal is not None:
            return refusal
        amount = notional_exact(limit or placement.stop_price_e8 or listing.last_price_e8, quantity)
        fits = filters.fits_notional(amount, rules) if limit else filters.fits_market_notional(amount, rules)
        if not fits:
            return Refusal.NOTIONAL
        return Admitted(quantity, limit, amount if placement.side is _BUY else quantity, prevention)

    def _refuse_numbers(self, placement: Placement, limit_e8: int, now_us: int) -> Refusal | None:
        """Price, quantity and trailing filters, asked only where the order has such a number."""
        rules, quantity = self._listing.rules, placement.quantity_e8
        if limit_e8 and not filters.fits_price(limit_e8, rules):
            return Refusal.PRICE_FILTER
        # A peg's own price is its cap.
        for price in (placement.price_e8, placement.stop_price_e8):
            if price and price != limit_e8 and not filters.fits_price(price, rules):
                return Refusal.PRICE_FILTER
        if not filters.fits_lot(quantity, rules):
            return Refusal.LOT_SIZE
        if placement.iceberg_e8 and not filters.fits_lot(placement.iceberg_e8, rules):
            return Refusal.LOT_SIZE
        if limit_e8 and self._overfills_level(placement.side, limit_e8, quantity):
            return Refusal.LEVEL_FULL
        if placement.type in PRICELESS_TYPES and not filters.fits_market_lot(quantity, rules):
            return Refusal.MARKET_LOT_SIZE
        refusal = filters.iceberg_parts(placement, rules) if placement.iceberg_e8 else None
        if refusal is None and placement.trailing_delta:
            refusal = filters.trailing_delta(placement, rules)
        if refusal is None and limit_e8:
            refusal = filters.percent_price(limit_e8, placement.side, self._listing, now_us)
        return refusal

    def _overfills_level(self, side: Side, price_e8: int, quantity_e8: int) -> bool:
        book = self._listing.book
        level = (book.bids if side is _BUY else book.asks).levels.get(price_e8)
        return level is not None and level.quantity_e8 + quantity_e8 > MAX_E8

    def _admit_market(self, placement: Placement, prevention: SelfTradePrevention, now_us: int) -> Admitted | Refusal:
        """A MARKET order reserves exactly what sweeping the book now costs, so it can never fail half way.

        Asking for more than the book holds is allowed: the rest expires.
        """
        listing, accounts = self._listing, self._accounts
        rules = listing.rules
        if placement.quote_quantity_e8:
            sweep = sweep_for_quote(
                listing, accounts, placement.account_id, placement.side, prevention, placement.quote_quantity_e8
            )
            if sweep.quantity_e8 < rules.min_quantity_e8:
                has_offers = listing.book.opposite_side(placement.side).best() is not None
                return Refusal.LIQUIDITY_BELOW_LOT_SIZE if has_offers else Refusal.NO_LIQUIDITY
            if sweep.quantity_e8 < rules.min_market_quantity_e8:
                return Refusal.LIQUIDITY_BELOW_MARKET_LOT_SIZE
            quantity, reserve = sweep.quantity_e8 + sweep.short_e8, sweep.quantity_e8
            amount = sweep.quote_e8
        else:
            quantity = reserve = placement.quantity_e8
            sweep = sweep_for_quantity(listing, accounts, placement.account_id, placement.side, prevention, quantity, 0)
            amount = notional_exact(listing.reference_price_e8(now_us), quantity)
        if not filters.fits_lot(quantity, rules):
            return Refusal.LOT_SIZE
        if not filters.fits_market_lot(quantity, rules):
            return Refusal.MARKET_LOT_SIZE
        if not filters.fits_market_notional(amount, rules):
            return Refusal.NOTIONAL
        return Admitted(quantity, 0, sweep.quote_e8 if placement.side is _BUY else reserve, prevention)

    def refuse_entry(self, placement: Placement, limit_e8: int) -> Refusal | None:
        """What depends on the market at the moment of entry."""
        listing = self._listing
        if placement.type is OrderType.LIMIT_MAKER:
            if listing.book.opposite_side(placement.side).best_within(limit_e8) is not None:
                return Refusal.WOULD_MATCH_IMMEDIATELY
        elif placement.type in CONTINGENT_TYPES and placement.stop_price_e8 and not placement.trailing_delta:
            last = listing.last_price_e8
            if last and is_reached(placement.side, placement.type, placement.stop_price_e8, last):
                return Refusal.WOULD_TRIGGER_IMMEDIATELY
        return None
