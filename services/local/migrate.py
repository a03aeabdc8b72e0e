"""Bring a database to the newest schema: alembic, run from the installed ``migrations`` package.

As a program it then sets the passwords of the services' roles, where it is told them (``role_passwords.py``), and makes
the next partitions of orders and trades, as the engine does every minute.
"""

import asyncio
import os
from pathlib import Path

from alembic import command
from alembic.config import Config

import migrations
from services.local import ahead, role_passwords


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at ``url`` (``postgresql://``). Must not be called from a running event loop."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    command.upgrade(config, revision)


def main() -> None:
    url = os.environ["CROSSBOOK_DATABASE_URL"]
    # A bad one must not be found only after the schema has changed.
    passwords = role_passwords.from_environment()
    upgrade(url)
    asyncio.run(role_passwords.set_passwords(url, passwords))
    ahead.extend_at(url)


if __name__ == "__main__":
    main()
