"""An event loop in which nothing is left to chance but the seed.

Time is virtual: when nobody can run, it jumps to the next timer. Every simulated process has a queue of its own, and
the seed decides whose next step is taken, so processes interleave in any order while each keeps the order within itself
that asyncio promises. A process can be killed between any two steps: from then on not one instruction of it runs.

Only what asyncio itself needs is here. There are no threads, sockets, signals or subprocesses: whoever tries gets an
AttributeError or NotImplementedError from the base class.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# More steps than any run needs: a run that goes on longer is stuck in a circle.
MAX_STEPS: Final = 400_000


class Stuck(Exception):
    """Nobody can run, or everybody runs in a circle."""


class Process:
    """One simulated operating system process. ``on_death`` is what the rest of the world notices of its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.steps = 0
        # Killed before it takes this step; none by default.
        self.dies_at_step = -1
        self.clock_offset_us = 0
        self.on_death: list[Callable[[], None]] = []
        self._ready: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []

    def __repr__(self) -> str:
        return self.name


_process: ContextVar[Process] = ContextVar("process")


class SimulatedLoop(asyncio.AbstractEventLoop):
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.world = Process("world")
        self.steps = 0
        self.failures: list[BaseException] = []
        self._now_s = 0.0
        self._timers: list[tuple[float, int, Process, asyncio.TimerHandle]] = []
        self._tickets = itertools.count()
        self._runnable: list[Process] = []
        self._processes: list[Process] = [self.world]
        self._is_running = False
        self._is_unwinding = False
        self._world_context = copy_context()
        self._world_context.run(_process.set, self.world)

    # What the simulation adds

    def start(self, process: Process, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run ``work`` in a process, from outside of it too."""
        if process not in self._processes:
            self._processes.append(process)
        context = copy_context()
        context.run(_process.set, process)
        return self.create_task(work, context=context)

    def call_world(self, delay_s: float, action: Callable[[], Any]) -> None:
        """Have the world do something later, whoever runs now."""
        handle = asyncio.TimerHandle(self._now_s + delay_s, action, (), self, self._world_context)
        heapq.heappush(self._timers, (self._now_s + delay_s, next(self._tickets), self.world, handle))

    def kill(self, process: Process) -> None:
        """End it between two steps, as SIGKILL does."""
        if not process.is_alive:
            return
        process.is_alive = False
        process._ready.clear()
        if process in self._runnable:
            self._runnable.remove(process)
        for notice in process.on_death:
            notice()

    def simulate(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the world's ``work`` to its end, then let every other task unwind without any effect."""
        self._is_running = True
        asyncio._set_running_loop(self)
        try:
            main = self.start(self.world, work)
            while not main.done():
                self._step()
            return main.result()
        finally:
            self._unwind()
            asyncio._set_running_loop(None)
            self._is_running = False

    def _step(self) -> None:
        runnable = self._runnable
        if not runnable:
            self._advance()
            return
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Stuck(f"{MAX_STEPS} steps, and no end")
        process = runnable[self.chance.randrange(len(runnable))] if len(runnable) > 1 else runnable[0]
        if process.steps == process.dies_at_step:
            self.kill(process)
            return
        process.steps += 1
        handle = process._ready.popleft()
        if not process._ready:
            runnable.remove(process)
        if not handle._cancelled:
            handle._run()

    def _advance(self) -> None:
        """Nobody can run: on to the next timer that still matters."""
        timers = self._timers
        while timers:
            due_s, _, process, handle = heapq.heappop(timers)
            if handle._cancelled or not process.is_alive:
                continue
            self._now_s = max(self._now_s, due_s)
            self._make_ready(process, handle)
            while timers and timers[0][0] <= self._now_s:
                _, _, process, handle = heapq.heappop(timers)
                self._make_ready(process, handle)
            return
        raise Stuck("nobody can run, and nothing is due")

    def _unwind(self) -> None:
        """Cancel what is left, the dead included, so that nothing is pending when it is forgotten."""
        self._is_unwinding = True
        for process in self._processes:
            process.is_alive = False
            process._ready.clear()
        self._runnable.clear()
        self._timers.clear()
        for process in self._processes:
            for _ in range(100):
                left = [task for task in process._tasks if not task.done()]
                if not left:
                    break
                process.is_alive = True
                for task in left:
                    task.cancel()
                while process._ready:
                    process._ready.popleft()._run()
                process.is_alive = False
            for task in process._tasks:
                if task.done() and not task.cancelled():
                    task.exception()

    def _make_ready(self, process: Process, handle: asyncio.Handle) -> None:
        if not process.is_alive:
            return
        if not process._ready and not self._is_unwinding:
            self._runnable.append(process)
        process._ready.append(handle)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now_s

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._make_ready(self._owner(context), handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._tickets), self._owner(context), handle))
        return handle

    def _owner(self, context: Context | None) -> Process:
        return _process.get(self.world) if context is None else context.get(_process, self.world)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when it is due."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **_options: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._owner(context)._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A callback that raises is a failure of the run; what the dead never looked at is not."""
        error = context.get("exception")
        if "handle" in context and error is not None and not self._is_unwinding:
            self.failures.append(error)

    async def shutdown_asyncgens(self) -> None:
        """Asynchronous generators end with the tasks that use them."""
