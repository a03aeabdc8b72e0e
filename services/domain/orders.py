"""What an order is, in the dialect's words, and its state as everyone outside the core sees it."""

import msgspec

from services.domain.words import Word


class Side(Word):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(Word):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


# Orders that wait for the market to reach a price; the dialect's filters call them algo orders.
CONTINGENT_TYPES = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)
# Types that take what the book offers at any price once they are live.
PRICELESS_TYPES = frozenset({OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})


class TimeInForce(Word):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(Word):
    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


OPEN_STATUSES = frozenset({OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class SelfTradePrevention(Word):
    """What happens instead of a trade with oneself (dialect reference section 4.2)."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


class PegPrice(Word):
    """Which best price a pegged order takes: of its own side, or of the other (section 4.6)."""

    PRIMARY_PEG = "PRIMARY_PEG"
    MARKET_PEG = "MARKET_PEG"


class ExpiryReason(Word):
    """Why an order ended without its owner asking (dialect reference section 4.1)."""

    NONE = "NONE"
    UNFILLED_IOC_QUANTITY_EXPIRED = "UNFILLED_IOC_QUANTITY_EXPIRED"
    UNFILLED_FOK_ORDER_EXPIRED = "UNFILLED_FOK_ORDER_EXPIRED"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    OCO_TRIGGER = "OCO_TRIGGER"
    OTO_PHASE_ONE_EXPIRED = "OTO_PHASE_ONE_EXPIRED"
    EXCHANGE_CANCELED = "EXCHANGE_CANCELED"
    REJECTED = "REJECTED"


class OrderDetails(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What only some orders have; 0 or None stands for "not given" or "not yet".

    ``trailing_us`` is when a trailing stop began to follow the market, ``pegged_price_e8`` the price a pegged order got
    from the book, ``prevented_e8`` what self-trade prevention took away.
    """

    stop_price_e8: int = 0
    trailing_delta: int = 0
    trailing_us: int = 0
    iceberg_e8: int = 0
    prevented_e8: int = 0
    prevented_match_id: int = 0
    order_list_id: int = 0
    strategy_id: int | None = None
    strategy_type: int | None = None
    peg_price: PegPrice | None = None
    peg_offset: int = 0
    pegged_price_e8: int = 0
    amendments: int = 0


class OrderState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order after a change.

    ``quote_quantity_e8`` is the amount a MARKET order asked to spend or receive, else 0. ``working_us`` is when it
    began to take part in trading: on arrival, unless it waits for a trigger or for another order of its list; then 0.
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
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE
    details: OrderDetails | None = None
