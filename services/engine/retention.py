"""Dropping old orders and trades, a partition at a time, for whoever owns the tables.

What goes is what was projected: the journal keeps everything, so all of it can be made again, and ``crossbook verify``
still replays from the beginning. It is told by ``history_horizons`` what to miss.

- A partition is dropped when all that is in it is older than asked. What is needed still stays, in a small partition in
  its place: orders that are open, and each market's last trade, which prices and the numbers of aggregates come from.
- What the dropped trades did to each account goes to ``carried_balances`` in the same transaction, so that statements
  add up; a statement that would begin before the horizon is refused.
- The newest month always stays, which is more than any running view, ticker or average reads.
- Only the exchange of partitions needs an exclusive lock, for milliseconds. It is asked for a quarter of a second at a
  time, so that an order never waits longer behind somebody's long read.
"""

import asyncio
import time
from typing import Any, Final, NamedTuple

import asyncpg

from services.infra.postgres import Connection

KEPT_DAYS_MIN: Final = 31
_DAY_US: Final = 86_400_000_000
LOCK_ATTEMPTS: Final = 60
_LOCK_PAUSE_S: Final = 0.5

PARTITIONS_SQL: Final = """
SELECT table_name, partition, from_key, to_key, bytes FROM exchange.history_partitions
ORDER BY table_name, from_key NULLS FIRST
"""
_HORIZONS_SQL: Final = "SELECT table_name, dropped_before, dropped_rows FROM exchange.history_horizons"
_LOCK_SQL: Final = "LOCK TABLE exchange.{table} IN ACCESS EXCLUSIVE MODE"
_NEWEST_SQL: Final = {
    "orders": "SELECT max(created_us) FROM exchange_history.{partition}",
    "trades": "SELECT max(time_us) FROM exchange_history.{partition}",
}
# Open orders while nobody can close one; last trades may be looked for at leisure, since old trades do not change.
_KEEP_SQL: Final = {
    "orders": "INSERT INTO exchange_history.{kept} SELECT * FROM exchange_history.{partition} WHERE is_open",
    "trades": """
INSERT INTO exchange_history.{kept} SELECT last.* FROM (SELECT DISTINCT symbol FROM exchange_history.{partition}) AS one
CROSS JOIN LATERAL (
    SELECT * FROM exchange.trades WHERE symbol = one.symbol ORDER BY time_us DESC, trade_id DESC LIMIT 1
) AS last WHERE last.time_us < {to_key}
""",
}
_CARRY_SQL: Final = """
INSERT INTO exchange.carried_balances AS old (account_id, asset, amount_e8)
SELECT account_id, asset, sum(amount_e8) FROM (
    SELECT trade.*, market.definition ->> 'base_asset' AS base_asset, market.definition ->> 'quote_asset' AS quote_asset
    FROM exchange_history.{partition} AS trade JOIN exchange.markets AS market USING (symbol)
    WHERE NOT EXISTS (
        SELECT FROM exchange_history.{kept} AS kept WHERE kept.symbol = trade.symbol AND kept.trade_id = trade.trade_id
    )
) AS dropped
CROSS JOIN LATERAL (VALUES
    (taker_account_id, NOT buyer_is_maker, taker_fee_e8), (maker_account_id, buyer_is_maker, maker_fee_e8)
) AS side (account_id, is_buyer, fee_e8)
CROSS JOIN LATERAL (VALUES
    (base_asset, CASE WHEN is_buyer THEN quantity_e8 - fee_e8 ELSE -quantity_e8 END),
    (quote_asset, CASE WHEN is_buyer THEN -quote_e8 ELSE quote_e8 - fee_e8 END)
) AS leg (asset, amount_e8)
GROUP BY account_id, asset
ON CONFLICT (account_id, asset) DO UPDATE SET amount_e8 = old.amount_e8 + excluded.amount_e8
"""
_RECORD_SQL: Final = """
INSERT INTO exchange.history_horizons AS old (table_name, dropped_before, dropped_rows) VALUES ($1, $2, $3)
ON CONFLICT (table_name) DO UPDATE SET dropped_before = greatest(old.dropped_before, excluded.dropped_before),
    dropped_rows = old.dropped_rows + excluded.dropped_rows
"""
_KEY_COLUMN: Final = {"orders": "order_id", "trades": "time_us"}


class TooYoung(Exception):
    """What is asked to be dropped is needed still; the message says how much may go."""


class LockNotGiven(Exception):
    """Somebody reads a table for longer than this waits; the message names it."""


class Partition(NamedTuple):
    """Keys are ids of orders or times of trades, from ``from_key`` until before ``to_key``; None without a bound."""

    table: str
    name: str
    from_key: int | None
    to_key: int | None
    bytes: int


class Horizon(NamedTuple):
    """Rows before this key were dropped, so many of them, unless they are needed."""

    key: int = 0
    rows: int = 0


class Dropped(NamedTuple):
    partition: Partition
    rows: int
    kept_rows: int


async def partitions(connection: Connection) -> list[Partition]:
    """Of both tables, in the order of their keys."""
    return [Partition(*row) for row in await connection.fetch(PARTITIONS_SQL)]


async def horizons(connection: Connection) -> dict[str, Horizon]:
    """By table; all zeros where nothing was dropped."""
    found = {table: Horizon(*rest) for table, *rest in await connection.fetch(_HORIZONS_SQL)}
    return {table: found.get(table, Horizon()) for table in _KEY_COLUMN}


async def drop_before(connection: Connection, before_us: int) -> list[Dropped]:
    """Drop every partition whose rows are all older; each in a transaction of its own, the oldest first."""
    if before_us > (latest_us := time.time_ns() // 1000 - KEPT_DAYS_MIN * _DAY_US):
        day = time.strftime("%Y-%m-%d", time.gmtime(latest_us // 1_000_000))
        raise TooYoung(f"the last {KEPT_DAYS_MIN} days always stay: nothing after {day} can be dropped")
    dropped = []
    for partition in await partitions(connection):
        if partition.to_key is None:
            continue
        newest_us = await connection.fetchval(_NEWEST_SQL[partition.table].format(partition=partition.name))
        if newest_us is not None and newest_us < before_us and await _is_past(connection, partition):
            dropped.append(await _drop(connection, partition))
    return [one for one in dropped if one.rows]


async def _is_past(connection: Connection, partition: Partition) -> bool:
    """Whether anything was written behind it, so that nothing will be written to it."""
    column = _KEY_COLUMN[partition.table]
    sql = f"SELECT EXISTS (SELECT FROM exchange.{partition.table} WHERE {column} >= $1)"  # noqa: S608
    return partition.table == "trades" or bool(await connection.fetchval(sql, partition.to_key))


async def _drop(connection: Connection, partition: Partition) -> Dropped:
    table, name = partition.table, partition.name
    words = {"table": table, "partition": name, "kept": f"{name}_kept", "to_key": partition.to_key}
    async with connection.transaction():
        total = await connection.fetchval(f"SELECT count(*) FROM exchange_history.{name}")  # noqa: S608
        await connection.execute("SELECT exchange_history.make($1, $2)", table, words["kept"])
        if table == "trades":
            await connection.execute(_KEEP_SQL[table].format(**words))
            await connection.execute(_CARRY_SQL.format(**words))
        await _lock(connection, table)
        if table == "orders":
            await connection.execute(_KEEP_SQL[table].format(**words))
        kept = await connection.fetchval(f"SELECT count(*) FROM exchange_history.{words['kept']}")  # noqa: S608
        await _exchange(connection, partition, words, kept)
        await connection.execute(_RECORD_SQL, table, partition.to_key, total - kept)
    return Dropped(partition, total - kept, kept)


async def _exchange(connection: Connection, partition: Partition, words: dict[str, Any], kept: int) -> None:
    """Put what is kept in the place of the partition, if there is anything."""
    statements = [
        "ALTER TABLE exchange.{table} DETACH PARTITION exchange_history.{partition}",
        "DROP TABLE exchange_history.{partition}",
    ]
    if kept:
        statements += [
            "ALTER TABLE exchange_history.{kept} RENAME TO {partition}",
            "ALTER TABLE exchange.{table} ATTACH PARTITION exchange_history.{partition} "
            "FOR VALUES FROM ({from_key}) TO ({to_key})",
        ]
    else:
        statements.append("DROP TABLE exchange_history.{kept}")
    from_key = "MINVALUE" if partition.from_key is None else partition.from_key
    for statement in statements:
        await connection.execute(statement.format(from_key=from_key, **words))


async def _lock(connection: Connection, table: str) -> None:
    for _ in range(LOCK_ATTEMPTS):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '250ms'")
                await connection.execute(_LOCK_SQL.format(table=table))
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(_LOCK_PAUSE_S)
        else:
            return
    raise LockNotGiven(f"exchange.{table} is being read all the time (a backup, a verification?); try again later")


async def cut(connection: Connection) -> list[str]:
    """Where nobody made partitions in time, end the last one behind its newest row, so that there are some again.

    The rows stay where they are. They are read through once, without keeping anybody from writing.
    """
    made = [await _cut(connection, one) for one in await partitions(connection) if one.to_key is None]
    return [name for name in made if name is not None]


async def _cut(connection: Connection, partition: Partition) -> str | None:
    table, name, column = partition.table, partition.name, _KEY_COLUMN[partition.table]
    newest = await connection.fetchval(f"SELECT max({column}) FROM exchange_history.{name}")  # noqa: S608
    if newest is None:
        return None
    width = await connection.fetchval("SELECT exchange_history.width($1)", table)
    position = max(newest, await connection.fetchval("SELECT exchange_history.position($1)", table))
    # A whole number of widths, and far enough that nothing reaches it while this reads.
    end = position // width * width + 3 * width
    bounds = f"CHECK ({column} >= {partition.from_key} AND {column} < {end})"
    await connection.execute("SET lock_timeout = '250ms'")
    await connection.execute(f"ALTER TABLE exchange_history.{name} ADD CONSTRAINT bounds {bounds} NOT VALID")
    await connection.execute(f"ALTER TABLE exchange_history.{name} VALIDATE CONSTRAINT bounds")
    made = f"{table}_{partition.from_key}"
    async with connection.transaction():
        await _lock(connection, table)
        for statement in (
            f"ALTER TABLE exchange.{table} DETACH PARTITION exchange_history.{name}",
            f"ALTER TABLE exchange_history.{name} RENAME TO {made}",
            f"ALTER TABLE exchange.{table} ATTACH PARTITION exchange_history.{made} "
            f"FOR VALUES FROM ({partition.from_key}) TO ({end})",
            f"ALTER TABLE exchange_history.{made} DROP CONSTRAINT bounds",
            f"SELECT exchange_history.make('{table}', '{name}')",
            f"ALTER TABLE exchange.{table} ATTACH PARTITION exchange_history.{name} FOR VALUES FROM ({end}) "
            "TO (MAXVALUE)",
        ):
            await connection.execute(statement)
    return made
