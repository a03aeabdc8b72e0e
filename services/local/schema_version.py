"""Whether a database has the newest schema, asked without alembic.

Importing alembic and the models takes most of a second of processor time. An exchange that starts again with the
version it ran with needs neither.
"""

import re
from pathlib import Path
from typing import Final

import asyncpg

import migrations

_FILE: Final = re.compile(r"(\d{4})_\w+\.py")


def newest() -> str:
    """The last revision: the files' names begin with theirs."""
    names = (file.name for file in (Path(migrations.__file__).parent / "versions").iterdir())
    return max(found[1] for name in names if (found := _FILE.fullmatch(name)))


async def is_newest(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        applied = await connection.fetch("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return [row["version_num"] for row in applied] == [newest()]
