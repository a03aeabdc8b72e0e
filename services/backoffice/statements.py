"""An account's statement as CSV: every movement of a time, with the balances before and after, which add up.

A balance here is everything the account owns of an asset: free, in orders, and held for withdrawals. Rows come from the
engine's ledger and trades in one repeatable-read transaction, so they all tell of the same moment, and they are sent as
they are read: a statement of any length takes little memory. What trades that were dropped did (docs/operators.md) is
in the balances before; no statement begins earlier than that.

    time,kind,asset,amount,balance,id,detail
"""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.domain.money import format_e8
from services.infra.transactions import Connection

Row = Any

HEADER: Final = ("time", "kind", "asset", "amount", "balance", "id", "detail")
ROWS_AT_ONCE: Final = 500
# What a spreadsheet would take for a formula.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Every change of what the account owns: its ledger, and four legs of each trade (two assets, for each side that is
# its own; the fee is taken from what is received).
MOVEMENTS: Final = """
SELECT time_us, sequence, kind, asset, amount_e8, reference AS id, counterparty_id::text AS detail
FROM exchange.transfers WHERE account_id = $1
UNION ALL
SELECT time_us, trade.sequence, leg.kind, leg.asset, leg.amount_e8, symbol || ':' || trade_id, 'order ' || leg.order_id
FROM (
    SELECT *, NOT buyer_is_maker AS is_buyer, taker_order_id AS order_id, taker_fee_e8 AS fee_e8
    FROM exchange.trades WHERE taker_account_id = $1
    UNION ALL
    SELECT *, buyer_is_maker, maker_order_id, maker_fee_e8 FROM exchange.trades WHERE maker_account_id = $1
) AS trade
JOIN (
    SELECT symbol, definition ->> 'base_asset' AS base_asset, definition ->> 'quote_asset' AS quote_asset
    FROM exchange.markets
) AS market USING (symbol)
CROSS JOIN LATERAL (VALUES
    (CASE WHEN is_buyer THEN 'BUY' ELSE 'SELL' END, base_asset,
        CASE WHEN is_buyer THEN quantity_e8 ELSE -quantity_e8 END, trade.order_id),
    (CASE WHEN is_buyer THEN 'BUY' ELSE 'SELL' END, quote_asset,
        CASE WHEN is_buyer THEN -quote_e8 ELSE quote_e8 END, trade.order_id),
    ('TRADING_FEE', CASE WHEN is_buyer THEN base_asset ELSE quote_asset END, -fee_e8, trade.order_id)
) AS leg (kind, asset, amount_e8, order_id)
WHERE leg.amount_e8 <> 0
"""
OPENING: Final = f"""
SELECT asset, sum(amount_e8)::bigint AS amount_e8 FROM (
    SELECT asset, amount_e8 FROM ({MOVEMENTS}) AS movement WHERE time_us < $2
    UNION ALL
    SELECT asset, amount_e8 FROM exchange.carried_balances WHERE account_id = $1
) AS before GROUP BY asset ORDER BY asset
"""  # noqa: S608
_EARLIEST: Final = "SELECT dropped_before FROM exchange.history_horizons WHERE table_name = 'trades'"
WITHIN: Final = f"""
SELECT time_us, kind, asset, amount_e8, id, detail FROM ({MOVEMENTS}) AS movement
WHERE time_us >= $2 AND time_us < $3 ORDER BY time_us, sequence, id, kind, asset
"""  # noqa: S608


def guarded(text: str) -> str:
    """What a spreadsheet shows, and never calculates."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


async def earliest_us(connection: Connection) -> int:
    """From when on every trade is kept."""
    return await connection.fetchval(_EARLIEST) or 0


async def write(
    connection: Connection, account_id: int, start_us: int, end_us: int, *, timeout_s: float
) -> AsyncIterator[bytes]:
    """Yield the statement from ``start_us`` until before ``end_us``; the transaction must be a repeatable read."""
    lines = _Lines()
    lines.add(HEADER)
    before = await connection.fetch(OPENING, account_id, start_us, timeout=timeout_s)
    balances = {row["asset"]: row["amount_e8"] for row in before}
    for asset, balance_e8 in balances.items():
        lines.add((_time(start_us), "OPENING_BALANCE", asset, "", _amount(balance_e8), "", ""))
    async for row in connection.cursor(WITHIN, account_id, start_us, end_us, prefetch=ROWS_AT_ONCE, timeout=timeout_s):
        asset = row["asset"]
        balances[asset] = balances.get(asset, 0) + row["amount_e8"]
        lines.add(
            (
                *(_time(row["time_us"]), row["kind"], asset, _amount(row["amount_e8"]), _amount(balances[asset])),
                *(guarded(row["id"]), guarded(row["detail"] or "")),
            )
        )
        if lines.count >= ROWS_AT_ONCE:
            yield lines.take()
    for asset in sorted(balances):
        lines.add((_time(end_us), "CLOSING_BALANCE", asset, "", _amount(balances[asset]), "", ""))
    yield lines.take()


class _Lines:
    def __init__(self) -> None:
        self.count = 0
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)

    def add(self, cells: tuple[str, ...]) -> None:
        self._writer.writerow(cells)
        self.count += 1

    def take(self) -> bytes:
        written = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        self.count = 0
        return written


def _amount(amount_e8: int) -> str:
    """A number stays one: it cannot be mistaken for a formula that does harm."""
    return format_e8(amount_e8)


def _time(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
