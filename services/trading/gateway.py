"""The gateway: every request to the engine, batched naturally.

One POST is in flight at a time; whatever arrives meanwhile travels together in the next one. An idle system therefore
answers at once and a loaded one gets more efficient (docs/performance.md measures it). Requests keep their order.

What the client may hear is decided by what is certain. A POST that never reached an engine, or reached one that is not
active, was certainly not carried out: it is tried again with the next engine until the requests' deadline, then refused
as unavailable. A POST whose answer got lost is unknown (-1007) and is never sent again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

import httpx
import msgspec
import structlog

from services.domain.protocol import (
    NOT_ACTIVE,
    Applied,
    Checked,
    Depth,
    Envelope,
    Failed,
    FailureKind,
    Refused,
    Reply,
    Request,
)
from services.infra.clock import Clock, now_us
from services.infra.http import internal_client
from services.trading import errors, metrics
from services.trading.errors import REFUSALS, DialectError
from services.trading.settings import TradingSettings

_RETRY_S: Final = 0.05
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_FAILURES: Final = {
    FailureKind.OVERLOADED: errors.OVERLOADED,
    FailureKind.EXPIRED: errors.UNAVAILABLE,
    FailureKind.UNKNOWN: errors.UNKNOWN_OUTCOME,
}

_log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Reply])


class _Waiting:
    """``give_up_us`` is the gateway's own patience; the envelope's deadline may be earlier, by the client's wish."""

    __slots__ = ("answer", "envelope", "give_up_us")

    def __init__(self, envelope: Envelope, give_up_us: int) -> None:
        self.envelope = envelope
        self.give_up_us = give_up_us
        self.answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()


class _NotStarted(Exception):
    """No engine took the parcel."""


class Gateway:
    """``submit`` one request and get its reply; ``run`` as a task for the life of the process."""

    def __init__(
        self, settings: TradingSettings, client: httpx.AsyncClient | None = None, clock: Clock = now_us
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._engine_urls = deque(f"{url.rstrip('/')}/internal/commands" for url in settings.engine_urls)
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._client = client or internal_client(settings, timeout_s=settings.gateway_timeout_ms / 1000)
        # Told of every parcel's replies, after those who wait for them.
        self.on_replies: Callable[[list[Reply]], None] | None = None

    async def submit(self, request: Request, *, deadline_us: int | None = None) -> Applied | Depth | Checked:
        """Have the engine carry out one request; raise DialectError for a refusal or a failure.

        Past ``deadline_us``, the end of a signed request's own window, the engine refuses to start it (-1021).
        """
        if len(self._waiting) >= self._settings.gateway_queue_limit:
            raise errors.OVERLOADED
        give_up_us = self._clock() + self._settings.command_deadline_ms * 1000
        limit_us = give_up_us if deadline_us is None else min(deadline_us, give_up_us)
        waiting = _Waiting(Envelope(limit_us, request), give_up_us)
        self._waiting.append(waiting)
        self._arrived.set()
        reply = await waiting.answer
        if isinstance(reply, Refused):
            raise REFUSALS[reply.reason]
        if isinstance(reply, Failed):
            if limit_us < give_up_us and reply.kind is FailureKind.EXPIRED:
                raise errors.TIMESTAMP_TOO_OLD
            raise _FAILURES[reply.kind]
        return reply

    async def run(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                parcel = self._take()
                await self._deliver(parcel)
        finally:
            self._fail(self._take_all(), errors.UNAVAILABLE)
            with contextlib.suppress(httpx.HTTPError):
                await self._client.aclose()

    def _take(self) -> list[_Waiting]:
        count = min(len(self._waiting), self._settings.gateway_parcel_limit)
        parcel = [self._waiting.popleft() for _ in range(count)]
        if not self._waiting:
            self._arrived.clear()
        return parcel

    def _take_all(self) -> list[_Waiting]:
        everything = list(self._waiting)
        self._waiting.clear()
        return everything

    async def _deliver(self, parcel: list[_Waiting]) -> None:
        metrics.GATEWAY_PARCEL.observe(len(parcel))
        try:
            replies = await self._send(parcel)
        except _NotStarted:
            self._fail(parcel, errors.UNAVAILABLE)
        except Exception as error:
            _log.warning("engine_answer_lost", error=repr(error), requests=len(parcel))
            # An engine that hangs accepts connections and answers nothing: ask another one next.
            self._engine_urls.rotate(-1)
            self._fail(parcel, errors.UNKNOWN_OUTCOME)
        except asyncio.CancelledError:
            self._fail(parcel, errors.UNKNOWN_OUTCOME)
            raise
        else:
            for waiting, reply in zip(parcel, replies, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(reply)
            if self.on_replies is not None:
                self.on_replies(replies)

    async def _send(self, parcel: list[_Waiting]) -> list[Reply]:
        """Post to the engine that last answered, else to the others in turn, while the deadline allows."""
        body = _encoder.encode([waiting.envelope for waiting in parcel])
        give_up_us = min(waiting.give_up_us for waiting in parcel)
        attempt = 0
        while self._clock() < give_up_us:
            try:
                response = await self._client.post(self._engine_urls[0], content=body)
            except _NEVER_SENT:
                response = None
            if response is not None and response.status_code == httpx.codes.OK:
                replies = _decoder.decode(response.content)
                if len(replies) != len(parcel):
                    raise ValueError(f"{len(replies)} replies to {len(parcel)} requests")
                return replies
            if response is not None and response.content != NOT_ACTIVE:
                _log.error("engine_refused_parcel", status=response.status_code, body=response.text[:200])
                if response.is_server_error:
                    # Whoever failed may have failed after the commit.
                    response.raise_for_status()
                raise _NotStarted
            self._engine_urls.rotate(-1)
            attempt += 1
            if attempt % len(self._engine_urls) == 0:
                await asyncio.sleep(_RETRY_S)
        raise _NotStarted

    def _fail(self, parcel: list[_Waiting], error: DialectError) -> None:
        for waiting in parcel:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
