"""A real auth process, told what a test wants to tell it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.running import free_port, wait_until

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
