"""Accounts: one user each. An account without a password (made by an operator) cannot log in and trades by API key."""

import unicodedata
from datetime import datetime
from typing import Final, NamedTuple

from services.auth.database import Connection

EMAIL_CHARS_MAX: Final = 254

CREATE: Final = "INSERT INTO auth.users (email, password_hash) VALUES ($1, $2) RETURNING account_id"
CREDENTIALS: Final = "SELECT account_id, password_hash FROM auth.users WHERE email = $1"
READ: Final = "SELECT account_id, email, created_at FROM auth.users WHERE account_id = $1"
# Taken before an account's rows are counted, so that two requests never overlook each other's new one.
LOCK: Final = "SELECT true FROM auth.users WHERE account_id = $1 FOR NO KEY UPDATE"
# Only over the hash that was checked: the password may have changed meanwhile.
REPLACE_HASH: Final = "UPDATE auth.users SET password_hash = $3 WHERE account_id = $1 AND password_hash = $2"


class Account(NamedTuple):
    account_id: int
    email: str | None
    created_at: datetime


def normalise_email(email: str) -> str:
    """Make one address of all the ways to write it; raise ValueError if it cannot be one."""
    normalised = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email.strip()).lower())
    local, at, domain = normalised.rpartition("@")
    if not (local and at and "." in domain.strip(".") and "@" not in local):
        raise ValueError("must look like name@example.com")
    # Neither spaces nor anything that cannot be seen, such as NUL and zero-width characters.
    if not normalised.isprintable() or " " in normalised:
        raise ValueError("must not contain spaces or invisible characters")
    if len(normalised) > EMAIL_CHARS_MAX:
        raise ValueError(f"must have at most {EMAIL_CHARS_MAX} characters")
    return normalised


async def create(connection: Connection, email: str | None, password_hash: str | None) -> int:
    """Return the new account's id. An address in use violates ``users_email_unique``."""
    account_id: int = await connection.fetchval(CREATE, email, password_hash)
    return account_id


async def find_credentials(connection: Connection, email: str) -> tuple[int | None, str | None]:
    """Return whose address this is and what its password hashes to, as far as there are such."""
    row = await connection.fetchrow(CREDENTIALS, email)
    return (None, None) if row is None else (row["account_id"], row["password_hash"])


async def read(connection: Connection, account_id: int) -> Account:
    row = await connection.fetchrow(READ, account_id)
    if row is None:
        raise LookupError(f"account {account_id} of a live session does not exist")
    return Account(row["account_id"], row["email"], row["created_at"])


async def lock(connection: Connection, account_id: int) -> None:
    """Make other requests that add to this account wait until this one has committed."""
    await connection.execute(LOCK, account_id)


async def replace_hash(connection: Connection, account_id: int, checked_hash: str, new_hash: str) -> None:
    await connection.execute(REPLACE_HASH, account_id, checked_hash, new_hash)
