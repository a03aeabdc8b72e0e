"""Streams: who follows which account in this process, and how events reach them in order, each exactly once.

A ``Subscription`` stands at a cursor and passes on what comes after it. It is held back at first, so that the reply to
whoever asked for it can be sent before any event. If it was opened at an earlier cursor it then reads what it missed
from the journal; then it is live. What is committed meanwhile waits, at most ``MAX_HELD_EVENTS`` of it.

Events come from the feed, hence after the commit. What a client does not take is the connection's affair, which drops
the slow (``services/trading/streams/connection.py``).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from services.domain.events import MarketDefined
from services.domain.market import Market
from services.infra.postgres import Pool
from services.trading import errors, metrics
from services.trading.errors import DialectError
from services.trading.feed import Feed, JournalEntry
from services.trading.markets import Markets
from services.trading.streams.connection import POLICY_VIOLATION, TRY_AGAIN_LATER, Connection
from services.trading.user_data.cursor import LAST, Cursor, NotACursor, parse_cursor
from services.trading.user_data.history import History, UserEvent, encoded
from services.trading.user_data.reports import user_events

MAX_HELD_EVENTS: Final = 10_000
RESUMED_TOO_LATE: Final = DialectError(
    -1130, "Data sent for parameter 'resume' is not valid: too much has happened since to resume from there."
)

_LIVE: Final = metrics.USER_DATA_EVENTS.labels("live")
_RESUMED: Final = metrics.USER_DATA_EVENTS.labels("journal")

# Puts an event into the envelope that this kind of connection has, and sends it.
Send = Callable[[bytes], None]

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class Subscription:
    """One account's events on one connection. ``begin`` it when whoever asked for it knows of it; ``end`` it once."""

    __slots__ = (
        "_after",
        "_held",
        "_missed_up_to",
        "_reading",
        "_send",
        "_streams",
        "account_id",
        "connection",
        "unit",
    )

    def __init__(
        self, streams: "UserDataStreams", connection: Connection, account_id: int, unit: int, after: Cursor, send: Send
    ) -> None:
        self.connection = connection
        self.account_id = account_id
        self.unit = unit
        self._streams = streams
        self._after = after
        self._send = send
        # The feed tells of everything after this entry; up to it, the journal does.
        self._missed_up_to = streams.sequence
        self._held: deque[UserEvent] | None = deque()
        self._reading: asyncio.Task[None] | None = None

    def begin(self) -> None:
        if self._after < Cursor(self._missed_up_to, LAST):
            self._reading = asyncio.create_task(self._catch_up())
        else:
            self._go_live()

    def offer(self, event: UserEvent) -> None:
        """Take the account's next event from the feed. A client may have had it from a process that was faster."""
        if event.cursor <= self._after:
            return
        if self._held is None:
            self._send(event.message)
            _LIVE.inc()
        elif len(self._held) < MAX_HELD_EVENTS:
            self._held.append(event)
        else:
            self.connection.close(POLICY_VIOLATION, "Slow consumer")

    def end(self, farewell: bytes | None = None) -> None:
        """Send nothing more, but for an event that says so."""
        self._streams.forget(self)
        if self._reading is not None:
            self._reading.cancel()
        if farewell is not None:
            self._send(farewell)

    async def _catch_up(self) -> None:
        try:
            events = self._streams.history.read(self.account_id, self._after, self._missed_up_to, self.unit)
            async with aclosing(events):
                async for event in events:
                    await self._send_patiently(event)
            while self._held:
                await self._send_patiently(self._held.popleft())
        except Exception as error:
            _log.warning("resume_failed", error=repr(error))
            self.connection.close(TRY_AGAIN_LATER, "The past cannot be read now")
            return
        self._go_live()

    async def _send_patiently(self, event: UserEvent) -> None:
        self._send(event.message)
        _RESUMED.inc()
        await self.connection.taken()

    def _go_live(self) -> None:
        held, self._held = self._held, None
        for event in held or ():
            self._send(event.message)
            _LIVE.inc()


class UserDataStreams:
    """Every followed account. ``start`` it when the feed stands and before that runs.

    ``resume_limit`` is how many journal entries back a client may resume from.
    """

    def __init__(self, feed: Feed, pool: Pool, resume_limit: int) -> None:
        self._feed = feed
        self._pool = pool
        self._markets: dict[str, Market] = {}
        self._resume_limit = resume_limit
        self.history = History(pool, self._markets)
        # By unit of time, then by account.
        self._followers: dict[int, dict[int, dict[Subscription, None]]] = {}

    @property
    def sequence(self) -> int:
        """The last entry of which every live subscription knows."""
        return self._feed.sequence

    async def start(self) -> None:
        # Not the shared ones: what they read before the engine listed the first market, they would keep for a while.
        self._markets.update(await Markets(self._pool).all())
        self._feed.listen(self._hear)

    async def open(
        self,
        connection: Connection,
        account_id: int,
        unit: int,
        send: Send,
        resume: str | None = None,
        since: int | None = None,
    ) -> Subscription:
        """Follow an account after the cursor ``resume``, else after the entry ``since``, else from now on.

        Raise DialectError if that is not possible. Between this and ``begin`` nothing is sent.
        """
        if resume is not None:
            after = await self._resume_after(resume)
        else:
            after = Cursor(self.sequence if since is None else since, LAST)
        subscription = Subscription(self, connection, account_id, unit, after, send)
        accounts = self._followers.setdefault(unit, {})
        accounts.setdefault(account_id, {})[subscription] = None
        metrics.USER_DATA_STREAMS.inc()
        return subscription

    def forget(self, subscription: Subscription) -> None:
        accounts = self._followers[subscription.unit]
        followers = accounts[subscription.account_id]
        del followers[subscription]
        if not followers:
            del accounts[subscription.account_id]
        metrics.USER_DATA_STREAMS.dec()

    async def _resume_after(self, text: str) -> Cursor:
        try:
            cursor = parse_cursor(text)
        except NotACursor:
            raise errors.not_valid("resume") from None
        if cursor.sequence > self.sequence and cursor.sequence > await self.history.head():
            # From another exchange, or invented.
            raise errors.not_valid("resume")
        if self.sequence - cursor.sequence > self._resume_limit:
            raise RESUMED_TOO_LATE
        return cursor

    def _hear(self, entry: JournalEntry) -> None:
        for events in entry.events:
            if events and type(events[0]) is MarketDefined:
                self._markets[events[0].market.symbol] = events[0].market
        for unit, accounts in self._followers.items():
            if accounts:
                told = user_events(entry.sequence, entry.time_us, entry.events, accounts, self._markets, unit)
                for account_id, contents in told.items():
                    followers = tuple(accounts[account_id])
                    for event in map(encoded, contents):
                        for subscription in followers:
                            subscription.offer(event)
