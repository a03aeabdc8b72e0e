"""Challenges: a login whose password was right and whose second factor is still to come.

A challenge's token is random, stored as a digest, short-lived, and gone once a session was opened with it. It shows
that its bearer knew the password, and is good for nothing but the second step.
"""

from typing import Final

from services.auth.random_tokens import digest, new_token
from services.infra.transactions import Connection

LIFETIME_S: Final = 5 * 60
OPEN_MAX: Final = 10

MAKE: Final = """
INSERT INTO auth.challenges (token_hash, account_id, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))
"""
MAKE_ROOM: Final = """
DELETE FROM auth.challenges WHERE token_hash IN (
    SELECT token_hash FROM auth.challenges WHERE account_id = $1 ORDER BY expires_at DESC OFFSET $2
)
"""
FIND: Final = "SELECT account_id FROM auth.challenges WHERE token_hash = $1 AND expires_at > now()"
USE: Final = "DELETE FROM auth.challenges WHERE token_hash = $1 AND expires_at > now() RETURNING true"
FORGET_ALL: Final = "DELETE FROM auth.challenges WHERE account_id = $1"
DELETE_EXPIRED: Final = "DELETE FROM auth.challenges WHERE expires_at <= now()"


async def make(connection: Connection, account_id: int) -> str:
    token = new_token()
    await connection.execute(MAKE_ROOM, account_id, OPEN_MAX - 1)
    await connection.execute(MAKE, digest(token), account_id, LIFETIME_S)
    return token


async def find(connection: Connection, token: str) -> int | None:
    """Return whose login waits for its second factor."""
    account_id: int | None = await connection.fetchval(FIND, digest(token))
    return account_id


async def use(connection: Connection, token: str) -> bool:
    """Of two uses at once one succeeds."""
    return bool(await connection.fetchval(USE, digest(token)))


async def forget_all(connection: Connection, account_id: int) -> None:
    await connection.execute(FORGET_ALL, account_id)


async def delete_expired(connection: Connection) -> None:
    await connection.execute(DELETE_EXPIRED)
