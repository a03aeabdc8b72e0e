"""A gate before an HTTP application: it refuses requests where they are read, at a fraction of what any answer costs.

A process that is asked for five times what it can do spends itself on refusals unless those are cheap. So uvicorn's
protocol asks the gate when the headers are complete; whom it refuses gets ready-made bytes, and there is no task, no
ASGI, no routing. The few that come otherwise (pipelined, or waiting for ``100 Continue``) are asked in ``GateKeeper``,
the outermost layer of the application, which also tells the gate when a request has ended.

While many are refused even parsing is too dear: a request that arrived whole, in the shape that nearly all have, is
turned away by a look at its bytes. Clients send the same headers again and again, so what a look at them found is kept.
Whatever is not certainly one such request goes to the parser.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from services.infra.http_protocol import PatientProtocol
from services.infra.request_ids import REQUEST_ID_HEADER, request_id

# Where in the scope a request that was let in has its ticket.
TICKET: Final = "crossbook.ticket"
# A refused request's body is read and thrown away; who sends more than this is not listened to any longer.
IGNORED_BYTES_MAX: Final = 64 * 1024

# What is kept of headers: of so many different ones, each so long at most.
KNOWN_MAX: Final = 2048
KNOWN_BYTES_MAX: Final = 1024

_ID: Final = REQUEST_ID_HEADER.lower().encode("ascii")
_REQUEST_LINE: Final = re.compile(rb"(GET|POST|PUT|DELETE) (/[^ \r\n]*) HTTP/1\.1\r\n")
# What may make another end of the message than its length, or of the connection than ever; in lower case.
_UNUSUAL: Final = re.compile(rb"\r\n(?:[ \t]|transfer-encoding|expect|upgrade|connection(?!: keep-alive\r\n))|[^\r]\n")
_LENGTH: Final = b"\r\ncontent-length"
_USUAL_LENGTH: Final = re.compile(rb"\r\ncontent-length: ?(\d{1,6})\r\n")


class Gate(Protocol):
    """``refusal`` is what those are answered that are not let in: a JSON body with status 503.

    ``caller_header`` names in lower case the header that says who calls.
    """

    refusal: bytes
    caller_header: bytes

    @property
    def may_refuse(self) -> bool:
        """It is worth asking ``turns_away``."""

    def turns_away(self, method: str, caller: bytes) -> bool:
        """Whether a request is refused that has not been parsed; if not, nothing has happened."""

    def concerns(self, target: bytes) -> bool:
        """Whether requests for this path and query pass the gate at all."""

    def enter(self, scope: Scope, *, is_crowded: bool) -> object | None:
        """A ticket, or None if the request is refused. All connections are taken if it ``is_crowded``.

        Of the scope only ``method``, ``headers`` and ``client`` can be relied on.
        """

    def leave(self, ticket: Any) -> None:
        """The request is answered, or nobody waits for the answer any more."""


class GateKeeper:
    """The outermost layer of an application behind a gate."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._gate.concerns(scope["path"].encode()):
            await self._app(scope, receive, send)
            return
        ticket = scope.pop(TICKET, None) or self._gate.enter(scope, is_crowded=False)
        if ticket is None:
            await _refuse(self._gate, scope, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._gate.leave(ticket)


async def _refuse(gate: Gate, scope: Scope, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(gate.refusal)),
        (_ID, _id_of(scope)),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": gate.refusal})


def _id_of(scope: Scope) -> bytes:
    given = next((value for name, value in scope["headers"] if name == _ID), b"")
    return request_id(given.decode("latin-1")).encode("ascii")


class Answers:
    """Made once for each set of headers that the server puts before every answer: these, and the refusal as a whole."""

    def __init__(self, refusal: bytes) -> None:
        self._refusal = refusal
        self._headers: list[tuple[bytes, bytes]] = []
        self._common = b""
        self._before_id = self._begin(b"")
        self._after_id = b"\r\n\r\n" + refusal

    def common(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The server makes a new list when one of them changes."""
        if headers is not self._headers:
            self._headers, self._common = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
            self._before_id = self._begin(self._common)
        return self._common

    def kept(self, headers: list[tuple[bytes, bytes]], own_id: bytes) -> bytes:
        self.common(headers)
        return self._before_id + own_id + self._after_id

    def last(self, headers: list[tuple[bytes, bytes]], own_id: bytes) -> bytes:
        return self._begin(self.common(headers) + b"connection: close\r\n") + own_id + self._after_id

    def _begin(self, common: bytes) -> bytes:
        return b"HTTP/1.1 503 Service Unavailable\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n%b: " % (
            common,
            len(self._refusal),
            _ID,
        )


class Seen(NamedTuple):
    """What headers say of a request of the usual shape."""

    body_bytes: int
    caller: bytes
    # As the client wrote it; empty without one.
    own_id: bytes


class Headers:
    """What is to be known of the headers of whole requests, without parsing them."""

    def __init__(self, caller_header: bytes) -> None:
        self._caller_header = caller_header
        self._known: dict[bytes, Seen | None] = {}

    def look(self, headers: bytes) -> Seen | None:
        """None unless they are usual. They begin with the end of the line before, and end with that of the last."""
        try:
            return self._known[headers]
        except KeyError:
            seen = self._look_closely(headers)
        if len(headers) <= KNOWN_BYTES_MAX and not (seen is not None and seen.own_id):
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[headers] = seen
        return seen

    def _look_closely(self, headers: bytes) -> Seen | None:
        lower = headers.lower()
        if _UNUSUAL.search(lower):
            return None
        length = _USUAL_LENGTH.search(lower)
        caller = _value(headers, lower, self._caller_header)
        if lower.count(_LENGTH) != (length is not None) or not caller:
            return None
        return Seen(int(length[1]) if length else 0, caller, _value(headers, lower, _ID))


def _value(headers: bytes, lower: bytes, name: bytes) -> bytes:
    """Of a header, as the client wrote it; empty without one. ``lower`` are the same in lower case."""
    at = lower.find(b"\r\n%b: " % name)
    return b"" if at < 0 else headers[at + len(name) + 4 : headers.find(b"\r\n", at + 2)]


class GatedProtocol(PatientProtocol):
    """uvicorn's protocol with a gate. One request at a time is read from a connection, and answered, as ever."""

    def __init__(
        self, gate: Gate, answers: Answers, headers: Headers, request_timeout_s: float, **made_with: Any
    ) -> None:
        super().__init__(request_timeout_s, **made_with)
        self._gate = gate
        self._answers = answers
        self._headers = headers
        self._is_refused = False
        self._ignored_bytes = 0
        # When this connection was last done with a request.
        self._idle_since_s = 0.0

    def data_received(self, data: bytes) -> None:
        own_id = self._turn_away(data) if not self._is_arriving and self._gate.may_refuse else None
        if own_id is not None:
            self._forget_arrival()
            self.transport.write(self._answers.kept(self.server_state.default_headers, own_id))
            self._await_next()
        else:
            super().data_received(data)

    # uvicorn sets the timer for idle connections anew with each answer and takes it back with each request. For one
    # that is turned away that would cost as much as all else that is done for it. So here it runs on.

    def _unset_keepalive_if_required(self) -> None:
        """What uvicorn calls for each request and each answer."""

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._await_next()

    def timeout_keep_alive_handler(self) -> None:
        is_idle = self._is_idle() and not self._is_arriving
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time() if is_idle else self.timeout_keep_alive
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def handle_websocket_upgrade(self) -> None:
        # From here on the connection is another protocol's.
        super()._unset_keepalive_if_required()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    def on_headers_complete(self) -> None:
        if self._is_for_gate():
            scope = cast(Scope, self.scope)
            scope["method"] = self.parser.get_method().decode("ascii")
            ticket = self._gate.enter(scope, is_crowded=self._is_crowded())
            if ticket is None:
                self._is_refused, self._ignored_bytes = True, 0
                return
            self._begin(ticket)
        else:
            super().on_headers_complete()

    def _begin(self, ticket: object) -> None:
        """A request is let in. Its headers are here."""
        cast(Scope, self.scope)[TICKET] = ticket
        try:
            super().on_headers_complete()
        except BaseException:
            # It never reaches the application.
            self._gate.leave(ticket)
            raise

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)
            return
        self._ignored_bytes += len(body)
        if self._ignored_bytes > IGNORED_BYTES_MAX:
            self.transport.close()

    def on_message_complete(self) -> None:
        self._is_arriving = False
        if not self._is_refused:
            super().on_message_complete()
            return
        self._is_refused = False
        headers, own_id = self.server_state.default_headers, _id_of(cast(Scope, self.scope))
        if self.parser.should_keep_alive():
            self.transport.write(self._answers.kept(headers, own_id))
            self._await_next()
        else:
            self.transport.write(self._answers.last(headers, own_id))
            self.transport.close()

    def _await_next(self) -> None:
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _turn_away(self, data: bytes) -> bytes | None:
        """The id of a request that is refused. The data must be one whole request, so that where the next one begins is
        certain.
        """
        line, end = _REQUEST_LINE.match(data), data.find(b"\r\n\r\n")
        if line is None or end < 0 or not self._is_idle() or not self._gate.concerns(line[2]):
            return None
        seen = self._headers.look(data[line.end() - 2 : end + 2])
        if seen is None or len(data) - end - 4 != seen.body_bytes:
            return None
        if not self._gate.turns_away(line[1].decode("ascii"), seen.caller):
            return None
        return request_id(seen.own_id.decode("latin-1")).encode("ascii")

    def _is_crowded(self) -> bool:
        """When uvicorn would answer, in words of its own, that there is no room."""
        limit = self.limit_concurrency
        return limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)

    def _is_idle(self) -> bool:
        """Nothing that came earlier is still to be answered."""
        # None before the first request, whatever uvicorn says of its type.
        cycle = cast(RequestResponseCycle | None, self.cycle)
        return (cycle is None or cycle.response_complete) and not self.pipeline

    def _is_for_gate(self) -> bool:
        return (
            self._is_idle()
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
            and self._gate.concerns(self.url)
        )


def behind(gate: Gate, request_timeout_s: float) -> Callable[..., GatedProtocol]:
    """What uvicorn makes for each connection."""
    return partial(GatedProtocol, gate, Answers(gate.refusal), Headers(gate.caller_header), request_timeout_s)
