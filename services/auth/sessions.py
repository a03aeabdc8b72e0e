"""Sessions: one login and everything refreshed from it.

- A refresh token works once. Its use makes the next one; its second use means that a copy is in other hands, and ends
  the session for the thief and the owner alike.
- Of a session's refresh tokens exactly one is unused (the database holds this), and only digests are stored.
- A refresh locks its session before its token, as the deletion of a session does. So a refresh and an end take turns
  and cannot deadlock; of two uses at once the database lets one mark the token used.
- A session's life is fixed when it starts. The newest sessions of an account are kept, up to a limit; older rows go.
- No function here commits, so the caller announces ended sessions after its own commit.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from services.auth import accounts
from services.auth.random_tokens import digest, new_token
from services.auth.visitors import Visitor
from services.infra.transactions import Connection

OPEN: Final = """
INSERT INTO auth.sessions (session_id, account_id, expires_at, address, user_agent, second_factor)
VALUES ($1, $2, now() + make_interval(secs => $3), $4, $5, $6)
"""
# Those that ended or expired go first, then the oldest. Deleting the live ones is what ends them.
MAKE_ROOM: Final = """
DELETE FROM auth.sessions WHERE session_id IN (
    SELECT session_id FROM auth.sessions WHERE account_id = $1
    ORDER BY (ended_at IS NULL AND expires_at > now()) DESC, created_at DESC OFFSET $2
) RETURNING session_id, ended_at IS NULL AND expires_at > now() AS was_live
"""
LOCK: Final = """
SELECT session_id, account_id, refreshes, ended_at IS NULL AND expires_at > now() AS is_live
FROM auth.sessions WHERE session_id = (SELECT session_id FROM auth.refresh_tokens WHERE token_hash = $1)
FOR UPDATE
"""
USE: Final = """
UPDATE auth.refresh_tokens SET used_at = now() WHERE token_hash = $1 AND used_at IS NULL RETURNING true
"""
ADD_NEXT: Final = "INSERT INTO auth.refresh_tokens (token_hash, session_id) VALUES ($1, $2)"
COUNT_REFRESH: Final = """
UPDATE auth.sessions SET refreshes = refreshes + 1, last_used_at = now(), address = $2, user_agent = $3
WHERE session_id = $1 RETURNING ceil(extract(epoch FROM expires_at - now()))::integer
"""
END: Final = "UPDATE auth.sessions SET ended_at = now() WHERE session_id = $1 AND ended_at IS NULL RETURNING true"
DESCRIBE: Final = """
SELECT s.account_id, s.session_id::text, u.email, u.email_confirmed_at IS NOT NULL AS email_confirmed, u.roles,
    s.second_factor
FROM auth.sessions s JOIN auth.users u USING (account_id)
WHERE s.session_id = $1 AND s.ended_at IS NULL AND s.expires_at > now()
"""
END_OF: Final = """
UPDATE auth.sessions SET ended_at = now() WHERE session_id = $1 AND account_id = $2 AND ended_at IS NULL RETURNING true
"""
END_ALL: Final = """
UPDATE auth.sessions SET ended_at = now()
WHERE account_id = $1 AND session_id IS DISTINCT FROM $2 AND ended_at IS NULL AND expires_at > now()
RETURNING session_id::text
"""
LIST: Final = """
SELECT session_id::text, created_at, last_used_at, expires_at, host(address) AS address, user_agent, second_factor
FROM auth.sessions WHERE account_id = $1 AND ended_at IS NULL AND expires_at > now()
ORDER BY last_used_at DESC, session_id
"""
SET_SECOND_FACTOR: Final = """
UPDATE auth.sessions SET second_factor = $2 WHERE account_id = $1 AND ended_at IS NULL AND expires_at > now()
"""
OWNER: Final = """
SELECT account_id FROM auth.sessions WHERE session_id = $1 AND ended_at IS NULL AND expires_at > now()
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """``refresh_token`` is known to nobody but the client from here on; ``lifetime_s`` is what is left."""

    account_id: int
    session_id: str
    lifetime_s: int
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    session_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str
    second_factor: bool


class Holder(NamedTuple):
    """Whose session it is, and what that says of them. There is no session behind another issuer's token."""

    account_id: int
    session_id: str | None
    email: str | None
    email_confirmed: bool
    roles: Sequence[accounts.Role]
    second_factor: bool


class RefreshRefusal(Enum):
    """In the order of the checks."""

    UNKNOWN = "unknown"
    ENDED = "ended"
    REUSED = "reused"
    WORN_OUT = "worn_out"


@dataclass(frozen=True, slots=True)
class NotRefreshed:
    """``account_id`` is whose session it was, as far as that is known."""

    reason: RefreshRefusal
    account_id: int | None = None
    ended_session_id: str | None = None


async def open_session(
    connection: Connection,
    account_id: int,
    visitor: Visitor,
    *,
    second_factor: bool,
    lifetime_s: int,
    max_sessions: int,
) -> tuple[Opened, Sequence[str]]:
    """Start a session. The second value names the live sessions that had to end to make room."""
    await accounts.lock(connection, account_id)
    removed = await connection.fetch(MAKE_ROOM, account_id, max_sessions - 1)
    session_id = str(uuid.uuid4())
    await connection.execute(
        OPEN, session_id, account_id, lifetime_s, visitor.address, visitor.user_agent, second_factor
    )
    opened = Opened(account_id, session_id, lifetime_s, await _add_token(connection, session_id))
    return opened, [str(row["session_id"]) for row in removed if row["was_live"]]


async def refresh(
    connection: Connection, refresh_token: str, visitor: Visitor, *, max_refreshes: int
) -> Opened | NotRefreshed:
    """Exchange a refresh token for the next one. A refusal may end the session, so commit in either case."""
    token_hash = digest(refresh_token)
    session = await connection.fetchrow(LOCK, token_hash)
    if session is None:
        return NotRefreshed(RefreshRefusal.UNKNOWN)
    session_id, account_id = str(session["session_id"]), session["account_id"]
    if not session["is_live"]:
        return NotRefreshed(RefreshRefusal.ENDED, account_id)
    if not await connection.fetchval(USE, token_hash):
        await end(connection, session_id)
        return NotRefreshed(RefreshRefusal.REUSED, account_id, session_id)
    if session["refreshes"] >= max_refreshes:
        await end(connection, session_id)
        return NotRefreshed(RefreshRefusal.WORN_OUT, account_id, session_id)
    left_s = await connection.fetchval(COUNT_REFRESH, session_id, visitor.address, visitor.user_agent)
    return Opened(account_id, session_id, left_s, await _add_token(connection, session_id))


async def end(connection: Connection, session_id: str) -> bool:
    """End the session; return whether it had not ended before."""
    return bool(await connection.fetchval(END, session_id))


async def end_one(connection: Connection, account_id: int, session_id: str) -> bool:
    """End a session of the account's; return whether there was such a one."""
    return _is_canonical(session_id) and bool(await connection.fetchval(END_OF, session_id, account_id))


async def end_all(connection: Connection, account_id: int, *, but: str | None = None) -> list[str]:
    """End the account's sessions, all or ``but`` one; return which."""
    return [row["session_id"] for row in await connection.fetch(END_ALL, account_id, but)]


async def list_live(connection: Connection, account_id: int) -> list[Session]:
    """List the account's sessions, the one used last first."""
    return [Session(**row) for row in await connection.fetch(LIST, account_id)]


async def set_second_factor(connection: Connection, account_id: int, second_factor: bool) -> None:
    """Say of the account's sessions whether their holder showed a second factor."""
    await connection.execute(SET_SECOND_FACTOR, account_id, second_factor)


async def owner(connection: Connection, session_id: str) -> int | None:
    """Return whose live session this is, or None if it ended, expired or never was."""
    if not _is_canonical(session_id):
        return None
    account_id: int | None = await connection.fetchval(OWNER, session_id)
    return account_id


async def describe(connection: Connection, session_id: str) -> Holder | None:
    """The same with all that other services want to know of its holder."""
    row = await connection.fetchrow(DESCRIBE, session_id)
    return None if row is None else Holder(**row)


async def _add_token(connection: Connection, session_id: str) -> str:
    refresh_token = new_token()
    await connection.execute(ADD_NEXT, digest(refresh_token), session_id)
    return refresh_token


def _is_canonical(session_id: str) -> bool:
    """PostgreSQL takes a uuid in many spellings; caches and announcements know one."""
    try:
        return str(uuid.UUID(session_id)) == session_id
    except ValueError:
        return False
