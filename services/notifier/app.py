"""The notifier, wired. Nothing but this file knows all of its parts."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from services.infra import postgres, redis, telemetry
from services.infra.callers import Callers
from services.infra.links import add_links
from services.infra.measured import Measured
from services.infra.problems import BODY_TOO_LARGE, answer
from services.infra.sealing import Seal
from services.infra.tasks import end
from services.infra.traces import NONE_OF_FASTAPI
from services.infra.web import BodyLimit, RequestId
from services.notifier import errors, internal_routes, outbox_routes, routes
from services.notifier.auth_source import AuthSource
from services.notifier.copies import Copies
from services.notifier.delivery import Deliveries
from services.notifier.intake import Intake
from services.notifier.journal_source import JournalSource
from services.notifier.lanes import Lanes
from services.notifier.links import LINKS
from services.notifier.providers import provide
from services.notifier.queue import Backoff, Queue
from services.notifier.rendering import Messages
from services.notifier.resources import Resources
from services.notifier.settings import NotifierSettings
from services.notifier.upkeep import Upkeep

OPENAPI_PATH: Final = "/notifier/v1/openapi.json"
TAGS: Final = [
    {"name": "inbox", "description": "What you were told."},
    {"name": "preferences", "description": "What you want to be told, and how."},
    {"name": "webhooks", "description": "Have programs told, signed."},
    {"name": "phone", "description": "Where SMS go."},
    {"name": "outbox", "description": "Messages of a local run."},
    {"name": "health", "description": "For load balancers."},
    {"name": "internal", "description": "For Crossbook's own services only."},
]

_log = telemetry.logger(__name__)


def create_app(settings: NotifierSettings) -> FastAPI:
    app = FastAPI(
        title="Crossbook notifier",
        version="1",
        description="What happens to an account reaches its owner. Every error is a JSON object with a `code` and a "
        "`message`.",
        lifespan=lambda app: _lifespan(app, settings),
        openapi_url=OPENAPI_PATH,
        openapi_tags=TAGS,
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
    app.include_router(routes.router)
    app.include_router(internal_routes.router)
    app.include_router(internal_routes.health)
    if settings.outbox_directory is not None:
        app.include_router(outbox_routes.router(settings.outbox_directory))
    app.add_route("/metrics", telemetry.metrics)
    add_links(app, LINKS)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: NotifierSettings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        # 1. Connections.
        pool = await postgres.create_pool(
            settings.database_url.get_secret_value(),
            application_name="crossbook-notifier",
            size=settings.database_pool_size,
            statement_timeout_ms=settings.statement_timeout_ms,
        )
        stack.push_async_callback(pool.close)
        redis_client = redis.connect(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis_client.aclose)
        callers = Callers(settings, settings.auth_url)
        stack.push_async_callback(callers.close)
        # 2. Messages, and who carries them.
        seal = Seal(settings.encryption_key_bytes())
        messages = Messages(str(settings.public_base_url), settings.venue_name)
        providers = provide(settings)
        stack.push_async_callback(providers.close)
        # 3. The way out: a queue, and a lane of each channel.
        queue = Queue(
            pool,
            lease_s=settings.attempt_timeout_s + settings.lease_margin_s,
            backoff=Backoff(settings.backoff_base_s, settings.backoff_max_s),
            max_attempts=settings.max_attempts,
        )
        deliver = Deliveries(pool, seal, callers, messages, providers, settings.email_from).by_channel()
        lanes = Lanes(
            deliver,
            queue,
            width=settings.lane_width,
            interval_s=settings.poll_interval_s,
            timeout_s=settings.attempt_timeout_s,
        )
        # 4. The way in: what auth and the engine have to tell.
        intake = Intake(pool, seal, Copies(redis_client, messages), frozenset(deliver), lanes.wake)
        auth = AuthSource(settings, intake)
        stack.push_async_callback(auth.close)
        journal = JournalSource(intake, page_rows=settings.journal_page_rows, interval_s=settings.poll_interval_s)
        # 5. Work, and serve.
        work = (*lanes.runs(), journal.run(), auth.run(), Upkeep(settings, pool, queue).run())
        await stack.enter_async_context(_running(asyncio.create_task(one) for one in work))
        app.state.callers = callers
        app.state.resources = Resources(settings, pool, seal, messages, providers, intake, queue, lanes.wake)
        yield


@asynccontextmanager
async def _running(tasks: Iterable[asyncio.Task[None]]) -> AsyncIterator[None]:
    """Keep tasks beside the block and cancel them at the end. Should one break, the process ends."""
    started = list(tasks)
    for task in started:
        task.add_done_callback(_end_process_on_failure)
    try:
        yield
    finally:
        await end(started)


def _end_process_on_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.critical("notifier_stopped", exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)
