"""Error reports as Sentry receives them, from a real auth process whose database has lost a table."""

import json
import os
from pathlib import Path

import httpx
import pytest

from services.infra.error_reports import scrub
from tests.conftest import execute
from tests.monitoring.auth_process import RELEASE, auth_process
from tests.monitoring.receiver import Receiver
from tests.running import wait_until

EMAIL = "ada.lovelace@example.com"
PASSWORD = "correct horse battery staple"


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


def test_what_nobody_asked_for_is_not_even_loaded(environment: dict[str, str], tmp_path: Path) -> None:
    with auth_process({**environment, "PYTHONVERBOSE": "1"}, tmp_path / "auth.log"):
        pass
    imported = (tmp_path / "auth.log").read_text(errors="replace")
    assert "import 'services.infra.telemetry'" in imported
    assert "import 'sentry_sdk'" not in imported
    assert "import 'opentelemetry.sdk.trace" not in imported


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
