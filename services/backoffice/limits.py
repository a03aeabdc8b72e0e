"""What may leave an account, and when: daily limits by tier, and cool-downs.

The account's row is locked while something is admitted and until it has been written down, so two requests at once
cannot pass a limit together. Withdrawals (with their fees) and transfers of the last 24 hours count; what came back
does not.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from services.infra.transactions import Connection

Row = Any

LOCK: Final = """
INSERT INTO backoffice.accounts (account_id) VALUES ($1) ON CONFLICT (account_id) DO UPDATE SET account_id = $1
RETURNING limit_tier, withdraw_to, locked_until, locked_until > now() AS is_locked
"""
READ: Final = """
SELECT limit_tier, fee_tier, withdraw_to, locked_until, locked_until > now() AS is_locked
FROM backoffice.accounts WHERE account_id = $1
"""
SPENT: Final = """
SELECT coalesce((
    SELECT sum(amount_e8 + fee_e8) FROM backoffice.withdrawals
    WHERE account_id = $1 AND asset = $2 AND created_at > now() - interval '24 hours'
        AND status NOT IN ('REFUSED', 'REJECTED', 'CANCELLED')
), 0)::bigint + coalesce((
    SELECT sum(amount_e8) FROM backoffice.transfers
    WHERE account_id = $1 AND asset = $2 AND created_at > now() - interval '24 hours' AND status <> 'RETURNED'
), 0)::bigint
"""
IS_FROZEN: Final = "SELECT status = 'FROZEN' FROM exchange.account_standing WHERE account_id = $1"
SET_WITHDRAW_TO: Final = """
UPDATE backoffice.accounts
SET withdraw_to = $2, locked_until = greatest(locked_until, now() + make_interval(secs => $3::float))
WHERE account_id = $1
"""
SET_TIER: Final = "UPDATE backoffice.accounts SET limit_tier = $2 WHERE account_id = $1"


class Standing(NamedTuple):
    """What holds for one account. ``book_only``: it sends to its address book and nowhere else."""

    limit_tier: str = "standard"
    book_only: bool = False
    locked_until: datetime | None = None
    is_locked: bool = False

    def after(self, changed_at: datetime | None, cool_down_s: int) -> "Standing":
        """The same once the account's credentials changed: nothing leaves it for a while."""
        until = None if changed_at is None else changed_at + timedelta(seconds=cool_down_s)
        if until is None or until <= datetime.now(UTC):
            return self
        return self._replace(locked_until=max(until, self.locked_until or until), is_locked=True)


async def lock(connection: Connection, account_id: int) -> Standing:
    """Have the account to oneself until the transaction ends."""
    row = await connection.fetchrow(LOCK, account_id)
    assert row is not None, "an upsert returns its row"
    return _standing(row)


async def read(connection: Connection, account_id: int) -> Standing:
    row = await connection.fetchrow(READ, account_id)
    return Standing() if row is None else _standing(row)


async def spent_e8(connection: Connection, account_id: int, asset: str) -> int:
    """What has left the account, or is about to, within the last 24 hours."""
    spent: int = await connection.fetchval(SPENT, account_id, asset)
    return spent


async def is_frozen(connection: Connection, account_id: int) -> bool:
    return bool(await connection.fetchval(IS_FROZEN, account_id))


def _standing(row: Row) -> Standing:
    return Standing(row["limit_tier"], row["withdraw_to"] == "BOOK", row["locked_until"], bool(row["is_locked"]))
