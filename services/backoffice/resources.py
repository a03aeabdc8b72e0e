"""What a running back office holds. The lifespan builds it, ``app.state.resources`` holds it, routes are given it."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends
from starlette.requests import Request

from services.backoffice.assets_file import Catalogue
from services.backoffice.courier import Courier
from services.backoffice.settings import BackofficeSettings
from services.infra.callers import Callers
from services.infra.clock import Clock
from services.infra.engine_client import EngineClient
from services.infra.postgres import Pool
from services.infra.transactions import Connection, transaction


@dataclass(frozen=True, slots=True)
class Resources:
    settings: BackofficeSettings
    catalogue: Catalogue
    pool: Pool
    callers: Callers
    engine: EngineClient
    courier: Courier
    internal: httpx.AsyncClient
    statements: asyncio.Semaphore
    # PostgreSQL's time, as the engine has it.
    clock: Clock

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        return transaction(self.pool, timeout_s=self.settings.pool_timeout_s)


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Held = Annotated[Resources, Depends(_resources)]
