"""The outbox of a local run, as a page and as JSON, for whoever sits at this machine and nobody else.

There is no sign-in here, so a request must come from this machine, under a name of this machine: what a page elsewhere
has a browser ask, by whatever name its owner lets point here, is not answered.
"""

import asyncio
import ipaddress
from datetime import datetime
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.requests import Request

from services.infra.problems import NOT_FOUND, Refused, documented
from services.notifier.channels.outbox import Outbox
from services.notifier.rendering import page

SHOWN_MAX: Final = 50
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class KeptView(BaseModel):
    name: str
    at: datetime
    recipient: str
    subject: str
    text: str
    links: list[str]


async def _local_only(request: Request) -> None:
    addresses = [request.client.host] if request.client is not None else [""]
    addresses += [address.strip() for address in request.headers.get("X-Forwarded-For", "").split(",") if address]
    names = [request.headers.get("Host", ""), request.headers.get("X-Forwarded-Host", "localhost")]
    if not all(map(_is_loopback, addresses)) or not all(_without_port(name) in _LOCAL_NAMES for name in names):
        raise Refused(NOT_FOUND)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _without_port(name: str) -> str:
    host, _, port = name.rpartition(":")
    return host if host and port.isdigit() else name


def router(directory: Path) -> APIRouter:
    outbox = Outbox(directory)
    made = APIRouter(tags=["outbox"], dependencies=[Depends(_local_only)])

    @made.get("/outbox", response_class=HTMLResponse, responses=documented(NOT_FOUND))
    async def show_outbox() -> HTMLResponse:
        """Show what would have been sent."""
        kept = await asyncio.to_thread(outbox.newest, SHOWN_MAX)
        return HTMLResponse(page("outbox.html", messages=kept), headers=_HEADERS)

    @made.get("/outbox.json", responses=documented(NOT_FOUND))
    async def read_outbox() -> list[KeptView]:
        """The same for programs."""
        kept = await asyncio.to_thread(outbox.newest, SHOWN_MAX)
        return [KeptView.model_validate(one, from_attributes=True) for one in kept]

    return made
