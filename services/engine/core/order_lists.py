"""Order lists: orders whose fates are tied (dialect reference section 4.4).

A list is at most one working order, whose complete fill brings the pending ones to life, and a pair of rivals of which
only one may execute. OCO is a pair of rivals alone; OTO and OPO have one pending order, OTOCO and OPOCO a pending pair.
"""

from services.domain.commands import ListKind
from services.domain.events import OrderListState
from services.domain.orders import OPEN_STATUSES
from services.engine.core.book import Order


class OrderList:
    """``legs`` in the order of the command: the working order, if any, first."""

    __slots__ = ("account_id", "client_order_list_id", "kind", "legs", "order_list_id", "symbol")

    def __init__(
        self, order_list_id: int, account_id: int, symbol: str, client_order_list_id: str, kind: ListKind
    ) -> None:
        self.order_list_id = order_list_id
        self.account_id = account_id
        self.symbol = symbol
        self.client_order_list_id = client_order_list_id
        self.kind = kind
        self.legs: list[Order] = []

    @property
    def working(self) -> Order | None:
        return None if self.kind is ListKind.OCO else self.legs[0]

    @property
    def dependents(self) -> list[Order]:
        """The pending orders, or the rivals of an OCO."""
        return self.legs if self.kind is ListKind.OCO else self.legs[1:]

    @property
    def pays_pending(self) -> bool:
        """What the working order received is what the pending ones sell."""
        return self.kind in (ListKind.OPO, ListKind.OPOCO)

    def rival_of(self, order: Order) -> Order | None:
        """The other one of a pair, if this order is one of a pair."""
        pair = self.dependents
        if len(pair) < 2 or order not in pair:
            return None
        return pair[1] if order is pair[0] else pair[0]

    def is_done(self) -> bool:
        return all(leg.status not in OPEN_STATUSES for leg in self.legs)

    def state(self, now_us: int) -> OrderListState:
        return OrderListState(
            self.order_list_id,
            self.account_id,
            self.symbol,
            "OCO" if self.kind is ListKind.OCO else "OTO",
            self.client_order_list_id,
            self.is_done(),
            tuple((leg.order_id, leg.client_order_id) for leg in self.legs),
            now_us,
        )
