"""An exchange that has grown, without the hours that growing takes: state and history are put in their places at once.

``enlarge`` leads the exchange of a stopped data directory on by commands that nobody journals, and leaves a snapshot in
place of the newest one; the engine that starts next has all of it. ``History`` fills the partitions of the past with
orders and trades, the newest first, while the exchange runs. Neither could pass ``crossbook verify``.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import asyncpg

from loadtests.venue import DATABASE, VenueFailed
from services.domain.commands import Command, Deposit, PlaceOrder
from services.domain.money import ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.engine import journal, snapshots
from services.engine.core.exchange import Exchange
from services.engine.journal import GENESIS_HASH
from services.engine.projection import balance_row, order_row
from services.engine.recovery import Copy
from services.engine.snapshots import Snapshot
from services.local.embedded import EmbeddedPostgres

FIRST_ACCOUNT_ID: Final = 10_000_000
ORDERS_PER_ACCOUNT: Final = 100
# A million accounts with it stay below what there may be of an asset (2⁶³).
FUNDS_E8: Final = 50_000 * ONE_E8
# Where history ends and the exchange's own orders and trades begin, so that there is room for any number before them.
HISTORY_ROWS_MAX: Final = 100_000_000
HISTORY_MONTHS: Final = 24
HISTORY_ACCOUNTS: Final = 1_000
MARKET: Final = "BTCUSDT"
MONTH_US: Final = 30 * 86_400_000_000
# So that the most there may be reach back evenly through all partitions.
STEP_US: Final = (HISTORY_MONTHS - 1) * MONTH_US // HISTORY_ROWS_MAX
FILL_ROWS: Final = 1_000_000
SEED: Final = 6

_ORDER_COLUMNS: Final = (
    *("order_id", "account_id", "symbol", "client_order_id", "side", "type", "time_in_force", "price_e8"),
    *("quantity_e8", "quote_quantity_e8", "executed_e8", "executed_quote_e8", "status", "created_us", "updated_us"),
    *("working_us", "expiry_reason", "self_trade_prevention", "details", "is_open", "sequence"),
)
_BALANCE_COLUMNS: Final = (
    *("account_id", "asset", "free_e8", "locked_e8", "withdrawing_e8", "updated_us", "sequence"),
)
# Trade n was made by orders 2n - 1 and 2n; each account is now the maker, now the taker, of one in $5 of them.
_TRADES_SQL: Final = """
INSERT INTO exchange.trades (symbol, trade_id, price_e8, quantity_e8, quote_e8, time_us, buyer_is_maker, taker_order_id,
    taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, sequence, aggregate_id)
SELECT 'BTCUSDT', n, 6000000000000, 100000, 6000000000, $3::bigint - ($4::bigint - n) * $6::bigint, n % 2 = 0, 2 * n,
    ($5::bigint[])[1 + n % cardinality($5::bigint[])], 0, 2 * n - 1,
    ($5::bigint[])[1 + n * 7 % cardinality($5::bigint[])], 0, 0, n
FROM generate_series($1::bigint, $2::bigint) AS n
"""
_ORDERS_SQL: Final = """
INSERT INTO exchange.orders (order_id, account_id, symbol, client_order_id, side, type, time_in_force, price_e8,
    quantity_e8, quote_quantity_e8, executed_e8, executed_quote_e8, status, created_us, updated_us, working_us,
    expiry_reason, is_open, sequence)
SELECT 2 * n - way, ($5::bigint[])[1 + n * (CASE way WHEN 0 THEN 1 ELSE 7 END) % cardinality($5::bigint[])], 'BTCUSDT',
    'h' || 2 * n - way, 'BUY', 'LIMIT', 'GTC', 6000000000000, 100000, 0, 100000, 6000000000, 'FILLED', time_us, time_us,
    time_us, '', false, 0
FROM generate_series($1::bigint, $2::bigint) AS n, (VALUES (1), (0)) AS side (way),
    LATERAL (SELECT $3::bigint - ($4::bigint - n) * $6::bigint AS time_us) AS made
"""


@contextlib.contextmanager
def stopped_database(root: Path) -> Iterator[str]:
    """The database of a stopped exchange, alone."""
    server = EmbeddedPostgres(root / "exchange" / "postgres")
    server.start(root / "postgres.log")
    try:
        yield server.url(DATABASE)
    finally:
        server.stop()


async def make_room_for_history(url: str) -> None:
    """Let ids begin behind the history to come, and cut partitions for it; before anybody has traded."""
    owner = await asyncpg.connect(url)
    copy = await _state(owner)
    copy.exchange.listings[MARKET].last_trade_id = HISTORY_ROWS_MAX
    copy.exchange.last_order_id = 2 * HISTORY_ROWS_MAX
    month = HISTORY_ROWS_MAX // HISTORY_MONTHS
    now_us = time.time_ns() // 1000
    await _cut(owner, "orders", [2 * month * number for number in range(1, HISTORY_MONTHS)] + [2 * HISTORY_ROWS_MAX])
    await _cut(owner, "trades", [now_us - number * MONTH_US for number in reversed(range(HISTORY_MONTHS))])
    await _put(owner, copy)
    await owner.close()


async def enlarge(url: str, *, accounts: int, open_orders: int) -> None:
    """So many accounts with money more, and orders that rest below the market."""
    owner = await asyncpg.connect(url)
    copy = await _state(owner)
    exchange, chance = copy.exchange, random.Random(SEED)
    known = sum(1 for account_id in exchange.accounts.balances if account_id >= FIRST_ACCOUNT_ID)
    resting = len(exchange.orders)
    fresh = range(FIRST_ACCOUNT_ID + known, FIRST_ACCOUNT_ID + max(accounts, open_orders // ORDERS_PER_ACCOUNT + 1))
    for account_id in fresh:
        _apply(exchange, Deposit(account_id, "USDT", FUNDS_E8, f"grown:{account_id}"))
    before = set(exchange.orders)
    for number in range(resting, open_orders):
        account_id = FIRST_ACCOUNT_ID + number // ORDERS_PER_ACCOUNT
        _apply(exchange, _resting(account_id, exchange.last_order_id, chance))
    await _copy_rows(owner, copy, fresh, [order_id for order_id in exchange.orders if order_id not in before])
    await _put(owner, copy)
    await owner.close()


class History:
    """Old trades, with the two orders of each, in the partitions before what the exchange does itself."""

    def __init__(self, url: str, account_ids: list[int]) -> None:
        self._url = url
        self._ends_us = time.time_ns() // 1000 - 3_600_000_000
        others = range(FIRST_ACCOUNT_ID, FIRST_ACCOUNT_ID + HISTORY_ACCOUNTS)
        self._account_ids = [*account_ids, *others]
        self.trades = 0

    @property
    def first_trade_id(self) -> int:
        return HISTORY_ROWS_MAX - self.trades + 1

    def time_us(self, trade_id: int) -> int:
        return self._ends_us - (HISTORY_ROWS_MAX - trade_id) * STEP_US

    async def fill(self, rows: int) -> None:
        """Go on into the past until there are so many rows: of three, one is a trade and two are its orders."""
        owner = await asyncpg.connect(self._url)
        while self.trades < rows // 3:
            count = min(FILL_ROWS, rows // 3 - self.trades)
            ids = (self.first_trade_id - count, self.first_trade_id - 1)
            arguments = (*ids, self._ends_us, HISTORY_ROWS_MAX, self._account_ids, STEP_US)
            await owner.execute("SET synchronous_commit = off")
            await owner.execute(_TRADES_SQL, *arguments, timeout=3600)
            await owner.execute(_ORDERS_SQL, *arguments, timeout=3600)
            self.trades += count
        await owner.execute("ANALYZE exchange.trades, exchange.orders", timeout=3600)
        await owner.execute("CHECKPOINT", timeout=3600)
        await owner.close()


def _resting(account_id: int, number: int, chance: random.Random) -> PlaceOrder:
    """Prices as they are around a market: many close to it, some at each level far away."""
    price = max(35_000_00, 59_000_00 - int(chance.expovariate(1 / 100_000)))
    return PlaceOrder(
        account_id,
        MARKET,
        f"g{number:x}",
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.GTC,
        ONE_E8 // 5_000,
        price * ONE_E8 // 100,
    )


def _apply(exchange: Exchange, command: Command) -> None:
    outcome = exchange.apply(command, exchange.now_us)
    if not isinstance(outcome, list):
        raise VenueFailed(f"{command} was refused: {outcome}")


async def _state(owner: Any) -> Copy:
    """What an engine would begin with."""
    lease = await owner.fetchrow("SELECT sequence, journal_hash FROM exchange.engine_lease")
    stored = await snapshots.stored(owner)
    copy = Copy(snapshots.decode(stored[0]) if stored else Snapshot(0, GENESIS_HASH, Exchange()))
    async with owner.transaction():
        async for row in journal.read_rows(owner, copy.sequence, lease["sequence"]):
            copy.apply(row)
    if copy.journal_hash != lease["journal_hash"]:
        raise VenueFailed("the journal does not lead to the last commit")
    return copy


async def _put(owner: Any, copy: Copy) -> None:
    payload = await asyncio.to_thread(snapshots.encode, copy.exchange, copy.sequence, copy.journal_hash)
    await owner.execute("DELETE FROM exchange.snapshots")
    await owner.execute(
        "INSERT INTO exchange.snapshots (sequence, payload) VALUES ($1, $2)", copy.sequence, payload, timeout=300
    )


async def _copy_rows(owner: Any, copy: Copy, account_ids: range, order_ids: list[int]) -> None:
    exchange, sequence = copy.exchange, copy.sequence
    if account_ids:
        # An account that had none is written as it is now, with what its orders lock.
        balances = (
            (*_balance(exchange, account_id, asset), exchange.now_us, sequence)
            for account_id in account_ids
            for asset in exchange.accounts.balances[account_id]
        )
        await owner.copy_records_to_table(
            "balances", schema_name="exchange", columns=_BALANCE_COLUMNS, records=balances, timeout=600
        )
    if order_ids:
        orders = ((*order_row(exchange.orders[order_id].state()), sequence) for order_id in order_ids)
        await owner.copy_records_to_table(
            "orders", schema_name="exchange", columns=_ORDER_COLUMNS, records=orders, timeout=600
        )
    await owner.execute("ANALYZE exchange.orders, exchange.balances", timeout=600)


def _balance(exchange: Exchange, account_id: int, asset: str) -> tuple[Any, ...]:
    return balance_row(exchange.accounts.balances[account_id][asset])


async def _cut(owner: Any, table: str, edges: list[int]) -> None:
    """Replace the partitions of an empty table; the last one has no end."""
    for row in await owner.fetch("SELECT partition FROM exchange.history_partitions WHERE table_name = $1", table):
        await owner.execute(f"DROP TABLE exchange_history.{row['partition']}")
    for number, (low, high) in enumerate(pairwise(["MINVALUE", *map(str, edges), "MAXVALUE"])):
        name = f"{table}_rest" if high == "MAXVALUE" else f"{table}_old_{number}"
        await owner.execute("SELECT exchange_history.make($1, $2)", table, name)
        await owner.execute(
            f"ALTER TABLE exchange.{table} ATTACH PARTITION exchange_history.{name} FOR VALUES FROM ({low}) TO ({high})"
        )
