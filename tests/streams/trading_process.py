"""Another trading process beside the one that ``crossbook up`` started, or one with settings of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from services.infra.request_ids import REQUEST_ID_HEADER
from tests.running import RunningSystem, free_port, wait_until

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


@contextmanager
def trading_process(system: RunningSystem, output: Path, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Its address, once it answers. ``environment`` is added to what it is told (CROSSBOOK_…)."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    settings = {
        "CROSSBOOK_PORT": str(port),
        "CROSSBOOK_DATABASE_URL": _as_role(system.database_url, "crossbook_trading"),
        "CROSSBOOK_REDIS_URL": system.redis_url,
        "CROSSBOOK_INTERNAL_TOKEN": system.internal_token,
        "CROSSBOOK_ENGINE_URLS": ",".join(system.engine_urls),
        "CROSSBOOK_AUTH_URL": system.auth_url,
        "CROSSBOOK_SHUTDOWN_TIMEOUT_S": "1",
        **(environment or {}),
    }
    with output.open("ab") as log:
        process = subprocess.Popen(
            (sys.executable, "-P", "-m", "services.trading"), stdout=log, stderr=log, env={**os.environ, **settings}
        )
    try:
        wait_until(lambda: process.poll() is not None or _answers(base_url), START_TIMEOUT_S)
        assert process.poll() is None, f"it ended:\n{output.read_text(errors='replace')}"
        yield base_url
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


def _answers(base_url: str) -> bool:
    try:
        response = httpx.get(f"{base_url}/api/v3/ping", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return response.status_code == httpx.codes.OK and REQUEST_ID_HEADER in response.headers
