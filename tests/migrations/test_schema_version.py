"""A start leaves out the migration only if there is nothing to migrate."""

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from services.local import schema_version
from tests.conftest import execute


def test_the_newest_revision_is_alembic_s_head() -> None:
    config = Config()
    config.set_main_option("script_location", "migrations")
    config.set_main_option("path_separator", "os")
    assert schema_version.newest() == ScriptDirectory.from_config(config).get_current_head()


async def test_a_migrated_database_has_the_newest_schema(postgres_url: str) -> None:
    assert await schema_version.is_newest(postgres_url)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE alembic_version SET version_num = '0001'", "DELETE FROM alembic_version", "DROP TABLE alembic_version"],
)
async def test_any_other_database_has_to_be_migrated(postgres_url: str, statement: str) -> None:
    execute(postgres_url, statement)
    assert not await schema_version.is_newest(postgres_url)
