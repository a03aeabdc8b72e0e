"""Orders waiting at prices: the two sides of a market's book, and its stops waiting for their trigger.

Layout
- ``PriceLevels`` keeps its prices in a sorted list with the best last, and a dict from price to level.
- A level is a doubly linked list of orders, so that cancelling anywhere in it is O(1).
- What only some orders have (stops, icebergs, lists, pegs) hangs off ``Order.special``, None for the others.

Invariants
- A level exists exactly while it holds an order. Its quantity is the sum of what its orders have left, and ``hidden``
  the part of it that icebergs do not show.
- The best bid is below the best ask after every command.

Cost: best O(1); add and remove O(1) at an existing price, O(log n) search plus a memmove at a new one.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from services.domain.orders import (
    ExpiryReason,
    OrderDetails,
    OrderState,
    OrderStatus,
    OrderType,
    PegPrice,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.engine.core.accounts import Balance

if TYPE_CHECKING:
    from services.engine.core.order_lists import OrderList


# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_BUY: Final = Side.BUY
_NEW: Final = OrderStatus.NEW
_NO_EXPIRY: Final = ExpiryReason.NONE


class Special:
    """What only some orders have; see ``OrderDetails``. ``extreme_e8`` is the best price a trailing stop has seen."""

    __slots__ = (
        "amendments",
        "extreme_e8",
        "iceberg_e8",
        "order_list",
        "order_list_id",
        "peg_offset",
        "peg_price",
        "pegged_price_e8",
        "prevented_e8",
        "prevented_match_id",
        "stop_price_e8",
        "strategy_id",
        "strategy_type",
        "trailing_delta",
        "trailing_us",
    )

    def __init__(self, details: OrderDetails, extreme_e8: int = 0) -> None:
        self.stop_price_e8 = details.stop_price_e8
        self.trailing_delta = details.trailing_delta
        self.trailing_us = details.trailing_us
        self.iceberg_e8 = details.iceberg_e8
        self.prevented_e8 = details.prevented_e8
        self.prevented_match_id = details.prevented_match_id
        self.order_list_id = details.order_list_id
        self.strategy_id = details.strategy_id
        self.strategy_type = details.strategy_type
        self.peg_price: PegPrice | None = details.peg_price
        self.peg_offset = details.peg_offset
        self.pegged_price_e8 = details.pegged_price_e8
        self.amendments = details.amendments
        self.extreme_e8 = extreme_e8
        self.order_list: OrderList | None = None

    def details(self) -> OrderDetails:
        return OrderDetails(
            self.stop_price_e8,
            self.trailing_delta,
            self.trailing_us,
            self.iceberg_e8,
            self.prevented_e8,
            self.prevented_match_id,
            self.order_list_id,
            self.strategy_id,
            self.strategy_type,
            self.peg_price,
            self.peg_offset,
            self.pegged_price_e8,
            self.amendments,
        )


class Order:
    """An order inside the core.

    ``limit_e8`` is the worst price it may trade at now, 0 for any. ``remaining_e8`` is what it may still trade, of
    which ``hidden_e8`` is not shown. ``reserved_e8`` is what it holds of its owner's locked balance, which is ``funds``
    once it has been looked up. ``is_registered`` while it is among the open orders.
    """

    __slots__ = (
        "account_id",
        "client_order_id",
        "created_us",
        "executed_e8",
        "executed_quote_e8",
        "expiry_reason",
        "funds",
        "hidden_e8",
        "is_registered",
        "level",
        "limit_e8",
        "next",
        "order_id",
        "previous",
        "price_e8",
        "quantity_e8",
        "quote_quantity_e8",
        "remaining_e8",
        "reserved_e8",
        "self_trade_prevention",
        "side",
        "special",
        "status",
        "symbol",
        "time_in_force",
        "type",
        "updated_us",
        "working_us",
    )

    def __init__(
        self,
        order_id: int,
        account_id: int,
        symbol: str,
        client_order_id: str,
        side: Side,
        kind: OrderType,
        time_in_force: TimeInForce,
        price_e8: int,
        quantity_e8: int,
        quote_quantity_e8: int,
        created_us: int,
        self_trade_prevention: SelfTradePrevention,
        details: OrderDetails | None,
    ) -> None:
        self.order_id = order_id
        self.account_id = account_id
        self.symbol = symbol
        self.client_order_id = client_order_id
        self.side = side
        self.type = kind
        self.time_in_force = time_in_force
        self.price_e8 = price_e8
        self.limit_e8 = price_e8
        self.quantity_e8 = quantity_e8
        self.quote_quantity_e8 = quote_quantity_e8
        self.executed_e8 = 0
        self.executed_quote_e8 = 0
        self.remaining_e8 = quantity_e8
        self.hidden_e8 = 0
        self.status = _NEW
        self.created_us = created_us
        self.updated_us = created_us
        self.working_us = 0
        self.expiry_reason = _NO_EXPIRY
        self.self_trade_prevention = self_trade_prevention
        self.reserved_e8 = 0
        self.is_registered = False
        self.funds: Balance | None = None
        self.level: Level | None = None
        self.previous: Order | None = None
        self.next: Order | None = None
        self.special: Special | None = None
        if details is not None:
            self.special = Special(details)
            self.limit_e8 = details.pegged_price_e8 or price_e8

    def state(self) -> OrderState:
        special = self.special
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
            self.self_trade_prevention,
            None if special is None else special.details(),
        )

    @property
    def order_list(self) -> "OrderList | None":
        return None if self.special is None else self.special.order_list

    def be_special(self) -> Special:
        """Return what only some orders have, making this one of them."""
        if self.special is None:
            self.special = Special(OrderDetails())
        return self.special


class Level:
    """All orders at one price, oldest first. ``is_touched`` while the current command has changed it and not told."""

    __slots__ = ("head", "hidden_e8", "is_touched", "price_e8", "quantity_e8", "tail")

    def __init__(self, price_e8: int) -> None:
        self.price_e8 = price_e8
        self.quantity_e8 = 0
        self.hidden_e8 = 0
        self.is_touched = False
        self.head: Order | None = None
        self.tail: Order | None = None

    def orders(self) -> Iterator[Order]:
        order = self.head
        while order is not None:
            following = order.next
            yield order
            order = following

    def append(self, order: Order) -> None:
        last = self.tail
        if last is None:
            self.head = order
        else:
            last.next = order
            order.previous = last
        self.tail = order
        order.level = self

    def unlink(self, order: Order) -> None:
        before, after = order.previous, order.next
        if before is None:
            self.head = after
        else:
            before.next = after
        if after is None:
            self.tail = before
        else:
            after.previous = before
        order.level = order.previous = order.next = None


class PriceLevels:
    """Levels by price. Keys are prices times ``sign``, ascending, so the best is last on either side.

    The best of bids (and of stops that wait for a fall) is the highest, of asks (and of stops that wait for a rise) the
    lowest price.
    """

    __slots__ = ("_keys", "_sign", "levels", "touched")

    def __init__(self, *, best_is_highest: bool) -> None:
        self._sign = 1 if best_is_highest else -1
        self._keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.touched: list[Level] = []

    def best(self) -> Level | None:
        return self.levels[self._keys[-1] * self._sign] if self._keys else None

    def best_within(self, limit_e8: int) -> Level | None:
        """The best level, if an order from the other side with this limit would trade there. A limit of 0 means any."""
        if not self._keys:
            return None
        key = self._keys[-1]
        return self.levels[key * self._sign] if limit_e8 == 0 or key >= limit_e8 * self._sign else None

    def best_first(self) -> Iterator[Level]:
        for key in reversed(self._keys):
            yield self.levels[key * self._sign]

    def nth_best(self, index: int) -> Level | None:
        """The best level for 0, the next deeper one for 1, and so on."""
        return self.levels[self._keys[-1 - index] * self._sign] if index < len(self._keys) else None

    def crosses(self, level: Level, limit_e8: int) -> bool:
        """Would an order from the other side, limited to this price, trade at this level? A limit of 0 means any."""
        return limit_e8 == 0 or level.price_e8 * self._sign >= limit_e8 * self._sign

    def add(self, order: Order, price_e8: int) -> None:
        """Put the order behind all others at this price."""
        level = self.levels.get(price_e8)
        if level is None:
            level = self.levels[price_e8] = self._gone(price_e8) or Level(price_e8)
            insort(self._keys, price_e8 * self._sign)
        level.append(order)
        level.quantity_e8 += order.remaining_e8
        level.hidden_e8 += order.hidden_e8
        self._touch(level)

    def take(self, level: Level, quantity_e8: int) -> None:
        """Note that ``quantity_e8`` of the level is gone: traded, prevented or amended away."""
        level.quantity_e8 -= quantity_e8
        self._touch(level)

    def hide(self, level: Level, order: Order, hidden_e8: int) -> None:
        """Let the order hide this much of what it has left."""
        level.hidden_e8 += hidden_e8 - order.hidden_e8
        order.hidden_e8 = hidden_e8
        self._touch(level)

    def remove(self, order: Order) -> None:
        """Take the order and whatever it has left out of its level."""
        level = order.level
        assert level is not None, "only a waiting order can be removed"
        level.unlink(order)
        level.quantity_e8 -= order.remaining_e8
        level.hidden_e8 -= order.hidden_e8
        self._touch(level)
        if level.head is None:
            del self.levels[level.price_e8]
            del self._keys[bisect_left(self._keys, level.price_e8 * self._sign)]

    def _touch(self, level: Level) -> None:
        if not level.is_touched:
            level.is_touched = True
            self.touched.append(level)

    def _gone(self, price_e8: int) -> Level | None:
        """The level at this price that the current command has emptied, if it did: each is told once."""
        for level in self.touched:
            if level.price_e8 == price_e8:
                return level
        return None

    def changed_levels(self) -> tuple[tuple[int, int], ...]:
        """New (price, shown quantity) of every level touched since the last call, 0 where the level is gone."""
        changes = tuple([(level.price_e8, level.quantity_e8 - level.hidden_e8) for level in self.touched])
        self.forget_changes()
        return changes

    def forget_changes(self) -> None:
        for level in self.touched:
            level.is_touched = False
        self.touched.clear()

    def depth(self, limit: int) -> list[tuple[int, int]]:
        """The best ``limit`` levels as (price, shown quantity), best first."""
        keys = self._keys[-limit:] if limit else []
        levels = (self.levels[key * self._sign] for key in reversed(keys))
        return [(level.price_e8, level.quantity_e8 - level.hidden_e8) for level in levels]


class Book:
    """Both sides of one market. ``update_id`` counts the commands that changed it."""

    __slots__ = ("asks", "bids", "update_id")

    def __init__(self, update_id: int = 0) -> None:
        self.bids = PriceLevels(best_is_highest=True)
        self.asks = PriceLevels(best_is_highest=False)
        self.update_id = update_id

    def own_side(self, side: Side) -> PriceLevels:
        return self.bids if side is _BUY else self.asks

    def opposite_side(self, side: Side) -> PriceLevels:
        return self.asks if side is _BUY else self.bids

    def pegged_price_e8(self, side: Side, peg: PegPrice, offset: int, cap_e8: int) -> int:
        """The price of the level a peg names, no worse than ``cap_e8`` if that is given; 0 without such a level."""
        levels = self.own_side(side) if peg is PegPrice.PRIMARY_PEG else self.opposite_side(side)
        level = levels.nth_best(offset)
        if level is None:
            return 0
        if not cap_e8:
            return level.price_e8
        return min(level.price_e8, cap_e8) if side is _BUY else max(level.price_e8, cap_e8)
