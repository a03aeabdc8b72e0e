"""Verification: do the journal and the tables, two independent witnesses, tell the same story?

Replays the journal through the core from genesis (or from the newest snapshot in the database), checking the hash
chain and every recorded event, and compares what comes out with the tables row by row. Candles are compared with what
the trades, by then verified, add up to. It reads one consistent snapshot of the database, so the engine may go on
trading meanwhile.

Of orders and trades that were dropped (``retention.py``) those that are left are compared, and the others are counted.

Memory holds the open state and one window of facts and of what has ended, whatever the length of the journal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.domain.aggregates import Aggregates
from services.domain.events import OrderFilled
from services.domain.market import Market, Venue
from services.domain.standing import AccountStatus, VenueStatus, WithdrawalStatus
from services.engine import journal, lease, retention, snapshots
from services.engine.core.accounts import FEE_ACCOUNT_ID
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from services.engine.journal import GENESIS_HASH, JournalCorrupt
from services.engine.projection import (
    CANDLE_US,
    Projection,
    Row,
    balance_row,
    order_list_row,
    order_row,
    terms_row,
    trade_row,
    withdrawal_row,
)
from services.engine.retention import Horizon
from services.engine.snapshots import Snapshot, SnapshotUnusable
from services.infra import postgres
from services.infra.postgres import Connection
from services.infra.reserves import reserves

_OPEN: Final = VenueStatus.OPEN.value
_FROZEN: Final = AccountStatus.FROZEN.value
WINDOW_COMMANDS: Final = 20_000
_STATEMENT_TIMEOUT_MS: Final = 600_000

_HEAD_SQL: Final = "SELECT sequence, journal_hash FROM exchange.engine_lease WHERE shard = $1"
_SNAPSHOT_SQL: Final = "SELECT payload FROM exchange.snapshots WHERE sequence <= $1 ORDER BY sequence DESC"
_ORDER_SQL: Final = """
SELECT order_id, account_id, symbol, client_order_id, side, type, time_in_force, price_e8,
    quantity_e8, quote_quantity_e8, executed_e8, executed_quote_e8, status, created_us, updated_us, working_us,
    expiry_reason, self_trade_prevention, details, is_open
FROM exchange.orders
"""
_ORDERS_SQL: Final = f"{_ORDER_SQL} WHERE order_id = ANY($1)"
_OPEN_ORDERS_SQL: Final = f"{_ORDER_SQL} WHERE is_open"
_TRADES_SQL: Final = """
SELECT symbol, trade_id, price_e8, quantity_e8, quote_e8, buyer_is_maker, taker_order_id, taker_account_id,
    taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, aggregate_id
FROM exchange.trades WHERE symbol = $1 AND time_us BETWEEN $2 AND $3 AND trade_id + 0 BETWEEN $4 AND $5
"""
_TRANSFERS_SQL: Final = """
SELECT reference, account_id, asset, amount_e8, kind, counterparty_id FROM exchange.transfers WHERE reference = ANY($1)
"""
_WITHDRAWAL_SQL: Final = "SELECT reference, account_id, asset, amount_e8, fee_e8, status FROM exchange.withdrawals"
_WITHDRAWALS_SQL: Final = f"{_WITHDRAWAL_SQL} WHERE reference = ANY($1)"
_HELD_WITHDRAWALS_SQL: Final = f"{_WITHDRAWAL_SQL} WHERE status = 'HELD'"
_BALANCES_SQL: Final = "SELECT account_id, asset, free_e8, locked_e8, withdrawing_e8 FROM exchange.balances"
_FROZEN_SQL: Final = "SELECT account_id, status FROM exchange.account_standing WHERE status <> 'ACTIVE'"
_VENUE_STATUS_SQL: Final = "SELECT status FROM exchange.venue_standing WHERE shard = $1"
_MARKETS_SQL: Final = "SELECT symbol, definition, status FROM exchange.markets"
_VENUE_SQL: Final = "SELECT shard, definition FROM exchange.venue"
_TERMS_SQL: Final = """
SELECT account_id, self_trade_prevention, maker_fee_rate_e8, taker_fee_rate_e8, trade_group_id
FROM exchange.account_terms
"""
_AGGREGATE_SQL: Final = """
SELECT aggregate_id FROM exchange.trades WHERE symbol = $1 AND time_us <= $2 AND trade_id + 0 <= $3
ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""
_PREVENTED_SQL: Final = """
SELECT symbol, prevented_match_id, price_e8, mode, trade_group_id, taker_order_id, taker_account_id,
    taker_prevented_e8, maker_order_id, maker_account_id, maker_prevented_e8
FROM exchange.prevented_matches JOIN unnest($1::text[], $2::bigint[]) AS asked (s, id)
    ON symbol = s AND prevented_match_id = id
"""
_AMENDMENTS_SQL: Final = """
SELECT execution_id, account_id, symbol, order_id, old_client_order_id, new_client_order_id, old_quantity_e8,
    new_quantity_e8
FROM exchange.amendments WHERE execution_id = ANY($1)
"""
_ORDER_LIST_SQL: Final = """
SELECT order_list_id, account_id, symbol, contingency, client_order_list_id, is_done, orders, updated_us, created_us
FROM exchange.order_lists
"""
_ORDER_LISTS_SQL: Final = f"{_ORDER_LIST_SQL} WHERE order_list_id = ANY($1)"
_OPEN_ORDER_LISTS_SQL: Final = f"{_ORDER_LIST_SQL} WHERE NOT is_done"
WRONG_CANDLE_SQL: Final = """
WITH expected (symbol, interval, open_us, open_e8, high_e8, low_e8, close_e8, volume_e8, quote_volume_e8,
    trade_count, taker_buy_e8, taker_buy_quote_e8, first_trade_id, last_trade_id) AS (
    SELECT symbol, length.name, time_us - time_us % length.us AS open_us, (min(ARRAY[trade_id, price_e8]))[2],
        max(price_e8), min(price_e8), (max(ARRAY[trade_id, price_e8]))[2], sum(quantity_e8), sum(quote_e8), count(*),
        coalesce(sum(quantity_e8) FILTER (WHERE NOT buyer_is_maker), 0),
        coalesce(sum(quote_e8) FILTER (WHERE NOT buyer_is_maker), 0), min(trade_id), max(trade_id)
    FROM exchange.trades, unnest($1::text[], $2::bigint[]) AS length (name, us)
    WHERE time_us >= $3 GROUP BY symbol, length.name, open_us
), stored AS (
    SELECT symbol, interval, open_us, open_e8, high_e8, low_e8, close_e8, volume_e8, quote_volume_e8,
        trade_count, taker_buy_e8, taker_buy_quote_e8, first_trade_id, last_trade_id
    FROM exchange.candles WHERE open_us >= $3
)
SELECT symbol, interval, open_us, to_json(expected)::text AS expected, to_json(stored)::text AS stored
FROM expected FULL JOIN stored USING (symbol, interval, open_us)
WHERE expected IS DISTINCT FROM stored ORDER BY symbol, interval, open_us LIMIT 1
"""
_COUNTS_SQL: Final = """
SELECT (SELECT count(*) FROM exchange.orders) AS orders, (SELECT count(*) FROM exchange.trades) AS trades,
    (SELECT count(*) FROM exchange.journal) AS journal, (SELECT count(*) FROM exchange.transfers) AS transfers,
    (SELECT count(*) FROM exchange.withdrawals) AS withdrawals,
    (SELECT count(*) FROM exchange.order_lists) AS order_lists,
    (SELECT count(*) FROM exchange.prevented_matches) AS prevented_matches,
    (SELECT count(*) FROM exchange.amendments) AS amendments
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
    dropped_orders: int
    dropped_trades: int
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
    horizons = await retention.horizons(connection)
    replayed = _Replay(connection, start, horizons)
    await replayed.begin()
    # A day holds whole candles of every length, so nothing before it can be wrong on account of what follows.
    # Partitions of trades hold whole days.
    since_us = max(start.exchange.now_us, horizons["trades"].key) // CANDLE_US["1d"] * CANDLE_US["1d"]
    async for row in journal.read_rows(connection, start.sequence, head["sequence"]):
        await replayed.advance(row)
        if progress is not None:
            progress(row.sequence, head["sequence"])
    await replayed.close_window()
    if (replayed.sequence, replayed.journal_hash) != (head["sequence"], head["journal_hash"]):
        raise Mismatch(f"the lease row says journal row {head['sequence']} is the last, the journal ends otherwise")
    await _compare_open_state(connection, replayed)
    await _compare_terms(connection, replayed.exchange)
    await _compare_candles(connection, since_us)
    counts = await connection.fetchrow(_COUNTS_SQL)
    assert counts is not None, "an aggregate has a row"
    all_ever = {table: count + horizons[table].rows if table in horizons else count for table, count in counts.items()}
    _compare_counts(replayed, all_ever, from_genesis=start.sequence == 0)
    return Report(
        from_sequence=start.sequence,
        sequence=replayed.sequence,
        commands=replayed.commands,
        orders=counts["orders"],
        trades=counts["trades"],
        dropped_orders=horizons["orders"].rows,
        dropped_trades=horizons["trades"].rows,
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

    def __init__(self, connection: Connection, start: Snapshot, horizons: Mapping[str, Horizon]) -> None:
        self.exchange = start.exchange
        self.sequence = start.sequence
        self.journal_hash = start.journal_hash
        self.commands = 0
        self.transfers = 0
        self.withdrawals = 0
        self.order_lists: dict[int, Row] = {}
        self._aggregates = Aggregates()
        self._connection = connection
        self._horizons = horizons
        self._window = Projection()
        self._window_commands = 0

    async def begin(self) -> None:
        """Take over from the tables what the snapshot does not say: counts of aggregates, and times of lists."""
        for symbol, listing in self.exchange.listings.items():
            number = await self._connection.fetchval(
                _AGGREGATE_SQL, symbol, self.exchange.now_us, listing.last_trade_id
            )
            self._aggregates.begin(symbol, number or 0)
            stored = await self._connection.fetch(_ORDER_LISTS_SQL, list(listing.lists))
            times = {record["order_list_id"]: (record["updated_us"], record["created_us"]) for record in stored}
            for tied in listing.lists.values():
                updated_us, created_us = times.get(tied.order_list_id, (0, 0))
                self.order_lists[tied.order_list_id] = (*order_list_row(tied.state(updated_us)), created_us)

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
        """Compare what can no longer change: facts, and orders and lists that have ended."""
        window, self._window, self._window_commands = self._window, Projection(), 0
        await self._compare_orders(window)
        await self._compare_order_lists(window)
        trades = {
            (trade.symbol, trade.trade_id): (*trade_row(trade), self._aggregates.number(trade))
            for trade in window.trades
        }
        stored = await self._stored_trades(window.trades)
        horizon_us = self._horizons["trades"].key
        dropped = {
            (trade.symbol, trade.trade_id) for trade in window.trades if trade.taker.updated_us < horizon_us
        } - stored.keys()
        _compare("trades", {key: row for key, row in trades.items() if key not in dropped}, stored)
        await self._compare_money(window)
        prevented = {match[:2]: match for match in window.prevented}
        keys = [[key[0] for key in prevented], [key[1] for key in prevented]]
        await self._compare_stored("prevented_matches", prevented, 2, _PREVENTED_SQL, *keys)
        amendments = {amendment[0]: amendment for amendment in window.amendments}
        await self._compare_stored("amendments", amendments, 1, _AMENDMENTS_SQL, list(amendments))

    async def _compare_money(self, window: Projection) -> None:
        """Compare the ledger, and withdrawals that have ended; those that are held are compared at the end."""
        transfers = {_ledger_key(line): line for line in window.transfers}
        self.transfers += len(transfers)
        if transfers:
            references = list({line[0] for line in window.transfers})
            stored = await self._connection.fetch(_TRANSFERS_SQL, references)
            _compare("transfers", transfers, {_ledger_key(line): line for line in map(tuple, stored)})
        ended = {
            reference: row for reference, row in window.withdrawals.items() if row[-1] != WithdrawalStatus.HELD.value
        }
        self.withdrawals += len(ended)
        await self._compare_stored("withdrawals", ended, 1, _WITHDRAWALS_SQL, list(ended))

    async def _compare_orders(self, window: Projection) -> None:
        ended = {
            order_id: order_row(order)
            for order_id, order in window.orders.items()
            if order_id not in self.exchange.orders
        }
        stored = _by_key(await self._connection.fetch(_ORDERS_SQL, list(ended))) if ended else {}
        horizon = self._horizons["orders"].key
        _compare("orders", {key: row for key, row in ended.items() if key >= horizon or key in stored}, stored)

    async def _compare_order_lists(self, window: Projection) -> None:
        """Keep the rows of those that are still open."""
        for order_list_id, tied in window.order_lists.items():
            earlier = self.order_lists.get(order_list_id)
            created_us = window.order_lists_created_us[order_list_id] if earlier is None else earlier[-1]
            self.order_lists[order_list_id] = (*order_list_row(tied), created_us)
        ended = {
            order_list_id: self.order_lists.pop(order_list_id)
            for order_list_id, tied in window.order_lists.items()
            if tied.is_done
        }
        await self._compare_stored("order_lists", ended, 1, _ORDER_LISTS_SQL, list(ended))

    async def _compare_stored(
        self, table: str, expected: Mapping[Any, Row], key_columns: int, sql: str, *arguments: Sequence[Any]
    ) -> None:
        if expected:
            _compare(table, expected, _by_key(await self._connection.fetch(sql, *arguments), key_columns))

    async def _stored_trades(self, trades: Iterable[OrderFilled]) -> dict[tuple[str, int], tuple[Any, ...]]:
        """Those from the first to the last of each market, which are in the order of time."""
        ends: dict[str, tuple[OrderFilled, OrderFilled]] = {}
        for trade in trades:
            ends[trade.symbol] = (ends.get(trade.symbol, (trade,))[0], trade)
        stored = {}
        for symbol, (first, last) in ends.items():
            times_us = first.taker.updated_us, last.taker.updated_us
            for record in await self._connection.fetch(_TRADES_SQL, symbol, *times_us, first.trade_id, last.trade_id):
                stored[symbol, record["trade_id"]] = tuple(record)
        return stored


async def _compare_open_state(connection: Connection, replayed: _Replay) -> None:
    """Compare what is still alive: open orders, lists and balances; and that money is conserved."""
    exchange = replayed.exchange
    expected = {order_id: order_row(order.state()) for order_id, order in exchange.orders.items()}
    _compare("open orders", expected, _by_key(await connection.fetch(_OPEN_ORDERS_SQL)))
    _compare("open order_lists", replayed.order_lists, _by_key(await connection.fetch(_OPEN_ORDER_LISTS_SQL)))
    balances = {
        (account_id, asset): balance_row(balance)
        for account_id, by_asset in exchange.accounts.balances.items()
        for asset, balance in by_asset.items()
    }
    _compare("balances", balances, _by_key(await connection.fetch(_BALANCES_SQL), 2))
    held = {
        reference: withdrawal_row(hold, WithdrawalStatus.HELD) for reference, hold in exchange.transfers.holds.items()
    }
    _compare("held withdrawals", held, _by_key(await connection.fetch(_HELD_WITHDRAWALS_SQL)))
    supply = {asset: amount_e8 for asset, amount_e8 in exchange.accounts.supply.items() if amount_e8}
    reserved = await reserves(connection, FEE_ACCOUNT_ID)
    _compare("money deposited less withdrawn", supply, {one.asset: one.owed_e8 for one in reserved if one.owed_e8})
    if wrong := [one.asset for one in reserved if not one.is_balanced]:
        raise Mismatch(f"the ledger does not add up to the balances of {', '.join(wrong)}")
    if imbalances := exchange.accounts.imbalances():
        raise Mismatch(f"money is not conserved: {imbalances}")


async def _compare_terms(connection: Connection, exchange: Exchange) -> None:
    """Compare what governs trading: markets and their status, the venue's limits, accounts' own terms."""
    markets = {
        symbol: (_as_json(listing.market), listing.status.value) for symbol, listing in exchange.listings.items()
    }
    stored = await connection.fetch(_MARKETS_SQL)
    _compare("markets", markets, {name: (msgspec.json.decode(text), status) for name, text, status in stored})
    venue = {shard: msgspec.json.decode(text) for shard, text in await connection.fetch(_VENUE_SQL)}
    _compare("venue", {lease.SHARD: _as_json(exchange.venue)}, venue or {lease.SHARD: _as_json(Venue())})
    terms = {account_id: terms_row(terms) for account_id, terms in exchange.accounts.terms.items()}
    _compare("account_terms", terms, _by_key(await connection.fetch(_TERMS_SQL)))
    frozen = {account_id: (account_id, _FROZEN) for account_id in exchange.accounts.frozen}
    _compare("account_standing", frozen, _by_key(await connection.fetch(_FROZEN_SQL)))
    status = await connection.fetchval(_VENUE_STATUS_SQL, lease.SHARD)
    _compare("venue_standing", {lease.SHARD: exchange.venue_status.value}, {lease.SHARD: status or _OPEN})


async def _compare_candles(connection: Connection, since_us: int) -> None:
    wrong = await connection.fetchrow(WRONG_CANDLE_SQL, list(CANDLE_US), list(CANDLE_US.values()), since_us)
    if wrong is not None:
        raise Mismatch(
            f"candles: row {(wrong['symbol'], wrong['interval'], wrong['open_us'])!r} differs: the trades add up to "
            f"{wrong['expected']}, the table has {wrong['stored']}"
        )


def _compare_counts(replayed: _Replay, counts: Mapping[str, int], *, from_genesis: bool) -> None:
    """Rows that the journal knows nothing of are found by counting: ids are dense."""
    exchange = replayed.exchange
    expected = {
        "journal": replayed.sequence,
        "orders": exchange.last_order_id,
        "trades": sum(listing.last_trade_id for listing in exchange.listings.values()),
        "order_lists": exchange.last_order_list_id,
        "prevented_matches": sum(listing.last_prevented_match_id for listing in exchange.listings.values()),
        "amendments": exchange.last_execution_id,
    }
    if from_genesis:
        expected["transfers"] = replayed.transfers
        expected["withdrawals"] = replayed.withdrawals + len(exchange.transfers.holds)
    for table, count in expected.items():
        if counts[table] != count:
            raise Mismatch(f"{table}: the journal leads to {count} rows, the table has {counts[table]}")


def _ledger_key(line: Row) -> Row:
    """Reference, account and kind."""
    return line[0], line[1], line[4]


def _by_key(records: Iterable[Any], key_columns: int = 1) -> dict[Any, Row]:
    rows = (tuple(record) for record in records)
    return {row[0] if key_columns == 1 else row[:key_columns]: row for row in rows}


def _as_json(value: Market | Venue) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


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
