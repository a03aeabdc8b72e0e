"""What an operator reads of a running exchange: the terms in force, as the engine last committed them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from services.domain.market import Market, Venue
from services.local.data_directory import RunState

if TYPE_CHECKING:
    from services.infra.postgres import Pool
    from services.infra.reserves import Reserve
    from services.trading.queries import Terms

STATEMENT_TIMEOUT_MS: Final = 5_000

T = TypeVar("T")


def venue(state: RunState) -> Venue:
    from services.trading import queries

    return _ask(state, queries.venue)


def markets(state: RunState) -> dict[str, Market]:
    """By symbol, each with its own status, whether or not the venue is halted."""
    from services.trading.markets import own_markets

    return _ask(state, own_markets)


def account_terms(state: RunState, account_id: int) -> "Terms":
    from services.trading import queries

    return _ask(state, partial(queries.account_terms, account_id=account_id))


def reserves(state: RunState) -> "list[Reserve]":
    from services.engine.core.accounts import FEE_ACCOUNT_ID
    from services.infra import reserves as held

    return _ask(state, partial(held.reserves, fee_account_id=FEE_ACCOUNT_ID))


def _ask(state: RunState, question: Callable[["Pool"], Awaitable[T]]) -> T:
    import asyncio

    from services.infra import postgres

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
