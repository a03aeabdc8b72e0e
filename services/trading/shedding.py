"""Load shedding: how many requests may be under way at once, so that those that are are answered in time.

A burst, a hand-over, a database that stands still for a moment or a machine that is slow is no overload, and nothing is
refused for it. The process is *strained* when for ``_LATE_BEATS`` beats in a row most of what was answered took more
than the objective, or somebody had to be refused, and ``_BACKLOG`` requests are under way, as happens soon when more
comes than can be answered. From then on so many may be under way as are answered within ``overload_wait_ms``, by
Little's law: the rate at which answers come, times that wait. The rest are refused before anything is spent on them
(``-1008``: not carried out), until for ``_CALM_S`` hardly anybody was.

What a request waits before it is read cannot be seen in it. It waits no longer than one turn of the event loop, so what
the loop is late is taken off the wait.

Callers (API keys, else addresses) share what there is, strained or not: nobody may have more under way than there are
places left. One who floods takes half of them at most, and n who do 1 / (n + 1) each; he gives way as others come, and
whoever asks for little always finds a place. These are the dynamic thresholds by which switches share a buffer between
ports (Choudhury and Hahne, 1998): max-min fair, and nothing to be set. An equal part is everybody's in any case.

What goes to the engine and what only reads are counted apart: either may be overloaded without the other.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from starlette.types import Scope

from services.infra.addresses import Address, client_address
from services.trading import errors, metrics
from services.trading.settings import TradingSettings

BEAT_S: Final = 0.025
_LATE_BEATS: Final = 4
_CALM_S: Final = 1.0
# "Hardly anybody": less than this part.
_FEW: Final = 1 / 8
# Half a second of 500 requests a second, of which half go to the engine.
_BACKLOG: Final = 128
# Rates and the loop's lateness are averages over about so many beats.
_BEATS_SEEN: Final = 12
# However slow answers are, so many may always be under way. The engine commits what waits together, so with fewer its
# answers come no sooner, only less often, and less and less would fit.
WINDOW_MIN: Final = 64
# What is left for waiting when the loop is as late as all of it.
_WAIT_SHARE_MIN: Final = 0.2


_PATHS: Final = (b"/api/", b"/sapi/")
_API_KEY: Final = b"x-mbx-apikey"

# A key as it was shown, which nobody has looked at yet, or an address: no key can be made to count as one.
CallerName = bytes | Address


class Ticket:
    """One request that is under way."""

    __slots__ = ("caller", "shedding", "since_s")

    def __init__(self, shedding: "Shedding", caller: CallerName, since_s: float) -> None:
        self.shedding = shedding
        self.caller = caller
        self.since_s = since_s


class Shedding:
    """One kind of requests. ``enter`` before each and ``leave`` after it, and let it have its ``beat``."""

    def __init__(
        self,
        kind: str,
        *,
        objective_ms: int,
        wait_ms: int,
        limit: int,
        patient_limit: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``limit`` holds always, so that no flood is let in before it is seen to be one; ``patient_limit`` instead
        while ``is_patient``: what waits for an engine is no flood.
        """
        self.is_patient = False
        self._patient_limit = patient_limit
        self._clock = clock
        self._objective_s = objective_ms / 1000
        self._wait_s = wait_ms / 1000
        self._limit = limit
        self._callers: dict[CallerName, int] = {}
        # Since the last beat: what came, what ended, late or only to be refused; and beats that were mostly late.
        self._came = self._ended = self._late = self._pushed_back = self._late_beats = 0
        self._refusals = 0
        self._rate = self._lag_s = self._excused_s = 0.0
        # Since ``_looked_s``: whether it is over is decided by so long at a time.
        self._asked = self._turned_down = 0
        self._looked_s = 0.0
        self._window = limit
        self._is_strained = False
        self.under_way = 0
        self._refused = metrics.SHED.labels(kind)
        self._under_way_shown = metrics.UNDER_WAY.labels(kind)
        self._window_shown = metrics.UNDER_WAY_MAX.labels(kind)

    @property
    def is_strained(self) -> bool:
        return self._is_strained

    @property
    def window(self) -> int:
        """How many may be under way now."""
        return self._patient_limit if self.is_patient and not self._is_strained else self._window

    @property
    def may_refuse(self) -> bool:
        """Somebody may have to be refused now: half of the places are taken."""
        return 2 * self.under_way >= self.window

    def enter(self, caller: CallerName) -> Ticket | None:
        """None if the request is to be refused."""
        self._came += 1
        own = self._callers.get(caller, 0)
        if not self._has_place(own):
            self.refuse()
            return None
        self.under_way += 1
        self._callers[caller] = own + 1
        return Ticket(self, caller, self._clock())

    def turns_away(self, caller: CallerName) -> bool:
        """Refuse one if it would not be let in, else do nothing."""
        if self._has_place(self._callers.get(caller, 0)):
            return False
        self._came += 1
        self.refuse()
        return True

    def _has_place(self, own: int) -> bool:
        """Whether a caller who has ``own`` under way may add one.

        More places are left than he has taken; or, as when the window has just become smaller than what is under way,
        he keeps within an equal part of it.
        """
        window = self.window
        if own < window - self.under_way:
            return True
        return (own + 1) * (len(self._callers) + 1) <= window and self.under_way < self._limit

    def refuse(self) -> None:
        self._refusals += 1

    def push_back(self) -> None:
        """What was let in had to be refused for want of room behind the gate."""
        self._pushed_back += 1
        self.refuse()

    def excuse(self, seconds: float) -> None:
        """There was a hand-over: what had to wait for it is answered late."""
        self._excused_s = self._clock() + seconds

    def leave(self, ticket: Ticket) -> None:
        self.under_way -= 1
        self._ended += 1
        self._late += self._clock() - ticket.since_s > self._objective_s
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
        seconds = BEAT_S + lag_s
        self._lag_s += (lag_s - self._lag_s) / _BEATS_SEEN
        self._rate += (max(0, self._ended - self._pushed_back) / seconds - self._rate) / _BEATS_SEEN
        now_s = self._clock()
        self._refused.inc(self._refusals)
        self._asked, self._turned_down = self._asked + self._came, self._turned_down + self._refusals
        is_refusing, self._refusals = self._refusals > 0, 0
        if self._ended:
            is_late = is_refusing or 2 * (self._late + self._pushed_back) > self._ended
            self._late_beats = self._late_beats + 1 if is_late and now_s > self._excused_s else 0
        self._came = self._ended = self._late = self._pushed_back = 0
        if self._late_beats >= _LATE_BEATS and self.under_way >= _BACKLOG and not self._is_strained:
            self._is_strained = True
            self._look_anew(now_s)
        if now_s - self._looked_s >= _CALM_S:
            if self._turned_down <= self._asked * _FEW:
                self._is_strained = False
            self._look_anew(now_s)
        self._window = self._fitting() if self._is_strained else self._limit
        self._under_way_shown.set(self.under_way)
        self._window_shown.set(self.window)

    def _look_anew(self, now_s: float) -> None:
        self._looked_s, self._asked, self._turned_down = now_s, 0, 0

    def _fitting(self) -> int:
        wait_s = max(self._wait_s - self._lag_s, self._wait_s * _WAIT_SHARE_MIN)
        return min(self._limit, max(WINDOW_MIN, int(self._rate * wait_s)))


class TradingGate:
    """What stands before the whole API; ``services.infra.gate`` says how. ``run`` as a task for the process's life."""

    def __init__(self, settings: TradingSettings) -> None:
        objective_ms, wait_ms = settings.objective_ms, settings.overload_wait_ms
        self.refusal = errors.OVERLOADED.body()
        self.caller_header = _API_KEY
        self._trusted_proxies = settings.trusted_proxies
        self.orders = Shedding(
            "orders",
            objective_ms=objective_ms,
            wait_ms=wait_ms,
            limit=settings.gateway_busy_limit,
            # Past the gateway's own bound nothing need get.
            patient_limit=settings.gateway_queue_limit + settings.gateway_parcel_limit,
        )
        reads_limit = settings.reads_limit
        self.reads = Shedding(
            "reads", objective_ms=objective_ms, wait_ms=wait_ms, limit=reads_limit, patient_limit=reads_limit
        )

    @property
    def may_refuse(self) -> bool:
        return self.orders.may_refuse or self.reads.may_refuse

    def turns_away(self, method: str, caller: bytes) -> bool:
        return self.of(method).turns_away(caller)

    def concerns(self, target: bytes) -> bool:
        return target.startswith(_PATHS)

    def enter(self, scope: Scope, *, is_crowded: bool) -> Ticket | None:
        shedding = self.of(scope["method"])
        if is_crowded:
            shedding.refuse()
            return None
        return shedding.enter(self._caller(scope))

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

    def _caller(self, scope: Scope) -> CallerName:
        for name, value in scope["headers"]:
            if name == _API_KEY:
                return bytes(value)
        return client_address(scope, self._trusted_proxies)
