"""What an operator reads of a running exchange: the terms in force, as the engine last committed them."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from services.domain.market import Market, Venue
from services.infra import postgres
from services.infra.postgres import Pool
from services.local.data_directory import RunState
from services.trading import queries
from services.trading.markets import Markets
from services.trading.queries import Terms

STATEMENT_TIMEOUT_MS: Final = 5_000

T = TypeVar("T")


def venue(state: RunState) -> Venue:
    return _ask(state, queries.venue)


def markets(state: RunState) -> dict[str, Market]:
    """By symbol; each market's status is the one in force."""
    return _ask(state, lambda pool: Markets(pool).all())


def account_terms(state: RunState, account_id: int) -> Terms:
    return _ask(state, partial(queries.account_terms, account_id=account_id))


def _ask(state: RunState, question: Callable[[Pool], Awaitable[T]]) -> T:
    async def answer() -> T:
        pool = await postgres.create_pool(
            state.database_url,
            application_name="crossbook-operator",
            size=1,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        )
        try:
            return await question(pool)
        finally:
            await pool.close()

    return asyncio.run(answer())
