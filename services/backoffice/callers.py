"""Who calls: a user or one of the staff with an access token, another service, or a provider that signs.

Nothing here trusts a name that the caller gives, but for the command line's: it shows the internal credential, and says
which user of the machine is at it.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from services.backoffice import audit
from services.backoffice.audit import Actor, Deed
from services.backoffice.errors import INVALID_SIGNATURE, NOT_YOUR_NETWORK, ROLE_MISSING, TOO_OLD
from services.backoffice.resources import Held, Resources
from services.backoffice.roles import Action, Role, may
from services.infra.callers import NotSignedIn
from services.infra.problems import INVALID_INTERNAL_CREDENTIAL, Refused
from services.infra.telemetry import logger
from services.infra.web import shows_internal_credential

ACTOR_HEADER: Final = "X-Crossbook-Actor"
PROVIDER_HEADER: Final = "X-Crossbook-Provider"
TIMESTAMP_HEADER: Final = "X-Crossbook-Timestamp"
SIGNATURE_HEADER: Final = "X-Crossbook-Signature"

_log = logger(__name__)
_actor = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)
_seconds = re.compile(r"[0-9]{1,12}", re.ASCII)
_role_by_name: Final = {role.value: role for role in Role}
_access_token = HTTPBearer(scheme_name="accessToken", bearerFormat="JWT", auto_error=False)
_internal_credential = HTTPBearer(
    scheme_name="internalCredential", description="The credential services show each other.", auto_error=False
)


async def internal_only(
    request: Request,
    held: Held,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_internal_credential)],
) -> None:
    if not shows_internal_credential(request, held.settings):
        raise Refused(INVALID_INTERNAL_CREDENTIAL)


async def actor(
    request: Request, held: Held, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_access_token)]
) -> Actor:
    """One of the staff, or someone without any role."""
    if credentials is None:
        raise NotSignedIn
    if shows_internal_credential(request, held.settings):
        name = request.headers.get(ACTOR_HEADER, "")
        if _actor.fullmatch(name) is None:
            raise Refused(INVALID_INTERNAL_CREDENTIAL)
        return Actor(f"os:{name}", frozenset(Role))
    caller = await held.callers.introspect(credentials.credentials)
    names = caller.roles if caller.second_factor else frozenset[str]()
    roles = frozenset(_role_by_name[name] for name in names if name in _role_by_name)
    return Actor(f"user:{caller.account_id}", roles, caller.account_id)


Staff = Annotated[Actor, Depends(actor)]


def acting(action: Action) -> Callable[[Actor, Resources], Awaitable[Actor]]:
    """The dependency of a route for those who may do this."""

    async def check(someone: Staff, held: Held) -> Actor:
        if someone.is_command_line or may(someone.roles, action):
            return someone
        _log.warning("role_missing", actor=someone.name, action=action.value)
        # Only the staff's own attempts: anyone else could fill the table.
        if someone.roles:
            await audit.record(held.pool, Deed(someone, action, ""), "DENIED")
        raise Refused(ROLE_MISSING)

    # For the tests and the documentation, which go through all routes.
    check.action = action  # type: ignore[attr-defined]
    return check


class Provider(NamedTuple):
    """Someone whose request was signed, and what it said."""

    name: str
    networks: frozenset[str]

    def check_network(self, network: str) -> None:
        if network not in self.networks:
            raise Refused(NOT_YOUR_NETWORK)


def signature_of(key: bytes, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 in hex over the timestamp (epoch seconds), a dot and the body."""
    return hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _is_far_off(held: Held, timestamp_s: int) -> bool:
    return abs(held.clock() - timestamp_s * 1_000_000) > held.settings.replay_window_s * 1_000_000


async def _provider(
    request: Request,
    held: Held,
    name: Annotated[str, Header(alias=PROVIDER_HEADER, max_length=64)],
    timestamp: Annotated[str, Header(alias=TIMESTAMP_HEADER, max_length=12)],
    signature: Annotated[str, Header(alias=SIGNATURE_HEADER, max_length=128)],
) -> Provider:
    body = await request.body()
    settings = held.settings.providers.get(name)
    # An unknown name takes the same work and gets the same answer as a wrong signature.
    keys = [b"nobody"] if settings is None else settings.keys()
    matches = [
        hmac.compare_digest(signature_of(key, timestamp, body).encode(), signature.lower().encode()) for key in keys
    ]
    if settings is None or not any(matches):
        raise Refused(INVALID_SIGNATURE)
    if _seconds.fullmatch(timestamp) is None or _is_far_off(held, int(timestamp)):
        raise Refused(TOO_OLD)
    return Provider(name, frozenset(settings.networks))


Signed = Annotated[Provider, Depends(_provider)]
