"""Listen key streams: user data on the connections that market streams use, by the name of a listen key.

Such a stream lasts until the client leaves it, the listen key is deleted or expires (seen within ``CHECK_S``, on every
process), or its API key no longer holds. But for the first, ``listenKeyExpired`` is its final event; the connection and
its other streams go on. A name that only looks like a listen key is answered with that event too.

While Redis is gone nothing can have been deleted through it, so streams go on.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from services.trading.errors import DialectError
from services.trading.streams.connection import Connection
from services.trading.streams.hub import Subscriber
from services.trading.user_data.credentials import Credentials
from services.trading.user_data.listen_keys import ListenKeys
from services.trading.user_data.streams import Subscription, UserDataStreams

CHECK_S: Final = 5.0
_CHECKED_AT_ONCE: Final = 500
_encoder: Final = msgspec.json.Encoder()

# A connection and the listen key it follows.
_Place = tuple[Connection, str]


class _Attached:
    __slots__ = ("stop_watching", "stream", "subscriber")

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.stream: Subscription | None = None
        self.stop_watching: Callable[[], None] | None = None


class ListenKeyStreams:
    """``attach`` and ``detach`` as connections subscribe; ``run`` as a task for the life of the process."""

    def __init__(self, streams: UserDataStreams, credentials: Credentials, listen_keys: ListenKeys) -> None:
        self._streams = streams
        self._credentials = credentials
        self._listen_keys = listen_keys
        self._attached: dict[_Place, _Attached] = {}

    async def attach(self, subscriber: Subscriber, listen_key: str, resume: str | None = None) -> None:
        """Send the key's account to this connection, from now on or from a cursor, once whatever is asked for.

        Raise DialectError if Redis cannot be asked or the cursor is no good.
        """
        place = (subscriber.connection, listen_key)
        if place in self._attached:
            return
        attached = self._attached[place] = _Attached(subscriber)
        try:
            owner = await self._listen_keys.owner(listen_key)
            if owner is None:
                self._expire(place)
                return
            send = partial(subscriber.send, stream=listen_key)
            stream = await self._streams.open(subscriber.connection, owner.account_id, subscriber.unit, send, resume)
        except BaseException:
            self._attached.pop(place, None)
            raise
        if self._attached.get(place) is not attached:
            # It left meanwhile.
            stream.end()
            return
        attached.stream = stream
        attached.stop_watching = self._credentials.watch(owner, partial(self._expire, place))
        stream.begin()

    def detach(self, subscriber: Subscriber, listen_key: str) -> None:
        """The client left the stream or the connection is over. Doing it again does no harm."""
        self._end((subscriber.connection, listen_key), None)

    def expire(self, listen_key: str) -> None:
        """The key was deleted here; other processes find out by themselves."""
        for place in tuple(self._attached):
            if place[1] == listen_key:
                self._expire(place)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            listen_keys = list(dict.fromkeys(listen_key for _, listen_key in self._attached))
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
        attached = self._attached.get(place)
        if attached is not None:
            now = time.time_ns() // 1000 // attached.subscriber.unit
            self._end(place, _encoder.encode({"e": "listenKeyExpired", "E": now, "listenKey": place[1]}))

    def _end(self, place: _Place, farewell: bytes | None) -> None:
        attached = self._attached.pop(place, None)
        if attached is None:
            return
        if attached.stop_watching is not None:
            attached.stop_watching()
        if attached.stream is not None:
            attached.stream.end(farewell)
        elif farewell is not None:
            attached.subscriber.send(farewell, place[1])
