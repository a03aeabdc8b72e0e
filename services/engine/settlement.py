"""Settlement: one batch becomes durable in one SQL statement.

The statement's first part is the fence: it moves the lease row from the batch's predecessor to the batch, if this
engine's epoch and sequence are still the ones stored, and the lease has not expired: a statement that was held up on
its way must not come into force when its clients have been told that there is no such order. Every other part takes its
rows through the fence, so either everything is written or nothing. What changed several times in a batch is written
once, as it ended.

A batch rarely touches every table, so the statement is put together from the parts that have rows; there are few
combinations in practice, and each is prepared once. Its rows go to one partition of the trades, and to those of the
orders that it changes: whatever the number of partitions, no other is looked at.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from services.engine.journal import JournalRow
from services.engine.lease import SHARD, LeaseLost
from services.engine.projection import Projection, Row
from services.infra.postgres import Connection

_FENCE: Final = """
WITH fence AS (
    UPDATE exchange.engine_lease
    SET sequence = $2, journal_hash = $7, expires_at = clock_timestamp() + $8 * interval '1 millisecond'
    WHERE shard = $1 AND epoch = $3 AND sequence = $2 - 1 AND expires_at >= clock_timestamp()
    RETURNING sequence
), journaled AS (
    INSERT INTO exchange.journal (sequence, epoch, time_us, commands, events, hash)
    SELECT sequence, $3, $4, $5, $6, $7 FROM fence
)"""
_FENCE_PARAMETERS: Final = 8


class _Part(NamedTuple):
    """One table's share: ``types`` of its columns; ``{rows}`` stands for their arrays as a relation."""

    types: tuple[str, ...]
    sql: str


_PARTS: Final[dict[str, _Part]] = {
    "orders": _Part(
        ("bigint", "bigint", *("text",) * 5, *("bigint",) * 5, "text", *("bigint",) * 3, *("text",) * 3, "bool"),
        """
    INSERT INTO exchange.orders (order_id, account_id, symbol, client_order_id, side, type, time_in_force, price_e8,
        quantity_e8, quote_quantity_e8, executed_e8, executed_quote_e8, status, created_us, updated_us, working_us,
        expiry_reason, self_trade_prevention, details, is_open, sequence)
    SELECT r.c1, r.c2, r.c3, r.c4, r.c5, r.c6, r.c7, r.c8, r.c9, r.c10, r.c11, r.c12, r.c13, r.c14, r.c15, r.c16, r.c17,
        r.c18, r.c19::json, r.c20, fence.sequence FROM fence, {rows}
    ON CONFLICT (order_id) DO UPDATE SET client_order_id = excluded.client_order_id,
        quantity_e8 = excluded.quantity_e8, executed_e8 = excluded.executed_e8,
        executed_quote_e8 = excluded.executed_quote_e8, status = excluded.status, updated_us = excluded.updated_us,
        working_us = excluded.working_us, expiry_reason = excluded.expiry_reason, details = excluded.details,
        is_open = excluded.is_open, sequence = excluded.sequence""",
    ),
    "trades": _Part(
        ("text", *("bigint",) * 4, "bool", *("bigint",) * 7),
        """
    INSERT INTO exchange.trades (symbol, trade_id, price_e8, quantity_e8, quote_e8, buyer_is_maker, taker_order_id,
        taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, aggregate_id, time_us, sequence)
    SELECT r.*, $4, fence.sequence FROM fence, {rows}""",
    ),
    "candles": _Part(
        ("text", "text", *("bigint",) * 12),
        """
    INSERT INTO exchange.candles AS old (symbol, interval, open_us, open_e8, high_e8, low_e8, close_e8, volume_e8,
        quote_volume_e8, trade_count, taker_buy_e8, taker_buy_quote_e8, first_trade_id, last_trade_id, sequence)
    SELECT r.*, fence.sequence FROM fence, {rows}
    ON CONFLICT (symbol, interval, open_us) DO UPDATE SET high_e8 = greatest(old.high_e8, excluded.high_e8),
        low_e8 = least(old.low_e8, excluded.low_e8), close_e8 = excluded.close_e8,
        volume_e8 = old.volume_e8 + excluded.volume_e8,
        quote_volume_e8 = old.quote_volume_e8 + excluded.quote_volume_e8,
        trade_count = old.trade_count + excluded.trade_count,
        taker_buy_e8 = old.taker_buy_e8 + excluded.taker_buy_e8,
        taker_buy_quote_e8 = old.taker_buy_quote_e8 + excluded.taker_buy_quote_e8,
        last_trade_id = excluded.last_trade_id, sequence = excluded.sequence""",
    ),
    "balances": _Part(
        ("bigint", "text", "bigint", "bigint", "bigint"),
        """
    INSERT INTO exchange.balances (account_id, asset, free_e8, locked_e8, withdrawing_e8, updated_us, sequence)
    SELECT r.*, $4, fence.sequence FROM fence, {rows}
    ON CONFLICT (account_id, asset) DO UPDATE SET free_e8 = excluded.free_e8, locked_e8 = excluded.locked_e8,
        withdrawing_e8 = excluded.withdrawing_e8, updated_us = excluded.updated_us, sequence = excluded.sequence""",
    ),
    "transfers": _Part(
        ("text", "bigint", "text", "bigint", "text", "bigint"),
        """
    INSERT INTO exchange.transfers (reference, account_id, asset, amount_e8, kind, counterparty_id, time_us, sequence)
    SELECT r.*, $4, fence.sequence FROM fence, {rows}""",
    ),
    "withdrawals": _Part(
        ("text", "bigint", "text", "bigint", "bigint", "text"),
        """
    INSERT INTO exchange.withdrawals (reference, account_id, asset, amount_e8, fee_e8, status, held_us, ended_us,
        sequence)
    SELECT r.*, $4, CASE WHEN r.c6 <> 'HELD' THEN $4 END, fence.sequence FROM fence, {rows}
    ON CONFLICT (reference) DO UPDATE SET status = excluded.status, ended_us = excluded.ended_us,
        sequence = excluded.sequence""",
    ),
    "order_lists": _Part(
        ("bigint", "bigint", "text", "text", "text", "bool", "text", "bigint", "bigint"),
        """
    INSERT INTO exchange.order_lists (order_list_id, account_id, symbol, contingency, client_order_list_id, is_done,
        orders, updated_us, created_us, sequence)
    SELECT r.c1, r.c2, r.c3, r.c4, r.c5, r.c6, r.c7::json, r.c8, r.c9, fence.sequence FROM fence, {rows}
    ON CONFLICT (order_list_id) DO UPDATE SET is_done = excluded.is_done, orders = excluded.orders,
        updated_us = excluded.updated_us, sequence = excluded.sequence""",
    ),
    "prevented_matches": _Part(
        ("text", "bigint", "bigint", "text", *("bigint",) * 7),
        """
    INSERT INTO exchange.prevented_matches (symbol, prevented_match_id, price_e8, mode, trade_group_id, taker_order_id,
        taker_account_id, taker_prevented_e8, maker_order_id, maker_account_id, maker_prevented_e8, time_us, sequence)
    SELECT r.*, $4, fence.sequence FROM fence, {rows}""",
    ),
    "amendments": _Part(
        ("bigint", "bigint", "text", "bigint", "text", "text", "bigint", "bigint"),
        """
    INSERT INTO exchange.amendments (execution_id, account_id, symbol, order_id, old_client_order_id,
        new_client_order_id, old_quantity_e8, new_quantity_e8, time_us, sequence)
    SELECT r.*, $4, fence.sequence FROM fence, {rows}""",
    ),
    "markets": _Part(
        ("text", "text", "text"),
        """
    INSERT INTO exchange.markets (symbol, definition, status, sequence)
    SELECT r.c1, r.c2::jsonb, r.c3, fence.sequence FROM fence, {rows}
    ON CONFLICT (symbol) DO UPDATE SET definition = excluded.definition, status = excluded.status,
        sequence = excluded.sequence""",
    ),
    "market_statuses": _Part(
        ("text", "text"),
        """
    UPDATE exchange.markets SET status = r.c2, sequence = fence.sequence FROM fence, {rows}
    WHERE markets.symbol = r.c1""",
    ),
    "venue": _Part(
        ("smallint", "text"),
        """
    INSERT INTO exchange.venue (shard, definition, sequence)
    SELECT r.c1, r.c2::jsonb, fence.sequence FROM fence, {rows}
    ON CONFLICT (shard) DO UPDATE SET definition = excluded.definition, sequence = excluded.sequence""",
    ),
    "account_terms": _Part(
        ("bigint", "text", "bigint", "bigint", "bigint"),
        """
    INSERT INTO exchange.account_terms (account_id, self_trade_prevention, maker_fee_rate_e8, taker_fee_rate_e8,
        trade_group_id, sequence)
    SELECT r.*, fence.sequence FROM fence, {rows}
    ON CONFLICT (account_id) DO UPDATE SET self_trade_prevention = excluded.self_trade_prevention,
        maker_fee_rate_e8 = excluded.maker_fee_rate_e8, taker_fee_rate_e8 = excluded.taker_fee_rate_e8,
        trade_group_id = excluded.trade_group_id, sequence = excluded.sequence""",
    ),
    "account_standing": _Part(
        ("bigint", "text"),
        """
    INSERT INTO exchange.account_standing (account_id, status, updated_us, sequence)
    SELECT r.*, $4, fence.sequence FROM fence, {rows}
    ON CONFLICT (account_id) DO UPDATE SET status = excluded.status, updated_us = excluded.updated_us,
        sequence = excluded.sequence""",
    ),
    "venue_standing": _Part(
        ("smallint", "text"),
        """
    INSERT INTO exchange.venue_standing (shard, status, updated_us, sequence)
    SELECT r.*, $4, fence.sequence FROM fence, {rows}
    ON CONFLICT (shard) DO UPDATE SET status = excluded.status, updated_us = excluded.updated_us,
        sequence = excluded.sequence""",
    ),
}


# With the newest partition first this ends at the first row, however many partitions and trades there are.
_LAST_AGGREGATE_SQL: Final = """
SELECT trade_id, aggregate_id FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""


class Tail(NamedTuple):
    """A market's last trade, and the number of its aggregate."""

    trade_id: int = 0
    aggregate_id: int = 0


class Tails:
    """Where the trades of each market end, as the settlements of one session left them.

    Read once for each market, and counted on from there: while the fence holds, nobody else adds trades. When it does
    not, what is counted here was never written, and the session is of no more use.
    """

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}

    async def number(self, connection: Connection, rows: Iterable[Row]) -> list[Row]:
        """Trades with their aggregates' numbers, from those with the number in the batch and the trade before it."""
        numbered = []
        for *trade, in_batch, before in rows:
            symbol = trade[0]
            tail = self._tails.get(symbol)
            if tail is None or tail.trade_id < before:
                found = await connection.fetchrow(_LAST_AGGREGATE_SQL, symbol)
                tail = self._tails[symbol] = Tail() if found is None else Tail(*found)
            numbered.append((*trade, tail.aggregate_id + in_batch))
        return numbered

    def moved(self, trades: Iterable[Row]) -> None:
        """These, in order, were written."""
        for trade in trades:
            self._tails[trade[0]] = Tail(trade[1], trade[-1])


# What orders, fills and cancels touch: nearly every batch is one of these.
_USUAL: Final = (("orders", "balances"), ("orders", "trades", "candles", "balances"))


async def warm_up(connection: Connection) -> None:
    """Have the server prepare and plan the usual statements, under an epoch that nobody has: nothing is written."""
    nobody = -1
    for tables in _USUAL:
        columns: list[list[Any]] = [[] for table in tables for _ in _PARTS[table].types]
        await connection.fetchval(statement(tables), SHARD, 0, nobody, 0, b"", b"", b"", 0, *columns)
    await connection.fetchrow(_LAST_AGGREGATE_SQL, "")


async def settle(
    connection: Connection, row: JournalRow, projection: Projection, tails: Tails, *, lease_ttl_ms: int
) -> None:
    """Write the batch and commit; raise LeaseLost, having written nothing, if the fence does not hold.

    Any other exception leaves the outcome unknown to the caller.
    """
    tables = {name: rows for name, rows in projection.tables().items() if rows}
    trades = await tails.number(connection, tables.get("trades", ()))
    if trades:
        tables["trades"] = trades
    columns: list[Sequence[Any]] = []
    for rows in tables.values():
        columns.extend(zip(*rows, strict=True))
    fence = await connection.fetchval(
        statement(tuple(tables)),
        SHARD,
        row.sequence,
        row.epoch,
        row.time_us,
        row.commands,
        row.events,
        row.hash,
        lease_ttl_ms,
        *columns,
    )
    if fence is None:
        raise LeaseLost
    tails.moved(trades)


@cache
def statement(tables: tuple[str, ...]) -> str:
    """The one statement that writes the journal row and these tables."""
    parts, number = [_FENCE], _FENCE_PARAMETERS
    for table in tables:
        part = _PARTS[table]
        arrays = ", ".join(f"${number + index}::{kind}[]" for index, kind in enumerate(part.types, 1))
        names = ", ".join(f"c{index}" for index in range(1, len(part.types) + 1))
        parts.append(f", to_{table} AS ({part.sql.format(rows=f'unnest({arrays}) AS r ({names})')}\n)")
        number += len(part.types)
    return "".join(parts) + "\nSELECT sequence FROM fence"
