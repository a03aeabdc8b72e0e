"""Phone numbers: one for each account, of use once a code that was sent there has been shown.

A code is six digits, so it lasts ten minutes and a few wrong guesses, and only its digest is stored. Codes cost money
and can be aimed at strangers: each account gets a few in a day.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from hashlib import sha256
from typing import Final

from services.infra.postgres import Source
from services.infra.transactions import Connection

CODE_DIGITS: Final = 6
CODE_LIFETIME_S: Final = 10 * 60
WRONG_CODES_MAX: Final = 5
CODES_PER_DAY_MAX: Final = 5

READ: Final = """
SELECT number, confirmed_at, pending_number FROM notifier.phones WHERE account_id = $1
"""
NUMBER: Final = "SELECT number FROM notifier.phones WHERE account_id = $1"
# Counts over a day from the first code of it; no row comes back when there were too many.
BEGIN: Final = """
INSERT INTO notifier.phones AS p (account_id, pending_number, code_hash, code_expires_at, codes_sent)
VALUES ($1, $2, $3, now() + make_interval(secs => $4), 1)
ON CONFLICT (account_id) DO UPDATE SET
    pending_number = excluded.pending_number, code_hash = excluded.code_hash,
    code_expires_at = excluded.code_expires_at, wrong_codes = 0,
    codes_sent = CASE WHEN p.codes_counted_from < now() - interval '1 day' THEN 1 ELSE p.codes_sent + 1 END,
    codes_counted_from =
        CASE WHEN p.codes_counted_from < now() - interval '1 day' THEN now() ELSE p.codes_counted_from END
WHERE p.codes_sent < $5 OR p.codes_counted_from < now() - interval '1 day'
RETURNING code_expires_at
"""
LOCK: Final = """
SELECT code_hash, wrong_codes, code_expires_at > now() AS lasts FROM notifier.phones WHERE account_id = $1 FOR UPDATE
"""
CONFIRM: Final = """
UPDATE notifier.phones SET number = pending_number, confirmed_at = now(), pending_number = NULL, code_hash = NULL,
    code_expires_at = NULL, wrong_codes = 0 WHERE account_id = $1
"""
COUNT_WRONG: Final = "UPDATE notifier.phones SET wrong_codes = wrong_codes + 1 WHERE account_id = $1"
# The row stays: it counts the codes of the day.
FORGET: Final = """
UPDATE notifier.phones SET number = NULL, confirmed_at = NULL, pending_number = NULL, code_hash = NULL,
    code_expires_at = NULL WHERE account_id = $1
"""


class CodeVerdict(Enum):
    ACCEPTED = auto()
    WRONG = auto()
    # None was sent, it is too old, or there were too many guesses.
    NONE_AWAITED = auto()


@dataclass(frozen=True, slots=True)
class Phone:
    number: str | None
    confirmed_at: datetime | None
    pending_number: str | None


async def read(connection: Connection, account_id: int) -> Phone:
    row = await connection.fetchrow(READ, account_id)
    return Phone(None, None, None) if row is None else Phone(*row)


async def number(source: Source, account_id: int) -> str | None:
    found: str | None = await source.fetchval(NUMBER, account_id)
    return found


async def begin(connection: Connection, account_id: int, new_number: str) -> tuple[str, datetime] | None:
    """Return the code to send and when it expires; None after too many of them."""
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    expires_at = await connection.fetchval(
        BEGIN, account_id, new_number, _digest(account_id, code), CODE_LIFETIME_S, CODES_PER_DAY_MAX
    )
    return None if expires_at is None else (code, expires_at)


async def confirm(connection: Connection, account_id: int, code: str) -> CodeVerdict:
    """Commit in any case: a wrong code counts."""
    row = await connection.fetchrow(LOCK, account_id)
    if row is None or row["code_hash"] is None or not row["lasts"] or row["wrong_codes"] >= WRONG_CODES_MAX:
        return CodeVerdict.NONE_AWAITED
    if not hmac.compare_digest(row["code_hash"], _digest(account_id, code)):
        await connection.execute(COUNT_WRONG, account_id)
        return CodeVerdict.WRONG
    await connection.execute(CONFIRM, account_id)
    return CodeVerdict.ACCEPTED


async def forget(connection: Connection, account_id: int) -> None:
    await connection.execute(FORGET, account_id)


def _digest(account_id: int, code: str) -> bytes:
    return sha256(f"{account_id}:{code}".encode(errors="surrogatepass")).digest()
