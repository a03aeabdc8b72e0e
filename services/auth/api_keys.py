"""API keys: a public name, and what signs its requests.

- A key is of one of three kinds. For HMAC this service makes the secret; for ED25519 and RSA the client keeps a private
  key and registers the public one, so there is no secret here at all.
- A secret is shown once, when the key is made, and stored sealed to its own key's name. The trading service must read
  it again to check signatures, so a hash would not do.
- A key with an allow-list works only from the networks in it; an empty list means from anywhere.
- An expired key is not found. Its last use is when another service last asked for it, noted once in
  ``USE_NOTED_EVERY_S``: that costs no request anything, and tells which keys nobody needs.
- No function here commits, so the caller announces a change after its own commit.
"""

import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, Literal

from services.auth import accounts
from services.auth.public_keys import Kind, PublicKey
from services.infra.sealing import Seal
from services.infra.transactions import Connection

Permission = Literal["read", "trade", "withdraw"]
PERMISSIONS: Final[tuple[Permission, ...]] = ("read", "trade", "withdraw")
Network = IPv4Network | IPv6Network

KEY_CHARS: Final = 64
LABEL_CHARS_MAX: Final = 64
NETWORKS_MAX: Final = 30
USE_NOTED_EVERY_S: Final = 60
_alphabet: Final = string.ascii_letters + string.digits
_well_formed = re.compile(rf"[A-Za-z0-9]{{{KEY_CHARS}}}", re.ASCII)

COUNT: Final = "SELECT count(*) FROM auth.api_keys WHERE account_id = $1"
CREATE: Final = """
INSERT INTO auth.api_keys (api_key, account_id, label, permissions, kind, secret_sealed, public_key, ip_allow_list,
    expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING created_at
"""
_VISIBLE: Final = "api_key, label, permissions, kind, public_key, ip_allow_list, created_at, expires_at, last_used_at"
LIST: Final = f"SELECT {_VISIBLE} FROM auth.api_keys WHERE account_id = $1 ORDER BY created_at, api_key"  # noqa: S608
UPDATE: Final = f"""
UPDATE auth.api_keys SET label = coalesce($3, label), ip_allow_list = coalesce($4, ip_allow_list)
WHERE account_id = $1 AND api_key = $2 RETURNING {_VISIBLE}
"""  # noqa: S608
DELETE: Final = "DELETE FROM auth.api_keys WHERE account_id = $1 AND api_key = $2 RETURNING label"
FIND: Final = """
SELECT account_id, permissions, kind, secret_sealed, public_key, ip_allow_list, created_at, expires_at
FROM auth.api_keys WHERE api_key = $1 AND (expires_at IS NULL OR expires_at > now())
"""
# Not at every question, and never waiting for another that says the same.
NOTE_USE: Final = """
UPDATE auth.api_keys SET last_used_at = now() WHERE api_key IN (
    SELECT api_key FROM auth.api_keys
    WHERE api_key = $1 AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => $2))
    FOR NO KEY UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a key is to be. Without a public key it is an HMAC key."""

    label: str
    permissions: Sequence[Permission]
    public_key: PublicKey | None = None
    ip_allow_list: Sequence[Network] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    api_key: str
    label: str
    permissions: Sequence[Permission]
    kind: Kind
    public_key: str | None
    ip_allow_list: Sequence[Network]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey(ApiKey):
    secret_key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningAuthority:
    """What another service needs to know to check a request signed with the key."""

    account_id: int
    permissions: Sequence[Permission]
    kind: Kind
    secret_key: str | None = field(repr=False)
    public_key: str | None
    ip_allow_list: Sequence[Network]
    created_at: datetime
    expires_at: datetime | None


async def create(connection: Connection, seal: Seal, account_id: int, wish: Wish, *, max_keys: int) -> NewApiKey | None:
    """Make a key, or return None if the account has ``max_keys`` already."""
    await accounts.lock(connection, account_id)
    if await connection.fetchval(COUNT, account_id) >= max_keys:
        return None
    api_key = _random_text()
    kind, pem = wish.public_key or ("HMAC", None)
    secret_key = _random_text() if pem is None else None
    secret_sealed = seal.close(secret_key, belongs_to=api_key) if secret_key is not None else None
    created_at = await connection.fetchval(
        CREATE,
        api_key,
        account_id,
        wish.label,
        wish.permissions,
        kind,
        secret_sealed,
        pem,
        wish.ip_allow_list,
        wish.expires_at,
    )
    return NewApiKey(
        api_key=api_key,
        label=wish.label,
        permissions=wish.permissions,
        kind=kind,
        public_key=pem,
        ip_allow_list=wish.ip_allow_list,
        created_at=created_at,
        expires_at=wish.expires_at,
        last_used_at=None,
        secret_key=secret_key,
    )


async def list_all(connection: Connection, account_id: int) -> list[ApiKey]:
    return [_visible(row) for row in await connection.fetch(LIST, account_id)]


async def update(
    connection: Connection, account_id: int, api_key: str, label: str | None, ip_allow_list: Sequence[Network] | None
) -> ApiKey | None:
    """Change what is given of the account's key; return None if there is no such key."""
    if _well_formed.fullmatch(api_key) is None:
        return None
    row = await connection.fetchrow(UPDATE, account_id, api_key, label, ip_allow_list)
    return None if row is None else _visible(row)


async def delete(connection: Connection, account_id: int, api_key: str) -> str | None:
    """Delete the account's key; return its label, or None if there is no such key."""
    if _well_formed.fullmatch(api_key) is None:
        return None
    label: str | None = await connection.fetchval(DELETE, account_id, api_key)
    return label


async def find(connection: Connection, seal: Seal, api_key: str) -> SigningAuthority | None:
    if _well_formed.fullmatch(api_key) is None:
        return None
    row = await connection.fetchrow(FIND, api_key)
    if row is None:
        return None
    await connection.execute(NOTE_USE, api_key, USE_NOTED_EVERY_S)
    sealed = row["secret_sealed"]
    secret_key = seal.open(sealed, belongs_to=api_key) if sealed is not None else None
    return SigningAuthority(
        row["account_id"],
        row["permissions"],
        row["kind"],
        secret_key,
        row["public_key"],
        row["ip_allow_list"],
        row["created_at"],
        row["expires_at"],
    )


def _visible(row: Any) -> ApiKey:
    return ApiKey(**row)


def _random_text() -> str:
    return "".join(secrets.choice(_alphabet) for _ in range(KEY_CHARS))
