"""Reads of what is now, by key: an order, an account, what is open. Whoever asks at the same time shares one statement.

Each is read from the primary after it was asked for, so whoever was told of a change finds it. Nothing is kept: under
load this costs no more than a cache in Redis would, and there is nothing that could go stale (docs/adr/0012).
"""

from typing import Any, Final, NamedTuple

from services.domain.standing import AccountStatus
from services.infra.postgres import Pool
from services.trading import metrics, queries
from services.trading.order_floors import OrderFloors
from services.trading.queries import Terms
from services.trading.shared import SharedTrips

Row = Any

# Keys in one statement; whoever does not fit goes with the next.
MAX_KEYS: Final = 128

# OFFSET keeps each look-up one of its own, by the key in it and no other: left to itself, the planner may prefer to go
# through all orders of the account in the market for the one with the id.
# Bounds that hold for all of them let the partitions outside alone, which a key that comes from a row cannot.
ORDERS_BY_ID: Final = f"""
SELECT place, found.* FROM unnest($1::bigint[], $2::bigint[], $3::text[])
    WITH ORDINALITY AS asked (asked_id, asked_account_id, asked_symbol, place)
CROSS JOIN LATERAL ({queries.ORDER} WHERE order_id = asked_id AND order_id BETWEEN $4 AND $5 OFFSET 0) AS found
WHERE account_id = asked_account_id AND symbol = asked_symbol
"""  # noqa: S608
ORDERS_BY_CLIENT_ID: Final = f"""
SELECT place, found.* FROM unnest($1::text[], $2::bigint[], $3::text[])
    WITH ORDINALITY AS asked (asked_id, asked_account_id, asked_symbol, place)
CROSS JOIN LATERAL (
    SELECT * FROM (
        {queries.ORDER}
        WHERE account_id = asked_account_id AND symbol = asked_symbol AND client_order_id = asked_id
            AND order_id >= $4 OFFSET 0
    ) AS named ORDER BY order_id DESC LIMIT 1
) AS found
"""  # noqa: S608
ACCOUNTS: Final = """
SELECT place, self_trade_prevention, maker_fee_rate_e8, taker_fee_rate_e8, trade_group_id, standing.status, held.*
FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (asked_id, place)
LEFT JOIN LATERAL (SELECT * FROM exchange.account_terms WHERE account_id = asked_id OFFSET 0) AS terms ON true
LEFT JOIN LATERAL (
    SELECT status FROM exchange.account_standing WHERE account_id = asked_id OFFSET 0
) AS standing ON true
LEFT JOIN LATERAL (
    SELECT asset, free_e8, locked_e8, updated_us FROM exchange.balances WHERE account_id = asked_id OFFSET 0
) AS held ON true
"""


class OrderKey(NamedTuple):
    """``name`` is the order's id or the client's name for it."""

    name: int | str
    account_id: int
    symbol: str


class AccountState(NamedTuple):
    """As of one instant. ``balances`` by asset, without what the account never held."""

    balances: dict[str, Row]
    terms: Terms
    status: AccountStatus = AccountStatus.ACTIVE


class Present:
    """The newest committed state."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.floors = OrderFloors(pool)
        self._by_id = SharedTrips(self._read_by_id, MAX_KEYS)
        self._by_client_id = SharedTrips(self._read_by_client_id, MAX_KEYS)
        self._accounts = SharedTrips(self._read_accounts, MAX_KEYS)

    async def order(self, order_id: int, account_id: int, symbol: str) -> Row | None:
        return await self._by_id.get(OrderKey(order_id, account_id, symbol))

    async def order_by_client_id(self, client_order_id: str, account_id: int, symbol: str) -> Row | None:
        """The newest that has this name."""
        return await self._by_client_id.get(OrderKey(client_order_id, account_id, symbol))

    async def open_orders(self, account_id: int, symbol: str | None, limit: int) -> list[Row]:
        """Oldest first; in one market, or in all."""
        return await self._pool.fetch(queries.OPEN_ORDERS, account_id, symbol, limit, self.floors.open)

    async def account(self, account_id: int) -> AccountState:
        return await self._accounts.get(account_id)

    async def _read_by_id(self, keys: list[OrderKey]) -> list[Row | None]:
        metrics.READS_SHARED.labels("order").observe(len(keys))
        ids = [int(key.name) for key in keys]
        return await self._read_orders(ORDERS_BY_ID, keys, min(ids), max(ids))

    async def _read_by_client_id(self, keys: list[OrderKey]) -> list[Row | None]:
        """Among the newest orders first: whatever is found there is the newest of its name."""
        metrics.READS_SHARED.labels("order").observe(len(keys))
        floor = self.floors.recent
        found = await self._read_orders(ORDERS_BY_CLIENT_ID, keys, floor)
        if missing := [index for index, row in enumerate(found) if row is None] if floor else []:
            older = await self._read_orders(ORDERS_BY_CLIENT_ID, [keys[index] for index in missing], 0)
            for index, row in zip(missing, older, strict=True):
                found[index] = row
        return found

    async def _read_orders(self, sql: str, keys: list[OrderKey], *bounds: int) -> list[Row | None]:
        found: list[Row | None] = [None] * len(keys)
        for row in await self._pool.fetch(sql, *zip(*keys, strict=True), *bounds):
            found[row["place"] - 1] = row
        return found

    async def _read_accounts(self, account_ids: list[int]) -> list[AccountState]:
        metrics.READS_SHARED.labels("account").observe(len(account_ids))
        found = [AccountState({}, Terms()) for _ in account_ids]
        for row in await self._pool.fetch(ACCOUNTS, account_ids):
            index = row["place"] - 1
            if row["trade_group_id"] is not None:
                found[index] = found[index]._replace(terms=queries.terms_of(row))
            if row["status"] is not None:
                found[index] = found[index]._replace(status=AccountStatus(row["status"]))
            if row["asset"] is not None:
                found[index].balances[row["asset"]] = row
        return found
