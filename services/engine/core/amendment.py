"""Amendments make an open order smaller where it stands, so it keeps its priority (dialect reference section 4.8)."""

from services.domain.commands import AmendOrder
from services.domain.money import notional_exact
from services.domain.orders import OrderStatus
from services.domain.refusals import Refusal
from services.engine.core import filters
from services.engine.core.book import Order
from services.engine.core.listing import Listing


def refuse_amendment(command: AmendOrder, order: Order, listing: Listing) -> Refusal | None:
    """Why this open order cannot become what the command asks for; None if it can."""
    rules = listing.rules
    if not listing.takes_orders:
        return Refusal.MARKET_CLOSED
    tied = order.order_list
    if order.status is OrderStatus.PENDING_NEW and tied is not None and tied.pays_pending:
        return Refusal.AMEND_PENDING_OPO
    if command.quantity_e8 > order.quantity_e8:
        return Refusal.AMEND_INCREASES
    if command.quantity_e8 == order.quantity_e8:
        return Refusal.AMEND_CHANGES_NOTHING
    renamed = command.new_client_order_id != order.client_order_id
    if renamed and command.new_client_order_id in listing.open_orders(order.account_id).by_name:
        return Refusal.DUPLICATE_CLIENT_ORDER_ID
    if not filters.fits_lot(command.quantity_e8, rules):
        return Refusal.LOT_SIZE
    amount_e8 = notional_exact(order.limit_e8, command.quantity_e8)
    if order.limit_e8 and not filters.fits_notional(amount_e8, rules):
        return Refusal.NOTIONAL
    rival = tied.rival_of(order) if tied is not None else None
    if any(command.quantity_e8 <= leg.quantity_e8 - leg.remaining_e8 for leg in (order, rival) if leg is not None):
        return Refusal.AMEND_CHANGES_NOTHING
    amendments = order.special.amendments if order.special is not None else 0
    if rules.max_amendments and amendments >= rules.max_amendments:
        return Refusal.MAX_NUM_ORDER_AMENDS
    return None
