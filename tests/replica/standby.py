"""A real streaming replica of an exchange's PostgreSQL, which a test can pause, stop, freeze and promote."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import psutil

from services.infra.postgres import Connection
from services.local.embedded import EmbeddedPostgres
from services.local.guard import Guard
from services.local.processes import DATABASE
from tests.running import RunningSystem

WAIT_S = 60.0
POLL_S = 0.02
_SEQUENCE = "SELECT sequence FROM exchange.engine_lease"


class Standby:
    """Copied from the running exchange when made; ``start`` lets it stream. Its URL never changes."""

    def __init__(self, system: RunningSystem, directory: Path, guard: Guard) -> None:
        self._server = EmbeddedPostgres(directory / "data", durable=False)
        self._primary_url = system.database_url
        self._log = directory / "log"
        self._guard = guard
        self._copy(EmbeddedPostgres(system.directory.postgres).url())

    @property
    def url(self) -> str:
        """For trading, as its own role."""
        return self._server.url(DATABASE, "crossbook_trading")

    def start(self) -> None:
        self._server.start(self._log, self._guard)

    def stop_at(self, moment: str) -> None:
        """When it starts it replays up to this time, and becomes a primary of its own."""
        with (self._server.directory / "postgresql.auto.conf").open("a") as configuration:
            configuration.write(f"recovery_target_time = '{moment}'\nrecovery_target_action = 'promote'\n")

    def url_of(self, role: str) -> str:
        return self._server.url(DATABASE, role)

    def crash(self) -> None:
        self._server.stop("immediate")

    def start_again(self) -> None:
        """It replays what there is, whether it was paused, frozen or stopped before."""
        self.crash()
        self.start()

    async def pause(self) -> None:
        """Return when it replays no more; it still answers."""
        async with self.connection() as connection:
            await connection.execute("SELECT pg_wal_replay_pause()")
            await until(lambda: _is_paused(connection))

    async def resume(self) -> None:
        async with self.connection() as connection:
            await connection.execute("SELECT pg_wal_replay_resume()")

    async def promote(self) -> None:
        """It becomes a primary of its own, with the history so far."""
        async with self.connection() as connection:
            assert await connection.fetchval("SELECT pg_promote()")

    def freeze(self) -> None:
        """It neither answers nor goes away, as behind a network that drops everything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    async def caught_up(self) -> None:
        """Return when it has what the primary has now."""
        primary = await asyncpg.connect(self._primary_url)
        try:
            wanted = await primary.fetchval(_SEQUENCE)
        finally:
            await primary.close()
        async with self.connection() as connection:

            async def has_it() -> bool:
                return bool(await connection.fetchval(_SEQUENCE) >= wanted)

            await until(has_it)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """The superuser's."""
        connection = await asyncpg.connect(self._server.url(DATABASE))
        try:
            yield connection
        finally:
            await connection.close()

    def _signal(self, sent: signal.Signals) -> None:
        assert self._server.pid is not None, "it is not running"
        postmaster = psutil.Process(self._server.pid)
        # The postmaster first, so that it starts no others meanwhile.
        postmaster.send_signal(sent)
        for process in postmaster.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(sent)

    def _copy(self, primary_url: str) -> None:
        """``pg_basebackup`` with what makes the copy follow its original."""
        launch = self._server.launch()
        program = Path(launch.argv[0]).with_name("pg_basebackup")
        # Its directory is made accessible and left empty: what looks initialized is not initialized again.
        version = self._server.directory / "PG_VERSION"
        version.touch()
        self._server.prepare()
        version.unlink()
        self._server.directory.chmod(0o700)
        options = launch.options() | {"stderr": subprocess.PIPE, "env": {**os.environ, **launch.environment}}
        command = (str(program), "--pgdata", str(self._server.directory), "--dbname", primary_url)
        copied = subprocess.run(
            (*command, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
            **options,
            text=True,
            check=False,
        )
        assert copied.returncode == 0, copied.stderr
        # The original's socket lies in its data directory, and the socket's lock was copied too.
        (self._server.directory / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


async def _is_paused(connection: Connection) -> bool:
    return bool(await connection.fetchval("SELECT pg_get_wal_replay_pause_state() = 'paused'"))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not await holds():
        assert time.monotonic() < deadline_s, f"waited {WAIT_S} s in vain"
        await asyncio.sleep(POLL_S)
