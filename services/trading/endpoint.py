"""Endpoints: each REST call of the dialect as one entry of a table, and the one function that serves them all.

An entry names method, path, security, the model of its parameters, the shape of its answer and the handler. From it
come the route, the OpenAPI document and the compatibility table, so they cannot disagree.

``serve`` takes the steps of section 2 of the compatibility reference in their order: key format, mandatory parameters,
timestamp, key and permission, signature, then the route's own parameters. Routes take the bare request and return bytes
because declared parameters cost more than everything else here together (docs/performance.md).
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
from services.trading.errors import DialectError
from services.trading.gateway import Gateway
from services.trading.markets import Markets
from services.trading.parameters import M, Parameters, read_parameters, validate
from services.trading.principals import Principals
from services.trading.settings import TradingSettings
from services.trading.signing import Window, hmac_matches, signed_payload

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
    """What handlers work with; built once by the application's lifespan."""

    settings: TradingSettings
    pool: Pool
    gateway: Gateway
    markets: Markets
    principals: Principals


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its handler sees it. ``unit`` divides microseconds into the client's time unit."""

    services: Services
    account_id: int
    unit: int
    now_us: int


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
    duration = metrics.REQUEST_SECONDS.labels(route)
    succeeded = metrics.REPLIES.labels(route, "200", "0")

    async def respond(request: Request) -> Response:
        started = time.perf_counter()
        try:
            content = await _respond(endpoint, request)
        except DialectError as error:
            # Many of these are shared constants: without this each would keep the frames of its last use alive.
            error.__traceback__ = None
            metrics.REPLIES.labels(route, str(error.status), str(error.code)).inc()
            return Response(error.body(), error.status, media_type=errors.JSON)
        except _DATABASE_GONE as error:
            _log.warning("database_unavailable", route=route, error=repr(error))
            metrics.REPLIES.labels(route, "503", str(errors.UNAVAILABLE.code)).inc()
            return Response(errors.UNAVAILABLE.body(), 503, media_type=errors.JSON)
        duration.observe(time.perf_counter() - started)
        succeeded.inc()
        return Response(content, media_type=errors.JSON)

    return respond


async def _respond(endpoint: Endpoint[Any], request: Request) -> bytes:
    services: Services = request.app.state.services
    query: bytes = request.scope["query_string"]
    body = b"" if endpoint.method == "GET" else await request.body()
    unit = _time_unit(request)
    parameters = read_parameters(query, body)
    now_us = time.time_ns() // 1000
    account_id = 0
    if endpoint.security is not Security.NONE:
        account_id = await _authenticate(services, endpoint.security, request, parameters, query, body, now_us)
    # Some clients sign public requests too; nobody minds.
    for name in _SIGNING_PARAMETERS:
        parameters.pop(name, None)
    call = Call(services, account_id, unit, now_us)
    answer = await endpoint.handler(call, validate(endpoint.parameters, parameters))
    return _encoder.encode(answer)


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
) -> int:
    """Return the caller's account, proven by a signed API key or a web session's bearer token."""
    headers = request.headers
    authorization = headers.get("Authorization")
    if authorization is not None and API_KEY_HEADER not in headers:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise errors.UNAUTHORIZED
        return await services.principals.session_account(token)
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
    if not hmac_matches(api_key.secret_key, signed_payload(query, body), signature):
        raise errors.SIGNATURE_WRONG
    return api_key.account_id
