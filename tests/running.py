"""A whole exchange as its user starts it: ``crossbook up`` in a process of its own, watched through its data directory."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from services.domain.money import parse_e8
from services.local.data_directory import DataDirectory, RunState
from services.local.internal import Account, InternalClient

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.02


class RunningExchange:
    """Started on entering, stopped as by Ctrl-C on leaving. It has no demo account and no liquidity."""

    def __init__(self, root: Path, *, engines: int = 1, environment: Mapping[str, str] | None = None) -> None:
        self.directory = DataDirectory(root)
        self._engines = engines
        self._environment = {**os.environ, **(environment or {})}
        self._log = root.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        arguments = ("--port", str(free_port()), "--data-dir", str(self.directory.root), "--no-demo")
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "services.local", "up", *arguments, "--engines", str(self._engines)),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )
        self.wait_for(lambda: (state := self.directory.run_state()) is not None and state.ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None, "left before it was entered"
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_TIMEOUT_S)

    @property
    def state(self) -> RunState:
        state = self.directory.run_state()
        assert state is not None, self._log.read_text()
        return state

    @property
    def base_url(self) -> str:
        return self.state.base_url

    @property
    def database_url(self) -> str:
        return self.state.database_url

    def create_account(self, amounts: Mapping[str, str]) -> Account:
        """Open an account with an API key and these deposits."""
        with InternalClient(self.directory, self.state) as client:
            account = client.create_account()
            for asset, amount in amounts.items():
                client.deposit(account.user_id, asset, parse_e8(amount), f"test:{account.user_id}:{asset}")
        return account

    def send_signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to one of the processes by its name; return its process id."""
        pid = self.state.process(name).pid
        os.kill(pid, number)
        return pid

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert self._process is not None and self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline_s, self._log.read_text()
            time.sleep(POLL_S)


def free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port: int = candidate.getsockname()[1]
    return port
