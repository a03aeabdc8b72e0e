"""Webhooks: where accounts have programs told. Their secrets are sealed, and shown to their owner once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.infra.postgres import Source
from services.infra.sealing import Seal
from services.infra.transactions import Connection
from services.notifier.channels.signatures import new_secret

# An account's requests take turns, so that a limit cannot be passed by asking twice at once.
LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('notifier.webhooks', $1))"
COUNT: Final = "SELECT count(*) FROM notifier.webhooks WHERE account_id = $1"
CREATE: Final = """
INSERT INTO notifier.webhooks (webhook_id, account_id, url, kinds, secret_sealed) VALUES ($1, $2, $3, $4, $5)
RETURNING webhook_id, url, kinds, created_at
"""
LIST: Final = """
SELECT webhook_id, url, kinds, created_at FROM notifier.webhooks WHERE account_id = $1 ORDER BY created_at, webhook_id
"""
CHANGE: Final = """
UPDATE notifier.webhooks SET url = coalesce($3, url), kinds = coalesce($4, kinds)
WHERE account_id = $1 AND webhook_id = $2 RETURNING webhook_id, url, kinds, created_at
"""
DELETE: Final = "DELETE FROM notifier.webhooks WHERE account_id = $1 AND webhook_id = $2 RETURNING true"
OWNED: Final = "SELECT true FROM notifier.webhooks WHERE account_id = $1 AND webhook_id = $2"
FIND: Final = "SELECT url, secret_sealed FROM notifier.webhooks WHERE webhook_id = $1"


@dataclass(frozen=True, slots=True)
class Webhook:
    webhook_id: uuid.UUID
    url: str
    kinds: list[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hook:
    """What a delivery needs."""

    url: str = field(repr=False)
    secret: str = field(repr=False)


async def create(
    connection: Connection, seal: Seal, account_id: int, url: str, kinds: Sequence[str], *, max_webhooks: int
) -> tuple[Webhook, str] | None:
    """Return the webhook and its secret; None if the account has too many."""
    await connection.execute(LOCK, account_id)
    if await connection.fetchval(COUNT, account_id) >= max_webhooks:
        return None
    webhook_id, secret = uuid.uuid4(), new_secret()
    sealed = seal.close(secret, belongs_to=str(webhook_id))
    row = await connection.fetchrow(CREATE, webhook_id, account_id, url, list(kinds), sealed)
    return _webhook(row), secret


async def list_all(connection: Connection, account_id: int) -> list[Webhook]:
    return [_webhook(row) for row in await connection.fetch(LIST, account_id)]


async def change(
    connection: Connection, account_id: int, webhook_id: uuid.UUID, url: str | None, kinds: Sequence[str] | None
) -> Webhook | None:
    """What is None stays. Return None if the account has no such webhook."""
    row = await connection.fetchrow(CHANGE, account_id, webhook_id, url, None if kinds is None else list(kinds))
    return None if row is None else _webhook(row)


async def delete(connection: Connection, account_id: int, webhook_id: uuid.UUID) -> bool:
    return bool(await connection.fetchval(DELETE, account_id, webhook_id))


async def is_owner(connection: Connection, account_id: int, webhook_id: uuid.UUID) -> bool:
    return bool(await connection.fetchval(OWNED, account_id, webhook_id))


async def find(source: Source, seal: Seal, webhook_id: uuid.UUID) -> Hook | None:
    row = await source.fetchrow(FIND, webhook_id)
    if row is None:
        return None
    return Hook(row["url"], seal.open(row["secret_sealed"], belongs_to=str(webhook_id)))


def _webhook(row: Any) -> Webhook:
    return Webhook(row["webhook_id"], row["url"], row["kinds"], row["created_at"])
