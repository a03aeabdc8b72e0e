"""Aggregate trades: how a market's trades are taken together (docs/adr/0008)."""

from services.domain.events import OrderFilled


class Aggregates:
    """Numbers the aggregate trades of each market: consecutive trades of one taker order at one price.

    An order takes at one time only, so they have one time too, and none reaches from one batch into the next.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int, int]] = {}

    def begin(self, symbol: str, number: int) -> None:
        """Count on from an aggregate that nothing will be added to."""
        self._last[symbol] = (number, 0, 0)

    def number(self, trade: OrderFilled) -> int:
        """The number of the aggregate that the next trade belongs to, from 1."""
        number, order_id, price_e8 = self._last.get(trade.symbol, (0, 0, 0))
        if (trade.taker.order_id, trade.price_e8) != (order_id, price_e8):
            number += 1
            self._last[trade.symbol] = (number, trade.taker.order_id, trade.price_e8)
        return number
