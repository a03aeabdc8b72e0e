"""The exchange: every market and account, changed by one command at a time.

``Exchange.apply(command, now_us)`` is the whole interface. It returns the events of what happened, in order, or a
``Refusal`` and then has changed nothing. The same commands at the same times always give the same events and state.

Order of events of one command: what happened to orders, then every balance touched, then the book's new levels.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from services.domain.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    CancelOrderList,
    CancelRestriction,
    Command,
    DefineMarket,
    DefineVenue,
    Deposit,
    ListKind,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    SetAccountTerms,
    SetMarketStatus,
    Withdraw,
)
from services.domain.events import (
    AccountTermsSet,
    Event,
    FundsDeposited,
    FundsWithdrawn,
    MarketDefined,
    MarketStatusSet,
    OrderAccepted,
    OrderAmended,
    OrderListChanged,
    ReplacementRefused,
    VenueDefined,
)
from services.domain.market import MAX_FEE_RATE_E8, Market, MarketStatus, Venue
from services.domain.money import MAX_E8, notional_exact
from services.domain.orders import (
    CONTINGENT_TYPES,
    OPEN_STATUSES,
    OrderDetails,
    OrderState,
    OrderStatus,
    OrderType,
    Side,
)
from services.domain.refusals import Refusal
from services.engine.core import filters
from services.engine.core.accounts import Accounts
from services.engine.core.admission import Admission, Admitted, is_well_formed
from services.engine.core.book import Order
from services.engine.core.listing import Listing
from services.engine.core.order_lists import OrderList
from services.engine.core.turn import Turn

# How many transfer references are remembered; a repeat within this window is recognised and refused. The database's
# unique constraint stands behind it.
TRANSFER_WINDOW: Final = 100_000
MAX_REFERENCE_LENGTH: Final = 128

# (account, asset, signed amount) of a remembered transfer.
Transfer = tuple[int, str, int]
Outcome = list[Event] | Refusal

_CANCELLABLE: Final = {
    CancelRestriction.ONLY_NEW: OrderStatus.NEW,
    CancelRestriction.ONLY_PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
}
_TAKES_PROFIT: Final = frozenset({OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_STOPS_LOSS: Final = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
_LEGS: Final = {ListKind.OCO: 2, ListKind.OTO: 2, ListKind.OTOCO: 3, ListKind.OPO: 2, ListKind.OPOCO: 3}


class Exchange:
    """State of the whole venue. Attributes are read by snapshots and queries; only ``apply`` changes them."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.listings: dict[str, Listing] = {}
        self.assets: set[str] = set()
        self.venue = Venue()
        self.orders: dict[int, Order] = {}
        self.last_order_id = 0
        self.last_order_list_id = 0
        self.last_execution_id = 0
        self.now_us = 0
        self.transfers: OrderedDict[str, Transfer] = OrderedDict()
        self._turns: dict[str, Turn] = {}
        self._handlers: dict[type[Any], Callable[[Any], Outcome]] = {
            PlaceOrder: self._place,
            PlaceOrderList: self._place_list,
            CancelOrder: self._cancel,
            CancelOrderList: self._cancel_list,
            CancelAllOrders: self._cancel_all,
            ReplaceOrder: self._replace,
            AmendOrder: self._amend,
            Deposit: self._deposit,
            Withdraw: self._withdraw,
            DefineMarket: self._define_market,
            DefineVenue: self._define_venue,
            SetMarketStatus: self._set_market_status,
            SetAccountTerms: self._set_account_terms,
        }

    def apply(self, command: Command, now_us: int) -> Outcome:
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
        admitted = self._admission(listing).admit(command)
        return admitted if isinstance(admitted, Refusal) else None

    # One order

    def _place(self, command: PlaceOrder) -> Outcome:
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        admitted = self._admission(listing).admit(command)
        if isinstance(admitted, Refusal):
            return admitted
        # From here on nothing can fail.
        turn = self._turn(listing)
        self._enter(turn, command, admitted)
        turn.settle_consequences()
        return turn.close()

    def _enter(self, turn: Turn, command: PlaceOrder, admitted: Admitted) -> None:
        order = self._open(command, admitted)
        if command.type not in CONTINGENT_TYPES:
            order.working_us = self.now_us
        asset = turn.listing.paying_asset(order.side)
        self.accounts.lock(order.account_id, asset, admitted.need_e8)
        order.reserved_e8 = admitted.need_e8
        turn.events.append(OrderAccepted(order.state()))
        turn.enter(order)

    def _open(self, command: PlaceOrder, admitted: Admitted, order_list_id: int = 0) -> Order:
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
            admitted.quantity_e8,
            command.quote_quantity_e8,
            0,
            0,
            OrderStatus.NEW,
            self.now_us,
            self.now_us,
            0,
            self_trade_prevention=admitted.self_trade_prevention,
            details=_details(command, admitted, order_list_id),
        )
        return Order(state, 0)

    def _find(self, command: CancelOrder | AmendOrder) -> Order | Refusal:
        """The open order a command names, by order id first."""
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
        return order

    def _cancel(self, command: CancelOrder) -> Outcome:
        order = self._find_cancellable(command)
        if isinstance(order, Refusal):
            return order
        turn = self._turn(self.listings[order.symbol])
        turn.cancel(order, command.cancel_client_order_id)
        turn.settle_consequences()
        return turn.close()

    def _find_cancellable(self, command: CancelOrder) -> Order | Refusal:
        order = self._find(command)
        if isinstance(order, Refusal):
            return order
        if command.restriction is not None and order.status is not _CANCELLABLE[command.restriction]:
            return Refusal.CANCEL_RESTRICTED
        return order

    def _cancel_all(self, command: CancelAllOrders) -> Outcome:
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        orders = listing.open_orders(command.account_id).orders
        if not orders:
            return Refusal.UNKNOWN_ORDER
        turn = self._turn(listing)
        for order_id in sorted(orders):
            order = self.orders.get(order_id)
            if order is not None:
                turn.cancel(order, command.cancel_client_order_id)
        turn.settle_consequences()
        return turn.close()

    def _replace(self, command: ReplaceOrder) -> Outcome:
        """Cancel, then place. The new order's own form and the filters are checked before anything is cancelled."""
        cancel, place = command.cancel, command.place
        listing = self.listings.get(place.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        if (cancel.account_id, cancel.symbol) != (place.account_id, place.symbol) or not is_well_formed(place):
            return Refusal.UNSUPPORTED_COMBINATION
        refusal = self._admission(listing).refuse_by_filter(place)
        if refusal is not None:
            return refusal
        order = self._find_cancellable(cancel)
        turn = self._turn(listing)
        if not isinstance(order, Refusal):
            turn.cancel(order, cancel.cancel_client_order_id)
            turn.settle_consequences()
        elif command.stop_on_failure:
            return order
        admitted = self._admission(listing).admit(place)
        if isinstance(admitted, Refusal):
            if isinstance(order, Refusal):
                return order
            turn.events.append(ReplacementRefused(admitted))
        else:
            self._enter(turn, place, admitted)
            turn.settle_consequences()
        return turn.close()

    def _amend(self, command: AmendOrder) -> Outcome:
        """Make an order smaller in place; the other one of an OCO pair with it."""
        order = self._find(command)
        if isinstance(order, Refusal):
            return order
        listing = self.listings[order.symbol]
        refusal = self._refuse_amendment(command, order, listing)
        if refusal is not None:
            return refusal
        turn = self._turn(listing)
        rival = order.special.order_list.rival_of(order) if order.special and order.special.order_list else None
        old_name = order.client_order_id
        self._shrink(turn, order, command.quantity_e8, command.new_client_order_id)
        if rival is not None and rival.status in OPEN_STATUSES:
            self._shrink(turn, rival, command.quantity_e8, rival.client_order_id)
        tied = order.special.order_list if order.special is not None else None
        if tied is not None and old_name != order.client_order_id:
            turn.events.append(OrderListChanged(tied.state(self.now_us), is_update=True))
        return turn.close()

    def _refuse_amendment(self, command: AmendOrder, order: Order, listing: Listing) -> Refusal | None:
        if listing.status is not MarketStatus.TRADING:
            return Refusal.MARKET_CLOSED
        market = listing.market
        tied = order.special.order_list if order.special is not None else None
        if order.status is OrderStatus.PENDING_NEW and tied is not None and tied.pays_pending:
            return Refusal.AMEND_PENDING_OPO
        if command.quantity_e8 > order.quantity_e8:
            return Refusal.AMEND_INCREASES
        if command.quantity_e8 == order.quantity_e8:
            return Refusal.AMEND_CHANGES_NOTHING
        renamed = command.new_client_order_id != order.client_order_id
        if renamed and (order.account_id, command.new_client_order_id) in listing.by_client_order_id:
            return Refusal.DUPLICATE_CLIENT_ORDER_ID
        if filters.lot_size(command.quantity_e8, market) is not None:
            return Refusal.LOT_SIZE
        if order.limit_e8 and filters.notional(notional_exact(order.limit_e8, command.quantity_e8), market) is not None:
            return Refusal.NOTIONAL
        rival = tied.rival_of(order) if tied is not None else None
        if any(command.quantity_e8 <= leg.quantity_e8 - leg.remaining_e8 for leg in (order, rival) if leg is not None):
            return Refusal.AMEND_CHANGES_NOTHING
        amendments = order.special.amendments if order.special is not None else 0
        if market.max_amendments and amendments >= market.max_amendments:
            return Refusal.MAX_NUM_ORDER_AMENDS
        return None

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
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        admitted = self._admit_list(command, listing)
        if isinstance(admitted, Refusal):
            return admitted
        # From here on nothing can fail.
        self.last_order_list_id += 1
        tied = OrderList(
            self.last_order_list_id, command.account_id, command.symbol, command.client_order_list_id, command.kind
        )
        listing.lists[tied.order_list_id] = tied
        turn = self._turn(listing)
        for place, checked in zip(command.orders, admitted, strict=True):
            order = self._open(place, checked, tied.order_list_id)
            order.be_special().order_list = tied
            tied.legs.append(order)
        self._begin_list(turn, tied, admitted)
        turn.settle_consequences()
        return turn.close()

    def _begin_list(self, turn: Turn, tied: OrderList, admitted: list[Admitted]) -> None:
        """Reserve, announce every order and the list, then let those that may trade do so."""
        if tied.kind is ListKind.OCO:
            entering = tied.legs
            # Both can never execute, so the dearer need covers the pair; the one on the book holds it.
            holder = next((leg for leg in tied.legs if leg.type is OrderType.LIMIT_MAKER), tied.legs[0])
            need_e8 = max(checked.need_e8 for checked in admitted)
        else:
            entering, holder, need_e8 = tied.legs[:1], tied.legs[0], admitted[0].need_e8
            for leg in tied.legs[1:]:
                leg.status = OrderStatus.PENDING_NEW
                turn.register(leg)
        self.accounts.lock(holder.account_id, turn.listing.paying_asset(holder.side), need_e8)
        holder.reserved_e8 = need_e8
        for leg in entering:
            if leg.type not in CONTINGENT_TYPES:
                leg.working_us = self.now_us
        turn.events.extend(OrderAccepted(leg.state()) for leg in tied.legs)
        turn.events.append(OrderListChanged(tied.state(self.now_us)))
        for leg in entering:
            turn.enter(leg)

    def _admit_list(self, command: PlaceOrderList, listing: Listing) -> list[Admitted] | Refusal:
        """Every order must pass on its own but for the balance, which is needed once."""
        if not _list_is_well_formed(command):
            return Refusal.UNSUPPORTED_COMBINATION
        if listing.status is not MarketStatus.TRADING:
            return Refusal.MARKET_CLOSED
        if self._list_name_is_taken(command, listing):
            return Refusal.DUPLICATE_CLIENT_ORDER_ID
        admission = self._admission(listing)
        admitted: list[Admitted] = []
        pays_pending = command.kind in (ListKind.OPO, ListKind.OPOCO)
        for position, order in enumerate(command.orders):
            # What a pending OPO order will sell is not known yet; stand in with what the working order can bring.
            is_unknown = pays_pending and position > 0
            checked = replace(order, quantity_e8=command.orders[0].quantity_e8) if is_unknown else order
            outcome = admission.admit_unfunded(checked, counts=False)
            if isinstance(outcome, Refusal):
                return outcome
            if position and command.kind is not ListKind.OCO:
                # A pending peg gets its price when it comes to life.
                outcome = outcome._replace(quantity_e8=0 if is_unknown else outcome.quantity_e8, limit_e8=0)
            admitted.append(outcome)
        refusal = self._refuse_list(command, listing)
        entering = len(admitted) if command.kind is ListKind.OCO else 1
        for order, checks in zip(command.orders[:entering], admitted, strict=False):
            refusal = refusal or admission.refuse_entry(order, checks.limit_e8)
        if refusal is not None:
            return refusal
        need_e8 = max(checks.need_e8 for checks in admitted[:entering])
        if self.accounts.free(command.account_id, listing.paying_asset(command.orders[0].side)) < need_e8:
            return Refusal.INSUFFICIENT_BALANCE
        return admitted

    def _list_name_is_taken(self, command: PlaceOrderList, listing: Listing) -> bool:
        """By another open list of the account, or within the list itself."""
        names = {command.client_order_list_id, *(order.client_order_id for order in command.orders)}
        return len(names) <= len(command.orders) or any(
            (tied.account_id, tied.client_order_list_id) == (command.account_id, command.client_order_list_id)
            for tied in listing.lists.values()
        )

    def _refuse_list(self, command: PlaceOrderList, listing: Listing) -> Refusal | None:
        refusal = filters.order_counts(command.orders, listing, self.listings, self.venue)
        refusal = refusal or filters.list_counts(command.account_id, listing, self.listings, self.venue)
        if refusal is not None:
            return refusal
        pair = command.orders if command.kind is ListKind.OCO else command.orders[1:]
        last_e8 = listing.last_price_e8 if command.kind is ListKind.OCO else 0
        return Refusal.LIST_PRICES_UNRELATED if len(pair) == 2 and not _is_around(pair, last_e8) else None

    def _cancel_list(self, command: CancelOrderList) -> Outcome:
        listing = self.listings.get(command.symbol)
        if listing is None:
            return Refusal.UNKNOWN_SYMBOL
        for tied in listing.lists.values():
            named = (
                tied.order_list_id == command.order_list_id
                if command.order_list_id
                else tied.client_order_list_id == command.client_order_list_id
            )
            if named and tied.account_id == command.account_id:
                if command.client_order_list_id not in ("", tied.client_order_list_id):
                    return Refusal.CLIENT_ORDER_ID_MISMATCH
                turn = self._turn(listing)
                turn.cancel(tied.legs[0], command.cancel_client_order_id)
                turn.settle_consequences()
                return turn.close()
        return Refusal.UNKNOWN_ORDER

    def _turn(self, listing: Listing) -> Turn:
        turn = self._turns.get(listing.market.symbol)
        if turn is None:
            turn = self._turns[listing.market.symbol] = Turn(self.accounts, listing, self.orders)
        return turn.begin(self.now_us)

    def _admission(self, listing: Listing) -> Admission:
        return Admission(self.accounts, listing, self.listings, self.venue, self.now_us)

    # Money in and out

    def _deposit(self, command: Deposit) -> Outcome:
        refusal = self._refuse_transfer(command, command.amount_e8)
        if refusal is not None:
            return refusal
        if self.accounts.supply.get(command.asset, 0) + command.amount_e8 > MAX_E8:
            return Refusal.SUPPLY_OVERFLOW
        self._transfer(command, command.amount_e8)
        event = FundsDeposited(command.account_id, command.asset, command.amount_e8, command.reference)
        return [event, *self.accounts.changes()]

    def _withdraw(self, command: Withdraw) -> Outcome:
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

    # The venue's own terms

    def _define_market(self, command: DefineMarket) -> Outcome:
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
        if market.status is not listing.market.status:
            listing.status = market.status
        listing.market = market
        if listing.status is market.status:
            return [MarketDefined(market)]
        return [MarketDefined(market), MarketStatusSet(market.symbol, listing.status)]

    def _define_venue(self, command: DefineVenue) -> Outcome:
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
        listing.status = command.status
        return [MarketStatusSet(command.symbol, command.status)]

    def _set_account_terms(self, command: SetAccountTerms) -> Outcome:
        rates = (command.maker_fee_rate_e8, command.taker_fee_rate_e8)
        valid_rates = all(rate is None or 0 <= rate <= MAX_FEE_RATE_E8 for rate in rates)
        if not valid_rates or not 0 < command.account_id <= MAX_E8 or not 0 <= command.trade_group_id <= MAX_E8:
            return Refusal.INVALID_TERMS
        self.accounts.terms[command.account_id] = command
        return [AccountTermsSet(command.account_id, command.self_trade_prevention, *rates, command.trade_group_id)]


def _details(command: PlaceOrder, admitted: Admitted, order_list_id: int) -> OrderDetails | None:
    """What makes this order special; None for the many that are not."""
    pegged = command.peg_price is not None
    plain = not (command.stop_price_e8 or command.trailing_delta or command.iceberg_e8 or order_list_id or pegged)
    if plain and command.strategy_id is None and command.strategy_type is None:
        return None
    return OrderDetails(
        stop_price_e8=command.stop_price_e8,
        trailing_delta=command.trailing_delta,
        iceberg_e8=command.iceberg_e8,
        order_list_id=order_list_id,
        strategy_id=command.strategy_id,
        strategy_type=command.strategy_type,
        peg_price=command.peg_price,
        peg_offset=command.peg_offset,
        pegged_price_e8=admitted.limit_e8 if pegged and command.type not in CONTINGENT_TYPES else 0,
    )


def _list_is_well_formed(command: PlaceOrderList) -> bool:
    """Right number of orders, all of one account and market, rivals of one side and quantity."""
    orders = command.orders
    if len(orders) != _LEGS[command.kind]:
        return False
    if any((order.account_id, order.symbol) != (command.account_id, command.symbol) for order in orders):
        return False
    if any(order.type is OrderType.MARKET and order.quote_quantity_e8 for order in orders):
        return False
    pair = orders if command.kind is ListKind.OCO else orders[1:]
    if len(pair) == 2 and not _are_rivals(*pair):
        return False
    if command.kind is not ListKind.OCO and orders[0].type not in (OrderType.LIMIT, OrderType.LIMIT_MAKER):
        return False
    if command.kind in (ListKind.OPO, ListKind.OPOCO):
        sells = all(order.side is Side.SELL and order.quantity_e8 == 0 for order in orders[1:])
        return orders[0].side is Side.BUY and sells
    return True


def _are_rivals(above: PlaceOrder, below: PlaceOrder) -> bool:
    """One takes a profit and the other stops a loss, each on the side of the market where that is."""
    if above.side is not below.side or above.quantity_e8 != below.quantity_e8:
        return False
    profit, loss = (above, below) if above.side is Side.SELL else (below, above)
    return profit.type in _TAKES_PROFIT and loss.type in _STOPS_LOSS


def _is_around(pair: tuple[PlaceOrder, ...], last_e8: int) -> bool:
    """The first order's price must lie above the second's, and the last price, if given, between them."""
    above, below = ((order.stop_price_e8 or order.price_e8) for order in pair)
    if above and below and above <= below:
        return False
    if not last_e8:
        return True
    return (not above or above > last_e8) and (not below or below < last_e8)


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
