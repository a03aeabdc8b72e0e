"""What is measured: a whole local exchange, or an engine alone with its database and Redis.

Both run the code that lies beside this package, whatever else is installed, in a directory of their own that is removed
afterwards. Everything listens on loopback or on unix sockets.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import msgspec

from loadtests.conditions import ROOT
from services.domain.money import parse_e8
from services.engine.verify import verify
from services.local.data_directory import DataDirectory, RunState
from services.local.embedded import EmbeddedPostgres, EmbeddedRedis
from services.local.internal import InternalClient
from services.local.migrate import upgrade

HOST: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.005
DATABASE: Final = "crossbook"
INTERNAL_TOKEN: Final = "loadtests-" + "0" * 32


class VenueFailed(Exception):
    """The exchange under test did not start, stop or add up; the message says where to look."""


@dataclass(frozen=True, slots=True)
class Trader:
    """A funded account and the key it trades with."""

    api_key: str
    secret_key: bytes


@dataclass(frozen=True, slots=True)
class Venue:
    """A running local exchange. ``roots`` names its processes for the processor meter."""

    directory: DataDirectory
    state: RunState

    @property
    def port(self) -> int:
        return self.state.process("trading").port

    @property
    def roots(self) -> dict[str, int]:
        return {process.name: process.pid for process in self.state.processes}

    def open_accounts(self, count: int, deposits: Mapping[str, str]) -> list[Trader]:
        traders = []
        with InternalClient(self.directory, self.state) as client:
            for number in range(count):
                account = client.create_account(label=f"bench {number}")
                for asset, amount in deposits.items():
                    client.deposit(account.user_id, asset, parse_e8(amount), f"bench:{account.user_id}:{asset}")
                traders.append(Trader(account.api_key, account.secret_key.encode()))
        return traders

    def restarts(self) -> int:
        """How many times a process of the exchange died; a benchmark must not make any."""
        state = self.directory.run_state()
        return sum(process.restarts for process in state.processes) if state is not None else 0

    async def verify(self) -> dict[str, Any]:
        """Replay the journal and compare it with the tables; raise Mismatch or JournalCorrupt."""
        return dict(msgspec.to_builtins(await verify(self.state.database_url)))


@contextlib.contextmanager
def running_exchange(
    *arguments: str, environment: Mapping[str, str] | None = None, root: Path | None = None
) -> Iterator[Venue]:
    """Start ``crossbook up`` without demo data, and stop it at the end: in a new directory, or one that stays.

    ``arguments`` are added to the command, ``environment`` reaches every service.
    """
    with scratch_directory() if root is None else contextlib.nullcontext(root) as root:
        directory = DataDirectory(root / "exchange")
        process = launch_exchange(directory, *arguments, environment=environment)
        try:
            yield await_ready(directory, process)
        finally:
            end(process, signal.SIGTERM)


def launch_exchange(
    directory: DataDirectory, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``crossbook up`` without demo data; its log lies beside the directory."""
    command = (
        *(sys.executable, "-m", "services.local.cli", "up", "--no-demo"),
        *("--port", str(free_port()), "--data-dir", str(directory.root)),
        *arguments,
    )
    with _log(directory).open("wb") as output:
        return subprocess.Popen(command, env=environment_with(environment or {}), stdout=output, stderr=output)


def await_ready(directory: DataDirectory, process: subprocess.Popen[bytes]) -> Venue:
    """Wait until the exchange of this process is ready: the state of one that was killed says so for ever."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        state = directory.run_state() if directory.root.exists() else None
        if state is not None and state.ready and state.supervisor_pid == process.pid:
            return Venue(directory, state)
        time.sleep(0.05)
    raise VenueFailed(f"the exchange did not start:\n{_log(directory).read_text()}")


def _log(directory: DataDirectory) -> Path:
    return directory.root.with_suffix(".log")


class EngineVenue:
    """PostgreSQL, Redis and one engine process, which may be started, killed and started again."""

    def __init__(self, root: Path) -> None:
        self.postgres = EmbeddedPostgres(root / "postgres")
        self.redis = EmbeddedRedis(root / "redis")
        self.port = free_port()
        self.log = root / "engine.log"
        self.started_s = 0.0
        self._servers_log = root / "servers.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "EngineVenue":
        self.postgres.start(self._servers_log)
        self.redis.start(self._servers_log)
        asyncio.run(self._create_database())
        upgrade(self.database_url)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_engine()
        self.redis.stop()
        self.postgres.stop()

    @property
    def database_url(self) -> str:
        return self.postgres.url(DATABASE)

    @property
    def roots(self) -> dict[str, int]:
        assert self._process is not None and self.postgres.pid is not None
        return {"engine": self._process.pid, "postgres": self.postgres.pid}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start_engine(self, environment: Mapping[str, str] | None = None) -> float:
        """Start the engine; return the seconds until it was active. The log holds this start only."""
        settings = {
            "CROSSBOOK_HOST": HOST,
            "CROSSBOOK_PORT": str(self.port),
            "CROSSBOOK_DATABASE_URL": self.postgres.url(DATABASE, "crossbook_engine"),
            "CROSSBOOK_REDIS_URL": self.redis.url,
            "CROSSBOOK_INTERNAL_TOKEN": INTERNAL_TOKEN,
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }
        started_s = time.perf_counter()
        self.started_s = time.time()
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "services.engine"),
                env=environment_with(settings),
                stdout=output,
                stderr=output,
            )
        deadline_s = started_s + START_TIMEOUT_S
        with httpx.Client(trust_env=False) as client:
            while time.perf_counter() < deadline_s and self._process.poll() is None:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(f"http://{HOST}:{self.port}/health/ready", timeout=30).status_code == 200:
                        return time.perf_counter() - started_s
                time.sleep(POLL_S)
        raise VenueFailed(f"the engine did not become active:\n{self.log.read_text()}")

    def stop_engine(self) -> None:
        """Let the engine hand over: it leaves a snapshot behind."""
        if self._process is not None:
            end(self._process, signal.SIGTERM)
            self._process = None

    def kill_engine(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log_events(self, name: str) -> list[dict[str, Any]]:
        lines = [line for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]
        return [event for event in map(msgspec.json.decode, lines) if event.get("event") == name]

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self.postgres.url())
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory on disk (TMPDIR says where), removed afterwards."""
    root = Path(tempfile.mkdtemp(prefix="crossbook-bench-"))
    # The database server runs as another user when we are root, and must be able to pass.
    root.chmod(0o711)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind((HOST, 0))
        port: int = candidate.getsockname()[1]
    return port


def end(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(stop_signal)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, **settings}
