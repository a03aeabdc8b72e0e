"""The exchange: every market and account, changed by one command at a time.

``Exchange.apply(command, now_us)`` is the whole interface. It returns the events of what happened, in order, or a
``Refusal`` and then has changed nothing. The same commands at the same times always give the same events and state.

Order of events of one command: what happened to orders, then every balance touched, then the book's new levels.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from services.domain.commands import CancelAllOrders, CancelOrder, Command, DefineMarket, Deposit, PlaceOrder, Withdraw
from services.domain.events import (
    Event,
    FundsDeposited,
    FundsWithdrawn,
    MarketDefined,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
)
from services.domain.market import Market
from services.domain.money import MAX_E8, fee_rounded_half_up, notional_exact
from services.domain.orders import ExpiryReason, OrderState, OrderStatus, OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from services.engine.core.accounts import Accounts
from services.engine.core.admission import admit, sweep_for_quantity
from services.engine.core.book import Level, Order
from services.engine.core.listing import Listing

# How many transfer references are remembered; a repeat within this window is recognised and refused. The database's
# unique constraint stands behind it.
TRANSFER_WINDOW: Final = 100_000
MAX_REFERENCE_LENGTH: Final = 128

# (account, asset, signed amount) of a remembered transfer.
Transfer = tuple[int, str, int]


class Exchange:
    """State of the whole venue. Attributes are read by snapshots and queries; only ``apply`` changes them."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.listings: dict[str, Listing] = {}
        self.assets: set[str] = set()
        self.orders: dict[int, Order] = {}
        self.last_order_id = 0
        self.now_us = 0
        self.transfers: OrderedDict[str, Transfer] = OrderedDict()
        self._handlers: dict[type[Any], Callable[[Any], list[Event] | Refusal]] = {
            PlaceOrder: self._place,
            CancelOrder: self._cancel,
            CancelAllOrders: self._cancel_all,
            Deposit: self._deposit,
            Withdraw: self._withdraw,
            DefineMarket: self._define_market,
        }

    def apply(self, command: Command, now_us: int) -> list[Event] | Refusal:
        """Carry out one command at ``now_us``; time never runs backwards."""
        earlier_us = self.now_us
        if now_us > earlier_us:
            self.now_us = now_us
        outcome = self._handlers[type(command)](command)
        if isinstance(outcome, Refusal):
            self.now_us = earlier_us
        return outcome

    def check(self, command: PlaceOrder) -> Refusal | None:
        """Say whether the order would be accepted now; change nothing."""
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        admitted = admit(command, listing, self.accounts)
        return admitted if isinstance(admitted, Refusal) else None

    # Orders

    def _place(self, command: PlaceOrder) -> list[Event] | Refusal:
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        admitted = admit(command, listing, self.accounts)
        if isinstance(admitted, Refusal):
            return admitted
        # From here on nothing can fail.
        order = self._open(command, admitted.quantity_e8, admitted.reserve_e8)
        self.accounts.lock(order.account_id, listing.paying_asset(order.side), order.reserved_e8)
        events: list[Event] = [OrderAccepted(order.state())]
        if self._may_take(order, listing):
            self._match(order, listing, events)
        if order.remaining_e8:
            self._rest_or_expire(order, listing, events)
        return self._close_command(listing, events)

    def _open(self, command: PlaceOrder, quantity_e8: int, reserve_e8: int) -> Order:
        self.last_order_id += 1
        state = OrderState(
            self.last_order_id,
            command.account_id,
            command.symbol,
            command.client_order_id,
            command.side,
            command.type,
            command.time_in_force,
            command.price_e8,
            quantity_e8,
            command.quote_quantity_e8,
            0,
            0,
            OrderStatus.NEW,
            self.now_us,
            self.now_us,
            self.now_us,
        )
        return Order(state, reserve_e8)

    def _may_take(self, order: Order, listing: Listing) -> bool:
        """All orders may trade on arrival but post-only ones and a fill-or-kill that cannot fill."""
        if order.time_in_force is not TimeInForce.FOK:
            return order.type is not OrderType.LIMIT_MAKER
        opposite = listing.book.opposite_side(order.side)
        return sweep_for_quantity(opposite, order.quantity_e8, order.price_e8).quantity_e8 == order.quantity_e8

    def _match(self, taker: Order, listing: Listing, events: list[Event]) -> None:
        """Trade with the best makers, oldest first, while prices cross and quantity is left."""
        opposite = listing.book.opposite_side(taker.side)
        while taker.remaining_e8:
            level = opposite.best()
            if level is None or not opposite.crosses(level, taker.price_e8):
                return
            maker = level.head
            assert maker is not None, "a level on the book holds an order"
            events.append(self._trade(taker, maker, level, listing))
            if not maker.remaining_e8:
                listing.remove(maker)
                del self.orders[maker.order_id]

    def _trade(self, taker: Order, maker: Order, level: Level, listing: Listing) -> OrderFilled:
        """Exchange what both sides have in common at the maker's price."""
        market = listing.market
        price = level.price_e8
        quantity = min(taker.remaining_e8, maker.remaining_e8)
        quote = notional_exact(price, quantity)
        listing.book.opposite_side(taker.side).take(level, quantity)
        taker_fee = self._settle(taker, quantity, quote, market.taker_fee_rate_e8, listing)
        maker_fee = self._settle(maker, quantity, quote, market.maker_fee_rate_e8, listing)
        listing.last_price_e8 = price
        listing.last_trade_id += 1
        return OrderFilled(
            listing.last_trade_id,
            market.symbol,
            price,
            quantity,
            quote,
            taker_fee,
            maker_fee,
            taker.state(),
            maker.state(),
        )

    def _settle(self, order: Order, quantity_e8: int, quote_e8: int, fee_rate_e8: int, listing: Listing) -> int:
        """Fill one side of a trade: pay from its reservation, receive less the fee. Return the fee."""
        market = listing.market
        order.remaining_e8 -= quantity_e8
        order.executed_e8 += quantity_e8
        order.executed_quote_e8 += quote_e8
        order.updated_us = self.now_us
        order.status = OrderStatus.PARTIALLY_FILLED if order.remaining_e8 else OrderStatus.FILLED
        accounts = self.accounts
        if order.side is Side.BUY:
            # A limit order reserved its own price for this quantity; the improvement becomes free again.
            reserved = notional_exact(order.price_e8, quantity_e8) if order.price_e8 else quote_e8
            order.reserved_e8 -= reserved
            accounts.pay(order.account_id, market.quote_asset, reserved, quote_e8)
            fee = fee_rounded_half_up(quantity_e8, fee_rate_e8)
            accounts.receive(order.account_id, market.base_asset, quantity_e8, fee)
        else:
            order.reserved_e8 -= quantity_e8
            accounts.pay(order.account_id, market.base_asset, quantity_e8, quantity_e8)
            fee = fee_rounded_half_up(quote_e8, fee_rate_e8)
            accounts.receive(order.account_id, market.quote_asset, quote_e8, fee)
        return fee

    def _rest_or_expire(self, order: Order, listing: Listing, events: list[Event]) -> None:
        if order.type is OrderType.MARKET:
            self._end(order, listing, OrderStatus.EXPIRED, ExpiryReason.INSUFFICIENT_LIQUIDITY)
        elif order.time_in_force is TimeInForce.IOC:
            self._end(order, listing, OrderStatus.EXPIRED, ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED)
        elif order.time_in_force is TimeInForce.FOK:
            self._end(order, listing, OrderStatus.EXPIRED, ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED)
        else:
            self.orders[order.order_id] = order
            listing.rest(order)
            return
        events.append(OrderExpired(order.state()))

    def _end(self, order: Order, listing: Listing, status: OrderStatus, reason: ExpiryReason) -> None:
        """Close an order with quantity left and give back what it still reserves."""
        order.status = status
        order.expiry_reason = reason
        order.updated_us = self.now_us
        if order.reserved_e8:
            self.accounts.unlock(order.account_id, listing.paying_asset(order.side), order.reserved_e8)
            order.reserved_e8 = 0

    def _cancel(self, command: CancelOrder) -> list[Event] | Refusal:
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        if command.order_id:
            order = self.orders.get(command.order_id)
        else:
            order = listing.by_client_order_id.get((command.account_id, command.client_order_id))
        if order is None or order.account_id != command.account_id or order.symbol != command.symbol:
            return Refusal.UNKNOWN_ORDER
        if command.client_order_id and order.client_order_id != command.client_order_id:
            return Refusal.CLIENT_ORDER_ID_MISMATCH
        return self._close_command(listing, [self._cancel_resting(order, listing, command.cancel_client_order_id)])

    def _cancel_all(self, command: CancelAllOrders) -> list[Event] | Refusal:
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        orders = listing.open_by_account.get(command.account_id)
        if not orders:
            return Refusal.UNKNOWN_ORDER
        events: list[Event] = [
            self._cancel_resting(orders[order_id], listing, command.cancel_client_order_id)
            for order_id in sorted(orders)
        ]
        return self._close_command(listing, events)

    def _cancel_resting(self, order: Order, listing: Listing, cancel_client_order_id: str) -> OrderCanceled:
        listing.remove(order)
        del self.orders[order.order_id]
        self._end(order, listing, OrderStatus.CANCELED, ExpiryReason.NONE)
        return OrderCanceled(order.state(), cancel_client_order_id)

    def _close_command(self, listing: Listing, events: list[Event]) -> list[Event]:
        events.extend(self.accounts.changes())
        change = listing.book_change()
        if change is not None:
            events.append(change)
        return events

    # Money in and out

    def _deposit(self, command: Deposit) -> list[Event] | Refusal:
        refusal = self._refuse_transfer(command, command.amount_e8)
        if refusal is not None:
            return refusal
        if self.accounts.supply.get(command.asset, 0) + command.amount_e8 > MAX_E8:
            return Refusal.SUPPLY_OVERFLOW
        self._transfer(command, command.amount_e8)
        event = FundsDeposited(command.account_id, command.asset, command.amount_e8, command.reference)
        return [event, *self.accounts.changes()]

    def _withdraw(self, command: Withdraw) -> list[Event] | Refusal:
        refusal = self._refuse_transfer(command, -command.amount_e8)
        if refusal is not None:
            return refusal
        if self.accounts.free(command.account_id, command.asset) < command.amount_e8:
            return Refusal.INSUFFICIENT_BALANCE
        self._transfer(command, -command.amount_e8)
        event = FundsWithdrawn(command.account_id, command.asset, command.amount_e8, command.reference)
        return [event, *self.accounts.changes()]

    def _refuse_transfer(self, command: Deposit | Withdraw, signed_e8: int) -> Refusal | None:
        """Idempotency first: the reference decides "same", "different" or "new" before anything else."""
        earlier = self.transfers.get(command.reference)
        if earlier is not None:
            same = earlier == (command.account_id, command.asset, signed_e8)
            return Refusal.REFERENCE_ALREADY_USED if same else Refusal.REFERENCE_USED_DIFFERENTLY
        if not 0 < command.amount_e8 <= MAX_E8:
            return Refusal.INVALID_AMOUNT
        if not 0 < command.account_id <= MAX_E8:
            return Refusal.INVALID_ACCOUNT
        if not 0 < len(command.reference) <= MAX_REFERENCE_LENGTH:
            return Refusal.INVALID_REFERENCE
        if command.asset not in self.assets:
            return Refusal.UNKNOWN_ASSET
        return None

    def _transfer(self, command: Deposit | Withdraw, signed_e8: int) -> None:
        self.accounts.issue(command.account_id, command.asset, signed_e8)
        self.transfers[command.reference] = (command.account_id, command.asset, signed_e8)
        if len(self.transfers) > TRANSFER_WINDOW:
            self.transfers.popitem(last=False)

    # Markets

    def _define_market(self, command: DefineMarket) -> list[Event] | Refusal:
        market = command.market
        if market.defects():
            return Refusal.INVALID_MARKET
        listing = self.listings.get(market.symbol)
        if listing is None:
            self.listings[market.symbol] = Listing(market)
            self.assets.update((market.base_asset, market.quote_asset))
            return [MarketDefined(market)]
        refusal = _refuse_redefinition(listing, market)
        if refusal is not None:
            return refusal
        listing.market = market
        return [MarketDefined(market)]


def _refuse_redefinition(listing: Listing, new: Market) -> Refusal | None:
    """A listed market keeps its assets, and its grid may only become finer while orders rest on the old one."""
    old = listing.market
    if new == old:
        return Refusal.MARKET_UNCHANGED
    if (new.base_asset, new.quote_asset) != (old.base_asset, old.quote_asset):
        return Refusal.MARKET_ASSETS_FIXED
    coarser = old.tick_size_e8 % new.tick_size_e8 or old.step_size_e8 % new.step_size_e8
    if coarser and listing.open_by_account:
        return Refusal.GRID_COARSER_THAN_OPEN_ORDERS
    return None
