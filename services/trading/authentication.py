"""Who sent a signed request: the checks of section 2 of the compatibility reference, in their order.

Key format, mandatory parameters, timestamp, key, permission and address, signature. Nothing here knows how the request
arrived: REST and WebSocket API say what the request claims, and what it must have signed.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from services.infra.addresses import Address, within
from services.trading import errors
from services.trading.principals import ApiKey, Principals
from services.trading.signing import Window

_api_key = re.compile(r"[A-Za-z0-9]{64}", re.ASCII)


class Claim(NamedTuple):
    """What a request says of its sender. It is signed if the signature fits any of ``payloads``."""

    api_key: str
    signature: str | None
    timestamp: str | None
    recv_window: str | None
    payloads: Iterable[bytes]


class Caller(NamedTuple):
    """Whose request it is. ``deadline_us`` is the end of a signed request's own window; web sessions have no key."""

    account_id: int
    deadline_us: int | None = None
    api_key: ApiKey | None = None


NOBODY: Final = Caller(0)


async def authenticate(principals: Principals, permission: str, claim: Claim, address: Address, now_us: int) -> Caller:
    """Return who signed the request; raise the dialect's error unless key, time and signature are right."""
    _check_format(claim.api_key)
    window = Window(claim.timestamp, claim.recv_window)
    if not claim.signature:
        raise errors.mandatory("signature")
    window.check(now_us)
    api_key = await allowed_key(principals, permission, claim.api_key, address)
    for payload in claim.payloads:
        if api_key.signing_key.verifies(payload, claim.signature):
            return Caller(api_key.account_id, window.ends_us, api_key)
    raise errors.SIGNATURE_WRONG


async def recognize(principals: Principals, permission: str, name: str, address: Address) -> Caller:
    """Return whose key it is, for the few requests that need no signature."""
    _check_format(name)
    api_key = await allowed_key(principals, permission, name, address)
    return Caller(api_key.account_id, api_key=api_key)


def _check_format(name: str) -> None:
    """Raise -2014 for what cannot be a key; nobody needs to be asked about it."""
    if _api_key.fullmatch(name) is None:
        raise errors.KEY_FORMAT


async def allowed_key(principals: Principals, permission: str, name: str, address: Address) -> ApiKey:
    """Return a key that has this permission ("" for none in particular) and may be used from this address."""
    api_key = await principals.api_key(name)
    if api_key is None or (permission and permission not in api_key.permissions):
        raise errors.KEY_REJECTED
    if api_key.networks and not within(address, api_key.networks):
        raise errors.KEY_REJECTED
    return api_key
