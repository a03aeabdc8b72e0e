"""Callers: who is asking, as the auth service says, for services whose people sign in with access tokens.

A service keeps one ``Callers`` as ``app.state.callers`` and takes ``Bearer`` where a route is for someone who is signed
in. Nothing is kept here: every request asks auth, so a role that was taken away and a session that was ended count at
once. A service answers ``NotSignedIn`` with 401, ``AuthUnavailable`` with 503 and ``TooManyCodes`` with 429.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import structlog
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from services.infra.http import internal_client
from services.infra.settings import ServiceSettings

TIMEOUT_S: Final = 3.0
_JSON: Final = {"Content-Type": "application/json"}

T = TypeVar("T")

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class NotSignedIn(Exception):
    """There is no access token, or it is not valid now."""


class AuthUnavailable(Exception):
    """Auth gives no usable answer; who is asking is unknown."""


class TooManyCodes(Exception):
    """Too many wrong codes were shown for the account; try again after ``retry_after_s``."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"retry after {retry_after_s} s")
        self.retry_after_s = retry_after_s


class CodeVerdict(Enum):
    """What auth says of a second factor's code."""

    ACCEPTED = auto()
    WRONG = auto()
    NO_SECOND_FACTOR = auto()


class Caller(msgspec.Struct, frozen=True, rename="camel"):
    """Someone signed in. ``session_id`` is None for tokens of another issuer."""

    account_id: int
    session_id: str | None
    email: str | None
    email_confirmed: bool
    roles: frozenset[str]
    second_factor: bool

    def has_role(self, role: str) -> bool:
        """Roles count only in a session that was opened with a second factor."""
        return self.second_factor and role in self.roles


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """An account as auth knows it."""

    account_id: int
    email: str | None
    email_confirmed: bool
    created_at: datetime
    has_second_factor: bool
    roles: frozenset[str]
    # When the password, the address or the second factor was last replaced or taken away.
    credentials_changed_at: datetime | None = None


class Callers:
    """Asks auth's internal routes."""

    def __init__(self, settings: ServiceSettings, auth_url: str) -> None:
        self._client = internal_client(settings, timeout_s=TIMEOUT_S)
        self._internal_url = f"{auth_url.rstrip('/')}/internal"

    async def close(self) -> None:
        await self._client.aclose()

    async def introspect(self, token: str) -> Caller:
        """Say whose access token this is; raise NotSignedIn if it is nobody's now."""
        response = await self._ask("POST", "introspect", {"token": token})
        if response.status_code in {httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST}:
            raise NotSignedIn
        return _decoded(response, Caller)

    async def account(self, account_id: int) -> Account | None:
        response = await self._ask("GET", f"accounts/{account_id}")
        return None if response.status_code == httpx.codes.NOT_FOUND else _decoded(response, Account)

    async def find_accounts(self, query: str, *, limit: int = 50, before: int | None = None) -> list[Account]:
        """Search by id or part of the address, newest first; ``before`` is the last id of the page before."""
        page = f"&before={before}" if before is not None else ""
        response = await self._ask("GET", f"accounts?query={quote(query, safe='')}&limit={limit}{page}")
        return _decoded(response, list[Account])

    async def set_roles(self, account_id: int, roles: Sequence[str]) -> Account | None:
        response = await self._ask("PUT", f"accounts/{account_id}/roles", {"roles": list(roles)})
        return None if response.status_code == httpx.codes.NOT_FOUND else _decoded(response, Account)

    async def check_second_factor(self, account_id: int, code: str) -> CodeVerdict:
        """Use up a one-time password or recovery code of the account."""
        response = await self._ask("POST", f"accounts/{account_id}/second-factor", {"code": code})
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise TooManyCodes(int(response.headers["Retry-After"]))
        verdict = _VERDICTS.get(response.status_code)
        if verdict is None:
            raise _refused(response)
        return verdict

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        # Escaped to ASCII: what people type may hold halves of characters, which have no encoding.
        content = json.dumps(body) if body is not None else None
        try:
            return await self._client.request(method, f"{self._internal_url}/{path}", content=content, headers=_JSON)
        except httpx.HTTPError as error:
            _log.warning("auth_unreachable", error=type(error).__name__)
            raise AuthUnavailable from None


_VERDICTS: Final[dict[int, CodeVerdict]] = {
    httpx.codes.NO_CONTENT: CodeVerdict.ACCEPTED,
    httpx.codes.FORBIDDEN: CodeVerdict.WRONG,
    # Too long or otherwise not a code at all.
    httpx.codes.BAD_REQUEST: CodeVerdict.WRONG,
    httpx.codes.CONFLICT: CodeVerdict.NO_SECOND_FACTOR,
}


def _decoded(response: httpx.Response, kind: type[T]) -> T:
    if response.status_code != httpx.codes.OK:
        raise _refused(response)
    return msgspec.json.decode(response.content, type=kind)


def _refused(response: httpx.Response) -> AuthUnavailable:
    _log.warning("auth_refused", status=response.status_code)
    return AuthUnavailable()


_access_token = HTTPBearer(scheme_name="accessToken", bearerFormat="JWT", auto_error=False)


async def _bearer(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_access_token)]
) -> Caller:
    if credentials is None:
        raise NotSignedIn
    callers: Callers = request.app.state.callers
    return await callers.introspect(credentials.credentials)


Bearer = Annotated[Caller, Depends(_bearer)]
