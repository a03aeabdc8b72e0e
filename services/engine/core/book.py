"""One market's order book: price levels on two sides, first in first out within a level.

Layout
- A side keeps its prices in a sorted list with the best price last, and a dict from price to level.
- A level is a doubly linked list of orders, so that cancelling anywhere in it is O(1).

Invariants
- A level is on its side exactly while it holds an order; its quantity is the sum of what its orders have left.
- The best bid is below the best ask after every command.

Cost: best O(1); add and remove O(1) at an existing price, O(log n) search plus a memmove at a new one.
"""

from bisect import bisect_left
from collections.abc import Iterator

from services.domain.orders import ExpiryReason, OrderState, OrderStatus, OrderType, Side, TimeInForce


class Order:
    """An order inside the core. ``reserved_e8`` is what it holds of its owner's locked balance."""

    __slots__ = (
        "account_id",
        "client_order_id",
        "created_us",
        "executed_e8",
        "executed_quote_e8",
        "expiry_reason",
        "level",
        "next",
        "order_id",
        "previous",
        "price_e8",
        "quantity_e8",
        "quote_quantity_e8",
        "remaining_e8",
        "reserved_e8",
        "side",
        "status",
        "symbol",
        "time_in_force",
        "type",
        "updated_us",
        "working_us",
    )

    def __init__(self, state: OrderState, reserved_e8: int) -> None:
        self.order_id = state.order_id
        self.account_id = state.account_id
        self.symbol = state.symbol
        self.client_order_id = state.client_order_id
        self.side = state.side
        self.type: OrderType = state.type
        self.time_in_force: TimeInForce = state.time_in_force
        self.price_e8 = state.price_e8
        self.quantity_e8 = state.quantity_e8
        self.quote_quantity_e8 = state.quote_quantity_e8
        self.executed_e8 = state.executed_e8
        self.executed_quote_e8 = state.executed_quote_e8
        self.remaining_e8 = state.quantity_e8 - state.executed_e8
        self.status: OrderStatus = state.status
        self.created_us = state.created_us
        self.updated_us = state.updated_us
        self.working_us = state.working_us
        self.expiry_reason: ExpiryReason = state.expiry_reason
        self.reserved_e8 = reserved_e8
        self.level: Level | None = None
        self.previous: Order | None = None
        self.next: Order | None = None

    def state(self) -> OrderState:
        return OrderState(
            self.order_id,
            self.account_id,
            self.symbol,
            self.client_order_id,
            self.side,
            self.type,
            self.time_in_force,
            self.price_e8,
            self.quantity_e8,
            self.quote_quantity_e8,
            self.executed_e8,
            self.executed_quote_e8,
            self.status,
            self.created_us,
            self.updated_us,
            self.working_us,
            self.expiry_reason,
        )


class Level:
    """All orders at one price, oldest first."""

    __slots__ = ("head", "price_e8", "quantity_e8", "tail")

    def __init__(self, price_e8: int) -> None:
        self.price_e8 = price_e8
        self.quantity_e8 = 0
        self.head: Order | None = None
        self.tail: Order | None = None

    def orders(self) -> Iterator[Order]:
        order = self.head
        while order is not None:
            yield order
            order = order.next


class BookSide:
    """The levels of one side. Keys are prices times ``sign``, ascending, so the best is last on either side."""

    __slots__ = ("_keys", "_sign", "levels", "touched")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.BUY else -1
        self._keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.touched: dict[int, None] = {}

    def best(self) -> Level | None:
        return self.levels[self._keys[-1] * self._sign] if self._keys else None

    def best_first(self) -> Iterator[Level]:
        for key in reversed(self._keys):
            yield self.levels[key * self._sign]

    def crosses(self, level: Level, limit_price_e8: int) -> bool:
        """Would an order from the other side, limited to this price, trade at this level? A limit of 0 means any."""
        return limit_price_e8 == 0 or level.price_e8 * self._sign >= limit_price_e8 * self._sign

    def add(self, order: Order) -> None:
        """Put the order behind all others at its price."""
        price = order.price_e8
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level(price)
            key = price * self._sign
            self._keys.insert(bisect_left(self._keys, key), key)
        last = level.tail
        if last is None:
            level.head = order
        else:
            last.next = order
            order.previous = last
        level.tail = order
        order.level = level
        level.quantity_e8 += order.remaining_e8
        self.touched[price] = None

    def take(self, level: Level, quantity_e8: int) -> None:
        """Note that ``quantity_e8`` of the level was traded away."""
        level.quantity_e8 -= quantity_e8
        self.touched[level.price_e8] = None

    def remove(self, order: Order) -> None:
        """Take the order and whatever it has left out of its level."""
        level = order.level
        assert level is not None, "only a resting order can be removed"
        before, after = order.previous, order.next
        if before is None:
            level.head = after
        else:
            before.next = after
        if after is None:
            level.tail = before
        else:
            after.previous = before
        order.level = order.previous = order.next = None
        level.quantity_e8 -= order.remaining_e8
        self.touched[level.price_e8] = None
        if level.head is None:
            del self.levels[level.price_e8]
            del self._keys[bisect_left(self._keys, level.price_e8 * self._sign)]

    def changed_levels(self) -> tuple[tuple[int, int], ...]:
        """New (price, quantity) of every level touched since the last call, 0 where the level is gone."""
        if not self.touched:
            return ()
        levels = self.levels
        changes = tuple((price, levels[price].quantity_e8 if price in levels else 0) for price in self.touched)
        self.touched.clear()
        return changes

    def depth(self, limit: int) -> list[tuple[int, int]]:
        """The best ``limit`` levels as (price, quantity), best first."""
        keys = self._keys[-limit:] if limit else []
        return [(key * self._sign, self.levels[key * self._sign].quantity_e8) for key in reversed(keys)]


class Book:
    """Both sides of one market. ``update_id`` counts the commands that changed it."""

    __slots__ = ("asks", "bids", "update_id")

    def __init__(self, update_id: int = 0) -> None:
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.update_id = update_id

    def own_side(self, side: Side) -> BookSide:
        return self.bids if side is Side.BUY else self.asks

    def opposite_side(self, side: Side) -> BookSide:
        return self.asks if side is Side.BUY else self.bids
