"""Settlement: one batch becomes durable in one SQL statement.

The statement's first part is the fence: it moves the lease row from the batch's predecessor to the batch, if this
engine's epoch and sequence are still the ones stored. Every other part takes its rows through the fence, so either
everything is written or nothing. What changed several times in a batch is written once, as it ended.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from services.domain.events import (
    BalanceChanged,
    Event,
    FundsDeposited,
    FundsWithdrawn,
    MarketDefined,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
)
from services.domain.market import Market
from services.domain.orders import OPEN_STATUSES, OrderState
from services.engine.journal import JournalRow
from services.engine.lease import SHARD, LeaseLost
from services.infra.postgres import Connection

SETTLE_SQL: Final = """
WITH fence AS (
    UPDATE exchange.engine_lease
    SET sequence = $2, journal_hash = $7, expires_at = clock_timestamp() + $8 * interval '1 millisecond'
    WHERE shard = $1 AND epoch = $3 AND sequence = $2 - 1
    RETURNING sequence
), journaled AS (
    INSERT INTO exchange.journal (sequence, epoch, time_us, commands, events, hash)
    SELECT sequence, $3, $4, $5, $6, $7 FROM fence
), ordered AS (
    INSERT INTO exchange.orders (order_id, account_id, symbol, client_order_id, side, type, time_in_force, price_e8,
        quantity_e8, quote_quantity_e8, executed_e8, executed_quote_e8, status, created_us, updated_us, working_us,
        expiry_reason, is_open, sequence)
    SELECT changed.*, fence.sequence FROM fence, unnest($9::bigint[], $10::bigint[], $11::text[], $12::text[],
        $13::text[], $14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[],
        $20::bigint[], $21::text[], $22::bigint[], $23::bigint[], $24::bigint[], $25::text[], $26::bool[]) AS changed
    ON CONFLICT (order_id) DO UPDATE SET executed_e8 = excluded.executed_e8,
        executed_quote_e8 = excluded.executed_quote_e8, status = excluded.status, updated_us = excluded.updated_us,
        expiry_reason = excluded.expiry_reason, is_open = excluded.is_open, sequence = excluded.sequence
), traded AS (
    INSERT INTO exchange.trades (symbol, trade_id, price_e8, quantity_e8, quote_e8, buyer_is_maker, taker_order_id,
        taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, time_us, sequence)
    SELECT made.*, $4, fence.sequence FROM fence, unnest($27::text[], $28::bigint[], $29::bigint[], $30::bigint[],
        $31::bigint[], $32::bool[], $33::bigint[], $34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[],
        $38::bigint[]) AS made
), balanced AS (
    INSERT INTO exchange.balances (account_id, asset, free_e8, locked_e8, updated_us, sequence)
    SELECT changed.*, $4, fence.sequence
    FROM fence, unnest($39::bigint[], $40::text[], $41::bigint[], $42::bigint[]) AS changed
    ON CONFLICT (account_id, asset) DO UPDATE SET free_e8 = excluded.free_e8, locked_e8 = excluded.locked_e8,
        updated_us = excluded.updated_us, sequence = excluded.sequence
), transferred AS (
    INSERT INTO exchange.transfers (reference, account_id, asset, amount_e8, time_us, sequence)
    SELECT moved.*, $4, fence.sequence
    FROM fence, unnest($43::text[], $44::bigint[], $45::text[], $46::bigint[]) AS moved
), defined AS (
    INSERT INTO exchange.markets (symbol, definition, sequence)
    SELECT listed.symbol, listed.definition::jsonb, fence.sequence
    FROM fence, unnest($47::text[], $48::text[]) AS listed (symbol, definition)
    ON CONFLICT (symbol) DO UPDATE SET definition = excluded.definition, sequence = excluded.sequence
)
SELECT sequence FROM fence
"""

_ORDER_COLUMNS: Final = 18
_TRADE_COLUMNS: Final = 12
_BALANCE_COLUMNS: Final = 4
_TRANSFER_COLUMNS: Final = 4
_MARKET_COLUMNS: Final = 2


class Projection:
    """What a batch's events leave behind in the tables: the last state of each order and balance, every trade."""

    __slots__ = ("balances", "markets", "orders", "trades", "transfers")

    def __init__(self) -> None:
        self.orders: dict[int, OrderState] = {}
        self.trades: list[OrderFilled] = []
        self.balances: dict[tuple[int, str], BalanceChanged] = {}
        self.transfers: list[tuple[str, int, str, int]] = []
        self.markets: dict[str, Market] = {}

    def fold(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case BalanceChanged():
                    self.balances[event.account_id, event.asset] = event
                case OrderFilled():
                    self.orders[event.taker.order_id] = event.taker
                    self.orders[event.maker.order_id] = event.maker
                    self.trades.append(event)
                case OrderAccepted() | OrderCanceled() | OrderExpired():
                    self.orders[event.order.order_id] = event.order
                case FundsDeposited():
                    self.transfers.append((event.reference, event.account_id, event.asset, event.amount_e8))
                case FundsWithdrawn():
                    self.transfers.append((event.reference, event.account_id, event.asset, -event.amount_e8))
                case MarketDefined():
                    self.markets[event.market.symbol] = event.market

    def columns(self) -> list[Sequence[Any]]:
        """The arrays of ``SETTLE_SQL`` from the first order column on."""
        markets = [(symbol, msgspec.json.encode(market).decode()) for symbol, market in self.markets.items()]
        return [
            *_transpose([order_row(order) for order in self.orders.values()], _ORDER_COLUMNS),
            *_transpose([trade_row(trade) for trade in self.trades], _TRADE_COLUMNS),
            *_transpose(
                [(b.account_id, b.asset, b.free_e8, b.locked_e8) for b in self.balances.values()], _BALANCE_COLUMNS
            ),
            *_transpose(self.transfers, _TRANSFER_COLUMNS),
            *_transpose(markets, _MARKET_COLUMNS),
        ]


def order_row(order: OrderState) -> tuple[Any, ...]:
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
        order.status in OPEN_STATUSES,
    )


def trade_row(trade: OrderFilled) -> tuple[Any, ...]:
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


async def settle(connection: Connection, row: JournalRow, projection: Projection, *, lease_ttl_ms: int) -> None:
    """Write the batch and commit; raise LeaseLost, having written nothing, if the fence does not hold.

    Any other exception leaves the outcome unknown to the caller.
    """
    fence = await connection.fetchval(
        SETTLE_SQL,
        SHARD,
        row.sequence,
        row.epoch,
        row.time_us,
        row.commands,
        row.events,
        row.hash,
        lease_ttl_ms,
        *projection.columns(),
    )
    if fence is None:
        raise LeaseLost


def _transpose(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width
