"""Fixtures for tests that meet the real PostgreSQL and Redis.

One embedded server of each serves the whole session; clusters are copied from one that is made and migrated once. A
test that takes ``postgres_url`` gets a migrated database of its
own, cloned from the cluster's (about 50 ms), so it may commit, crash and look at what is left. ``redis_url`` is emptied
before each test that takes it. ``system`` is a whole exchange, started once as a user starts it; ``start_system``
starts separate ones, to be broken.
"""

import asyncio
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from services.engine.settings import PACKAGED_MARKETS_FILE
from services.local.embedded import EmbeddedPostgres, EmbeddedRedis
from services.local.guard import Guard
from services.local.migrate import upgrade
from services.local.processes import DATABASE
from tests.running import RunningSystem, copy_cluster

# What a password's hash really costs is tested with auth's own tests.
CHEAP_HASHES = {"CROSSBOOK_PASSWORD_PASSES": "1", "CROSSBOOK_PASSWORD_MEMORY_KIB": "1024"}
# Files are handed out in this order, each whole. Those that start servers and clients come first, or one of them would
# be left at the end while the other workers have nothing to do.
LONGEST_FIRST = (
    *("web", "clients", "local", "faults", "money", "replica", "abuse"),
    *("monitoring", "notifier", "backoffice", "simulation"),
)
_database_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that take longest; a worker does the files of a folder as they come."""
    tests = Path(__file__).parent
    ranks = {tests / name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.parent, len(ranks)))


@pytest.fixture(scope="session")
def session_directory() -> Iterator[Path]:
    """Where the session's servers keep their files: not under pytest's own directory.

    Run as root, PostgreSQL drops to another user, and every pytest that starts closes pytest's directory to others.
    """
    with tempfile.TemporaryDirectory(prefix="crossbook-tests-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Ends the session's servers should the tests be killed."""
    started = Guard()
    yield started
    started.close()


@pytest.fixture
def server_directory(session_directory: Path) -> Iterator[Path]:
    """An empty directory for a test that starts servers of its own."""
    with tempfile.TemporaryDirectory(dir=session_directory) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def migrated_cluster(session_directory: Path, guard: Guard) -> Path:
    """The files of a PostgreSQL cluster that has stopped, with the newest schema: made once, and only ever copied."""
    directory = session_directory / "cluster"
    server = EmbeddedPostgres(directory / "data", durable=False)
    server.start(directory / "postgres.log", guard)
    execute(server.url(), f"CREATE DATABASE {DATABASE}")
    upgrade(server.url(DATABASE))
    server.stop()
    return server.directory


@pytest.fixture(scope="session")
def embedded_postgres(session_directory: Path, migrated_cluster: Path, guard: Guard) -> Iterator[EmbeddedPostgres]:
    """The session's PostgreSQL server. Commits survive its crash (``stop("immediate")``) but need no disk."""
    directory = session_directory / "postgres"
    directory.mkdir()
    copy_cluster(migrated_cluster, directory / "data")
    server = EmbeddedPostgres(directory / "data", durable=False)
    server.start(directory / "postgres.log", guard)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def embedded_redis(session_directory: Path, guard: Guard) -> Iterator[EmbeddedRedis]:
    """The session's Redis server."""
    directory = session_directory / "redis"
    server = EmbeddedRedis(directory)
    server.start(directory / "redis.log", guard)
    yield server
    server.stop()


@pytest.fixture
def postgres_url(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    """A superuser's URL of a migrated database that only this test uses.

    For a service's own role use ``embedded_postgres.url(database, role)``.
    """
    name = f"test_{next(_database_numbers)}"
    execute(embedded_postgres.url(), f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
    yield embedded_postgres.url(name)
    execute(embedded_postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def redis_url(embedded_redis: EmbeddedRedis) -> str:
    """The URL of a Redis that is empty when the test starts."""
    with Redis.from_url(embedded_redis.url) as client:
        client.flushall()
    return embedded_redis.url


@pytest.fixture(scope="session")
def wide_markets(session_directory: Path) -> Path:
    """The packaged markets for tests that trade at whatever prices suit them.

    Only ETHBTC keeps the filter that compares a price with earlier trades.
    """
    return write_wide_markets(session_directory / "markets.toml")


@pytest.fixture(scope="session")
def system(session_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[RunningSystem]:
    """An exchange without demo that every test shares: open accounts of your own, expect other orders in the books.

    Its markets are the wide ones.
    """
    environment = {"CROSSBOOK_MARKETS_FILE": str(wide_markets), **CHEAP_HASHES}
    root = session_directory / "system"
    running = RunningSystem(root, "--no-demo", environment=environment, cluster=migrated_cluster).start()
    yield running
    running.stop()


@pytest.fixture
def start_system(
    server_directory: Path, wide_markets: Path, migrated_cluster: Path
) -> Iterator[Callable[..., RunningSystem]]:
    """Start exchanges that only this test uses: ``start_system("--engines", "2")``. They stop when it ends.

    They are lean, unless the test says otherwise.
    """
    started: list[RunningSystem] = []

    def start(*arguments: str, environment: Mapping[str, str] | None = None, is_lean: bool = True) -> RunningSystem:
        root = server_directory / f"exchange{len(started)}"
        chosen = {"CROSSBOOK_MARKETS_FILE": str(wide_markets), **CHEAP_HASHES, **(environment or {})}
        lean = ("--lean",) if is_lean else ()
        running = RunningSystem(root, "--no-demo", *lean, *arguments, environment=chosen, cluster=migrated_cluster)
        started.append(running)
        return running.start()

    yield start
    for running in started:
        running.stop()


def write_wide_markets(path: Path) -> Path:
    """The packaged markets, without PERCENT_PRICE_BY_SIDE where the quote asset is USDT."""
    head, *tables = PACKAGED_MARKETS_FILE.read_text().split("[[market]]")
    wide = [
        re.sub(r'(_multiplier_\w+) = "[^"]+"', r'\1 = "0"', table) if "USDT" in table else table for table in tables
    ]
    path.write_text("[[market]]".join([head, *wide]))
    return path


def execute(url: str, statement: str) -> None:
    """Run one statement, on a loop in a thread of its own so that the tests' loops never notice."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()
