"""What staff send and receive, in JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from services.backoffice.wire import (
    Address,
    AmountIn,
    AmountOut,
    AssetName,
    DepositView,
    NetworkName,
    Reason,
    RecordId,
    TxId,
    Wire,
    WithdrawalView,
)
from services.domain.market import MAX_FEE_RATE_E8, MarketStatus
from services.domain.money import format_e8, parse_e8
from services.domain.standing import VenueStatus

TIER_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
SPARE_ADDRESSES_MAX = 1_000


def _rate(value: Any) -> int | None:
    if value is None:
        return None
    try:
        rate_e8 = parse_e8(value) if isinstance(value, str) else -1
    except ValueError:
        rate_e8 = -1
    if not 0 <= rate_e8 <= MAX_FEE_RATE_E8:
        raise ValueError(f'must be a decimal from "0" to "{format_e8(MAX_FEE_RATE_E8)}" in a string; 0.001 is 0.1 %')
    return rate_e8


_RATE_SCHEMA = WithJsonSchema({"type": ["string", "null"], "examples": ["0.001"]})
RateIn = Annotated[int | None, PlainValidator(_rate), _RATE_SCHEMA]
RateOut = Annotated[
    int | None,
    PlainSerializer(lambda rate_e8: None if rate_e8 is None else format_e8(rate_e8), return_type=str | None),
    _RATE_SCHEMA,
]
TierName = Annotated[str, Field(pattern=TIER_PATTERN, examples=["maker-1"])]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9\-_.]{1,20}$", examples=["BTCUSDT"])]


class Because(Wire):
    """Every change says why."""

    reason: Reason


class Me(Wire):
    actor: str
    roles: list[str]
    actions: list[str]


class UserView(Wire):
    account_id: int
    email: str | None
    email_confirmed: bool
    created_at: datetime
    has_second_factor: bool
    roles: list[str]


class BalanceView(Wire):
    asset: str
    free: Annotated[AmountOut, Field(validation_alias="free_e8")]
    locked: Annotated[AmountOut, Field(validation_alias="locked_e8")]
    withdrawing: Annotated[AmountOut, Field(validation_alias="withdrawing_e8")]


class OrderView(Wire):
    order_id: int
    symbol: str
    side: str
    type: str
    price: Annotated[AmountOut, Field(validation_alias="price_e8")]
    quantity: Annotated[AmountOut, Field(validation_alias="quantity_e8")]
    executed: Annotated[AmountOut, Field(validation_alias="executed_e8")]
    status: str


class StaffWithdrawalView(WithdrawalView):
    account_id: int
    source: str
    provider: str | None
    approvals_needed: int


class ApprovalView(Wire):
    actor: str
    reason: str
    created_at: datetime


class WithdrawalDetails(StaffWithdrawalView):
    approvals: list[ApprovalView]


class StaffDepositView(DepositView):
    account_id: int | None
    source: str
    refusal: str | None


class UserDetails(UserView):
    status: str
    fee_tier: str | None
    limit_tier: str
    balances: list[BalanceView]
    open_orders: list[OrderView]
    withdrawals: list[StaffWithdrawalView]


class StatusView(Wire):
    status: str


class CancelOrders(Because):
    """In one market, or without ``symbol`` in all."""

    symbol: Symbol | None = None


class RolesChange(Because):
    roles: Annotated[list[Literal["support", "treasurer", "operator"]], Field(max_length=3)]


class TierChange(Because):
    """None is the tier of everyone who has no other."""

    tier: TierName | None


class FeeTierView(Wire):
    """None is the market's own rate."""

    name: str
    maker_fee: Annotated[RateOut, Field(validation_alias="maker_fee_rate_e8")]
    taker_fee: Annotated[RateOut, Field(validation_alias="taker_fee_rate_e8")]


class FeeTierChange(Because):
    maker_fee: RateIn = None
    taker_fee: RateIn = None


class MarketView(Wire):
    """``definition`` has the fields of the market file, amounts and rates in units of 0.00000001 (``_e8``)."""

    symbol: str
    status: str
    definition: dict[str, Any]


class MarketChange(Because):
    definition: dict[str, Any]


class MarketStatusChange(Because):
    status: MarketStatus


class VenueStatusChange(Because):
    """``HALTED`` is the kill switch: no order is taken anywhere; resting ones stay and can be cancelled."""

    status: VenueStatus


class Changed(Wire):
    changed: bool


class Settlement(Because):
    tx_id: TxId


class Credit(Because):
    """``reference`` names the deposit: with the same one it happens only once."""

    account_id: RecordId
    asset: AssetName
    amount: AmountIn
    reference: TxId


class Match(Because):
    account_id: RecordId


class SpareAddresses(Because):
    network: NetworkName
    addresses: Annotated[list[Address], Field(min_length=1, max_length=SPARE_ADDRESSES_MAX)]


class Added(Wire):
    added: int


class ReserveView(Wire):
    """``total`` is what the venue must have: free, locked and withdrawing of all accounts, ``venue``'s own included."""

    asset: str
    total: str
    free: str
    locked: str
    withdrawing: str
    venue: str
    accounts: int


class ReservesView(Wire):
    """All of one moment: the journal's ``sequence``."""

    sequence: int
    assets: list[ReserveView]


class AuditView(Wire):
    audit_id: int
    occurred_at: datetime
    actor: str
    roles: list[str]
    action: str
    subject: str
    outcome: str
    reason: str
    request_id: str
    details: dict[str, Any]
