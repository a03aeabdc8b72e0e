"""Logs as JSON lines on standard output, metrics on ``/metrics``; errors to Sentry and traces where that is asked for.

Every line says which service and, within a request, which request (``request_id``, bound by ``web.RequestId``). A
service that follows the journal says once, with ``tell``, how to read its position; its lines then carry ``sequence``.

Never log a secret, a token, a signature or a query string: the redactor below is the last line of defence, not the
first.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from importlib.metadata import version
from typing import Any, Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from services.infra import traces
from services.infra.settings import ServiceSettings

_SECRET_WORDS = ("secret", "token", "password", "signature", "authorization")


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "[redacted]"
    return event


_facts: Final[dict[str, Callable[[], object]]] = {}


def tell(name: str, read: Callable[[], object]) -> None:
    """Add a fact to every log line that does not state it itself; it is read when a line is written, not before."""
    _facts[name] = read


def _add_facts(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, read in _facts.items():
        if name not in event and (value := read()) is not None:
            event[name] = value
    return event


def configure(service: str, settings: ServiceSettings) -> None:
    """What a process does first: logs, and error reports and traces if it is told where to."""
    release = settings.release or f"crossbook@{version('crossbook')}"
    more: list[structlog.types.Processor] = []
    if settings.traces_url:
        more.append(_trace(service, release, settings))
    if settings.sentry_dsn is not None:
        more.append(_report(service, release, settings.sentry_dsn.get_secret_value(), settings.environment))
    configure_logging(service, settings.log_level, *more)


def _trace(service: str, release: str, settings: ServiceSettings) -> structlog.types.Processor:
    """Begin with traces; what is returned adds to log lines what they belong to."""
    from services.infra import trace_export

    trace_export.start(
        settings.traces_url,
        ratio=settings.traces_ratio,
        service=service,
        release=release,
        environment=settings.environment,
        credential=f"Bearer {settings.internal_token.get_secret_value()}",
    )
    return traces.add_trace


def _report(service: str, release: str, dsn: str, environment: str) -> structlog.types.Processor:
    """Begin with error reports; what is returned makes them of log lines."""
    # Importing the SDK takes 0.2 s, which only those who report pay.
    from services.infra import error_reports

    error_reports.start(dsn, service=service, release=release, environment=environment)

    def report(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event.get("level") in ("error", "critical"):
            error_reports.report(event)
        return event

    return report


def configure_logging(service: str, level: str, *more: structlog.types.Processor) -> None:
    """Send structlog and the standard library's loggers through one JSON formatter; ``more`` see every event."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_facts,
        *more,
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # At INFO it writes the path and the query of every WebSocket.
    logging.getLogger("uvicorn.error").setLevel("WARNING")
    # One line per outgoing request would be one line per batch.
    logging.getLogger("httpx").setLevel("WARNING")
    logging.getLogger("httpcore").setLevel("WARNING")
    structlog.contextvars.bind_contextvars(service=service)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger(name)


async def metrics(_request: Request) -> Response:
    """Serve this process's metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
