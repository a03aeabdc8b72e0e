"""Orders and own trades over many partitions, against what a plain reading of the rows gives."""

import random
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from services.infra import postgres
from services.infra.postgres import Pool
from services.trading import queries
from services.trading.order_floors import OrderFloors
from services.trading.present import Present
from tests.history_partitions import cut_history

SYMBOL, OTHER = "BTCUSDT", "ETHUSDT"
ORDERS, TRADES = 600, 500
BEGAN_US, STEP_US = 10**15, 10**9
ME = 1000
ORDER = """
INSERT INTO exchange.orders SELECT id, 1000 + id % 3, CASE WHEN id % 5 = 0 THEN 'ETHUSDT' ELSE 'BTCUSDT' END,
    'c' || id % 40, 'BUY', 'LIMIT', 'GTC', 1, 1, 0, 0, 0, 'NEW', {began} + id / 3 * {step},
    {began} + (id / 3 + 9) * {step}, 0, '', id IN (333, 410, 599), 1
FROM generate_series(1::bigint, {count}) AS id
"""
TRADE = """
INSERT INTO exchange.trades (symbol, time_us, trade_id, price_e8, quantity_e8, quote_e8, buyer_is_maker, taker_order_id,
    taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, sequence, aggregate_id)
SELECT 'BTCUSDT', {began} + (id + 4) / 3 * {step}, id, 1, 1, 1, id % 2 = 0, id + 4, 1000 + (id + 4) % 3, 0, id,
    1000 + id % 4 / 2, 0, 1, id
FROM generate_series(1::bigint, {count}) AS id
"""


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    owner = await asyncpg.connect(postgres_url)
    await cut_history(owner, "orders", range(50, 601, 50))
    await cut_history(owner, "trades", [BEGAN_US + number * 20 * STEP_US for number in range(1, 10)])
    await owner.execute(ORDER.format(began=BEGAN_US, step=STEP_US, count=ORDERS))
    await owner.execute(TRADE.format(began=BEGAN_US, step=STEP_US, count=TRADES))
    await owner.close()
    url = postgres_url.replace("postgres@", "crossbook_trading@", 1)
    made = await postgres.create_pool(url, application_name="test", size=2, statement_timeout_ms=20_000)
    yield made
    await made.close()


async def test_orders_of_a_time_or_from_an_id(pool: Pool) -> None:
    rows = await pool.fetch(f"{queries.ORDER} WHERE account_id = {ME} AND symbol = '{SYMBOL}' ORDER BY order_id")
    assert len(rows) > 150
    chance = random.Random(1)
    for _ in range(30):
        start_us, end_us = sorted(BEGAN_US + chance.randint(-2, ORDERS // 3 + 2) * STEP_US for _ in range(2))
        from_id, limit = chance.randint(0, ORDERS + 5), chance.choice((1, 7, 500))
        within = [row for row in rows if start_us <= row["created_us"] <= end_us]
        asked: dict[str, Any] = {"from_id": 0, "start_us": None, "end_us": None, "limit": limit}

        async def ask(**changes: int) -> list[Any]:
            return await queries.orders_from(pool, ME, SYMBOL, **(asked | changes))  # noqa: B023

        assert await ask(start_us=start_us, end_us=end_us) == within[:limit]
        assert await ask(start_us=start_us) == [row for row in rows if row["created_us"] >= start_us][:limit]
        assert await ask(from_id=from_id) == [row for row in rows if row["order_id"] >= from_id][:limit]
        assert (
            await ask(from_id=from_id, start_us=start_us, end_us=end_us)
            == [row for row in within if row["order_id"] >= from_id][:limit]
        )
        newest = [row for row in rows if row["created_us"] <= end_us][-limit:]
        assert await queries.newest_orders(pool, ME, SYMBOL, end_us=end_us, limit=limit) == newest
    assert await queries.newest_orders(pool, ME, SYMBOL, end_us=None, limit=9) == rows[-9:]
    assert await queries.newest_orders(pool, ME, SYMBOL, end_us=2**63 - 1, limit=9) == rows[-9:]


async def test_own_trades_of_a_time_an_order_or_from_an_id(pool: Pool) -> None:
    expected = [
        (row["trade_id"], row[f"{side}_order_id"], side == "maker", row["time_us"])
        for row in await pool.fetch("SELECT * FROM exchange.trades ORDER BY trade_id")
        for side in ("taker", "maker")
        if row[f"{side}_account_id"] == ME
    ]
    assert any(one[0] == other[0] for one, other in pairwise(expected)), "some with oneself"
    chance = random.Random(2)

    async def ask(**changes: int) -> list[tuple[Any, ...]]:
        asked: dict[str, Any] = dict.fromkeys(("from_id", "start_us", "end_us", "order_id")) | {"limit": 500} | changes
        rows = await queries.own_trades(pool, ME, SYMBOL, **asked)
        return [(row["trade_id"], row["order_id"], row["is_maker"], row["time_us"]) for row in rows]

    for _ in range(20):
        start_us, end_us = sorted(BEGAN_US + chance.randint(-2, TRADES // 3 + 2) * STEP_US for _ in range(2))
        from_id, limit = chance.randint(0, TRADES + 5), chance.choice((1, 7, 500))
        from_start = [one for one in expected if one[3] >= start_us]
        assert await ask(start_us=start_us, limit=limit) == from_start[:limit]
        within = [one for one in from_start if one[3] <= end_us]
        assert await ask(start_us=start_us, end_us=end_us, limit=limit) == within[:limit]
        assert await ask(end_us=end_us, limit=limit) == [one for one in expected if one[3] <= end_us][-limit:]
        assert await ask(from_id=from_id, limit=limit) == [one for one in expected if one[0] >= from_id][:limit]
        order_id = chance.choice(expected)[1]
        assert await ask(order_id=order_id) == [one for one in expected if one[1] == order_id]
        assert await ask(order_id=order_id, from_id=from_id) == [
            one for one in expected if one[1] == order_id and one[0] >= from_id
        ]
    assert await ask(limit=11) == expected[-11:]
    assert await ask(from_id=2**63 - 1) == []


async def test_floors_hide_nothing_and_follow_what_ends(pool: Pool, postgres_url: str) -> None:
    present = Present(pool)
    rows = await pool.fetch(f"{queries.ORDER} ORDER BY order_id")

    async def check() -> None:
        for account_id in range(ME, ME + 3):
            own = [row for row in rows if row["account_id"] == account_id]
            found = await present.open_orders(account_id, None, 10)
            still = [row["order_id"] for row in own if row["order_id"] in open_ids]
            assert [row["order_id"] for row in found] == still
            for name in ("c0", "c7", "c39", "unknown"):
                named = [row["order_id"] for row in own if (row["client_order_id"], row["symbol"]) == (name, SYMBOL)]
                row = await present.order_by_client_id(name, account_id, SYMBOL)
                assert (row and row["order_id"]) == (named[-1] if named else None)

    open_ids = [333, 410, 599]
    await check()
    await present.floors.look()
    assert (present.floors.open, present.floors.recent) == (300, 550)
    await check()
    owner = await asyncpg.connect(postgres_url)
    await owner.execute("UPDATE exchange.orders SET is_open = false WHERE order_id < 500")
    open_ids = [599]
    await present.floors.look()
    assert present.floors.open == 550
    await check()
    await owner.execute("UPDATE exchange.orders SET is_open = false")
    await present.floors.look()
    assert present.floors.open == ORDERS + 1, "the next order is above it"
    await owner.execute("DELETE FROM exchange.orders WHERE order_id > 100; UPDATE exchange.orders SET is_open = true")
    await present.floors.look()
    assert present.floors.open == 0, "the database was restored to an earlier time"
    await owner.close()


async def test_floors_of_an_empty_exchange(postgres_url: str) -> None:
    pool = await postgres.create_pool(postgres_url, application_name="test", size=1, statement_timeout_ms=5_000)
    floors = OrderFloors(pool)
    await floors.look()
    assert (floors.open, floors.recent) == (1, 0)
    await pool.close()
