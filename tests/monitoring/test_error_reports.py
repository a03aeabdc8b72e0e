"""Error reports as Sentry receives them, from a real auth process whose database has lost a table."""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from services.infra.error_reports import scrub
from services.local.embedded import EmbeddedPostgres
from tests.conftest import execute
from tests.monitoring.receiver import Receiver
from tests.running import free_port, wait_until

EMAIL = "ada.lovelace@example.com"
PASSWORD = "correct horse battery staple"
RELEASE = "crossbook@1.2.3-test"


@contextmanager
def auth_process(environment: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            (sys.executable, "-P", "-m", "services.auth"),
            env={**os.environ, **environment, "CROSSBOOK_PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            wait_until(lambda: process.poll() is not None or _is_ready(client), 60)
            assert process.poll() is None, log.read_text()
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture
def environment(embedded_postgres: EmbeddedPostgres, postgres_url: str, redis_url: str) -> dict[str, str]:
    database = postgres_url.split("@/")[1].split("?")[0]
    return {
        "CROSSBOOK_DATABASE_URL": embedded_postgres.url(database, "crossbook_auth"),
        "CROSSBOOK_REDIS_URL": redis_url,
        "CROSSBOOK_INTERNAL_TOKEN": secrets.token_hex(16),
        "CROSSBOOK_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "CROSSBOOK_ENVIRONMENT": "drill",
        "CROSSBOOK_RELEASE": RELEASE,
    }


def test_an_error_is_reported_without_whose_it_was(
    environment: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "auth.log"
    with Receiver() as sentry:
        environment["CROSSBOOK_SENTRY_DSN"] = f"http://0123456789abcdef@127.0.0.1:{sentry.port}/42"
        with auth_process(environment, log) as client:
            execute(postgres_url, "ALTER TABLE auth.users RENAME TO lost")
            answer = client.post(
                "/auth/v1/login?signature=0badc0de",
                json={"email": EMAIL, "password": PASSWORD},
                headers={"X-Request-Id": "request-7", "X-Forwarded-For": "203.0.113.9", "Cookie": "session=mine"},
            )
            assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
            wait_until(lambda: bool(sentry.received), 30)
    first = sentry.received[0]
    assert first.path == "/api/42/envelope/"
    (event,) = first.envelope_items()
    assert event["release"] == RELEASE
    assert event["environment"] == "drill"
    assert event["tags"]["service"] == "auth"
    assert event["tags"]["request_id"] == "request-7"
    assert event["exception"]["values"][-1]["type"] == "UndefinedTableError"
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert any("services/auth/" in frame["filename"] for frame in frames)
    assert not {"user", "request", "server_name", "breadcrumbs", "modules", "extra", "contexts"} & event.keys()
    sent = b"".join(received.body for received in sentry.received).decode()
    never = (EMAIL, PASSWORD, "0badc0de", "203.0.113.9", "session=mine", environment["CROSSBOOK_INTERNAL_TOKEN"])
    assert not [word for word in (*never, '"vars"', os.uname().nodename) if word in sent]
    # The log says the same, for whoever has no Sentry.
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert any(line["level"] == "error" and line.get("request_id") == "request-7" for line in lines)


def test_without_a_dsn_the_sdk_is_not_even_loaded(environment: dict[str, str], tmp_path: Path) -> None:
    with auth_process({**environment, "PYTHONVERBOSE": "1"}, tmp_path / "auth.log"):
        pass
    imported = (tmp_path / "auth.log").read_text(errors="replace")
    assert "import 'services.infra.telemetry'" in imported
    assert "import 'sentry_sdk'" not in imported


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("Key (email)=(ada@example.com) already exists.", "Key (email)=([address]) already exists."),
        ("http://10.0.0.7:80/v3/order?symbol=A&signature=ab failed", "http://[address]:80/v3/order?[query] failed"),
        ("refused 2001:db8:0:1::7", "refused [address]"),
        ("token: eyJhbGciOi.xyz", "token: [removed]"),
        (f"key {'aB3' * 12} is unknown", "key [key] is unknown"),
        ('relation "auth.users" does not exist', 'relation "auth.users" does not exist'),
        ("x" * 31 + " y", "x" * 31 + " y"),
        ("a b " * 1000, ("a b " * 1000)[:500]),
    ],
)  # fmt: skip
def test_texts_are_scrubbed(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed
