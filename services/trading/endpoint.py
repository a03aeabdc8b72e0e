"""Endpoints: each REST call of the dialect as one entry of a table, and the one function that serves them all.

An entry names method, path, security, the model of its parameters, the shape of its answer and the handler. From it
come the route, the method of the WebSocket API, the OpenAPI document and the compatibility table, so they cannot
disagree.

``serve`` counts a request, finds out who sent it (``authentication``) and has ``perform`` do it, as the WebSocket API
does. Routes are direct (``services.infra.direct``) and return bytes because declared parameters and the layers around
them cost more than everything else here together (docs/performance.md).
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic

import msgspec
import structlog
from starlette.requests import ClientDisconnect

from services.infra import postgres
from services.infra.addresses import client_address
from services.infra.clock import Clock
from services.infra.direct import Handler, Incoming, Outgoing
from services.infra.postgres import Pool
from services.infra.web import BodyTooLarge
from services.trading import errors, metrics
from services.trading.authentication import NOBODY, Caller, Claim, authenticate, recognize
from services.trading.back_office import BackOffice
from services.trading.errors import DialectError, Limited
from services.trading.feed import Feed
from services.trading.gateway import Gateway
from services.trading.history import History
from services.trading.limits import Limits, Tally
from services.trading.markets import Markets
from services.trading.parameters import M, Parameters, read_parameters, validate
from services.trading.present import Present
from services.trading.principals import ApiKey, Principals
from services.trading.settings import TradingSettings
from services.trading.shedding import TradingGate
from services.trading.signing import signed_payload
from services.trading.streams.connection import Connections
from services.trading.streams.hub import Hub
from services.trading.user_data.user_data import UserData
from services.trading.views.books import Books
from services.trading.weights import charge_of

API_KEY_HEADER: Final = "X-MBX-APIKEY"
TIME_UNIT_HEADER: Final = "X-MBX-TIME-UNIT"
_API_KEY: Final = API_KEY_HEADER.lower().encode()
_TIME_UNIT: Final = TIME_UNIT_HEADER.lower().encode()
_TIME_UNITS: Final = {"MILLISECOND": 1000, "millisecond": 1000, "MICROSECOND": 1, "microsecond": 1}
_SIGNING_PARAMETERS: Final = ("timestamp", "recvWindow", "signature")

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Security(Enum):
    """What a caller must prove (section 1.1). The value is the permission a key needs."""

    NONE = ""
    USER_DATA = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with; built once by the application's lifespan. Without ``limits`` nothing is counted.

    ``pool`` and ``present`` read what is, from the primary; ``history`` reads what was, from wherever it can be read.
    """

    settings: TradingSettings
    pool: Pool
    present: Present
    history: History
    gateway: Gateway
    markets: Markets
    principals: Principals
    feed: Feed
    hub: Hub
    connections: Connections
    books: Books
    user_data: UserData
    back_office: BackOffice
    clock: Clock
    gate: TradingGate
    limits: Limits | None = None


@dataclass(slots=True)
class Call:
    """One request as its handler sees it. ``unit`` divides microseconds into the client's time unit.

    ``deadline_us`` is the end of a signed request's own window (section 2), which the engine looks at once more;
    ``order_limit`` is set when the account may place no order now and the request asked to go on without;
    ``api_key`` is what the caller showed, unless it is a web session. ``is_socket`` tells the WebSocket API from REST.
    Once a handler has sent a command to the engine it ``may_have_acted``: what fails from then on leaves the client not
    knowing, and must not sound like a refusal.
    """

    services: Services
    account_id: int
    unit: int
    now_us: int
    deadline_us: int | None = None
    order_limit: Limited | None = None
    api_key: ApiKey | None = None
    may_have_acted: bool = False
    is_socket: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[M]):
    """``answer`` is the JSON schema of a successful reply. If not ``is_signed``, it is enough to name the API key."""

    method: str
    path: str
    security: Security
    parameters: type[M]
    handler: Callable[[Call, M], Awaitable[Any]]
    summary: str
    answer: dict[str, Any]
    is_signed: bool = True


class NoParameters(Parameters):
    """A route without parameters of its own."""


def serve(endpoint: Endpoint[Any]) -> Handler:
    """Return what answers requests for one entry of the table."""
    route = f"{endpoint.method} {endpoint.path}"
    charge = charge_of(endpoint.method, endpoint.path)
    takes_room = endpoint.method != "GET" and endpoint.security is Security.TRADE
    duration = metrics.REQUEST_SECONDS.labels(route)
    succeeded = metrics.REPLIES.labels(route, "200", "0")
    replied_bytes = metrics.REPLIED_BYTES.labels(route)

    async def respond(incoming: Incoming) -> Outgoing:
        started = time.perf_counter()
        services: Services = incoming.scope["app"].state.services
        tally = None if services.limits is None else services.limits.tally(charge)
        try:
            if takes_room and services.gateway.is_full:
                # Before anything is spent on it: what is refused must cost little, or refusing is what overloads.
                services.gate.orders.push_back()
                raise errors.OVERLOADED
            query: bytes = incoming.scope["query_string"]
            body = b"" if endpoint.method == "GET" else await incoming.body()
            if tally is not None:
                await tally.arrive(client_address(incoming.scope, services.settings.trusted_proxies), query, body)
            unit = _time_unit(incoming)
            parameters = read_parameters(query, body)
            now_us = services.clock()
            caller = NOBODY
            if endpoint.security is not Security.NONE:
                caller = await _authenticate(services, endpoint, incoming, parameters, query, body, now_us)
            content = _encoder.encode(
                await perform(endpoint, services, caller, parameters, tally, unit=unit, now_us=now_us)
            )
        except DialectError as error:
            # Many of these are shared constants: without this each would keep the frames of its last use alive.
            error.__traceback__ = None
            return _refuse(route, error, tally)
        except postgres.FAILURES as error:
            _log.warning("database_unavailable", route=route, error=repr(error))
            return _refuse(route, errors.UNAVAILABLE, tally)
        except (BodyTooLarge, ClientDisconnect):
            # The application answers the one; nobody is left to answer the other.
            raise
        except Exception as error:
            _log.error("unexpected_error", route=route, exc_info=error)
            return _refuse(route, errors.INTERNAL, tally)
        duration.observe(time.perf_counter() - started)
        succeeded.inc()
        replied_bytes.inc(len(content))
        return Outgoing(content, headers=None if tally is None else tally.succeeded())

    return respond


def _refuse(route: str, error: DialectError, tally: Tally | None) -> Outgoing:
    metrics.REPLIES.labels(route, str(error.status), str(error.code)).inc()
    return Outgoing(error.body(), error.status, None if tally is None else tally.failed(error))


async def perform(
    endpoint: Endpoint[Any],
    services: Services,
    caller: Caller,
    parameters: dict[str, str],
    tally: Tally | None,
    *,
    unit: int,
    now_us: int,
    is_socket: bool = False,
) -> Any:
    """Do what an authenticated request asks for, whichever way it came, and return the answer."""
    # Some clients sign public requests too; nobody minds.
    for name in _SIGNING_PARAMETERS:
        parameters.pop(name, None)
    validated = validate(endpoint.parameters, parameters)
    order_limit = None if tally is None else await _reserve(tally, caller.account_id, validated)
    call = Call(
        services, caller.account_id, unit, now_us, caller.deadline_us, order_limit, caller.api_key, is_socket=is_socket
    )
    try:
        return await endpoint.handler(call, validated)
    except DialectError:
        raise
    except Exception as error:
        if not call.may_have_acted:
            raise
        _log.error("answer_lost", path=endpoint.path, exc_info=error)
        raise errors.UNKNOWN_OUTCOME from None


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


def _time_unit(incoming: Incoming) -> int:
    given = incoming.header(_TIME_UNIT)
    return 1000 if given is None else parse_time_unit(given)


def parse_time_unit(text: str) -> int:
    """What to divide microseconds by."""
    unit = _TIME_UNITS.get(text)
    if unit is None:
        raise errors.INVALID_TIME_UNIT
    return unit


async def _authenticate(
    services: Services,
    endpoint: Endpoint[Any],
    incoming: Incoming,
    parameters: dict[str, str],
    query: bytes,
    body: bytes,
    now_us: int,
) -> Caller:
    """Return whose request it is, proven by a web session's bearer token or a signed API key."""
    name, authorization = incoming.header(_API_KEY), incoming.header(b"authorization")
    if authorization is not None and name is None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise errors.UNAUTHORIZED
        return Caller(await services.principals.session_account(token))
    address = client_address(incoming.scope, services.settings.trusted_proxies)
    if not endpoint.is_signed:
        return await recognize(services.principals, endpoint.security.value, name or "", address)
    claim = Claim(
        name or "",
        parameters.get("signature"),
        parameters.get("timestamp"),
        parameters.get("recvWindow"),
        (signed_payload(query, body),),
    )
    return await authenticate(services.principals, endpoint.security.value, claim, address, now_us)
