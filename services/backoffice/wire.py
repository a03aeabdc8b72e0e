"""What users, providers and services send and receive, in JSON. Everything is bounded and checked here, once."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from services.backoffice.withdrawals import Wish
from services.domain.money import DECIMAL_PATTERN, MAX_E8, format_e8, parse_e8

ADDRESS_CHARS_MAX: Final = 128
LABEL_CHARS_MAX: Final = 64
REASON_CHARS_MAX: Final = 500
PAGE_MAX: Final = 500
LAST_ID: Final = MAX_E8
# Control characters, and halves of surrogate pairs, which cannot be stored.
_unprintable = re.compile(r"[\u0000-\u001f\u007f-\u009f\ud800-\udfff]")

_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _text(value: str) -> str:
    if _unprintable.search(value) or value != value.strip():
        raise ValueError("must have no control characters, and no space at either end")
    return value


def _amount(value: Any) -> int:
    """What a client sends: never a number, which could have been rounded on the way."""
    if not isinstance(value, str):
        raise ValueError('must be a decimal number in a string, such as "0.5"')
    try:
        amount_e8 = parse_e8(value)
    except ValueError:
        raise ValueError("must be a decimal number with up to 8 places") from None
    if amount_e8 == 0:
        raise ValueError("must be more than 0")
    return amount_e8


_AMOUNT_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": DECIMAL_PATTERN, "examples": ["0.5"]})
AmountIn = Annotated[int, PlainValidator(_amount), _AMOUNT_SCHEMA]
AmountOut = Annotated[int, PlainSerializer(format_e8, return_type=str), _AMOUNT_SCHEMA]
AssetName = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$", examples=["BTC"])]
NetworkName = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$", examples=["CROSSBOOK"])]
Address = Annotated[str, Field(min_length=1, max_length=ADDRESS_CHARS_MAX), AfterValidator(_text)]
Memo = Annotated[str, Field(max_length=ADDRESS_CHARS_MAX), AfterValidator(_text)]
Label = Annotated[str, Field(min_length=1, max_length=LABEL_CHARS_MAX), AfterValidator(_text)]
TxId = Annotated[str, Field(min_length=1, max_length=ADDRESS_CHARS_MAX), AfterValidator(_text)]
ClientId = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_text)]
Reason = Annotated[str, Field(min_length=3, max_length=REASON_CHARS_MAX), AfterValidator(_text)]
Code = Annotated[str, Field(min_length=1, max_length=32)]
RecordId = Annotated[int, Field(ge=1, le=MAX_E8)]
Page = Annotated[int, Field(ge=1, le=PAGE_MAX, description="How many at most; the newest first.")]
Before = Annotated[int, Field(ge=1, le=MAX_E8, description="The last id of the page before.")]


def _written_out(moment: Any) -> Any:
    """A bare number would pass for seconds since 1970."""
    if isinstance(moment, str) and _date.match(moment) is None:
        raise ValueError("must be a date or a time such as 2026-11-30T12:00:00Z")
    return moment


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# In a query; UTC unless it says otherwise.
Moment = Annotated[datetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]


class Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", hide_input_in_errors=True, from_attributes=True
    )


# What the wallet handles


class NetworkView(Wire):
    network: str
    name: str
    is_default: bool
    deposits: bool
    withdrawals: bool
    minimum: AmountOut
    fee: AmountOut
    step: AmountOut
    confirmations: int
    needs_memo: bool
    address_pattern: str


class AssetView(Wire):
    asset: str
    name: str
    networks: list[NetworkView]


# Deposits


class DepositAddressView(Wire):
    asset: str
    network: str
    address: str
    memo: str


class DepositView(Wire):
    """PENDING until it has its confirmations, CREDITING for a moment, then CREDITED."""

    deposit_id: int
    asset: str
    network: str
    tx_id: str
    tx_index: int
    address: str
    memo: str
    amount: Annotated[AmountOut, Field(validation_alias="amount_e8")]
    confirmations: int
    confirmations_needed: int
    status: str
    created_at: datetime
    credited_at: datetime | None


class Arrived(Wire):
    """One output of a transaction, as a provider saw it."""

    asset: AssetName
    network: NetworkName
    tx_id: TxId
    index: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    address: Address
    memo: Memo = ""
    amount: AmountIn
    confirmations: Annotated[int, Field(ge=0, le=2**31 - 1)]


class ArrivalView(Wire):
    deposit_id: int
    status: str


# The address book


class NewEntry(Wire):
    label: Label
    asset: AssetName
    network: NetworkName | None = None
    address: Address
    memo: Memo = ""
    code: Code | None = None


class EntryChanges(Wire):
    label: Label


class EntryView(Wire):
    entry_id: int
    label: str
    asset: str
    network: str
    address: str
    memo: str
    created_at: datetime
    usable_at: datetime


class Shown(Wire):
    """A code of the second factor, for those who have one."""

    code: Code | None = None


class Preferences(Wire):
    """``BOOK``: send to the address book only. Going back to ``ANY`` keeps everything in for a while."""

    withdraw_to: Literal["ANY", "BOOK"]
    code: Code | None = None


class LimitView(Wire):
    asset: str
    limit: AmountOut
    left: AmountOut


class LimitsView(Wire):
    """What may leave within 24 hours. Nothing does before ``lockedUntil``."""

    tier: str
    withdraw_to: Literal["ANY", "BOOK"]
    locked_until: datetime | None
    frozen: bool
    second_factor: bool
    limits: list[LimitView]


# Withdrawals and transfers


class WithdrawalRequest(Wire):
    """``amount`` leaves the account, and the network's fee is paid from it. Name an address, or one of the book."""

    asset: AssetName
    network: NetworkName | None = None
    amount: AmountIn
    address: Address | None = None
    memo: Memo = ""
    entry_id: RecordId | None = None
    withdraw_order_id: ClientId | None = None
    code: Code | None = None


class WithdrawalFromTrading(Wire):
    """The same, signed with an API key that may withdraw."""

    asset: AssetName
    network: NetworkName | None = None
    amount: AmountIn
    address: Address
    memo: Memo = ""
    withdraw_order_id: ClientId | None = None

    def wish(self, source: str) -> Wish:
        return Wish(self.asset, self.network, self.address, self.memo, self.amount, self.withdraw_order_id, source)


class WithdrawalView(Wire):
    """``amount`` arrives; with ``fee`` it is what left the account. docs/wallet.md tells what each status means."""

    withdrawal_id: int
    withdraw_order_id: Annotated[str | None, Field(validation_alias="client_id")]
    asset: str
    network: str
    address: str
    memo: str
    amount: Annotated[AmountOut, Field(validation_alias="amount_e8")]
    fee: Annotated[AmountOut, Field(validation_alias="fee_e8")]
    status: str
    refusal: str | None
    note: str | None
    tx_id: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class TransferRequest(Wire):
    """``recipient`` is an account id or a confirmed e-mail address."""

    recipient: Annotated[str, Field(min_length=1, max_length=254), AfterValidator(_text)]
    asset: AssetName
    amount: AmountIn
    transfer_order_id: ClientId | None = None
    code: Code | None = None


class TransferAccepted(Wire):
    """The same whether or not there is such a recipient; the history tells what became of it."""

    transfer_id: int
    status: Literal["ACCEPTED"] = "ACCEPTED"


class TransferView(Wire):
    """``direction`` is IN or OUT. A transfer that could not be delivered is RETURNED: it never left."""

    transfer_id: int
    direction: Literal["IN", "OUT"]
    transfer_order_id: str | None
    recipient: str | None
    sender_account_id: int | None
    asset: str
    amount: AmountOut
    status: str
    created_at: datetime
    completed_at: datetime | None


# Payouts, for providers


class PayoutQuery(Wire):
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class PayoutView(Wire):
    withdrawal_id: int
    asset: str
    network: str
    address: str
    memo: str
    amount: Annotated[AmountOut, Field(validation_alias="amount_e8")]


class PayoutReport(Wire):
    """``SENT`` with the transaction's id, or ``FAILED``, which says that it was not and will not be sent."""

    withdrawal_id: RecordId
    status: Literal["SENT", "FAILED"]
    tx_id: TxId | None = None
    note: Annotated[str, Field(max_length=REASON_CHARS_MAX), AfterValidator(_text)] = ""

    @model_validator(mode="after")
    def _names_its_transaction(self) -> "PayoutReport":
        if (self.tx_id is None) != (self.status == "FAILED"):
            raise ValueError("txId belongs to SENT, and must be there")
        return self


class StatusView(Wire):
    status: str


class Health(BaseModel):
    status: Literal["live", "ready"]


def utc_us(moment: datetime) -> int:
    """Epoch microseconds."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
