"""The form of orders and order lists: has a command what its type needs, and nothing that its type cannot have?

Answers depend on the command alone (dialect reference sections 4.1, 4.4 and 4.6).
"""

from typing import Final

from services.domain.commands import ListKind, PlaceOrder, PlaceOrderList
from services.domain.orders import CONTINGENT_TYPES, PRICELESS_TYPES, OrderType, PegPrice, Side, TimeInForce
from services.engine.core.placement import Placement

MAX_PEG_OFFSET: Final = 100
_TYPES_WITH_TIME_IN_FORCE: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_TAKES_PROFIT: Final = frozenset({OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_STOPS_LOSS: Final = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
_LEGS: Final = {ListKind.OCO: 2, ListKind.OTO: 2, ListKind.OTOCO: 3, ListKind.OPO: 2, ListKind.OPOCO: 3}


# Looking up a member of an Enum costs as much as a call, so the hot ones are bound once.
_LIMIT: Final = OrderType.LIMIT


def is_well_formed(placement: Placement) -> bool:
    """A plain limit order is most of the traffic, so it is recognised before every rule is asked."""
    if placement.type is _LIMIT and placement.is_plain and placement.price_e8 > 0 and placement.quantity_e8 > 0:
        return True
    numbers = (placement.quantity_e8, placement.price_e8, placement.quote_quantity_e8, placement.stop_price_e8)
    if min(*numbers, placement.trailing_delta, placement.iceberg_e8, placement.peg_offset) < 0:
        return False
    if placement.time_in_force is not TimeInForce.GTC and (
        placement.type not in _TYPES_WITH_TIME_IN_FORCE or placement.iceberg_e8
    ):
        return False
    stops = placement.stop_price_e8 > 0 or placement.trailing_delta > 0
    if stops != (placement.type in CONTINGENT_TYPES) or not _peg_is_well_formed(placement):
        return False
    if placement.type is OrderType.MARKET:
        one_quantity = (placement.quantity_e8 > 0) != (placement.quote_quantity_e8 > 0)
    else:
        one_quantity = placement.quantity_e8 > 0 and placement.quote_quantity_e8 == 0
    if placement.type in PRICELESS_TYPES:
        return one_quantity and placement.price_e8 == 0 and placement.iceberg_e8 == 0
    return one_quantity and (placement.price_e8 > 0 or placement.peg_price is not None)


def _peg_is_well_formed(placement: Placement) -> bool:
    """Which orders may take their price from the book, and from which side of it."""
    if placement.peg_price is None:
        return placement.peg_offset == 0
    if placement.peg_offset > MAX_PEG_OFFSET or placement.type in PRICELESS_TYPES:
        return False
    if placement.type is OrderType.LIMIT_MAKER:
        return placement.peg_price is PegPrice.PRIMARY_PEG
    joins_the_queue = placement.type is OrderType.LIMIT and placement.peg_price is PegPrice.PRIMARY_PEG
    return not joins_the_queue or placement.time_in_force is TimeInForce.GTC


def list_is_well_formed(command: PlaceOrderList) -> bool:
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
