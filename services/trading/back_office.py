"""What trading asks of the back office for ``/sapi/v1/capital``, and what it answers a client about a refusal."""

from typing import Any, Final

import httpx
import msgspec
import structlog

from services.infra.http import internal_client
from services.trading import errors
from services.trading.errors import DialectError
from services.trading.settings import TradingSettings

# It may ask auth, and wait for the engine.
TIMEOUT_S: Final = 10.0
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

# The dialect's own codes and texts for money on networks.
UNKNOWN_ASSET: Final = DialectError(-4018, "We don't have this asset.")
INVALID_OPERATION: Final = DialectError(-4001, "Invalid operation.")
_PROBLEMS: Final = {
    "unknown_asset": UNKNOWN_ASSET,
    "deposits_disabled": DialectError(-4045, "Failure to acquire assets."),
    "no_address_left": DialectError(-4042, "This asset cannot get deposit address again."),
    "withdrawals_disabled": DialectError(-4019, "Current asset is not open for withdrawal."),
    "amount_off_step": DialectError(-4021, "Asset withdrawal must be a multiple of the network's step."),
    "amount_below_minimum": DialectError(-4022, "Not less than the minimum pick-up quantity."),
    "invalid_address": DialectError(-4007, "Address validation is not passed."),
    "memo_needed": DialectError(-4008, "Address tag validation is not passed."),
    "cooling_down": DialectError(-4016, "Within 24 hours after password modification, withdrawal is prohibited."),
    "address_not_in_book": DialectError(-4035, "This address is not on the whitelist. Please join and try again."),
    "address_cooling_down": DialectError(-4036, "The new address needs to be withdrawn later."),
    "account_frozen": DialectError(-4015, "Withdraw is limited."),
    "daily_limit_exceeded": DialectError(-4023, "Within 24 hours, the withdrawal exceeds the maximum amount."),
    "insufficient_balance": DialectError(-4026, "You have insufficient balance."),
}

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class BackOffice:
    """Asks the internal routes of the back office, if there is one."""

    def __init__(self, settings: TradingSettings) -> None:
        self._client = internal_client(settings, timeout_s=TIMEOUT_S)
        self._url = None if settings.backoffice_url is None else f"{settings.backoffice_url.rstrip('/')}/internal/"

    @property
    def is_there(self) -> bool:
        return self._url is not None

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str, **parameters: Any) -> Any:
        """Read; without a back office there is nothing to be read."""
        if self._url is None:
            return []
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            response = await self._client.get(self._url + path, params=given)
        except httpx.HTTPError as error:
            _log.warning("back_office_unreachable", error=type(error).__name__)
            raise errors.UNAVAILABLE from None
        if response.is_server_error:
            raise errors.UNAVAILABLE
        return _content(response)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Have something done. What cannot be known to have failed is unknown (-1007)."""
        if self._url is None:
            raise errors.NOT_SUPPORTED
        try:
            response = await self._client.post(self._url + path, json=body)
        except _NEVER_SENT:
            raise errors.UNAVAILABLE from None
        except httpx.HTTPError as error:
            _log.warning("back_office_answer_lost", error=type(error).__name__)
            raise errors.UNKNOWN_OUTCOME from None
        if response.is_server_error:
            raise errors.UNKNOWN_OUTCOME
        return _content(response)


def _content(response: httpx.Response) -> Any:
    content = msgspec.json.decode(response.content)
    if response.is_success:
        return content
    raise _PROBLEMS.get(content["code"], INVALID_OPERATION)
