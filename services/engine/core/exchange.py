"""The exchange: every market and account, changed by one command at a time.

``Exchange.apply(command, now_us)`` is the whole interface. It returns the events of what happened, in order, or a
``Refusal`` and then has changed nothing. The same commands at the same times always give the same events and state.

Order of events of one command: what happened to orders, then every balance touched, then the book's new levels.
"""

from collections.abc import Callable
from typing import Any, Final

from services.domain.commands import (
    AmendOrder,
    CancelAccountOrders,
    CancelAllOrders,
    CancelOrder,
    CancelOrderList,
    CancelRestriction,
    Command,
    DefineMarket,
    DefineVenue,
    Deposit,
    HoldWithdrawal,
    ListKind,
    PlaceOrder,
    PlaceOrderList,
    RejectWithdrawal,
    ReplaceOrder,
    SetAccountStatus,
    SetAccountTerms,
    SetMarketStatus,
    SettleWithdrawal,
    SetVenueStatus,
    TransferFunds,
    Withdraw,
)
from services.domain.events import (
    AccountStatusSet,
    AccountTermsSet,
    CancelRefused,
    Event,
    MarketDefined,
    MarketStatusSet,
    OrderAccepted,
    OrderAmended,
    OrderListChanged,
    ReplacementRefused,
    VenueDefined,
    VenueStatusSet,
)
from services.domain.market import MAX_FEE_RATE_E8, Market, Venue
from services.domain.money import MAX_E8
from services.domain.orders import (
    CONTINGENT_TYPES,
    OPEN_STATUSES,
    OrderDetails,
    OrderStatus,
    OrderType,
)
from services.domain.refusals import Refusal
from services.domain.standing import AccountStatus, VenueStatus
from services.engine.core.accounts import Accounts
from services.engine.core.admission import Admitted
from services.engine.core.amendment import refuse_amendment
from services.engine.core.book import Order
from services.engine.core.desk import Desk, expel
from services.engine.core.form import is_well_formed
from services.engine.core.listing import Listing
from services.engine.core.order_lists import OrderList
from services.engine.core.placement import Placement
from services.engine.core.transfers import Transfers
from services.engine.core.turn import Turn

Outcome = list[Event] | Refusal

_CANCELLABLE: Final = {
    CancelRestriction.ONLY_NEW: OrderStatus.NEW,
    CancelRestriction.ONLY_PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
}


class Exchange:
    """State of the whole venue. Attributes are read by snapshots and queries; only ``apply`` changes them."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.listings: dict[str, Listing] = {}
        self.assets: set[str] = set()
        self.venue = Venue()
        self.venue_status = VenueStatus.OPEN
        self.orders: dict[int, Order] = {}
        self.transfers = Transfers(self.accounts, self.assets)
        self.last_order_id = 0
        self.last_order_list_id = 0
        self.last_execution_id = 0
        self.now_us = 0
        self._desks: dict[str, Desk] = {}
        self._handlers: dict[type[Any], Callable[[Any], Outcome]] = {
            PlaceOrder: self._place,
            PlaceOrderList: self._place_list,
            CancelOrder: self._cancel,
            CancelOrderList: self._cancel_list,
            CancelAllOrders: self._cancel_all,
            ReplaceOrder: self._replace,
            AmendOrder: self._amend,
            Deposit: self.transfers.deposit,
            Withdraw: self.transfers.withdraw,
            HoldWithdrawal: self.transfers.hold,
            SettleWithdrawal: self.transfers.settle,
            RejectWithdrawal: self.transfers.reject,
            TransferFunds: self.transfers.transfer,
            CancelAccountOrders: self._cancel_account_orders,
            DefineMarket: self._define_market,
            DefineVenue: self._define_venue,
            SetMarketStatus: self._set_market_status,
            SetAccountTerms: self._set_account_terms,
            SetAccountStatus: self._set_account_status,
            SetVenueStatus: self._set_venue_status,
        }

    def apply(self, command: Command, now_us: int) -> Outcome:
        """Carry out one command at ``now_us``; time never runs backwards."""
        earlier_us = self.now_us
        if now_us > earlier_us:
            self.now_us = now_us
        outcome = self._handlers[type(command)](command)
        if not isinstance(outcome, list):
            self.now_us = earlier_us
        return outcome

    def check(self, command: PlaceOrder) -> Refusal | None:
        """Say whether the order would be accepted now; change nothing."""
        desk = self._desks.get(command.symbol)
        if desk is None:
            return Refusal.UNKNOWN_SYMBOL
        admitted = desk.admission.admit(Placement(command), self.venue, self.now_us)
        return None if isinstance(admitted, Admitted) else admitted

    def list_market(self, market: Market) -> Listing:
        """Open a new market with an empty book."""
        listing = self.listings[market.symbol] = Listing(market)
        listing.set_status(market.status, self.venue_status)
        self.assets.update((market.base_asset, market.quote_asset))
        self._desks[market.symbol] = Desk(self.accounts, listing, self.listings, self.orders)
        return listing

    # One order

    def _place(self, command: PlaceOrder) -> Outcome:
        desk = self._desks.get(command.symbol)
        if desk is None:
            return Refusal.UNKNOWN_SYMBOL
        placement = Placement(command)
        admitted = desk.admission.admit(placement, self.venue, self.now_us)
        if not isinstance(admitted, Admitted):
            return admitted
        # From here on nothing can fail.
        self._enter(desk.turn.begin(self.now_us), placement, admitted)
        return desk.finish()

    def _enter(self, turn: Turn, placement: Placement, admitted: Admitted) -> None:
        order = self._new_order(placement, admitted)
        order.reserved_e8 = admitted.need_e8
        order.funds = admitted.funds
        if placement.type not in CONTINGENT_TYPES:
            order.working_us = self.now_us
        self.accounts.lock(turn.funds(order), admitted.need_e8)
        turn.events.append(OrderAccepted(order.state()))
        turn.enter(order)

    def _new_order(self, placement: Placement, admitted: Admitted, order_list_id: int = 0) -> Order:
        self.last_order_id += 1
        return Order(
            self.last_order_id,
            placement.account_id,
            placement.symbol,
            placement.client_order_id,
            placement.side,
            placement.type,
            placement.time_in_force,
            placement.price_e8,
            admitted.quantity_e8,
            placement.quote_quantity_e8,
            self.now_us,
            admitted.self_trade_prevention,
            _details(placement, admitted, order_list_id),
        )

    def _find(self, command: CancelOrder | AmendOrder) -> Order | Refusal:
        """The open order a command names, by order id first."""
        desk = self._desks.get(command.symbol)
        if desk is None:
            return Refusal.UNKNOWN_SYMBOL
        listing = desk.listing
        order_id, account_id, name = command.order_id, command.account_id, command.client_order_id
        order = self.orders.get(order_id) if order_id else listing.open_orders(account_id).by_name.get(name)
        if order is None or order.account_id != account_id or order.symbol != listing.rules.symbol:
            return Refusal.UNKNOWN_ORDER
        if name and order.client_order_id != name:
            return Refusal.CLIENT_ORDER_ID_MISMATCH
        return order

    def _find_cancellable(self, command: CancelOrder) -> Order | Refusal:
        order = self._find(command)
        if command.restriction is None or not isinstance(order, Order):
            return order
        return order if order.status is _CANCELLABLE[command.restriction] else Refusal.CANCEL_RESTRICTED

    def _cancel(self, command: CancelOrder) -> Outcome:
        order = self._find_cancellable(command)
        if not isinstance(order, Order):
            return order
        desk = self._desks[order.symbol]
        desk.turn.begin(self.now_us).cancel(order, command.cancel_client_order_id)
        return desk.finish()

    def _cancel_all(self, command: CancelAllOrders) -> Outcome:
        desk = self._desks.get(command.symbol)
        if desk is None:
            return Refusal.UNKNOWN_SYMBOL
        order_ids = desk.listing.open_orders(command.account_id).order_ids()
        if not order_ids:
            return Refusal.UNKNOWN_ORDER
        turn = desk.turn.begin(self.now_us)
        for order_id in order_ids:
            order = self.orders.get(order_id)
            if order is not None:
                turn.cancel(order, command.cancel_client_order_id)
        return desk.finish()

    def _replace(self, command: ReplaceOrder) -> Outcome:
        """Cancel, then place. The new order's own form and the filters are checked before anything is cancelled.

        Unless it stops on failure, each half may fail on its own, and the events say which did and why.
        """
        cancel, place = command.cancel, command.place
        placement = Placement(place)
        desk = self._desks.get(place.symbol)
        if desk is None:
            return Refusal.UNKNOWN_SYMBOL
        if (cancel.account_id, cancel.symbol) != (place.account_id, place.symbol) or not is_well_formed(placement):
            return Refusal.UNSUPPORTED_COMBINATION
        refusal = desk.admission.refuse_by_filter(placement, self.now_us)
        if refusal is not None:
            return refusal
        order = self._find_cancellable(cancel)
        if not isinstance(order, Order) and command.stop_on_failure:
            return order
        turn = desk.turn.begin(self.now_us)
        if isinstance(order, Order):
            turn.cancel(order, cancel.cancel_client_order_id)
            desk.settle()
        else:
            turn.events.append(CancelRefused(order))
        admitted = desk.admission.admit(placement, self.venue, self.now_us)
        if isinstance(admitted, Admitted):
            self._enter(turn, placement, admitted)
        else:
            turn.events.append(ReplacementRefused(admitted, place))
        return desk.finish()

    def _amend(self, command: AmendOrder) -> Outcome:
        """Make an order smaller in place; the other one of an OCO pair with it."""
        order = self._find(command)
        if not isinstance(order, Order):
            return order
        desk = self._desks[order.symbol]
        refusal = refuse_amendment(command, order, desk.listing)
        if refusal is not None:
            return refusal
        turn = desk.turn.begin(self.now_us)
        tied = order.order_list
        rival = tied.rival_of(order) if tied is not None else None
        is_renamed = command.new_client_order_id != order.client_order_id
        self._shrink(turn, order, command.quantity_e8, command.new_client_order_id)
        if rival is not None and rival.status in OPEN_STATUSES:
            self._shrink(turn, rival, command.quantity_e8, rival.client_order_id)
        if tied is not None and is_renamed:
            turn.events.append(OrderListChanged(tied.state(self.now_us), is_update=True))
        return desk.finish()

    def _shrink(self, turn: Turn, order: Order, quantity_e8: int, client_order_id: str) -> None:
        old_quantity_e8, old_name = order.quantity_e8, order.client_order_id
        turn.shrink(order, old_quantity_e8 - quantity_e8)
        order.be_special().amendments += 1
        order.updated_us = self.now_us
        if client_order_id != old_name:
            turn.listing.rename(order, client_order_id)
        self.last_execution_id += 1
        turn.events.append(OrderAmended(order.state(), self.last_execution_id, old_quantity_e8, old_name))

    # Order lists

    def _place_list(self, command: PlaceOrderList) -> Outcome:
        desk = self._desks.get(command.symbol)
        if desk is None:
            return Refusal.UNKNOWN_SYMBOL
        admitted = desk.list_admission.admit(command, self.venue, self.now_us)
        if not isinstance(admitted, list):
            return admitted
        # From here on nothing can fail.
        self.last_order_list_id += 1
        tied = OrderList(
            self.last_order_list_id, command.account_id, command.symbol, command.client_order_list_id, command.kind
        )
        desk.listing.lists[tied.order_list_id] = tied
        for place, checks in zip(command.orders, admitted, strict=True):
            order = self._new_order(Placement(place), checks, tied.order_list_id)
            order.be_special().order_list = tied
            tied.legs.append(order)
        self._begin_list(desk.turn.begin(self.now_us), tied, admitted)
        return desk.finish()

    def _begin_list(self, turn: Turn, tied: OrderList, admitted: list[Admitted]) -> None:
        """Reserve, announce every order and the list, then let those that may trade do so."""
        if tied.kind is ListKind.OCO:
            entering = tied.legs
            # Both can never execute, so the dearer need covers the pair; the one on the book holds it.
            holder = next((leg for leg in tied.legs if leg.type is OrderType.LIMIT_MAKER), tied.legs[0])
            need_e8 = max(checks.need_e8 for checks in admitted)
        else:
            entering, holder, need_e8 = tied.legs[:1], tied.legs[0], admitted[0].need_e8
            for leg in tied.legs[1:]:
                leg.status = OrderStatus.PENDING_NEW
                turn.register(leg)
        self.accounts.lock(turn.funds(holder), need_e8)
        holder.reserved_e8 = need_e8
        for leg in entering:
            if leg.type not in CONTINGENT_TYPES:
                leg.working_us = self.now_us
        turn.events.extend(OrderAccepted(leg.state()) for leg in tied.legs)
        turn.events.append(OrderListChanged(tied.state(self.now_us)))
        for leg in entering:
            turn.enter(leg)

    def _cancel_list(self, command: CancelOrderList) -> Outcome:
        desk = self._desks.get(command.symbol)
        if desk is None:
            return Refusal.UNKNOWN_SYMBOL
        for tied in desk.listing.lists.values():
            named = (
                tied.order_list_id == command.order_list_id
                if command.order_list_id
                else tied.client_order_list_id == command.client_order_list_id
            )
            if named and tied.account_id == command.account_id:
                if command.client_order_list_id not in ("", tied.client_order_list_id):
                    return Refusal.CLIENT_ORDER_ID_MISMATCH
                desk.turn.begin(self.now_us).cancel(tied.legs[0], command.cancel_client_order_id)
                return desk.finish()
        return Refusal.UNKNOWN_ORDER

    # The venue's own terms

    def _define_market(self, command: DefineMarket) -> Outcome:
        market = command.market
        if market.defects():
            return Refusal.INVALID_MARKET
        listing = self.listings.get(market.symbol)
        if listing is None:
            self.list_market(market).is_commanded = not command.from_file
            return [MarketDefined(market)]
        refusal = _refuse_redefinition(listing, market)
        if refusal is None and command.from_file and listing.is_commanded:
            refusal = Refusal.DEFINED_BY_COMMAND
        if refusal is not None:
            return refusal
        listing.is_commanded = not command.from_file
        if market.status is not listing.market.status:
            listing.set_status(market.status, self.venue_status)
        listing.define(market)
        if listing.status is market.status:
            return [MarketDefined(market)]
        return [MarketDefined(market), MarketStatusSet(market.symbol, listing.status)]

    def _define_venue(self, command: DefineVenue) -> Outcome:
        if command.venue.defects():
            return Refusal.INVALID_VENUE
        if command.venue == self.venue:
            return Refusal.MARKET_UNCHANGED
        self.venue = command.venue
        return [VenueDefined(command.venue)]

    def _set_market_status(self, command: SetMarketStatus) -> Outcome:
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        if listing.status is command.status:
            return Refusal.STATUS_UNCHANGED
        listing.set_status(command.status, self.venue_status)
        return [MarketStatusSet(command.symbol, command.status)]

    def _set_account_terms(self, command: SetAccountTerms) -> Outcome:
        rates = (command.maker_fee_rate_e8, command.taker_fee_rate_e8)
        valid_rates = all(rate is None or 0 <= rate <= MAX_FEE_RATE_E8 for rate in rates)
        if not valid_rates or not 0 < command.account_id <= MAX_E8 or not 0 <= command.trade_group_id <= MAX_E8:
            return Refusal.INVALID_TERMS
        self.accounts.terms[command.account_id] = command
        return [AccountTermsSet(command.account_id, command.self_trade_prevention, *rates, command.trade_group_id)]

    # The venue's hand on accounts, and on itself

    def _cancel_account_orders(self, command: CancelAccountOrders) -> Outcome:
        if command.symbol and command.symbol not in self._desks:
            return Refusal.UNKNOWN_SYMBOL
        desks = [self._desks[command.symbol]] if command.symbol else self._desks.values()
        return expel(desks, command.account_id, self.now_us, []) or Refusal.UNKNOWN_ORDER

    def _set_account_status(self, command: SetAccountStatus) -> Outcome:
        account_id, frozen = command.account_id, self.accounts.frozen
        if not 0 < account_id <= MAX_E8:
            return Refusal.INVALID_ACCOUNT
        if (command.status is AccountStatus.FROZEN) == (account_id in frozen):
            return Refusal.STATUS_UNCHANGED
        cause: list[Event] = [AccountStatusSet(account_id, command.status)]
        if command.status is AccountStatus.ACTIVE:
            frozen.remove(account_id)
            return cause
        frozen.add(account_id)
        return expel(self._desks.values(), account_id, self.now_us, cause)

    def _set_venue_status(self, command: SetVenueStatus) -> Outcome:
        if command.status is self.venue_status:
            return Refusal.STATUS_UNCHANGED
        self.venue_status = command.status
        for listing in self.listings.values():
            listing.set_status(listing.status, command.status)
        return [VenueStatusSet(command.status)]


def _details(placement: Placement, admitted: Admitted, order_list_id: int) -> OrderDetails | None:
    """What makes this order special; None for the many that are not."""
    is_special = placement.stop_price_e8 or placement.trailing_delta or placement.iceberg_e8 or order_list_id
    pegged = placement.peg_price is not None
    if not (is_special or pegged) and placement.strategy_id is None and placement.strategy_type is None:
        return None
    return OrderDetails(
        stop_price_e8=placement.stop_price_e8,
        trailing_delta=placement.trailing_delta,
        iceberg_e8=placement.iceberg_e8,
        order_list_id=order_list_id,
        strategy_id=placement.strategy_id,
        strategy_type=placement.strategy_type,
        peg_price=placement.peg_price,
        peg_offset=placement.peg_offset,
        pegged_price_e8=admitted.limit_e8 if pegged and placement.type not in CONTINGENT_TYPES else 0,
    )


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
