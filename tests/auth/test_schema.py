"""The migrations build what the models say, and only the auth service's role can touch it."""

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from services.auth.schema import metadata
from services.local.embedded import EmbeddedPostgres

TABLES = [f"auth.{table.name}" for table in metadata.sorted_tables]


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, _parents: kind != "schema" or name == "auth",
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    return list(compare_metadata(context, metadata))


async def test_migrations_and_models_agree(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


@pytest.mark.parametrize("role", ["crossbook_trading", "crossbook_engine"])
async def test_other_services_cannot_read_anything(
    embedded_postgres: EmbeddedPostgres, postgres_url: str, role: str
) -> None:
    database = postgres_url.split("@/")[1].split("?")[0]
    connection = await asyncpg.connect(embedded_postgres.url(database, role))
    for table in TABLES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT * FROM {table}")
    await connection.close()


async def test_account_ids_below_1000_are_reserved(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("INSERT INTO auth.users DEFAULT VALUES RETURNING account_id") == 1000
    with pytest.raises(asyncpg.CheckViolationError, match="users_account_id_not_reserved"):
        await connection.execute("INSERT INTO auth.users (account_id) OVERRIDING SYSTEM VALUE VALUES (999)")
    await connection.close()
