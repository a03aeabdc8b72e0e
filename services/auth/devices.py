"""Devices: where an account has logged in before, by a random token that stays there.

Whoever shows the token of an account's device is not held up by wrong passwords that others try from elsewhere: those
who do not know a password can lock out each other, never its owner (OWASP calls this device cookies). A token alone
opens nothing. Per account the devices used last are kept, and a password reset forgets them all.
"""

from typing import Final

from services.auth.random_tokens import digest, new_token
from services.auth.visitors import Visitor
from services.infra.transactions import Connection

KEPT_MAX: Final = 50

IS_KNOWN: Final = "SELECT true FROM auth.devices WHERE token_hash = $1 AND account_id = $2"
SEEN: Final = "UPDATE auth.devices SET last_used_at = now() WHERE token_hash = $1 AND account_id = $2 RETURNING true"
ADD: Final = "INSERT INTO auth.devices (token_hash, account_id) VALUES ($1, $2)"
MAKE_ROOM: Final = """
DELETE FROM auth.devices WHERE token_hash IN (
    SELECT token_hash FROM auth.devices WHERE account_id = $1 ORDER BY last_used_at DESC OFFSET $2
)
"""
FORGET_ALL: Final = "DELETE FROM auth.devices WHERE account_id = $1"
# The first login of an account is from no new device, and one from where a session is open already is not either.
IS_NEWS: Final = """
SELECT EXISTS (SELECT FROM auth.sessions WHERE account_id = $1) AND NOT EXISTS (
    SELECT FROM auth.sessions WHERE account_id = $1 AND address = $2 AND user_agent = $3
)
"""


async def is_known(connection: Connection, account_id: int | None, device_token: str | None) -> bool:
    if device_token is None:
        return False
    return bool(await connection.fetchval(IS_KNOWN, digest(device_token), account_id))


async def is_news(connection: Connection, account_id: int, visitor: Visitor) -> bool:
    """Whether the owner should hear of a login from there. Ask before the session is opened."""
    return bool(await connection.fetchval(IS_NEWS, account_id, visitor.address, visitor.user_agent))


async def remember(connection: Connection, account_id: int, device_token: str | None) -> str | None:
    """Note a login; return a token for the device if it has none of this account yet."""
    if device_token is not None and await connection.fetchval(SEEN, digest(device_token), account_id):
        return None
    new = new_token()
    await connection.execute(MAKE_ROOM, account_id, KEPT_MAX - 1)
    await connection.execute(ADD, digest(new), account_id)
    return new


async def forget_all(connection: Connection, account_id: int) -> None:
    await connection.execute(FORGET_ALL, account_id)
