"""Rate, errors and duration of every HTTP route of a service, for those that count nothing themselves.

Routes are told apart by their template (``/accounts/{account_id}``), never by what a client sent: whatever matches no
route is ``unmatched``, so there are as many series as routes in the code. It costs 3 µs a request. Trading does not use
it: it counts by the codes of its dialect (``services/trading/metrics.py``).
"""

import time
from functools import cache
from typing import Final

from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.infra.direct import Handler, Incoming, Outgoing
from services.infra.route_templates import template
from services.infra.web import BodyTooLarge

UNMATCHED: Final = "unmatched"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REPLIES = Counter("crossbook_http_replies_total", "Replies by route and HTTP status.", ["route", "status"])
REQUEST_SECONDS = Histogram(
    "crossbook_http_request_seconds",
    "Time from a request's arrival to the end of its reply.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


class Measured:
    """The outermost layer of an application. A request that raised, or whose client left, counts as status 500, 499."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 499

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        except Exception:
            status = 500
            raise
        finally:
            duration, replies = _series(_route(scope), status)
            duration.observe(time.perf_counter() - started)
            replies.inc()


def counted(route: str, handler: Handler) -> Handler:
    """The same for a direct route, which passes no layer; ``route`` is its method and path."""

    async def count(incoming: Incoming) -> Outgoing:
        started = time.perf_counter()
        status = 500
        try:
            outgoing = await handler(incoming)
            status = outgoing.status
        except ClientDisconnect:
            status = 499
            raise
        except BodyTooLarge:
            status = 413
            raise
        finally:
            duration, replies = _series(route, status)
            duration.observe(time.perf_counter() - started)
            replies.inc()
        return outgoing

    count.__name__ = handler.__name__
    return count


@cache
def _series(route: str, status: int) -> tuple[Histogram, Counter]:
    """Finding a series by its labels costs more than counting in it; there are few, so each is found once."""
    return REQUEST_SECONDS.labels(route), REPLIES.labels(route, str(status))


def _route(scope: Scope) -> str:
    """The method and template of what answered."""
    path = template(scope)
    if path is None or scope["method"] not in METHODS:
        return UNMATCHED
    return f"{scope['method']} {path}"
