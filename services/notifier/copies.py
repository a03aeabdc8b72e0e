"""Copies of new notices for whoever is signed in right now, over Redis. Best effort: Redis may be gone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.domain.notices import NOTICES_CHANNEL, NoticeCopy, notice_encoder
from services.infra import telemetry
from services.notifier.notices import NewNotice
from services.notifier.rendering import Messages

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_log = telemetry.logger(__name__)


class Copies:
    def __init__(self, redis: Redis, messages: Messages) -> None:
        self._redis = redis
        self._messages = messages

    async def publish(self, told: Sequence[NewNotice]) -> None:
        if not told:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for notice in told:
            pipeline.publish(NOTICES_CHANNEL, notice_encoder.encode(self._copy(notice)))
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            _log.warning("copies_not_published", notices=len(told), error=type(error).__name__)

    def _copy(self, notice: NewNotice) -> NoticeCopy:
        occurred_us = (notice.occurred_at - _EPOCH) // _MICROSECOND
        title = self._messages.title(notice.kind, notice.data)
        return NoticeCopy(str(notice.notice_id), notice.account_id, notice.kind, occurred_us, title, notice.data)
