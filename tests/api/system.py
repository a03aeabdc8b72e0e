"""A running exchange for the whole session, until the shared fixture exists."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from services.domain.money import parse_e8
from services.local.data_directory import DataDirectory, RunState
from services.local.internal import Account, InternalClient


@dataclass(frozen=True)
class System:
    directory: DataDirectory
    state: RunState

    @property
    def base_url(self) -> str:
        return self.state.base_url

    @property
    def database_url(self) -> str:
        return self.state.database_url

    def create_account(self, amounts: Mapping[str, str]) -> Account:
        with InternalClient(self.directory, self.state) as client:
            account = client.create_account()
            for asset, amount in amounts.items():
                client.deposit(account.user_id, asset, parse_e8(amount), f"test:{account.user_id}:{asset}")
        return account


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = DataDirectory(tmp_path_factory.mktemp("exchange"))
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port = candidate.getsockname()[1]
    log = directory.root.with_suffix(".log")
    with log.open("wb") as output:
        arguments = ("--port", str(port), "--data-dir", str(directory.root), "--no-demo")
        process = subprocess.Popen(
            [sys.executable, "-m", "services.local", "up", *arguments], stdout=output, stderr=subprocess.STDOUT
        )
    deadline_s = time.monotonic() + 60
    while (state := directory.run_state()) is None or not state.ready:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.05)
    yield System(directory, state)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
