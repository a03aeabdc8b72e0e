"""Money sent to another user of the venue, by account id or e-mail address.

The answer is the same whether or not there is such a user. A transfer to nobody is RETURNED: nothing was moved. It
counts against the number of transfers within a day like every other, so this is no way to find out who is here.
"""

from dataclasses import dataclass
from typing import Any, Final

from services.backoffice import courier, limits
from services.backoffice.assets_file import Catalogue
from services.backoffice.errors import (
    ACCOUNT_FROZEN,
    COOLING_DOWN,
    DAILY_LIMIT_EXCEEDED,
    ID_USED_DIFFERENTLY,
    INSUFFICIENT_BALANCE,
    TOO_MANY_TRANSFERS,
    UNKNOWN_ASSET,
)
from services.domain.commands import TransferFunds
from services.domain.refusals import Refusal
from services.infra.problems import Refused
from services.infra.transactions import Connection

Row = Any

_COLUMNS: Final = """
transfer_id, account_id, client_id, recipient, to_account_id, asset, amount_e8, status, refusal, created_at,
completed_at
"""
ADD: Final = f"""
INSERT INTO backoffice.transfers (account_id, client_id, recipient, to_account_id, asset, amount_e8, status,
    completed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $7 = 'RETURNED' THEN now() END) RETURNING {_COLUMNS}
"""  # noqa: S608
FIND_BY_CLIENT_ID: Final = f"""
SELECT {_COLUMNS} FROM backoffice.transfers WHERE account_id = $1 AND client_id = $2
"""  # noqa: S608
COUNT: Final = """
SELECT count(*) FROM backoffice.transfers WHERE account_id = $1 AND created_at > now() - interval '24 hours'
"""
# Each side by its own index. A recipient sees what arrived, and only that.
LIST: Final = f"""
SELECT {_COLUMNS} FROM (
    (SELECT * FROM backoffice.transfers WHERE account_id = $1 AND transfer_id < $2
    ORDER BY transfer_id DESC LIMIT $3)
    UNION ALL
    (SELECT * FROM backoffice.transfers WHERE to_account_id = $1 AND status = 'COMPLETED' AND transfer_id < $2
    ORDER BY transfer_id DESC LIMIT $3)
) AS own ORDER BY transfer_id DESC LIMIT $3
"""  # noqa: S608
FREE: Final = "SELECT free_e8 FROM exchange.balances WHERE account_id = $1 AND asset = $2"
COMPLETE: Final = """
UPDATE backoffice.transfers SET status = $2, refusal = $3, completed_at = now() WHERE transfer_id = $1
"""


@dataclass(frozen=True, slots=True)
class Wish:
    recipient: str
    asset: str
    amount_e8: int
    client_id: str | None


async def repeated(connection: Connection, account_id: int, wish: Wish) -> Row | None:
    """Return what was asked for under this id of the client's before; refuse if that was something else."""
    if wish.client_id is None:
        return None
    earlier = await connection.fetchrow(FIND_BY_CLIENT_ID, account_id, wish.client_id)
    if earlier is not None and any(
        earlier[name] != getattr(wish, name) for name in ("recipient", "asset", "amount_e8")
    ):
        raise Refused(ID_USED_DIFFERENTLY)
    return earlier


async def admit(
    connection: Connection,
    catalogue: Catalogue,
    account_id: int,
    wish: Wish,
    standing: limits.Standing,
    *,
    second_factor: bool,
    max_per_day: int,
) -> None:
    """Let the request pass, or refuse it for the first thing that is wrong."""
    asset = catalogue.assets.get(wish.asset)
    if asset is None:
        raise Refused(UNKNOWN_ASSET)
    if standing.is_locked:
        raise Refused(COOLING_DOWN)
    if await limits.is_frozen(connection, account_id):
        raise Refused(ACCOUNT_FROZEN)
    if await connection.fetchval(COUNT, account_id) >= max_per_day:
        raise Refused(TOO_MANY_TRANSFERS)
    limit_e8 = catalogue.limit_e8(asset, standing.limit_tier, second_factor=second_factor)
    if await limits.spent_e8(connection, account_id, wish.asset) + wish.amount_e8 > limit_e8:
        raise Refused(DAILY_LIMIT_EXCEEDED)
    # Before anybody is looked up: who has nothing to send finds out nothing.
    if (await connection.fetchval(FREE, account_id, wish.asset) or 0) < wish.amount_e8:
        raise Refused(INSUFFICIENT_BALANCE)


async def request(
    connection: Connection, account_id: int, wish: Wish, to_account_id: int | None
) -> tuple[Row, int | None]:
    """Write down what was admitted; return it and the command that moves the money, if there is anybody to have it."""
    status = "RETURNED" if to_account_id is None else "ACCEPTED"
    row = await connection.fetchrow(
        ADD, account_id, wish.client_id, wish.recipient, to_account_id, wish.asset, wish.amount_e8, status
    )
    assert row is not None, "an insert returns its row"
    if to_account_id is None:
        return row, None
    reference = f"transfer:{row['transfer_id']}"
    command = TransferFunds(account_id, to_account_id, wish.asset, wish.amount_e8, reference)
    return row, await courier.enqueue(connection, "TRANSFER", reference, command)


async def follow(connection: Connection, transfer_id: int, refusal: Refusal | None) -> None:
    status, reason = ("COMPLETED", None) if refusal is None else ("RETURNED", refusal.value)
    await connection.execute(COMPLETE, transfer_id, status, reason)
