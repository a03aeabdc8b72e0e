"""The next partitions of orders and trades, made by whoever migrates. The image has this, and not what only the command
line needs.
"""

import asyncio
from typing import Final

import asyncpg

from services.engine import partitions
from services.infra import postgres

TIMEOUT_MS: Final = 10_000


def extend_at(url: str) -> None:
    """Make them, if nobody reads for so long that this would stop trading; the engine does it then."""
    asyncio.run(_extend(url))


async def _extend(url: str) -> None:
    connection = await postgres.connect(url, application_name="crossbook-migrate", statement_timeout_ms=TIMEOUT_MS)
    try:
        await partitions.extend(connection)
    except asyncpg.LockNotAvailableError:
        return
    finally:
        await connection.close()
