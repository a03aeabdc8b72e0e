"""Handshakes: who may open a WebSocket, and how one that may not is told so.

It is refused before it is one, with an HTTP status and the dialect's error.
"""

from starlette.responses import Response
from starlette.websockets import WebSocket

from services.infra.addresses import client_address
from services.trading import errors
from services.trading.endpoint import Services
from services.trading.errors import DialectError, Limited


async def count(socket: WebSocket, weight: int = 0) -> None:
    """Raise Limited if the client's address has opened too many; ``weight`` is what opening one costs it."""
    services: Services = socket.app.state.services
    if services.limits is not None:
        await services.limits.connect(client_address(socket.scope, services.settings.trusted_proxies), weight)


async def refuse(socket: WebSocket, error: DialectError) -> None:
    headers = error.headers if isinstance(error, Limited) else None
    await socket.send_denial_response(Response(error.body(), error.status, headers, errors.JSON))
