"""Verify the exchange in a data directory, whether or not it runs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from services.engine.journal import JournalCorrupt
from services.engine.verify import Mismatch, Report, verify
from services.local.data_directory import DataDirectory, DataDirectoryError
from services.local.embedded import EmbeddedPostgres
from services.local.failure import CommandFailed
from services.local.guard import Guard
from services.local.processes import DATABASE

LOCK_WAIT_S: Final = 30.0


class NotVerified(CommandFailed):
    """The journal and the database tell different stories, or one of them cannot be read."""


def verify_directory(directory: DataDirectory, *, from_snapshot: bool) -> Report:
    """Compare journal and tables; raise NotVerified at the first difference."""
    with open_database(directory) as url:
        try:
            return asyncio.run(verify(url, from_snapshot=from_snapshot))
        except (Mismatch, JournalCorrupt) as difference:
            raise NotVerified(f"not verified: {difference}") from difference
        except (asyncpg.InvalidCatalogNameError, asyncpg.UndefinedTableError) as error:
            raise NotVerified(f"{directory.root} holds no exchange yet; start one with: crossbook up") from error


@contextmanager
def open_database(directory: DataDirectory) -> Iterator[str]:
    """Yield the URL of the running database, or of one started for the occasion."""
    state = directory.run_state()
    if state is not None:
        yield state.database_url
        return
    if not (directory.postgres / "PG_VERSION").exists():
        raise DataDirectoryError(f"{directory.root} holds no exchange yet; start one with: crossbook up")
    with directory.locked(wait_s=LOCK_WAIT_S) as lock:
        server, guard = EmbeddedPostgres(directory.postgres), Guard(keep_open=(lock,))
        try:
            server.start(directory.logs / "postgres.log", guard)
            yield server.url(DATABASE)
        finally:
            server.stop()
            guard.close()
