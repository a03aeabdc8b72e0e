"""Events: what happened, in the order it happened. Past tense, frozen, one type per meaning.

Every event carries absolute values (an order's whole state, a balance's new amounts, a price level's new quantity), so
folding the events of the journal rebuilds every projection, and applying one twice does no harm.
"""

import msgspec

from services.domain.commands import PlaceOrder
from services.domain.market import Market, MarketStatus, Venue
from services.domain.orders import OrderState, SelfTradePrevention, Side
from services.domain.refusals import Refusal
from services.domain.standing import AccountStatus, VenueStatus


class _Event(msgspec.Struct, frozen=True, array_like=True, tag=True, tag_field="event", gc=False):
    pass


class OrderAccepted(_Event, frozen=True):
    """The order passed every check. Its fills and its expiry, if any, follow as events of their own."""

    order: OrderState


class OrderFilled(_Event, frozen=True):
    """One trade between a taker and one maker at the maker's price; ``taker`` and ``maker`` are the states after it.

    Each side pays its fee in the asset it received: the buyer in base, the seller in quote.
    """

    trade_id: int
    symbol: str
    price_e8: int
    quantity_e8: int
    quote_e8: int
    taker_fee_e8: int
    maker_fee_e8: int
    taker: OrderState
    maker: OrderState

    @property
    def buyer_is_maker(self) -> bool:
        return self.maker.side is Side.BUY


class OrderCanceled(_Event, frozen=True):
    """The owner asked for it; ``cancel_client_order_id`` names the request."""

    order: OrderState
    cancel_client_order_id: str


class OrderTriggered(_Event, frozen=True):
    """A stop's condition came true, or the order a pending one waited for was filled: it now takes part in trading."""

    order: OrderState


class OrderBeganTrailing(_Event, frozen=True):
    """A trailing stop follows the market from this trade on; it has not been triggered."""

    order: OrderState


class OrderAmended(_Event, frozen=True):
    """The quantity went from ``old_quantity_e8`` to the order's; ``old_client_order_id`` no longer names it."""

    order: OrderState
    execution_id: int
    old_quantity_e8: int
    old_client_order_id: str


class MatchPrevented(_Event, frozen=True):
    """Instead of a self-trade: how much of each order the rule took away, and the states after it."""

    prevented_match_id: int
    symbol: str
    price_e8: int
    mode: SelfTradePrevention
    trade_group_id: int
    taker_prevented_e8: int
    maker_prevented_e8: int
    taker: OrderState
    maker: OrderState


class CancelRefused(_Event, frozen=True):
    """The first half of a ReplaceOrder that goes on all the same."""

    reason: Refusal


class ReplacementRefused(_Event, frozen=True):
    """The second half of a ReplaceOrder whose first half was done or may fail; ``order`` is what it asked for."""

    reason: Refusal
    order: PlaceOrder


class OrderListState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``orders`` are (order id, client order id) of every leg, open or not."""

    order_list_id: int
    account_id: int
    symbol: str
    contingency: str
    client_order_list_id: str
    is_done: bool
    orders: tuple[tuple[int, str], ...]
    updated_us: int


class OrderListChanged(_Event, frozen=True):
    """The list began, ended, or a leg got another client order id."""

    order_list: OrderListState
    is_update: bool = False


class OrderExpired(_Event, frozen=True):
    """The rules ended it; ``order.expiry_reason`` says which."""

    order: OrderState


class FundsDeposited(_Event, frozen=True):
    account_id: int
    asset: str
    amount_e8: int
    reference: str


class FundsWithdrawn(_Event, frozen=True):
    account_id: int
    asset: str
    amount_e8: int
    reference: str


class WithdrawalHeld(_Event, frozen=True):
    account_id: int
    asset: str
    amount_e8: int
    fee_e8: int
    reference: str


class WithdrawalSettled(_Event, frozen=True):
    """The amount has left the venue; the fee went to the fee account."""

    account_id: int
    asset: str
    amount_e8: int
    fee_e8: int
    reference: str


class WithdrawalRejected(_Event, frozen=True):
    """Amount and fee are free again."""

    account_id: int
    asset: str
    amount_e8: int
    fee_e8: int
    reference: str


class FundsTransferred(_Event, frozen=True):
    account_id: int
    to_account_id: int
    asset: str
    amount_e8: int
    reference: str


class AccountStatusSet(_Event, frozen=True):
    """If the account is frozen now, the ends of its open orders follow."""

    account_id: int
    status: AccountStatus


class VenueStatusSet(_Event, frozen=True):
    status: VenueStatus


class MarketDefined(_Event, frozen=True):
    """The market has its own status now, unless a MarketStatusSet follows."""

    market: Market


class MarketStatusSet(_Event, frozen=True):
    symbol: str
    status: MarketStatus


class VenueDefined(_Event, frozen=True):
    venue: Venue


class AccountTermsSet(_Event, frozen=True):
    account_id: int
    self_trade_prevention: SelfTradePrevention | None
    maker_fee_rate_e8: int | None
    taker_fee_rate_e8: int | None
    trade_group_id: int


class BalanceChanged(_Event, frozen=True):
    """New amounts of one asset of one account, once per command, after the events that caused it."""

    account_id: int
    asset: str
    free_e8: int
    locked_e8: int
    withdrawing_e8: int = 0


class BookChanged(_Event, frozen=True):
    """New total quantities of the price levels one command touched; 0 means the level is gone.

    ``update_id`` grows by one per command that changed this market's book (dialect reference section 7.4).
    """

    symbol: str
    update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


Event = (
    OrderAccepted
    | OrderFilled
    | OrderCanceled
    | OrderExpired
    | OrderBeganTrailing
    | OrderTriggered
    | OrderAmended
    | MatchPrevented
    | CancelRefused
    | ReplacementRefused
    | OrderListChanged
    | MarketStatusSet
    | VenueDefined
    | AccountTermsSet
    | FundsDeposited
    | FundsWithdrawn
    | MarketDefined
    | BalanceChanged
    | BookChanged
    | WithdrawalHeld
    | WithdrawalSettled
    | WithdrawalRejected
    | FundsTransferred
    | AccountStatusSet
    | VenueStatusSet
)
