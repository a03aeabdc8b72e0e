"""What every HTTP service shares: the body limit, request ids, the internal credential, and how a server runs.

Everything here is plain ASGI. Bodies are bounded before anything parses them, whether or not the client declares a
length; how long they may take is bounded by ``http_protocol.py``.
"""

import asyncio
import hmac
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog
import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.infra import internal_token, traces
from services.infra.http_protocol import patient
from services.infra.memory import begin_collecting
from services.infra.request_ids import REQUEST_ID_HEADER, request_id
from services.infra.settings import ServiceSettings
from services.infra.websocket import PING_INTERVAL_S, PING_TIMEOUT_S, FramingProtocol

MAX_CONNECTIONS: Final = 4096
LISTEN_BACKLOG: Final = 2048
MAX_HEADER_BYTES: Final = 32 * 1024
MAX_MESSAGE_BYTES: Final = 64 * 1024
# For a connection that is not a client's yet, and for one that is no more.
TLS_HANDSHAKE_TIMEOUT_S: Final = 10.0
TLS_SHUTDOWN_TIMEOUT_S: Final = 2.0
# As of `uvicorn` on the command line.
STARTUP_FAILURE: Final = 3

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class BodyTooLarge(Exception):
    """The request's body is larger than the service reads."""


class BodyLimit:
    """Refuse bodies over ``limit_bytes``: at once when declared, else as soon as that much has arrived.

    ``answer`` is the ASGI application that tells the client so, in the service's own error format.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, answer: ASGIApp) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length")
        if declared is not None and declared.isdigit() and int(declared) > self._limit_bytes:
            await self._answer(scope, receive, send)
            return
        received_bytes = 0

        async def receive_bounded() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._limit_bytes:
                raise BodyTooLarge
            return message

        try:
            await self._app(scope, receive_bounded, send)
        except BodyTooLarge:
            await self._answer(scope, receive, send)


class RequestId:
    """Give every request an id: the caller's when it is well formed, else a new one; log it and send it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = traces.Traced(app) if traces.is_on else app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own_id = request_id(Headers(scope=scope).get(REQUEST_ID_HEADER))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = own_id
            await send(message)

        # Never unbound: the server runs each request in a context of its own, and what is logged last, of an exception
        # that nobody handled, is logged outside of this.
        structlog.contextvars.bind_contextvars(request_id=own_id)
        await self._app(scope, receive, send_with_id)


def internal_credential(settings: ServiceSettings) -> dict[str, str]:
    """The header one service shows another."""
    return internal_token.header(settings.internal_token.get_secret_value())


def shows_internal_credential(request: Request, settings: ServiceSettings) -> bool:
    return is_internal_credential(request.headers.get("Authorization", ""), settings)


def is_internal_credential(authorization: str, settings: ServiceSettings) -> bool:
    """Compare in constant time."""
    expected = internal_credential(settings)["Authorization"]
    return hmac.compare_digest(authorization.encode(), expected.encode())


BeforeShutdown = Callable[[], Awaitable[None]]


class TlsListener(NamedTuple):
    """A second port, for clients that speak TLS only. ``certificate_file`` may hold a chain."""

    port: int
    certificate_file: Path
    key_file: Path


def run(
    app: ASGIApp,
    settings: ServiceSettings,
    before_shutdown: BeforeShutdown | None = None,
    tls: TlsListener | None = None,
    http: Callable[..., asyncio.Protocol] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let requests in flight finish.

    ``http`` makes what serves a connection, by default uvicorn's protocol with patience of its own (``http_protocol``).

    ``before_shutdown`` is awaited then, while requests are still served and WebSockets open. With ``tls`` the same
    application, with all it holds, and the same limits are behind two ports.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whose X-Forwarded-For to believe is each service's own decision; by default every local peer's would be.
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=LISTEN_BACKLOG,
        http=http or patient(settings.request_timeout_s),  # type: ignore[arg-type]
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws=FramingProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        # Frames are shared by connections, and a compressor for each would take more memory than anything else here.
        ws_per_message_deflate=False,
    )
    server = _Server(config, before_shutdown, tls)
    begin_collecting()
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, before_shutdown: BeforeShutdown | None, tls: TlsListener | None) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Both ports or none: whoever finds one open may rely on the other."""
        if self._tls is None:
            await super().startup(sockets)
            return
        try:
            secure = await self._bind(self._tls)
        except OSError as error:
            _log.critical("tls_listener_failed", port=self._tls.port, error=str(error))
            sys.exit(STARTUP_FAILURE)
        await super().startup(sockets)
        await secure.start_serving()
        self.servers.append(secure)

    async def _bind(self, tls: TlsListener) -> asyncio.Server:
        """As uvicorn does for its own port; whatever it counts of connections it will count of these too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate_file, tls.key_file)
        context.set_alpn_protocols(["http/1.1"])
        return await asyncio.get_running_loop().create_server(
            self._new_protocol,
            host=self.config.host,
            port=tls.port,
            ssl=context,
            backlog=self.config.backlog,
            ssl_handshake_timeout=TLS_HANDSHAKE_TIMEOUT_S,
            ssl_shutdown_timeout=TLS_SHUTDOWN_TIMEOUT_S,
            start_serving=False,
        )

    def _new_protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._before_shutdown is not None:
            await self._before_shutdown()
        await super().shutdown(sockets)
        if traces.is_on:
            traces.stop()
