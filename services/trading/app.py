"""The trading application: builds what handlers need, and turns the table of endpoints into routes."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from services.infra import postgres, redis, telemetry
from services.infra.addresses import client_address
from services.infra.clock import SetClock
from services.infra.direct import DirectApp, Outgoing
from services.infra.direct_protocol import DirectProtocol, direct
from services.infra.links import add_links
from services.infra.memory import settle_memory
from services.infra.tasks import end
from services.infra.web import BodyLimit, RequestId
from services.trading import errors, metrics, openapi
from services.trading.back_office import BackOffice
from services.trading.endpoint import Services, serve
from services.trading.errors import DialectError
from services.trading.feed import Feed
from services.trading.gateway import Gateway
from services.trading.history import History, open_replica
from services.trading.journal_head import JournalHead
from services.trading.limits import Limits, parse_limits
from services.trading.links import LINKS
from services.trading.markets import Markets
from services.trading.present import Present
from services.trading.principals import Principals
from services.trading.routes import ENDPOINTS
from services.trading.settings import TradingSettings
from services.trading.shedding import TradingGate
from services.trading.streams.connection import Connections
from services.trading.streams.endpoint import ROUTES
from services.trading.streams.hub import Hub
from services.trading.streams.market_streams import MarketStreams
from services.trading.user_data.user_data import UserData
from services.trading.views.books import Books
from services.trading.views.tape import Tape
from services.trading.websocket_api.api import PATH as WEBSOCKET_API_PATH
from services.trading.websocket_api.api import websocket_api

_log = telemetry.logger(__name__)


def create_app(settings: TradingSettings, *, on_started: Callable[[], None] = settle_memory) -> DirectApp:
    gate = TradingGate(settings)
    app = DirectApp(
        gate=gate,
        limit_bytes=settings.max_body_bytes,
        too_large=_too_large,
        title="Crossbook trading API",
        version="3",
        # The interactive page would load scripts from third parties.
        docs_url=None,
        redoc_url=None,
        description="Spot trading in the Binance Spot dialect.",
        lifespan=_lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _unexpected_error},
        # A path with a slash too many is unknown in the dialect, and a redirect would drop the body.
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.gate = gate
    app.state.on_started = on_started
    app.state.connections = Connections(settings.max_sockets, settings.socket_buffer_bytes)
    app.add_middleware(BodyLimit, limit_bytes=settings.max_body_bytes, answer=_answer_too_large)
    app.add_middleware(RequestId)
    for endpoint in ENDPOINTS:
        app.add_direct_route(endpoint.method, endpoint.path, serve(endpoint))
    app.router.routes.append(WebSocketRoute(WEBSOCKET_API_PATH, websocket_api))
    app.router.routes.extend(ROUTES)
    app.add_route("/metrics", telemetry.metrics)
    app.add_api_route("/health/live", live, methods=["GET"], summary="The process answers")
    app.add_api_route(
        "/health/ready",
        ready,
        methods=["GET"],
        summary="The database answers",
        responses={503: {"description": "The database does not answer"}},
    )
    _document(app)
    add_links(app, LINKS)
    return app


def protocol(app: DirectApp) -> Callable[..., DirectProtocol]:
    """What serves the connections of an application that ``create_app`` has made."""
    return direct(app, app.state.gate, app.state.settings.request_timeout_s)


async def before_shutdown(app: FastAPI) -> None:
    """Tell every WebSocket client that this process is about to stop."""
    connections: Connections = app.state.connections
    connections.announce_shutdown()


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: TradingSettings = app.state.settings
    client = redis.connect(settings.redis_url.get_secret_value())
    pool = await postgres.create_pool(
        settings.database_url.get_secret_value(),
        application_name="crossbook-trading",
        size=settings.database_pool_size,
        statement_timeout_ms=settings.query_timeout_ms,
    )
    clock = SetClock()
    await clock.compare(partial(postgres.clock_us, pool))
    history = History(pool, await open_replica(settings))
    gate: TradingGate = app.state.gate
    gateway, principals = Gateway(settings, clock=clock, shedding=gate.orders), Principals(settings, client)
    present = Present(pool)
    markets, feed, hub = Markets(pool), Feed(pool, redis.StreamReader(client)), Hub(settings.max_subscriptions)
    books, tape = Books(feed, gateway, JournalHead(pool)), Tape(feed, pool)
    streams = MarketStreams(hub, feed, books, tape)
    connections: Connections = app.state.connections
    rules = parse_limits(settings.limits)
    limits = Limits(rules, client) if rules else None
    user_data = UserData(settings, feed, pool, principals, client)
    back_office = BackOffice(settings)
    app.state.services = Services(
        settings,
        pool,
        present,
        history,
        gateway,
        markets,
        principals,
        feed,
        hub,
        connections,
        books,
        user_data,
        back_office,
        clock,
        gate,
        limits,
    )
    tasks = [
        asyncio.create_task(gate.run()),
        asyncio.create_task(gateway.run()),
        asyncio.create_task(principals.run()),
        asyncio.create_task(history.run()),
        asyncio.create_task(postgres.keep_time(clock, pool)),
        asyncio.create_task(present.floors.run()),
    ]
    await feed.start()
    telemetry.tell("sequence", lambda: feed.sequence)
    await user_data.start()
    feed.listen(markets.on_entry)
    await streams.start(markets)
    for running in (feed.run(), streams.run(), *user_data.runs()):
        tasks.append(asyncio.create_task(running))
        tasks[-1].add_done_callback(_end_process_on_failure)
    if limits is not None:
        gateway.on_replies = limits.observe
        tasks += map(asyncio.create_task, limits.runs())
    app.state.on_started()
    yield
    await end(tasks)
    await back_office.close()
    await principals.close()
    history.close()
    await pool.close()
    await client.aclose()


def _end_process_on_failure(running: asyncio.Task[None]) -> None:
    """What a process folds from events cannot be trusted once folding failed, and user data nobody watches over must
    not go on; the supervisor starts a new one.
    """
    if not running.cancelled() and running.exception() is not None:
        _log.critical("streams_stopped", exc_info=running.exception())
        os.kill(os.getpid(), signal.SIGTERM)


def _document(app: FastAPI) -> None:
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.describe(generate(), ENDPOINTS)
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _answer(error: DialectError, headers: dict[str, str] | None = None) -> Outgoing:
    """For requests that no route answers; whatever they asked for, they count as one."""
    metrics.REPLIES.labels("unmatched", str(error.status), str(error.code)).inc()
    return Outgoing(error.body(), error.status, headers)


def _response(outgoing: Outgoing) -> Response:
    return Response(outgoing.content, outgoing.status, outgoing.headers, errors.JSON)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses, in the dialect's envelope."""
    assert isinstance(error, HTTPException), "registered for HTTPException only"
    refusal = errors.METHOD_NOT_ALLOWED if error.status_code == 405 else errors.NOT_FOUND
    response = _response(await _counted(request.scope, refusal))
    if response.status_code != error.status_code:
        return response
    response.headers.update(error.headers or {})
    methods = [endpoint.method for endpoint in ENDPOINTS if endpoint.path == request.url.path]
    if "Allow" in response.headers and methods:
        # The router knows one method a route; a path has several.
        response.headers["Allow"] = ", ".join(methods)
    return response


async def _too_large(scope: Scope) -> Outgoing:
    return await _counted(scope, errors.BODY_TOO_LARGE)


async def _answer_too_large(scope: Scope, receive: Receive, send: Send) -> None:
    await _response(await _too_large(scope))(scope, receive, send)


async def _counted(scope: Scope, error: DialectError) -> Outgoing:
    """An answer made outside ``serve``: it counts, and says so, like every other; or it is the limit's own."""
    services: Services = scope["app"].state.services
    if services.limits is None:
        return _answer(error)
    tally = services.limits.tally()
    try:
        await tally.arrive(client_address(scope, services.settings.trusted_proxies), b"", b"")
    except DialectError as limited:
        error = limited
    return _answer(error, tally.failed(error))


async def _unexpected_error(request: Request, error: Exception) -> Response:
    _log.error("unexpected_error", path=request.url.path, exc_info=error)
    return _response(_answer(errors.INTERNAL))


async def live() -> dict[str, str]:
    """Always 200 while the event loop turns."""
    return {"status": "live"}


async def ready(request: Request) -> Response:
    """200 while the database answers. The engine may fail over without this process leaving the load balancer."""
    services: Services = request.app.state.services
    try:
        await services.pool.fetchval("SELECT 1")
    except Exception as error:
        _log.warning("not_ready", error=repr(error))
        return JSONResponse({"status": "not ready"}, status_code=503)
    return JSONResponse({"status": "ready"})
