"""The queue of deliveries, in PostgreSQL.

A process claims what is due (``FOR UPDATE SKIP LOCKED``): the row's ``due_at`` becomes the end of its lease, so another
process takes it up only after this one has been silent for longer than an attempt can last. Then the attempt is made,
without any transaction, and its end is recorded. A crash between sending and recording is the one way to send twice.

A failure is tried again with exponential backoff, up to ``max_attempts``; then the delivery is parked until an operator
retries it. What is past its notice's ``expires_at`` is dropped. A notice's secret and address are cleared as soon as no
delivery of it can need them.
"""

import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from services.infra.postgres import Pool
from services.notifier.kinds import Channel

ERROR_CHARS_MAX: Final = 300
PARKED_PAGE_MAX: Final = 200

CLAIM: Final = """
WITH claimed AS MATERIALIZED (
    SELECT delivery_id FROM notifier.deliveries
    WHERE channel = $1 AND state = 'WAITING' AND due_at <= now() ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE notifier.deliveries AS d SET attempts = attempts + 1, due_at = now() + make_interval(secs => $3)
FROM claimed, notifier.notices AS n
WHERE d.delivery_id = claimed.delivery_id AND n.notice_id = d.notice_id
RETURNING d.delivery_id, d.attempts, d.webhook_id, n.notice_id, n.account_id, n.kind, n.occurred_at, n.data::text,
    n.recipient, n.secret_sealed, n.expires_at <= now() AS is_expired
"""
END: Final = """
WITH ended AS (
    UPDATE notifier.deliveries SET state = $2, ended_at = now(), last_error = $3
    WHERE delivery_id = $1 AND state = 'WAITING' AND ($4 = 0 OR attempts = $4) RETURNING delivery_id, notice_id
)
UPDATE notifier.notices AS n SET secret_sealed = NULL, recipient = NULL FROM ended
WHERE n.notice_id = ended.notice_id AND (n.secret_sealed IS NOT NULL OR n.recipient IS NOT NULL) AND $2 <> 'PARKED'
    AND NOT EXISTS (
        SELECT FROM notifier.deliveries AS d WHERE d.notice_id = ended.notice_id
        AND d.delivery_id <> ended.delivery_id AND d.state IN ('WAITING', 'PARKED')
    )
"""
TRY_AGAIN: Final = """
UPDATE notifier.deliveries SET due_at = now() + make_interval(secs => $2), last_error = $3
WHERE delivery_id = $1 AND state = 'WAITING' AND attempts = $4
"""
PARKED: Final = """
SELECT d.delivery_id, d.channel, d.attempts, d.created_at, d.ended_at, d.last_error, n.notice_id, n.account_id, n.kind
FROM notifier.deliveries AS d JOIN notifier.notices AS n USING (notice_id)
WHERE d.state = 'PARKED' ORDER BY d.ended_at DESC LIMIT $1
"""
RETRY: Final = """
UPDATE notifier.deliveries SET state = 'WAITING', ended_at = NULL, attempts = 0, due_at = now()
WHERE state = 'PARKED' AND delivery_id = $1 RETURNING true
"""
DEPTHS: Final = """
SELECT channel,
    count(*) FILTER (WHERE state = 'WAITING') AS waiting,
    count(*) FILTER (WHERE state = 'PARKED') AS parked,
    coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'WAITING')), 0)::float8 AS oldest_s
FROM notifier.deliveries WHERE state IN ('WAITING', 'PARKED') GROUP BY channel
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed delivery and the notice it carries. ``recipient`` and secret are never printed."""

    delivery_id: uuid.UUID
    attempt: int
    webhook_id: uuid.UUID | None
    notice_id: uuid.UUID
    account_id: int
    kind: str
    occurred_at: datetime
    data: dict[str, Any]
    recipient: str | None = field(repr=False)
    secret_sealed: bytes | None = field(repr=False)
    is_expired: bool


class Parked(NamedTuple):
    delivery_id: uuid.UUID
    channel: str
    attempts: int
    created_at: datetime
    parked_at: datetime
    last_error: str | None
    notice_id: uuid.UUID
    account_id: int
    kind: str


class Depth(NamedTuple):
    channel: str
    waiting: int
    parked: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the n-th failed attempt: doubled each time, with jitter against herds."""

    base_s: float
    max_s: float

    def after(self, attempt: int) -> float:
        full_s = min(self.max_s, self.base_s * 2.0 ** min(attempt - 1, 32))
        return full_s * random.uniform(0.5, 1.0)  # noqa: S311  # Nobody gains from guessing it.


class Queue:
    def __init__(self, pool: Pool, *, lease_s: float, backoff: Backoff, max_attempts: int) -> None:
        self._pool = pool
        self._lease_s = lease_s
        self._backoff = backoff
        self._max_attempts = max_attempts

    async def claim(self, channel: Channel, limit: int) -> list[Job]:
        rows = await self._pool.fetch(CLAIM, channel, limit, self._lease_s)
        return [_job(row) for row in rows]

    async def sent(self, job: Job) -> None:
        """Whoever has it now: it was sent."""
        await self._pool.execute(END, job.delivery_id, "SENT", None, 0)

    async def dropped(self, job: Job, reason: str) -> None:
        await self._pool.execute(END, job.delivery_id, "DROPPED", reason[:ERROR_CHARS_MAX], job.attempt)

    async def failed(self, job: Job, reason: str, *, is_final: bool) -> bool:
        """Have it tried again later, or park it; return whether it was parked."""
        reason = reason[:ERROR_CHARS_MAX]
        if is_final or job.attempt >= self._max_attempts:
            await self._pool.execute(END, job.delivery_id, "PARKED", reason, job.attempt)
            return True
        await self._pool.execute(TRY_AGAIN, job.delivery_id, self._backoff.after(job.attempt), reason, job.attempt)
        return False

    async def parked(self, limit: int) -> list[Parked]:
        """The newest first."""
        return [Parked(*row) for row in await self._pool.fetch(PARKED, min(limit, PARKED_PAGE_MAX))]

    async def retry(self, delivery_id: uuid.UUID) -> bool:
        """Begin anew with a parked delivery; return whether there was one."""
        return bool(await self._pool.fetchval(RETRY, delivery_id))

    async def depths(self) -> list[Depth]:
        return [Depth(*row) for row in await self._pool.fetch(DEPTHS)]


def _job(row: Any) -> Job:
    delivery_id, attempt, webhook_id, notice_id, account_id, kind, occurred_at, data, recipient, sealed, expired = row
    return Job(
        delivery_id,
        attempt,
        webhook_id,
        notice_id,
        account_id,
        kind,
        occurred_at,
        msgspec.json.decode(data),
        recipient,
        sealed,
        bool(expired),
    )
