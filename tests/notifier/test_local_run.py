"""The local run, as a person meets it: sign up, find the mail, follow its link, and be told of a deposit."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.running import RunningSystem

PASSWORD = "a long enough, rare password 73"
WAIT_S = 60.0
DOCUMENT = Path(__file__).parents[2] / "docs" / "notifications.md"


def found(look: Callable[[], Any]) -> Any:
    end_s = time.monotonic() + WAIT_S
    while not (result := look()):
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.1)
    return result


def mails(system: RunningSystem, to: str) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = httpx.get(f"{system.base_url}/outbox.json").json()
    return [mail for mail in kept if mail["recipient"] == to]


def documented_commands() -> list[str]:
    block = re.search(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def run(system: RunningSystem, command: str) -> str:
    program, *arguments = shlex.split(command)
    assert program == "crossbook"
    return subprocess.run(
        (sys.executable, "-P", "-m", "services.local", *arguments),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"CROSSBOOK_DATA_DIR": str(system.directory.root)},
    ).stdout


def test_from_signing_up_to_being_told(system: RunningSystem) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    auth = f"{system.base_url}/auth/v1"
    registered = httpx.post(f"{auth}/register", json={"email": email, "password": PASSWORD}, timeout=30)
    assert registered.is_success, registered.text
    [mail] = found(lambda: mails(system, email))
    [token] = re.findall(r"#token=([^\s]+)", mail["text"])
    confirmed = httpx.post(f"{auth}/email/confirm", json={"token": token})
    assert confirmed.is_success, confirmed.text
    signed_in = httpx.post(f"{auth}/login", json={"email": email, "password": PASSWORD}, timeout=30)
    bearer = {"Authorization": f"Bearer {signed_in.json()['accessToken']}"}
    account_id = httpx.get(f"{auth}/account", headers=bearer).json()["accountId"]
    inbox = f"{system.base_url}/notifier/v1/notices"
    assert httpx.get(inbox, headers=bearer).status_code == 200

    socket_url = system.base_url.replace("http", "ws", 1) + "/ws-api/v3"
    bot = system.create_account()
    with connect(socket_url) as person:
        subscribe = {
            "id": 1,
            "method": "userDataStream.subscribe.bearer",
            "params": {"accessToken": signed_in.json()["accessToken"]},
        }
        person.send(json.dumps(subscribe))
        assert json.loads(person.recv(WAIT_S))["status"] == 200
        system.deposit(account_id, "USDT", "12.5")
        system.deposit(bot.user_id, "USDT", "1")
        told: list[dict[str, Any]] = []
        while not told or told[-1].get("k") != "DEPOSIT":
            told.append(json.loads(person.recv(WAIT_S))["event"])
    assert told[-1]["t"] == "Deposit: 12.5 USDT"
    assert told[-1]["d"] == {"asset": "USDT", "amount": "12.50000000"}
    shown = found(lambda: httpx.get(f"{inbox}?limit=1", headers=bearer).json()["notices"])
    assert shown[0]["noticeId"] == told[-1]["n"]
    assert found(lambda: [one for one in mails(system, email) if one["subject"] == "Deposit: 12.5 USDT"])

    listed = [run(system, command) for command in documented_commands()]
    assert len(listed) == 4 and email in listed[0]
    # Others on this exchange have addresses that no mail can go to.
    assert f" to account {account_id}," not in listed[2]
    log = (system.directory.logs / "notifier.log").read_text()
    assert token not in log and email not in log
