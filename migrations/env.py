"""Alembic's entry: connects over asyncpg and runs the history inside one transaction per revision.

The URL comes from the caller (``config.attributes["url"]``), else from CROSSBOOK_DATABASE_URL. A migration waits
at most four seconds for a lock, so that it cannot stop trading, and fails instead.
"""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from services.auth import schema as auth_schema
from services.backoffice import schema as backoffice_schema
from services.engine import schema as engine_schema
from services.notifier import schema as notifier_schema

TARGETS: list[MetaData] = [
    engine_schema.metadata,
    auth_schema.metadata,
    backoffice_schema.metadata,
    notifier_schema.metadata,
]
OWNED_SCHEMAS = frozenset(target.schema for target in TARGETS)
LOCK_TIMEOUT_MS = 4_000
STATEMENT_TIMEOUT_MS = 60_000


def _engine() -> AsyncEngine:
    url = context.config.attributes.get("url") or os.environ["CROSSBOOK_DATABASE_URL"]
    return create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)


def _include_name(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name in OWNED_SCHEMAS


def _run(connection: Connection) -> None:
    connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
    connection.execute(text(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}"))
    context.configure(
        connection=connection,
        target_metadata=TARGETS,
        include_schemas=True,
        include_name=_include_name,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def _migrate() -> None:
    engine = _engine()
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


asyncio.run(_migrate())
