"""Migration 0004 gives the trades of before their aggregates and candles: the same that settlements would have."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from services.domain.aggregates import Aggregates
from services.engine import verify
from services.engine.projection import CANDLE_US
from services.infra.postgres import Connection
from services.local.embedded import EmbeddedPostgres
from services.local.migrate import upgrade
from tests.api.test_candles import HISTORIES, SYMBOL, Trade, event, random_trades
from tests.conftest import execute

DATABASE = "before_market_data"
INSERT = """
INSERT INTO exchange.trades (symbol, trade_id, price_e8, quantity_e8, quote_e8, time_us, buyer_is_maker, taker_order_id,
    taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, sequence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1000, 0, $9, 1001, 0, 1)
"""


@pytest.fixture
def old_database(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    execute(embedded_postgres.url(), f"CREATE DATABASE {DATABASE}")
    url = embedded_postgres.url(DATABASE)
    upgrade(url, "0003")
    yield url
    execute(embedded_postgres.url(), f"DROP DATABASE {DATABASE} WITH (FORCE)")


def test_trades_of_before_get_their_aggregates_and_candles(old_database: str) -> None:
    trades = [trade for batch in random_trades(5, *HISTORIES["dense"]) for trade in batch]
    asyncio.run(_insert(old_database, trades))
    upgrade(old_database)
    aggregates = Aggregates()
    expected = [(trade.trade_id, aggregates.number(event(trade))) for trade in trades]
    numbers, wrong, count = asyncio.run(_read(old_database))
    assert numbers == expected
    assert wrong is None
    assert count > len(CANDLE_US)


async def _insert(url: str, trades: list[Trade]) -> None:
    connection: Connection = await asyncpg.connect(url)
    rows = [
        (
            SYMBOL,
            *(trade.trade_id, trade.price_e8, trade.quantity_e8, trade.quote_e8, trade.time_us),
            not trade.taker_buys,
            *(trade.taker_order_id, trade.taker_order_id - 1),
        )
        for trade in trades
    ]
    await connection.executemany(INSERT, rows)
    await connection.close()


async def _read(url: str) -> tuple[list[tuple[int, int]], object, int]:
    connection: Connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT trade_id, aggregate_id FROM exchange.trades ORDER BY trade_id")
    numbers = [(row["trade_id"], row["aggregate_id"]) for row in rows]
    wrong = await connection.fetchrow(verify.WRONG_CANDLE_SQL, list(CANDLE_US), list(CANDLE_US.values()), 0)
    count = await connection.fetchval("SELECT count(*) FROM exchange.candles")
    await connection.close()
    return numbers, wrong, count
