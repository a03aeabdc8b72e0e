"""The inbox: what an account was told lately, newest first."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from services.infra.transactions import Connection

PAGE_MAX: Final = 100

POSITION: Final = "SELECT position FROM notifier.notices WHERE account_id = $1 AND notice_id = $2 AND in_inbox"
PAGE: Final = """
SELECT notice_id, kind, occurred_at, data::text, read_at FROM notifier.notices
WHERE account_id = $1 AND in_inbox AND position < $2 AND (NOT $4 OR read_at IS NULL) ORDER BY position DESC LIMIT $3
"""
UNREAD: Final = "SELECT count(*) FROM notifier.notices WHERE account_id = $1 AND in_inbox AND read_at IS NULL"
MARK: Final = """
UPDATE notifier.notices SET read_at = now()
WHERE account_id = $1 AND in_inbox AND read_at IS NULL AND notice_id = ANY ($2::uuid[])
"""
MARK_UP_TO: Final = """
UPDATE notifier.notices SET read_at = now()
WHERE account_id = $1 AND in_inbox AND read_at IS NULL AND position <= $2
"""
_NEWEST: Final = 2**63 - 1


class InboxNotice(NamedTuple):
    notice_id: uuid.UUID
    kind: str
    occurred_at: datetime
    data: dict[str, Any]
    read_at: datetime | None


async def position(connection: Connection, account_id: int, notice_id: uuid.UUID) -> int | None:
    """Where a notice stands; None if the account's inbox has no such one."""
    found: int | None = await connection.fetchval(POSITION, account_id, notice_id)
    return found


async def page(
    connection: Connection, account_id: int, limit: int, before: int | None, *, unread_only: bool
) -> list[InboxNotice]:
    rows = await connection.fetch(PAGE, account_id, _NEWEST if before is None else before, limit, unread_only)
    return [InboxNotice(row[0], row[1], row[2], msgspec.json.decode(row[3]), row[4]) for row in rows]


async def unread(connection: Connection, account_id: int) -> int:
    count: int = await connection.fetchval(UNREAD, account_id)
    return count


async def mark_read(connection: Connection, account_id: int, notice_ids: Sequence[uuid.UUID]) -> None:
    """Those that are not the account's stay as they are."""
    await connection.execute(MARK, account_id, notice_ids)


async def mark_read_up_to(connection: Connection, account_id: int, up_to: int) -> None:
    await connection.execute(MARK_UP_TO, account_id, up_to)
