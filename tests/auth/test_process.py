"""The service as it runs: a process of its own, a real socket, settings from the environment."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from services.auth.settings import AuthSettings

from .conftest import PASSWORD

SECRETS = ("internal_token", "encryption_key", "database_url", "redis_url")


def _environment(settings: AuthSettings, port: int) -> dict[str, str]:
    secrets = {f"CROSSBOOK_{name.upper()}": getattr(settings, name).get_secret_value() for name in SECRETS}
    return os.environ | secrets | {"CROSSBOOK_PORT": str(port), "CROSSBOOK_LOG_LEVEL": "DEBUG"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def port() -> int:
    return _free_port()


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "auth.log"


@pytest.fixture
def process(settings: AuthSettings, port: int, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "services.auth"],
            env=_environment(settings, port),
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        yield process
        process.kill()


@pytest.fixture
def service(process: subprocess.Popen[bytes], port: int, log_path: Path) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        deadline = time.monotonic() + 30
        while True:
            try:
                if client.get("/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < deadline, log_path.read_text()
            time.sleep(0.05)
        yield client


def test_a_whole_life_over_a_socket(
    service: httpx.Client, process: subprocess.Popen[bytes], settings: AuthSettings, log_path: Path
) -> None:
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    assert service.post("/auth/v1/register", json=credentials).json() == {"confirmationRequired": True}
    internal = {"Authorization": f"Bearer {settings.internal_token.get_secret_value()}"}
    (notice,) = service.get("/internal/notices", headers=internal).json()
    mail_token = notice["data"]["token"]
    assert service.post("/auth/v1/email/confirm", json={"token": mail_token}).status_code == 204
    tokens = service.post("/auth/v1/login", json=credentials).json()
    refreshed = service.post("/auth/v1/refresh", json={"refreshToken": tokens["refreshToken"]}).json()
    bearer = {"Authorization": f"Bearer {refreshed['accessToken']}"}
    assert service.get("/auth/v1/account", headers=bearer).json()["accountId"] == notice["accountId"]
    body = {"label": "bot", "permissions": ["read", "trade"]}
    key = service.post("/auth/v1/api-keys", json=body, headers=bearer).json()
    found = service.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)
    assert found.json()["secretKey"] == key["secretKey"]
    assert service.delete(f"/auth/v1/api-keys/{key['apiKey']}", headers=bearer).status_code == 204
    assert service.post("/auth/v1/refresh", json={"refreshToken": tokens["refreshToken"]}).status_code == 401
    assert service.post("/auth/v1/logout", headers=bearer).status_code == 401
    assert service.post("/auth/v1/login", content=b"x" * 100_000).status_code == 413
    assert service.post("/auth/v1/login", content=iter([b"x" * 10_000] * 5)).status_code == 413

    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == -signal.SIGTERM
    log = log_path.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"account registered", "session ended", "API key created"} <= {line["event"] for line in lines}
    secrets = [
        PASSWORD,
        key["secretKey"],
        mail_token,
        tokens["deviceToken"],
        *(tokens[name] for name in ("accessToken", "refreshToken")),
        *(refreshed[name] for name in ("accessToken", "refreshToken")),
        *(getattr(settings, name).get_secret_value() for name in ("internal_token", "encryption_key")),
    ]
    assert not [secret for secret in secrets if secret in log]


@pytest.mark.parametrize("key", ["", "not base64!", "c2hvcnQ=", "A" * 43])
def test_a_bad_encryption_key_is_named_and_not_shown(settings: AuthSettings, key: str) -> None:
    values = {name: getattr(settings, name) for name in (*SECRETS, "port")} | {"encryption_key": key}
    with pytest.raises(ValidationError, match="encryption_key") as refusal:
        AuthSettings.model_validate(values)
    assert not key or key not in str(refusal.value)


def test_it_does_not_start_without_its_secrets() -> None:
    with pytest.raises(ValidationError) as refusal:
        AuthSettings.model_validate({"port": 1})
    missing = {error["loc"][0] for error in refusal.value.errors() if error["type"] == "missing"}
    assert missing == set(SECRETS)


def test_secrets_do_not_show_in_the_settings(settings: AuthSettings) -> None:
    for name in SECRETS:
        assert getattr(settings, name).get_secret_value() not in repr(settings)
