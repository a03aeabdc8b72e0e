"""One command's turn in one market: orders take part in trading, and everything that follows from that.

``activate`` is the one way in which an order meets the book, whether it has just been placed, was triggered, or waited
for another order of its list; ``_match`` is the one matching function, with side as data. What an activation causes
(stops reached, rivals expired, pending orders brought to life) is put on an agenda and carried out after it, oldest
first, by ``settle_consequences``. An order is activated at most once, so cascades end.
"""

from collections import deque

from services.domain.events import (
    Event,
    MatchPrevented,
    OrderBeganTrailing,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderListChanged,
    OrderTriggered,
)
from services.domain.money import MAX_E8, fee_rounded_half_up, notional_exact
from services.domain.orders import (
    CONTINGENT_TYPES,
    OPEN_STATUSES,
    PRICELESS_TYPES,
    ExpiryReason,
    OrderStatus,
    OrderType,
    PegPrice,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.engine.core import filters
from services.engine.core.accounts import Accounts
from services.engine.core.book import Level, Order, PriceLevels
from services.engine.core.listing import Listing
from services.engine.core.order_lists import OrderList
from services.engine.core.sweep import Sweep, sweep_for_quantity
from services.engine.core.triggers import is_reached


class Turn:
    """One market's; each command ``begin``s it anew. ``orders`` is every open order of the exchange.

    ``events`` collects what happens, in order.
    """

    __slots__ = ("_affected", "_agenda", "_prices", "accounts", "events", "listing", "now_us", "orders")

    def __init__(self, accounts: Accounts, listing: Listing, orders: dict[int, Order]) -> None:
        self.accounts = accounts
        self.listing = listing
        self.orders = orders
        self.now_us = 0
        self.events: list[Event] = []
        self._prices: list[int] = []
        self._affected: dict[int, Order] = {}
        self._agenda: deque[Order] = deque()

    def begin(self, now_us: int) -> "Turn":
        """Start the next command; the one before has carried out everything it caused."""
        self.now_us = now_us
        self.events = []
        return self

    # An order meets the book

    def enter(self, order: Order) -> None:
        """An order that may trade from now on does so, or waits for its trigger."""
        if order.type in CONTINGENT_TYPES:
            self.register(order)
            if self._is_behind_its_trigger(order):
                self._agenda.append(order)
            else:
                self.listing.triggers.add(order)
        else:
            self.activate(order)

    def activate(self, order: Order) -> None:
        """Trade with what the book offers, then rest or expire."""
        order.working_us = self.now_us
        if self._may_take(order):
            self._match(order)
        if order.remaining_e8:
            self._rest_or_expire(order)
        elif order.status is OrderStatus.FILLED:
            self._close(order)

    def settle_consequences(self) -> None:
        """Carry out what the activations so far have caused, until nothing is left to do."""
        while self._affected or self._prices or self._agenda:
            while self._affected:
                self._react(self._affected.pop(next(iter(self._affected))))
            for price_e8 in self._prices:
                self._tell_stops(price_e8)
            self._prices.clear()
            if self._agenda:
                self._awaken(self._agenda.popleft())

    def _tell_stops(self, price_e8: int) -> None:
        triggers = self.listing.triggers
        begun = triggers.begin_trailing(price_e8, self.now_us)
        self.events.extend(OrderBeganTrailing(order.state()) for order in begun)
        self._agenda.extend(triggers.pop_reached(price_e8))

    def close(self) -> list[Event]:
        """Append what changed in balances and book, and return all events."""
        self.events.extend(self.accounts.changes())
        change = self.listing.book_change()
        if change is not None:
            self.events.append(change)
        return self.events

    def _may_take(self, order: Order) -> bool:
        """All orders may trade at once but post-only ones and a fill-or-kill that cannot fill."""
        if order.time_in_force is not TimeInForce.FOK:
            return order.type is not OrderType.LIMIT_MAKER
        return self._reach(order).quantity_e8 == order.remaining_e8

    def _match(self, taker: Order) -> None:
        """Trade with the best makers, oldest first, while prices cross and quantity is left."""
        opposite = self.listing.book.opposite_side(taker.side)
        prevents = taker.self_trade_prevention is not SelfTradePrevention.NONE
        same_owner = self.accounts.same_owner
        while taker.remaining_e8:
            level = opposite.best()
            if level is None or not opposite.crosses(level, taker.limit_e8):
                return
            maker = level.head
            assert maker is not None, "a level on the book holds an order"
            if prevents and same_owner(taker.account_id, maker.account_id):
                self._prevent(taker, maker, level, opposite)
            else:
                self._trade(taker, maker, level, opposite)

    def _trade(self, taker: Order, maker: Order, level: Level, opposite: PriceLevels) -> None:
        """Exchange what both sides show at the maker's price."""
        listing = self.listing
        price = level.price_e8
        quantity = min(taker.remaining_e8, maker.remaining_e8 - maker.hidden_e8)
        quote = notional_exact(price, quantity)
        opposite.take(level, quantity)
        taker_fee = self._settle(taker, quantity, quote, is_maker=False)
        maker_fee = self._settle(maker, quantity, quote, is_maker=True)
        listing.last_trade_id += 1
        listing.average_price.add(self.now_us, quantity, quote)
        if price != listing.last_price_e8 or not self._prices:
            listing.last_price_e8 = price
            self._prices.append(price)
        self.events.append(
            OrderFilled(
                listing.last_trade_id,
                listing.market.symbol,
                price,
                quantity,
                quote,
                taker_fee,
                maker_fee,
                taker.state(),
                maker.state(),
            )
        )
        if not maker.remaining_e8:
            opposite.remove(maker)
            self._close(maker)
        elif maker.hidden_e8 == maker.remaining_e8:
            self._show_next_slice(maker, level, opposite)

    def _settle(self, order: Order, quantity_e8: int, quote_e8: int, *, is_maker: bool) -> int:
        """Fill one side of a trade: pay from its reservation, receive less the fee. Return the fee."""
        market = self.listing.market
        order.remaining_e8 -= quantity_e8
        order.executed_e8 += quantity_e8
        order.executed_quote_e8 += quote_e8
        order.updated_us = self.now_us
        order.status = OrderStatus.PARTIALLY_FILLED if order.remaining_e8 else OrderStatus.FILLED
        rate_e8 = self.accounts.fee_rate(order.account_id, market, is_maker=is_maker)
        received = quantity_e8 if order.side is Side.BUY else quote_e8
        fee = fee_rounded_half_up(received, rate_e8)
        self._pay_and_receive(order, quantity_e8, quote_e8, fee)
        if order.special is not None and order.special.order_list is not None:
            self._note_fill(order, order.special.order_list, received - fee)
        return fee

    def _pay_and_receive(self, order: Order, quantity_e8: int, quote_e8: int, fee_e8: int) -> None:
        """Pay from what the order reserves. What it reserved for a worse price becomes free again."""
        market, accounts = self.listing.market, self.accounts
        if order.side is Side.BUY:
            reserved = notional_exact(order.limit_e8, quantity_e8) if order.limit_e8 else quote_e8
            accounts.pay(order.account_id, market.quote_asset, reserved, quote_e8)
            accounts.receive(order.account_id, market.base_asset, quantity_e8, fee_e8)
        else:
            reserved = quantity_e8
            accounts.pay(order.account_id, market.base_asset, reserved, quantity_e8)
            accounts.receive(order.account_id, market.quote_asset, quote_e8, fee_e8)
        order.reserved_e8 -= reserved

    def _show_next_slice(self, maker: Order, level: Level, opposite: PriceLevels) -> None:
        """An iceberg whose visible part is gone shows the next one, behind everyone else at its price."""
        assert maker.special is not None, "only an iceberg hides anything"
        level.unlink(maker)
        level.append(maker)
        opposite.hide(level, maker, max(0, maker.remaining_e8 - maker.special.iceberg_e8))

    def _rest_or_expire(self, order: Order) -> None:
        if order.type in PRICELESS_TYPES:
            self.end(order, OrderStatus.EXPIRED, ExpiryReason.INSUFFICIENT_LIQUIDITY)
        elif order.time_in_force is TimeInForce.IOC:
            self.end(order, OrderStatus.EXPIRED, ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED)
        elif order.time_in_force is TimeInForce.FOK:
            self.end(order, OrderStatus.EXPIRED, ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED)
        elif self._overfills_level(order):
            self._reject(order)
        else:
            self.register(order)
            if order.special is not None and order.special.iceberg_e8:
                order.hidden_e8 = max(0, order.remaining_e8 - order.special.iceberg_e8)
            self.listing.book.own_side(order.side).add(order, order.limit_e8)

    def _overfills_level(self, order: Order) -> bool:
        """Admission sees to it for orders that have just been placed, but not for those that come to life later."""
        level = self.listing.book.own_side(order.side).levels.get(order.limit_e8)
        return level is not None and level.quantity_e8 + order.remaining_e8 > MAX_E8

    # Self-trade prevention

    def _prevent(self, taker: Order, maker: Order, level: Level, opposite: PriceLevels) -> None:
        """Instead of a trade with oneself, take quantity away as the taker's mode says (section 4.2)."""
        mode = taker.self_trade_prevention
        if mode is SelfTradePrevention.TRANSFER and maker.self_trade_prevention is not mode:
            mode = SelfTradePrevention.DECREMENT
        matched = min(taker.remaining_e8, maker.remaining_e8 - maker.hidden_e8)
        taker_prevented, maker_prevented = {
            SelfTradePrevention.EXPIRE_TAKER: (taker.remaining_e8, 0),
            SelfTradePrevention.EXPIRE_MAKER: (0, maker.remaining_e8),
            SelfTradePrevention.EXPIRE_BOTH: (taker.remaining_e8, maker.remaining_e8),
        }.get(mode, (matched, matched))
        self.listing.last_prevented_match_id += 1
        moves = mode is SelfTradePrevention.TRANSFER and taker.account_id != maker.account_id
        if moves:
            # The goods change hands all the same, without a trade and without fees.
            quote = notional_exact(level.price_e8, matched)
            self._pay_and_receive(taker, matched, quote, 0)
            self._pay_and_receive(maker, matched, quote, 0)
        self._lose(taker, taker_prevented, paid=moves)
        if maker_prevented:
            opposite.take(level, maker_prevented)
            self._lose(maker, maker_prevented, paid=moves)
            if not maker.remaining_e8:
                level.hidden_e8 -= maker.hidden_e8
                maker.hidden_e8 = 0
                opposite.remove(maker)
            elif maker.hidden_e8 == maker.remaining_e8:
                self._show_next_slice(maker, level, opposite)
        self.events.append(
            MatchPrevented(
                self.listing.last_prevented_match_id,
                self.listing.market.symbol,
                level.price_e8,
                mode,
                self.accounts.trade_group(taker.account_id),
                taker_prevented,
                maker_prevented,
                taker.state(),
                maker.state(),
            )
        )
        for order in (taker, maker):
            if not order.remaining_e8:
                self._close(order)

    def _lose(self, order: Order, quantity_e8: int, *, paid: bool) -> None:
        """Take quantity away from an order and set free what it reserved for it, unless that has been paid out."""
        if not quantity_e8:
            return
        special = order.be_special()
        special.prevented_e8 += quantity_e8
        special.prevented_match_id = self.listing.last_prevented_match_id
        order.remaining_e8 -= quantity_e8
        order.updated_us = self.now_us
        if special.order_list is not None:
            self._affected[order.order_id] = order
        if not order.remaining_e8:
            order.status = OrderStatus.EXPIRED_IN_MATCH
            self._release(order, order.reserved_e8)
        elif paid:
            return
        elif order.side is Side.SELL:
            # A MARKET order by quote amount may ask for more than it reserves.
            self._release(order, max(0, order.reserved_e8 - order.remaining_e8))
        elif order.limit_e8:
            self._release(order, notional_exact(order.limit_e8, quantity_e8))

    # An order ends

    def end(self, order: Order, status: OrderStatus, reason: ExpiryReason, cancel_id: str = "") -> None:
        """Take an order with quantity left out of wherever it waits, and tell."""
        if not order.working_us:
            self.listing.triggers.discard(order)
        elif order.level is not None:
            self.listing.book.own_side(order.side).remove(order)
        order.status = status
        order.expiry_reason = reason
        order.updated_us = self.now_us
        if status is OrderStatus.CANCELED:
            self.events.append(OrderCanceled(order.state(), cancel_id))
        else:
            self.events.append(OrderExpired(order.state()))
        self._close(order)

    def cancel(self, order: Order, cancel_id: str) -> None:
        """Cancel an order and, if it belongs to a list, all of the list."""
        tied = order.special.order_list if order.special is not None else None
        for leg in [order] if tied is None else list(tied.legs):
            if leg.status in OPEN_STATUSES:
                self.end(leg, OrderStatus.CANCELED, ExpiryReason.NONE, cancel_id)

    def register(self, order: Order) -> None:
        if order.order_id not in self.orders:
            self.orders[order.order_id] = order
            self.listing.index(order)

    def shrink(self, order: Order, by_e8: int) -> None:
        """Make an open order smaller where it stands, and set free its share of what it reserved."""
        before_e8 = order.remaining_e8
        shown_e8 = before_e8 - order.hidden_e8
        order.quantity_e8 -= by_e8
        order.remaining_e8 -= by_e8
        self._release(order, order.reserved_e8 - order.reserved_e8 * order.remaining_e8 // before_e8)
        level = order.level
        if level is not None and order.working_us:
            own_side = self.listing.book.own_side(order.side)
            own_side.take(level, by_e8)
            own_side.hide(level, order, max(0, order.remaining_e8 - shown_e8))
        elif level is not None:
            level.quantity_e8 -= by_e8

    def _close(self, order: Order) -> None:
        """The order has ended: give back what it still reserves, and let its list know."""
        self._release(order, order.reserved_e8)
        if self.orders.pop(order.order_id, None) is not None:
            self.listing.forget(order)
        if order.special is not None and order.special.order_list is not None:
            self._affected[order.order_id] = order

    def _release(self, order: Order, amount_e8: int) -> None:
        if not amount_e8:
            return
        self.accounts.unlock(order.account_id, self.listing.paying_asset(order.side), amount_e8)
        order.reserved_e8 -= amount_e8

    # Stops, pegs and lists

    def _is_behind_its_trigger(self, order: Order) -> bool:
        """A stop whose list has just come to it may find that the market was faster. Trailing ones follow first."""
        special, last = order.special, self.listing.last_price_e8
        assert special is not None, "a stop has a stop price or a trailing delta"
        if special.trailing_delta or not last:
            return False
        return is_reached(order.side, order.type, special.stop_price_e8, last)

    def _awaken(self, order: Order) -> None:
        """An order whose trigger was reached, or whose list has come to it."""
        if order.status not in OPEN_STATUSES:
            return
        if order.status is OrderStatus.PENDING_NEW:
            self._begin_pending(order)
            return
        self._take_over_from_rival(order)
        if not self._fix_price(order) or not self._fund(order, self._need(order, waits=False)):
            self._reject(order)
            return
        order.working_us = order.updated_us = self.now_us
        self.events.append(OrderTriggered(order.state()))
        self.activate(order)

    def _reject(self, order: Order) -> None:
        """It cannot take part after all: no price to peg to, no longer the money, or a filter in the way."""
        self.end(order, OrderStatus.EXPIRED, ExpiryReason.REJECTED)

    def _begin_pending(self, order: Order) -> None:
        order.status = OrderStatus.NEW
        tied = order.special.order_list if order.special is not None else None
        assert tied is not None, "only an order of a list is pending"
        if not self._size_pending(order, tied) or not self._may_begin(order) or not self._fund_pending(order, tied):
            self._reject(order)
            return
        if order.type not in CONTINGENT_TYPES:
            order.working_us = self.now_us
        order.updated_us = self.now_us
        self.events.append(OrderTriggered(order.state()))
        self.enter(order)

    def _may_begin(self, order: Order) -> bool:
        """What depends on the market at the moment at which a pending order comes to life."""
        if order.type in CONTINGENT_TYPES:
            return True
        if not self._fix_price(order):
            return False
        opposite = self.listing.book.opposite_side(order.side)
        best = opposite.best()
        would_take = best is not None and opposite.crosses(best, order.limit_e8)
        return order.type is not OrderType.LIMIT_MAKER or not would_take

    def _size_pending(self, order: Order, tied: OrderList) -> bool:
        """Pending orders of an OPO sell what the working one bought, in whole steps; False if a filter forbids it."""
        if not tied.pays_pending:
            return True
        market = self.listing.market
        keeper = tied.dependents[0]
        if order is keeper:
            priceless = any(leg.type in PRICELESS_TYPES for leg in tied.dependents)
            quantity = filters.fitting_quantity(keeper.reserved_e8, market, priceless=priceless)
            for leg in tied.dependents:
                leg.quantity_e8 = leg.remaining_e8 = quantity
        if filters.lot_size(order.quantity_e8, market) is not None:
            return False
        if order.type in PRICELESS_TYPES:
            return filters.market_lot_size(order.quantity_e8, market) is None
        return not order.limit_e8 or not filters.notional(notional_exact(order.limit_e8, order.quantity_e8), market)

    def _fix_price(self, order: Order) -> bool:
        """Give a pegged order its price from the book; False if there is no such level, or a filter forbids it."""
        special = order.special
        if special is None or special.peg_price is None:
            return True
        price = pegged_price_e8(self.listing, order.side, special.peg_price, special.peg_offset, order.price_e8)
        special.pegged_price_e8 = order.limit_e8 = price
        market = self.listing.market
        return price > 0 and not (
            filters.price_filter(price, market)
            or filters.notional(notional_exact(price, order.quantity_e8), market)
            or filters.percent_price(price, order.side, self.listing, self.now_us)
        )

    def _fund(self, order: Order, need_e8: int) -> bool:
        """Reserve exactly this much for the order; False if its owner lacks it."""
        missing_e8 = need_e8 - order.reserved_e8
        if missing_e8 > 0:
            asset = self.listing.paying_asset(order.side)
            if self.accounts.free(order.account_id, asset) < missing_e8:
                return False
            self.accounts.lock(order.account_id, asset, missing_e8)
            order.reserved_e8 = need_e8
        elif missing_e8 < 0:
            self._release(order, -missing_e8)
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
            return notional_exact(stop_price_e8 or self.listing.last_price_e8, order.remaining_e8)
        # A peg that is still pending has no price yet.
        return self._reach(order).quote_e8 if order.type in PRICELESS_TYPES else 0

    def _reach(self, order: Order) -> Sweep:
        return sweep_for_quantity(
            self.listing,
            self.accounts,
            order.account_id,
            order.side,
            order.self_trade_prevention,
            order.remaining_e8,
            order.limit_e8,
        )

    def _note_fill(self, order: Order, tied: OrderList, received_e8: int) -> None:
        """Let the list see the fill after the match; keep what an OPO's working order receives for its pending ones."""
        if tied.pays_pending and order is tied.working and order.side is Side.BUY:
            keeper = tied.dependents[0]
            self.accounts.lock(order.account_id, self.listing.market.base_asset, received_e8)
            keeper.reserved_e8 += received_e8
        if order.remaining_e8:
            self._affected[order.order_id] = order

    def _take_over_from_rival(self, order: Order) -> None:
        """A triggered stop ends its rival and takes over what the pair has reserved."""
        tied = order.special.order_list if order.special is not None else None
        rival = tied.rival_of(order) if tied is not None else None
        if rival is not None and rival.status in OPEN_STATUSES:
            order.reserved_e8 += rival.reserved_e8
            rival.reserved_e8 = 0
            self.end(rival, OrderStatus.EXPIRED, ExpiryReason.OCO_TRIGGER)

    def _react(self, order: Order) -> None:
        """An order of a list has traded or lost a part of it, or has ended: what does that mean for the others?"""
        tied = order.special.order_list if order.special is not None else None
        assert tied is not None, "only orders of a list are noted"
        rival = None if order.expiry_reason is ExpiryReason.OCO_TRIGGER else tied.rival_of(order)
        if rival is not None and rival.status in OPEN_STATUSES:
            self.end(rival, OrderStatus.EXPIRED, ExpiryReason.OCO_TRIGGER)
            if order.status in OPEN_STATUSES:
                self._fund(order, self._need(order, waits=False))
        if order is tied.working and order.status not in OPEN_STATUSES:
            for leg in tied.dependents:
                if leg.status is not OrderStatus.PENDING_NEW:
                    continue
                if order.status is OrderStatus.FILLED:
                    self._agenda.append(leg)
                else:
                    self.end(leg, OrderStatus.EXPIRED, ExpiryReason.OTO_PHASE_ONE_EXPIRED)
        if tied.is_done() and self.listing.lists.pop(tied.order_list_id, None) is not None:
            self.events.append(OrderListChanged(tied.state(self.now_us)))


def pegged_price_e8(listing: Listing, side: Side, peg: PegPrice, offset: int, cap_e8: int) -> int:
    """The price of the level a peg names, no worse than ``cap_e8`` if that is given; 0 if there is no such level."""
    book = listing.book
    levels = book.own_side(side) if peg is PegPrice.PRIMARY_PEG else book.opposite_side(side)
    level = levels.nth_best(offset)
    if level is None:
        return 0
    if not cap_e8:
        return level.price_e8
    return min(level.price_e8, cap_e8) if side is Side.BUY else max(level.price_e8, cap_e8)
