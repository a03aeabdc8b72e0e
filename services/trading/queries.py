"""What the trading service reads from the engine's tables: one statement per question, each with a bound.

Every table is written in the transaction that a reply waits for, so whoever was told of a change finds it here.

Orders are partitioned by id and trades by time (docs/adr/0025), and both grow together. What is asked in the order of
the key reads one partition after another and stops where it has enough; what is bounded by a time or an id never looks
at the partitions outside. So a question about orders is given an id where it names a time, and one about trades a time
where it names an id; each is found by halving.
"""

from typing import Any, Final, NamedTuple

import msgspec

from services.domain.market import Market, Venue
from services.domain.orders import SelfTradePrevention
from services.domain.standing import AccountStatus, VenueStatus
from services.infra.postgres import Pool, Source

Row = Any

ORDER: Final = """
SELECT order_id, account_id, symbol, client_order_id, side, type, time_in_force, price_e8, quantity_e8,
    quote_quantity_e8, executed_e8, executed_quote_e8, status, created_us, updated_us, working_us, expiry_reason,
    self_trade_prevention, details
FROM exchange.orders
"""
# $4: an id before which no order is open (``order_floors.py``).
OPEN_ORDERS: Final = (
    f"{ORDER} WHERE account_id = $1 AND is_open AND ($2::text IS NULL OR symbol = $2) AND order_id >= $4 "
    "ORDER BY order_id LIMIT $3"
)
ORDERS_FROM_ID: Final = (
    f"{ORDER} WHERE account_id = $1 AND symbol = $2 AND order_id >= $3 AND order_id < $4 ORDER BY order_id LIMIT $5"
)
NEWEST_ORDERS: Final = (
    f"{ORDER} WHERE account_id = $1 AND symbol = $2 AND order_id < $3 ORDER BY order_id DESC LIMIT $4"
)
# The first order made at or after a time; past the last one if there is none, NULL without any orders.
FIRST_ORDER_AT: Final = """
WITH RECURSIVE search (low, high) AS (
    SELECT (SELECT order_id FROM exchange.orders ORDER BY order_id LIMIT 1),
        (SELECT order_id + 1 FROM exchange.orders ORDER BY order_id DESC LIMIT 1)
    UNION ALL
    SELECT CASE WHEN last.is_reached THEN low ELSE middle + 1 END, CASE WHEN last.is_reached THEN order_id ELSE high END
    FROM search CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) AS halved CROSS JOIN LATERAL (
        SELECT order_id, created_us >= $1 AS is_reached FROM exchange.orders
        WHERE order_id <= middle ORDER BY order_id DESC LIMIT 1
    ) AS last
    WHERE low < high
)
SELECT low FROM search WHERE low >= high
"""
# The time of the first trade of a market with such an id; past the last one if there is none, NULL without any trades.
_TIME_OF_TRADE: Final = """
WITH RECURSIVE search (low, high) AS (
    SELECT (SELECT time_us FROM exchange.trades WHERE symbol = $1 ORDER BY time_us, trade_id LIMIT 1),
        (SELECT time_us + 1 FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1)
    UNION ALL
    SELECT CASE WHEN last.is_reached THEN low ELSE middle + 1 END, CASE WHEN last.is_reached THEN time_us ELSE high END
    FROM search CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) AS halved CROSS JOIN LATERAL (
        SELECT time_us, {column} >= $2 AS is_reached FROM exchange.trades
        WHERE symbol = $1 AND time_us <= middle ORDER BY time_us DESC, trade_id DESC LIMIT 1
    ) AS last
    WHERE low < high
)
SELECT low FROM search WHERE low >= high
"""
TIME_OF_TRADE: Final = _TIME_OF_TRADE.format(column="trade_id")
TIME_OF_AGGREGATE: Final = _TIME_OF_TRADE.format(column="aggregate_id")
LIFE_OF_ORDER: Final = "SELECT created_us, updated_us FROM exchange.orders WHERE order_id = $1"
BALANCES: Final = """
SELECT asset, free_e8, locked_e8, withdrawing_e8, updated_us FROM exchange.balances WHERE account_id = $1
ORDER BY asset
"""
LAST_PRICES: Final = """
SELECT wanted.symbol, last.price_e8
FROM unnest($1::text[]) AS wanted (symbol)
LEFT JOIN LATERAL (
    SELECT price_e8 FROM exchange.trades WHERE symbol = wanted.symbol ORDER BY time_us DESC, trade_id DESC LIMIT 1
) AS last ON true
"""

# Both sides of a trade may be the same account's; UNION ALL then reports each side, as the dialect does. OFFSET keeps
# the look-up of each order one of its own. The order may have been dropped before its trade.
_OWN_TRADES: Final = """
SELECT own.*, details FROM (
    SELECT * FROM (
        (SELECT trade_id, taker_order_id AS order_id, price_e8, quantity_e8, quote_e8, taker_fee_e8 AS fee_e8, time_us,
            NOT buyer_is_maker AS is_buyer, false AS is_maker
        FROM exchange.trades WHERE taker_account_id = $1 AND symbol = $2 {taken}
        ORDER BY time_us {direction}, trade_id {direction} LIMIT $3)
        UNION ALL
        (SELECT trade_id, maker_order_id, price_e8, quantity_e8, quote_e8, maker_fee_e8, time_us, buyer_is_maker, true
        FROM exchange.trades WHERE maker_account_id = $1 AND symbol = $2 {made}
        ORDER BY time_us {direction}, trade_id {direction} LIMIT $3)
    ) AS side ORDER BY trade_id {direction}, is_maker {direction} LIMIT $3
) AS own
LEFT JOIN LATERAL (SELECT details FROM exchange.orders WHERE orders.order_id = own.order_id OFFSET 0) AS placed ON true
ORDER BY trade_id {direction}, is_maker {direction}
"""


def _own_trades(direction: str, taken: str = "", made: str | None = None) -> str:
    return _OWN_TRADES.format(direction=direction, taken=taken, made=taken if made is None else made)


# A statement for each kind of bound: one plan would not do for all. An id added to nothing is compared row by row, for
# the time has led to the first one already, and the index must not be searched for ids under each time.
OWN_TRADES: Final = _own_trades("DESC")
OWN_TRADES_UNTIL: Final = _own_trades("DESC", "AND time_us <= $4")
OWN_TRADES_FROM: Final = _own_trades("ASC", "AND time_us >= $4 AND trade_id + 0 >= $5")
OWN_TRADES_WITHIN: Final = _own_trades("ASC", "AND time_us >= $4 AND time_us <= $5")
_OF_ORDER: Final = "AND time_us >= $4 AND time_us <= $5 AND trade_id + 0 >= $6 AND {side}_order_id = $7"
OWN_TRADES_OF_ORDER: Final = {
    direction: _own_trades(direction, _OF_ORDER.format(side="taker"), _OF_ORDER.format(side="maker"))
    for direction in ("ASC", "DESC")
}
MAX_US: Final = 2**63 - 1

_ORDER_LIST: Final = """
SELECT order_list_id, account_id, symbol, contingency, client_order_list_id, is_done, orders, created_us, updated_us
FROM exchange.order_lists WHERE account_id = $1
"""
ORDER_LIST_BY_ID: Final = f"{_ORDER_LIST} AND order_list_id = $2"
ORDER_LIST_BY_CLIENT_ID: Final = f"{_ORDER_LIST} AND client_order_list_id = $2 ORDER BY order_list_id DESC LIMIT 1"
OPEN_ORDER_LISTS: Final = f"{_ORDER_LIST} AND NOT is_done ORDER BY order_list_id LIMIT $2"
ORDER_LISTS_FROM: Final = (
    f"{_ORDER_LIST} AND order_list_id >= $2 AND created_us BETWEEN $3 AND $4 ORDER BY order_list_id LIMIT $5"
)
NEWEST_ORDER_LISTS: Final = f"{_ORDER_LIST} AND created_us <= $2 ORDER BY order_list_id DESC LIMIT $3"
AMENDMENTS: Final = """
SELECT symbol, order_id, execution_id, old_client_order_id, new_client_order_id, old_quantity_e8, new_quantity_e8,
    time_us
FROM exchange.amendments WHERE order_id = $1 AND account_id = $2 AND symbol = $3 AND execution_id >= $4
ORDER BY execution_id LIMIT $5
"""
# A match between two accounts of one group is both's to see.
_PREVENTED: Final = """
SELECT symbol, prevented_match_id, price_e8, mode, trade_group_id, taker_order_id, taker_prevented_e8, maker_order_id,
    maker_prevented_e8, time_us
FROM exchange.prevented_matches WHERE symbol = $1 AND $2 IN (taker_account_id, maker_account_id)
"""
PREVENTED_MATCH: Final = f"{_PREVENTED} AND prevented_match_id = $3"
PREVENTED_MATCHES: Final = f"""{_PREVENTED} AND $3 IN (taker_order_id, maker_order_id) AND prevented_match_id >= $4
ORDER BY prevented_match_id LIMIT $5"""
STANDING: Final = "SELECT status, updated_us FROM exchange.account_standing WHERE account_id = $1"
VENUE_STATUS: Final = "SELECT status FROM exchange.venue_standing"
VENUE: Final = "SELECT definition FROM exchange.venue"
_TERMS: Final = """
SELECT self_trade_prevention, maker_fee_rate_e8, taker_fee_rate_e8, trade_group_id
FROM exchange.account_terms WHERE account_id = $1
"""


class FeeRates(NamedTuple):
    maker_e8: int
    taker_e8: int


class Terms(NamedTuple):
    """What holds for one account only; None means as for everyone."""

    self_trade_prevention: SelfTradePrevention | None = None
    maker_fee_rate_e8: int | None = None
    taker_fee_rate_e8: int | None = None
    trade_group_id: int = 0

    def fee_rates(self, market: Market) -> FeeRates:
        """The account's own rates where it has any, else the market's."""
        maker, taker = self.maker_fee_rate_e8, self.taker_fee_rate_e8
        return FeeRates(
            market.maker_fee_rate_e8 if maker is None else maker,
            market.taker_fee_rate_e8 if taker is None else taker,
        )


async def account_terms(pool: Pool, account_id: int) -> Terms:
    row = await pool.fetchrow(_TERMS, account_id)
    return Terms() if row is None else terms_of(row)


def terms_of(row: Row) -> Terms:
    mode = row["self_trade_prevention"]
    return Terms(
        None if mode is None else SelfTradePrevention(mode),
        row["maker_fee_rate_e8"],
        row["taker_fee_rate_e8"],
        row["trade_group_id"],
    )


class Standing(NamedTuple):
    """Whether an account may do anything; ``since_us`` is 0 if that never changed."""

    status: AccountStatus = AccountStatus.ACTIVE
    since_us: int = 0

    @property
    def is_active(self) -> bool:
        return self.status is AccountStatus.ACTIVE


async def account_standing(pool: Pool, account_id: int) -> Standing:
    row = await pool.fetchrow(STANDING, account_id)
    return Standing() if row is None else Standing(AccountStatus(row["status"]), row["updated_us"])


async def venue_status(pool: Pool) -> VenueStatus:
    status = await pool.fetchval(VENUE_STATUS)
    return VenueStatus.OPEN if status is None else VenueStatus(status)


async def venue(pool: Pool) -> Venue:
    definition = await pool.fetchval(VENUE)
    return Venue() if definition is None else msgspec.json.decode(definition, type=Venue)


async def orders_from(
    source: Source, account_id: int, symbol: str, *, from_id: int, start_us: int | None, end_us: int | None, limit: int
) -> list[Row]:
    """Oldest first, beginning at an id or a time."""
    first = max(from_id, await _order_at(source, start_us, 0))
    end = await _order_at(source, None if end_us is None else end_us + 1, MAX_US)
    return await source.fetch(ORDERS_FROM_ID, account_id, symbol, first, end, limit)


async def newest_orders(source: Source, account_id: int, symbol: str, *, end_us: int | None, limit: int) -> list[Row]:
    """The newest up to a time, oldest first."""
    end = await _order_at(source, None if end_us is None else end_us + 1, MAX_US)
    rows = await source.fetch(NEWEST_ORDERS, account_id, symbol, end, limit)
    return rows[::-1]


async def _order_at(source: Source, time_us: int | None, otherwise: int) -> int:
    """The first order of anyone made at or after a time."""
    found = None if time_us is None else await source.fetchval(FIRST_ORDER_AT, min(time_us, MAX_US))
    return otherwise if found is None else found


async def own_trades(
    source: Source,
    account_id: int,
    symbol: str,
    *,
    from_id: int | None,
    start_us: int | None,
    end_us: int | None,
    order_id: int | None,
    limit: int,
) -> list[Row]:
    """Oldest first from an id or a start time; else the newest, oldest first. Ids and times exclude each other."""
    asked = account_id, symbol, limit
    if order_id is not None:
        # Of an order that was dropped, the trades that are left can be anywhere.
        life = await source.fetchrow(LIFE_OF_ORDER, order_id) or (0, MAX_US)
        sql = OWN_TRADES_OF_ORDER["DESC" if from_id is None else "ASC"]
        rows = await source.fetch(sql, *asked, *life, from_id or 0, order_id)
    elif from_id is not None:
        time_us = await source.fetchval(TIME_OF_TRADE, symbol, from_id)
        return [] if time_us is None else await source.fetch(OWN_TRADES_FROM, *asked, time_us, from_id)
    elif start_us is not None:
        if end_us is None:
            return await source.fetch(OWN_TRADES_FROM, *asked, start_us, 0)
        return await source.fetch(OWN_TRADES_WITHIN, *asked, start_us, end_us)
    elif end_us is not None:
        rows = await source.fetch(OWN_TRADES_UNTIL, *asked, end_us)
    else:
        rows = await source.fetch(OWN_TRADES, *asked)
    return sorted(rows, key=lambda row: (row["trade_id"], row["is_maker"]))


async def order_lists(
    source: Source, account_id: int, *, from_id: int | None, start_us: int | None, end_us: int | None, limit: int
) -> list[Row]:
    """Oldest first from an id or a start time; else the newest, oldest first."""
    end = MAX_US if end_us is None else end_us
    if from_id is None and start_us is None:
        return (await source.fetch(NEWEST_ORDER_LISTS, account_id, end, limit))[::-1]
    rows: list[Row] = await source.fetch(ORDER_LISTS_FROM, account_id, from_id or 0, start_us or 0, end, limit)
    return rows
