"""Tokens that travel by mail: random, stored as digests, short-lived, and each good for one use.

A notice carries the token itself to its reader. A token names the address it was sent to: once the account has another
one, it is worth nothing. Making one leaves earlier ones of its purpose alone, up to a limit, so that nobody can make
the link in a mail that has just arrived stop working by asking for another.
"""

from typing import Final, Literal, NamedTuple

from services.auth.random_tokens import digest, new_token
from services.infra.transactions import Connection

Purpose = Literal["CONFIRM_EMAIL", "CHANGE_EMAIL", "RESET_PASSWORD"]
KEPT_MAX: Final = 10

MAKE: Final = """
INSERT INTO auth.mail_tokens (token_hash, account_id, purpose, email, password_hash, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
"""
MAKE_ROOM: Final = """
DELETE FROM auth.mail_tokens WHERE token_hash IN (
    SELECT token_hash FROM auth.mail_tokens WHERE account_id = $1 AND purpose = $2 ORDER BY created_at DESC OFFSET $3
)
"""
_VALID: Final = "token_hash = $1 AND purpose = ANY ($2) AND expires_at > now()"
_FOUND: Final = "account_id, purpose, email, password_hash"
PEEK: Final = f"SELECT {_FOUND} FROM auth.mail_tokens WHERE {_VALID}"  # noqa: S608
USE: Final = f"DELETE FROM auth.mail_tokens WHERE {_VALID} RETURNING {_FOUND}"  # noqa: S608
NEWEST_HASH: Final = """
SELECT password_hash FROM auth.mail_tokens WHERE account_id = $1 AND purpose = 'CONFIRM_EMAIL'
ORDER BY created_at DESC LIMIT 1
"""
FORGET: Final = "DELETE FROM auth.mail_tokens WHERE account_id = $1 AND purpose = ANY ($2)"
FORGET_PASSWORDS: Final = "UPDATE auth.mail_tokens SET password_hash = NULL WHERE account_id = $1"
DELETE_EXPIRED: Final = "DELETE FROM auth.mail_tokens WHERE expires_at <= now()"


class Used(NamedTuple):
    account_id: int
    purpose: Purpose
    email: str
    password_hash: str | None


async def make(
    connection: Connection,
    account_id: int,
    purpose: Purpose,
    email: str,
    *,
    lifetime_s: int,
    password_hash: str | None = None,
) -> str:
    token = new_token()
    await connection.execute(MAKE_ROOM, account_id, purpose, KEPT_MAX - 1)
    await connection.execute(MAKE, digest(token), account_id, purpose, email, password_hash, lifetime_s)
    return token


async def peek(connection: Connection, token: str, *purposes: Purpose) -> Used | None:
    row = await connection.fetchrow(PEEK, digest(token), purposes)
    return None if row is None else Used(**row)


async def use(connection: Connection, token: str, *purposes: Purpose) -> Used | None:
    """Use the token up; of two uses at once one finds it."""
    row = await connection.fetchrow(USE, digest(token), purposes)
    return None if row is None else Used(**row)


async def newest_password(connection: Connection, account_id: int) -> str | None:
    """Return the password of the newest registration that waits for its confirmation."""
    password_hash: str | None = await connection.fetchval(NEWEST_HASH, account_id)
    return password_hash


async def forget(connection: Connection, account_id: int, *purposes: Purpose) -> None:
    await connection.execute(FORGET, account_id, purposes)


async def forget_passwords(connection: Connection, account_id: int) -> None:
    """A confirmation must not bring back the password of the registration once another one was set."""
    await connection.execute(FORGET_PASSWORDS, account_id)


async def delete_expired(connection: Connection) -> None:
    await connection.execute(DELETE_EXPIRED)
