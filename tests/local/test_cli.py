"""The ``crossbook`` command against a running exchange."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from services.domain.money import format_e8
from tests.running import RunningSystem

EXIT_NOT_RUNNING = 3


def crossbook(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-P", "-m", "services.local", *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


async def balance(system: RunningSystem, user_id: int, asset: str) -> str | None:
    connection = await asyncpg.connect(system.database_url)
    free_e8 = await connection.fetchval(
        "SELECT free_e8 FROM exchange.balances WHERE account_id = $1 AND asset = $2", user_id, asset
    )
    await connection.close()
    return None if free_e8 is None else format_e8(free_e8)


@pytest.mark.parametrize(
    "command",
    [
        *((), ("up",), ("down",), ("status",), ("deposit",), ("verify",), ("account",), ("market",), ("venue",)),
        *(("account", "create"), ("account", "terms"), ("venue", "show"), ("venue", "set")),
        *(("market", "status"), ("market", "show"), ("market", "define")),
    ],
)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    result = crossbook(*command, "--help")
    assert result.returncode == 0
    assert "Usage: crossbook" in result.stdout


async def test_an_account_is_created_with_its_deposits(system: RunningSystem) -> None:
    options = ("--data-dir", system.directory.root, "--json")
    result = crossbook("account", "create", "--deposit", "USDT=100000", "--deposit", "BTC=0.5", *options)
    assert result.returncode == 0, result.stderr
    account = json.loads(result.stdout)
    assert set(account) == {"userId", "apiKey", "secretKey"}
    assert await balance(system, account["userId"], "USDT") == "100000.00000000"
    assert await balance(system, account["userId"], "BTC") == "0.50000000"


async def test_a_deposit_with_a_reference_happens_once(system: RunningSystem) -> None:
    user_id = system.create_account().user_id
    command = ("deposit", str(user_id), "ETH=1.5", "--reference", f"once-{user_id}")
    for _ in range(2):
        result = crossbook(*command, "--data-dir", system.directory.root)
        assert result.returncode == 0, result.stderr
    assert await balance(system, user_id, "ETH") == "1.50000000"


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("USDT", "ASSET=AMOUNT"),
        ("USDT=-1", "not a plain decimal"),
        ("USDT=1e3", "not a plain decimal"),
        ("USDT=0.000000001", "eight decimal places"),
        ("USDT=99999999999999999999", "too large"),
    ],
)
def test_an_amount_that_is_none_is_refused_before_anything_happens(amount: str, reason: str) -> None:
    result = crossbook("deposit", "1000", amount, "--data-dir", "/nowhere")
    assert result.returncode == 2
    assert reason in " ".join(result.stderr.split())


def test_a_market_is_halted_and_opened_again(system: RunningSystem) -> None:
    options = ("--data-dir", system.directory.root, "--json")
    for status in ("HALT", "HALT", "TRADING"):
        result = crossbook("market", "status", "ETHBTC", status, *options)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout) == {"symbol": "ETHBTC", "status": status}
    unknown = crossbook("market", "status", "NOPE", "HALT", *options)
    assert (unknown.returncode, "UNKNOWN_SYMBOL" in unknown.stderr) == (1, True)


def test_the_exchange_s_own_refusal_is_shown(system: RunningSystem) -> None:
    user_id = system.create_account().user_id
    result = crossbook("deposit", str(user_id), "NOPE=1", "--data-dir", system.directory.root)
    assert result.returncode == 1
    assert "UNKNOWN_ASSET" in result.stderr


def test_status_tells_people_and_programs(system: RunningSystem) -> None:
    system.wait_ready()
    text = crossbook("status", "--data-dir", system.directory.root)
    assert text.returncode == 0
    assert all(name in text.stdout for name in ("postgres", "redis", "auth", "engine", "trading", "sequence"))
    document = json.loads(crossbook("status", "--data-dir", system.directory.root, "--json").stdout)
    assert document["running"] and document["ready"]
    assert document["baseUrl"] == system.base_url
    assert document["engines"][0]["active"] is True


@pytest.mark.parametrize("command", [("status",), ("status", "--json")])
def test_status_of_nothing_is_a_failure(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert crossbook(*command, "--data-dir", tmp_path).returncode == EXIT_NOT_RUNNING


def test_commands_that_need_an_exchange_say_how_to_start_one(tmp_path: Path) -> None:
    for command in (("account", "create"), ("deposit", "1000", "USDT=1"), ("verify",)):
        result = crossbook(*command, "--data-dir", tmp_path / "none")
        assert result.returncode == 1
        assert "crossbook up" in result.stderr
    assert not (tmp_path / "none").exists()


def test_down_stops_it_from_elsewhere_and_stopping_nothing_is_fine(
    start_system: Callable[..., RunningSystem],
) -> None:
    system = start_system()
    for answer in ("Stopped", "No exchange runs"):
        result = crossbook("down", "--data-dir", system.directory.root)
        assert result.returncode == 0, result.stderr
        assert answer in result.stdout
    assert system.stop() == 0


async def test_verify_works_on_a_running_and_on_a_stopped_exchange(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system()
    account = system.create_account({"USDT": "10"})
    running = crossbook("verify", "--data-dir", system.directory.root, "--json")
    assert running.returncode == 0, running.stderr
    connection = await asyncpg.connect(system.database_url)
    await connection.execute(
        "UPDATE exchange.balances SET free_e8 = free_e8 + 1 WHERE account_id = $1", account.user_id
    )
    await connection.close()
    system.stop()
    stopped = crossbook("verify", "--data-dir", system.directory.root)
    assert stopped.returncode == 1
    assert "not verified" in stopped.stderr
    assert str(account.user_id) in stopped.stderr
