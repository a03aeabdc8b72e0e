"""Notices: how one is stored, exactly once for its source, together with the deliveries that its account wants.

``store`` runs in the transaction of whoever has the source's position, so a notice is never lost and never told twice:
``source_id`` is unique, and a notice's public id is derived from it, the same however often it is stored. What an
account wants is looked up then; a later change of preferences concerns later notices.
"""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from services.infra.sealing import Seal
from services.infra.transactions import Connection
from services.notifier.kinds import CHOSEN, Channel, PreferenceChannel, standing

_NAMESPACE: Final = uuid.UUID("6f1c1f0e-9a55-4c6e-8a1f-0f7d5c1f5b4e")

PREFERENCES: Final = """
SELECT account_id, kind, channel, enabled FROM notifier.preferences WHERE account_id = ANY ($1::bigint[])
"""
WEBHOOKS: Final = """
SELECT webhook_id, account_id, kinds FROM notifier.webhooks WHERE account_id = ANY ($1::bigint[]) FOR KEY SHARE
"""
PHONES: Final = """
SELECT account_id FROM notifier.phones WHERE account_id = ANY ($1::bigint[]) AND number IS NOT NULL
"""
INSERT: Final = """
INSERT INTO notifier.notices
    (notice_id, source_id, account_id, kind, occurred_at, data, in_inbox, recipient, secret_sealed, expires_at)
SELECT notice_id, source_id, account_id, kind, occurred_at, data::jsonb, in_inbox, recipient, secret_sealed, expires_at
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::boolean[],
    $8::text[], $9::bytea[], $10::timestamptz[])
    WITH ORDINALITY AS new (notice_id, source_id, account_id, kind, occurred_at, data, in_inbox, recipient,
    secret_sealed, expires_at, place)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING notice_id
"""
INSERT_DELIVERIES: Final = """
INSERT INTO notifier.deliveries (delivery_id, notice_id, channel, webhook_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[])
"""
JOIN: Final = "INSERT INTO notifier.members (account_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING"
MEMBERS: Final = "SELECT account_id FROM notifier.members WHERE account_id = ANY ($1::bigint[])"


@dataclass(frozen=True, slots=True)
class NewNotice:
    """``secret`` is for the message only: it is stored sealed until ``expires_at`` at most, and never printed."""

    source_id: str
    account_id: int
    kind: str
    occurred_at: datetime
    data: dict[str, Any]
    recipient: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    # To this webhook and nowhere else.
    webhook_id: uuid.UUID | None = None

    @property
    def notice_id(self) -> uuid.UUID:
        return uuid.uuid5(_NAMESPACE, self.source_id)


@dataclass(frozen=True, slots=True)
class _Delivery:
    notice_id: uuid.UUID
    channel: Channel
    webhook_id: uuid.UUID | None = None


class Wishes:
    """What some accounts want, as of now."""

    def __init__(
        self,
        chosen: dict[tuple[int, str, str], bool],
        webhooks: dict[int, list[tuple[uuid.UUID, frozenset[str]]]],
        phones: Collection[int],
    ) -> None:
        self._chosen = chosen
        self._webhooks = webhooks
        self._phones = phones

    def wants(self, notice: NewNotice, channel: PreferenceChannel) -> bool:
        default = standing(notice.kind, channel)
        if default.is_fixed:
            return default.enabled
        return self._chosen.get((notice.account_id, notice.kind, channel), default.enabled)

    def channels(self, notice: NewNotice, offered: Collection[Channel]) -> list[_Delivery]:
        """The deliveries of a notice by the channels that this installation has."""
        if notice.webhook_id is not None:
            return [_Delivery(notice.notice_id, "WEBHOOK", notice.webhook_id)]
        wanted: list[_Delivery] = []
        if "EMAIL" in offered and self.wants(notice, "EMAIL"):
            wanted.append(_Delivery(notice.notice_id, "EMAIL"))
        has_phone = notice.account_id in self._phones or notice.recipient is not None
        if "SMS" in offered and has_phone and self.wants(notice, "SMS"):
            wanted.append(_Delivery(notice.notice_id, "SMS"))
        if "TOPIC" in offered and notice.kind in CHOSEN:
            wanted.append(_Delivery(notice.notice_id, "TOPIC"))
        if "WEBHOOK" in offered:
            hooks = self._webhooks.get(notice.account_id, ())
            wanted += [_Delivery(notice.notice_id, "WEBHOOK", hook) for hook, told in hooks if notice.kind in told]
        return wanted


async def store(
    connection: Connection, seal: Seal, notices: Sequence[NewNotice], offered: Collection[Channel]
) -> list[NewNotice]:
    """Store what is new and wanted somewhere, with its deliveries; return what the inboxes got."""
    if not notices:
        return []
    wishes = await _wishes(connection, {notice.account_id for notice in notices})
    planned = [(notice, wishes.wants(notice, "INBOX"), wishes.channels(notice, offered)) for notice in notices]
    wanted = [(notice, in_inbox, ways) for notice, in_inbox, ways in planned if in_inbox or ways]
    stored = await _insert(connection, seal, [(notice, in_inbox) for notice, in_inbox, _ in wanted])
    deliveries = [way for notice, _, ways in wanted if notice.notice_id in stored for way in ways]
    if deliveries:
        await connection.execute(
            INSERT_DELIVERIES,
            [uuid.uuid4() for _ in deliveries],
            [way.notice_id for way in deliveries],
            [way.channel for way in deliveries],
            [way.webhook_id for way in deliveries],
        )
    return [notice for notice, in_inbox, _ in wanted if in_inbox and notice.notice_id in stored]


async def join(connection: Connection, account_ids: Iterable[int]) -> None:
    """There is a person behind these accounts."""
    await connection.execute(JOIN, sorted(set(account_ids)))


async def members(connection: Connection, account_ids: Iterable[int]) -> frozenset[int]:
    """Which of these accounts have a person behind them."""
    rows = await connection.fetch(MEMBERS, sorted(set(account_ids)))
    return frozenset(row["account_id"] for row in rows)


async def _wishes(connection: Connection, account_ids: Collection[int]) -> Wishes:
    accounts = sorted(account_ids)
    chosen = {
        (row["account_id"], row["kind"], row["channel"]): row["enabled"]
        for row in await connection.fetch(PREFERENCES, accounts)
    }
    webhooks: dict[int, list[tuple[uuid.UUID, frozenset[str]]]] = {}
    for row in await connection.fetch(WEBHOOKS, accounts):
        webhooks.setdefault(row["account_id"], []).append((row["webhook_id"], frozenset(row["kinds"])))
    phones = {row["account_id"] for row in await connection.fetch(PHONES, accounts)}
    return Wishes(chosen, webhooks, phones)


async def _insert(connection: Connection, seal: Seal, wanted: Sequence[tuple[NewNotice, bool]]) -> set[uuid.UUID]:
    notices = [notice for notice, _ in wanted]
    rows = await connection.fetch(
        INSERT,
        [notice.notice_id for notice in notices],
        [notice.source_id for notice in notices],
        [notice.account_id for notice in notices],
        [notice.kind for notice in notices],
        [notice.occurred_at for notice in notices],
        [msgspec.json.encode(notice.data).decode() for notice in notices],
        [in_inbox for _, in_inbox in wanted],
        [notice.recipient for notice in notices],
        [_sealed(seal, notice) for notice in notices],
        [notice.expires_at for notice in notices],
    )
    return {uuid.UUID(str(row["notice_id"])) for row in rows}


def _sealed(seal: Seal, notice: NewNotice) -> bytes | None:
    return None if notice.secret is None else seal.close(notice.secret, belongs_to=str(notice.notice_id))
