"""Commands: what anyone can ask of the exchange. Imperative, frozen, one type per meaning.

Zero or the empty string stands for "not given" in optional fields, so that a command is a flat array on the wire and in
the journal. New fields are appended with a default: old journals stay readable.
"""

import msgspec

from services.domain.market import Market
from services.domain.orders import OrderType, Side, TimeInForce


class _Command(msgspec.Struct, frozen=True, array_like=True, tag=True, tag_field="command", gc=False):
    pass


class PlaceOrder(_Command, frozen=True):
    """Exactly one of ``quantity_e8`` and ``quote_quantity_e8`` is given; ``price_e8`` for all but MARKET."""

    account_id: int
    symbol: str
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity_e8: int
    price_e8: int = 0
    quote_quantity_e8: int = 0


class CancelOrder(_Command, frozen=True):
    """Names the order by ``order_id``, else by ``client_order_id``; both must agree when both are given."""

    account_id: int
    symbol: str
    order_id: int
    client_order_id: str
    cancel_client_order_id: str


class CancelAllOrders(_Command, frozen=True):
    """Cancel every open order of the account in one market."""

    account_id: int
    symbol: str
    cancel_client_order_id: str


class Deposit(_Command, frozen=True):
    """Bring money in. ``reference`` is the idempotency key."""

    account_id: int
    asset: str
    amount_e8: int
    reference: str


class Withdraw(_Command, frozen=True):
    """Take money out of the free balance. ``reference`` is the idempotency key."""

    account_id: int
    asset: str
    amount_e8: int
    reference: str


class DefineMarket(_Command, frozen=True):
    """List a market, or change the limits and fees of a listed one."""

    market: Market


Command = PlaceOrder | CancelOrder | CancelAllOrders | Deposit | Withdraw | DefineMarket
