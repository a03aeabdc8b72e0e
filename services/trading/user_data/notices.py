"""Notices for people who are signed in right now: copies of what the notifier stored, as it stored it.

``{"e":"crossbookNotice", …}`` goes to subscriptions opened by a web session, never to those of an API key, whose
clients know the dialect only. It is not one of the journal's events: it has no cursor, and nothing brings back a missed
one but the inbox. Redis may be gone; then nobody is told until it is back.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.domain.notices import NOTICES_CHANNEL, NoticeCopy, notice_decoder
from services.infra import telemetry
from services.trading.user_data.streams import Send

_LISTEN_TIMEOUT_S: Final = 1.0
_RESUBSCRIBE_S: Final = 0.5

_log = telemetry.logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Notices:
    """``run`` it as a task for the life of the process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._followers: dict[int, dict[object, tuple[int, Send]]] = {}

    def follow(self, account_id: int, unit: int, send: Send) -> Callable[[], None]:
        """Have ``send`` called with the account's notices until what is returned is called."""
        ticket = object()
        self._followers.setdefault(account_id, {})[ticket] = (unit, send)

        def end() -> None:
            followers = self._followers.get(account_id, {})
            followers.pop(ticket, None)
            if not followers:
                self._followers.pop(account_id, None)

        return end

    async def run(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(NOTICES_CHANNEL)
                    while True:
                        message = await subscription.get_message(
                            ignore_subscribe_messages=True, timeout=_LISTEN_TIMEOUT_S
                        )
                        if message is not None:
                            self._hear(message["data"])
            except (RedisError, OSError) as error:
                _log.warning("notices_not_heard", error=str(error))
                await asyncio.sleep(_RESUBSCRIBE_S)

    def _hear(self, message: bytes) -> None:
        try:
            notice = notice_decoder.decode(message)
        except msgspec.MsgspecError as error:
            _log.warning("notice_unreadable", error=str(error))
            return
        for unit, send in tuple(self._followers.get(notice.account_id, {}).values()):
            send(_encoder.encode(notice_event(notice, unit)))


def notice_event(notice: NoticeCopy, unit: int) -> dict[str, Any]:
    """Named as the dialect names things: ``E`` is the time of what happened."""
    return {
        "e": "crossbookNotice",
        "E": notice.occurred_us // unit,
        "n": notice.notice_id,
        "k": notice.kind,
        "t": notice.title,
        "d": notice.data,
    }
