"""One child process: started, watched, restarted when it dies, stopped in order.

- The first start must succeed: a child that ends before it was ever ready raises ``StartFailed`` with its log's end.
- Later every death is followed by a restart. The first begins at once; children that keep dying wait longer, up to
  ``RESTART_DELAY_MAX_S``. One that stayed up for ``STABLE_AFTER_S`` starts afresh.
- ``stop`` sends the child's stop signal and kills it after ``stop_timeout_s``. Stopping twice does no harm.
"""

import asyncio
import contextlib
import signal
import subprocess
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.local.data_directory import ProcessState
from services.local.embedded import EmbeddedError
from services.local.failure import CommandFailed
from services.local.guard import Guard
from services.local.launch import Launch
from services.local.logs import ChildLog, say

READY_POLL_S: Final = 0.03
READY_POLL_PATIENT_S: Final = 1.0
RESTART_DELAY_FIRST_S: Final = 0.2
RESTART_DELAY_MAX_S: Final = 5.0
STABLE_AFTER_S: Final = 10.0
# Deaths in a row that the terminal hears of.
SAID_FAILURES: Final = 4
CHUNK_BYTES: Final = 64 * 1024


class StartFailed(CommandFailed):
    """A child did not become ready; the message ends with the end of its log."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What a child is. ``prepare`` runs before every start, in a thread, because it may wait for the file system."""

    name: str
    launch: Callable[[], Launch]
    is_ready: Callable[[], Awaitable[bool]]
    prepare: Callable[[], None] | None = None
    port: int = 0
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0


class Child:
    """A running ``ChildSpec``. ``on_change`` is called after every change of ``state``."""

    def __init__(self, spec: ChildSpec, logs: Path, guard: Guard, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self.restarts = 0
        self._state = "starting"
        self._failures = 0
        self._log = ChildLog(logs, spec.name)
        self._guard = guard
        self._on_change = on_change
        self._process: Process | None = None
        self._was_ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def state(self) -> ProcessState:
        pid = self._process.pid if self._process is not None else 0
        return ProcessState(self.spec.name, pid, self.spec.port, self._state, self.restarts)

    async def start(self) -> None:
        """Return when the child is ready for the first time."""
        started_s = time.monotonic()
        self._running = asyncio.create_task(self._run(), name=self.spec.name)
        ready = asyncio.create_task(self._was_ready.wait())
        try:
            await asyncio.wait((self._running, ready), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._running.done():
            self._running.result()
        say(f"  {self.spec.name:<10} ready after {time.monotonic() - started_s:.1f} s")

    async def stop(self) -> None:
        self._stopping.set()
        if self._running is not None:
            if self._process is not None:
                await self._end(self._process, self.spec.stop_timeout_s)
            # Whatever went wrong in one child, the others are to be stopped too.
            (failure,) = await asyncio.gather(self._running, return_exceptions=True)
            if failure is not None and not isinstance(failure, StartFailed):
                say(f"  {self.spec.name:<10} {failure!r}")
        self._log.close()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            started_s = time.monotonic()
            try:
                ending = _ending(await self._live_once())
            except (OSError, EmbeddedError, subprocess.SubprocessError) as error:
                ending = f"could not be started: {error}"
            if self._stopping.is_set():
                return
            if not self._was_ready.is_set():
                raise StartFailed(f"{self.spec.name} {ending} before it was ready.\n{self._end_of_log()}")
            self._failures = 0 if time.monotonic() - started_s > STABLE_AFTER_S else self._failures + 1
            self.restarts += 1
            self._change("restarting")
            self._say_of_restarts(f"{ending}; starting it again")
            if self._failures == SAID_FAILURES:
                say(f"  {self.spec.name:<10} keeps failing; see {self._log.path}")
            await self._pause()

    async def _live_once(self) -> int:
        """Start the process and return its exit code, however long that takes."""
        if self.spec.prepare is not None:
            await asyncio.to_thread(self.spec.prepare)
        launch = self.spec.launch()
        if self._stopping.is_set():
            return 0
        process = await asyncio.create_subprocess_exec(*launch.argv, stdout=PIPE, **launch.options())
        self._process = process
        self._guard.watch(process.pid, launch.stop_signal)
        self._on_change()
        if self._stopping.is_set():
            await self._end(process, self.spec.stop_timeout_s)
        watching = [asyncio.create_task(self._copy_output(process)), asyncio.create_task(self._await_ready(process))]
        try:
            return await process.wait()
        finally:
            self._guard.release(process.pid)
            watching[1].cancel()
            # A grandchild may still hold the pipe; do not wait for it.
            await asyncio.wait(watching, timeout=1)
            watching[0].cancel()

    async def _copy_output(self, process: Process) -> None:
        assert process.stdout is not None
        while chunk := await process.stdout.read(CHUNK_BYTES):
            self._log.write(chunk)

    async def _await_ready(self, process: Process) -> None:
        started_s = time.monotonic()
        patient = False
        while not await self.spec.is_ready():
            if not patient and time.monotonic() - started_s > self.spec.ready_timeout_s:
                say(f"  {self.spec.name:<10} not ready after {self.spec.ready_timeout_s:.0f} s")
                # On a first start somebody waits for the answer. Later it may only be waiting for another child.
                if not self._was_ready.is_set():
                    await self._end(process, self.spec.stop_timeout_s)
                    return
                patient = True
            await asyncio.sleep(READY_POLL_PATIENT_S if patient else READY_POLL_S)
        if self._was_ready.is_set():
            self._say_of_restarts(f"ready again after {time.monotonic() - started_s:.1f} s")
        self._was_ready.set()
        self._change("ready")

    async def _end(self, process: Process, timeout_s: float) -> None:
        for sent, wait_s in ((self.spec.launch().stop_signal, timeout_s), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(sent)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), wait_s)
                return
            say(f"  {self.spec.name:<10} did not stop within {timeout_s:.0f} s; killing it")

    async def _pause(self) -> None:
        """Wait before a restart, unless asked to stop meanwhile; after a first death not at all."""
        if self._failures > 1:
            delay_s = min(RESTART_DELAY_MAX_S, RESTART_DELAY_FIRST_S * 2 ** min(self._failures - 2, 10))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    def _say_of_restarts(self, text: str) -> None:
        """Tell the terminal, until that would only repeat itself."""
        if self._failures < SAID_FAILURES:
            say(f"  {self.spec.name:<10} {text}")

    def _change(self, state: str) -> None:
        self._state = state
        self._on_change()

    def _end_of_log(self) -> str:
        return f"The end of {self._log.path}:\n{self._log.tail()}"


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
