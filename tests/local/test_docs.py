"""What the documents tell to paste works: ``python`` blocks as one session, ``sh`` blocks as one script."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.internal import Account
from tests.running import RunningSystem

DOCS = Path(__file__).parents[2] / "docs"
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def own(session_directory: Path) -> Iterator[RunningSystem]:
    running = RunningSystem(session_directory / "documented", "--no-demo").start()
    yield running
    running.stop()


def blocks(document: str, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) > 3
    return found


def run(*command: str, **how: str | Path | dict[str, str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **how)  # type: ignore[call-overload]
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def test_every_order_of_the_guide(own: RunningSystem, tmp_path: Path) -> None:
    account = own.create_account({"USDT": "500000", "BTC": "5"})
    other = own.create_account({"USDT": "500000", "BTC": "5"})
    environment = os.environ | {"CROSSBOOK_URL": own.base_url, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}

    def keys(one: Account) -> dict[str, str]:
        return environment | {"CROSSBOOK_API_KEY": one.api_key, "CROSSBOOK_API_SECRET": one.secret_key}

    setup, *examples = blocks("orders.md", "python")
    # Somebody to trade with: the demo has a market that lives.
    at_last = 'timeInForce="GTC", price="50000"'
    market = [
        f'assert order("SELL", "LIMIT", {at_last}, quantity="1")["status"] == "NEW"',
        f'assert order("BUY", "LIMIT", {at_last}, selfTradePreventionMode="NONE")["status"] == "FILLED"',
        'assert order("BUY", "LIMIT", timeInForce="GTC", price="49000", quantity="1")["status"] == "NEW"',
    ]
    run(sys.executable, "-c", "\n".join([setup, *market]), env=keys(other), cwd=tmp_path)
    run(sys.executable, "-c", "\n".join([setup, *examples]), env=keys(account), cwd=tmp_path)


def test_an_account_from_sign_up_to_its_last_key(own: RunningSystem, tmp_path: Path) -> None:
    environment = os.environ | {"CROSSBOOK_URL": own.base_url}
    run(sys.executable, "-c", "\n".join(blocks("accounts.md", "python")), env=environment, cwd=tmp_path)


def test_every_command_of_the_guide(own: RunningSystem, tmp_path: Path) -> None:
    command = f'crossbook() {{ "{sys.executable}" -P -m services.local "$@"; }}'
    script = "\n".join(["set -eu", command, *blocks("operators.md", "sh")])
    run("sh", "-c", script, env=os.environ | {"CROSSBOOK_DATA_DIR": str(own.directory.root)}, cwd=tmp_path)
