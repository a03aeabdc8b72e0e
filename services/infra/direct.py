"""An application whose hot routes are found by one look-up and served without the layers around all others.

Starlette tries the pattern of one route after the other, and each of its layers wraps ``send`` once more: with those
of FastAPI that took a fifth of an order's processor time (docs/performance.md). What the layers of ``web`` do for every
route is done here in one place: request id, body limit, their answers. Handlers catch what else may go wrong.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, NamedTuple

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.infra import traces
from services.infra.gate import Gate, GateKeeper
from services.infra.request_ids import REQUEST_ID_HEADER, request_id
from services.infra.web import BodyTooLarge

JSON: Final = b"application/json"
_REQUEST_ID_HEADER: Final = REQUEST_ID_HEADER.lower().encode()


class Incoming:
    """One request. Of a header that is repeated the first counts; names are in lower case."""

    __slots__ = ("_headers", "_limit_bytes", "_receive", "request_id", "scope")

    def __init__(self, scope: Scope, receive: Receive, limit_bytes: int) -> None:
        self.scope = scope
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self.request_id = request_id(self.header(_REQUEST_ID_HEADER))

    def header(self, name: bytes) -> str | None:
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def declares_too_much(self) -> bool:
        declared = self._headers.get(b"content-length")
        return declared is not None and declared.isdigit() and int(declared) > self._limit_bytes

    async def body(self) -> bytes:
        """Raise BodyTooLarge as soon as that is certain, and ClientDisconnect if the rest will not come."""
        message = await self._receive()
        body: bytes = _part(message)
        if not message.get("more_body", False) and len(body) <= self._limit_bytes:
            return body
        parts, size = [body], len(body)
        while size <= self._limit_bytes:
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await self._receive()
            parts.append(_part(message))
            size += len(parts[-1])
        raise BodyTooLarge


class Outgoing(NamedTuple):
    """One reply."""

    content: bytes
    status: int = 200
    headers: Mapping[str, str] | None = None
    media_type: bytes = JSON


Handler = Callable[[Incoming], Coroutine[Any, Any, Outgoing]]
TooLarge = Callable[[Scope], Awaitable[Outgoing]]


class DirectApp(FastAPI):
    """FastAPI, with direct routes beside the others, behind a gate if there is one.

    ``too_large`` answers for bodies over ``limit_bytes``.
    """

    def __init__(self, *, limit_bytes: int, too_large: TooLarge, gate: Gate | None = None, **how: Any) -> None:
        super().__init__(telemetry=traces.NONE_OF_FASTAPI, **how)
        self._gated = self._dispatch if gate is None else GateKeeper(self._dispatch, gate)
        self.limit_bytes = limit_bytes
        self._too_large = too_large
        self._handlers: dict[tuple[str, str], Handler] = {}

    def add_direct_route(self, method: str, path: str, handler: Handler, **documentation: Any) -> None:
        """With ``documentation``, as for ``add_api_route``, the route is in OpenAPI."""
        if traces.is_on:
            handler = _traced(path, handler)
        self._handlers[method, path] = handler
        if method == "GET":
            # The server leaves the body out.
            self._handlers["HEAD", path] = handler

        async def serve(request: Request) -> Response:
            outgoing = await handler(Incoming(request.scope, request.receive, self.limit_bytes))
            return Response(outgoing.content, outgoing.status, outgoing.headers, outgoing.media_type.decode())

        # By which the router knows the path, and answers for methods that it does not have.
        if documentation:
            serve.__name__ = handler.__name__
            self.add_api_route(path, serve, methods=[method], response_class=Response, **documentation)
        else:
            self.add_route(path, serve, methods=[method], include_in_schema=False)

    def handler(self, method: str, path: str) -> Handler | None:
        """What serves this direct route, if it is one."""
        return self._handlers.get((method, path))

    async def answer(self, handler: Handler, incoming: Incoming) -> Outgoing | None:
        """None if nobody is left to answer."""
        # As ``web.RequestId`` does, and for its reasons.
        structlog.contextvars.bind_contextvars(request_id=incoming.request_id)
        try:
            if incoming.declares_too_much:
                raise BodyTooLarge
            return await handler(incoming)
        except BodyTooLarge:
            return await self._too_large(incoming.scope)
        except ClientDisconnect:
            return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gated(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self.handler(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if handler is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        incoming = Incoming(scope, receive, self.limit_bytes)
        outgoing = await self.answer(handler, incoming)
        if outgoing is not None:
            await send(_start(outgoing, incoming.request_id))
            await send({"type": "http.response.body", "body": outgoing.content})


def _traced(path: str, handler: Handler) -> Handler:
    async def trace(incoming: Incoming) -> Outgoing:
        with traces.request(incoming.scope["method"], path, incoming.header, incoming.request_id) as span:
            try:
                outgoing = await handler(incoming)
            except BodyTooLarge:
                traces.answered(span, 413)
                raise
            except Exception as error:
                traces.failed(span, type(error).__qualname__)
                raise
            traces.answered(span, outgoing.status)
        return outgoing

    trace.__name__ = handler.__name__
    return trace


def _start(outgoing: Outgoing, request_id: str) -> Message:
    headers = [
        (b"content-length", b"%d" % len(outgoing.content)),
        (b"content-type", outgoing.media_type),
        (_REQUEST_ID_HEADER, request_id.encode("ascii")),
    ]
    if outgoing.headers:
        headers += [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in outgoing.headers.items()]
    return {"type": "http.response.start", "status": outgoing.status, "headers": headers}


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    return part
