"""Trading processes in the test's own process, some with a replica, and the replica itself."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from services.local.embedded import EmbeddedPostgres
from services.local.guard import Guard
from services.local.processes import DATABASE
from services.trading.app import create_app
from services.trading.settings import TradingSettings
from tests.api.conftest import http, new_trader  # noqa: F401 (fixtures)
from tests.api.trader import API, Trader, check_reply, encode
from tests.replica.standby import Standby, until
from tests.running import RunningSystem

_numbers = itertools.count(1)


class TradingProcess:
    """One trading process as its clients meet it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, trader: Trader, path: str, **parameters: object) -> Any:
        return await self.call(trader, "GET", path, **parameters)

    async def call(self, trader: Trader, method: str, path: str, **parameters: object) -> Any:
        query = trader.signed(encode(parameters), recvWindow=60_000)
        response = await self._client.request(method, f"{API}{path}?{query}", headers={"X-MBX-APIKEY": trader.api_key})
        check_reply(method, API + path, response)
        assert response.status_code == httpx.codes.OK, response.text
        return response.json()


Serve = Callable[..., AbstractAsyncContextManager[TradingProcess]]


@pytest.fixture
def serve(system: RunningSystem) -> Serve:
    """Start a trading process, with these settings besides."""

    @asynccontextmanager
    async def served(**settings: Any) -> AsyncIterator[TradingProcess]:
        told = {
            "port": 1,
            "database_url": EmbeddedPostgres(system.directory.postgres).url(DATABASE, "crossbook_trading"),
            "redis_url": system.redis_url,
            "internal_token": system.internal_token,
            "engine_urls": tuple(system.engine_urls),
            "auth_url": system.auth_url,
        }
        app = create_app(TradingSettings.model_validate(told | settings))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trading") as client,
        ):
            yield TradingProcess(client)

    return served


@pytest.fixture(scope="session")
def new_standby(system: RunningSystem, session_directory: Path, guard: Guard) -> Iterator[Callable[[], Standby]]:
    """Copy the exchange's PostgreSQL and let the copy follow it."""
    made: list[Standby] = []
    with tempfile.TemporaryDirectory(dir=session_directory) as root:

        def new() -> Standby:
            standby = Standby(system, Path(root) / str(next(_numbers)), guard)
            made.append(standby)
            standby.start()
            return standby

        yield new
        for standby in made:
            standby.crash()


@pytest.fixture(scope="session")
def shared_standby(new_standby: Callable[[], Standby]) -> Standby:
    return new_standby()


@pytest.fixture
async def standby(shared_standby: Standby) -> Standby:
    """It follows the exchange and has all that was traded so far, whatever an earlier test did with it."""
    shared_standby.start_again()
    await shared_standby.caught_up()
    return shared_standby


def reads(source: str, reason: str) -> float:
    """How many reads of the past were so served by now, by all processes in here."""
    labels = {"source": source, "reason": reason}
    return REGISTRY.get_sample_value("crossbook_trading_history_reads_total", labels) or 0.0


def is_usable() -> bool:
    """What the process with the replica makes of it; there must be one such process at a time."""
    return bool(REGISTRY.get_sample_value("crossbook_trading_replica_usable"))


async def until_usable(expected: bool = True) -> None:
    async def is_so() -> bool:
        return is_usable() is expected

    await until(is_so)
