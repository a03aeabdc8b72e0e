"""Notices: what people are to be told about their accounts, kept until whoever tells them has taken note.

A notice is written in the transaction of the change it tells of, so there is neither a change without its notice nor a
notice of a change that was rolled back. Another service asks for the oldest, delivers them and acknowledges: each is
delivered at least once, its ``notice_id`` says whether it was before, and no queue has to be up. Nobody may be asking;
so what is older than ``KEPT_DAYS`` goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

import msgspec

from services.infra.transactions import Connection

Kind = Literal[
    "CONFIRM_EMAIL",
    "RESET_PASSWORD",
    "ALREADY_REGISTERED",
    "NEW_DEVICE_LOGIN",
    "ACCOUNT_LOCKED",
    "SESSION_STOLEN",
    "PASSWORD_CHANGED",
    "EMAIL_CHANGED",
    "SECOND_FACTOR_ENABLED",
    "SECOND_FACTOR_DISABLED",
    "RECOVERY_CODE_USED",
    "API_KEY_CREATED",
    "API_KEY_DELETED",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
KEPT_DAYS: Final = 30
LISTED_MAX: Final = 500

# An account without an address has nobody to tell.
WRITE: Final = """
INSERT INTO auth.notices (account_id, email, kind, data)
SELECT account_id, coalesce($2, email), $3, $4::jsonb FROM auth.users
WHERE account_id = $1 AND coalesce($2, email) IS NOT NULL
"""
OLDEST: Final = """
SELECT notice_id, account_id, email, kind, occurred_at, data FROM auth.notices ORDER BY notice_id LIMIT $1
"""
ACKNOWLEDGE: Final = "DELETE FROM auth.notices WHERE notice_id = ANY ($1::bigint[])"
DELETE_OLD: Final = "DELETE FROM auth.notices WHERE occurred_at < now() - make_interval(days => $1)"


@dataclass(frozen=True, slots=True)
class Notice:
    """``data`` may hold a token, so it is never printed."""

    notice_id: int
    account_id: int
    email: str
    kind: Kind
    occurred_at: datetime
    data: dict[str, Any] = field(repr=False)


async def write(
    connection: Connection, account_id: int, kind: Kind, data: dict[str, Any], *, email: str | None = None
) -> None:
    """Tell the account's owner, or whoever reads ``email`` instead."""
    await connection.execute(WRITE, account_id, email, kind, msgspec.json.encode(data).decode())


async def oldest(connection: Connection, limit: int) -> list[Notice]:
    rows = await connection.fetch(OLDEST, limit)
    return [Notice(**{**row, "data": msgspec.json.decode(row["data"])}) for row in rows]


async def acknowledge(connection: Connection, notice_ids: Sequence[int]) -> None:
    """Forget notices that were delivered. Those that are not there any more were acknowledged before."""
    await connection.execute(ACKNOWLEDGE, notice_ids)


async def delete_old(connection: Connection) -> None:
    await connection.execute(DELETE_OLD, KEPT_DAYS)
