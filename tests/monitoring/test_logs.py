"""What a log line says without being told: the service, the request, the journal entry a process is at."""

import json
import subprocess
import sys

import httpx

from tests.running import RunningSystem, wait_until

_PROGRAM = """
from services.infra import telemetry
position = None
telemetry.configure_logging("engine", "INFO")
telemetry.tell("sequence", lambda: position)
log = telemetry.logger("test")
log.info("standing_by")
position = 7
log.info("active")
log.info("recovered", sequence=5)
log.info("asked", signature="abc", api_token="def")
"""


def test_the_position_is_read_when_a_line_is_written_and_never_contradicts_it() -> None:
    printed = subprocess.run(
        (sys.executable, "-P", "-c", _PROGRAM), capture_output=True, text=True, check=True, timeout=60
    ).stdout
    standing_by, active, recovered, asked = (json.loads(line) for line in printed.splitlines())
    assert "sequence" not in standing_by
    assert (active["sequence"], recovered["sequence"]) == (7, 5)
    assert {active["service"], active["level"], active["logger"]} == {"engine", "info", "test"}
    assert (asked["signature"], asked["api_token"]) == ("[redacted]", "[redacted]")


def test_a_request_is_found_in_the_log_by_its_id(system: RunningSystem) -> None:
    log = system.directory.logs / "auth.log"
    body = {"email": "log-reader@example.com", "password": "a long enough password"}
    headers = {"X-Request-Id": "find-me-in-the-log"}
    answer = httpx.post(f"{system.auth_url}/auth/v1/register", json=body, headers=headers, timeout=60, trust_env=False)
    assert answer.headers["X-Request-Id"] == "find-me-in-the-log"

    def lines() -> list[str]:
        return [line for line in log.read_text().splitlines() if "find-me-in-the-log" in line]

    wait_until(lambda: bool(lines()), 30)
    assert json.loads(lines()[0])["service"] == "auth"
    assert "log-reader" not in "".join(lines())
    # What is audited is told here too, for whoever keeps the log elsewhere.
    audited = [line for line in map(json.loads, lines()) if line["event"] == "audit"]
    assert [line["action"] for line in audited] == ["REGISTERED"]
