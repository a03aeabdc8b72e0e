"""A trading process within the test's own, at the other end of a wire to the engine that the test can cut."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from services.local.embedded import EmbeddedPostgres
from services.local.processes import DATABASE
from services.trading.app import create_app
from services.trading.settings import TradingSettings
from tests.api.trader import Trader, check_reply, encode
from tests.api.wire import Wire
from tests.running import RunningSystem


class TradingProcess:
    """Call it to send a trader's request, signed."""

    def __init__(self, app: FastAPI, http: httpx.AsyncClient, trader: Trader) -> None:
        self._app = app
        self._http = http
        self._trader = trader

    async def __call__(
        self, method: str, path: str, parameters: dict[str, str] | None = None, **timing: object
    ) -> httpx.Response:
        target = f"/api/v3/{path}"
        query = self._trader.signed(encode(parameters or {}), "", **timing)
        response = await self._http.request(method, f"{target}?{query}", headers={"X-MBX-APIKEY": self._trader.api_key})
        check_reply(method, target, response)
        return response

    def lose_database(self) -> None:
        """Break this process's connections to the database, for good."""
        self._app.state.services.pool.terminate()


@asynccontextmanager
async def serving(system: RunningSystem, wire: Wire, trader: Trader, **settings: Any) -> AsyncIterator[TradingProcess]:
    """Start a trading process of the system's, with these settings besides."""
    told = {
        "port": 1,
        "database_url": EmbeddedPostgres(system.directory.postgres).url(DATABASE, "crossbook_trading"),
        "redis_url": system.redis_url,
        "internal_token": system.internal_token,
        "engine_urls": (wire.url,),
        "auth_url": system.auth_url,
    }
    app = create_app(TradingSettings.model_validate(told | settings), on_started=lambda: None)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trading") as http,
    ):
        yield TradingProcess(app, http, trader)
