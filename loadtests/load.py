"""Two ways to put load on an exchange, and what each saw.

Open loop: requests come at random times that nothing can hold back (a Poisson process), and latency counts from the
time a request was due, whether or not a connection was free to send it. A stall of the server therefore shows in full
("no coordinated omission"). Closed loop: each connection sends its next request when it has its answer; that finds the
throughput, and latencies only for that throughput.
"""

import asyncio
import gc
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from loadtests.connection import Connection
from loadtests.traffic import ORDER_ENTRY, Kind, Request, Traffic

DRAIN_TIMEOUT_S: Final = 10.0
# Timers of the loop count milliseconds: to sleep for less is to spin, which takes the processor from what is measured.
# It is more exact, and worth that where there is much to spare.
SPINS_BELOW_PER_S: Final = 2_000
NAP_S: Final = 0.001
MAX_SAMPLES: Final = 10

NextRequest = Callable[[], Request]


class Observed:
    """What came of the requests of one run. ``late_us`` is how long after its due time a request was sent."""

    def __init__(self) -> None:
        self.latencies_us: dict[Kind, list[int]] = {kind: [] for kind in Kind}
        self.late_us: list[int] = []
        # When each order or cancel was acknowledged.
        self.order_times_s: list[float] = []
        self.refused: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.samples: list[str] = []
        self.seconds = 0.0

    def note(self, request: Request, status: int, body: bytes, latency_us: int) -> None:
        if not Traffic.learn(request, status, body):
            self.errors[f"{request.kind} {status}"] += 1
            if len(self.samples) < MAX_SAMPLES:
                self.samples.append(f"{request.kind} {status} {body[:200].decode(errors='replace')}")
            return
        if status != 200:
            self.refused[f"{request.kind} too late"] += 1
        self.latencies_us[request.kind].append(latency_us)
        if request.kind in ORDER_ENTRY:
            self.order_times_s.append(time.perf_counter())

    def fail(self, what: str, count: int) -> None:
        if count:
            self.errors[what] += count

    @property
    def answered(self) -> int:
        return sum(map(len, self.latencies_us.values()))


class OpenLoop:
    """Sends ``next_request`` at ``rate`` a second over idle connections, first due first sent.

    Connections take turns, so none is idle for longer than a server keeps one. Latencies count from when a request was
    due, or with ``counts_from_due`` off from when it was sent.
    """

    def __init__(
        self,
        connections: list[Connection],
        next_request: NextRequest,
        rate: float,
        seed: int,
        *,
        counts_from_due: bool = True,
    ) -> None:
        self._counts_from_due = counts_from_due
        self._loop = asyncio.get_running_loop()
        self._idle = deque(connections)
        self._next_request = next_request
        self._rate = rate
        self._nap_s = NAP_S if rate >= SPINS_BELOW_PER_S else 0.0
        self._chance = random.Random(seed)
        self._due_s = 0.0
        self._ends_s = 0.0
        self._waiting: deque[float] = deque()
        self._under_way = 0
        self._drained = asyncio.Event()
        self._observed = Observed()

    async def run(self, seconds: float) -> Observed:
        with undisturbed_memory():
            started_s = time.perf_counter()
            self._due_s, self._ends_s = started_s, started_s + seconds
            self._tick()
            try:
                async with asyncio.timeout(seconds + DRAIN_TIMEOUT_S):
                    await self._drained.wait()
            except TimeoutError:
                self._observed.fail("never answered", self._under_way + len(self._waiting))
        self._observed.seconds = seconds
        return self._observed

    def _tick(self) -> None:
        """Take up every request that is due, then sleep until the next."""
        now_s = time.perf_counter()
        while self._due_s <= now_s and self._due_s < self._ends_s:
            self._waiting.append(self._due_s)
            self._due_s += self._chance.expovariate(self._rate)
        self._send_waiting()
        if self._due_s < self._ends_s:
            self._loop.call_later(max(self._nap_s, self._due_s - now_s), self._tick)
        else:
            self._finish_if_drained()

    def _send_waiting(self) -> None:
        while self._waiting and self._idle:
            self._send(self._idle.popleft(), self._waiting.popleft())

    def _send(self, connection: Connection, due_s: float) -> None:
        request = self._next_request()
        sent_s = time.perf_counter()
        since_s = due_s if self._counts_from_due else sent_s

        def answered(status: int, body: bytes) -> None:
            self._observed.note(request, status, body, int((time.perf_counter() - since_s) * 1_000_000))
            self._under_way -= 1
            if connection.is_usable:
                self._idle.append(connection)
                if self._waiting:
                    self._loop.call_soon(self._send_waiting)
            self._finish_if_drained()

        self._under_way += 1
        self._observed.late_us.append(int((sent_s - due_s) * 1_000_000))
        connection.send(request.content, answered)

    def _finish_if_drained(self) -> None:
        if self._due_s >= self._ends_s and not self._under_way and not self._waiting:
            self._drained.set()


class ClosedLoop:
    """Keeps every connection busy for ``seconds``, or until ``next_request`` returns None."""

    def __init__(self, connections: list[Connection], next_request: Callable[[], Request | None]) -> None:
        self._connections = connections
        self._next_request = next_request
        self._ends_s = 0.0
        self._busy = 0
        self._drained = asyncio.Event()
        self._observed = Observed()

    async def run(self, seconds: float) -> Observed:
        with undisturbed_memory():
            started_s = time.perf_counter()
            self._ends_s = started_s + seconds
            for connection in self._connections:
                self._send(connection)
            try:
                async with asyncio.timeout(seconds + DRAIN_TIMEOUT_S):
                    await self._drained.wait()
            except TimeoutError:
                self._observed.fail("never answered", self._busy)
        self._observed.seconds = time.perf_counter() - started_s
        return self._observed

    def _send(self, connection: Connection) -> None:
        sent_s = time.perf_counter()
        request = self._next_request() if sent_s < self._ends_s and connection.is_usable else None
        if request is None:
            if not self._busy:
                self._drained.set()
            return
        kept: Request = request

        def answered(status: int, body: bytes) -> None:
            self._observed.note(kept, status, body, int((time.perf_counter() - sent_s) * 1_000_000))
            self._busy -= 1
            self._send(connection)

        self._busy += 1
        connection.send(request.content, answered)


@contextmanager
def undisturbed_memory() -> Iterator[None]:
    """No pauses of our own: what exists stays, and a run is short enough to collect nothing."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
