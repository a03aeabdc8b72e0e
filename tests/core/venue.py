"""What both exchanges, the core and the naive one, look like to a test: commands in, comparable outcomes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from services.domain.commands import Command, PlaceOrder
from services.domain.events import (
    BookChanged,
    CancelRefused,
    Event,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderBeganTrailing,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderListChanged,
    OrderTriggered,
    ReplacementRefused,
)
from services.domain.orders import (
    ExpiryReason,
    OrderDetails,
    OrderState,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.domain.refusals import Refusal
from services.engine.core.exchange import Exchange

# (price, quantity), best first.
Levels = list[tuple[int, int]]
# New total quantity by side and price, 0 where the level is gone.
LevelChanges = dict[tuple[Side, int], int]


class Trade(NamedTuple):
    trade_id: int
    price_e8: int
    quantity_e8: int
    quote_e8: int
    taker_id: int
    maker_id: int
    taker_fee_e8: int
    maker_fee_e8: int


class OrderView(NamedTuple):
    """What a customer can see of an order."""

    order_id: int
    account_id: int
    symbol: str
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price_e8: int
    quantity_e8: int
    quote_quantity_e8: int
    executed_e8: int
    executed_quote_e8: int
    status: OrderStatus
    expiry_reason: ExpiryReason
    created_us: int
    updated_us: int
    working_us: int
    self_trade_prevention: SelfTradePrevention
    details: OrderDetails


class Prevention(NamedTuple):
    prevented_match_id: int
    price_e8: int
    mode: SelfTradePrevention
    taker_prevented_e8: int
    maker_prevented_e8: int
    taker_id: int
    maker_id: int


class ListView(NamedTuple):
    order_list_id: int
    is_done: bool
    orders: tuple[tuple[int, str], ...]


class BookView(NamedTuple):
    """The new totals of the price levels that changed; ``update_id`` numbers that change of this market's book."""

    update_id: int
    levels: LevelChanges


@dataclass(frozen=True)
class Outcome:
    """What one command did: the refusal, or the trades in order and the last state of every order it changed.

    ``books`` are the markets whose book it changed; all but what operators do to an account change one at most.
    ``first`` and ``second`` are why the halves of a replacement failed.
    """

    refusal: Refusal | None = None
    trades: list[Trade] = field(default_factory=list)
    orders: dict[int, OrderView] = field(default_factory=dict)
    books: dict[str, BookView] = field(default_factory=dict)
    preventions: list[Prevention] = field(default_factory=list)
    lists: dict[int, ListView] = field(default_factory=dict)
    first: Refusal | None = None
    second: Refusal | None = None

    @property
    def update_id(self) -> int:
        """Of the one book that changed, 0 if none did."""
        return sum(book.update_id for book in self.books.values())

    @property
    def levels(self) -> LevelChanges:
        """Of the one book that changed."""
        return {key: total for book in self.books.values() for key, total in book.levels.items()}


class Venue(Protocol):
    def apply(self, command: Command, now_us: int) -> Outcome: ...

    def check(self, command: PlaceOrder) -> Refusal | None: ...

    def balances(self) -> dict[tuple[int, str], tuple[int, int]]:
        """(free, locked) of every account and asset that has any."""

    def withdrawing(self) -> dict[tuple[int, str], int]:
        """What held withdrawals take, of every account and asset that has any."""

    def depth(self, symbol: str) -> tuple[Levels, Levels]:
        """Every level: bids, then asks."""

    def open_orders(self) -> dict[int, OrderView]: ...


class CoreVenue:
    """The core, seen through its events. ``events`` are those of the last command."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.events: Sequence[Event] = ()

    def apply(self, command: Command, now_us: int) -> Outcome:
        result = self.exchange.apply(command, now_us)
        if isinstance(result, Refusal):
            self.events = ()
            return Outcome(refusal=result)
        self.events = result
        return observe(result)

    def check(self, command: PlaceOrder) -> Refusal | None:
        return self.exchange.check(command)

    def balances(self) -> dict[tuple[int, str], tuple[int, int]]:
        return {
            (account_id, asset): (balance.free_e8, balance.locked_e8)
            for account_id, balances in self.exchange.accounts.balances.items()
            for asset, balance in balances.items()
            if balance.free_e8 or balance.locked_e8
        }

    def withdrawing(self) -> dict[tuple[int, str], int]:
        return {
            (account_id, asset): balance.withdrawing_e8
            for account_id, balances in self.exchange.accounts.balances.items()
            for asset, balance in balances.items()
            if balance.withdrawing_e8
        }

    def depth(self, symbol: str) -> tuple[Levels, Levels]:
        book = self.exchange.listings[symbol].book
        return book.bids.depth(len(book.bids.levels)), book.asks.depth(len(book.asks.levels))

    def open_orders(self) -> dict[int, OrderView]:
        return {order_id: view(order.state()) for order_id, order in self.exchange.orders.items()}


def observe(events: Sequence[Event]) -> Outcome:
    """Reduce the events of one command to what can be compared."""
    outcome = Outcome()
    for event in events:
        match event:
            case OrderAccepted() | OrderCanceled() | OrderExpired():
                outcome.orders[event.order.order_id] = view(event.order)
            case OrderTriggered() | OrderBeganTrailing() | OrderAmended():
                outcome.orders[event.order.order_id] = view(event.order)
            case OrderFilled():
                outcome.trades.append(_trade(event))
                outcome.orders[event.taker.order_id] = view(event.taker)
                outcome.orders[event.maker.order_id] = view(event.maker)
            case MatchPrevented():
                outcome.preventions.append(_prevention(event))
                if event.taker_prevented_e8:
                    outcome.orders[event.taker.order_id] = view(event.taker)
                if event.maker_prevented_e8:
                    outcome.orders[event.maker.order_id] = view(event.maker)
            case OrderListChanged():
                tied = event.order_list
                outcome.lists[tied.order_list_id] = ListView(tied.order_list_id, tied.is_done, tied.orders)
            case CancelRefused():
                outcome = replace(outcome, first=event.reason)
            case ReplacementRefused():
                outcome = replace(outcome, second=event.reason)
            case BookChanged():
                outcome.books[event.symbol] = BookView(event.update_id, _levels(event))
            case _:
                pass
    return outcome


def view(state: OrderState) -> OrderView:
    return OrderView(
        state.order_id,
        state.account_id,
        state.symbol,
        state.client_order_id,
        state.side,
        state.type,
        state.time_in_force,
        state.price_e8,
        state.quantity_e8,
        state.quote_quantity_e8,
        state.executed_e8,
        state.executed_quote_e8,
        state.status,
        state.expiry_reason,
        state.created_us,
        state.updated_us,
        state.working_us,
        state.self_trade_prevention,
        state.details or OrderDetails(),
    )


def _trade(event: OrderFilled) -> Trade:
    return Trade(
        event.trade_id,
        event.price_e8,
        event.quantity_e8,
        event.quote_e8,
        event.taker.order_id,
        event.maker.order_id,
        event.taker_fee_e8,
        event.maker_fee_e8,
    )


def _prevention(event: MatchPrevented) -> Prevention:
    return Prevention(
        event.prevented_match_id,
        event.price_e8,
        event.mode,
        event.taker_prevented_e8,
        event.maker_prevented_e8,
        event.taker.order_id,
        event.maker.order_id,
    )


def _levels(event: BookChanged) -> LevelChanges:
    bids = {(Side.BUY, price): quantity for price, quantity in event.bids}
    asks = {(Side.SELL, price): quantity for price, quantity in event.asks}
    return bids | asks
