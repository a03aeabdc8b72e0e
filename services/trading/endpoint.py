"""Endpoints: each REST call of the dialect as one entry of a table, and the one function that serves them all.

An entry names method, path, security, the model of its parameters, the shape of its answer and the handler. From it
come the route, the OpenAPI document and the compatibility table, so they cannot disagree.

``serve`` takes the steps of section 2 of the compatibility reference in their order: key format, mandatory parameters,
timestamp, key, permission and address, signature, then the route's own parameters. Routes take the bare request and
return bytes because declared parameters cost more than everything else here together (docs/performance.md).
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic

import asyncpg
import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from services.infra.postgres import Pool
from services.trading import errors, metrics
from services.trading.addresses import client_address, within
from services.trading.errors import DialectError, Limited
from services.trading.feed import Feed
from services.trading.gateway import Gateway
from services.trading.limits import Limits, Tally
from services.trading.markets import Markets
from services.trading.parameters import M, Parameters, read_parameters, validate
from services.trading.principals import ApiKey, Principals
from services.trading.settings import TradingSettings
from services.trading.signing import Window, signed_payload
from services.trading.streams.connection import Connections
from services.trading.streams.hub import Hub
from services.trading.weights import charge_of

API_KEY_HEADER: Final = "X-MBX-APIKEY"
TIME_UNIT_HEADER: Final = "X-MBX-TIME-UNIT"
_TIME_UNITS: Final = {"MILLISECOND": 1000, "millisecond": 1000, "MICROSECOND": 1, "microsecond": 1}
_SIGNING_PARAMETERS: Final = ("timestamp", "recvWindow", "signature")
_DATABASE_GONE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_api_key = re.compile(r"[A-Za-z0-9]{64}", re.ASCII)
_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Security(Enum):
    """What a caller must prove (section 1.1). The value is the permission a key needs."""

    NONE = ""
    USER_DATA = "read"
    TRADE = "trade"


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with; built once by the application's lifespan. Without ``limits`` nothing is counted."""

    settings: TradingSettings
    pool: Pool
    gateway: Gateway
    markets: Markets
    principals: Principals
    feed: Feed
    hub: Hub
    connections: Connections
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its handler sees it. ``unit`` divides microseconds into the client's time unit.

    ``deadline_us`` is the end of a signed request's own window (section 2), which the engine looks at once more;
    ``order_limit`` is set when the account may place no order now and the request asked to go on without;
    ``api_key`` is what the caller showed, unless it is a web session.
    """

    services: Services
    account_id: int
    unit: int
    now_us: int
    deadline_us: int | None = None
    order_limit: Limited | None = None
    api_key: ApiKey | None = None


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[M]):
    """``answer`` is the JSON schema of a successful reply."""

    method: str
    path: str
    security: Security
    parameters: type[M]
    handler: Callable[[Call, M], Awaitable[Any]]
    summary: str
    answer: dict[str, Any]


class NoParameters(Parameters):
    """A route without parameters of its own."""


def serve(endpoint: Endpoint[Any]) -> Callable[[Request], Awaitable[Response]]:
    """Return the ASGI endpoint for one entry of the table."""
    route = f"{endpoint.method} {endpoint.path}"
    charge = charge_of(endpoint.method, endpoint.path)
    duration = metrics.REQUEST_SECONDS.labels(route)
    succeeded = metrics.REPLIES.labels(route, "200", "0")

    async def respond(request: Request) -> Response:
        started = time.perf_counter()
        limits: Limits | None = request.app.state.services.limits
        tally = None if limits is None else limits.tally(charge)
        try:
            content = await _respond(endpoint, request, tally)
        except DialectError as error:
            # Many of these are shared constants: without this each would keep the frames of its last use alive.
            error.__traceback__ = None
            return _refuse(route, error, tally)
        except _DATABASE_GONE as error:
            _log.warning("database_unavailable", route=route, error=repr(error))
            return _refuse(route, errors.UNAVAILABLE, tally)
        duration.observe(time.perf_counter() - started)
        succeeded.inc()
        headers = None if tally is None else tally.succeeded()
        return Response(content, media_type=errors.JSON, headers=headers)

    return respond


def _refuse(route: str, error: DialectError, tally: Tally | None) -> Response:
    metrics.REPLIES.labels(route, str(error.status), str(error.code)).inc()
    headers = None if tally is None else tally.failed(error)
    return Response(error.body(), error.status, media_type=errors.JSON, headers=headers)


async def _respond(endpoint: Endpoint[Any], request: Request, tally: Tally | None) -> bytes:
    services: Services = request.app.state.services
    query: bytes = request.scope["query_string"]
    body = b"" if endpoint.method == "GET" else await request.body()
    if tally is not None:
        await tally.arrive(client_address(request.scope, services.settings.trusted_proxies), query, body)
    unit = _time_unit(request)
    parameters = read_parameters(query, body)
    now_us = time.time_ns() // 1000
    account_id, deadline_us, api_key = 0, None, None
    if endpoint.security is not Security.NONE:
        account_id, deadline_us, api_key = await _authenticate(
            services, endpoint.security, request, parameters, query, body, now_us
        )
    # Some clients sign public requests too; nobody minds.
    for name in _SIGNING_PARAMETERS:
        parameters.pop(name, None)
    validated = validate(endpoint.parameters, parameters)
    order_limit = None if tally is None else await _reserve(tally, account_id, validated)
    call = Call(services, account_id, unit, now_us, deadline_us, order_limit, api_key)
    answer = await endpoint.handler(call, validated)
    return _encoder.encode(answer)


async def _reserve(tally: Tally, account_id: int, parameters: Parameters) -> Limited | None:
    """Count the orders to be placed; raise, unless the request wants its other half done (section 4.7)."""
    try:
        await tally.reserve(account_id)
    except Limited as error:
        mode = getattr(parameters, "order_rate_limit_exceeded_mode", None)
        if mode is None or getattr(mode, "value", mode) != "CANCEL_ONLY":
            raise
        error.__traceback__ = None
        return error
    return None


def _time_unit(request: Request) -> int:
    given = request.headers.get(TIME_UNIT_HEADER)
    if given is None:
        return 1000
    unit = _TIME_UNITS.get(given)
    if unit is None:
        raise errors.INVALID_TIME_UNIT
    return unit


async def _authenticate(
    services: Services,
    security: Security,
    request: Request,
    parameters: dict[str, str],
    query: bytes,
    body: bytes,
    now_us: int,
) -> tuple[int, int | None, ApiKey | None]:
    """Return the caller's account, proven by a web session's bearer token or a signed API key, its deadline and key."""
    headers = request.headers
    authorization = headers.get("Authorization")
    if authorization is not None and API_KEY_HEADER not in headers:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise errors.UNAUTHORIZED
        return await services.principals.session_account(token), None, None
    name = headers.get(API_KEY_HEADER, "")
    if _api_key.fullmatch(name) is None:
        raise errors.KEY_FORMAT
    signature = parameters.get("signature")
    window = Window(parameters.get("timestamp"), parameters.get("recvWindow"))
    if not signature:
        raise errors.mandatory("signature")
    window.check(now_us)
    api_key = await services.principals.api_key(name)
    if api_key is None or security.value not in api_key.permissions:
        raise errors.KEY_REJECTED
    if api_key.networks and not within(
        client_address(request.scope, services.settings.trusted_proxies), api_key.networks
    ):
        raise errors.KEY_REJECTED
    if not api_key.signing_key.verifies(signed_payload(query, body), signature):
        raise errors.SIGNATURE_WRONG
    return api_key.account_id, window.timestamp_us + window.recv_window_us, api_key
