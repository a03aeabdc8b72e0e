"""Stops: orders that wait for the last trade price to reach a level (dialect reference sections 4.1 and 4.5).

A fixed stop waits in one of two sets of price levels, for a rise or for a fall, so a price change costs O(1) plus what
it triggers. A trailing stop moves its trigger with the market and is looked at on each new price: O(n) in the market's
trailing stops, of which an account may have few (MAX_NUM_ALGO_ORDERS).
"""

from collections.abc import Iterator
from typing import Final

from services.domain.orders import OrderType, Side
from services.engine.core.book import Order, PriceLevels, Special

BASIS_POINTS: Final = 10_000

# Types that wait for the market to rise when they buy, and to fall when they sell; the others the reverse.
_FOLLOWS_ITS_SIDE: Final = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})


def waits_for_rise(side: Side, kind: OrderType) -> bool:
    """Stop above the market: STOP_LOSS that buys, TAKE_PROFIT that sells."""
    return (side is Side.BUY) == (kind in _FOLLOWS_ITS_SIDE)


def is_reached(side: Side, kind: OrderType, stop_price_e8: int, price_e8: int) -> bool:
    return price_e8 >= stop_price_e8 if waits_for_rise(side, kind) else price_e8 <= stop_price_e8


class Triggers:
    """All stops of one market that have not been triggered."""

    __slots__ = ("_trailing", "falling", "rising")

    def __init__(self) -> None:
        self.rising = PriceLevels(best_is_highest=False)
        self.falling = PriceLevels(best_is_highest=True)
        self._trailing: dict[int, Order] = {}

    @property
    def are_set(self) -> bool:
        """Is there any stop that a trade could concern?"""
        return bool(self._trailing or self.rising.levels or self.falling.levels)

    def add(self, order: Order) -> None:
        special = _special(order)
        if special.trailing_delta:
            self._trailing[order.order_id] = order
        else:
            levels = self._levels_of(order)
            levels.add(order, special.stop_price_e8)
            levels.forget_changes()

    def discard(self, order: Order) -> None:
        """Take the order out, if it has not been taken out as triggered before."""
        self._trailing.pop(order.order_id, None)
        if order.level is not None:
            levels = self._levels_of(order)
            levels.remove(order)
            levels.forget_changes()

    def begin_trailing(self, price_e8: int, now_us: int) -> list[Order]:
        """Let the trailing stops that a trade at this price concerns follow the market from now on."""
        begun = [order for order in self._trailing.values() if _begins(order, price_e8)]
        for order in begun:
            special = _special(order)
            special.trailing_us, special.extreme_e8 = now_us, price_e8
        return begun

    def pop_reached(self, price_e8: int) -> list[Order]:
        """Take out the orders that a trade at this price triggers, oldest first."""
        reached = [*_pop(self.rising, price_e8), *_pop(self.falling, price_e8)]
        reached += [order for order in self._trailing.values() if _follow(_special(order), order.side, price_e8)]
        for order in reached:
            self._trailing.pop(order.order_id, None)
        reached.sort(key=lambda order: order.order_id)
        return reached

    def orders(self) -> Iterator[Order]:
        """In the order in which adding them again restores this state."""
        for levels in (self.rising, self.falling):
            for level in levels.best_first():
                yield from level.orders()
        yield from self._trailing.values()

    def _levels_of(self, order: Order) -> PriceLevels:
        return self.rising if waits_for_rise(order.side, order.type) else self.falling


def _pop(waiting: PriceLevels, price_e8: int) -> list[Order]:
    popped = []
    while (level := waiting.best()) is not None and waiting.crosses(level, price_e8):
        for order in level.orders():
            waiting.remove(order)
            popped.append(order)
    waiting.forget_changes()
    return popped


def _begins(order: Order, price_e8: int) -> bool:
    special = _special(order)
    if special.trailing_us:
        return False
    return not special.stop_price_e8 or is_reached(order.side, order.type, special.stop_price_e8, price_e8)


def _follow(special: Special, side: Side, price_e8: int) -> bool:
    """Let a trailing stop see a price; say whether that triggers it."""
    if not special.trailing_us:
        return False
    if side is Side.BUY:
        special.extreme_e8 = min(special.extreme_e8, price_e8)
        return price_e8 * BASIS_POINTS >= special.extreme_e8 * (BASIS_POINTS + special.trailing_delta)
    special.extreme_e8 = max(special.extreme_e8, price_e8)
    return price_e8 * BASIS_POINTS <= special.extreme_e8 * (BASIS_POINTS - special.trailing_delta)


def _special(order: Order) -> Special:
    assert order.special is not None, "a stop has a stop price or a trailing delta"
    return order.special
