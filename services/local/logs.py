"""Where the children's output goes: all of it to one bounded file each, what matters to the terminal."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import typer

LOG_BYTES_MAX: Final = 10 * 1024 * 1024
# Longer lines go to the file in pieces, and never to the terminal.
LINE_BYTES_MAX: Final = 64 * 1024
# A child that fails in a loop must not drown the terminal.
ALARMS_PER_WINDOW: Final = 5
ALARM_WINDOW_S: Final = 10.0
ALARM_LEVELS: Final = frozenset({"error", "critical"})


class _LogLine(msgspec.Struct):
    event: str
    level: str = ""
    error: str = ""


def say(text: str = "") -> None:
    """Print a line to the terminal. A closed terminal stops nothing."""
    with contextlib.suppress(OSError):
        typer.echo(text)
        sys.stdout.flush()


class ChildLog:
    """One child's log file: at ``LOG_BYTES_MAX`` it becomes ``<name>.log.1``, which replaces the one before."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / f"{name}.log"
        self._name = name
        self._file = self.path.open("ab", buffering=0)
        self._partial_line = b""
        self._window_started_s = 0.0
        self._alarms = 0

    def write(self, chunk: bytes) -> None:
        """Keep what fits: a full disk must not stop the child behind the pipe."""
        with contextlib.suppress(OSError):
            self._keep(chunk)
        *lines, rest = (self._partial_line + chunk).split(b"\n")
        self._partial_line = rest if len(rest) <= LINE_BYTES_MAX else b""
        for line in lines:
            self._alarm(line)

    def _keep(self, chunk: bytes) -> None:
        if self._file.tell() + len(chunk) > LOG_BYTES_MAX:
            self._file.close()
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._file = self.path.open("ab", buffering=0)
        self._file.write(chunk)

    def tail(self, lines: int = 12) -> str:
        """Return the last lines, for a human who wonders why the child did not start."""
        return "\n".join(self.path.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        self._file.close()

    def _alarm(self, line: bytes) -> None:
        """Show the terminal what a service logged as an error."""
        if not line.startswith(b"{"):
            return
        try:
            entry = msgspec.json.decode(line, type=_LogLine)
        except msgspec.MsgspecError:
            return
        if entry.level not in ALARM_LEVELS:
            return
        if time.monotonic() - self._window_started_s > ALARM_WINDOW_S:
            self._window_started_s, self._alarms = time.monotonic(), 0
        self._alarms += 1
        if self._alarms <= ALARMS_PER_WINDOW:
            say(f"  {self._name:<10} {entry.level}: {' '.join((entry.event, entry.error)).strip()[:200]}")
        elif self._alarms == ALARMS_PER_WINDOW + 1:
            say(f"  {self._name:<10} more errors; see {self.path}")
