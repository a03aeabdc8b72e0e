"""Bring a database to the newest schema: alembic, run from the installed ``migrations`` package."""

import os
from pathlib import Path

from alembic import command
from alembic.config import Config

import migrations


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at ``url`` (``postgresql://``). Must not be called from a running event loop."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    command.upgrade(config, revision)


if __name__ == "__main__":
    upgrade(os.environ["CROSSBOOK_DATABASE_URL"])
