"""Error reports to Sentry: what went wrong, where in the code, in which release; never whose request it was.

Nothing is collected behind our back: every integration that looks around is off, there are no breadcrumbs, no local
variables, no request and no host name. What is sent is what a log line of level ``error`` or ``critical`` says: its
event name, its exception with the stack, and those of its fields that are in ``TAGS``. Texts of exceptions may quote
what a client sent, so addresses, query strings and anything that looks like a key are taken out of them (``scrub``).

At most ``QUEUE_LIMIT`` reports wait to be sent, by a thread of their own; more are dropped. Nothing waits for Sentry.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import sentry_sdk
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.types import Event, Hint

QUEUE_LIMIT: Final = 100
SHUTDOWN_TIMEOUT_S: Final = 2
TEXT_CHARS_MAX: Final = 500
TAGS: Final = frozenset({"service", "request_id", "sequence", "epoch", "route", "path", "reason", "logger"})
_KEPT: Final = frozenset(
    {"event_id", "timestamp", "platform", "level", "message", "logentry", "exception", "tags", "release", "environment"}
)

_SCRUBBED: Final = (
    (re.compile(r"[^\s@'\"(<=]+@[^\s@'\")>,;]+"), "[address]"),
    (re.compile(r"\?[^\s'\"]+"), "?[query]"),
    (re.compile(r"\b(signature|token|secret|password|apiKey|api_key)([=:]\s*)\S+", re.IGNORECASE), r"\1\2[removed]"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "[address]"),
    (re.compile(r"\b(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}\b"), "[address]"),
    (re.compile(r"\b[A-Za-z0-9+/_-]{32,}={0,2}"), "[key]"),
)


def scrub(text: str) -> str:
    for pattern, replacement in _SCRUBBED:
        text = pattern.sub(replacement, text)
    return text[:TEXT_CHARS_MAX]


def start(dsn: str, *, service: str, release: str, environment: str) -> None:
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        server_name="",
        default_integrations=False,
        auto_enabling_integrations=False,
        # The server logs once more what a handler has logged.
        integrations=[DedupeIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        traces_sample_rate=None,
        auto_session_tracking=False,
        send_client_reports=False,
        transport_queue_size=QUEUE_LIMIT,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        before_send=_strip,
    )
    sentry_sdk.set_tag("service", service)


def report(event: Mapping[str, Any]) -> None:
    """Send what a log line says; ``exc_info`` is whatever ``logging`` takes for one."""
    level = str(event.get("level", "error"))
    message = scrub(str(event.get("event", "")))
    with sentry_sdk.new_scope() as scope:
        scope.set_level("fatal" if level == "critical" else "error")
        scope.set_tag("event", message)
        for name in TAGS & event.keys():
            scope.set_tag(name, scrub(str(event[name])))
        exception = _exception(event.get("exc_info"))
        if exception is None:
            sentry_sdk.capture_message(message)
        else:
            sentry_sdk.capture_exception(exception)


def stop() -> None:
    """Wait a moment for what is still to be sent."""
    sentry_sdk.flush(SHUTDOWN_TIMEOUT_S)


def _exception(given: Any) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        found = given[1]
        return found if isinstance(found, BaseException) else None
    return sys.exc_info()[1] if given else None


def _strip(event: Event, _hint: Hint) -> Event:
    """The last line of defence: only what is named here leaves, and texts are scrubbed."""
    for name in event.keys() - _KEPT:
        del event[name]  # type: ignore[misc]
    for value in event.get("exception", {}).get("values", []):
        value["value"] = scrub(str(value.get("value") or ""))
        for frame in value.get("stacktrace", {}).get("frames", []):
            frame.pop("vars", None)
            frame.pop("abs_path", None)
    return event
