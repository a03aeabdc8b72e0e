"""The auth service, wired. Nothing but this file knows all of its parts."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from services.auth import errors, internal_routes, operations, routes
from services.auth.external import ExternalIssuers
from services.auth.housekeeping import keep_tidy
from services.auth.links import LINKS
from services.auth.passwords import Passwords
from services.auth.resources import Resources
from services.auth.settings import AuthSettings
from services.auth.signing_keys import SigningKeys
from services.infra import postgres, redis
from services.infra.links import add_links
from services.infra.measured import Measured
from services.infra.sealing import Seal
from services.infra.tasks import end
from services.infra.telemetry import metrics
from services.infra.traces import NONE_OF_FASTAPI
from services.infra.web import BodyLimit, RequestId

OPENAPI_PATH = "/auth/v1/openapi.json"
TAGS = [
    {"name": "accounts", "description": "Register, and see who you are."},
    {"name": "sessions", "description": "Log in, stay logged in, log out, and check access tokens."},
    {"name": "second factor", "description": "One-time passwords from an authenticator app."},
    {"name": "api keys", "description": "Keys that sign trading requests."},
    {"name": "health", "description": "For load balancers."},
    {"name": "internal", "description": "For Crossbook's own services only."},
]


def create_app(settings: AuthSettings) -> FastAPI:
    app = FastAPI(
        title="Crossbook auth",
        version="1",
        description="Accounts, sessions and API keys. Every error is a JSON object with a `code` and a `message`.",
        lifespan=lambda app: _lifespan(app, settings),
        openapi_url=OPENAPI_PATH,
        openapi_tags=TAGS,
        # The documentation pages would load scripts from elsewhere into the origin that handles passwords.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NONE_OF_FASTAPI,
        generate_unique_id_function=_operation_id,
        middleware=[
            Middleware(Measured),
            Middleware(RequestId),
            Middleware(BodyLimit, limit_bytes=settings.max_body_bytes, answer=errors.answer(errors.BODY_TOO_LARGE)),
        ],
    )
    errors.install(app)
    app.include_router(routes.router)
    app.include_router(internal_routes.router)
    app.include_router(operations.router)
    app.add_route("/metrics", metrics)
    add_links(app, LINKS)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: AuthSettings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        # 1. Connections.
        pool = await postgres.create_pool(
            settings.database_url.get_secret_value(),
            application_name="crossbook-auth",
            size=settings.database_pool_size,
            statement_timeout_ms=settings.statement_timeout_ms,
        )
        stack.push_async_callback(pool.close)
        redis_client = redis.connect(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis_client.aclose)
        # 2. Secrets: the encryption key opens the signing keys, or the process does not start.
        seal = Seal(settings.encryption_key_bytes())
        signing_keys = await SigningKeys.load(pool, seal, settings.signing_key_lifetime_s)
        await stack.enter_async_context(_running(signing_keys.keep_fresh(pool)))
        # 3. Password threads.
        passwords = Passwords(
            threads=settings.password_threads,
            max_waiting=settings.max_waiting_passwords,
            passes=settings.password_passes,
            memory_kib=settings.password_memory_kib,
            breached_file=settings.breached_passwords_file,
        )
        stack.callback(passwords.close)
        # 4. Issuers that are trusted beside ourselves.
        external_issuers = ExternalIssuers(settings.external_issuers)
        stack.push_async_callback(external_issuers.close)
        # 5. Serve, and tidy up.
        app.state.resources = Resources(settings, pool, redis_client, passwords, seal, signing_keys, external_issuers)
        await stack.enter_async_context(_running(keep_tidy(pool)))
        yield


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``work`` beside the block and end it with it."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        yield
        await end((task,))
