"""User events: what one journal entry means to the accounts it is about, in the dialect's shapes (section 8.3, 8.4).

``user_events`` is pure: the same entry gives the same events, byte for byte, whether it has just been committed or is
read from the journal a day later. Each account is told its own side only.

Order: the commands of the entry one after the other; of each command first what happened to orders and lists, as it
happened, then one ``outboundAccountPosition`` with the balances it may have changed.

Beyond the dialect every event has ``journalSequence`` and ``journalIndex``, its cursor (``cursor.py``), as last fields.
An execution id is derived from that cursor, but for an amendment, whose id the engine gives and REST tells.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, NamedTuple

from services.domain.commands import PlaceOrder
from services.domain.events import (
    BalanceChanged,
    Event,
    FundsDeposited,
    FundsTransferred,
    FundsWithdrawn,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderListChanged,
    OrderListState,
    OrderTriggered,
    ReplacementRefused,
    WithdrawalSettled,
)
from services.domain.market import Market
from services.domain.money import format_e8, notional_exact
from services.domain.orders import (
    OPEN_STATUSES,
    PRICELESS_TYPES,
    ExpiryReason,
    OrderDetails,
    OrderState,
    OrderStatus,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.domain.refusals import Refusal

Json = dict[str, Any]

SEQUENCE_FIELD: Final = "journalSequence"
INDEX_FIELD: Final = "journalIndex"
# Execution ids of one entry count up from its sequence times this: 2**37 entries fit what JavaScript can count to.
EXECUTIONS_PER_ENTRY: Final = 2**16
_NO_ID: Final = -1
_MATCHED_ON_BOTH_SIDES: Final = frozenset({SelfTradePrevention.DECREMENT, SelfTradePrevention.TRANSFER})
_NOT_SPECIAL: Final = OrderDetails()
_REJECT_REASONS: Final = {
    Refusal.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    Refusal.WOULD_TRIGGER_IMMEDIATELY: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    Refusal.WOULD_MATCH_IMMEDIATELY: "WOULD_MATCH_IMMEDIATELY",
}


def user_events(
    sequence: int,
    time_us: int,
    commands: Iterable[Iterable[Event]],
    accounts: Container[int],
    markets: Mapping[str, Market],
    unit: int = 1000,
) -> dict[int, list[Json]]:
    """The events of each of these accounts. Times are divided by ``unit``: 1000 for milliseconds, 1 for microseconds.

    ``markets`` must know every market that is traded in.
    """
    telling = _Telling(sequence, time_us, accounts, markets, unit)
    for events in commands:
        telling.tell(events)
    return telling.told


class _Execution(NamedTuple):
    """What happened to an order just now. Without ``client_order_id`` it is told under its own."""

    kind: str
    client_order_id: str | None = None
    original_client_order_id: str = ""
    quantity_e8: int = 0
    price_e8: int = 0
    quote_e8: int = 0
    fee: str = "0"
    fee_asset: str | None = None
    trade_id: int = _NO_ID
    execution_id: int | None = None
    is_maker: bool = False


class _Telling:
    def __init__(
        self, sequence: int, time_us: int, accounts: Container[int], markets: Mapping[str, Market], unit: int
    ) -> None:
        self.told: dict[int, list[Json]] = {}
        self._sequence = sequence
        self._time = time_us // unit
        self._accounts = accounts
        self._markets = markets
        self._unit = unit

    def tell(self, events: Iterable[Event]) -> None:
        """One command."""
        balances: dict[int, list[Json]] = {}
        for event in events:
            if isinstance(event, BalanceChanged):
                if event.account_id in self._accounts:
                    balances.setdefault(event.account_id, []).append(_balance(event))
            else:
                self._tell_one(event)
        for account_id, changed in balances.items():
            position = {"e": "outboundAccountPosition", "E": self._time, "u": self._time, "B": changed}
            self._add(account_id, position)

    def _tell_one(self, event: Event) -> None:
        match event:
            case OrderAccepted() | OrderTriggered():
                self._report(event.order, _Execution("NEW"))
            case OrderFilled():
                self._fill(event)
            case OrderCanceled():
                self._cancel(event)
            case OrderExpired():
                self._report(event.order, _Execution("EXPIRED"))
            case OrderListChanged():
                self._list(event.order_list, is_update=event.is_update)
            case MatchPrevented():
                self._prevention(event)
            case OrderAmended():
                self._amendment(event)
            case ReplacementRefused():
                self._refusal(event)
            case _:
                self._move(event)

    def _move(self, event: Event) -> None:
        """What came in and went out. Money that is only set aside, or given back, has not moved."""
        match event:
            case FundsDeposited():
                self._transfer(event.account_id, event.asset, event.amount_e8)
            case FundsWithdrawn():
                self._transfer(event.account_id, event.asset, -event.amount_e8)
            case FundsTransferred():
                self._transfer(event.account_id, event.asset, -event.amount_e8)
                self._transfer(event.to_account_id, event.asset, event.amount_e8)
            case WithdrawalSettled():
                self._transfer(event.account_id, event.asset, -event.amount_e8 - event.fee_e8)
            case _:
                pass

    def _add(self, account_id: int, content: Json) -> None:
        events = self.told.setdefault(account_id, [])
        content[SEQUENCE_FIELD] = self._sequence
        content[INDEX_FIELD] = len(events)
        events.append(content)

    def _execution_id(self, account_id: int) -> int:
        return self._sequence * EXECUTIONS_PER_ENTRY + len(self.told.get(account_id, ()))

    # What happened to orders

    def _report(self, order: OrderState, execution: _Execution, more: Json | None = None) -> None:
        if order.account_id not in self._accounts:
            return
        details = order.details or _NOT_SPECIAL
        is_open = order.status in OPEN_STATUSES and order.working_us > 0
        may_rest = order.type not in PRICELESS_TYPES and order.time_in_force is TimeInForce.GTC
        execution_id = execution.execution_id
        content = {
            "e": "executionReport",
            "E": self._time,
            "s": order.symbol,
            "c": order.client_order_id if execution.client_order_id is None else execution.client_order_id,
            "S": order.side.value,
            "o": order.type.value,
            "f": order.time_in_force.value,
            "q": format_e8(order.quantity_e8),
            "p": format_e8(order.price_e8),
            "P": format_e8(details.stop_price_e8),
            "F": format_e8(details.iceberg_e8),
            "g": details.order_list_id or _NO_ID,
            "C": execution.original_client_order_id,
            "x": execution.kind,
            "X": order.status.value,
            "r": "NONE",
            "i": order.order_id,
            "l": format_e8(execution.quantity_e8),
            "z": format_e8(order.executed_e8),
            "L": format_e8(execution.price_e8),
            "n": execution.fee,
            "N": execution.fee_asset,
            "T": self._time,
            "t": execution.trade_id,
            "I": self._execution_id(order.account_id) if execution_id is None else execution_id,
            "w": is_open and (may_rest or execution.kind == "NEW"),
            "m": execution.is_maker,
            "M": execution.kind == "TRADE",
            "O": order.created_us // self._unit,
            "Z": format_e8(order.executed_quote_e8),
            "Y": format_e8(execution.quote_e8),
            "Q": format_e8(order.quote_quantity_e8),
            "V": order.self_trade_prevention.value,
        }
        if order.working_us:
            content["W"] = order.working_us // self._unit
        if order.details is not None:
            content |= self._particulars(order.details)
        if order.expiry_reason is not ExpiryReason.NONE:
            content["eR"] = order.expiry_reason.value
        self._add(order.account_id, content if more is None else content | more)

    def _particulars(self, details: OrderDetails) -> Json:
        """What only some orders have."""
        content: Json = {}
        if details.trailing_delta:
            content["d"] = details.trailing_delta
            if details.trailing_us:
                content["D"] = details.trailing_us // self._unit
        if details.strategy_id is not None:
            content["j"] = details.strategy_id
        if details.strategy_type is not None:
            content["J"] = details.strategy_type
        if details.prevented_e8:
            content["v"] = details.prevented_match_id
            content["A"] = format_e8(details.prevented_e8)
        if details.peg_price is not None:
            content["gP"] = details.peg_price.value
            if details.peg_offset:
                content["gOT"] = "PRICE_LEVEL"
                content["gOV"] = details.peg_offset
            if details.pegged_price_e8:
                content["gp"] = format_e8(details.pegged_price_e8)
        return content

    def _fill(self, event: OrderFilled) -> None:
        sides = ((event.taker, event.taker_fee_e8, False), (event.maker, event.maker_fee_e8, True))
        for order, fee_e8, is_maker in sides:
            if order.account_id not in self._accounts:
                continue
            market = self._markets[event.symbol]
            execution = _Execution(
                "TRADE",
                quantity_e8=event.quantity_e8,
                price_e8=event.price_e8,
                quote_e8=event.quote_e8,
                fee=format_e8(fee_e8),
                fee_asset=market.base_asset if order.side is Side.BUY else market.quote_asset,
                trade_id=event.trade_id,
                is_maker=is_maker,
            )
            self._report(order, execution)

    def _cancel(self, event: OrderCanceled) -> None:
        execution = _Execution("CANCELED", event.cancel_client_order_id, event.order.client_order_id)
        self._report(event.order, execution)

    def _amendment(self, event: OrderAmended) -> None:
        execution = _Execution(
            "REPLACED", original_client_order_id=event.old_client_order_id, execution_id=event.execution_id
        )
        self._report(event.order, execution)

    def _refusal(self, event: ReplacementRefused) -> None:
        """An order that never was has no id. A refusal without a reason in the dialect is told to the caller only."""
        reason = _REJECT_REASONS.get(event.reason)
        if reason is not None:
            more = {"X": "REJECTED", "r": reason, "i": _NO_ID}
            self._report(self._never_was(event.order), _Execution("REJECTED"), more)

    def _never_was(self, order: PlaceOrder) -> OrderState:
        time_us = self._time * self._unit
        return OrderState(
            0,
            order.account_id,
            order.symbol,
            order.client_order_id,
            order.side,
            order.type,
            order.time_in_force,
            order.price_e8,
            order.quantity_e8,
            order.quote_quantity_e8,
            0,
            0,
            OrderStatus.NEW,
            time_us,
            time_us,
            0,
            self_trade_prevention=order.self_trade_prevention or SelfTradePrevention.NONE,
            details=OrderDetails(
                stop_price_e8=order.stop_price_e8,
                trailing_delta=order.trailing_delta,
                iceberg_e8=order.iceberg_e8,
                strategy_id=order.strategy_id,
                strategy_type=order.strategy_type,
                peg_price=order.peg_price,
                peg_offset=order.peg_offset,
            ),
        )

    def _prevention(self, event: MatchPrevented) -> None:
        """Only the sides that lost something are told."""
        matched_e8 = _would_have_matched(event)
        sides = (
            (event.taker, event.maker, event.taker_prevented_e8, False),
            (event.maker, event.taker, event.maker_prevented_e8, True),
        )
        for order, counter, prevented_e8, is_maker in sides:
            if not prevented_e8:
                continue
            more = {
                "B": format_e8(prevented_e8),
                "u": event.trade_group_id or _NO_ID,
                "U": counter.order_id,
                "Cs": event.symbol,
                "pl": format_e8(matched_e8),
                "pL": format_e8(event.price_e8),
                "pY": format_e8(notional_exact(event.price_e8, matched_e8)),
            }
            self._report(order, _Execution("TRADE_PREVENTION", is_maker=is_maker), more)

    # What happened to lists and balances

    def _list(self, tied: OrderListState, *, is_update: bool) -> None:
        if tied.account_id not in self._accounts:
            return
        begun = "UPDATED" if is_update else "EXEC_STARTED"
        content = {
            "e": "listStatus",
            "E": self._time,
            "s": tied.symbol,
            "g": tied.order_list_id,
            "c": tied.contingency,
            "l": "ALL_DONE" if tied.is_done else begun,
            "L": "ALL_DONE" if tied.is_done else "EXECUTING",
            "r": "NONE",
            "C": tied.client_order_list_id,
            "T": self._time,
            "O": [{"s": tied.symbol, "i": order_id, "c": name} for order_id, name in tied.orders],
        }
        self._add(tied.account_id, content)

    def _transfer(self, account_id: int, asset: str, amount_e8: int) -> None:
        if account_id not in self._accounts:
            return
        content = {"e": "balanceUpdate", "E": self._time, "a": asset, "d": format_e8(amount_e8), "T": self._time}
        self._add(account_id, content)


def _balance(event: BalanceChanged) -> Json:
    return {"a": event.asset, "f": format_e8(event.free_e8), "l": format_e8(event.locked_e8)}


def _would_have_matched(event: MatchPrevented) -> int:
    """The quantity of the trade that did not happen. Of an iceberg, a whole slice is taken to have been visible."""
    if event.mode in _MATCHED_ON_BOTH_SIDES:
        return event.taker_prevented_e8
    open_e8 = [
        order.quantity_e8 - order.executed_e8 - (order.details or _NOT_SPECIAL).prevented_e8 + prevented_e8
        for order, prevented_e8 in ((event.taker, event.taker_prevented_e8), (event.maker, event.maker_prevented_e8))
    ]
    shown_e8 = (event.maker.details or _NOT_SPECIAL).iceberg_e8
    return min(*open_e8, shown_e8) if shown_e8 else min(open_e8)
