"""PostgreSQL and Redis for containers: this machine's, reached over the containers' network.

Both listen on sockets of their own directories only; ports on the network's gateway lead there.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from services.local.embedded import EmbeddedPostgres, EmbeddedRedis
from services.local.guard import Guard

DATABASE: Final = "crossbook"
POSTGRES_PORT: Final = 5432
REDIS_PORT: Final = 6379
START_TIMEOUT_S: Final = 30.0
CHUNK_BYTES: Final = 64 * 1024


class Stores:
    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres

    def ask_for_passwords(self, services: list[str]) -> None:
        """From now on their roles are believed only with the passwords that the migration set."""
        roles = ",".join(f"crossbook_{service}" for service in services)
        rules = self._postgres.directory / "pg_hba.conf"
        rules.write_text(f"local all {roles} scram-sha-256\n{rules.read_text()}")
        self.execute("SELECT pg_reload_conf()")

    def execute(self, statement: str) -> None:
        asyncio.run(self._execute(statement))

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def running(folder: Path, gateway: str) -> Iterator[Stores]:
    """``gateway`` is this machine's address on the containers' network."""
    # PostgreSQL drops to a user of its own, who must be able to come here.
    folder.mkdir()
    for entered in (folder, folder.parent):
        entered.chmod(0o755)
    guard = Guard()
    postgres = EmbeddedPostgres(folder / "postgres" / "data", durable=False)
    redis = EmbeddedRedis(folder / "redis")
    postgres.start(folder / "postgres" / "server.log", guard)
    redis.start(folder / "redis" / "server.log", guard)
    postgres_socket = parse_qs(urlsplit(postgres.url()).query)["host"][0] + f"/.s.PGSQL.{POSTGRES_PORT}"
    redis_socket = unquote(redis.url.removeprefix("unix://"))
    stores = Stores(postgres)
    try:
        stores.execute(f"CREATE DATABASE {DATABASE}")
        with _led_to(gateway, {POSTGRES_PORT: postgres_socket, REDIS_PORT: redis_socket}):
            yield stores
    finally:
        redis.stop()
        postgres.stop()
        guard.close()


@contextlib.contextmanager
def _led_to(gateway: str, sockets: dict[int, str]) -> Iterator[None]:
    """The address is there only while a container is on the network."""
    started: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = concurrent.futures.Future()

    async def lead() -> None:
        stopping = asyncio.Event()
        try:
            for port, path in sockets.items():
                await asyncio.start_server(_leader_to(path), gateway, port)
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result((asyncio.get_running_loop(), stopping))
        await stopping.wait()

    thread = threading.Thread(target=lambda: asyncio.run(lead()), daemon=True)
    thread.start()
    loop, stopping = started.result(START_TIMEOUT_S)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(START_TIMEOUT_S)


def _leader_to(path: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled at the end, whatever is open: asyncio's streams would complain of that.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_unix_connection(path)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    return lead


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
