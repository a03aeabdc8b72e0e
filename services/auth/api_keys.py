"""API keys: a public name and a secret that signs requests.

The secret is shown once, when the key is made, and stored sealed to its own key's name. The trading service must read
it again to check signatures, so a hash would not do.
"""

import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from services.auth import accounts
from services.auth.database import Connection
from services.auth.sealing import Seal

Permission = Literal["read", "trade"]
PERMISSIONS: Final[tuple[Permission, ...]] = ("read", "trade")

KEY_CHARS: Final = 64
LABEL_CHARS_MAX: Final = 64
_alphabet: Final = string.ascii_letters + string.digits
_well_formed = re.compile(rf"[A-Za-z0-9]{{{KEY_CHARS}}}", re.ASCII)

COUNT: Final = "SELECT count(*) FROM auth.api_keys WHERE account_id = $1"
CREATE: Final = """
INSERT INTO auth.api_keys (api_key, account_id, label, permissions, secret_sealed)
VALUES ($1, $2, $3, $4, $5) RETURNING created_at
"""
LIST: Final = """
SELECT api_key, label, permissions, created_at FROM auth.api_keys WHERE account_id = $1 ORDER BY created_at, api_key
"""
DELETE: Final = "DELETE FROM auth.api_keys WHERE account_id = $1 AND api_key = $2 RETURNING true"
FIND: Final = "SELECT account_id, permissions, secret_sealed FROM auth.api_keys WHERE api_key = $1"


@dataclass(frozen=True, slots=True)
class ApiKey:
    api_key: str
    label: str
    permissions: Sequence[Permission]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewApiKey(ApiKey):
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningAuthority:
    """What another service needs to know to check a request signed with the key."""

    account_id: int
    permissions: Sequence[Permission]
    secret_key: str = field(repr=False)


async def create(
    connection: Connection, seal: Seal, account_id: int, label: str, permissions: Sequence[Permission], *, max_keys: int
) -> NewApiKey | None:
    """Make a key, or return None if the account has ``max_keys`` already."""
    await accounts.lock(connection, account_id)
    if await connection.fetchval(COUNT, account_id) >= max_keys:
        return None
    api_key, secret_key = _random_text(), _random_text()
    secret_sealed = seal.close(secret_key, belongs_to=api_key)
    created_at = await connection.fetchval(CREATE, api_key, account_id, label, permissions, secret_sealed)
    return NewApiKey(api_key, label, permissions, created_at, secret_key)


async def list_all(connection: Connection, account_id: int) -> list[ApiKey]:
    return [ApiKey(**row) for row in await connection.fetch(LIST, account_id)]


async def delete(connection: Connection, account_id: int, api_key: str) -> bool:
    """Delete the account's key; return whether there was one."""
    if _well_formed.fullmatch(api_key) is None:
        return False
    return bool(await connection.fetchval(DELETE, account_id, api_key))


async def find(connection: Connection, seal: Seal, api_key: str) -> SigningAuthority | None:
    if _well_formed.fullmatch(api_key) is None:
        return None
    row = await connection.fetchrow(FIND, api_key)
    if row is None:
        return None
    secret_key = seal.open(row["secret_sealed"], belongs_to=api_key)
    return SigningAuthority(row["account_id"], row["permissions"], secret_key)


def _random_text() -> str:
    return "".join(secrets.choice(_alphabet) for _ in range(KEY_CHARS))
