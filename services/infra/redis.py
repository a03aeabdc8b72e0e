"""Connections to Redis. Callers treat every RedisError as "Redis is gone" and carry on without it."""

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
