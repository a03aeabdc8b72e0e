"""The back office, wired. Nothing but this file knows all of its parts."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from services.backoffice import (
    admin_money_routes,
    admin_routes,
    errors,
    internal_routes,
    operations,
    outcomes,
    provider_routes,
    wallet_routes,
    watch,
)
from services.backoffice.assets_file import read_catalogue
from services.backoffice.courier import Courier
from services.backoffice.links import LINKS
from services.backoffice.resources import Resources
from services.backoffice.settings import BackofficeSettings
from services.infra import postgres
from services.infra.callers import Callers
from services.infra.clock import SetClock
from services.infra.engine_client import EngineClient
from services.infra.http import internal_client
from services.infra.links import add_links
from services.infra.measured import Measured
from services.infra.problems import BODY_TOO_LARGE, answer
from services.infra.tasks import end
from services.infra.telemetry import metrics
from services.infra.traces import NONE_OF_FASTAPI
from services.infra.web import BodyLimit, RequestId

OPENAPI_PATH = "/wallet/v1/openapi.json"
NOTIFIER_TIMEOUT_S = 3.0
TAGS = [
    {"name": "wallet", "description": "What there is, and what may leave."},
    {"name": "deposits", "description": "Money coming in."},
    {"name": "withdrawals", "description": "Money going out."},
    {"name": "address book", "description": "Where money is sent to."},
    {"name": "transfers", "description": "Money to other users here."},
    {"name": "statement", "description": "Everything that moved."},
    {"name": "providers", "description": "For those who move money on networks; every request is signed."},
    {"name": "staff", "description": "Who you are, for staff."},
    {"name": "users", "description": "Accounts, for staff."},
    {"name": "orders", "description": "Orders of others, for staff."},
    {"name": "fees", "description": "Fee tiers, for staff."},
    {"name": "markets", "description": "Markets and the kill switch, for staff."},
    {"name": "reserves", "description": "All money together, for staff."},
    {"name": "audit", "description": "What staff did."},
    {"name": "notices", "description": "What could not be delivered."},
    {"name": "health", "description": "For load balancers."},
    {"name": "internal", "description": "For Crossbook's own services only."},
]


def create_app(settings: BackofficeSettings) -> FastAPI:
    app = FastAPI(
        title="Crossbook back office",
        version="1",
        description="Money in and out for users, and what staff do. Every error is a JSON object with a `code` and a "
        "`message`.",
        lifespan=lambda app: _lifespan(app, settings),
        openapi_url=OPENAPI_PATH,
        openapi_tags=TAGS,
        # The documentation pages would load scripts from elsewhere into the origin that handles money.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NONE_OF_FASTAPI,
        generate_unique_id_function=_operation_id,
        middleware=[
            Middleware(Measured),
            Middleware(RequestId),
            Middleware(BodyLimit, limit_bytes=settings.max_body_bytes, answer=answer(BODY_TOO_LARGE)),
        ],
    )
    errors.install(app)
    for routes in (wallet_routes, provider_routes, admin_routes, admin_money_routes, internal_routes, operations):
        app.include_router(routes.router)
    app.add_route("/metrics", metrics)
    add_links(app, LINKS)
    return app


def _operation_id(route: APIRoute) -> str:
    area = route.path.split("/")[1]
    return f"{area}_{route.name}"


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: BackofficeSettings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        # 1. What the wallet handles: a file that is wrong must not be half obeyed.
        catalogue = read_catalogue(settings.assets_file)
        # 2. Connections.
        pool = await postgres.create_pool(
            settings.database_url.get_secret_value(),
            application_name="crossbook-backoffice",
            size=settings.database_pool_size,
            statement_timeout_ms=settings.statement_timeout_ms,
        )
        stack.push_async_callback(pool.close)
        clock = SetClock()
        await clock.compare(partial(postgres.clock_us, pool))
        await stack.enter_async_context(_running(postgres.keep_time(clock, pool)))
        callers = app.state.callers = Callers(settings, settings.auth_url)
        stack.push_async_callback(callers.close)
        engine = EngineClient(
            settings,
            settings.engine_urls,
            deadline_ms=settings.command_deadline_ms,
            timeout_ms=settings.engine_timeout_ms,
            clock=clock,
        )
        stack.push_async_callback(engine.close)
        internal = await stack.enter_async_context(internal_client(settings, timeout_s=NOTIFIER_TIMEOUT_S))
        # 3. What was decided before and may not have been done.
        courier = Courier(
            pool,
            engine,
            outcomes.follow,
            deadline_ms=settings.command_deadline_ms,
            interval_ms=settings.delivery_interval_ms,
            pool_timeout_s=settings.pool_timeout_s,
        )
        await stack.enter_async_context(_running(courier.run()))
        await stack.enter_async_context(_running(watch.run(pool)))
        # 4. Serve.
        statements = asyncio.Semaphore(settings.max_statements_at_once)
        app.state.resources = Resources(
            settings, catalogue, pool, callers, engine, courier, internal, statements, clock
        )
        yield


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``work`` beside the block and end it with it."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        yield
        await end((task,))
