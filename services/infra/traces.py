"""Traces: one request, step by step through the services, for whoever has a collector (OpenTelemetry).

Nothing happens here unless ``is_on``, which ``trace_export.start`` sets before anything else runs, and nobody later.
Until then the SDK is not even loaded, and what is on the way of every request looks at ``is_on`` at most.

A span says what was asked for and what came of it: methods, routes by their template, statuses, counts, the request id.
Never who asked: no addresses, no query, no body, no headers, no texts of exceptions. FastAPI has traces of its own,
which do carry query strings and with them signatures; they are switched off (``NONE_OF_FASTAPI``).

Only services continue each other's traces. What a client says of its own trace is not believed, or whoever likes could
have every request of his sampled.
"""

import hmac
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
import structlog
from fastapi.telemetry import TelemetryConfig
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NoOpTracer, Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.infra.route_templates import template

REQUEST_ID: Final = "crossbook.request_id"
NONE_OF_FASTAPI: Final = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
# Asked every few seconds by those who look after processes, and of no interest to anyone else.
_UNTRACED: Final = ("/health/", "/metrics")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAULTS_FROM: Final = 500
STOP_TIMEOUT_S: Final = 2

is_on = False
tracer: Tracer = NoOpTracer()
# The header by which services know each other.
credential = b""
flush: Callable[[], object] = bool

_propagator: Final = TraceContextTextMapPropagator()
Attributes = Mapping[str, str | int]
# The value of a header by its name in lower case.
Header = Callable[[bytes], str | None]


@contextmanager
def request(method: str, route: str | None, header: Header, request_id: str) -> Iterator[Span]:
    """The span of one HTTP request, which continues the caller's trace if that is another service.

    What became of it is for the caller to say: ``answered`` or ``failed``.
    """
    attributes = {"http.request.method": method if method in _METHODS else "_OTHER", REQUEST_ID: request_id}
    # Nothing that a client made up becomes a name.
    with _within(tracer.start_span("HTTP", _caller(header), SpanKind.SERVER, attributes)) as span:
        if route is not None:
            routed(span, method, route)
        yield span


def routed(span: Span, method: str, route: str) -> None:
    span.update_name(f"{method if method in _METHODS else 'HTTP'} {route}")
    span.set_attribute("http.route", route)


def answered(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= _FAULTS_FROM:
        failed(span, str(status))


def failed(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def current_failed(kind: str) -> None:
    """Of the current span, if there is one."""
    failed(trace.get_current_span(), kind)


class Traced:
    """An application with a span for each HTTP request, within the layer that has bound the request's id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED):
            await self._app(scope, receive, send)
            return
        headers = dict(reversed(scope["headers"]))

        def header(name: bytes) -> str | None:
            value: bytes | None = headers.get(name)
            return None if value is None else value.decode("latin-1")

        async def send_noting_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered(span, message["status"])
            await send(message)

        method, request_id = scope["method"], structlog.contextvars.get_contextvars()["request_id"]
        with request(method, None, header, request_id) as span:
            try:
                await self._app(scope, receive, send_noting_status)
            except Exception as error:
                failed(span, type(error).__qualname__)
                raise
            finally:
                route = template(scope)
                if route is not None:
                    routed(span, method, route)


@contextmanager
def socket_request(method: str) -> Iterator[Span]:
    """The same for one that came over a WebSocket; ``method`` is one that there is."""
    attributes = {"network.protocol.name": "websocket", "rpc.method": method}
    with _within(tracer.start_span(f"WS {method}", Context(), SpanKind.SERVER, attributes)) as span:
        yield span


def current() -> Span | None:
    """What a piece of work is part of that others will carry out together with more."""
    found = trace.get_current_span()
    return found if found.get_span_context().is_valid else None


@contextmanager
def together(name: str, kind: SpanKind, parts: Iterable[Span | None], attributes: Attributes) -> Iterator[Span]:
    """Work for many at once: part of the first one that is sampled. All others such and it are linked, both ways."""
    known = [part for part in parts if part is not None]
    sampled = list({part.get_span_context().span_id: part for part in known if part.is_recording()}.values())
    within = trace.set_span_in_context((sampled or known)[0], Context()) if known else Context()
    links = [Link(part.get_span_context()) for part in sampled[1:]]
    with _within(tracer.start_span(name, within, kind, attributes, links)) as span:
        for part in sampled[1:]:
            part.add_link(span.get_span_context())
        try:
            yield span
        except Exception as error:
            failed(span, type(error).__qualname__)
            raise


def record(name: str, kind: SpanKind, seconds: float, attributes: Attributes) -> None:
    """A step of the current span that took so long and ends now."""
    if trace.get_current_span().is_recording():
        end_ns = time.time_ns()
        span = tracer.start_span(name, None, kind, attributes, start_time=end_ns - round(seconds * 1e9))
        span.end(end_ns)


def carry(headers: MutableMapping[str, str]) -> None:
    """Tell another service which trace its work is part of."""
    _propagator.inject(headers)


async def carry_with(request: httpx.Request) -> None:
    """The same, as a hook of httpx."""
    carry(request.headers)


def stop() -> None:
    """Wait a moment for what is still to be sent."""
    sending = threading.Thread(target=flush, daemon=True)
    sending.start()
    sending.join(STOP_TIMEOUT_S)


def add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What a log line belongs to, if that can be looked up. A processor of structlog's."""
    found = trace.get_current_span().get_span_context()
    if found.trace_flags.sampled:
        event["trace_id"] = trace.format_trace_id(found.trace_id)
        event["span_id"] = trace.format_span_id(found.span_id)
    return event


def _caller(header: Header) -> Context:
    parent = header(b"traceparent")
    if parent is None or not hmac.compare_digest((header(b"authorization") or "").encode(), credential):
        return Context()
    return _propagator.extract({"traceparent": parent}, Context())


@contextmanager
def _within(span: Span) -> Iterator[Span]:
    token = context.attach(trace.set_span_in_context(span))
    try:
        yield span
    finally:
        context.detach(token)
        span.end()
