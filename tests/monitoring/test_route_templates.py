"""What metrics and traces call a route is its whole path, however deep the router lies that it is in."""

import httpx
from fastapi import APIRouter, FastAPI
from starlette.types import Receive, Scope, Send

from services.infra.route_templates import template


async def test_the_whole_path_is_named() -> None:
    inner, outer, app = APIRouter(prefix="/inner"), APIRouter(prefix="/outer"), FastAPI()

    @inner.get("/{number}")
    @app.get("/direct/{number}")
    async def read(number: int) -> int:
        return number

    outer.include_router(inner)
    app.include_router(outer)
    named: list[str | None] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        named.append(template(scope))

    transport = httpx.ASGITransport(app=noting)
    async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
        for path in ("/outer/inner/1", "/direct/2", "/nowhere"):
            await client.get(path)
    assert named == ["/outer/inner/{number}", "/direct/{number}", None]
