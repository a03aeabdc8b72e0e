"""Plays a tape over HTTP in a closed loop: each connection takes the next step when its last one is answered."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from loadtests.connection import Connection, connect
from loadtests.load import undisturbed_memory
from loadtests.rivals.tape import Kind, Step
from loadtests.venue import HOST

DRAIN_TIMEOUT_S: Final = 30.0
MAX_SAMPLES: Final = 5
BEAT_S: Final = 1.0


class Unexpected(Exception):
    """An answer that is neither success nor a cancel that came too late."""


class Answer(NamedTuple):
    """What one step executed, and whether it was a cancel of an order that was gone already."""

    executed_steps: int = 0
    too_late: bool = False


class Dialect(Protocol):
    """How a contender is spoken to."""

    def requests(self, step: Step) -> Sequence[bytes]:
        """The whole HTTP requests of one step, sent one after the other on one connection."""

    def read(self, step: Step, bodies: Sequence[tuple[int, bytes]]) -> Answer:
        """Status and body of each request; raise Unexpected."""

    def batches(self, steps: Sequence[Step]) -> Sequence[bytes] | None:
        """Requests that place many resting orders at once; None when there is no such thing."""

    def beat(self) -> bytes | None:
        """What somebody has to ask once a second while others trade; None when there is nothing."""

    def read_beat(self, body: bytes) -> int:
        """What that executed."""


class Played:
    """What came of a tape. ``seconds`` ends with the last answer, ``steps`` were answered as expected."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.steps = 0
        self.executed_steps = 0
        self.beat_executed_steps = 0
        self.expected_steps = 0
        self.too_late = 0
        self.placed: list[int] = []
        self.latencies_us: list[int] = []
        self.errors: Counter[str] = Counter()
        self.samples: list[str] = []
        # What a request to match, sent between, was answered instead.
        self.beat_errors: list[str] = []

    @property
    def per_s(self) -> float:
        return self.steps / self.seconds if self.seconds else 0.0


class Player:
    """``acknowledged`` is called after each step that was answered as expected; True ends the tape there."""

    def __init__(
        self, dialect: Dialect, port: int, acknowledged: Callable[[Played], bool] = lambda _played: False
    ) -> None:
        self._dialect = dialect
        self._port = port
        self._acknowledged = acknowledged
        self._steps: deque[Step] = deque()
        self._aside: deque[Step] = deque()
        self._unanswered: set[int] = set()
        self._busy = 0
        self._ends_s = 0.0
        self._stopped = False
        self._connections: list[Connection] = []
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._drained = asyncio.Event()
        self._played = Played()

    async def play(self, steps: Sequence[Step], connection_count: int, limit_s: float) -> Played:
        """Play all steps, or as many as are begun within ``limit_s``."""
        self._connections = await connect(HOST, self._port, connection_count)
        self._steps = deque(steps)
        beating = asyncio.create_task(self._beat())
        with undisturbed_memory():
            started_s = time.perf_counter()
            self._ends_s = started_s + limit_s
            for connection in tuple(self._connections):
                self._take(connection)
            try:
                async with asyncio.timeout(limit_s + DRAIN_TIMEOUT_S):
                    await self._drained.wait()
            except TimeoutError:
                self._played.errors["never answered"] += self._busy
            self._played.seconds = time.perf_counter() - started_s
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        for connection in self._connections:
            connection.close()
        return self._played

    def _take(self, connection: Connection) -> None:
        if not connection.is_usable and not self._stopped:
            # Some close it after an error of theirs; there shall be as many as were asked for.
            self._busy += 1
            task = asyncio.get_running_loop().create_task(self._connect_again())
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)
            return
        step = self._next() if not self._stopped else None
        if step is None:
            if not self._busy:
                self._drained.set()
            return
        if step.kind is not Kind.CANCEL:
            self._unanswered.add(step.number)
        self._busy += 1
        self._send(connection, step, deque(self._dialect.requests(step)), [], time.perf_counter())

    async def _connect_again(self) -> None:
        try:
            (connection,) = await connect(HOST, self._port, 1)
        except OSError as error:
            self._played.errors[f"not connected: {error}"] += 1
            self._stopped = True
            return
        finally:
            self._busy -= 1
            if self._stopped and not self._busy:
                self._drained.set()
        self._connections.append(connection)
        self._take(connection)

    def _next(self) -> Step | None:
        if time.perf_counter() >= self._ends_s:
            return None
        if self._aside and self._aside[0].number not in self._unanswered:
            return self._aside.popleft()
        while self._steps:
            step = self._steps.popleft()
            if step.kind is Kind.CANCEL and step.number in self._unanswered:
                self._aside.append(step)
                continue
            return step
        return None

    def _send(
        self,
        connection: Connection,
        step: Step,
        left: deque[bytes],
        bodies: list[tuple[int, bytes]],
        since_s: float,
    ) -> None:
        def answered(status: int, body: bytes) -> None:
            bodies.append((status, body))
            if left and status and connection.is_usable:
                self._send(connection, step, left, bodies, since_s)
                return
            self._busy -= 1
            self._unanswered.discard(step.number)
            self._note(step, bodies, int((time.perf_counter() - since_s) * 1_000_000))
            self._take(connection)

        connection.send(left.popleft(), answered)

    def _note(self, step: Step, bodies: list[tuple[int, bytes]], latency_us: int) -> None:
        played = self._played
        if self._stopped:
            return
        try:
            answer = self._dialect.read(step, bodies)
        except Unexpected as error:
            played.errors[f"{step.kind} {bodies[-1][0]}"] += 1
            if len(played.samples) < MAX_SAMPLES:
                played.samples.append(str(error)[:200])
            return
        played.steps += 1
        played.latencies_us.append(latency_us)
        played.executed_steps += answer.executed_steps
        played.too_late += answer.too_late
        if step.takes:
            played.expected_steps += step.quantity_steps
        elif step.kind is Kind.LIMIT:
            played.placed.append(step.number)
        self._stopped = self._acknowledged(played)

    async def _beat(self) -> None:
        request = self._dialect.beat()
        if request is None:
            return
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                self._played.beat_executed_steps += self._dialect.read_beat(await ask(self._port, request))
            except Unexpected as error:
                self._played.beat_errors.append(str(error))


async def ask(port: int, request: bytes) -> bytes:
    """The body of one answer; raise Unexpected."""
    (connection,) = await connect(HOST, port, 1)
    answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    connection.send(request, lambda status, body: answer.set_result((status, body)))
    status, body = await answer
    connection.close()
    if status != 200:
        raise Unexpected(f"{status} {body[:200].decode(errors='replace')}")
    return body
