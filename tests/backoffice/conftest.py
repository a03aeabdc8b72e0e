"""The shared exchange, and people on it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.backoffice.people import Town
from tests.running import RunningSystem


@pytest.fixture(scope="session")
def town(system: RunningSystem) -> Iterator[Town]:
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        yield Town(system, http)
