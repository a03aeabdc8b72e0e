"""The checker: holds what traders were told against the database, and money against zero."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg

from services.engine.verify import verify
from services.infra.postgres import Connection
from tests.faults.traders import Trader

E8 = Decimal(10) ** -8


class Summary(NamedTuple):
    acknowledged: int
    fills: int
    cancels: int
    refused: int
    unknown: int
    unknown_applied: int


async def check(database_url: str, traders: Sequence[Trader]) -> Summary:
    """Assert the promises; return what was checked, so that the caller can see that it was not nothing."""
    connection = await asyncpg.connect(database_url)
    try:
        await _check_money(connection)
        await _check_fills_add_up(connection)
        summary = [await _check_told(connection, trader) for trader in traders]
    finally:
        await connection.close()
    await verify(database_url)
    return Summary(*(sum(column) for column in zip(*summary, strict=True)))


async def _check_money(connection: Connection) -> None:
    rows = await connection.fetch(
        """
        SELECT asset, sum(free_e8 + locked_e8)::bigint AS held,
            (SELECT sum(amount_e8)::bigint FROM exchange.transfers WHERE asset = balances.asset) AS brought
        FROM exchange.balances AS balances GROUP BY asset
        """
    )
    assert rows
    for row in rows:
        assert row["held"] == row["brought"], f"{row['asset']} is not conserved"
    wrong = await connection.fetch(
        """
        SELECT account_id, asset, locked_e8, reserved FROM exchange.balances
        LEFT JOIN (
            SELECT account_id AS owner, CASE side WHEN 'BUY' THEN 'USDT' ELSE 'BTC' END AS pays,
                sum(CASE side WHEN 'BUY' THEN price_e8 * (quantity_e8 - executed_e8)::numeric / 100000000
                    ELSE quantity_e8 - executed_e8 END)::bigint AS reserved
            FROM exchange.orders WHERE is_open GROUP BY 1, 2
        ) AS open ON owner = account_id AND pays = asset
        WHERE locked_e8 <> coalesce(reserved, 0)
        """
    )
    assert wrong == [], "locked is not what open orders reserve"


async def _check_fills_add_up(connection: Connection) -> None:
    """Trade ids are dense, and an order executed exactly what its trades say: no fill is lost or counted twice."""
    gaps = await connection.fetch(
        "SELECT symbol FROM exchange.trades GROUP BY symbol HAVING count(*) <> max(trade_id) OR min(trade_id) <> 1"
    )
    assert gaps == []
    wrong = await connection.fetch(
        """
        SELECT orders.order_id, executed_e8, traded FROM exchange.orders
        LEFT JOIN (
            SELECT order_id, sum(quantity_e8)::bigint AS traded FROM (
                SELECT taker_order_id AS order_id, quantity_e8 FROM exchange.trades
                UNION ALL SELECT maker_order_id, quantity_e8 FROM exchange.trades
            ) AS sides GROUP BY order_id
        ) AS fills USING (order_id)
        WHERE executed_e8 <> coalesce(traded, 0)
        """
    )
    assert wrong == []


async def _check_told(connection: Connection, trader: Trader) -> Summary:
    told = trader.told
    orders = {
        row["client_order_id"]: row
        for row in await connection.fetch("SELECT * FROM exchange.orders WHERE account_id = $1", trader.account_id)
    }
    fills = 0
    for name, answer in told.placed.items():
        fills += await _check_acknowledged(connection, orders[name], answer)
    statuses = {row["order_id"]: row["status"] for row in orders.values()}
    for order_id in told.cancelled:
        assert statuses[order_id] == "CANCELED", f"order {order_id} was acknowledged as cancelled"
    for name, text in told.refused.items():
        assert name not in orders, f"{name} was refused ({text}) and is in the database"
    applied = [name for name in told.unknown if name in orders]
    for name in told.unknown:
        found = await trader.query(name)
        assert (found is not None) == (name in orders), f"the query for {name} does not tell the truth"
    strangers = orders.keys() - told.placed.keys() - told.unknown
    assert not strangers, f"orders that nobody was told of: {sorted(strangers)}"
    return Summary(len(told.placed), fills, len(told.cancelled), len(told.refused), len(told.unknown), len(applied))


async def _check_acknowledged(connection: Connection, row: asyncpg.Record, answer: dict[str, Any]) -> int:
    """The order is there, has executed at least what was said, and each fill is the trade that was said."""
    assert row["order_id"] == answer["orderId"]
    assert row["quantity_e8"] * E8 == Decimal(answer["origQty"])
    assert row["executed_e8"] * E8 >= Decimal(answer["executedQty"])
    for fill in answer["fills"]:
        trade = await connection.fetchrow(
            "SELECT * FROM exchange.trades WHERE symbol = $1 AND trade_id = $2", answer["symbol"], fill["tradeId"]
        )
        assert trade is not None, f"fill {fill} was acknowledged and is not in the database"
        assert trade["taker_order_id"] == answer["orderId"]
        assert (trade["price_e8"] * E8, trade["quantity_e8"] * E8) == (Decimal(fill["price"]), Decimal(fill["qty"]))
    return len(answer["fills"])
