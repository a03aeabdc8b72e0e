"""Visitors: from where and with what a request comes, and what a browser may keep in cookies.

A client gets its tokens in the body, unless it asks for cookies with ``X-Crossbook-Session: cookie``. Then the refresh
token and the device token are in cookies that scripts cannot read and that go to ``/auth/v1`` only, and cookies are
read. Without that header they are not even looked at.

That is also the defence against other sites' pages (CSRF): a page cannot add the header to a request to us without
asking first, and nobody here says yes. On top of it a browser that says that the request comes from elsewhere
(``Sec-Fetch-Site``, ``Origin``) is refused, and cookies are ``SameSite=Strict``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Header, Response
from starlette.requests import Request

from services.auth.errors import FOREIGN_ORIGIN, Refused
from services.auth.settings import DAY_S, AuthSettings
from services.infra.addresses import Address, client_address, is_forwarded_securely

USER_AGENT_CHARS_MAX: Final = 256
REFRESH_COOKIE: Final = "crossbook_refresh"
DEVICE_COOKIE: Final = "crossbook_device"
COOKIE_PATH: Final = "/auth/v1"
DEVICE_COOKIE_LIFETIME_S: Final = 365 * DAY_S
# Also without Sec-Fetch-Site: not every client is a browser.
_HERE: Final = frozenset({None, "same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Visitor:
    address: Address
    user_agent: str
    in_cookies: bool = False
    is_secure: bool = False
    refresh_cookie: str | None = field(default=None, repr=False)
    device_cookie: str | None = field(default=None, repr=False)

    def told(self) -> dict[str, str]:
        """As the account's owner is told of them."""
        return {"address": str(self.address), "userAgent": self.user_agent}

    def keep_refresh_token(self, response: Response, refresh_token: str, lifetime_s: int) -> None:
        self._keep(response, REFRESH_COOKIE, refresh_token, lifetime_s)

    def keep_device_token(self, response: Response, device_token: str) -> None:
        self._keep(response, DEVICE_COOKIE, device_token, DEVICE_COOKIE_LIFETIME_S)

    def drop_refresh_token(self, response: Response) -> None:
        if self.in_cookies:
            self._keep(response, REFRESH_COOKIE, "", 0)

    def _keep(self, response: Response, name: str, value: str, lifetime_s: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=lifetime_s,
            path=COOKIE_PATH,
            secure=self.is_secure,
            httponly=True,
            samesite="strict",
        )


def _visitor(
    request: Request,
    session: Annotated[
        Literal["cookie"] | None,
        Header(alias="X-Crossbook-Session", description="`cookie` keeps the refresh token where no script can read it"),
    ] = None,
) -> Visitor:
    settings: AuthSettings = request.app.state.resources.settings
    address = client_address(request.scope, settings.trusted_proxies)
    user_agent = _printable(request.headers.get("User-Agent", ""))
    if session is None:
        return Visitor(address, user_agent)
    if not _is_from_here(request, settings.web_origins):
        raise Refused(FOREIGN_ORIGIN)
    is_secure = request.url.scheme == "https" or is_forwarded_securely(request.scope, settings.trusted_proxies)
    cookies = request.cookies
    return Visitor(address, user_agent, True, is_secure, cookies.get(REFRESH_COOKIE), cookies.get(DEVICE_COOKIE))


def _is_from_here(request: Request, web_origins: Sequence[str]) -> bool:
    """Of other hosts only those of this site that the operator named, such as ``www.``."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site in _HERE:
        return origin is None or origin in web_origins or _has_host(origin, request.headers.get("Host"))
    return site == "same-site" and origin in web_origins


def _has_host(origin: str, host: str | None) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _printable(text: str) -> str:
    """Headers are bytes; what is stored and shown is text without surprises."""
    return "".join(character if character.isprintable() else "?" for character in text[:USER_AGENT_CHARS_MAX])


Visiting = Annotated[Visitor, Depends(_visitor)]
