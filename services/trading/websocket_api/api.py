"""One connection to the WebSocket API: requests as they come, replies as they are ready.

A request is a task of its own, so a slow one holds up nobody; at most ``MAX_IN_FLIGHT`` of a connection are under way,
the next is refused as overload, as is what finds the process overloaded (``shedding.py``). Session methods are answered
in between, in the order of the requests. While the client does not take replies, nothing more is read from it. Requests
under way when the connection ends are carried out.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket

from services.infra import postgres, traces
from services.infra.addresses import client_address
from services.trading import errors, metrics
from services.trading.authentication import NOBODY
from services.trading.endpoint import Endpoint, Security, Services, parse_time_unit, perform
from services.trading.errors import DialectError
from services.trading.limits import Tally
from services.trading.shedding import Ticket
from services.trading.streams import handshake
from services.trading.streams.connection import GENEROUS_MESSAGES_PER_S, POLICY_VIOLATION
from services.trading.websocket_api import messages, session_methods
from services.trading.websocket_api.messages import Request, Unreadable, Used
from services.trading.websocket_api.methods import METHODS
from services.trading.websocket_api.session import Logon, Options, Session
from services.trading.websocket_api.session_methods import SESSION_METHODS
from services.trading.weights import PLAIN, Charge, charge_of

PATH: Final = "/ws-api/v3"
KIND: Final = "websocket_api"
MAX_IN_FLIGHT: Final = 100
CONNECTION_WEIGHT: Final = 2
_VERSION: Final = "v3/"
_OK: Final = 200
_BANNED: Final = 418
_NO_METHOD: Final = "WS unknown"

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)

Work = Callable[[Tally | None], Awaitable[Any]]


async def websocket_api(socket: WebSocket) -> None:
    """The ASGI endpoint."""
    services: Services = socket.app.state.services
    address = client_address(socket.scope, services.settings.trusted_proxies)
    try:
        await handshake.count(socket, CONNECTION_WEIGHT)
        options = _options(socket.query_params)
    except DialectError as error:
        await handshake.refuse(socket, error)
        return
    async with services.connections.open(socket, KIND) as connection:
        session = Session(services, connection, address, options)
        connection.on_shutdown = partial(_announce_shutdown, session)
        under_way: set[asyncio.Task[None]] = set()
        try:
            await _converse(session, under_way)
        finally:
            session.close()
    if under_way:
        await asyncio.wait(under_way)


async def _converse(session: Session, under_way: set[asyncio.Task[None]]) -> None:
    connection = session.connection
    async for message in connection.messages(GENEROUS_MESSAGES_PER_S):
        try:
            request = messages.read_request(message)
        except Unreadable as unreadable:
            nothing = Request(unreadable.request_id, "", {}, {})
            await _answer(session, nothing, _NO_METHOD, PLAIN, partial(_refuse, unreadable.error))
            continue
        name = request.method.removeprefix(_VERSION)
        endpoint = METHODS.get(name)
        if name in SESSION_METHODS:
            work: Work = partial(session_methods.perform, session, SESSION_METHODS[name], request)
            await _answer(session, request, f"WS {name}", session_methods.CHARGE, work)
            after_reply, session.after_reply = session.after_reply, None
            if after_reply is not None:
                after_reply()
        elif endpoint is None:
            await _answer(session, request, _NO_METHOD, PLAIN, partial(_refuse, errors.NOT_SUPPORTED))
        elif len(under_way) >= MAX_IN_FLIGHT or (ticket := _enter(session, endpoint, request)) is None:
            await _answer(session, request, f"WS {name}", PLAIN, partial(_refuse, errors.OVERLOADED))
        else:
            # The logon as of now: what is said later about the session concerns later requests.
            work = partial(_perform, session, endpoint, request, session.logon)
            if traces.is_on:
                work = partial(_trace, name, work)
            charge = charge_of(endpoint.method, endpoint.path)
            task = asyncio.create_task(_answer(session, request, f"WS {name}", charge, work))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            task.add_done_callback(partial(_leave, ticket))
        await connection.taken()


def _enter(session: Session, endpoint: Endpoint[Any], request: Request) -> Ticket | None:
    key = request.parameters.get("apiKey")
    caller = session.address if key is None else str(key).encode(errors="surrogatepass")
    return session.services.gate.of(endpoint.method).enter(caller)


def _leave(ticket: Ticket, _task: asyncio.Task[None]) -> None:
    ticket.shedding.leave(ticket)


async def _answer(session: Session, request: Request, route: str, charge: Charge, work: Work) -> None:
    """Count a request, do it, and reply whatever becomes of it."""
    started = time.perf_counter()
    limits = session.services.limits
    tally = None if limits is None else limits.tally(charge)
    shows_limits = session.options.shows_limits
    try:
        if tally is not None:
            await tally.arrive_by_socket(session.address, request.parameters)
        shows_limits = _flag(request.parameters.pop("returnRateLimits", None), shows_limits)
        result = await work(tally)
    except DialectError as error:
        # Many of these are shared constants: without this each would keep the frames of its last use alive.
        error.__traceback__ = None
        _reply_failure(session, request, route, error, tally, shows_limits=shows_limits)
    except postgres.FAILURES as error:
        _log.warning("database_unavailable", route=route, error=repr(error))
        _reply_failure(session, request, route, errors.UNAVAILABLE, tally, shows_limits=shows_limits)
    except Exception as error:
        _log.error("unexpected_error", route=route, exc_info=error)
        _reply_failure(session, request, route, errors.INTERNAL, tally, shows_limits=shows_limits)
    else:
        metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started)
        metrics.REPLIES.labels(route, "200", "0").inc()
        session.connection.reply(messages.success(request.id, result, _used(tally) if shows_limits else None))


async def _perform(
    session: Session, endpoint: Endpoint[Any], request: Request, logon: Logon | None, tally: Tally | None
) -> Any:
    now_us = session.services.clock()
    caller = NOBODY
    if endpoint.security is not Security.NONE:
        caller = await session.caller(request, endpoint, logon, now_us)
    request.parameters.pop("apiKey", None)
    unit = session.options.unit
    return await perform(
        endpoint, session.services, caller, request.parameters, tally, unit=unit, now_us=now_us, is_socket=True
    )


async def _trace(method: str, work: Work, tally: Tally | None) -> Any:
    with traces.socket_request(method) as span:
        try:
            result = await work(tally)
        except DialectError as error:
            traces.answered(span, error.status)
            raise
        except Exception as error:
            traces.failed(span, type(error).__qualname__)
            raise
        traces.answered(span, _OK)
    return result


async def _refuse(error: DialectError, _tally: Tally | None) -> None:
    raise error


def _reply_failure(
    session: Session, request: Request, route: str, error: DialectError, tally: Tally | None, *, shows_limits: bool
) -> None:
    metrics.REPLIES.labels(route, str(error.status), str(error.code)).inc()
    if tally is not None:
        tally.failed(error)
    used = _used(tally) if shows_limits else None
    session.connection.reply(messages.failure(request.id, error, used, time.time_ns() // 1000))
    if error.status == _BANNED:
        session.connection.close(POLICY_VIOLATION, "IP banned")


def _used(tally: Tally | None) -> Used:
    """An empty list where limits are off: clients expect one."""
    return [] if tally is None else tally.used()


def _options(query: QueryParams) -> Options:
    return Options(
        parse_time_unit(query.get("timeUnit", "MILLISECOND")), _flag(query.get("returnRateLimits"), default=True)
    )


def _flag(text: str | None, default: bool) -> bool:
    if text is None:
        return default
    if text.lower() not in ("true", "false"):
        raise errors.not_valid("returnRateLimits")
    return text.lower() == "true"


def _announce_shutdown(session: Session) -> None:
    event = {"e": "serverShutdown", "E": time.time_ns() // 1000 // session.options.unit}
    session.connection.send(msgspec.json.encode({"event": event}))
