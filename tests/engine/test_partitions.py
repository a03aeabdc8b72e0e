"""Partitions ahead: who makes them, when, and what happens when nobody did."""

import asyncpg
import pytest

from services.engine import partitions, retention
from services.engine.settings import EngineSettings
from services.infra import postgres
from services.infra.postgres import Connection
from tests.engine.conftest import until
from tests.history_partitions import cut_history

INSERT = """
INSERT INTO exchange.orders SELECT id, 1000, 'BTCUSDT', 'c' || id, 'BUY', 'LIMIT', 'GTC', 1, 1, 0, 0, 0, 'NEW', $2, $2,
    0, '', true, 1 FROM unnest($1::bigint[]) AS id
"""
WIDTH = 1 << 20


async def engine_session(settings: EngineSettings) -> Connection:
    url = settings.database_url.get_secret_value()
    return await postgres.connect(url, application_name="test", statement_timeout_ms=5_000)


async def test_the_engine_keeps_partitions_ahead_and_may_do_no_more(
    settings: EngineSettings, database: Connection
) -> None:
    session = await engine_session(settings)
    assert await partitions.extend(session) == {"orders": (3, False), "trades": (3, False)}
    await session.execute(INSERT, [1, 2 * WIDTH + 5], 10**15)
    assert await partitions.extend(session) == {"orders": (3, False), "trades": (3, False)}
    orders = [one for one in await retention.partitions(database) if one.table == "orders"]
    assert [one.from_key for one in orders][:4] == [None, WIDTH, 2 * WIDTH, 3 * WIDTH]
    assert [one.to_key for one in orders[:-1]] == [one.from_key for one in orders[1:]]
    assert orders[-1].to_key is None
    for refused in (
        "CREATE TABLE exchange.mine (id bigint)",
        "SELECT * FROM exchange_history.orders_first",
        "SELECT exchange_history.make('orders', 'mine')",
        "DROP TABLE exchange.orders",
        "UPDATE exchange.history_horizons SET dropped_before = 1",
        "DELETE FROM exchange.trades",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute(refused)
    with pytest.raises(asyncpg.RaiseError):
        await session.fetch("SELECT exchange.extend_history('journal')")
    await session.close()


async def test_the_next_partitions_of_orders_are_as_wide_as_a_month_at_their_pace(
    settings: EngineSettings, database: Connection
) -> None:
    session = await engine_session(settings)
    day_us = 86_400_000_000
    # Two million orders in six days are ten in a month.
    await session.execute(INSERT, [1, WIDTH - 5], 10**15)
    await session.execute(INSERT, [2 * WIDTH + 5], 10**15 + 6 * day_us)
    await partitions.extend(session)
    widths = [one.to_key - one.from_key for one in await retention.partitions(database) if one.from_key and one.to_key]
    assert widths[3] == 8 * WIDTH
    await session.close()


async def test_what_nobody_made_room_for_is_taken_all_the_same(settings: EngineSettings, database: Connection) -> None:
    session = await engine_session(settings)
    await session.execute(INSERT, [1, 10**9], 10**15)
    assert (await partitions.extend(session))["orders"] == (0, True)
    made = await retention.cut(database)
    assert made == [f"orders_{4 * WIDTH}"]
    assert await retention.cut(database) == []
    assert (await partitions.extend(session))["orders"] == (3, False)
    assert await database.fetchval(f"SELECT count(*) FROM exchange_history.{made[0]}") == 1
    assert [row[0] for row in await session.fetch("SELECT order_id FROM exchange.orders ORDER BY 1")] == [1, 10**9]
    await session.execute(INSERT, [10**9 + 1], 10**15)
    await session.close()


async def test_partitions_are_not_made_behind_a_long_read(settings: EngineSettings, database: Connection) -> None:
    await cut_history(database, "orders", [10])
    session = await engine_session(settings)
    async with database.transaction():
        await database.fetch("SELECT * FROM exchange.orders")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await partitions.extend(session)

    async def is_ahead() -> bool:
        return (await partitions.extend(session))["orders"].partitions == 3

    await until(is_ahead)
    await session.close()
