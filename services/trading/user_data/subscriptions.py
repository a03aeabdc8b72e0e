"""Subscriptions: the user data that one connection to the WebSocket API follows (section 8.2 and 8.3).

Each has a number, which its events carry: ``{"subscriptionId":0,"event":{…}}``. One account is followed at most once
per connection. A subscription lasts until it is cancelled, its credential no longer holds, the session it belongs to is
logged out, or the connection ends; but for the last, ``eventStreamTerminated`` is its final event.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from services.trading.errors import DialectError
from services.trading.principals import WebSession
from services.trading.streams.connection import Connection
from services.trading.user_data.credentials import Credential, Credentials
from services.trading.user_data.notices import Notices
from services.trading.user_data.reports import SEQUENCE_FIELD
from services.trading.user_data.streams import Subscription, UserDataStreams

MAX_ACTIVE: Final = 1_000
# Numbers are not used again.
MAX_NUMBERS: Final = 65_535

ALREADY_ACTIVE: Final = DialectError(-2035, "User Data Stream subscription already active.")
NOT_ACTIVE: Final = DialectError(-2036, "User Data Stream subscription not active.")
NO_NUMBERS_LEFT: Final = DialectError(-2042, "Maximum subscription ID reached for this connection.")
TOO_MANY_ACTIVE: Final = DialectError(-2042, f"At most {MAX_ACTIVE} subscriptions may be active on a connection.")

_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Opened:
    """What the reply to the request says. ``begin`` when it is sent: no event may come before it."""

    result: dict[str, Any]
    begin: Callable[[], None]


class _Active:
    __slots__ = ("is_of_session", "stop_notices", "stop_watching", "stream")

    def __init__(self, stream: Subscription, stop_watching: Callable[[], None], *, is_of_session: bool) -> None:
        self.stream = stream
        self.stop_watching = stop_watching
        # Only of a web session's, once it has begun.
        self.stop_notices: Callable[[], None] | None = None
        self.is_of_session = is_of_session


class Subscriptions:
    """Those of one connection. ``close`` them with it. ``unit`` divides microseconds into the client's time unit."""

    def __init__(
        self,
        streams: UserDataStreams,
        credentials: Credentials,
        notices: Notices,
        connection: Connection,
        unit: int,
    ) -> None:
        self._streams = streams
        self._credentials = credentials
        self._notices = notices
        self._connection = connection
        self._unit = unit
        self._active: dict[int, _Active] = {}
        # Accounts that are followed or about to be.
        self._accounts: set[int] = set()
        self._next_number = 0

    @property
    def numbers(self) -> list[int]:
        """Those that are active, oldest first."""
        return list(self._active)

    async def subscribe(
        self, credential: Credential, resume: str | None = None, *, is_of_session: bool = False
    ) -> Opened:
        """Follow the credential's account from now on or from a cursor; raise DialectError if that is not possible.

        The caller has proven the credential. One ``is_of_session`` that was logged on by ``session.logon``.
        """
        account_id = credential.account_id
        if account_id in self._accounts:
            raise ALREADY_ACTIVE
        if len(self._accounts) >= MAX_ACTIVE:
            raise TOO_MANY_ACTIVE
        if self._next_number >= MAX_NUMBERS:
            raise NO_NUMBERS_LEFT
        number = self._next_number
        self._next_number += 1
        self._accounts.add(account_id)
        try:
            send = partial(self._send, number)
            stream = await self._streams.open(self._connection, account_id, self._unit, send, resume)
        except BaseException:
            self._accounts.discard(account_id)
            raise
        stop_watching = self._credentials.watch(credential, partial(self._terminate, number))
        self._active[number] = _Active(stream, stop_watching, is_of_session=is_of_session)
        result: dict[str, Any] = {"subscriptionId": number}
        if resume is None:
            # Where to resume from should the connection break before the first event.
            result[SEQUENCE_FIELD] = self._streams.sequence
        return Opened(result, partial(self._begin, number, is_person=isinstance(credential, WebSession)))

    def _begin(self, number: int, *, is_person: bool) -> None:
        active = self._active.get(number)
        if active is None:
            # It ended while the reply was being sent.
            return
        active.stream.begin()
        if is_person:
            send = partial(self._send, number)
            active.stop_notices = self._notices.follow(active.stream.account_id, self._unit, send)

    def unsubscribe(self, number: int | None = None) -> None:
        """End one, or all there are; raise -2036 if there is no such one."""
        if number is None:
            for active in self.numbers:
                self._terminate(active)
        elif number in self._active:
            self._terminate(number)
        else:
            raise NOT_ACTIVE

    def log_out(self) -> None:
        """End what came with the session; what was signed for stays."""
        for number in self.numbers:
            if self._active[number].is_of_session:
                self._terminate(number)

    def close(self) -> None:
        for number in self.numbers:
            self._end(number, None)

    def _terminate(self, number: int) -> None:
        event = {"e": "eventStreamTerminated", "E": time.time_ns() // 1000 // self._unit}
        self._end(number, _encoder.encode(event))

    def _end(self, number: int, farewell: bytes | None) -> None:
        active = self._active.pop(number)
        self._accounts.discard(active.stream.account_id)
        active.stop_watching()
        if active.stop_notices is not None:
            active.stop_notices()
        active.stream.end(farewell)

    def _send(self, number: int, event: bytes) -> None:
        self._connection.send(b'{"subscriptionId":%d,"event":%b}' % (number, event))
