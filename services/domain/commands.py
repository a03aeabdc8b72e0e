"""Commands: what anyone can ask of the exchange. Imperative, frozen, one type per meaning.

Zero or the empty string stands for "not given" in optional fields, so that a command is a flat array on the wire and in
the journal. New fields are appended with a default: old journals stay readable.
"""

import msgspec

from services.domain.market import Market, MarketStatus, Venue
from services.domain.orders import OrderType, PegPrice, SelfTradePrevention, Side, TimeInForce
from services.domain.standing import AccountStatus, VenueStatus
from services.domain.words import Word


class _Command(msgspec.Struct, frozen=True, array_like=True, tag=True, tag_field="command", gc=False):
    pass


class PlaceOrder(_Command, frozen=True):
    """``quantity_e8``, or for MARKET alternatively ``quote_quantity_e8``; a price or a peg for the types that have one.

    Stops have ``stop_price_e8``, ``trailing_delta`` (basis points) or both. Without ``self_trade_prevention`` the
    account's default applies, else the market's.
    """

    account_id: int
    symbol: str
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity_e8: int
    price_e8: int = 0
    quote_quantity_e8: int = 0
    stop_price_e8: int = 0
    trailing_delta: int = 0
    iceberg_e8: int = 0
    self_trade_prevention: SelfTradePrevention | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    peg_price: PegPrice | None = None
    peg_offset: int = 0


class ListKind(Word):
    """OCO: two rivals. OTO: a working order and one or two pending ones (then rivals). OPO: paid by the working one."""

    OCO = "OCO"
    OTO = "OTO"
    OTOCO = "OTOCO"
    OPO = "OPO"
    OPOCO = "OPOCO"


class PlaceOrderList(_Command, frozen=True):
    """``orders`` are above and below for OCO, else the working order first. Pending OPO orders have no quantity."""

    account_id: int
    symbol: str
    client_order_list_id: str
    kind: ListKind
    orders: tuple[PlaceOrder, ...]


class CancelRestriction(Word):
    """Cancel only an order that has not, or has, executed in part."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


class CancelOrder(_Command, frozen=True):
    """Names the order by ``order_id``, else by ``client_order_id``; both must agree when both are given."""

    account_id: int
    symbol: str
    order_id: int
    client_order_id: str
    cancel_client_order_id: str
    restriction: CancelRestriction | None = None


class CancelOrderList(_Command, frozen=True):
    """Names the list by ``order_list_id``, else by ``client_order_list_id``; all its orders go."""

    account_id: int
    symbol: str
    order_list_id: int
    client_order_list_id: str
    cancel_client_order_id: str


class ReplaceOrder(_Command, frozen=True):
    """Cancel one order and place another. With ``stop_on_failure`` a failed cancel places nothing."""

    cancel: CancelOrder
    place: PlaceOrder
    stop_on_failure: bool


class AmendOrder(_Command, frozen=True):
    """Reduce an open order to ``quantity_e8`` and rename it; it keeps its priority."""

    account_id: int
    symbol: str
    order_id: int
    client_order_id: str
    new_client_order_id: str
    quantity_e8: int


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


class HoldWithdrawal(_Command, frozen=True):
    """Set ``amount_e8`` and the fee aside until the withdrawal is settled or rejected under the same ``reference``."""

    account_id: int
    asset: str
    amount_e8: int
    fee_e8: int
    reference: str


class SettleWithdrawal(_Command, frozen=True):
    """The money has left: take the held amount out of the venue and pay the fee to it."""

    reference: str


class RejectWithdrawal(_Command, frozen=True):
    """Give the held amount and the fee back to their owner."""

    reference: str


class TransferFunds(_Command, frozen=True):
    """Move free money from one account to another. ``reference`` is the idempotency key."""

    account_id: int
    to_account_id: int
    asset: str
    amount_e8: int
    reference: str


class CancelAccountOrders(_Command, frozen=True):
    """The venue ends the account's open orders in one market or, without ``symbol``, in all of them."""

    account_id: int
    symbol: str = ""


class SetAccountStatus(_Command, frozen=True):
    """Freezing an account ends its open orders everywhere."""

    account_id: int
    status: AccountStatus


class SetVenueStatus(_Command, frozen=True):
    """Halt all markets at once, or let each have its own status again."""

    status: VenueStatus


class DefineMarket(_Command, frozen=True):
    """List a market, or change the limits and fees of a listed one.

    An engine brings its market file in with ``from_file``, which never overrules what was defined otherwise.
    """

    market: Market
    from_file: bool = False


class DefineVenue(_Command, frozen=True):
    """Set the limits that span markets."""

    venue: Venue


class SetMarketStatus(_Command, frozen=True):
    """Open, halt or close a market. Resting orders stay."""

    symbol: str
    status: MarketStatus


class SetAccountTerms(_Command, frozen=True):
    """What holds for one account only; None means as for everyone.

    Accounts of one ``trade_group_id`` (0: none) count as one owner for self-trade prevention.
    """

    account_id: int
    self_trade_prevention: SelfTradePrevention | None = None
    maker_fee_rate_e8: int | None = None
    taker_fee_rate_e8: int | None = None
    trade_group_id: int = 0


Command = (
    PlaceOrder
    | PlaceOrderList
    | CancelOrder
    | CancelOrderList
    | ReplaceOrder
    | AmendOrder
    | CancelAllOrders
    | Deposit
    | Withdraw
    | DefineMarket
    | DefineVenue
    | SetMarketStatus
    | SetAccountTerms
    | HoldWithdrawal
    | SettleWithdrawal
    | RejectWithdrawal
    | TransferFunds
    | CancelAccountOrders
    | SetAccountStatus
    | SetVenueStatus
)
