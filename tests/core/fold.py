"""Rebuild what the events say, and only that: orders, balances, books, markets, supply.

This is what every projection outside the core does with the journal, so agreeing with the core's own state shows that
the events leave nothing out.
"""

from collections import Counter
from collections.abc import Iterable

from services.domain.events import (
    BalanceChanged,
    BookChanged,
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
from services.domain.orders import OPEN_STATUSES, OrderState, OrderStatus, Side
from services.engine.core.book import BookSide
from services.engine.core.exchange import Exchange
from services.engine.core.listing import Listing


class Fold:
    def __init__(self) -> None:
        self.orders: dict[int, OrderState] = {}
        self.balances: dict[tuple[int, str], tuple[int, int]] = {}
        self.levels: dict[tuple[str, Side], dict[int, int]] = {}
        self.update_ids: dict[str, int] = {}
        self.markets: dict[str, Market] = {}
        self.last_trades: dict[str, tuple[int, int]] = {}
        self.transfers: dict[str, tuple[int, str, int]] = {}

    def apply(self, events: Iterable[Event]) -> None:
        for event in events:
            self._apply_one(event)

    def open_orders(self) -> dict[int, OrderState]:
        return {order_id: state for order_id, state in self.orders.items() if state.status in OPEN_STATUSES}

    def _apply_one(self, event: Event) -> None:
        match event:
            case OrderAccepted() | OrderCanceled() | OrderExpired():
                self.orders[event.order.order_id] = event.order
            case OrderFilled():
                self.orders[event.taker.order_id] = event.taker
                self.orders[event.maker.order_id] = event.maker
                self.last_trades[event.symbol] = (event.trade_id, event.price_e8)
            case BalanceChanged():
                self.balances[event.account_id, event.asset] = (event.free_e8, event.locked_e8)
            case BookChanged():
                self._apply_levels(event)
            case FundsDeposited():
                self.transfers[event.reference] = (event.account_id, event.asset, event.amount_e8)
            case FundsWithdrawn():
                self.transfers[event.reference] = (event.account_id, event.asset, -event.amount_e8)
            case MarketDefined():
                self.markets[event.market.symbol] = event.market

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
    assert fold.balances == {
        (account_id, asset): (balance.free_e8, balance.locked_e8)
        for account_id, balances in exchange.accounts.balances.items()
        for asset, balance in balances.items()
    }
    assert fold.transfers == dict(exchange.transfers)
    supply: Counter[str] = Counter()
    for _, asset, amount in fold.transfers.values():
        supply[asset] += amount
    assert supply == Counter(exchange.accounts.supply)
    assert fold.markets == {symbol: listing.market for symbol, listing in exchange.listings.items()}
    for listing in exchange.listings.values():
        check_folded_book(fold, listing)


def check_folded_book(fold: Fold, listing: Listing) -> None:
    symbol = listing.market.symbol
    assert fold.update_ids.get(symbol, 0) == listing.book.update_id
    assert fold.last_trades.get(symbol, (0, 0)) == (listing.last_trade_id, listing.last_price_e8)
    for side, own in ((Side.BUY, listing.book.bids), (Side.SELL, listing.book.asks)):
        assert fold.levels.get((symbol, side), {}) == _levels(own)


def _levels(side: BookSide) -> dict[int, int]:
    return {level.price_e8: level.quantity_e8 for level in side.best_first()}


class StrictFold(Fold):
    """A fold that takes each event for one legal step of its orders: accepted once, filled while open, ended once."""

    def _apply_one(self, event: Event) -> None:
        match event:
            case OrderAccepted():
                assert event.order.order_id not in self.orders
                assert event.order.status is OrderStatus.NEW
            case OrderFilled():
                _check_fill(self.orders[event.taker.order_id], event.taker, event)
                _check_fill(self.orders[event.maker.order_id], event.maker, event)
            case OrderCanceled() | OrderExpired():
                _check_end(self.orders[event.order.order_id], event.order)
            case _:
                pass
        super()._apply_one(event)


def _check_fill(old: OrderState, new: OrderState, trade: OrderFilled) -> None:
    assert old.status in OPEN_STATUSES
    assert new.executed_e8 == old.executed_e8 + trade.quantity_e8 <= new.quantity_e8
    assert new.executed_quote_e8 == old.executed_quote_e8 + trade.quote_e8
    assert new.status in {OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}


def _check_end(old: OrderState, new: OrderState) -> None:
    assert old.status in OPEN_STATUSES
    assert new.executed_e8 < new.quantity_e8
    assert (new.executed_e8, new.executed_quote_e8) == (old.executed_e8, old.executed_quote_e8)
