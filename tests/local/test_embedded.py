"""The embedded servers start, crash, and start again over what is left."""

from pathlib import Path

import asyncpg
import pytest

from services.infra import redis
from services.local.embedded import EmbeddedPostgres, EmbeddedRedis


@pytest.fixture
def postgres(server_directory: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(server_directory / "a directory" / "postgres", durable=False)


async def test_commits_survive_an_immediate_stop(postgres: EmbeddedPostgres, server_directory: Path) -> None:
    postgres.start(server_directory / "log")
    connection = await asyncpg.connect(postgres.url())
    await connection.execute("CREATE TABLE kept (answer int); INSERT INTO kept VALUES (42)")
    postgres.stop("immediate")
    connection.terminate()
    postgres.start(server_directory / "log")
    connection = await asyncpg.connect(postgres.url())
    assert await connection.fetchval("SELECT answer FROM kept") == 42
    await connection.close()
    postgres.stop()


def test_a_stale_pid_file_naming_a_stranger_is_no_obstacle(postgres: EmbeddedPostgres, server_directory: Path) -> None:
    postgres.start(server_directory / "log")
    postgres.stop()
    (postgres.directory / "postmaster.pid").write_text("1\n")
    postgres.start(server_directory / "log")
    assert postgres.pid not in (None, 1)
    postgres.stop()


def test_a_server_without_an_owner_is_replaced(postgres: EmbeddedPostgres, server_directory: Path) -> None:
    postgres.start(server_directory / "log")
    orphan = postgres.pid
    successor = EmbeddedPostgres(postgres.directory, durable=False)
    successor.start(server_directory / "log")
    assert successor.pid not in (None, orphan)
    successor.stop()
    postgres.stop()


async def test_a_directory_too_deep_for_a_socket_gets_one_elsewhere(server_directory: Path) -> None:
    deep = server_directory / ("d" * 100)
    postgres = EmbeddedPostgres(deep / "postgres", durable=False)
    postgres.start(server_directory / "log")
    connection = await asyncpg.connect(postgres.url())
    await connection.close()
    postgres.stop()
    server = EmbeddedRedis(deep / "redis")
    server.start(server_directory / "log")
    client = redis.connect(server.url)
    assert await client.ping()
    await client.aclose(close_connection_pool=True)
    server.stop()


async def test_redis_keeps_nothing(server_directory: Path) -> None:
    server = EmbeddedRedis(server_directory / "redis")
    server.start(server_directory / "log")
    client = redis.connect(server.url)
    await client.set("key", "value")
    await client.aclose(close_connection_pool=True)
    server.stop()
    server.start(server_directory / "log")
    client = redis.connect(server.url)
    assert await client.get("key") is None
    await client.aclose(close_connection_pool=True)
    server.stop()


async def test_each_test_gets_a_migrated_database_and_an_empty_redis(postgres_url: str, redis_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT count(*) FROM exchange.engine_lease") == 1
    await connection.close()
    client = redis.connect(redis_url)
    assert await client.dbsize() == 0
    await client.aclose(close_connection_pool=True)
