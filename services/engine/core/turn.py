"""One command's turn in one market: orders meet the book, trade, rest and end.

``activate`` is the one way in which an order meets the book, whether it has just been placed, was triggered, or waited
for another order of its list; ``_match`` is the one matching function, with side as data. What follows for other orders
is only noted here (``prices``, ``affected``, ``agenda``) and carried out by ``services.engine.core.consequences``.
"""

from collections import deque
from typing import Final

from services.domain.events import (
    Event,
    MatchPrevented,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
)
from services.domain.money import MAX_E8, fee_rounded_half_up, notional_exact
from services.domain.orders import (
    CONTINGENT_TYPES,
    OPEN_STATUSES,
    PRICELESS_TYPES,
    ExpiryReason,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.engine.core.accounts import Accounts, Balance
from services.engine.core.average_price import SECOND_US
from services.engine.core.book import Level, Order, PriceLevels
from services.engine.core.listing import Listing
from services.engine.core.order_lists import OrderList
from services.engine.core.sweep import Sweep, sweep_for_quantity
from services.engine.core.triggers import is_reached

# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY
_GTC: Final = TimeInForce.GTC
_FOK: Final = TimeInForce.FOK
_LIMIT_MAKER: Final = OrderType.LIMIT_MAKER
_NO_PREVENTION: Final = SelfTradePrevention.NONE
_FILLED: Final = OrderStatus.FILLED
_PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
_CANCELED: Final = OrderStatus.CANCELED


class Turn:
    """One market's; each command ``begin``s it anew. ``orders`` is every open order of the exchange.

    ``events`` collects what happens, in order. ``prices`` are the new last prices that stops have not seen,
    ``affected`` the orders of lists whose siblings have not seen what became of them, ``agenda`` the orders that wait
    for their activation. All three are empty between commands.
    """

    __slots__ = ("accounts", "affected", "agenda", "events", "listing", "now_us", "orders", "prices")

    def __init__(self, accounts: Accounts, listing: Listing, orders: dict[int, Order]) -> None:
        self.accounts = accounts
        self.listing = listing
        self.orders = orders
        self.now_us = 0
        self.events: list[Event] = []
        self.prices: list[int] = []
        self.affected: dict[int, Order] = {}
        self.agenda: deque[Order] = deque()

    def begin(self, now_us: int) -> "Turn":
        """Start the next command; the one before has carried out everything it caused."""
        self.now_us = now_us
        self.events = []
        return self

    # An order meets the book

    def enter(self, order: Order) -> None:
        """An order that may trade from now on does so, or waits for its trigger."""
        if order.type not in CONTINGENT_TYPES:
            self.activate(order)
            return
        self.register(order)
        if self._is_behind_its_trigger(order):
            self.agenda.append(order)
        else:
            self.listing.triggers.add(order)

    def activate(self, order: Order) -> None:
        """Trade with what the book offers, then rest or expire. A fill-or-kill trades all or nothing."""
        order.working_us = self.now_us
        kills = order.time_in_force is _FOK and self.reach(order).quantity_e8 != order.remaining_e8
        if order.type is not _LIMIT_MAKER and not kills:
            self._match(order)
        if not order.remaining_e8:
            if order.status is _FILLED:
                self._close(order)
        elif order.time_in_force is _GTC and order.type not in PRICELESS_TYPES:
            self._rest(order)
        else:
            self.end(order, OrderStatus.EXPIRED, _expiry_reason(order))

    def _is_behind_its_trigger(self, order: Order) -> bool:
        """A stop whose list has just come to it may find that the market was faster. Trailing ones follow first."""
        special, last = order.special, self.listing.last_price_e8
        assert special is not None, "a stop has a stop price or a trailing delta"
        if special.trailing_delta or not last:
            return False
        return is_reached(order.side, order.type, special.stop_price_e8, last)

    def close(self) -> list[Event]:
        """Append what changed in balances and book, and return all events."""
        self.accounts.tell_changes(self.events)
        change = self.listing.book_change()
        if change is not None:
            self.events.append(change)
        return self.events

    def _match(self, taker: Order) -> None:
        """Trade with the best makers, oldest first, while prices cross and quantity is left."""
        opposite = self.listing.book.opposite_side(taker.side)
        prevents = taker.self_trade_prevention is not _NO_PREVENTION
        same_owner = self.accounts.same_owner
        while taker.remaining_e8:
            level = opposite.best_within(taker.limit_e8)
            if level is None:
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
        listing.average_price.add(self.now_us // SECOND_US, quantity, quote)
        listing.last_price_e8 = price
        if listing.triggers.are_set and (not self.prices or self.prices[-1] != price):
            self.prices.append(price)
        self.events.append(
            OrderFilled(
                listing.last_trade_id,
                listing.rules.symbol,
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
        rules = self.listing.rules
        order.remaining_e8 -= quantity_e8
        order.executed_e8 += quantity_e8
        order.executed_quote_e8 += quote_e8
        order.updated_us = self.now_us
        order.status = _PARTIALLY_FILLED if order.remaining_e8 else _FILLED
        rate_e8 = self.accounts.fee_rate(order.account_id, rules, is_maker=is_maker)
        received = quantity_e8 if order.side is _BUY else quote_e8
        fee = fee_rounded_half_up(received, rate_e8)
        self._pay_and_receive(order, quantity_e8, quote_e8, fee)
        if order.special is not None and order.special.order_list is not None:
            self._note_fill(order, order.special.order_list, received - fee)
        return fee

    def _pay_and_receive(self, order: Order, quantity_e8: int, quote_e8: int, fee_e8: int) -> None:
        """Pay from what the order reserves. What it reserved for a worse price becomes free again."""
        rules, accounts = self.listing.rules, self.accounts
        if order.side is _BUY:
            reserved = notional_exact(order.limit_e8, quantity_e8) if order.limit_e8 else quote_e8
            accounts.pay(self.funds(order), reserved, quote_e8)
            accounts.receive(order.account_id, rules.base_asset, quantity_e8, fee_e8)
        else:
            reserved = quantity_e8
            accounts.pay(self.funds(order), reserved, quantity_e8)
            accounts.receive(order.account_id, rules.quote_asset, quote_e8, fee_e8)
        order.reserved_e8 -= reserved

    def _show_next_slice(self, maker: Order, level: Level, opposite: PriceLevels) -> None:
        """An iceberg whose visible part is gone shows the next one, behind everyone else at its price."""
        assert maker.special is not None, "only an iceberg hides anything"
        level.unlink(maker)
        level.append(maker)
        opposite.hide(level, maker, max(0, maker.remaining_e8 - maker.special.iceberg_e8))

    def _rest(self, order: Order) -> None:
        """Wait on the book."""
        own_side = self.listing.book.own_side(order.side)
        special = order.special
        if special is not None:
            # One that comes to life only now can find its level full; for the others see admission.
            level = own_side.levels.get(order.limit_e8)
            if level is not None and level.quantity_e8 + order.remaining_e8 > MAX_E8:
                self.reject(order)
                return
            if special.iceberg_e8:
                order.hidden_e8 = max(0, order.remaining_e8 - special.iceberg_e8)
        self.register(order)
        own_side.add(order, order.limit_e8)

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
                self.listing.rules.symbol,
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
            self.affected[order.order_id] = order
        if not order.remaining_e8:
            order.status = OrderStatus.EXPIRED_IN_MATCH
            self.release(order, order.reserved_e8)
        elif paid:
            return
        elif order.side is Side.SELL:
            # A MARKET order by quote amount may ask for more than it reserves.
            self.release(order, max(0, order.reserved_e8 - order.remaining_e8))
        elif order.limit_e8:
            self.release(order, notional_exact(order.limit_e8, quantity_e8))

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
        if status is _CANCELED:
            self.events.append(OrderCanceled(order.state(), cancel_id))
        else:
            self.events.append(OrderExpired(order.state()))
        self._close(order)

    def cancel(self, order: Order, cancel_id: str) -> None:
        """Cancel an order and, if it belongs to a list, all of the list."""
        for leg in _tied_together(order):
            self.end(leg, _CANCELED, ExpiryReason.NONE, cancel_id)

    def expel(self, order: Order) -> None:
        """End an order, and all of its list, because the venue wants it."""
        for leg in _tied_together(order):
            self.end(leg, OrderStatus.EXPIRED, ExpiryReason.EXCHANGE_CANCELED)

    def reject(self, order: Order) -> None:
        """It cannot take part after all: no price to peg to, no longer the money, or a filter in the way."""
        self.end(order, OrderStatus.EXPIRED, ExpiryReason.REJECTED)

    def register(self, order: Order) -> None:
        if not order.is_registered:
            self.orders[order.order_id] = order
            self.listing.index(order)

    def shrink(self, order: Order, by_e8: int) -> None:
        """Make an open order smaller where it stands, and set free its share of what it reserved."""
        before_e8 = order.remaining_e8
        shown_e8 = before_e8 - order.hidden_e8
        order.quantity_e8 -= by_e8
        order.remaining_e8 -= by_e8
        self.release(order, order.reserved_e8 - order.reserved_e8 * order.remaining_e8 // before_e8)
        level = order.level
        if level is not None and order.working_us:
            own_side = self.listing.book.own_side(order.side)
            own_side.take(level, by_e8)
            own_side.hide(level, order, max(0, order.remaining_e8 - shown_e8))
        elif level is not None:
            level.quantity_e8 -= by_e8

    def _close(self, order: Order) -> None:
        """The order has ended: give back what it still reserves, and let its list know."""
        if order.reserved_e8:
            self.release(order, order.reserved_e8)
        if order.is_registered:
            del self.orders[order.order_id]
            self.listing.forget(order)
        if order.special is not None and order.special.order_list is not None:
            self.affected[order.order_id] = order

    def release(self, order: Order, amount_e8: int) -> None:
        if not amount_e8:
            return
        self.accounts.unlock(self.funds(order), amount_e8)
        order.reserved_e8 -= amount_e8

    def funds(self, order: Order) -> Balance:
        """The balance that the order pays from."""
        balance = order.funds
        if balance is None:
            balance = self.accounts.balance(order.account_id, self.listing.paying_asset(order.side))
            order.funds = balance
        return balance

    # What orders need to know of the book and of their list

    def reach(self, order: Order) -> Sweep:
        """What the order would get from the book now."""
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
        if tied.pays_pending and order is tied.working and order.side is _BUY:
            keeper = tied.dependents[0]
            self.accounts.lock(self.funds(keeper), received_e8)
            keeper.reserved_e8 += received_e8
        if order.remaining_e8:
            self.affected[order.order_id] = order


def _tied_together(order: Order) -> list[Order]:
    """The open orders of its list, itself included; only itself if it has none."""
    if order.special is None or order.special.order_list is None:
        return [order]
    return [leg for leg in order.special.order_list.legs if leg.status in OPEN_STATUSES]


def _expiry_reason(order: Order) -> ExpiryReason:
    """Why an order that may not wait on the book ends with quantity left."""
    if order.type in PRICELESS_TYPES:
        return ExpiryReason.INSUFFICIENT_LIQUIDITY
    if order.time_in_force is TimeInForce.IOC:
        return ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED
    return ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED
