"""Every answer of a service that is not a success: one JSON envelope, ``{"code": …, "message": …}``.

``code`` is for programs and does not change; ``message`` tells a person what to do. No answer repeats what was sent.
Trading answers in its dialect instead.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.infra.telemetry import logger
from services.infra.transactions import NoFreeConnection
from services.infra.web import BodyTooLarge

MESSAGE_CHARS_MAX: Final = 300
REPORTED_DEFECTS_MAX: Final = 5

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: str
    message: str


INVALID_REQUEST: Final = Problem(400, "invalid_request", "Correct the request as the message says.")
INVALID_ACCESS_TOKEN: Final = Problem(
    401, "invalid_access_token", "Send a valid access token as Authorization: Bearer; refresh it or log in again."
)
INVALID_INTERNAL_CREDENTIAL: Final = Problem(
    401, "invalid_internal_credential", "Only services that know the internal credential may ask this."
)
NOT_FOUND: Final = Problem(404, "not_found", "There is nothing here; check the path.")
METHOD_NOT_ALLOWED: Final = Problem(405, "method_not_allowed", "Use a method that the Allow header names.")
BODY_TOO_LARGE: Final = Problem(413, "body_too_large", "Send a smaller request.")
TOO_MANY_ATTEMPTS: Final = Problem(429, "too_many_attempts", "Too many attempts; wait as Retry-After says.")
INTERNAL_ERROR: Final = Problem(500, "internal_error", "Try again later; if it happens again, tell the operator.")
BUSY: Final = Problem(503, "busy", "Too many requests are waiting; try again in a few seconds.")
UNAVAILABLE: Final = Problem(503, "unavailable", "The database cannot be reached; try again in a few seconds.")

_PROBLEM_BY_STATUS: Final = {problem.status: problem for problem in (NOT_FOUND, BODY_TOO_LARGE)}
_HEADERS_BY_STATUS: Final = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}


class Refused(Exception):
    """Answer the request with ``problem``. Raise it after the transaction if that must commit."""

    def __init__(self, problem: Problem, *, retry_after_s: int | None = None) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


class ErrorBody(BaseModel):
    """What every error answers."""

    code: str
    message: str


def answer(problem: Problem, *, message: str | None = None, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        {"code": problem.code, "message": message or problem.message},
        status_code=problem.status,
        headers={**_HEADERS_BY_STATUS.get(problem.status, {}), **(headers or {})},
    )


def documented(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """Describe a route's errors in OpenAPI, with every code as an example."""
    responses: dict[int | str, dict[str, Any]] = {"default": {"model": ErrorBody, "description": "Any other error"}}
    for problem in problems:
        entry = responses.setdefault(
            problem.status,
            {"model": ErrorBody, "description": "", "content": {"application/json": {"examples": {}}}},
        )
        entry["description"] = " or ".join(filter(None, [entry["description"], f"`{problem.code}`"]))
        entry["content"]["application/json"]["examples"][problem.code] = {
            "value": {"code": problem.code, "message": problem.message}
        }
    return responses


def _describe(error: RequestValidationError) -> str:
    """Say which fields are wrong and how, in ASCII and without their values."""
    defects = []
    for defect in error.errors()[:REPORTED_DEFECTS_MAX]:
        if defect["type"] == "json_invalid":
            return "The body is not valid JSON."
        # The first element says "body" or "path"; a client's own name for a field is only repeated where it is ours.
        names = (
            [str(name) for name in defect["loc"][1:]] if defect["type"] != "extra_forbidden" else ["an unknown field"]
        )
        field = ".".join(names) or "the body"
        defects.append(f"{field}: {defect['msg'].removeprefix('Value error, ')}")
    return "; ".join(defects).encode("ascii", "backslashreplace").decode()[:MESSAGE_CHARS_MAX]


async def _on_refused(_request: Request, error: Refused) -> JSONResponse:
    return answer(error.problem, headers=error.headers)


async def _on_invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    return answer(INVALID_REQUEST, message=_describe(error))


def _allowed_methods(request: Request) -> str:
    """Name the methods of every route with this path; Starlette would only name the first one's."""
    routes = [
        route for route in iter_route_contexts(request.app.routes) if route.path_regex.match(request.scope["path"])
    ]
    return ", ".join(sorted({method for route in routes for method in route.methods or ()}))


async def _on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    # FastAPI wraps whatever interrupts the reading of a body.
    if isinstance(error.__cause__, BodyTooLarge):
        return answer(BODY_TOO_LARGE)
    if error.status_code == INVALID_REQUEST.status:
        return answer(INVALID_REQUEST, message="The body cannot be read; send JSON in UTF-8.")
    if error.status_code == METHOD_NOT_ALLOWED.status:
        return answer(METHOD_NOT_ALLOWED, headers={"Allow": _allowed_methods(request)})
    problem = _PROBLEM_BY_STATUS.get(error.status_code) or Problem(error.status_code, "http_error", str(error.detail))
    return answer(problem, headers=error.headers)


def _by_constraint(problems: Mapping[str, Problem]) -> Handler:
    async def on_violated_constraint(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, asyncpg.IntegrityConstraintViolationError), "registered for these only"
        problem = problems.get(error.constraint_name or "")
        if problem is None:
            raise error
        return answer(problem)

    return on_violated_constraint


async def _on_busy(_request: Request, error: Exception) -> JSONResponse:
    log.warning("request refused", reason=type(error).__name__)
    return answer(BUSY)


async def _on_unavailable(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ValueError):
        # asyncpg's InterfaceError also covers arguments it cannot encode, which is a defect of ours.
        raise error
    log.error("database unavailable", error=repr(error))
    return answer(UNAVAILABLE)


async def _on_defect(_request: Request, _error: Exception) -> JSONResponse:
    return answer(INTERNAL_ERROR)


# Connection losses as asyncpg reports them, from refusal to a statement that was cut off.
_DATABASE_IS_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.InterfaceError,
)


def install(app: FastAPI, *, by_constraint: Mapping[str, Problem], overload: tuple[type[Exception], ...] = ()) -> None:
    """Make every error of the application answer with the envelope.

    ``by_constraint`` says what a violated constraint means to the client; any other violation is a defect of the
    service. ``overload`` are exceptions that mean that too much is waiting.
    """
    handlers: list[tuple[type[Exception], Any]] = [
        (Refused, _on_refused),
        (RequestValidationError, _on_invalid_request),
        (HTTPException, _on_http_exception),
        (asyncpg.IntegrityConstraintViolationError, _by_constraint(by_constraint)),
        (NoFreeConnection, _on_busy),
        *((kind, _on_busy) for kind in overload),
        *((kind, _on_unavailable) for kind in _DATABASE_IS_AWAY),
        (Exception, _on_defect),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
