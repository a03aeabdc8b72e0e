"""The projection of a batch: what its events leave behind in the tables that everyone else reads.

Events carry whole states, so the last one wins; trades, transfers and the like are facts and are kept one by one.
Candles are added to what the table already holds, and aggregate trades are counted on from the last one in it, so each
trade must be written exactly once, which the fence of ``settlement.py`` sees to.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.domain.aggregates import Aggregates
from services.domain.commands import HoldWithdrawal, SetAccountTerms
from services.domain.events import (
    AccountStatusSet,
    AccountTermsSet,
    BalanceChanged,
    BookChanged,
    Event,
    FundsDeposited,
    FundsTransferred,
    FundsWithdrawn,
    MarketDefined,
    MarketStatusSet,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderBeganTrailing,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderListChanged,
    OrderListState,
    OrderTriggered,
    VenueDefined,
    VenueStatusSet,
    WithdrawalHeld,
    WithdrawalRejected,
    WithdrawalSettled,
)
from services.domain.market import MarketStatus, Venue
from services.domain.orders import OPEN_STATUSES, OrderState, Side
from services.domain.standing import MovementKind, VenueStatus, WithdrawalStatus
from services.engine.core.accounts import FEE_ACCOUNT_ID, Balance
from services.engine.lease import SHARD

Row = tuple[Any, ...]

# Candles that are written; others are added up from these when they are read (services/trading/candles.py).
CANDLE_US: Final[dict[str, int]] = {"1m": 60_000_000, "15m": 900_000_000, "1h": 3_600_000_000, "1d": 86_400_000_000}


class Projection:
    """Rows by table, folded from events."""

    def __init__(self) -> None:
        self.orders: dict[int, OrderState] = {}
        self.trades: list[OrderFilled] = []
        self.balances: dict[tuple[int, str], BalanceChanged] = {}
        self.transfers: list[Row] = []
        self.withdrawals: dict[str, Row] = {}
        self.order_lists: dict[int, OrderListState] = {}
        # When each first changed here: when it was created, unless that was before.
        self.order_lists_created_us: dict[int, int] = {}
        self.prevented: list[Row] = []
        self.amendments: list[Row] = []
        self._markets: dict[str, Row] = {}
        self._market_statuses: dict[str, str] = {}
        self._terms: dict[int, Row] = {}
        self._venue: Venue | None = None
        self._account_statuses: dict[int, str] = {}
        self._venue_status: VenueStatus | None = None

    def fold(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case BalanceChanged():
                    self.balances[event.account_id, event.asset] = event
                case OrderFilled():
                    self.orders[event.taker.order_id] = event.taker
                    self.orders[event.maker.order_id] = event.maker
                    self.trades.append(event)
                case OrderAccepted() | OrderCanceled() | OrderExpired() | OrderTriggered():
                    self.orders[event.order.order_id] = event.order
                case BookChanged():
                    # Nobody reads the book from a table. Nearly every command has one, so it is passed over here.
                    pass
                case _:
                    self._fold_rare(event)

    def _fold_rare(self, event: Event) -> None:
        match event:
            case OrderBeganTrailing():
                self.orders[event.order.order_id] = event.order
            case OrderAmended():
                self.orders[event.order.order_id] = event.order
                self.amendments.append(amendment_row(event))
            case MatchPrevented():
                self.orders[event.taker.order_id] = event.taker
                self.orders[event.maker.order_id] = event.maker
                self.prevented.append(prevented_row(event))
            case OrderListChanged():
                tied = event.order_list
                self.order_lists[tied.order_list_id] = tied
                self.order_lists_created_us.setdefault(tied.order_list_id, tied.updated_us)
            case MarketDefined():
                self._fold_market(event.market.symbol, msgspec.json.encode(event.market).decode(), event.market.status)
            case MarketStatusSet():
                self._fold_market(event.symbol, None, event.status)
            case VenueDefined():
                self._venue = event.venue
            case AccountTermsSet():
                self._terms[event.account_id] = terms_row(event)
            case AccountStatusSet():
                self._account_statuses[event.account_id] = event.status.value
            case VenueStatusSet():
                self._venue_status = event.status
            case _:
                self._fold_money(event)

    def _fold_money(self, event: Event) -> None:
        """Movements, and withdrawals that are held or have ended. All lines of one reference together add up to what it
        did to the supply.
        """
        match event:
            case FundsDeposited():
                self._move(event, MovementKind.DEPOSIT, event.account_id, event.amount_e8)
            case FundsWithdrawn():
                self._move(event, MovementKind.WITHDRAWAL, event.account_id, -event.amount_e8)
            case FundsTransferred():
                source, target, amount_e8 = event.account_id, event.to_account_id, event.amount_e8
                self._move(event, MovementKind.TRANSFER_OUT, source, -amount_e8, counterparty_id=target)
                self._move(event, MovementKind.TRANSFER_IN, target, amount_e8, counterparty_id=source)
            case WithdrawalSettled():
                self._move(event, MovementKind.WITHDRAWAL, event.account_id, -event.amount_e8)
                if event.fee_e8:
                    self._move(event, MovementKind.WITHDRAWAL_FEE, event.account_id, -event.fee_e8)
                    self._move(event, MovementKind.FEE_INCOME, FEE_ACCOUNT_ID, event.fee_e8)
                self.withdrawals[event.reference] = withdrawal_row(event, WithdrawalStatus.SETTLED)
            case WithdrawalHeld():
                self.withdrawals[event.reference] = withdrawal_row(event, WithdrawalStatus.HELD)
            case WithdrawalRejected():
                self.withdrawals[event.reference] = withdrawal_row(event, WithdrawalStatus.REJECTED)

    def _move(
        self,
        event: FundsDeposited | FundsWithdrawn | FundsTransferred | WithdrawalSettled,
        kind: MovementKind,
        account_id: int,
        signed_e8: int,
        *,
        counterparty_id: int | None = None,
    ) -> None:
        self.transfers.append((event.reference, account_id, event.asset, signed_e8, kind.value, counterparty_id))

    def _fold_market(self, symbol: str, definition: str | None, status: MarketStatus) -> None:
        """One row per market: with its definition if this batch has it, else only its status."""
        if definition is None and symbol in self._markets:
            definition = self._markets[symbol][1]
        if definition is None:
            self._market_statuses[symbol] = status.value
        else:
            self._market_statuses.pop(symbol, None)
            self._markets[symbol] = (symbol, definition, status.value)

    def tables(self) -> Mapping[str, Sequence[Row]]:
        """Rows by table, in a fixed order of tables; column order is that of ``settlement.py``."""
        venue = [] if self._venue is None else [(SHARD, msgspec.json.encode(self._venue).decode())]
        return {
            "orders": [order_row(order) for order in self.orders.values()],
            "trades": list(self._trades()),
            "candles": list(self._candles()),
            "balances": [balance_row(balance) for balance in self.balances.values()],
            "transfers": self.transfers,
            "withdrawals": list(self.withdrawals.values()),
            "order_lists": [
                (*order_list_row(tied), self.order_lists_created_us[tied.order_list_id])
                for tied in self.order_lists.values()
            ],
            "prevented_matches": self.prevented,
            "amendments": self.amendments,
            "markets": list(self._markets.values()),
            "market_statuses": list(self._market_statuses.items()),
            "venue": venue,
            "account_terms": list(self._terms.values()),
            "account_standing": list(self._account_statuses.items()),
            "venue_standing": [] if self._venue_status is None else [(SHARD, self._venue_status.value)],
        }

    def _trades(self) -> Iterable[Row]:
        """Each with the number of its aggregate within the batch, and the id of its market's last trade before it."""
        aggregates = Aggregates()
        before: dict[str, int] = {}
        for trade in self.trades:
            last_id = before.setdefault(trade.symbol, trade.trade_id - 1)
            yield (*trade_row(trade), aggregates.number(trade), last_id)

    def _candles(self) -> Iterable[Row]:
        candles: dict[tuple[str, str, int], Candle] = {}
        for trade in self.trades:
            time_us = trade.taker.updated_us
            for interval, length_us in CANDLE_US.items():
                key = (trade.symbol, interval, time_us - time_us % length_us)
                candle = candles.get(key)
                if candle is None:
                    candle = candles[key] = Candle(trade)
                candle.add(trade)
        return [(*key, *candle.row()) for key, candle in candles.items()]


class Candle:
    """What one batch adds to one candle."""

    __slots__ = ("_close", "_count", "_first_id", "_high", "_last_id", "_low", "_open", "_quote", "_taker", "_volume")

    def __init__(self, first: OrderFilled) -> None:
        self._open = self._high = self._low = self._close = first.price_e8
        self._first_id = first.trade_id
        self._last_id = first.trade_id
        self._volume = self._quote = self._count = 0
        self._taker = (0, 0)

    def add(self, trade: OrderFilled) -> None:
        self._high = max(self._high, trade.price_e8)
        self._low = min(self._low, trade.price_e8)
        self._close = trade.price_e8
        self._last_id = trade.trade_id
        self._volume += trade.quantity_e8
        self._quote += trade.quote_e8
        self._count += 1
        if trade.taker.side is Side.BUY:
            self._taker = (self._taker[0] + trade.quantity_e8, self._taker[1] + trade.quote_e8)

    def row(self) -> Row:
        return (
            self._open,
            self._high,
            self._low,
            self._close,
            self._volume,
            self._quote,
            self._count,
            *self._taker,
            self._first_id,
            self._last_id,
        )


def order_row(order: OrderState) -> Row:
    return (
        order.order_id,
        order.account_id,
        order.symbol,
        order.client_order_id,
        order.side.text,
        order.type.text,
        order.time_in_force.text,
        order.price_e8,
        order.quantity_e8,
        order.quote_quantity_e8,
        order.executed_e8,
        order.executed_quote_e8,
        order.status.text,
        order.created_us,
        order.updated_us,
        order.working_us,
        order.expiry_reason.text,
        order.self_trade_prevention.text,
        None if order.details is None else msgspec.json.encode(order.details).decode(),
        order.status in OPEN_STATUSES,
    )


def trade_row(trade: OrderFilled) -> Row:
    return (
        trade.symbol,
        trade.trade_id,
        trade.price_e8,
        trade.quantity_e8,
        trade.quote_e8,
        trade.buyer_is_maker,
        trade.taker.order_id,
        trade.taker.account_id,
        trade.taker_fee_e8,
        trade.maker.order_id,
        trade.maker.account_id,
        trade.maker_fee_e8,
    )


def order_list_row(tied: OrderListState) -> Row:
    return (
        tied.order_list_id,
        tied.account_id,
        tied.symbol,
        tied.contingency,
        tied.client_order_list_id,
        tied.is_done,
        msgspec.json.encode(tied.orders).decode(),
        tied.updated_us,
    )


def prevented_row(event: MatchPrevented) -> Row:
    return (
        event.symbol,
        event.prevented_match_id,
        event.price_e8,
        event.mode.value,
        event.trade_group_id,
        event.taker.order_id,
        event.taker.account_id,
        event.taker_prevented_e8,
        event.maker.order_id,
        event.maker.account_id,
        event.maker_prevented_e8,
    )


def amendment_row(event: OrderAmended) -> Row:
    order = event.order
    return (
        event.execution_id,
        order.account_id,
        order.symbol,
        order.order_id,
        event.old_client_order_id,
        order.client_order_id,
        event.old_quantity_e8,
        order.quantity_e8,
    )


def balance_row(balance: BalanceChanged | Balance) -> Row:
    return (balance.account_id, balance.asset, balance.free_e8, balance.locked_e8, balance.withdrawing_e8)


def withdrawal_row(
    withdrawal: WithdrawalHeld | WithdrawalSettled | WithdrawalRejected | HoldWithdrawal, status: WithdrawalStatus
) -> Row:
    return (
        withdrawal.reference,
        withdrawal.account_id,
        withdrawal.asset,
        withdrawal.amount_e8,
        withdrawal.fee_e8,
        status.value,
    )


def terms_row(event: AccountTermsSet | SetAccountTerms) -> Row:
    prevention = event.self_trade_prevention
    return (
        event.account_id,
        None if prevention is None else prevention.value,
        event.maker_fee_rate_e8,
        event.taker_fee_rate_e8,
        event.trade_group_id,
    )
