"""The shared exchange, another one to be broken and changed, and people on them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.backoffice.people import Town
from tests.running import RunningSystem


@pytest.fixture(scope="session")
def town(system: RunningSystem) -> Iterator[Town]:
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        yield Town(system, http)


@pytest.fixture(scope="session")
def own_town(session_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[Town]:
    """On an exchange of their own. Commands that were not started are soon known not to be."""
    environment = {"CROSSBOOK_MARKETS_FILE": str(wide_markets), "CROSSBOOK_COMMAND_DEADLINE_MS": "500"}
    root = session_directory / "own"
    running = RunningSystem(root, "--no-demo", environment=environment, cluster=migrated_cluster).start()
    with httpx.Client(base_url=running.base_url, timeout=20, trust_env=False) as http:
        yield Town(running, http)
    running.stop()
