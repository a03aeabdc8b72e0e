"""The demo: what it prints trades through ccxt, its market stays alive, and its keys survive a restart."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.domain.money import parse_e8
from services.local.demo import DEPOSITS, Demo, maker_role
from tests.running import RunningSystem, wait_until

SYMBOLS = ("BTCUSDT", "ETHUSDT", "ETHBTC")


@pytest.fixture(scope="module")
def demo_system(session_directory: Path) -> Iterator[RunningSystem]:
    system = RunningSystem(session_directory / "demo").start()
    yield system
    system.stop()


def demo_of(system: RunningSystem) -> Demo:
    demo = system.directory.read(system.directory.demo, Demo)
    assert demo is not None
    return demo


def pasted(system: RunningSystem) -> str:
    """The three lines it printed last."""
    printed = system.printed.splitlines()
    first = max(number for number, line in enumerate(printed) if line == "import ccxt")
    return "\n".join(printed[first : first + 3])


def trade_ids(system: RunningSystem, symbol: str) -> list[int]:
    trades = httpx.get(f"{system.base_url}/api/v3/trades", params={"symbol": symbol}).json()
    return [trade["id"] for trade in trades]


def test_the_three_lines_trade_through_ccxt(demo_system: RunningSystem) -> None:
    lines = pasted(demo_system)
    result = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    order = ast.literal_eval(result.stdout)
    assert order["status"] == "closed"
    assert order["filled"] == 0.01


def test_every_market_has_two_sides_that_do_not_cross(demo_system: RunningSystem) -> None:
    for symbol in SYMBOLS:
        depth = httpx.get(f"{demo_system.base_url}/api/v3/depth", params={"symbol": symbol}).json()
        assert len(depth["bids"]) >= 3
        assert len(depth["asks"]) >= 3
        assert parse_e8(depth["bids"][0][0]) < parse_e8(depth["asks"][0][0])


def test_somebody_trades(demo_system: RunningSystem) -> None:
    before = {symbol: trade_ids(demo_system, symbol) for symbol in SYMBOLS}
    wait_until(lambda: any(trade_ids(demo_system, symbol) != before[symbol] for symbol in SYMBOLS), 60)


def test_the_bot_lives_through_an_outage_with_a_bounded_number_of_orders(demo_system: RunningSystem) -> None:
    demo_system.kill_process("engine")
    demo_system.kill_process("trading")
    demo_system.wait_ready()
    bot = demo_system.pid("liquidity")
    before = {symbol: trade_ids(demo_system, symbol) for symbol in SYMBOLS}
    wait_until(lambda: any(trade_ids(demo_system, symbol) != before[symbol] for symbol in SYMBOLS), 60)
    assert demo_system.pid("liquidity") == bot
    for symbol in SYMBOLS:
        depth = httpx.get(f"{demo_system.base_url}/api/v3/depth", params={"symbol": symbol}).json()
        assert len(depth["bids"]) <= 20
        assert len(depth["asks"]) <= 20


def test_the_accounts_survive_a_restart(demo_system: RunningSystem) -> None:
    before, lines = demo_of(demo_system), pasted(demo_system)
    demo_system.restart()
    assert demo_of(demo_system) == before
    assert pasted(demo_system) == lines
    assert demo_system.directory.demo.stat().st_mode & 0o077 == 0


def test_every_quoted_market_has_an_account() -> None:
    assert {maker_role(symbol) for symbol in SYMBOLS} <= set(DEPOSITS)
