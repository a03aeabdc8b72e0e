"""A whole exchange as a user starts it, for tests that meet it from outside, and for tests that break it.

``RunningSystem`` is ``crossbook up`` in a process of its own over a temporary data directory. Tests may kill its
children: the supervisor starts them again, and their pids change.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import msgspec
from redis import Redis

from services.domain.commands import Command, SetAccountTerms
from services.domain.market import MarketStatus
from services.domain.money import parse_e8
from services.domain.protocol import Envelope, Reply
from services.local.data_directory import DataDirectory, RunState
from services.local.guard import Guard
from services.local.internal import Account, InternalClient

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.02


class RunningSystem:
    """One exchange, once ``start`` has returned.

    ``arguments`` are added to ``crossbook up``; ``environment`` reaches every service (CROSSBOOK_…). With ``cluster``
    its first start finds a copy of that PostgreSQL cluster and need not make one, which takes seconds.
    """

    def __init__(
        self,
        root: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        cluster: Path | None = None,
    ) -> None:
        self.directory = DataDirectory(root)
        if cluster is not None:
            self.directory.claim()
            copy_cluster(cluster, self.directory.postgres)
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._output = root.with_name(f"{root.name}.out")
        self._guard: Guard | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._deposits = 0

    def start(self, *more: str) -> "RunningSystem":
        """Return when it is ready; fail with what it printed if it does not become so. ``more`` is said this once."""
        command = (sys.executable, "-P", "-m", "services.local", "up", "--port", str(self.port))
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                (*command, "--data-dir", str(self.directory.root), *self._arguments, *more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment,
            )
        # Should the tests be killed, the exchange stops too.
        self._guard = Guard()
        self._guard.watch(self._process.pid, signal.SIGTERM)
        try:
            wait_until(self._is_ready_or_ended, START_TIMEOUT_S)
        except TimeoutError:
            self.stop()
            raise
        if self._process.poll() is not None:
            self.stop()
            raise AssertionError(f"`crossbook up` ended:\n{self.printed}")
        return self

    def stop(self) -> int:
        """Stop it as Ctrl-C would, and return its exit code. Stopping again does no harm."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self._end_of_process()

    def kill(self) -> None:
        """Kill the supervisor, and return when its guard has ended everything else."""
        assert self._process is not None
        self._process.kill()
        self._end_of_process()
        wait_until(lambda: not self.directory.is_locked, STOP_TIMEOUT_S)

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def printed(self) -> str:
        """Everything it printed so far."""
        return self._output.read_text(errors="replace")

    @property
    def state(self) -> RunState:
        state = self.directory.run_state()
        assert state is not None, f"the exchange is not running:\n{self.printed}"
        return state

    @property
    def database_url(self) -> str:
        """The superuser's."""
        return self.state.database_url

    @property
    def redis_url(self) -> str:
        return self.state.redis_url

    @property
    def engine_urls(self) -> list[str]:
        return self.state.engine_urls

    @property
    def auth_url(self) -> str:
        return self.state.auth_url

    @property
    def internal_token(self) -> str:
        return self.directory.secrets().internal_token

    def create_account(self, deposits: Mapping[str, str] | None = None) -> Account:
        """Open a funded account, for example with ``{"USDT": "1000"}``."""
        with InternalClient(self.directory, self.state) as client:
            account = client.create_account()
        for asset, amount in (deposits or {}).items():
            self.deposit(account.user_id, asset, amount)
        return account

    def deposit(self, user_id: int, asset: str, amount: str) -> None:
        with InternalClient(self.directory, self.state) as client:
            self._deposits += 1
            client.deposit(user_id, asset, parse_e8(amount), f"test:{user_id}:{self._deposits}")

    def set_market_status(self, symbol: str, status: MarketStatus) -> None:
        with InternalClient(self.directory, self.state) as client:
            client.set_market_status(symbol, status)

    def set_account_terms(self, terms: SetAccountTerms) -> None:
        with InternalClient(self.directory, self.state) as client:
            client.set_account_terms(terms)

    def ask_engine(self, *commands: Command) -> list[Reply]:
        """In one parcel, of the first engine."""
        response = httpx.post(
            f"{self.engine_urls[0]}/internal/commands",
            content=msgspec.msgpack.encode([Envelope(2**62, command) for command in commands]),
            headers={"Authorization": f"Bearer {self.internal_token}"},
            timeout=20,
            trust_env=False,
        )
        return msgspec.msgpack.decode(response.content, type=list[Reply])

    def pid(self, name: str) -> int:
        """The process id of postgres, redis, auth, engine (engine1, … of several) or trading."""
        return self.state.process(name).pid

    def send_signal(self, name: str, sent: signal.Signals) -> None:
        os.kill(self.pid(name), sent)

    def kill_process(self, name: str) -> None:
        """Kill one process, as soon as there is one; return when the supervisor has noticed and starts it again."""
        self._end(name, signal.SIGKILL)

    def crash_postgres(self) -> None:
        """Stop PostgreSQL without a word to anybody; its next start recovers from its log."""
        self._end("postgres", signal.SIGQUIT)

    def flush_redis(self) -> None:
        with Redis.from_url(self.redis_url) as client:
            client.flushall()

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return when every process runs, an engine is active and trading answers."""
        wait_until(self._all_ready, timeout_s)

    def active_engine(self) -> str | None:
        """The active engine's URL."""
        return next((url for url in self.engine_urls if _answers(f"{url}/health/ready")), None)

    def _end(self, name: str, sent: signal.Signals) -> None:
        # Of one that keeps dying there is none for a while, and the state names the last.
        wait_until(lambda: self._was_sent(name, sent), STOP_TIMEOUT_S)

    def _was_sent(self, name: str, sent: signal.Signals) -> bool:
        before = self.state.process(name)
        try:
            os.kill(before.pid, sent)
        except ProcessLookupError:
            return False
        wait_until(lambda: self.state.process(name).restarts > before.restarts, STOP_TIMEOUT_S)
        return True

    def _all_ready(self) -> bool:
        if any(process.state != "ready" for process in self.state.processes):
            return False
        return self.active_engine() is not None and _answers(f"{self.base_url}/health/ready")

    def _is_ready_or_ended(self) -> bool:
        assert self._process is not None
        state = self.directory.run_state()
        is_ours = state is not None and state.supervisor_pid == self._process.pid and state.ready
        return is_ours or self._process.poll() is not None

    def _end_of_process(self) -> int:
        assert self._process is not None
        code = self._process.wait(STOP_TIMEOUT_S)
        if self._guard is not None:
            self._guard.release(self._process.pid)
            self._guard.close()
            self._guard = None
        return code


def copy_cluster(cluster: Path, destination: Path) -> None:
    """Copy the files of a stopped PostgreSQL with their owner, who may be another user."""
    subprocess.run(("cp", "-Rp", str(cluster), str(destination)), check=True)


def wait_until(holds: Callable[[], bool], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s} s in vain")
        time.sleep(POLL_S)


def free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port: int = candidate.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
