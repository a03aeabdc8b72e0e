"""What journal entries mean to the people behind the accounts. Pure.

All fills of one order within the entries read together are one notice, so a sweep of fifty fills is one message. Events
are decoded one by one: a kind that a newer engine writes, or one that says more than this process knows, is passed
over or read as far as it is known, and never stops the rest.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from services.domain.events import OrderExpired, OrderFilled
from services.domain.money import ONE_E8, format_e8
from services.domain.orders import OrderState
from services.notifier import kinds
from services.notifier.notices import NewNotice

# Accounts below belong to the exchange itself.
FIRST_ACCOUNT_ID: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_any_decoder: Final = msgspec.msgpack.Decoder(list[list[list[Any]]])


class UnreadableEvent(NamedTuple):
    """An event of a kind this process knows, in a shape that it does not."""

    sequence: int
    kind: str


class Entry(NamedTuple):
    """One row of the journal; ``events`` as recorded."""

    sequence: int
    time_us: int
    events: bytes


class _Movement(msgspec.Struct, frozen=True, array_like=True):
    """How every event about money begins."""

    account_id: int
    asset: str
    amount_e8: int


class _HeldMovement(_Movement, frozen=True, array_like=True):
    fee_e8: int
    reference: str


class _Transfer(msgspec.Struct, frozen=True, array_like=True):
    account_id: int
    to_account_id: int
    asset: str
    amount_e8: int
    reference: str


class _Standing(msgspec.Struct, frozen=True, array_like=True):
    account_id: int
    status: str


@dataclass(slots=True)
class _Filled:
    """One order's fills so far."""

    order: OrderState
    sequence: int
    time_us: int
    last_trade_id: int = 0
    fills: int = 0
    quantity_e8: int = 0
    quote_e8: int = 0

    def add(self, order: OrderState, event: OrderFilled, entry: Entry) -> None:
        self.order, self.sequence, self.time_us = order, entry.sequence, entry.time_us
        self.last_trade_id = event.trade_id
        self.fills += 1
        self.quantity_e8 += event.quantity_e8
        self.quote_e8 += event.quote_e8


@dataclass(slots=True)
class Told:
    """``money`` concerns whoever owns the account, ``orders`` only accounts with a person behind them."""

    money: list[NewNotice] = field(default_factory=list)
    orders: list[NewNotice] = field(default_factory=list)
    unreadable: list[UnreadableEvent] = field(default_factory=list)


def told_by(entries: Iterable[Entry]) -> Told:
    """The notices of these entries, in the order of what happened last in each."""
    reading = _Reading()
    for entry in entries:
        if any(name in entry.events for name in _NAMES):
            reading.read(entry)
    reading.close()
    return reading.told


class _Reading:
    def __init__(self) -> None:
        self.told = Told()
        self._filled: dict[tuple[str, int], _Filled] = {}

    def read(self, entry: Entry) -> None:
        place = 0
        for events in _any_decoder.decode(entry.events):
            for event in events:
                place += 1
                read = _READERS.get(event[0])
                if read is None:
                    continue
                try:
                    read(self, entry, place, event)
                except (msgspec.ValidationError, IndexError):
                    self.told.unreadable.append(UnreadableEvent(entry.sequence, event[0]))

    def close(self) -> None:
        for filled in self._filled.values():
            source_id = f"filled:{filled.order.symbol}:{filled.order.order_id}:{filled.last_trade_id}"
            data = _order(filled.order) | {
                "fills": filled.fills,
                "quantity": format_e8(filled.quantity_e8),
                "quoteQuantity": format_e8(filled.quote_e8),
                "averagePrice": format_e8(filled.quote_e8 * ONE_E8 // filled.quantity_e8),
            }
            notice = _notice(source_id, filled.order.account_id, kinds.ORDER_FILLED, filled.time_us, data)
            self.told.orders.append(notice)

    def filled(self, entry: Entry, _place: int, raw: list[Any]) -> None:
        event = msgspec.convert(raw, OrderFilled)
        for order in (event.taker, event.maker):
            if order.account_id >= FIRST_ACCOUNT_ID:
                key = (order.symbol, order.order_id)
                known = self._filled.get(key)
                if known is None:
                    known = self._filled[key] = _Filled(order, entry.sequence, entry.time_us)
                known.add(order, event, entry)

    def expired(self, entry: Entry, _place: int, raw: list[Any]) -> None:
        order = msgspec.convert(raw, OrderExpired).order
        if order.account_id >= FIRST_ACCOUNT_ID:
            data = _order(order) | {"reason": order.expiry_reason.value}
            source_id = f"expired:{order.symbol}:{order.order_id}"
            notice = _notice(source_id, order.account_id, kinds.ORDER_EXPIRED, entry.time_us, data)
            self.told.orders.append(notice)

    def deposited(self, entry: Entry, place: int, raw: list[Any]) -> None:
        event = msgspec.convert(raw[1:], _Movement)
        self._money(entry, place, event.account_id, kinds.DEPOSIT, _amount(event.asset, event.amount_e8))

    def withdrawn(self, entry: Entry, place: int, raw: list[Any]) -> None:
        event = msgspec.convert(raw[1:], _Movement)
        data = _amount(event.asset, event.amount_e8) | {"status": "SETTLED"}
        self._money(entry, place, event.account_id, kinds.WITHDRAWAL, data)

    def withdrawal(self, entry: Entry, place: int, raw: list[Any]) -> None:
        event = msgspec.convert(raw[1:], _HeldMovement)
        status = _WITHDRAWAL_STATUSES[raw[0]]
        data = _amount(event.asset, event.amount_e8) | {"fee": format_e8(event.fee_e8), "status": status}
        self._money(entry, place, event.account_id, kinds.WITHDRAWAL, data)

    def transferred(self, entry: Entry, place: int, raw: list[Any]) -> None:
        event = msgspec.convert(raw[1:], _Transfer)
        amount = _amount(event.asset, event.amount_e8)
        sent = amount | {"direction": "SENT", "counterparty": event.to_account_id}
        self._money(entry, place, event.account_id, kinds.TRANSFER, sent)
        received = amount | {"direction": "RECEIVED", "counterparty": event.account_id}
        self._money(entry, place, event.to_account_id, kinds.TRANSFER, received)

    def standing(self, entry: Entry, place: int, raw: list[Any]) -> None:
        event = msgspec.convert(raw[1:], _Standing)
        self._money(entry, place, event.account_id, kinds.ACCOUNT_STATUS, {"status": event.status})

    def _money(self, entry: Entry, place: int, account_id: int, kind: str, data: dict[str, Any]) -> None:
        if account_id >= FIRST_ACCOUNT_ID:
            source_id = f"journal:{entry.sequence}:{place}:{account_id}"
            self.told.money.append(_notice(source_id, account_id, kind, entry.time_us, data))


_Reader = Callable[[_Reading, Entry, int, list[Any]], None]
_WITHDRAWAL_STATUSES: Final = {
    "WithdrawalHeld": "HELD",
    "WithdrawalSettled": "SETTLED",
    "WithdrawalRejected": "REJECTED",
}
_READERS: Final[Mapping[str, _Reader]] = {
    "OrderFilled": _Reading.filled,
    "OrderExpired": _Reading.expired,
    "FundsDeposited": _Reading.deposited,
    "FundsWithdrawn": _Reading.withdrawn,
    **dict.fromkeys(_WITHDRAWAL_STATUSES, _Reading.withdrawal),
    "FundsTransferred": _Reading.transferred,
    "AccountStatusSet": _Reading.standing,
}
# Most entries hold none of these, and need not be decoded.
_NAMES: Final = tuple(name.encode() for name in _READERS)


def _order(order: OrderState) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "clientOrderId": order.client_order_id,
        "side": order.side.value,
        "type": order.type.value,
        "status": order.status.value,
        "price": format_e8(order.price_e8),
        "orderQuantity": format_e8(order.quantity_e8),
        "executedQuantity": format_e8(order.executed_e8),
    }


def _amount(asset: str, amount_e8: int) -> dict[str, Any]:
    return {"asset": asset, "amount": format_e8(amount_e8)}


def _notice(source_id: str, account_id: int, kind: str, time_us: int, data: dict[str, Any]) -> NewNotice:
    return NewNotice(source_id, account_id, kind, _EPOCH + timedelta(microseconds=time_us), data)
