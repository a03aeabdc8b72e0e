"""Listen key streams: user data on the connections that market streams use, by the name of a listen key.

Such a stream lasts until the client leaves it, the listen key is deleted or expires (seen within ``CHECK_S``, on every
process), or its API key no longer holds. But for the first, ``listenKeyExpired`` is its final event; the connection and
its other streams go on. A name that only looks like a listen key is answered with that event too. A connection that
wants what it cannot have, a cursor that is no good or a listen key while Redis is gone, is closed.

While Redis is gone nothing can have been deleted through it, so streams go on.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import structlog

from services.trading import errors
from services.trading.errors import DialectError
from services.trading.streams.connection import POLICY_VIOLATION, TRY_AGAIN_LATER, Connection
from services.trading.streams.hub import Subscriber
from services.trading.user_data.credentials import Credentials
from services.trading.user_data.listen_keys import ListenKeys
from services.trading.user_data.streams import Subscription, UserDataStreams

CHECK_S: Final = 5.0
_CHECKED_AT_ONCE: Final = 500
_encoder: Final = msgspec.json.Encoder()
_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)

# A connection and the listen key it follows.
_Place = tuple[Connection, str]


class _Joined:
    __slots__ = ("opening", "stop_watching", "stream", "subscriber")

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.opening: asyncio.Task[None] | None = None
        self.stream: Subscription | None = None
        self.stop_watching: Callable[[], None] | None = None


class ListenKeyStreams:
    """``join`` and ``leave`` as connections subscribe; ``run`` as a task for the life of the process."""

    def __init__(self, streams: UserDataStreams, credentials: Credentials, listen_keys: ListenKeys) -> None:
        self._streams = streams
        self._credentials = credentials
        self._listen_keys = listen_keys
        self._joined: dict[_Place, _Joined] = {}

    def join(self, subscriber: Subscriber, listen_key: str, resume: str | None = None) -> None:
        """Send the key's account to this connection, from now on or from a cursor, once whatever is asked for."""
        place = (subscriber.connection, listen_key)
        if place not in self._joined:
            joined = self._joined[place] = _Joined(subscriber)
            joined.opening = asyncio.create_task(self._open(place, joined, resume, self._streams.sequence))

    def leave(self, subscriber: Subscriber, listen_key: str) -> None:
        """The client left the stream or the connection is over. Doing it again does no harm."""
        self._end((subscriber.connection, listen_key), None)

    async def _open(self, place: _Place, joined: _Joined, resume: str | None, since: int) -> None:
        (connection, listen_key), subscriber = place, joined.subscriber
        try:
            owner = await self._listen_keys.owner(listen_key)
            if owner is None:
                self._expire(place)
                return
            send = partial(subscriber.send, stream=listen_key)
            account_id, unit = owner.account_id, subscriber.unit
            joined.stream = await self._streams.open(connection, account_id, unit, send, resume, since)
        except DialectError as error:
            error.__traceback__ = None
            is_gone = error is errors.UNAVAILABLE
            connection.close(TRY_AGAIN_LATER if is_gone else POLICY_VIOLATION, error.message)
            return
        except Exception as error:
            _log.warning("listen_key_stream_unavailable", error=repr(error))
            connection.close(TRY_AGAIN_LATER, errors.UNAVAILABLE.message)
            return
        joined.stop_watching = self._credentials.watch(owner, partial(self._expire, place))
        joined.stream.begin()

    def expire(self, listen_key: str) -> None:
        """The key was deleted here; other processes find out by themselves."""
        for place in tuple(self._joined):
            if place[1] == listen_key:
                self._expire(place)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            listen_keys = list(dict.fromkeys(listen_key for _, listen_key in self._joined))
            for first in range(0, len(listen_keys), _CHECKED_AT_ONCE):
                await self._check(listen_keys[first : first + _CHECKED_AT_ONCE])

    async def _check(self, listen_keys: list[str]) -> None:
        try:
            owners = await self._listen_keys.owners(listen_keys)
        except DialectError as error:
            error.__traceback__ = None
            return
        for listen_key, owner in zip(listen_keys, owners, strict=True):
            if owner is None:
                self.expire(listen_key)

    def _expire(self, place: _Place) -> None:
        joined = self._joined.get(place)
        if joined is not None:
            now = time.time_ns() // 1000 // joined.subscriber.unit
            self._end(place, _encoder.encode({"e": "listenKeyExpired", "E": now, "listenKey": place[1]}))

    def _end(self, place: _Place, farewell: bytes | None) -> None:
        joined = self._joined.pop(place, None)
        if joined is None:
            return
        if joined.opening is not None and joined.opening is not asyncio.current_task():
            joined.opening.cancel()
        if joined.stop_watching is not None:
            joined.stop_watching()
        if joined.stream is not None:
            joined.stream.end(farewell)
        elif farewell is not None:
            joined.subscriber.send(farewell, place[1])
