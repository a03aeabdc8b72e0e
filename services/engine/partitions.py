"""Keeping partitions of orders and trades ahead of what is written, by a function of the database.

The engine may not create tables. It may call ``exchange.extend_history``, which belongs to the schema's owner and makes
nothing but the next partitions (migrations/versions/0010). If nobody called it, nothing would be refused: the last
partition has no end.
"""

import asyncio
from typing import Final, NamedTuple

from services.engine import metrics
from services.engine.settings import EngineSettings
from services.infra import postgres, telemetry
from services.infra.postgres import Connection

TABLES: Final = ("orders", "trades")
LOOK_INTERVAL_S: Final = 60.0
_STATEMENT_TIMEOUT_MS: Final = 10_000
_EXTEND_SQL: Final = "SELECT ahead, is_overdue FROM exchange.extend_history($1)"

_log = telemetry.logger(__name__)


class Ahead(NamedTuple):
    """Partitions that nothing was written to yet; overdue when what is written goes to the one without an end."""

    partitions: int
    is_overdue: bool


async def extend(connection: Connection) -> dict[str, Ahead]:
    """Make the partitions that are missing ahead, and tell how many there are of each table.

    Raises LockNotAvailableError rather than stop trading behind somebody's long read.
    """
    return {table: Ahead(*await connection.fetchrow(_EXTEND_SQL, table)) for table in TABLES}  # type: ignore[misc]


async def keep_ahead(settings: EngineSettings) -> None:
    """Look every minute, for the life of the process. Whatever goes wrong, the metric tells and the next look mends."""
    while True:
        try:
            connection = await postgres.connect(
                settings.database_url.get_secret_value(),
                application_name="crossbook-engine-partitions",
                statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
            )
            try:
                found = await extend(connection)
            finally:
                connection.terminate()
        except postgres.FAILURES as error:
            _log.warning("partitions_not_extended", error=repr(error))
            found = dict.fromkeys(TABLES, Ahead(0, is_overdue=False))
        for table, ahead in found.items():
            metrics.PARTITIONS_AHEAD.labels(table).set(0 if ahead.is_overdue else ahead.partitions)
        await asyncio.sleep(LOOK_INTERVAL_S)
