"""The watch over money on its way: what has not ended is counted by state, from the tables, every few seconds.

Every process counts the same tables, so whoever reads the metrics takes the greatest, not the sum. The work is bounded
by what has not ended (all of it is found by indexes) and by ``NEWEST_DEPOSITS``.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from asyncpg import Record
from prometheus_client import Gauge

from services.backoffice import metrics
from services.infra import postgres
from services.infra.postgres import Pool
from services.infra.telemetry import logger

MEASURE_EVERY_S: Final = 5.0
# Deposits that wait for confirmations are looked for among so many; they end within hours.
NEWEST_DEPOSITS: Final = 10_000

KINDS: Final = ("DEPOSIT", "HOLD", "SETTLE", "REJECT", "TRANSFER")
WITHDRAWALS: Final = (
    *("REQUESTED", "AWAITING_APPROVAL", "APPROVED", "PROCESSING", "PAYOUT_FAILED"),
    *("SETTLING", "CANCELLING", "REJECTING"),
)
DEPOSITS: Final = ("PENDING", "CREDITING", "UNMATCHED")

COUNT_UNDELIVERED: Final = """
SELECT kind AS name, count(*) AS number, extract(epoch FROM now() - min(created_at))::float8 AS oldest_s
FROM backoffice.commands WHERE outcome IS NULL GROUP BY kind
"""
COUNT_WITHDRAWALS: Final = """
SELECT status AS name, count(*) AS number, extract(epoch FROM now() - min(updated_at))::float8 AS oldest_s
FROM backoffice.withdrawals WHERE status = ANY ($1::text[]) GROUP BY status
"""
COUNT_DEPOSITS: Final = """
SELECT status AS name, count(*) AS number FROM (
    SELECT status FROM backoffice.deposits WHERE status = 'UNMATCHED'
    UNION ALL
    SELECT status FROM (SELECT status FROM backoffice.deposits ORDER BY deposit_id DESC LIMIT $1) AS newest
    WHERE status IN ('PENDING', 'CREDITING')
) AS not_ended GROUP BY status
"""

_log = logger(__name__)


async def run(pool: Pool) -> None:
    """As a task, for the life of the process."""
    while True:
        try:
            await measure(pool)
        except postgres.FAILURES as error:
            _log.warning("watch_failed", error=type(error).__name__)
        await asyncio.sleep(MEASURE_EVERY_S)


async def measure(pool: Pool) -> None:
    undelivered = await pool.fetch(COUNT_UNDELIVERED)
    _show(metrics.UNDELIVERED, KINDS, undelivered, "number")
    _show(metrics.OLDEST_UNDELIVERED_SECONDS, KINDS, undelivered, "oldest_s")
    withdrawals = await pool.fetch(COUNT_WITHDRAWALS, list(WITHDRAWALS))
    _show(metrics.WITHDRAWALS, WITHDRAWALS, withdrawals, "number")
    _show(metrics.OLDEST_WITHDRAWAL_SECONDS, WITHDRAWALS, withdrawals, "oldest_s")
    _show(metrics.DEPOSITS, DEPOSITS, await pool.fetch(COUNT_DEPOSITS, NEWEST_DEPOSITS), "number")


def _show(gauge: Gauge, names: Iterable[str], rows: Iterable[Record], column: str) -> None:
    """What is not there any more is 0, not what it was."""
    found = {row["name"]: row[column] for row in rows}
    for name in names:
        gauge.labels(name).set(found.get(name, 0))
