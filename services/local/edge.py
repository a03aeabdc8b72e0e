"""The one public port of a local exchange: the trading service, with the other services and the terminal behind it.

In production a gateway (Kong) routes by path. Here one ASGI application does:

    /auth/* and /.well-known/*   forwarded to the auth process
    /notifier/v1/*, /outbox      forwarded to the notifier
    /wallet/v1/*, /admin/v1/*    forwarded to the back office
    the web terminal             ``page.py``; paths of the API are never its
    /local/v1/demo-funds         ``demo_funds.py``, where the local run gives play money
    everything else              the trading application, in this process

Internal routes stay internal: only those prefixes are forwarded, and a path with dot segments is no path.

If asked to, it listens on a second port with TLS too, for clients that refuse anything else; behind both ports is one
application.
"""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI
from pydantic import Field, model_validator
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.infra import telemetry, web
from services.local import demo_funds
from services.local.data_directory import DataDirectory
from services.local.page import Page
from services.trading.app import before_shutdown, create_app, protocol
from services.trading.settings import TradingSettings

API: Final = "/api/"
MAX_BODY_BYTES: Final = 64 * 1024
CONNECT_TIMEOUT_S: Final = 1.0
# Hashing passwords takes its turn.
RESPONSE_TIMEOUT_S: Final = 15.0
MAX_CONNECTIONS: Final = 32
# RFC 9110, section 7.6.1: these concern one connection only.
HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
# What a client says here about others is hearsay; the edge says it itself.
FORWARDING: Final = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})

_log = telemetry.logger(__name__)


class EdgeSettings(TradingSettings):
    """With TLS, all three are told; without it, none.

    ``demo_funds`` lets everybody who signs in have play money, deposited through the exchange in ``local_directory``.
    """

    notifier_url: str
    backoffice_url: str
    local_directory: Path
    demo_funds: bool = False
    tls_port: int | None = Field(default=None, ge=1, le=65535)
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None

    def tls(self) -> web.TlsListener | None:
        if self.tls_port is None or self.tls_certificate_file is None or self.tls_key_file is None:
            return None
        return web.TlsListener(self.tls_port, self.tls_certificate_file, self.tls_key_file)

    @model_validator(mode="after")
    def _is_whole(self) -> "EdgeSettings":
        if len({self.tls_port is None, self.tls_certificate_file is None, self.tls_key_file is None}) > 1:
            raise ValueError("TLS takes a port, a certificate file and a key file")
        return self


class Edge:
    """Routes by path; the application's lifespan is also the forwarder's."""

    def __init__(self, trading: FastAPI, settings: EdgeSettings) -> None:
        self._trading = trading
        self._page = Page(demo_funds=settings.demo_funds)
        self._demo_funds = (
            demo_funds.DemoFunds(DataDirectory(settings.local_directory), trading) if settings.demo_funds else None
        )
        auth = Forwarder("auth", settings.auth_url)
        notifier = Forwarder("notifier", settings.notifier_url)
        backoffice = Forwarder("backoffice", settings.backoffice_url)
        # The first that a path begins with.
        self._forwarders: Mapping[str, Forwarder] = {
            "/auth/": auth,
            "/.well-known/": auth,
            "/notifier/v1/": notifier,
            "/outbox": notifier,
            "/wallet/v1/": backoffice,
            "/admin/v1/": backoffice,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API):
            # Nothing else is there, and orders should not wait for us to find that out.
            await self._trading(scope, receive, send)
            return
        forwarder = self._forwarder(scope)
        if forwarder is not None:
            await forwarder(scope, receive, send)
            return
        if self._page.takes(scope):
            await self._page(scope, receive, send)
            return
        if self._demo_funds is not None and scope["type"] == "http" and scope["path"] == demo_funds.PATH:
            await self._demo_funds(scope, receive, send)
            return
        try:
            await self._trading(scope, receive, send)
        finally:
            if scope["type"] == "lifespan":
                for forwarder in self._forwarders.values():
                    await forwarder.close()

    def _forwarder(self, scope: Scope) -> "Forwarder | None":
        if scope["type"] != "http":
            return None
        found = (to for prefix, to in self._forwarders.items() if scope["path"].startswith(prefix))
        return next(found, None)


class Forwarder:
    """Passes a request on to a service with its body read, and the answer back as it arrives."""

    def __init__(self, service: str, upstream_url: str) -> None:
        self._service = service
        self._upstream = httpx.URL(upstream_url)
        self._unavailable = _refuse(502, f"{service}_unavailable", "Not available now; try again in a few seconds.")
        self._bounded = web.BodyLimit(
            self._forward, MAX_BODY_BYTES, _refuse(413, "body_too_large", "Send a smaller request.")
        )
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(RESPONSE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._bounded(scope, receive, send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if any(segment in {".", ".."} for segment in scope["path"].split("/")):
            await _refuse(404, "not_found", "There is nothing here; check the path.")(scope, receive, send)
            return
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        try:
            answer = await self._client.send(self._outgoing(request, body), stream=True)
        except httpx.HTTPError as error:
            _log.warning("service_unreachable", upstream=self._service, reason=type(error).__name__)
            await self._unavailable(scope, receive, send)
            return
        try:
            await _relay(answer)(scope, receive, send)
        finally:
            await answer.aclose()

    def _outgoing(self, request: Request, body: bytes) -> httpx.Request:
        target = request.scope.get("raw_path") or request.url.path.encode()
        if request.scope["query_string"]:
            target += b"?" + request.scope["query_string"]
        outgoing = httpx.Request(request.method, self._upstream.copy_with(raw_path=target), content=body)
        outgoing.headers = httpx.Headers([*_end_to_end(request.headers.raw), *_forwarding(request)])
        outgoing.headers["Content-Length"] = str(len(body))
        return outgoing


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Drop what concerns only the connection the headers came over."""
    options = [value for key, value in headers if key.lower() == b"connection"]
    named = {name.strip() for value in options for name in value.lower().split(b",")}
    dropped = {name.encode() for name in HOP_BY_HOP | FORWARDING} | named
    return [(key, value) for key, value in headers if key.lower() not in dropped]


def _forwarding(request: Request) -> list[tuple[bytes, bytes]]:
    client = request.client.host if request.client is not None else "unknown"
    return [
        (b"x-forwarded-for", client.encode()),
        (b"x-forwarded-proto", request.url.scheme.encode()),
        (b"x-forwarded-host", request.headers.get("host", "").encode()),
    ]


def _relay(answer: httpx.Response) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        async for chunk in answer.aiter_raw():
            yield chunk

    response = StreamingResponse(body(), status_code=answer.status_code)
    received = [(key.lower(), value) for key, value in answer.headers.raw]
    # This server dates its answers itself.
    response.raw_headers = [(key, value) for key, value in _end_to_end(received) if key != b"date"]
    return response


def _refuse(status: int, code: str, message: str) -> JSONResponse:
    """An answer in the format of the services behind."""
    return JSONResponse({"code": code, "message": message}, status_code=status)


def main() -> None:
    settings = EdgeSettings()
    telemetry.configure("trading", settings)
    app = create_app(settings)
    web.run(Edge(app, settings), settings, partial(before_shutdown, app), settings.tls(), protocol(app))


if __name__ == "__main__":
    main()
