"""Make the next partitions of any database, or drop old ones: what ``crossbook history`` does where there is no data
directory, with what the image has. It prints JSON.

``CROSSBOOK_DATABASE_URL`` names the database, as its tables' owner. The exit code is 1 when something is in the way.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import asyncpg
import msgspec

from services.engine import partitions, retention
from services.engine.retention import LockNotGiven, TooYoung
from services.infra import postgres
from services.infra.postgres import Connection

# Counting and adding up a partition may take minutes.
STATEMENT_TIMEOUT_MS: Final = 3_600_000

T = TypeVar("T")


class InTheWay(Exception):
    """Why nothing was done; the message says what to do about it."""


async def extend(connection: Connection) -> dict[str, partitions.Ahead]:
    """Make the next partitions, and end the one that took rows because they were not made in time."""
    await retention.cut(connection)
    return await partitions.extend(connection)


async def drop(connection: Connection, before: datetime) -> list[retention.Dropped]:
    """Drop what is from before that day as a whole."""
    return await retention.drop_before(connection, int(before.replace(tzinfo=UTC).timestamp()) * 1_000_000)


async def carry_out(url: str, what: Callable[[Connection], Awaitable[T]]) -> T:
    """Do it as the owner of the tables; raise InTheWay."""
    connection = await postgres.connect(
        url, application_name="crossbook-history", statement_timeout_ms=STATEMENT_TIMEOUT_MS
    )
    try:
        return await what(connection)
    except (TooYoung, LockNotGiven) as error:
        raise InTheWay(str(error)) from error
    except asyncpg.LockNotAvailableError as error:
        raise InTheWay("somebody is reading for long; try again later") from error
    finally:
        await connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m services.local.history_job", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("extend", help="make the next partitions, as the engine does by itself")
    dropping = commands.add_parser("drop", help="drop the partitions that are older than a day as a whole")
    dropping.add_argument("before", type=datetime.fromisoformat, metavar="YYYY-MM-DD", help="in UTC")
    chosen = parser.parse_args(arguments)

    async def chosen_command(connection: Connection) -> Any:
        return await (extend(connection) if chosen.command == "extend" else drop(connection, chosen.before))

    try:
        done = asyncio.run(carry_out(os.environ["CROSSBOOK_DATABASE_URL"], chosen_command))
    except InTheWay as reason:
        sys.stderr.write(f"nothing was done: {reason}\n")
        return 1
    sys.stdout.write(f"{msgspec.json.encode(done).decode()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
