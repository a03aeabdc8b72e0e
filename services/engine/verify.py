"""Verification: do the journal and the tables, two independent witnesses, tell the same story?

Replays the journal through the core from genesis (or from the newest snapshot in the database), checking the hash
chain and every recorded event, and compares what comes out with the tables row by row: orders, trades, transfers,
balances and markets. It reads one consistent snapshot of the database, so the engine may go on trading meanwhile.

Memory holds the open state and one window of closed orders, whatever the length of the journal.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from services.engine import journal, lease, snapshots
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from services.engine.journal import GENESIS_HASH, JournalCorrupt
from services.engine.settlement import Projection, order_row, trade_row
from services.engine.snapshots import Snapshot, SnapshotUnusable
from services.infra import postgres
from services.infra.postgres import Connection

WINDOW_COMMANDS: Final = 20_000
_STATEMENT_TIMEOUT_MS: Final = 600_000

_HEAD_SQL: Final = "SELECT sequence, journal_hash FROM exchange.engine_lease WHERE shard = $1"
_SNAPSHOT_SQL: Final = "SELECT payload FROM exchange.snapshots WHERE sequence <= $1 ORDER BY sequence DESC"
_ORDER_SQL: Final = """
SELECT order_id, account_id, symbol, client_order_id, side, type, time_in_force, price_e8,
    quantity_e8, quote_quantity_e8, executed_e8, executed_quote_e8, status, created_us, updated_us, working_us,
    expiry_reason, is_open
FROM exchange.orders
"""
_ORDERS_SQL: Final = f"{_ORDER_SQL} WHERE order_id = ANY($1)"
_OPEN_ORDERS_SQL: Final = f"{_ORDER_SQL} WHERE is_open"
_TRADES_SQL: Final = """
SELECT symbol, trade_id, price_e8, quantity_e8, quote_e8, buyer_is_maker, taker_order_id, taker_account_id,
    taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8
FROM exchange.trades WHERE symbol = $1 AND trade_id BETWEEN $2 AND $3
"""
_TRANSFERS_SQL: Final = (
    "SELECT reference, account_id, asset, amount_e8 FROM exchange.transfers WHERE reference = ANY($1)"
)
_BALANCES_SQL: Final = "SELECT account_id, asset, free_e8, locked_e8 FROM exchange.balances"
_MARKETS_SQL: Final = "SELECT symbol, definition FROM exchange.markets"
_COUNTS_SQL: Final = """
SELECT (SELECT count(*) FROM exchange.orders) AS orders, (SELECT count(*) FROM exchange.trades) AS trades,
    (SELECT count(*) FROM exchange.journal) AS journal, (SELECT count(*) FROM exchange.transfers) AS transfers
"""


class Mismatch(Exception):
    """The first difference found; the message names the row and both versions."""


class Report(msgspec.Struct, frozen=True):
    """What was verified. ``state_hash`` and ``journal_hash`` can be noted outside as an anchor."""

    from_sequence: int
    sequence: int
    commands: int
    orders: int
    trades: int
    state_hash: str
    journal_hash: str


Progress = Callable[[int, int], None]


async def verify(database_url: str, *, from_snapshot: bool = False, progress: Progress | None = None) -> Report:
    """Verify the whole database; raise Mismatch at the first difference.

    ``progress`` is called with the sequence reached and the last one.
    """
    connection = await postgres.connect(
        database_url, application_name="crossbook-verify", statement_timeout_ms=_STATEMENT_TIMEOUT_MS
    )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _verify(connection, from_snapshot=from_snapshot, progress=progress)
    finally:
        await connection.close()


async def _verify(connection: Connection, *, from_snapshot: bool, progress: Progress | None) -> Report:
    head = await connection.fetchrow(_HEAD_SQL, lease.SHARD)
    assert head is not None, "the first migration creates the lease row"
    start = await _start(connection, head["sequence"], from_snapshot=from_snapshot)
    replayed = _Replay(connection, start)
    async for row in journal.read_rows(connection, start.sequence, head["sequence"]):
        await replayed.advance(row)
        if progress is not None:
            progress(row.sequence, head["sequence"])
    await replayed.close_window()
    if (replayed.sequence, replayed.journal_hash) != (head["sequence"], head["journal_hash"]):
        raise Mismatch(f"the lease row says journal row {head['sequence']} is the last, the journal ends otherwise")
    await _compare_open_state(connection, replayed.exchange)
    counts = await connection.fetchrow(_COUNTS_SQL)
    assert counts is not None, "an aggregate has a row"
    _compare_counts(replayed, dict(counts), from_genesis=start.sequence == 0)
    return Report(
        from_sequence=start.sequence,
        sequence=replayed.sequence,
        commands=replayed.commands,
        orders=counts["orders"],
        trades=counts["trades"],
        state_hash=state_hash(capture(replayed.exchange)).hex(),
        journal_hash=replayed.journal_hash.hex(),
    )


async def _start(connection: Connection, head: int, *, from_snapshot: bool) -> Snapshot:
    if from_snapshot:
        for record in await connection.fetch(_SNAPSHOT_SQL, head):
            try:
                snapshot = snapshots.decode(record["payload"])
            except SnapshotUnusable as error:
                raise Mismatch(f"the newest snapshot is unusable: {error}") from error
            if await journal.hash_at(connection, snapshot.sequence) != snapshot.journal_hash:
                raise Mismatch(f"the snapshot of row {snapshot.sequence} does not belong to this journal")
            return snapshot
    return Snapshot(0, GENESIS_HASH, Exchange())


class _Replay:
    """The core being led through the journal, and what it did since the tables were last compared."""

    def __init__(self, connection: Connection, start: Snapshot) -> None:
        self.exchange = start.exchange
        self.sequence = start.sequence
        self.journal_hash = start.journal_hash
        self.commands = 0
        self.transfers = 0
        self._connection = connection
        self._window = Projection()
        self._window_commands = 0

    async def advance(self, row: journal.JournalRow) -> None:
        try:
            event_lists = journal.replay(self.exchange, row, self.sequence, self.journal_hash)
        except (JournalCorrupt, msgspec.MsgspecError) as error:
            raise Mismatch(str(error)) from error
        self.sequence, self.journal_hash = row.sequence, row.hash
        self.commands += len(event_lists)
        self._window_commands += len(event_lists)
        for events in event_lists:
            self._window.fold(events)
        if self._window_commands >= WINDOW_COMMANDS:
            await self.close_window()

    async def close_window(self) -> None:
        """Compare what can no longer change: trades, transfers and orders that have ended."""
        window, self._window, self._window_commands = self._window, Projection(), 0
        ended = {
            order_id: order_row(order)
            for order_id, order in window.orders.items()
            if order_id not in self.exchange.orders
        }
        stored = await self._connection.fetch(_ORDERS_SQL, list(ended))
        _compare("orders", ended, {record["order_id"]: tuple(record) for record in stored})
        trades = {(trade.symbol, trade.trade_id): trade_row(trade) for trade in window.trades}
        _compare("trades", trades, await self._stored_trades(trades))
        transfers = {transfer[0]: transfer for transfer in window.transfers}
        self.transfers += len(transfers)
        stored = await self._connection.fetch(_TRANSFERS_SQL, list(transfers))
        _compare("transfers", transfers, {record["reference"]: tuple(record) for record in stored})

    async def _stored_trades(self, trades: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[Any, ...]]:
        ids: dict[str, list[int]] = {}
        for symbol, trade_id in trades:
            ids.setdefault(symbol, []).append(trade_id)
        stored = {}
        for symbol, trade_ids in ids.items():
            for record in await self._connection.fetch(_TRADES_SQL, symbol, min(trade_ids), max(trade_ids)):
                stored[symbol, record["trade_id"]] = tuple(record)
        return stored


async def _compare_open_state(connection: Connection, exchange: Exchange) -> None:
    """Compare what is still alive: open orders, balances, markets; and that money is conserved."""
    expected = {order_id: order_row(order.state()) for order_id, order in exchange.orders.items()}
    stored = await connection.fetch(_OPEN_ORDERS_SQL)
    _compare("open orders", expected, {record["order_id"]: tuple(record) for record in stored})
    balances = {
        (account_id, asset): (account_id, asset, balance.free_e8, balance.locked_e8)
        for account_id, by_asset in exchange.accounts.balances.items()
        for asset, balance in by_asset.items()
    }
    stored = await connection.fetch(_BALANCES_SQL)
    _compare("balances", balances, {(record["account_id"], record["asset"]): tuple(record) for record in stored})
    markets = {symbol: msgspec.to_builtins(listing.market) for symbol, listing in exchange.listings.items()}
    stored = await connection.fetch(_MARKETS_SQL)
    _compare("markets", markets, {record["symbol"]: msgspec.json.decode(record["definition"]) for record in stored})
    if imbalances := exchange.accounts.imbalances():
        raise Mismatch(f"money is not conserved: {imbalances}")


def _compare_counts(replayed: _Replay, counts: Mapping[str, int], *, from_genesis: bool) -> None:
    """Rows that the journal knows nothing of are found by counting: ids are dense."""
    exchange = replayed.exchange
    expected = {
        "journal": replayed.sequence,
        "orders": exchange.last_order_id,
        "trades": sum(listing.last_trade_id for listing in exchange.listings.values()),
    }
    if from_genesis:
        expected["transfers"] = replayed.transfers
    for table, count in expected.items():
        if counts[table] != count:
            raise Mismatch(f"{table}: the journal leads to {count} rows, the table has {counts[table]}")


def _compare(table: str, expected: Mapping[Any, Any], stored: Mapping[Any, Any]) -> None:
    """Raise Mismatch for the first row, in key order, on which journal and table differ."""
    if expected == stored:
        return
    for key in sorted(expected.keys() | stored.keys()):
        if expected.get(key) != stored.get(key):
            raise Mismatch(
                f"{table}: row {key!r} differs: the journal leads to {expected.get(key)!r}, "
                f"the table has {stored.get(key)!r}"
            )
