"""The engine's HTTP face, for the other services only: requests in, replies out, health and metrics."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from services.domain.protocol import NOT_ACTIVE, PARCEL_HEADER, Envelope
from services.engine.inbox import Closed, Inbox, Superseded
from services.engine.partitions import keep_ahead
from services.engine.runner import Engine
from services.engine.settings import EngineSettings
from services.infra import redis, telemetry
from services.infra.direct import DirectApp, Incoming, Outgoing
from services.infra.measured import Measured, counted
from services.infra.web import BodyLimit, RequestId, is_internal_credential, shows_internal_credential

COMMANDS_PATH: Final = "/internal/commands"
_PARCEL_HEADER: Final = PARCEL_HEADER.lower().encode()
MESSAGEPACK: Final = "application/msgpack"
MAX_PARCEL: Final = 512
MAX_BODY_BYTES: Final = 1024 * 1024
# After the lease was handed over: how long to listen for one more gateway, and how often.
_LINGER_ROUND_S: Final = 0.1
_LINGER_ROUNDS: Final = 20

_log = telemetry.logger(__name__)
_decoder: Final = msgspec.msgpack.Decoder(list[Envelope])
_encoder: Final = msgspec.msgpack.Encoder()


def create_app(settings: EngineSettings) -> FastAPI:
    app = DirectApp(
        limit_bytes=MAX_BODY_BYTES,
        too_large=_too_large,
        title="Crossbook engine",
        version="1",
        docs_url=None,
        redoc_url=None,
        description="Internal. Matches orders and writes the journal; every route but health needs the internal "
        "credential.",
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.add_middleware(BodyLimit, limit_bytes=MAX_BODY_BYTES, answer=_refuse("body_too_large", 413))
    app.add_middleware(RequestId)
    app.add_middleware(Measured)
    app.add_route("/metrics", telemetry.metrics)
    app.add_direct_route(
        "POST",
        COMMANDS_PATH,
        counted(f"POST {COMMANDS_PATH}", submit),
        summary="Carry out a parcel of requests in order",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {MESSAGEPACK: {"schema": {"type": "string", "format": "binary"}}},
            },
        },
        responses={
            200: {"description": "One reply for each request", "content": {MESSAGEPACK: {}}},
            400: {"description": "The body is not a list of at most 512 envelopes"},
            401: {"description": "The internal credential is missing or wrong"},
            413: {"description": "The body is over 1 MiB"},
            500: {"description": "Its gateway has sent a later parcel: what became of this one is unknown"},
            503: {"description": "This engine is not the active one; nothing was started"},
        },
    )
    app.add_api_route("/internal/status", status, methods=["GET"], summary="Who is active and how far the journal is")
    app.add_api_route("/health/live", live, methods=["GET"], summary="The process answers")
    app.add_api_route(
        "/health/ready",
        ready,
        methods=["GET"],
        summary="This engine is the active one",
        responses={503: {"description": "It is standing by or recovering"}},
    )
    app.add_api_route(
        "/health/fit",
        fit,
        methods=["GET"],
        summary="This engine is the active one, or would be if that ended",
        responses={503: {"description": "It is recovering, or does not reach the database"}},
    )
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: EngineSettings = app.state.settings
    client = redis.connect(settings.redis_url.get_secret_value())
    engine = app.state.engine = Engine(settings, client)
    telemetry.tell("sequence", lambda: engine.active.sequence if engine.active is not None else None)
    running = app.state.running = asyncio.create_task(engine.run())
    running.add_done_callback(_end_process_on_failure)
    keeping_ahead = asyncio.create_task(keep_ahead(settings))
    yield
    keeping_ahead.cancel()
    engine.stop()
    with contextlib.suppress(Exception):
        await running
    await client.aclose()


async def before_shutdown(app: FastAPI) -> None:
    """Hand over while gateways are still answered: "not active" sends them to the next engine, a closed door may not.

    Returns when they have stopped asking, or soon.
    """
    engine: Engine = app.state.engine
    engine.stop()
    await asyncio.wait((app.state.running,))
    for _ in range(_LINGER_ROUNDS):
        declined = engine.inbox.declined
        await asyncio.sleep(_LINGER_ROUND_S)
        if engine.inbox.declined == declined:
            return


def _end_process_on_failure(running: asyncio.Task[None]) -> None:
    """An engine that must not go on (a corrupt journal, say) ends its process, so that its supervisor sees it."""
    if not running.cancelled() and running.exception() is not None:
        _log.critical("engine_stopped", exc_info=running.exception())
        os.kill(os.getpid(), signal.SIGTERM)


async def submit(incoming: Incoming) -> Outgoing:
    """Hot route: bytes in, bytes out."""
    state = incoming.scope["app"].state
    if not is_internal_credential(incoming.header(b"authorization") or "", state.settings):
        return Outgoing(b'{"code":"unauthorized"}', 401)
    engine: Engine = state.engine
    answer = await carry_out(engine.inbox, await incoming.body(), incoming.header(_PARCEL_HEADER) or "")
    return Outgoing(answer.content, answer.status_code, media_type=answer.media_type.encode())


async def _too_large(_scope: Scope) -> Outgoing:
    return Outgoing(b'{"code":"body_too_large"}', 413)


class Answer(NamedTuple):
    status_code: int
    content: bytes
    media_type: str


async def carry_out(inbox: Inbox, body: bytes, parcel_id: str = "") -> Answer:
    """One parcel as it is on the wire, to its replies as they are on the wire."""
    try:
        envelopes = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # The latter for the name of a command that is no text.
        return _declined(f"bad_request: {error}")
    if not 0 < len(envelopes) <= MAX_PARCEL:
        return _declined("bad_request: a parcel has 1 to 512 requests")
    try:
        replies = await inbox.submit(envelopes, parcel_id)
    except Closed:
        return Answer(503, NOT_ACTIVE, "application/json")
    except Superseded:
        return Answer(500, b'{"code":"superseded"}', "application/json")
    return Answer(200, _encoder.encode(replies), MESSAGEPACK)


def _declined(code: str) -> Answer:
    return Answer(400, msgspec.json.encode({"code": code}), "application/json")


async def status(request: Request) -> Response:
    """The journal's end as this engine knows it, zeros while it stands by."""
    if not shows_internal_credential(request, request.app.state.settings):
        return _refuse("unauthorized", 401)
    engine: Engine = request.app.state.engine
    active = engine.active
    body: dict[str, Any] = {"holder": engine.holder, "active": active is not None}
    if engine.standby is not None:
        body |= {"standbySequence": engine.standby.sequence, "comparedSequence": engine.standby.compared}
    if active is not None:
        body |= {
            "epoch": active.lease.epoch,
            "sequence": active.sequence,
            "openOrders": len(active.exchange.orders),
            "inboxDepth": engine.inbox.depth,
            "streamLag": active.publisher.lag,
        }
    return JSONResponse(body)


async def live() -> dict[str, str]:
    """Always 200 while the event loop turns."""
    return {"status": "live"}


async def ready(request: Request) -> Response:
    """200 only on the active engine."""
    engine: Engine = request.app.state.engine
    return JSONResponse({"active": engine.active is not None}, status_code=200 if engine.active else 503)


async def fit(request: Request) -> Response:
    """200 on the active engine and on a standby that can take over: of such engines a rollout may stop one."""
    engine: Engine = request.app.state.engine
    return JSONResponse({"fit": engine.fit}, status_code=200 if engine.fit else 503)


def _refuse(code: str, status_code: int) -> Response:
    return JSONResponse({"code": code}, status_code=status_code)
