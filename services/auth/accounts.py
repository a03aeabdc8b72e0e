"""Accounts: one user each. An account without a password (made by an operator) cannot log in and trades by API key."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from services.infra.transactions import Connection

EMAIL_CHARS_MAX: Final = 254
# Of what an operator searches for.
QUERY_CHARS_MAX: Final = EMAIL_CHARS_MAX
LISTED_MAX: Final = 200

Role = Literal["support", "treasurer", "operator"]
ROLES: Final[tuple[Role, ...]] = ("support", "treasurer", "operator")

CREATE: Final = "INSERT INTO auth.users (email, password_hash) VALUES ($1, $2) RETURNING account_id"
CREDENTIALS: Final = """
SELECT account_id, password_hash, email_confirmed_at IS NOT NULL AS is_confirmed FROM auth.users WHERE email = $1
"""
OWN_HASH: Final = "SELECT password_hash FROM auth.users WHERE account_id = $1"
_VISIBLE: Final = """
SELECT account_id, email, email_confirmed_at IS NOT NULL AS email_confirmed, created_at, roles,
    EXISTS (SELECT FROM auth.second_factors f WHERE f.account_id = u.account_id AND f.confirmed_at IS NOT NULL)
    AS has_second_factor,
    (SELECT max(occurred_at) FROM auth.audit a WHERE a.account_id = u.account_id AND a.action IN (
        'PASSWORD_CHANGED', 'PASSWORD_RESET', 'EMAIL_CHANGED', 'SECOND_FACTOR_DISABLED'
    )) AS credentials_changed_at
FROM auth.users u
"""
READ: Final = _VISIBLE + "WHERE account_id = $1"
SEARCH: Final = (
    _VISIBLE
    + """
WHERE ($1 = '' OR account_id::text = $1 OR strpos(email, $1) > 0) AND account_id < $2 ORDER BY account_id DESC LIMIT $3
"""
)
SET_ROLES: Final = "UPDATE auth.users SET roles = $2 WHERE account_id = $1 RETURNING true"
# Taken before an account's rows are counted, so that two requests never overlook each other's new one.
LOCK: Final = "SELECT true FROM auth.users WHERE account_id = $1 FOR NO KEY UPDATE"
# Only over the hash that was checked: the password may have changed meanwhile.
REPLACE_HASH: Final = "UPDATE auth.users SET password_hash = $3 WHERE account_id = $1 AND password_hash = $2"


class Account(NamedTuple):
    account_id: int
    email: str | None
    email_confirmed: bool
    created_at: datetime
    roles: Sequence[Role]
    has_second_factor: bool
    # When the password, the address or the second factor was last replaced or taken away.
    credentials_changed_at: datetime | None


def normalise_email(email: str) -> str:
    """Make one address of all the ways to write it; raise ValueError if it cannot be one."""
    normalised = _one_spelling(email)
    local, at, domain = normalised.rpartition("@")
    if not (local and at and "." in domain.strip(".") and "@" not in local):
        raise ValueError("must look like name@example.com")
    # Neither spaces nor anything that cannot be seen, such as NUL and zero-width characters.
    if not normalised.isprintable() or " " in normalised:
        raise ValueError("must not contain spaces or invisible characters")
    if len(normalised) > EMAIL_CHARS_MAX:
        raise ValueError(f"must have at most {EMAIL_CHARS_MAX} characters")
    return normalised


def _one_spelling(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).lower())


def searchable(query: str) -> str:
    """Write what an operator looks for as addresses are stored. What none of them can hold is found nowhere."""
    written = _one_spelling(query)
    return written if written.isprintable() else "\ufffd"


async def create(connection: Connection, email: str | None, password_hash: str | None) -> int:
    """Return the new account's id. An address in use violates ``users_email_unique``."""
    account_id: int = await connection.fetchval(CREATE, email, password_hash)
    return account_id


class Credentials(NamedTuple):
    """Whose address it is and what its password hashes to, as far as there are such."""

    account_id: int | None
    password_hash: str | None
    is_confirmed: bool


async def find_credentials(connection: Connection, email: str) -> Credentials:
    row = await connection.fetchrow(CREDENTIALS, email)
    return Credentials(None, None, False) if row is None else Credentials(**row)


async def password_hash(connection: Connection, account_id: int) -> str | None:
    found: str | None = await connection.fetchval(OWN_HASH, account_id)
    return found


async def find(connection: Connection, account_id: int) -> Account | None:
    row = await connection.fetchrow(READ, account_id)
    return None if row is None else Account(**row)


async def read(connection: Connection, account_id: int) -> Account:
    account = await find(connection, account_id)
    if account is None:
        raise LookupError(f"account {account_id} of a live session does not exist")
    return account


async def search(connection: Connection, query: str, *, before: int, limit: int) -> list[Account]:
    """Find accounts by their id or by part of their address, newest first, from those older than ``before`` on."""
    rows: list[Any] = await connection.fetch(SEARCH, query, before, limit)
    return [Account(**row) for row in rows]


async def set_roles(connection: Connection, account_id: int, roles: Sequence[Role]) -> bool:
    """Replace the account's roles; return whether there is such an account."""
    return bool(await connection.fetchval(SET_ROLES, account_id, roles))


async def lock(connection: Connection, account_id: int) -> None:
    """Make other requests that add to this account wait until this one has committed."""
    await connection.execute(LOCK, account_id)


async def replace_hash(connection: Connection, account_id: int, checked_hash: str, new_hash: str) -> None:
    await connection.execute(REPLACE_HASH, account_id, checked_hash, new_hash)
