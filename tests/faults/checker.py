"""The checker: holds what traders were told against the database, streams against both, and money against zero."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg

from services.engine.verify import verify
from services.infra.postgres import Connection
from tests.faults.traders import Trader
from tests.streams.api_socket import Json
from tests.streams.follower import cursor_of
from tests.streams.listener import Listener

E8 = Decimal(10) ** -8


class Summary(NamedTuple):
    acknowledged: int
    fills: int
    cancels: int
    refused: int
    not_sent: int
    unknown: int
    unknown_applied: int
    settled_by_asking: int


async def check(database_url: str, traders: Sequence[Trader]) -> Summary:
    """Assert the promises; return what was checked, so that the caller can see that it was not nothing."""
    connection = await asyncpg.connect(database_url)
    try:
        await _check_money(connection)
        await _check_fills_add_up(connection)
        await _check_times(connection)
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


async def _check_times(connection: Connection) -> None:
    """Whatever clocks did, time does not run backwards in the journal, and so in nothing that was made from it."""
    backwards = await connection.fetchval(
        "SELECT count(*) FROM (SELECT time_us < lag(time_us) OVER (ORDER BY sequence) AS earlier FROM exchange.journal)"
        " AS rows WHERE earlier"
    )
    assert backwards == 0
    wrong = await connection.fetchval("SELECT count(*) FROM exchange.orders WHERE updated_us < created_us")
    assert wrong == 0


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
    for name in told.not_sent:
        assert name not in orders, f"{name} was never sent and is in the database"
    for name, is_there in told.settled.items():
        assert is_there == (name in orders), f"what was said of {name} when it had to be final was not the truth"
    applied = [name for name in told.unknown if name in orders]
    for name in told.unknown:
        found = await trader.query(name)
        assert (found is not None) == (name in orders), f"the query for {name} does not tell the truth"
    strangers = orders.keys() - told.placed.keys() - told.unknown
    assert not strangers, f"orders that nobody was told of: {sorted(strangers)}"
    return Summary(
        *(len(told.placed), fills, len(told.cancelled), len(told.refused), len(told.not_sent)),
        *(len(told.unknown), len(applied), len(told.settled)),
    )


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


async def check_reports(connection: Connection, account_id: int, listener: Listener) -> int:
    """What an account heard of its orders, trades and balances is what is in the database, each once and in order."""
    cursors = [cursor_of(event) for event in listener.heard]
    assert cursors == sorted(set(cursors)), "events were repeated or came out of order"
    reports = [event for event in listener.heard if event["e"] == "executionReport"]
    rows = await connection.fetch("SELECT * FROM exchange.orders WHERE account_id = $1", account_id)
    last = {event["i"]: event for event in reports}
    assert set(last) == {row["order_id"] for row in rows}, "orders and reports are not about the same"
    for row in rows:
        report = last[row["order_id"]]
        assert (report["X"], Decimal(report["z"])) == (row["status"], row["executed_e8"] * E8), report
    trades = await connection.fetch(
        "SELECT trade_id, taker_account_id, maker_account_id FROM exchange.trades "
        "WHERE $1 IN (taker_account_id, maker_account_id)",
        account_id,
    )
    sides = [
        row["trade_id"] for row in trades for side in ("taker", "maker") if row[f"{side}_account_id"] == account_id
    ]
    assert sorted(event["t"] for event in reports if event["x"] == "TRADE") == sorted(sides)
    await _check_last_balances(connection, account_id, listener.heard)
    return len(listener.heard)


async def _check_last_balances(connection: Connection, account_id: int, heard: Sequence[Json]) -> None:
    told = {
        balance["a"]: (Decimal(balance["f"]), Decimal(balance["l"]))
        for event in heard
        if event["e"] == "outboundAccountPosition"
        for balance in event["B"]
    }
    rows = await connection.fetch("SELECT * FROM exchange.balances WHERE account_id = $1", account_id)
    held = {row["asset"]: (row["free_e8"] * E8, row["locked_e8"] * E8) for row in rows}
    assert {asset: held[asset] for asset in told} == told


async def last_entry_of(connection: Connection, account_id: int) -> int:
    """The journal entry that last changed anything for the account."""
    sequence: int = await connection.fetchval(
        "SELECT greatest((SELECT max(sequence) FROM exchange.orders WHERE account_id = $1), "
        "(SELECT max(sequence) FROM exchange.balances WHERE account_id = $1))",
        account_id,
    )
    return sequence
