"""Second factors: time-based one-time passwords (RFC 6238), and recovery codes for the day the device is lost.

- A factor is in force only once a code of it was shown: an enrolment that went wrong locks nobody out.
- A code is accepted for its own time step and its neighbours, and each step only once, for good: whoever looks over a
  shoulder has nothing. The factor's row is locked meanwhile, so of two uses at once one fails.
- Recovery codes are random, stored as digests, and deleted as they are used.
- No function here limits how often codes are tried; its callers do (``services.auth.throttles``).
"""

import base64
import hmac
import re
import secrets
import time
from enum import Enum, auto
from hashlib import sha256
from typing import Final

import pyotp

from services.auth import audit, notices
from services.auth.visitors import Visitor
from services.infra.sealing import Seal
from services.infra.transactions import Connection

STEP_S: Final = 30
DIGITS: Final = 6
# How far the clocks may be apart, in steps.
DRIFT: Final = (0, -1, 1)
RECOVERY_CODES: Final = 10
# 80 random bits in groups of four characters.
RECOVERY_CODE_BYTES: Final = 10
CODE_CHARS_MAX: Final = 32
ISSUER: Final = "Crossbook"

_totp = re.compile(rf"[0-9]{{{DIGITS}}}", re.ASCII)

ENROL: Final = """
INSERT INTO auth.second_factors (account_id, secret_sealed) VALUES ($1, $2)
ON CONFLICT (account_id) DO UPDATE SET secret_sealed = excluded.secret_sealed, created_at = now(), last_step = 0
WHERE second_factors.confirmed_at IS NULL RETURNING true
"""
LOCK: Final = "SELECT secret_sealed, confirmed_at FROM auth.second_factors WHERE account_id = $1 FOR UPDATE"
USE_STEP: Final = """
UPDATE auth.second_factors SET last_step = $2 WHERE account_id = $1 AND last_step < $2 RETURNING true
"""
CONFIRM: Final = "UPDATE auth.second_factors SET confirmed_at = now() WHERE account_id = $1"
REMOVE: Final = "DELETE FROM auth.second_factors WHERE account_id = $1"
IS_ENABLED: Final = """
SELECT true FROM auth.second_factors WHERE account_id = $1 AND confirmed_at IS NOT NULL
"""
COUNT_CODES: Final = "SELECT count(*) FROM auth.recovery_codes WHERE account_id = $1"
DELETE_CODES: Final = "DELETE FROM auth.recovery_codes WHERE account_id = $1"
ADD_CODES: Final = "INSERT INTO auth.recovery_codes (account_id, code_hash) SELECT $1, unnest($2::bytea[])"
USE_CODE: Final = "DELETE FROM auth.recovery_codes WHERE account_id = $1 AND code_hash = $2 RETURNING true"


class Verdict(Enum):
    """What became of a code."""

    ACCEPTED = auto()
    RECOVERED = auto()
    """Accepted: it was a recovery code, which is used up now."""
    WRONG = auto()
    """Or used before."""
    ABSENT = auto()
    """The account has no second factor."""


async def is_enabled(connection: Connection, account_id: int) -> bool:
    return bool(await connection.fetchval(IS_ENABLED, account_id))


async def enrol(connection: Connection, seal: Seal, account_id: int) -> str | None:
    """Make a secret, which replaces one that was never confirmed; None if the account has a factor in force."""
    secret: str = pyotp.random_base32()
    sealed = seal.close(secret, belongs_to=_owner(account_id))
    return secret if await connection.fetchval(ENROL, account_id, sealed) else None


def provisioning_uri(secret: str, account_name: str) -> str:
    """What an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(name=account_name, issuer_name=ISSUER)


async def confirm(connection: Connection, seal: Seal, account_id: int, code: str) -> list[str] | None:
    """Put the enrolled factor in force if ``code`` is one of it, and return recovery codes; None if it is not."""
    factor = await connection.fetchrow(LOCK, account_id)
    if factor is None or factor["confirmed_at"] is not None:
        return None
    if not await _use_totp(connection, seal, account_id, factor["secret_sealed"], code):
        return None
    await connection.execute(CONFIRM, account_id)
    return await replace_recovery_codes(connection, account_id)


async def check(connection: Connection, seal: Seal, account_id: int, code: str) -> Verdict:
    """Use ``code``, a one-time password or a recovery code. Commit if it was accepted."""
    factor = await connection.fetchrow(LOCK, account_id)
    if factor is None or factor["confirmed_at"] is None:
        return Verdict.ABSENT
    if _totp.fullmatch(code):
        used = await _use_totp(connection, seal, account_id, factor["secret_sealed"], code)
        return Verdict.ACCEPTED if used else Verdict.WRONG
    used = bool(await connection.fetchval(USE_CODE, account_id, _digest(code)))
    return Verdict.RECOVERED if used else Verdict.WRONG


async def replace_recovery_codes(connection: Connection, account_id: int) -> list[str]:
    """Return new recovery codes; the old ones stop working."""
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    await connection.execute(DELETE_CODES, account_id)
    await connection.execute(ADD_CODES, account_id, [_digest(code) for code in codes])
    return codes


async def count_recovery_codes(connection: Connection, account_id: int) -> int:
    count: int = await connection.fetchval(COUNT_CODES, account_id)
    return count


async def tell_of_recovery(connection: Connection, account_id: int, visitor: Visitor | None) -> None:
    """Whoever finds the codes on paper must not go unnoticed."""
    left = await count_recovery_codes(connection, account_id)
    told = visitor.told() if visitor is not None else {}
    await notices.write(connection, account_id, "RECOVERY_CODE_USED", told | {"left": left})
    await audit.write(connection, account_id, "RECOVERY_CODE_USED", visitor, left=left)


async def remove(connection: Connection, account_id: int) -> None:
    await connection.execute(REMOVE, account_id)


async def _use_totp(connection: Connection, seal: Seal, account_id: int, sealed: bytes, code: str) -> bool:
    if _totp.fullmatch(code) is None:
        return False
    totp = pyotp.TOTP(seal.open(sealed, belongs_to=_owner(account_id)), digits=DIGITS, interval=STEP_S)
    now = int(time.time()) // STEP_S
    for step in (now + drift for drift in DRIFT):
        if hmac.compare_digest(totp.generate_otp(step), code):
            return bool(await connection.fetchval(USE_STEP, account_id, step))
    return False


def _owner(account_id: int) -> str:
    return f"second-factor:{account_id}"


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _digest(code: str) -> bytes:
    """However it is typed. A plain hash is enough for 80 random bits."""
    return sha256(re.sub(r"[\s-]", "", code).upper().encode(errors="surrogatepass")).digest()
