"""The migrations build exactly what the models say."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine

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


def differences(connection: Connection) -> list[object]:
    owned = {target.schema for target in TARGETS}
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, _parents: kind != "schema" or name in owned,
            "compare_type": True,
            "compare_server_default": True,
            "target_metadata": TARGETS,
        },
    )
    merged = MetaData()
    for target in TARGETS:
        for table in target.tables.values():
            table.to_metadata(merged)
    return list(compare_metadata(context, merged))


async def test_migrations_and_models_agree(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
