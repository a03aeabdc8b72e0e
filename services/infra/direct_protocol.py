"""Direct routes are answered where they are read: uvicorn's protocol calls their handlers, with no ASGI between.

uvicorn's cycle and ASGI's messages cost a quarter as much as all that an order does here (docs/performance.md). So the
protocol keeps the usual request for itself: for a direct route, one at a time, HTTP/1.1, with a declared length within
the limit or no body. It collects the body, runs the handler in a task, as uvicorn runs an application, and writes the
answer in one piece. Whatever is not certainly such a request goes the way of all others, through ``DirectApp``, and is
answered the same.

Everything else stays uvicorn's: parsing, connections, pipelines, WebSockets, the end of the server. To it an
``_Exchange`` is a cycle like its own.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from services.infra.direct import DirectApp, Handler, Incoming, Outgoing
from services.infra.gate import Answers, Gate, GatedProtocol, Headers

_FAILED: Final = Outgoing(b"Internal Server Error", 500, media_type=b"text/plain; charset=utf-8")

_log: Final = logging.getLogger("uvicorn.error")


class _Whole(Incoming):
    """A request whose body is here before its handler runs."""

    __slots__ = ("content",)

    # Or it would not be here.
    declares_too_much = False

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope, _never, 0)
        self.content = b""

    async def body(self) -> bytes:
        return self.content


async def _never() -> Any:
    raise AssertionError("the body is here already")


class _Exchange:
    """One request and its answer. The rest of uvicorn's protocol looks at it as at a cycle of its own."""

    __slots__ = (
        "disconnected",
        "handler",
        "incoming",
        "is_begun",
        "keep_alive",
        "response_complete",
        "response_started",
        "task",
        "ticket",
    )

    def __init__(self, handler: Handler, incoming: _Whole, ticket: object, *, keep_alive: bool) -> None:
        self.handler = handler
        self.incoming = incoming
        self.ticket = ticket
        self.keep_alive = keep_alive
        self.is_begun = self.disconnected = self.response_started = self.response_complete = False
        self.task: asyncio.Task[None] | None = None

    @property
    def message_event(self) -> "_Exchange":
        """What uvicorn sets when a connection is lost. Nobody waits for it here: the handler ends by itself."""
        return self

    def set(self) -> None:
        """Nothing waits."""


class DirectProtocol(GatedProtocol):
    """``app`` has the direct routes."""

    def __init__(
        self,
        app: DirectApp,
        gate: Gate,
        answers: Answers,
        headers: Headers,
        request_timeout_s: float,
        **made_with: Any,
    ) -> None:
        super().__init__(gate, answers, headers, request_timeout_s, **made_with)
        self._direct = app
        # The request that is arriving or being answered, if it is one of those that are kept here.
        self._exchange: _Exchange | None = None

    def _begin(self, ticket: object) -> None:
        exchange = self._keep(ticket)
        if exchange is None:
            super()._begin(ticket)
        else:
            self._exchange = exchange
            self.cycle = cast(RequestResponseCycle, exchange)

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.is_begun:
            super().on_body(body)
        else:
            exchange.incoming.content += body

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or exchange.is_begun:
            super().on_message_complete()
            return
        self._is_arriving = False
        exchange.is_begun = True
        self._answering = self.cycle
        exchange.task = self.loop.create_task(self._answer(exchange))
        self.tasks.add(exchange.task)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        exchange = self._exchange
        if exchange is not None and not exchange.is_begun:
            # Nobody will ever handle it.
            self._exchange = None
            self._gate.leave(exchange.ticket)

    def _keep(self, ticket: object) -> _Exchange | None:
        """None for a request that goes through the application."""
        scope = cast(Scope, self.scope)
        target, _, query = self.url.partition(b"?")
        # A fragment is not part of the query. Without %, the path is as it is written.
        path = target.decode("latin-1")
        handler = None if b"#" in query else self._direct.handler(scope["method"], path)
        if handler is None or self.parser.get_http_version() != "1.1" or scope["method"] == "HEAD":
            return None
        scope["app"], scope["path"], scope["query_string"] = self._direct, path, query
        incoming = _Whole(scope)
        if not self._declares_little(incoming):
            return None
        return _Exchange(handler, incoming, ticket, keep_alive=self.parser.should_keep_alive())

    def _declares_little(self, incoming: _Whole) -> bool:
        """The parser has seen to it that there is one length, and that it is a number."""
        length = incoming.header(b"content-length")
        if length is None:
            return incoming.header(b"transfer-encoding") is None
        return int(length) <= self._direct.limit_bytes

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            outgoing = await self._direct.answer(exchange.handler, exchange.incoming)
        except BaseException as error:
            # As uvicorn does with an application that fails, or is cancelled because the server will not wait for it.
            _log.error("Exception in a direct route\n", exc_info=error)
            exchange.keep_alive = False
            outgoing = _FAILED
        finally:
            self._exchange = None
            self._gate.leave(exchange.ticket)
        try:
            if self.flow.write_paused and not exchange.disconnected:
                await self.flow.drain()
            if outgoing is not None and not exchange.disconnected:
                self._write(outgoing, exchange)
        finally:
            self.tasks.discard(cast("asyncio.Task[None]", exchange.task))

    def _write(self, outgoing: Outgoing, exchange: _Exchange) -> None:
        exchange.response_started = exchange.response_complete = True
        more = b"" if outgoing.headers is None else b"".join(map(_line, outgoing.headers.items()))
        if not exchange.keep_alive:
            more += b"connection: close\r\n"
        self.transport.write(
            b"%b%bcontent-length: %d\r\ncontent-type: %b\r\nx-request-id: %b\r\n%b\r\n%b"
            % (
                STATUS_LINE[outgoing.status],
                self._answers.common(self.server_state.default_headers),
                len(outgoing.content),
                outgoing.media_type,
                exchange.incoming.request_id.encode("ascii"),
                more,
                outgoing.content,
            )
        )
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


def _line(header: tuple[str, str]) -> bytes:
    return f"{header[0].lower()}: {header[1]}\r\n".encode("latin-1")


def direct(app: DirectApp, gate: Gate, request_timeout_s: float) -> Callable[..., DirectProtocol]:
    """What uvicorn makes for each connection."""
    return partial(DirectProtocol, app, gate, Answers(gate.refusal), Headers(gate.caller_header), request_timeout_s)
