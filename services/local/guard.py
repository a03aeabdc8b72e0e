"""Ends a dead owner's children: whoever is killed with SIGKILL cannot do it itself.

``Guard`` starts this module as a process of its own and tells it through a pipe which children live. When the pipe
closes and children are left, the owner has died: the guard stops them, the last started first, each with its own stop
signal. It needs nothing that only Linux has. A file descriptor handed to the guard (the data directory's lock) stays
open until that work is done.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Final

import psutil

from services.local.launch import end

STOP_TIMEOUT_S: Final = 15.0


class Guard:
    """The owner's end of the pipe."""

    def __init__(self, keep_open: Iterable[int] = ()) -> None:
        self._keep_open = tuple(keep_open)
        self._watched: dict[int, signal.Signals] = {}
        self._process = self._start()

    def watch(self, pid: int, stop_signal: signal.Signals) -> None:
        self._watched[pid] = stop_signal
        self._tell(f"+ {pid} {stop_signal.value}")

    def release(self, pid: int) -> None:
        """Forget a child that has ended."""
        if self._watched.pop(pid, None) is not None:
            self._tell(f"- {pid} 0")

    def close(self) -> None:
        """Let the guard end. It stops whatever is still watched, so release everything first."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 (our own module)
            (sys.executable, "-P", "-m", __name__),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._keep_open,
        )

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            # Somebody killed the guard. A new one must know everything.
            self._process.wait()
            self._process = self._start()
            for pid, stop_signal in list(self._watched.items()):
                self._tell(f"+ {pid} {stop_signal.value}")


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    children: dict[int, tuple[psutil.Process, signal.Signals]] = {}
    for line in sys.stdin:
        change, pid, stop_signal = line.split()
        children.pop(int(pid), None)
        if change == "+":
            with contextlib.suppress(psutil.NoSuchProcess):
                children[int(pid)] = psutil.Process(int(pid)), signal.Signals(int(stop_signal))
    for process, sent in reversed(children.values()):
        end([process], sent, timeout_s=STOP_TIMEOUT_S)


if __name__ == "__main__":
    main()
