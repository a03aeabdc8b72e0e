"""Upkeep: what is old goes, secrets that expired first; and the queue's depths are measured.

Everything is deleted in bounded steps, so that no statement holds up deliveries. Two processes may do it at once.
"""

import asyncio
from typing import Final

from services.infra import postgres, telemetry
from services.infra.postgres import Pool
from services.notifier import metrics
from services.notifier.journal_source import LAG
from services.notifier.kinds import CHANNELS
from services.notifier.queue import Queue
from services.notifier.settings import NotifierSettings

MEASURE_EVERY_S: Final = 5.0
CLEAN_EVERY_MEASURES: Final = 12
STEP_ROWS: Final = 1_000

CLEAR_SECRETS: Final = """
UPDATE notifier.notices SET secret_sealed = NULL, recipient = NULL
WHERE secret_sealed IS NOT NULL AND expires_at <= now()
"""
DELETE_DELIVERIES: Final = """
DELETE FROM notifier.deliveries WHERE delivery_id IN (
    SELECT delivery_id FROM notifier.deliveries
    WHERE state <> 'WAITING' AND ended_at < now() - make_interval(days => $1) LIMIT $2
)
"""
DELETE_NOTICES: Final = """
DELETE FROM notifier.notices WHERE notice_id IN (
    SELECT notice_id FROM notifier.notices AS n
    WHERE stored_at < now() - make_interval(days => CASE WHEN in_inbox THEN $1::integer ELSE $2::integer END)
    AND NOT EXISTS (SELECT FROM notifier.deliveries AS d WHERE d.notice_id = n.notice_id AND d.state = 'WAITING')
    LIMIT $3
)
"""
# The oldest of the accounts that have too many; what is still on its way leaves the inbox and goes later.
EMPTY_FULL_INBOXES: Final = """
UPDATE notifier.notices AS n SET in_inbox = false FROM (
    SELECT account_id, (array_agg(position ORDER BY position DESC))[$1::integer] AS oldest_kept
    FROM notifier.notices WHERE in_inbox GROUP BY account_id HAVING count(*) > $1
) AS full_inbox
WHERE n.account_id = full_inbox.account_id AND n.in_inbox AND n.position < full_inbox.oldest_kept
"""

_log = telemetry.logger(__name__)


class Upkeep:
    """``run`` it as a task."""

    def __init__(self, settings: NotifierSettings, pool: Pool, queue: Queue) -> None:
        self._settings = settings
        self._pool = pool
        self._queue = queue

    async def run(self) -> None:
        while True:
            try:
                await self.clean()
                for _ in range(CLEAN_EVERY_MEASURES):
                    await self.measure()
                    await asyncio.sleep(MEASURE_EVERY_S)
            except postgres.FAILURES as error:
                _log.warning("upkeep_failed", error=type(error).__name__)
                await asyncio.sleep(MEASURE_EVERY_S)

    async def measure(self) -> None:
        depths = {depth.channel: depth for depth in await self._queue.depths()}
        for channel in CHANNELS:
            depth = depths.get(channel)
            metrics.WAITING.labels(channel).set(depth.waiting if depth else 0)
            metrics.PARKED.labels(channel).set(depth.parked if depth else 0)
            metrics.OLDEST_SECONDS.labels(channel).set(depth.oldest_s if depth else 0)
        metrics.JOURNAL_LAG.set(await self._pool.fetchval(LAG, 0) or 0)

    async def clean(self) -> None:
        settings = self._settings
        await self._pool.execute(CLEAR_SECRETS)
        await self._pool.execute(EMPTY_FULL_INBOXES, settings.notices_kept_per_account)
        await self._pool.execute(DELETE_DELIVERIES, settings.deliveries_kept_days, STEP_ROWS)
        await self._pool.execute(DELETE_NOTICES, settings.notices_kept_days, settings.deliveries_kept_days, STEP_ROWS)
