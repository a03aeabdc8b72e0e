"""One request = one transaction, opened and committed at the edge. What takes a ``Connection`` never commits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asyncpg.pool import PoolConnectionProxy

from services.infra.postgres import Pool

if TYPE_CHECKING:
    import asyncpg

    # Generic for the type checker only.
    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = PoolConnectionProxy


class NoFreeConnection(Exception):
    """Every connection of the pool was busy for as long as a request may wait."""


@asynccontextmanager
async def transaction(pool: Pool, *, timeout_s: float) -> AsyncIterator[Connection]:
    """Commit at the end of the block, roll back if it raises; wait at most ``timeout_s`` for a connection."""
    try:
        connection = await pool.acquire(timeout=timeout_s)
    except TimeoutError as error:
        raise NoFreeConnection from error
    try:
        async with connection.transaction():
            yield connection
    finally:
        await pool.release(connection)
