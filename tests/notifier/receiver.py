"""Somebody's webhook endpoint: a real HTTP server that checks signatures and misbehaves on request."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.notifier.channels.signatures import SIGNATURE_HEADER, signature
from tests.running import free_port

from .conftest import listening


@dataclass
class Receiver:
    """``answers`` are given one after the other, then 204; 0 stands for no answer at all."""

    port: int
    answers: list[int] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    signatures: list[tuple[str, bytes]] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?from=crossbook"

    @property
    def notice_ids(self) -> list[str]:
        return [body["noticeId"] for body in self.bodies]

    def is_signed_with(self, secret: str) -> bool:
        """Every request so far."""
        return all(
            signature(secret, body, int(given.partition(",")[0].removeprefix("t="))) == given
            for given, body in self.signatures
        )

    async def take(self, request: Request) -> Response:
        body = await request.body()
        self.arrived_s.append(time.monotonic())
        self.bodies.append(msgspec.json.decode(body))
        self.headers.append(dict(request.headers))
        self.signatures.append((request.headers[SIGNATURE_HEADER], body))
        status = self.answers.pop(0) if self.answers else 204
        if status == 0:
            await asyncio.sleep(3600)
        location = {"Location": f"http://127.0.0.1:{self.port}/elsewhere"} if status == 302 else {}
        return Response(status_code=status, headers=location)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver(free_port())
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with listening(app, receiver.port):
        yield receiver
