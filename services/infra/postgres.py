"""Connections to PostgreSQL through asyncpg, with a limit on everything that can wait."""

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg

from services.infra.clock import COMPARE_EVERY_S, SetClock

CONNECT_TIMEOUT_S = 5.0
# What it can look like when a server is gone, does not answer in time, or refuses a statement.
FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

if TYPE_CHECKING:
    # Generic for the type checker only.
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record]
    _Borrowed = PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection
    _Borrowed = asyncpg.pool.PoolConnectionProxy

# What a single statement can be read from; only a connection makes several see the same server.
Source = Pool | Connection | _Borrowed


def _server_settings(application_name: str, statement_timeout_ms: int) -> dict[str, str]:
    return {
        "application_name": application_name,
        "statement_timeout": str(statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(10 * statement_timeout_ms),
        # Prepared once, run thousands of times with the same shape: planning each time would only cost.
        "plan_cache_mode": "force_generic_plan",
        "jit": "off",
        "timezone": "UTC",
    }


async def create_pool(
    url: str, *, application_name: str, size: int, statement_timeout_ms: int, connect_now: bool = True
) -> Pool:
    """Open a pool of at most ``size`` connections; a statement is cancelled after ``statement_timeout_ms``.

    Without ``connect_now`` the server need not be there yet.
    """
    return await asyncpg.create_pool(
        url,
        min_size=int(connect_now),
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=statement_timeout_ms / 1000 + 1,
        server_settings=_server_settings(application_name, statement_timeout_ms),
        reset=_leave_as_is,
    )


async def _leave_as_is(_connection: object) -> None:
    """Nobody changes a session's state through the pool; asyncpg's own reset costs a round trip per statement."""


async def clock_us(source: Source) -> int:
    """The server's time, in microseconds since 1970."""
    found: int = await source.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    return found


async def keep_time(clock: SetClock, pool: Pool) -> None:
    """Have the clock tell the server's time, for the life of a process; while it does not answer, the last correction
    holds.
    """
    while True:
        with contextlib.suppress(*FAILURES):
            await clock.compare(partial(clock_us, pool))
        await asyncio.sleep(COMPARE_EVERY_S)


async def connect(url: str, *, application_name: str, statement_timeout_ms: int) -> Connection:
    """Open one connection for an owner that must notice when it breaks."""
    return await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=statement_timeout_ms / 1000 + 1,
        # asyncpg would forget what has not been used for five minutes, and every plan with it.
        max_cached_statement_lifetime=0,
        server_settings=_server_settings(application_name, statement_timeout_ms),
    )
