"""Housekeeping: what has run out goes, so that no table grows by what strangers do."""

import asyncio
from typing import Final

from services.auth import challenges, mail_tokens, notices, throttles
from services.infra.postgres import FAILURES, Pool
from services.infra.telemetry import logger

INTERVAL_S: Final = 10 * 60

log = logger(__name__)


async def tidy(pool: Pool) -> None:
    """Delete what has expired: throttles, tokens that travel by mail, challenges, and notices nobody asked for."""
    for delete in (
        throttles.delete_ended,
        mail_tokens.delete_expired,
        challenges.delete_expired,
        notices.delete_old,
    ):
        async with pool.acquire() as connection, connection.transaction():
            await delete(connection)


async def keep_tidy(pool: Pool) -> None:
    """Go on for as long as the process lives. While the database is away there is nothing to tidy."""
    while True:
        try:
            await tidy(pool)
        except FAILURES as error:
            log.warning("not tidied", error=repr(error))
        await asyncio.sleep(INTERVAL_S)
