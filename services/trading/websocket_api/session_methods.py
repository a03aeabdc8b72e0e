"""The methods that belong to a connection: logging on and off, and following user data.

They have no REST twin. They are answered one at a time and before anything that the client sent after them, so a
request that follows ``session.logon`` finds the session.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from services.trading.endpoint import NoParameters
from services.trading.limits import Tally
from services.trading.parameters import validate
from services.trading.websocket_api.messages import Request
from services.trading.websocket_api.session import Session
from services.trading.weights import Charge

Json = dict[str, Any]

CHARGE: Final = Charge(2)
_SIGNING_PARAMETERS: Final = frozenset({"apiKey", "timestamp", "recvWindow", "signature"})


async def log_on(session: Session, request: Request) -> Json:
    await session.log_on(request, time.time_ns() // 1000)
    return _status(session)


async def status(session: Session, _request: Request) -> Json:
    return _status(session)


async def log_out(session: Session, _request: Request) -> Json:
    session.log_out()
    return _status(session)


def _status(session: Session) -> Json:
    unit, logon = session.options.unit, session.logon
    return {
        "apiKey": None if logon is None else logon.api_key,
        "authorizedSince": None if logon is None else logon.since_us // unit,
        "connectedSince": session.connection.connected_us // unit,
        "returnRateLimits": session.options.shows_limits,
        "serverTime": time.time_ns() // 1000 // unit,
        "userDataStream": False,
    }


SessionMethod = Callable[[Session, Request], Awaitable[Any]]

SESSION_METHODS: Final[Mapping[str, SessionMethod]] = {
    "session.logon": log_on,
    "session.status": status,
    "session.logout": log_out,
}


async def perform(session: Session, method: SessionMethod, request: Request, _tally: Tally | None) -> Any:
    """Parameters that no method reads are refused, as in every request."""
    unread = {name: value for name, value in request.parameters.items() if name not in _SIGNING_PARAMETERS}
    validate(NoParameters, unread)
    return await method(session, request)
