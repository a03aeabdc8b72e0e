"""The gateway: every request to the engine, batched naturally.

One POST is in flight at a time; whatever arrives meanwhile travels together in the next one. An idle system therefore
answers at once and a loaded one gets more efficient (docs/performance.md measures it).

Requests of one account keep their order. Accounts take turns: a parcel has one request of each that waits, then another
of each, so who sends much delays himself. One account may have ``gateway_account_limit`` requests waiting. Altogether
no more are under way than are answered soon (``gateway_busy_limit``); while no engine answers, as in a hand-over, more
may wait (``gateway_queue_limit``). Whatever is past a bound is refused at once. While the process is overloaded
(``shedding``), what has waited too long already is refused instead of sent.

What the client may hear is decided by what is certain. A POST that never reached an engine, or reached one that is not
active, was certainly not carried out: it is tried again with the next engine until the requests' deadline, then refused
as unavailable. A POST whose answer got lost is unknown (-1007) and is never sent again.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Protocol

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from services.domain.commands import ReplaceOrder
from services.domain.protocol import (
    NOT_ACTIVE,
    PARCEL_HEADER,
    Applied,
    Checked,
    CheckOrder,
    Depth,
    Envelope,
    Failed,
    FailureKind,
    Refused,
    Reply,
    Request,
    parcel_id,
)
from services.infra import traces
from services.infra.clock import Clock, now_us
from services.infra.lean_post import Answer, AnswerLost, LeanPost, NotSent
from services.infra.web import internal_credential
from services.trading import errors, metrics
from services.trading.errors import REFUSALS, DialectError
from services.trading.settings import TradingSettings
from services.trading.shedding import Shedding, TradingGate

_RETRY_S: Final = 0.01
# Who asks for what belongs to no account, the depth of a book: bounded by the others' limits only.
_NOBODY: Final = 0
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

    __slots__ = ("answer", "envelope", "give_up_us", "since_s", "span")

    def __init__(self, envelope: Envelope, give_up_us: int) -> None:
        # A system call each time.
        loop = asyncio.get_running_loop()
        self.envelope = envelope
        self.give_up_us = give_up_us
        self.span = traces.current() if traces.is_on else None
        self.since_s = loop.time()
        self.answer: asyncio.Future[Applied | Depth | Checked] = loop.create_future()

    def hear(self, reply: Reply) -> None:
        """What the engine says, unless nobody waits for it any longer."""
        if self.answer.done():
            return
        if isinstance(reply, Refused):
            self.answer.set_exception(REFUSALS[reply.reason])
        elif isinstance(reply, Failed):
            is_clients_wish = self.envelope.deadline_us < self.give_up_us and reply.kind is FailureKind.EXPIRED
            self.answer.set_exception(errors.TIMESTAMP_TOO_OLD if is_clients_wish else _FAILURES[reply.kind])
        else:
            self.answer.set_result(reply)


def _account_of(request: Request) -> int:
    """Whose turn it takes."""
    if type(request) is CheckOrder:
        request = request.order
    elif type(request) is ReplaceOrder:
        request = request.cancel
    account_id: int = getattr(request, "account_id", _NOBODY)
    return account_id


class _NotStarted(Exception):
    """No engine took the parcel."""


class EngineClient(Protocol):
    """What of ``LeanPost`` a gateway uses, with the same exceptions."""

    async def post(self, url: str, content: bytes, headers: dict[str, str]) -> Answer:
        """Send one parcel."""

    async def close(self) -> None:
        """Let go of connections."""


class Gateway:
    """``submit`` one request and get its reply; ``run`` as a task for the life of the process."""

    def __init__(
        self,
        settings: TradingSettings,
        client: EngineClient | None = None,
        *,
        clock: Clock = now_us,
        name: str = "",
        shedding: Shedding | None = None,
    ) -> None:
        self._settings = settings
        self._shedding = shedding or TradingGate(settings).orders
        self._clock = clock
        # Under which an engine tells this gateway's parcels apart; no two gateways share one.
        self._name = name or secrets.token_hex(8)
        self._posts = 0
        self._engine_urls = deque(f"{url.rstrip('/')}/internal/commands" for url in settings.engine_urls)
        # By account, in the order of their turns; none is empty.
        self._lines: dict[int, deque[_Waiting]] = {}
        self._depth = 0
        self._has_engine = True
        self._alone_since_s = 0.0
        self._arrived = asyncio.Event()
        self._client: EngineClient = client or LeanPost(
            internal_credential(settings), timeout_s=settings.gateway_timeout_ms / 1000
        )
        # Told of every parcel's replies, after those who wait for them.
        self.on_replies: Callable[[list[Reply]], None] | None = None

    @property
    def is_full(self) -> bool:
        """Nobody's request would be taken now."""
        settings = self._settings
        is_busy = self._has_engine and self._depth >= settings.gateway_busy_limit
        return is_busy or self._depth >= settings.gateway_queue_limit

    def submit(self, request: Request, *, deadline_us: int | None = None) -> Awaitable[Applied | Depth | Checked]:
        """Have the engine carry out one request; raise DialectError for a refusal or a failure, at once if there is no
        room for it.

        Past ``deadline_us``, the end of a signed request's own window, the engine refuses to start it (-1021).
        """
        account_id = _account_of(request)
        line = self._lines.get(account_id)
        is_long = line is not None and len(line) >= self._settings.gateway_account_limit
        if self.is_full or (is_long and account_id != _NOBODY):
            self._shedding.push_back()
            raise errors.OVERLOADED
        give_up_us = self._clock() + self._settings.command_deadline_ms * 1000
        limit_us = give_up_us if deadline_us is None else min(deadline_us, give_up_us)
        waiting = _Waiting(Envelope(limit_us, request), give_up_us)
        if line is None:
            line = self._lines[account_id] = deque()
        line.append(waiting)
        self._depth += 1
        self._arrived.set()
        return waiting.answer

    async def run(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                parcel = self._take()
                if parcel and traces.is_on:
                    await self._deliver_traced(parcel)
                elif parcel:
                    await self._deliver(parcel)
        finally:
            self._fail(self._take_all(), errors.UNAVAILABLE)
            await self._client.close()

    def _take(self) -> list[_Waiting]:
        parcel: list[_Waiting] = []
        stale: list[_Waiting] = []
        now_s, oldest_s = asyncio.get_running_loop().time(), 0.0
        while self._lines and len(parcel) < self._settings.gateway_parcel_limit:
            account_id = next(iter(self._lines))
            line = self._lines.pop(account_id)
            waiting = line.popleft()
            waited_s = now_s - waiting.since_s
            oldest_s = max(oldest_s, waited_s)
            # The last of a line is not refused: who waits for one answer has not made it late.
            is_refused = bool(line) and self._shedding.is_stale(waited_s)
            (stale if is_refused else parcel).append(waiting)
            if line:
                # Behind everyone else who waits.
                self._lines[account_id] = line
        self._depth -= len(parcel) + len(stale)
        if not self._lines:
            self._arrived.clear()
        metrics.GATEWAY_QUEUE_AGE.observe(oldest_s)
        self._refuse(stale)
        return parcel

    def _refuse(self, stale: list[_Waiting]) -> None:
        for _ in stale:
            self._shedding.push_back()
        self._fail(stale, errors.OVERLOADED)

    def _take_all(self) -> list[_Waiting]:
        everything = [waiting for line in self._lines.values() for waiting in line]
        self._lines.clear()
        self._depth = 0
        return everything

    async def _deliver_traced(self, parcel: list[_Waiting]) -> None:
        attributes = {"crossbook.requests": len(parcel)}
        with traces.together("parcel", SpanKind.CLIENT, [waiting.span for waiting in parcel], attributes):
            await self._deliver(parcel)

    async def _deliver(self, parcel: list[_Waiting]) -> None:
        metrics.GATEWAY_PARCEL.observe(len(parcel))
        try:
            replies = await self._send(parcel)
        except _NotStarted:
            traces.current_failed("not_started")
            self._fail(parcel, errors.UNAVAILABLE)
        except Exception as error:
            traces.current_failed("answer_lost")
            _log.warning("engine_answer_lost", error=repr(error), requests=len(parcel))
            # An engine that hangs accepts connections and answers nothing: ask another one next.
            self._engine_urls.rotate(-1)
            self._fail(parcel, errors.UNKNOWN_OUTCOME)
        except asyncio.CancelledError:
            self._fail(parcel, errors.UNKNOWN_OUTCOME)
            raise
        else:
            for waiting, reply in zip(parcel, replies, strict=True):
                waiting.hear(reply)
            if self.on_replies is not None:
                self.on_replies(replies)

    async def _send(self, parcel: list[_Waiting]) -> list[Reply]:
        """Post to the engine that last answered, else to the others in turn, while the deadline allows."""
        body = _encoder.encode([waiting.envelope for waiting in parcel])
        give_up_us = min(waiting.give_up_us for waiting in parcel)
        attempt = 0
        while self._clock() < give_up_us:
            try:
                answer = await self._post(body)
            except NotSent:
                answer = None
            if answer is not None and answer.status == HTTPStatus.OK:
                self._note_engine()
                replies = _decoder.decode(answer.content)
                if len(replies) != len(parcel):
                    raise ValueError(f"{len(replies)} replies to {len(parcel)} requests")
                return replies
            if answer is not None and answer.content != NOT_ACTIVE:
                _log.error("engine_refused_parcel", status=answer.status, body=answer.content[:200].decode("latin-1"))
                if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    # Whoever failed may have failed after the commit.
                    raise AnswerLost(f"the engine failed with {answer.status}")
                raise _NotStarted
            self._note_no_engine()
            self._engine_urls.rotate(-1)
            attempt += 1
            if attempt % len(self._engine_urls) == 0:
                await asyncio.sleep(_RETRY_S)
        raise _NotStarted

    def _note_no_engine(self) -> None:
        if self._has_engine:
            self._has_engine = False
            self._shedding.is_patient = True
            self._alone_since_s = asyncio.get_running_loop().time()
            _log.info("engine_gone", url=self._engine_urls[0])

    def _note_engine(self) -> None:
        if not self._has_engine:
            self._has_engine = True
            self._shedding.is_patient = False
            pause_s = asyncio.get_running_loop().time() - self._alone_since_s
            metrics.ENGINE_PAUSES.observe(pause_s)
            self._shedding.excuse(2 * pause_s)
            _log.info("engine_found", url=self._engine_urls[0], pause_ms=round(pause_s * 1000))

    async def _post(self, body: bytes) -> Answer:
        """Each under a number of its own: what is sent again here is meant to be carried out, a repeat is not."""
        self._posts += 1
        headers = {PARCEL_HEADER: parcel_id(self._name, self._posts)}
        if traces.is_on:
            traces.carry(headers)
        return await self._client.post(self._engine_urls[0], body, headers)

    def _fail(self, parcel: list[_Waiting], error: DialectError) -> None:
        for waiting in parcel:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
