"""Connections to Redis. Callers treat every RedisError as "Redis is gone" and carry on without it."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

CONNECT_TIMEOUT_S = 1.0
COMMAND_TIMEOUT_S = 2.0
MAX_CONNECTIONS = 16


class _Translating(AbstractConnection):
    """Writing to a connection that was reset a moment ago is a RuntimeError of uvloop: that is Redis gone, too."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(str(error)) from error


def _translating(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    return type(kind.__name__, (_Translating, kind), {})


def connect(url: str) -> Redis:
    """Return a client that fails fast and never retries on its own; it connects on first use."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=COMMAND_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=COMMAND_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    pool.connection_class = _translating(pool.connection_class)
    return Redis.from_pool(pool)


class StreamReader:
    """``xread`` as ``Redis`` has it, for one reader, on a connection that is kept.

    ``Redis`` looks for a connection each time and wraps each command, which costs twice what the command does.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._connection: AbstractConnection | None = None

    async def xread(self, position: Mapping[str, str], count: int, block: int) -> list[Any]:
        """Entries after a position in each stream, as ``[(key, [(id, fields)])]``; wait ``block`` ms for the first."""
        connection, self._connection = self._connection, None
        if connection is None:
            connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_command(
                *("XREAD", "COUNT", count, "BLOCK", block, "STREAMS"), *position.keys(), *position.values()
            )
            found = await connection.read_response()
        except BaseException:
            # What is still to come of an answer is nobody's.
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)
            raise
        self._connection = connection
        streams = found.items() if isinstance(found, dict) else found or ()
        return [(key, [(name, _mapping(fields)) for name, fields in entries]) for key, entries in streams]


def _mapping(fields: list[bytes]) -> dict[bytes, bytes]:
    """Names and values come in turns."""
    return dict(zip(fields[::2], fields[1::2], strict=True))
