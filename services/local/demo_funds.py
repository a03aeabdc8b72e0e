"""``POST /local/v1/demo-funds``: play money for whoever is signed in, on a local exchange only.

No service in production has this route. Each account gets each amount once a day (UTC): the deposit's reference names
account, asset and day, so the engine itself refuses a second one, whoever asks and however often.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from services.domain.money import format_e8, parse_e8
from services.infra import telemetry
from services.local.data_directory import DataDirectory, DataDirectoryError
from services.local.internal import InternalClient, NotDone
from services.trading import errors
from services.trading.endpoint import Services
from services.trading.errors import DialectError

PATH: Final = "/local/v1/demo-funds"
AMOUNTS_E8: Final = {asset: parse_e8(amount) for asset, amount in (("USDT", "25000"), ("BTC", "0.5"), ("ETH", "5"))}
MAX_AT_ONCE: Final = 2
_SCHEME: Final = "bearer"

_log = telemetry.logger(__name__)


class DemoFunds:
    """The route as an ASGI application. ``trading`` knows who is signed in."""

    def __init__(self, directory: DataDirectory, trading: FastAPI) -> None:
        self._directory = directory
        self._trading = trading
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return _refuse(errors.METHOD_NOT_ALLOWED)
        try:
            account_id = await self._account(request)
            async with self._slots:
                given = await asyncio.to_thread(self._give, account_id, datetime.now(UTC).date().isoformat())
        except DialectError as error:
            return _refuse(error)
        except (NotDone, DataDirectoryError, httpx.HTTPError) as error:
            _log.warning("demo_funds_not_given", reason=str(error))
            return _refuse(errors.UNAVAILABLE)
        return JSONResponse({"given": given})

    async def _account(self, request: Request) -> int:
        services: Services = self._trading.state.services
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != _SCHEME:
            raise errors.UNAUTHORIZED
        return await services.principals.session_account(token)

    def _give(self, account_id: int, day: str) -> dict[str, str]:
        """Deposit what was not given today; return that."""
        with InternalClient(self._directory) as client:
            return {
                asset: format_e8(amount_e8)
                for asset, amount_e8 in AMOUNTS_E8.items()
                if client.deposit(account_id, asset, amount_e8, f"demo-funds:{account_id}:{asset}:{day}")
            }


def _refuse(error: DialectError) -> Response:
    return Response(error.body(), error.status, media_type=errors.JSON)
