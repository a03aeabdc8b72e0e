"""What staff see of an account, of the venue, and of all money together. Everything here only reads."""

from typing import Any, Final

from services.infra.transactions import Connection

Row = Any

OPEN_ORDERS_SHOWN: Final = 200

BALANCES: Final = """
SELECT asset, free_e8, locked_e8, withdrawing_e8 FROM exchange.balances WHERE account_id = $1 ORDER BY asset
"""
OPEN_ORDERS: Final = """
SELECT order_id, symbol, side, type, price_e8, quantity_e8, executed_e8, status, created_us FROM exchange.orders
WHERE account_id = $1 AND is_open ORDER BY order_id LIMIT $2
"""
ORDER: Final = "SELECT account_id, symbol, is_open FROM exchange.orders WHERE order_id = $1"
STANDING: Final = "SELECT status FROM exchange.account_standing WHERE account_id = $1"
TERMS: Final = """
SELECT self_trade_prevention, maker_fee_rate_e8, taker_fee_rate_e8, trade_group_id
FROM exchange.account_terms WHERE account_id = $1
"""
MARKETS: Final = "SELECT symbol, definition, status FROM exchange.markets ORDER BY symbol"
VENUE_STATUS: Final = "SELECT status FROM exchange.venue_standing"
# What the venue owes, by asset: the sum over all accounts, of which account 1 is the venue's own.
RESERVES: Final = """
SELECT asset, sum(free_e8)::numeric AS free_e8, sum(locked_e8)::numeric AS locked_e8,
    sum(withdrawing_e8)::numeric AS withdrawing_e8,
    coalesce(sum(free_e8 + locked_e8 + withdrawing_e8) FILTER (WHERE account_id = 1), 0)::numeric AS venue_e8,
    count(*) FILTER (WHERE free_e8 + locked_e8 + withdrawing_e8 > 0) AS accounts
FROM exchange.balances GROUP BY asset ORDER BY asset
"""
SEQUENCE: Final = "SELECT sequence FROM exchange.engine_lease"
FEE_TIERS: Final = "SELECT name, maker_fee_rate_e8, taker_fee_rate_e8 FROM backoffice.fee_tiers ORDER BY name"
FEE_TIER: Final = "SELECT name, maker_fee_rate_e8, taker_fee_rate_e8 FROM backoffice.fee_tiers WHERE name = $1"
DEFINE_FEE_TIER: Final = """
INSERT INTO backoffice.fee_tiers (name, maker_fee_rate_e8, taker_fee_rate_e8) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET maker_fee_rate_e8 = $2, taker_fee_rate_e8 = $3
"""
SET_FEE_TIER: Final = """
INSERT INTO backoffice.accounts (account_id, fee_tier) VALUES ($1, $2)
ON CONFLICT (account_id) DO UPDATE SET fee_tier = $2
"""


async def standing(connection: Connection, account_id: int) -> str:
    return str(await connection.fetchval(STANDING, account_id) or "ACTIVE")


async def venue_status(connection: Connection) -> str:
    return str(await connection.fetchval(VENUE_STATUS) or "OPEN")
