"""The address book: where an account sends money to, each address with a name.

An account may say that it sends to these addresses only. Then a new one waits for a while before it can be used, and
taking the rule back keeps everything in for a while: whoever breaks in must wait, and the owner can notice.
"""

from typing import Any, Final

from services.backoffice.errors import BOOK_FULL
from services.infra.problems import Refused
from services.infra.transactions import Connection

Row = Any

_ENTRY: Final = "entry_id, label, asset, network, address, memo, created_at, usable_at"
COUNT: Final = "SELECT count(*) FROM backoffice.address_book WHERE account_id = $1"
ADD: Final = f"""
INSERT INTO backoffice.address_book (account_id, label, asset, network, address, memo, usable_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7::float)) RETURNING {_ENTRY}
"""  # noqa: S608
LIST: Final = f"SELECT {_ENTRY} FROM backoffice.address_book WHERE account_id = $1 ORDER BY entry_id"  # noqa: S608
RENAME: Final = f"""
UPDATE backoffice.address_book SET label = $3 WHERE account_id = $1 AND entry_id = $2 RETURNING {_ENTRY}
"""  # noqa: S608
DELETE: Final = "DELETE FROM backoffice.address_book WHERE account_id = $1 AND entry_id = $2 RETURNING true"
GET: Final = f"SELECT {_ENTRY} FROM backoffice.address_book WHERE account_id = $1 AND entry_id = $2"  # noqa: S608
IS_USABLE: Final = """
SELECT usable_at <= now() FROM backoffice.address_book
WHERE account_id = $1 AND asset = $2 AND network = $3 AND address = $4 AND memo = $5
"""


async def add(
    connection: Connection,
    account_id: int,
    *,
    label: str,
    asset: str,
    network: str,
    address: str,
    memo: str,
    cool_down_s: int,
    max_entries: int,
) -> Row:
    """Add an address. The account must be locked, or two at once could overlook each other."""
    if await connection.fetchval(COUNT, account_id) >= max_entries:
        raise Refused(BOOK_FULL)
    return await connection.fetchrow(ADD, account_id, label, asset, network, address, memo, cool_down_s)


async def is_usable(
    connection: Connection, account_id: int, *, asset: str, network: str, address: str, memo: str
) -> bool | None:
    """Whether money may go there already; None if it is not in the book."""
    usable: bool | None = await connection.fetchval(IS_USABLE, account_id, asset, network, address, memo)
    return usable
