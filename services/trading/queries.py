"""What the trading service reads from the engine's tables: one statement per question, each with a bound.

Every table is written in the transaction that a reply waits for, so whoever was told of a change finds it here.
"""

from typing import Any, Final

from services.infra.postgres import Pool

Row = Any

_ORDER: Final = """
SELECT order_id, account_id, symbol, client_order_id, side, type, time_in_force, price_e8, quantity_e8,
    quote_quantity_e8, executed_e8, executed_quote_e8, status, created_us, updated_us, working_us, expiry_reason
FROM exchange.orders
"""
ORDER_BY_ID: Final = f"{_ORDER} WHERE order_id = $1 AND account_id = $2 AND symbol = $3"
ORDER_BY_CLIENT_ID: Final = (
    f"{_ORDER} WHERE account_id = $1 AND symbol = $2 AND client_order_id = $3 ORDER BY order_id DESC LIMIT 1"
)
OPEN_ORDERS: Final = (
    f"{_ORDER} WHERE account_id = $1 AND is_open AND ($2::text IS NULL OR symbol = $2) ORDER BY order_id LIMIT $3"
)
ORDERS_FROM_ID: Final = (
    f"{_ORDER} WHERE account_id = $1 AND symbol = $2 AND order_id >= $3 AND created_us BETWEEN $4 AND $5 "
    "ORDER BY order_id LIMIT $6"
)
NEWEST_ORDERS: Final = (
    f"{_ORDER} WHERE account_id = $1 AND symbol = $2 AND created_us <= $3 ORDER BY order_id DESC LIMIT $4"
)
BALANCES: Final = """
SELECT asset, free_e8, locked_e8, updated_us FROM exchange.balances WHERE account_id = $1 ORDER BY asset
"""
RECENT_TRADES: Final = """
SELECT trade_id, price_e8, quantity_e8, quote_e8, time_us, buyer_is_maker FROM exchange.trades
WHERE symbol = $1 ORDER BY trade_id DESC LIMIT $2
"""
LAST_PRICES: Final = """
SELECT wanted.symbol, last.price_e8
FROM unnest($1::text[]) AS wanted (symbol)
LEFT JOIN LATERAL (
    SELECT price_e8 FROM exchange.trades WHERE symbol = wanted.symbol ORDER BY trade_id DESC LIMIT 1
) AS last ON true
"""

# Both sides of a trade may be the same account's; UNION ALL then reports each side, as the dialect does.
_OWN_TRADES: Final = """
SELECT trade_id, order_id, price_e8, quantity_e8, quote_e8, fee_e8, time_us, is_buyer, is_maker FROM (
    (SELECT trade_id, taker_order_id AS order_id, price_e8, quantity_e8, quote_e8, taker_fee_e8 AS fee_e8, time_us,
        NOT buyer_is_maker AS is_buyer, false AS is_maker
    FROM exchange.trades
    WHERE taker_account_id = $1 AND symbol = $2 AND trade_id >= $3 AND time_us BETWEEN $4 AND $5
        AND ($6::bigint IS NULL OR taker_order_id = $6)
    ORDER BY trade_id {direction} LIMIT $7)
    UNION ALL
    (SELECT trade_id, maker_order_id, price_e8, quantity_e8, quote_e8, maker_fee_e8, time_us, buyer_is_maker, true
    FROM exchange.trades
    WHERE maker_account_id = $1 AND symbol = $2 AND trade_id >= $3 AND time_us BETWEEN $4 AND $5
        AND ($6::bigint IS NULL OR maker_order_id = $6)
    ORDER BY trade_id {direction} LIMIT $7)
) AS own ORDER BY trade_id {direction}, is_maker {direction} LIMIT $7
"""
OWN_TRADES_FORWARD: Final = _OWN_TRADES.format(direction="ASC")
OWN_TRADES_BACKWARD: Final = _OWN_TRADES.format(direction="DESC")
MAX_US: Final = 2**63 - 1


async def orders_from(
    pool: Pool, account_id: int, symbol: str, *, from_id: int, start_us: int, end_us: int, limit: int
) -> list[Row]:
    """Oldest first, beginning at an id or a time."""
    return await pool.fetch(ORDERS_FROM_ID, account_id, symbol, from_id, start_us, end_us, limit)


async def newest_orders(pool: Pool, account_id: int, symbol: str, *, end_us: int, limit: int) -> list[Row]:
    """The newest up to a time, oldest first."""
    rows = await pool.fetch(NEWEST_ORDERS, account_id, symbol, end_us, limit)
    return rows[::-1]


async def own_trades(
    pool: Pool,
    account_id: int,
    symbol: str,
    *,
    from_id: int | None,
    start_us: int | None,
    end_us: int | None,
    order_id: int | None,
    limit: int,
) -> list[Row]:
    """Oldest first from an id or a start time; else the newest, oldest first."""
    forward = from_id is not None or start_us is not None
    sql = OWN_TRADES_FORWARD if forward else OWN_TRADES_BACKWARD
    end = MAX_US if end_us is None else end_us
    rows = await pool.fetch(sql, account_id, symbol, from_id or 0, start_us or 0, end, order_id, limit)
    return rows if forward else rows[::-1]
