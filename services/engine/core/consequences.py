"""What one order's fate means for others: stops reached, rivals expired, pending orders brought to life.

After each command ``settle`` carries out what its turn has noted, oldest first, until nothing is left: first the lists
of the orders affected, then the stops that new prices reach, then one activation from the agenda, which may cause more.
An order is activated at most once, so cascades end (dialect reference sections 4.4 to 4.6).
"""

from services.domain.events import OrderBeganTrailing, OrderListChanged, OrderTriggered
from services.domain.money import notional_exact
from services.domain.orders import (
    CONTINGENT_TYPES,
    OPEN_STATUSES,
    PRICELESS_TYPES,
    ExpiryReason,
    OrderStatus,
    OrderType,
    Side,
)
from services.engine.core import filters
from services.engine.core.book import Order
from services.engine.core.order_lists import OrderList
from services.engine.core.turn import Turn


class Consequences:
    """Of the turns in one market."""

    __slots__ = ("_turn",)

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def settle(self) -> None:
        turn = self._turn
        while turn.affected or turn.prices or turn.agenda:
            while turn.affected:
                self._react(turn.affected.pop(next(iter(turn.affected))))
            for price_e8 in turn.prices:
                self._tell_stops(price_e8)
            turn.prices.clear()
            if turn.agenda:
                self._awaken(turn.agenda.popleft())

    def _tell_stops(self, price_e8: int) -> None:
        turn = self._turn
        triggers = turn.listing.triggers
        begun = triggers.begin_trailing(price_e8, turn.now_us)
        turn.events.extend(OrderBeganTrailing(order.state()) for order in begun)
        turn.agenda.extend(triggers.pop_reached(price_e8))

    def _awaken(self, order: Order) -> None:
        """An order whose trigger was reached, or whose list has come to it."""
        if order.status not in OPEN_STATUSES:
            return
        if order.status is OrderStatus.PENDING_NEW:
            self._begin_pending(order)
            return
        self._take_over_from_rival(order)
        if not self._fix_price(order) or not self._fund(order, self._need(order, waits=False)):
            self._turn.reject(order)
            return
        order.working_us = order.updated_us = self._turn.now_us
        self._turn.events.append(OrderTriggered(order.state()))
        self._turn.activate(order)

    def _take_over_from_rival(self, order: Order) -> None:
        """A triggered stop ends its rival and takes over what the pair has reserved."""
        tied = order.order_list
        rival = tied.rival_of(order) if tied is not None else None
        if rival is not None and rival.status in OPEN_STATUSES:
            order.reserved_e8 += rival.reserved_e8
            rival.reserved_e8 = 0
            self._turn.end(rival, OrderStatus.EXPIRED, ExpiryReason.OCO_TRIGGER)

    def _begin_pending(self, order: Order) -> None:
        order.status = OrderStatus.NEW
        tied = order.order_list
        assert tied is not None, "only an order of a list is pending"
        if not self._size_pending(order, tied) or not self._may_begin(order) or not self._fund_pending(order, tied):
            self._turn.reject(order)
            return
        if order.type not in CONTINGENT_TYPES:
            order.working_us = self._turn.now_us
        order.updated_us = self._turn.now_us
        self._turn.events.append(OrderTriggered(order.state()))
        self._turn.enter(order)

    def _may_begin(self, order: Order) -> bool:
        """What depends on the market at the moment at which a pending order comes to life."""
        if order.type in CONTINGENT_TYPES:
            return True
        if not self._fix_price(order):
            return False
        opposite = self._turn.listing.book.opposite_side(order.side)
        return order.type is not OrderType.LIMIT_MAKER or opposite.best_within(order.limit_e8) is None

    def _react(self, order: Order) -> None:
        """An order of a list has traded or lost a part of it, or has ended: what does that mean for the others?"""
        tied = order.order_list
        assert tied is not None, "only orders of a list are noted"
        rival = None if order.expiry_reason is ExpiryReason.OCO_TRIGGER else tied.rival_of(order)
        if rival is not None and rival.status in OPEN_STATUSES:
            self._turn.end(rival, OrderStatus.EXPIRED, ExpiryReason.OCO_TRIGGER)
            if order.status in OPEN_STATUSES:
                self._fund(order, self._need(order, waits=False))
        if order is tied.working and order.status not in OPEN_STATUSES:
            for leg in tied.dependents:
                if leg.status is not OrderStatus.PENDING_NEW:
                    continue
                if order.status is OrderStatus.FILLED:
                    self._turn.agenda.append(leg)
                else:
                    self._turn.end(leg, OrderStatus.EXPIRED, ExpiryReason.OTO_PHASE_ONE_EXPIRED)
        if tied.is_done() and self._turn.listing.lists.pop(tied.order_list_id, None) is not None:
            self._turn.events.append(OrderListChanged(tied.state(self._turn.now_us)))

    # What an order needs to take part

    def _size_pending(self, order: Order, tied: OrderList) -> bool:
        """Pending orders of an OPO sell what the working one bought, in whole steps; False if a filter forbids it."""
        if not tied.pays_pending:
            return True
        rules = self._turn.listing.rules
        keeper = tied.dependents[0]
        if order is keeper:
            priceless = any(leg.type in PRICELESS_TYPES for leg in tied.dependents)
            quantity = filters.fitting_quantity(keeper.reserved_e8, rules, priceless=priceless)
            for leg in tied.dependents:
                leg.quantity_e8 = leg.remaining_e8 = quantity
        if not filters.fits_lot(order.quantity_e8, rules):
            return False
        if order.type in PRICELESS_TYPES:
            return filters.fits_market_lot(order.quantity_e8, rules)
        return not order.limit_e8 or filters.fits_notional(notional_exact(order.limit_e8, order.quantity_e8), rules)

    def _fix_price(self, order: Order) -> bool:
        """Give a pegged order its price from the book; False if there is no such level, or a filter forbids it."""
        special = order.special
        if special is None or special.peg_price is None:
            return True
        listing = self._turn.listing
        price = listing.book.pegged_price_e8(order.side, special.peg_price, special.peg_offset, order.price_e8)
        special.pegged_price_e8 = order.limit_e8 = price
        return (
            price > 0
            and filters.fits_price(price, listing.rules)
            and filters.fits_notional(notional_exact(price, order.quantity_e8), listing.rules)
            and filters.percent_price(price, order.side, listing, self._turn.now_us) is None
        )

    def _fund(self, order: Order, need_e8: int) -> bool:
        """Reserve exactly this much for the order; False if its owner lacks it."""
        missing_e8 = need_e8 - order.reserved_e8
        if missing_e8 > 0:
            asset = self._turn.listing.paying_asset(order.side)
            if self._turn.accounts.free(order.account_id, asset) < missing_e8:
                return False
            self._turn.accounts.lock(self._turn.funds(order), missing_e8)
            order.reserved_e8 = need_e8
        elif missing_e8 < 0:
            self._turn.release(order, -missing_e8)
        return True

    def _fund_pending(self, order: Order, tied: OrderList) -> bool:
        """Of a pending pair the first one to come to life reserves what either may need; one on the book holds it."""
        need_e8 = self._need(order, waits=order.type in CONTINGENT_TYPES)
        rival = tied.rival_of(order)
        if rival is None:
            return self._fund(order, need_e8)
        if rival.status is not OrderStatus.PENDING_NEW:
            if order.type in CONTINGENT_TYPES:
                return True
            order.reserved_e8, rival.reserved_e8 = rival.reserved_e8, 0
            return self._fund(order, max(need_e8, self._need(rival, waits=True)))
        return self._fund(order, max(need_e8, self._need(rival, waits=rival.type in CONTINGENT_TYPES)))

    def _need(self, order: Order, *, waits: bool) -> int:
        """What the order can need from now on. A stop without a price reserves for its stop price while it waits."""
        if order.side is Side.SELL:
            return order.remaining_e8
        if order.limit_e8:
            return notional_exact(order.limit_e8, order.remaining_e8)
        if waits:
            stop_price_e8 = order.special.stop_price_e8 if order.special is not None else 0
            return notional_exact(stop_price_e8 or self._turn.listing.last_price_e8, order.remaining_e8)
        # A peg that is still pending has no price yet.
        return self._turn.reach(order).quote_e8 if order.type in PRICELESS_TYPES else 0
