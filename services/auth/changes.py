"""Announcements: tells everyone who caches this service's answers which of them are no longer true.

Call after the commit, or a cache could read the old answer again. Redis may be away: then the caches' own short
lifetime is what ends the old answer, and the request still succeeds.
"""

from collections.abc import Iterable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.infra.telemetry import logger
from services.infra.tokens import API_KEY_CHANGED_PREFIX, AUTH_CHANGED_CHANNEL, SESSION_CHANGED_PREFIX

log = logger(__name__)


async def announce_api_key(redis: Redis, api_key: str) -> None:
    await _announce(redis, [API_KEY_CHANGED_PREFIX + api_key])


async def announce_sessions(redis: Redis, session_ids: Iterable[str]) -> None:
    await _announce(redis, [SESSION_CHANGED_PREFIX + session_id for session_id in session_ids])


async def _announce(redis: Redis, changes: list[str]) -> None:
    try:
        for change in changes:
            await redis.publish(AUTH_CHANGED_CHANNEL, change)
    except RedisError as error:
        log.warning("change not announced", changes=len(changes), error=repr(error))
