"""The projection of a batch: what its events leave behind in the tables that everyone else reads.

Events carry whole states, so the last one wins; trades, transfers and the like are facts and are kept one by one.
Candles are added to what the table already holds, and aggregate trades are counted on from the last one in it, so each
trade must be written exactly once, which the fence of ``settlement.py`` sees to.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.domain.aggregates import Aggregates
from services.domain.commands import SetAccountTerms
from services.domain.events import (
    AccountTermsSet,
    BalanceChanged,
    Event,
    FundsDeposited,
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
)
from services.domain.market import MarketStatus, Venue
from services.domain.orders import OPEN_STATUSES, OrderState, Side
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
        self.order_lists: dict[int, OrderListState] = {}
        # When each first changed here: when it was created, unless that was before.
        self.order_lists_created_us: dict[int, int] = {}
        self.prevented: list[Row] = []
        self.amendments: list[Row] = []
        self._markets: dict[str, Row] = {}
        self._market_statuses: dict[str, str] = {}
        self._terms: dict[int, Row] = {}
        self._venue: Venue | None = None

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
            case FundsDeposited():
                self.transfers.append((event.reference, event.account_id, event.asset, event.amount_e8))
            case FundsWithdrawn():
                self.transfers.append((event.reference, event.account_id, event.asset, -event.amount_e8))
            case MarketDefined():
                self._fold_market(event.market.symbol, msgspec.json.encode(event.market).decode(), event.market.status)
            case MarketStatusSet():
                self._fold_market(event.symbol, None, event.status)
            case VenueDefined():
                self._venue = event.venue
            case AccountTermsSet():
                self._terms[event.account_id] = terms_row(event)

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
            "balances": [(b.account_id, b.asset, b.free_e8, b.locked_e8) for b in self.balances.values()],
            "transfers": self.transfers,
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
        order.side.value,
        order.type.value,
        order.time_in_force.value,
        order.price_e8,
        order.quantity_e8,
        order.quote_quantity_e8,
        order.executed_e8,
        order.executed_quote_e8,
        order.status.value,
        order.created_us,
        order.updated_us,
        order.working_us,
        order.expiry_reason.value,
        order.self_trade_prevention.value,
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


def terms_row(event: AccountTermsSet | SetAccountTerms) -> Row:
    prevention = event.self_trade_prevention
    return (
        event.account_id,
        None if prevention is None else prevention.value,
        event.maker_fee_rate_e8,
        event.taker_fee_rate_e8,
        event.trade_group_id,
    )
