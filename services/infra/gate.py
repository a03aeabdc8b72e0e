"""A gate before an HTTP application: it refuses requests where they are read, at a fraction of what any answer costs.

A process that is asked for five times what it can do spends itself on refusals unless those are cheap. So uvicorn's
protocol asks the gate when the headers are complete; whom it refuses gets ready-made bytes, and there is no task, no
ASGI, no routing. The few that come otherwise (pipelined, or waiting for ``100 Continue``) are asked in ``GateKeeper``,
the outermost layer of the application, which also tells the gate when a request has ended.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Where in the scope a request that was let in has its ticket.
TICKET: Final = "crossbook.ticket"
# A refused request's body is read and thrown away; who sends more than this is not listened to any longer.
IGNORED_BYTES_MAX: Final = 64 * 1024


class Gate(Protocol):
    """``refusal`` is what those are answered that are not let in: a JSON body with status 503."""

    refusal: bytes

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
            await _refuse(self._gate, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._gate.leave(ticket)


async def _refuse(gate: Gate, send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(gate.refusal))]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": gate.refusal})


class GatedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a gate. One request at a time is read from a connection, and answered, as ever."""

    def __init__(self, gate: Gate, **made_with: Any) -> None:
        super().__init__(**made_with)
        self._gate = gate
        self._is_refused = False
        self._ignored_bytes = 0

    def on_headers_complete(self) -> None:
        if self._is_for_gate():
            scope = cast(Scope, self.scope)
            scope["method"] = self.parser.get_method().decode("ascii")
            ticket = self._gate.enter(scope, is_crowded=self._is_crowded())
            if ticket is None:
                self._is_refused, self._ignored_bytes = True, 0
                return
            scope[TICKET] = ticket
            try:
                super().on_headers_complete()
            except BaseException:
                # It never reaches the application.
                self._gate.leave(ticket)
                raise
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)
            return
        self._ignored_bytes += len(body)
        if self._ignored_bytes > IGNORED_BYTES_MAX:
            self.transport.close()

    def on_message_complete(self) -> None:
        if not self._is_refused:
            super().on_message_complete()
            return
        self._is_refused = False
        is_kept = self.parser.should_keep_alive()
        self.transport.write(self._answer(is_kept=is_kept))
        if not is_kept:
            self.transport.close()
            return
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _is_crowded(self) -> bool:
        """When uvicorn would answer, in words of its own, that there is no room."""
        limit = self.limit_concurrency
        return limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)

    def _is_for_gate(self) -> bool:
        # None before the first request, whatever uvicorn says of its type.
        cycle = cast(RequestResponseCycle | None, self.cycle)
        is_first = cycle is None or cycle.response_complete
        return (
            is_first
            and not self.pipeline
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
            and self._gate.concerns(self.url)
        )

    def _answer(self, *, is_kept: bool) -> bytes:
        headers = b"".join(b"%b: %b\r\n" % header for header in self.server_state.default_headers)
        kept = b"" if is_kept else b"connection: close\r\n"
        return (
            b"HTTP/1.1 503 Service Unavailable\r\n%b%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (headers, kept, len(self._gate.refusal), self._gate.refusal)
        )


def behind(gate: Gate) -> Callable[..., GatedProtocol]:
    """What uvicorn makes for each connection."""
    return partial(GatedProtocol, gate)
