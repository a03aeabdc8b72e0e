"""A whole exchange starts, survives the death of each part, keeps its data, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from services.local.client import PublicClient
from services.local.data_directory import DataDirectory
from services.local.internal import Account
from services.local.launch import is_running
from tests.running import RunningSystem, free_port, wait_until

StartSystem = Callable[..., RunningSystem]


def crossbook(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-P", "-m", "services.local", *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def free_usdt(system: RunningSystem, account: Account) -> str:
    with closing(PublicClient(system.base_url, account.api_key, account.secret_key)) as client:
        balances = client.signed("GET", "/api/v3/account")["balances"]
    free: str = next(balance["free"] for balance in balances if balance["asset"] == "USDT")
    return free


def children(system: RunningSystem) -> list[psutil.Process]:
    return [psutil.Process(process.pid) for process in system.state.processes]


def test_a_stop_ends_every_process_and_a_start_goes_on_with_all_data(start_system: StartSystem) -> None:
    system = start_system()
    account = system.create_account({"USDT": "123.45"})
    before = children(system)
    assert system.stop() == 0
    assert not any(map(is_running, before))
    assert system.directory.run_state() is None
    system.start()
    assert free_usdt(system, account) == "123.45000000"


def test_stopping_goes_in_order_so_that_the_engine_hands_over(start_system: StartSystem) -> None:
    system = start_system()
    system.stop()
    assert "handed_over" in (system.directory.logs / "engine.log").read_text()
    assert "database system is shut down" in (system.directory.logs / "postgres.log").read_text()


@pytest.mark.parametrize("name", ["trading", "auth", "engine", "redis", "postgres"])
def test_a_process_that_dies_is_started_again_and_nothing_is_lost(system: RunningSystem, name: str) -> None:
    account = system.create_account({"USDT": "1"})
    system.kill_process(name)
    system.wait_ready()
    assert free_usdt(system, account) == "1.00000000"


def test_an_engine_that_was_killed_is_back(system: RunningSystem) -> None:
    """``make takeover`` measures how soon."""
    system.kill_process("engine")
    wait_until(lambda: system.active_engine() is not None, 30)


def test_a_standby_takes_over(start_system: StartSystem) -> None:
    system = start_system("--engines", "2")
    active = system.active_engine()
    assert active is not None
    name = next(process.name for process in system.state.processes if active.endswith(f":{process.port}"))
    system.send_signal(name, signal.SIGSTOP)
    wait_until(lambda: system.active_engine() not in (None, active), 15)
    system.send_signal(name, signal.SIGCONT)
    hands_over_when_asked_to_stop(system)


def hands_over_when_asked_to_stop(system: RunningSystem) -> None:
    """As in a rollout: the active engine is told to stop when both are fit, and orders go on."""
    wait_until(lambda: all(is_fit(url) for url in system.engine_urls), 30)
    active = system.active_engine()
    name = next(process.name for process in system.state.processes if str(active).endswith(f":{process.port}"))
    account = system.create_account({"USDT": "100"})
    system.send_signal(name, signal.SIGTERM)
    # The gateway waits for the successor within the order's own deadline: it would refuse if that took longer.
    with closing(PublicClient(system.base_url, account.api_key, account.secret_key)) as client:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        for _ in range(5):
            placed = client.signed("POST", "/api/v3/order", **order, price="10000", quantity="0.001")
            assert placed["status"] == "NEW"
    wait_until(lambda: system.active_engine() not in (None, active), 15)
    wait_until(lambda: all(is_fit(url) for url in system.engine_urls), 30)


def is_fit(engine_url: str) -> bool:
    try:
        return httpx.get(f"{engine_url}/health/fit", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def test_nothing_outlives_a_killed_supervisor(start_system: StartSystem) -> None:
    system = start_system()
    account = system.create_account({"USDT": "2"})
    orphans = children(system)
    system.kill()
    assert not any(map(is_running, orphans))
    system.start()
    assert free_usdt(system, account) == "2.00000000"


def test_a_start_clears_what_a_killed_supervisor_and_guard_left(start_system: StartSystem) -> None:
    system = start_system()
    orphans = children(system)
    supervisor = psutil.Process(system.state.supervisor_pid)
    guard = next(child for child in supervisor.children() if "services.local.guard" in child.cmdline())
    guard.kill()
    system.kill()
    assert any(map(is_running, orphans))
    system.start()
    assert not any(map(is_running, orphans))


def test_a_second_signal_changes_nothing(start_system: StartSystem) -> None:
    system = start_system()
    os.kill(system.state.supervisor_pid, signal.SIGINT)
    time.sleep(0.2)
    assert system.stop() == 0
    assert "Traceback" not in system.printed


def test_a_signal_during_the_start_stops_what_has_started(server_directory: Path) -> None:
    command = (sys.executable, "-P", "-m", "services.local", "up", "--port", str(free_port()))
    directory = DataDirectory(server_directory / "data")
    starting = subprocess.Popen(
        (*command, "--data-dir", str(directory.root)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until(lambda: (state := directory.run_state()) is not None and len(state.processes) >= 2, 30)
    state = directory.run_state()
    assert state is not None
    started = [psutil.Process(process.pid) for process in state.processes if process.pid]
    starting.send_signal(signal.SIGTERM)
    printed, _ = starting.communicate(timeout=60)
    assert starting.returncode == 0, printed
    assert "Traceback" not in printed
    assert not any(map(is_running, started))


def test_a_port_in_use_is_named_and_another_suggested(system: RunningSystem, server_directory: Path) -> None:
    result = crossbook("up", "--port", str(system.port), "--data-dir", server_directory / "other")
    assert result.returncode == 1
    assert f"port {system.port} is in use" in result.stderr
    assert "--port" in result.stderr


def test_one_directory_runs_one_exchange(system: RunningSystem) -> None:
    result = crossbook("up", "--port", str(free_port()), "--data-dir", system.directory.root)
    assert result.returncode == 1
    assert "already runs" in result.stderr
    assert httpx.get(f"{system.base_url}/health/ready").status_code == httpx.codes.OK


def test_fresh_deletes_only_what_is_ours(server_directory: Path) -> None:
    (server_directory / "thesis.txt").write_text("years of work")
    result = crossbook("up", "--port", str(free_port()), "--data-dir", server_directory, "--fresh")
    assert result.returncode == 1
    assert "not Crossbook's" in result.stderr
    assert [path.name for path in server_directory.iterdir()] == ["thesis.txt"]


def test_fresh_forgets_everything(start_system: StartSystem) -> None:
    system = start_system()
    first = system.create_account()
    system.stop()
    system.start("--fresh")
    assert system.create_account().user_id == first.user_id


def test_a_service_that_cannot_start_says_why(server_directory: Path, migrated_cluster: Path) -> None:
    environment = {"CROSSBOOK_MARKETS_FILE": "/nowhere.toml"}
    system = RunningSystem(server_directory / "data", "--no-demo", environment=environment, cluster=migrated_cluster)
    with pytest.raises(AssertionError, match=r"engine(.|\n)*nowhere\.toml"):
        system.start()
    assert not system.directory.is_locked


def test_secrets_are_for_their_owner_only(system: RunningSystem) -> None:
    for name in ("secrets.json", "run.json"):
        assert (system.directory.root / name).stat().st_mode & 0o077 == 0


def test_a_lean_exchange_trades_with_nothing_around_it(start_system: StartSystem) -> None:
    system = start_system()
    assert {process.name for process in system.state.processes} == {"postgres", "redis", "auth", "engine", "trading"}
    assert free_usdt(system, system.create_account({"USDT": "3"})) == "3.00000000"
    refused = httpx.get(f"{system.base_url}/wallet/v1/assets")
    assert (refused.status_code, refused.json()["code"]) == (502, "backoffice_unavailable")
