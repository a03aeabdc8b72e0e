"""How a process is started and how one is ended.

Every child gets a session of its own, so that Ctrl-C in the terminal reaches only the supervisor, which then stops the
children in order.
"""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any, Final

import psutil

POLL_INTERVAL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Launch:
    """A command, what it adds to the environment, the system user it runs as, and the signal that stops it cleanly."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that ``subprocess`` and ``asyncio`` both take."""
        options: dict[str, Any] = {
            "env": {**os.environ, **self.environment},
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            "start_new_session": True,
        }
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            # The new user may not be allowed to enter the directory this process happens to be in.
            options |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}
        return options

    def start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the process with its output in ``output``."""
        return subprocess.Popen(self.argv, stdout=output, **self.options())  # noqa: S603 (argv is ours)


def end(processes: Iterable[psutil.Process], stop_signal: signal.Signals, *, timeout_s: float) -> None:
    """Ask processes that need not be our children to stop; kill what is left after ``timeout_s``."""
    remaining = list(processes)
    for sent in (stop_signal, signal.SIGKILL):
        for process in remaining:
            try:
                process.send_signal(sent)
            except psutil.NoSuchProcess:
                continue
        deadline = time.monotonic() + timeout_s
        while (remaining := [process for process in remaining if is_running(process)]) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL_S)


def is_running(process: psutil.Process) -> bool:
    """Whether the process still does anything; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
