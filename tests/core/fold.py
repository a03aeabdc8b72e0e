"""Rebuild what the events say, and only that: orders, lists, balances, books, markets, terms, supply.

This is what every projection outside the core does with the journal, so agreeing with the core's own state shows that
the events leave nothing out.
"""

from collections import Counter
from collections.abc import Iterable

from services.domain.events import (
    AccountStatusSet,
    AccountTermsSet,
    BalanceChanged,
    BookChanged,
    Event,
    FundsDeposited,
    FundsTransferred,
    FundsWithdrawn,
    MarketDefined,
    MarketStatusSet,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderBeganTrailing,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderListChanged,
    OrderListState,
    OrderTriggered,
    VenueDefined,
    VenueStatusSet,
    WithdrawalHeld,
    WithdrawalRejected,
    WithdrawalSettled,
)
from services.domain.market import Market, MarketStatus, Venue
from services.domain.orders import (
    CONTINGENT_TYPES,
    OPEN_STATUSES,
    ExpiryReason,
    OrderDetails,
    OrderState,
    OrderStatus,
    Side,
)
from services.domain.standing import AccountStatus, VenueStatus
from services.engine.core.book import PriceLevels
from services.engine.core.exchange import Exchange
from services.engine.core.listing import Listing


class Fold:
    def __init__(self) -> None:
        self.orders: dict[int, OrderState] = {}
        self.lists: dict[int, OrderListState] = {}
        self.balances: dict[tuple[int, str], tuple[int, int, int]] = {}
        self.levels: dict[tuple[str, Side], dict[int, int]] = {}
        self.update_ids: dict[str, int] = {}
        self.markets: dict[str, Market] = {}
        self.statuses: dict[str, MarketStatus] = {}
        self.venue = Venue()
        self.terms: dict[int, AccountTermsSet] = {}
        self.last_trades: dict[str, tuple[int, int]] = {}
        self.last_prevented_matches: dict[str, int] = {}
        self.transfers: dict[str, tuple[object, ...]] = {}
        self.holds: dict[str, tuple[object, ...]] = {}
        self.supply: Counter[str] = Counter()
        self.frozen: set[int] = set()
        self.venue_status = VenueStatus.OPEN

    def apply(self, events: Iterable[Event]) -> None:
        for event in events:
            self._apply_one(event)

    def open_orders(self) -> dict[int, OrderState]:
        return {order_id: state for order_id, state in self.orders.items() if state.status in OPEN_STATUSES}

    def open_lists(self) -> dict[int, OrderListState]:
        return {list_id: state for list_id, state in self.lists.items() if not state.is_done}

    def _apply_one(self, event: Event) -> None:
        match event:
            case OrderAccepted() | OrderCanceled() | OrderExpired():
                self.orders[event.order.order_id] = event.order
            case OrderTriggered() | OrderBeganTrailing() | OrderAmended():
                self.orders[event.order.order_id] = event.order
            case OrderFilled():
                self.orders[event.taker.order_id] = event.taker
                self.orders[event.maker.order_id] = event.maker
                self.last_trades[event.symbol] = (event.trade_id, event.price_e8)
            case MatchPrevented():
                self.orders[event.taker.order_id] = event.taker
                self.orders[event.maker.order_id] = event.maker
                self.last_prevented_matches[event.symbol] = event.prevented_match_id
            case OrderListChanged():
                self.lists[event.order_list.order_list_id] = event.order_list
            case BookChanged():
                self._apply_levels(event)
            case _:
                self._apply_other(event)

    def _apply_other(self, event: Event) -> None:
        match event:
            case BalanceChanged():
                self.balances[event.account_id, event.asset] = (event.free_e8, event.locked_e8, event.withdrawing_e8)
            case MarketDefined():
                self.markets[event.market.symbol] = event.market
                self.statuses[event.market.symbol] = event.market.status
            case MarketStatusSet():
                self.statuses[event.symbol] = event.status
            case VenueDefined():
                self.venue = event.venue
            case AccountTermsSet():
                self.terms[event.account_id] = event
            case AccountStatusSet():
                (self.frozen.add if event.status is AccountStatus.FROZEN else self.frozen.discard)(event.account_id)
            case VenueStatusSet():
                self.venue_status = event.status
            case _:
                self._apply_money(event)

    def _apply_money(self, event: Event) -> None:
        match event:
            case FundsDeposited(account_id, asset, amount, reference):
                self._move(reference, account_id, asset, amount, "", 0, supply=amount)
            case FundsWithdrawn(account_id, asset, amount, reference):
                self._move(reference, account_id, asset, -amount, "", 0, supply=-amount)
            case FundsTransferred(account_id, to_account_id, asset, amount, reference):
                self._move(reference, account_id, asset, -amount, "TRANSFER", to_account_id, supply=0)
            case WithdrawalHeld(account_id, asset, amount, fee, reference):
                self.holds[reference] = (account_id, asset, amount, fee)
            case WithdrawalSettled(account_id, asset, amount, fee, reference):
                self._end_hold(reference, (account_id, asset, amount, fee))
                self._move(reference, account_id, asset, -amount, "SETTLED", fee, supply=-amount)
            case WithdrawalRejected(account_id, asset, amount, fee, reference):
                self._end_hold(reference, (account_id, asset, amount, fee))
                self._move(reference, account_id, asset, -amount, "REJECTED", fee, supply=0)

    def _move(
        self, reference: str, account_id: int, asset: str, amount: int, kind: str, detail: int, *, supply: int
    ) -> None:
        """A movement that is known already is the same one, told again."""
        movement = (account_id, asset, amount, kind, detail)
        if reference in self.transfers:
            assert self.transfers[reference] == movement
            return
        self.transfers[reference] = movement
        self.supply[asset] += supply

    def _end_hold(self, reference: str, hold: tuple[object, ...]) -> None:
        assert reference in self.transfers or self.holds[reference] == hold
        self.holds.pop(reference, None)

    def _apply_levels(self, event: BookChanged) -> None:
        self.update_ids[event.symbol] = event.update_id
        for side, changes in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
            levels = self.levels.setdefault((event.symbol, side), {})
            for price, quantity in changes:
                levels[price] = quantity
                if not quantity:
                    del levels[price]


def check_fold(fold: Fold, exchange: Exchange) -> None:
    """The state rebuilt from events is the core's state."""
    assert fold.open_orders() == {order_id: order.state() for order_id, order in exchange.orders.items()}
    assert max(fold.orders, default=0) == exchange.last_order_id
    assert max(fold.lists, default=0) == exchange.last_order_list_id
    assert fold.balances == {
        (account_id, asset): (balance.free_e8, balance.locked_e8, balance.withdrawing_e8)
        for account_id, balances in exchange.accounts.balances.items()
        for asset, balance in balances.items()
    }
    assert fold.transfers == {reference: tuple(moved) for reference, moved in exchange.transfers.window.items()}
    assert fold.holds == {
        reference: (hold.account_id, hold.asset, hold.amount_e8, hold.fee_e8)
        for reference, hold in exchange.transfers.holds.items()
    }
    assert fold.supply == Counter(exchange.accounts.supply)
    assert (fold.frozen, fold.venue_status) == (exchange.accounts.frozen, exchange.venue_status)
    assert fold.venue == exchange.venue
    assert {account_id: _values(terms) for account_id, terms in fold.terms.items()} == {
        account_id: _values(terms) for account_id, terms in exchange.accounts.terms.items()
    }
    assert fold.markets == {symbol: listing.market for symbol, listing in exchange.listings.items()}
    assert fold.statuses == {symbol: listing.status for symbol, listing in exchange.listings.items()}
    check_folded_lists(fold, exchange)
    for listing in exchange.listings.values():
        check_folded_book(fold, listing)


def _values(terms: object) -> tuple[object, ...]:
    return tuple(getattr(terms, name) for name in AccountTermsSet.__struct_fields__)


def check_folded_lists(fold: Fold, exchange: Exchange) -> None:
    lists = {
        list_id: tied.state(0) for listing in exchange.listings.values() for list_id, tied in listing.lists.items()
    }
    folded = fold.open_lists()
    assert folded.keys() == lists.keys()
    for list_id, tied in lists.items():
        assert (folded[list_id].orders, folded[list_id].contingency) == (tied.orders, tied.contingency)
        for order_id, client_order_id in tied.orders:
            assert fold.orders[order_id].client_order_id == client_order_id


def check_folded_book(fold: Fold, listing: Listing) -> None:
    symbol = listing.market.symbol
    assert fold.update_ids.get(symbol, 0) == listing.book.update_id
    assert fold.last_trades.get(symbol, (0, 0)) == (listing.last_trade_id, listing.last_price_e8)
    assert fold.last_prevented_matches.get(symbol, 0) == listing.last_prevented_match_id
    for side, own in ((Side.BUY, listing.book.bids), (Side.SELL, listing.book.asks)):
        assert fold.levels.get((symbol, side), {}) == _levels(own)


def _levels(side: PriceLevels) -> dict[int, int]:
    return {level.price_e8: level.quantity_e8 - level.hidden_e8 for level in side.best_first()}


class StrictFold(Fold):
    """A fold that takes each event for one legal step of its orders: accepted once, filled while open, ended once."""

    def _apply_one(self, event: Event) -> None:
        match event:
            case OrderAccepted():
                assert event.order.order_id not in self.orders
                assert event.order.status in {OrderStatus.NEW, OrderStatus.PENDING_NEW}
            case OrderFilled():
                _check_fill(self.orders[event.taker.order_id], event.taker, event)
                _check_fill(self.orders[event.maker.order_id], event.maker, event)
            case MatchPrevented():
                _check_prevention(self.orders[event.taker.order_id], event.taker, event.taker_prevented_e8)
                _check_prevention(self.orders[event.maker.order_id], event.maker, event.maker_prevented_e8)
                assert event.taker_prevented_e8 or event.maker_prevented_e8
            case OrderCanceled() | OrderExpired():
                _check_end(self.orders[event.order.order_id], event.order)
            case OrderTriggered():
                _check_trigger(self.orders[event.order.order_id], event.order)
            case OrderBeganTrailing():
                _check_trailing(self.orders[event.order.order_id], event.order)
            case OrderAmended():
                _check_amendment(self.orders[event.order.order_id], event)
            case OrderListChanged():
                self._check_list(event)
            case BookChanged():
                assert event.update_id == self.update_ids.get(event.symbol, 0) + 1
            case _:
                pass
        super()._apply_one(event)

    def _check_list(self, event: OrderListChanged) -> None:
        """A list begins once and ends once, and is done when all its orders have ended."""
        state = event.order_list
        old = self.lists.get(state.order_list_id)
        assert old is None or not old.is_done
        legs = [self.orders[order_id] for order_id, _ in state.orders]
        assert state.is_done == all(leg.status not in OPEN_STATUSES for leg in legs)
        assert event.is_update <= (old is not None)
        assert [name for _, name in state.orders] == [leg.client_order_id for leg in legs]
        for leg in legs:
            assert leg.details is not None and leg.details.order_list_id == state.order_list_id


def _prevented(order: OrderState) -> int:
    return 0 if order.details is None else order.details.prevented_e8


def _left(order: OrderState) -> int:
    return order.quantity_e8 - order.executed_e8 - _prevented(order)


def _check_fill(old: OrderState, new: OrderState, trade: OrderFilled) -> None:
    assert old.status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
    assert new.executed_e8 == old.executed_e8 + trade.quantity_e8
    assert new.executed_quote_e8 == old.executed_quote_e8 + trade.quote_e8
    assert new.status is (OrderStatus.PARTIALLY_FILLED if _left(new) else OrderStatus.FILLED)
    assert _left(new) >= 0 and new.working_us > 0


def _check_prevention(old: OrderState, new: OrderState, prevented_e8: int) -> None:
    assert old.status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
    assert 0 <= prevented_e8 == _prevented(new) - _prevented(old)
    assert (new.executed_e8, new.executed_quote_e8) == (old.executed_e8, old.executed_quote_e8)
    assert _left(new) >= 0
    assert new.status is (old.status if _left(new) else OrderStatus.EXPIRED_IN_MATCH)


def _check_end(old: OrderState, new: OrderState) -> None:
    assert old.status in OPEN_STATUSES
    assert (new.executed_e8, new.executed_quote_e8) == (old.executed_e8, old.executed_quote_e8)
    assert _left(new) > 0 or old.status is OrderStatus.PENDING_NEW, "an order with nothing left has ended already"
    canceled = new.status is OrderStatus.CANCELED
    assert canceled or new.status is OrderStatus.EXPIRED
    assert canceled == (new.expiry_reason is ExpiryReason.NONE)


def _check_trigger(old: OrderState, new: OrderState) -> None:
    assert old.status in {OrderStatus.NEW, OrderStatus.PENDING_NEW} and not old.working_us
    assert new.status is OrderStatus.NEW
    begins_to_wait = old.status is OrderStatus.PENDING_NEW and new.type in CONTINGENT_TYPES
    assert (new.working_us == 0) == begins_to_wait


def _check_trailing(old: OrderState, new: OrderState) -> None:
    assert old.status is OrderStatus.NEW and old.details and new.details and not new.working_us
    assert not old.details.trailing_us and new.details.trailing_us and new.details.trailing_delta


def _check_amendment(old: OrderState, event: OrderAmended) -> None:
    new = event.order
    assert old.status in OPEN_STATUSES and new.status is old.status
    assert (old.quantity_e8, old.client_order_id) == (event.old_quantity_e8, event.old_client_order_id)
    assert old.executed_e8 == new.executed_e8 < new.quantity_e8 < old.quantity_e8
    assert (new.details or OrderDetails()).amendments == (old.details or OrderDetails()).amendments + 1
