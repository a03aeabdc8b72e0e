"""Load shedding: how many requests may be under way at once, so that those that are are answered in time.

Nothing is held back while answers come in time, whatever waits: a burst, a hand-over or a database that stands still
for a moment is no overload. The process is *strained* when for ``_LATE_BEATS`` beats in a row most of what was answered
took more than the objective. From then on so many requests may be under way as are answered within
``overload_wait_ms``, by Little's law: the rate at which answers come, times that wait. The rest are refused before
anything is spent on them (``-1008``: not carried out), until for ``_CALM_S`` nothing had to be refused.

What a request waits before it is read cannot be seen in it. It waits no longer than one turn of the event loop, so what
the loop is late is taken off the wait.

Callers (API keys, else addresses) share what there is: whoever has less under way than an equal part of the bound may
exceed it a little, and whoever has more must stay a little below it, so there is room for those who ask for little. A
flood delays and refuses itself.

What goes to the engine and what only reads are counted apart: either may be overloaded without the other.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from starlette.types import Scope

from services.infra.addresses import client_address
from services.trading import errors, metrics
from services.trading.settings import TradingSettings

BEAT_S: Final = 0.025
_LATE_BEATS: Final = 4
_CALM_S: Final = 1.0
# The rate and the loop's lateness are averages over about so many beats.
_BEATS_SEEN: Final = 10
# However slow answers are, so many may always be under way; more or less by this part of it for some callers.
WINDOW_MIN: Final = 24
_SPARE: Final = 0.25
# What is left for waiting when the loop is as late as all of it.
_WAIT_SHARE_MIN: Final = 0.2


_PATHS: Final = (b"/api/", b"/sapi/")
_API_KEY: Final = b"x-mbx-apikey"


class Ticket:
    """One request that is under way. ``caller`` is empty if it began when nobody counted."""

    __slots__ = ("caller", "shedding", "since_s")

    def __init__(self, shedding: "Shedding", caller: bytes, since_s: float) -> None:
        self.shedding = shedding
        self.caller = caller
        self.since_s = since_s


class Shedding:
    """One kind of requests. ``enter`` before each and ``leave`` after it, and let it have its ``beat``."""

    def __init__(
        self, kind: str, *, objective_ms: int, wait_ms: int, limit: int, clock: Callable[[], float] = monotonic
    ) -> None:
        """``limit`` holds always: nothing may need memory without bound."""
        self._clock = clock
        self._objective_s = objective_ms / 1000
        self._wait_s = wait_ms / 1000
        self._limit = limit
        self._callers: dict[bytes, int] = {}
        self._ended = self._late = self._late_beats = 0
        self._rate = self._lag_s = 0.0
        self._refused_s = self._excused_s = 0.0
        self._window = limit
        self._is_strained = False
        self.under_way = 0
        self._was_pushed_back = False
        self._refused = metrics.SHED.labels(kind)
        self._under_way_shown = metrics.UNDER_WAY.labels(kind)
        self._window_shown = metrics.UNDER_WAY_MAX.labels(kind)

    @property
    def is_strained(self) -> bool:
        return self._is_strained

    @property
    def window(self) -> int:
        """How many may be under way now."""
        return self._window

    def enter(self, name_caller: Callable[[], bytes]) -> Ticket | None:
        """None if the request is to be refused. Who calls is asked only if it matters."""
        now_s = self._clock()
        caller, bound = b"", self._limit
        if self._is_strained:
            caller = name_caller()
            bound = self._bound(self._callers.get(caller, 0))
        if self.under_way >= bound:
            self.refuse()
            return None
        self.under_way += 1
        if caller:
            self._callers[caller] = self._callers.get(caller, 0) + 1
        return Ticket(self, caller, now_s)

    def refuse(self) -> None:
        self._refused_s = self._clock()
        self._refused.inc()

    def push_back(self) -> None:
        """Something behind the gate had to refuse a request for want of room."""
        self._was_pushed_back = True
        self.refuse()

    def excuse(self, seconds: float) -> None:
        """There was a hand-over: what had to wait for it is answered late."""
        self._excused_s = self._clock() + seconds

    def leave(self, ticket: Ticket) -> None:
        self.under_way -= 1
        self._ended += 1
        self._late += self._clock() - ticket.since_s > self._objective_s
        if ticket.caller:
            left = self._callers[ticket.caller] - 1
            if left:
                self._callers[ticket.caller] = left
            else:
                del self._callers[ticket.caller]

    def is_stale(self, waited_s: float) -> bool:
        """Whether what has waited so long is refused rather than begun: being answered too late helps nobody."""
        return self._is_strained and waited_s > self._objective_s

    def beat(self, lag_s: float) -> None:
        """Look at what was answered since the last beat, which is ``lag_s`` longer ago than it should be."""
        now_s = self._clock()
        self._lag_s += (lag_s - self._lag_s) / _BEATS_SEEN
        self._rate += (self._ended / (BEAT_S + lag_s) - self._rate) / _BEATS_SEEN
        if self._ended:
            is_late = (2 * self._late > self._ended or self._was_pushed_back) and now_s > self._excused_s
            self._late_beats = self._late_beats + 1 if is_late else 0
        self._ended, self._late, self._was_pushed_back = 0, 0, False
        if not self._is_strained and self._late_beats >= _LATE_BEATS:
            self._is_strained, self._refused_s = True, now_s
        elif self._is_strained and now_s - self._refused_s > _CALM_S:
            self._is_strained, self._late_beats = False, 0
        self._window = self._fitting() if self._is_strained else self._limit
        self._under_way_shown.set(self.under_way)
        self._window_shown.set(self._window)

    def _fitting(self) -> int:
        wait_s = max(self._wait_s - self._lag_s, self._wait_s * _WAIT_SHARE_MIN)
        return min(self._limit, max(WINDOW_MIN, int(self._rate * wait_s)))

    def _bound(self, own: int) -> int:
        """Up to how many under way this caller, who has ``own`` of them, may add one."""
        is_modest = own * len(self._callers) < self._window
        return min(self._limit, int(self._window * (1 + _SPARE if is_modest else 1 - _SPARE)))


class TradingGate:
    """What stands before the whole API; ``services.infra.gate`` says how. ``run`` as a task for the process's life."""

    def __init__(self, settings: TradingSettings) -> None:
        objective_ms, wait_ms = settings.objective_ms, settings.overload_wait_ms
        self.refusal = errors.OVERLOADED.body()
        self._trusted_proxies = settings.trusted_proxies
        # Past the gateway's own bounds nothing need get.
        limit = settings.gateway_queue_limit + settings.gateway_parcel_limit
        self.orders = Shedding("orders", objective_ms=objective_ms, wait_ms=wait_ms, limit=limit)
        self.reads = Shedding("reads", objective_ms=objective_ms, wait_ms=wait_ms, limit=settings.reads_limit)

    def concerns(self, target: bytes) -> bool:
        return target.startswith(_PATHS)

    def enter(self, scope: Scope, *, is_crowded: bool) -> Ticket | None:
        shedding = self.of(scope["method"])
        if is_crowded:
            shedding.refuse()
            return None
        return shedding.enter(lambda: self._caller(scope))

    def of(self, method: str) -> Shedding:
        return self.reads if method == "GET" else self.orders

    def leave(self, ticket: Ticket) -> None:
        ticket.shedding.leave(ticket)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + BEAT_S
        while True:
            await asyncio.sleep(due_s - loop.time())
            now_s = loop.time()
            lag_s = max(0.0, now_s - due_s)
            metrics.LOOP_LAG.observe(lag_s)
            for shedding in (self.orders, self.reads):
                shedding.beat(lag_s)
            due_s = now_s + BEAT_S

    def _caller(self, scope: Scope) -> bytes:
        """By the key it shows, which nobody has looked at yet, else by its address."""
        for name, value in scope["headers"]:
            if name == _API_KEY:
                return bytes(value)
        return str(client_address(scope, self._trusted_proxies)).encode()
