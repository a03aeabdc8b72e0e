"""What an order is, in the dialect's words, and its state as everyone outside the core sees it."""

from enum import Enum

import msgspec


class Side(Enum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(Enum):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"


class TimeInForce(Enum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(Enum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


OPEN_STATUSES = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class ExpiryReason(Enum):
    """Why an order ended without its owner asking (dialect reference section 4.1)."""

    NONE = "NONE"
    UNFILLED_IOC_QUANTITY_EXPIRED = "UNFILLED_IOC_QUANTITY_EXPIRED"
    UNFILLED_FOK_ORDER_EXPIRED = "UNFILLED_FOK_ORDER_EXPIRED"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"


class OrderState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order after a change. ``quote_quantity_e8`` is the amount a MARKET order asked to spend or receive, else 0.

    ``working_us`` is when it began to take part in trading: on arrival, for all orders that are not contingent.
    """

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
    created_us: int
    updated_us: int
    working_us: int
    expiry_reason: ExpiryReason = ExpiryReason.NONE
