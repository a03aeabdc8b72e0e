"""Secrets are in no log, whatever was done: one exchange is used, abused and stopped, and then its logs are read."""

import json
import re
import time
from collections.abc import Callable

import httpx
import pyotp

from tests.abuse.conftest import PASSWORD, join
from tests.running import RunningSystem

TIMEOUT_S = 60


def mailed_tokens(http: httpx.Client, email: str) -> set[str]:
    """Of the links that were mailed: one to confirm the address, one to choose a new password."""
    deadline_s = time.monotonic() + TIMEOUT_S
    tokens: set[str] = set()
    while len(tokens) < 2:
        assert time.monotonic() < deadline_s, "no mails"
        time.sleep(0.1)
        mails = http.get("/outbox.json").json()
        texts = [mail["text"] for mail in mails if mail["recipient"] == email]
        tokens = {token for text in texts for token in re.findall(r"[A-Za-z0-9_-]{43}", text)}
    return tokens


def test_no_secret_is_in_any_log(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system(environment={"CROSSBOOK_LOG_LEVEL": "DEBUG"}, is_lean=False)
    secrets = {system.internal_token}
    wrong = "a wrong but private password"
    with httpx.Client(base_url=system.base_url, timeout=30, trust_env=False) as http:
        ada = join(http)
        credentials = {"email": ada.email, "password": PASSWORD}
        secrets |= {PASSWORD, wrong, ada.access_token, ada.refresh_token}
        key = ada.ask("POST", "/auth/v1/api-keys", json={"label": "bot", "permissions": ["read", "trade"]}).json()
        enrolment = ada.ask("POST", "/auth/v1/second-factor", json={"password": PASSWORD}).json()
        totp = pyotp.TOTP(enrolment["secret"])
        confirmed = ada.ask("POST", "/auth/v1/second-factor/confirm", json={"code": totp.now()}).json()
        http.post("/auth/v1/password/forgot", json={"email": ada.email})
        challenge = http.post("/auth/v1/login", json=credentials).json()["challengeToken"]
        code = confirmed["recoveryCodes"][0]
        finished = http.post("/auth/v1/login/second-factor", json={"challengeToken": challenge, "code": code}).json()
        secrets |= {key["secretKey"], enrolment["secret"], challenge, *confirmed["recoveryCodes"]}
        secrets |= {finished[name] for name in ("accessToken", "refreshToken", "deviceToken")}
        for _ in range(2):
            http.post("/auth/v1/refresh", json={"refreshToken": ada.refresh_token})
        for body in ({"email": ada.email, "password": wrong}, {"email": [ada.email], "password": [wrong]}):
            http.post("/auth/v1/login", json=body)
        http.post("/auth/v1/login", content=json.dumps(credentials)[:-1], headers={"Content-Type": "application/json"})
        http.get("/api/v3/account", headers={"Authorization": f"Bearer {finished['accessToken']}x"})
        http.get("/api/v3/account", headers={"X-MBX-APIKEY": key["apiKey"]}, params={"signature": key["secretKey"]})
        http.get("/api/v3/account", headers={"Authorization": f"Basic {wrong}"})
        http.get(f"/auth/v1/nothing?token={finished['refreshToken']}")
        tokens = mailed_tokens(http, ada.email)
        secrets |= tokens
        for token in tokens:
            http.post("/auth/v1/email/confirm", json={"token": token})
        # The database goes away in the middle of it: errors are where secrets leak.
        system.kill_process("postgres")
        http.post("/auth/v1/login", json=credentials)
        system.wait_ready()
    system.stop()
    logs = "\n".join(path.read_text(errors="replace") for path in system.directory.logs.iterdir())
    assert "account registered" in logs
    assert len(secrets) > 15
    leaked = [secret[:4] for secret in secrets if secret in logs]
    assert not leaked
