"""How a child process is started: in a session of its own, so that Ctrl-C reaches only whoever orders the stop."""

import os
import pwd
import signal
import subprocess
from dataclasses import dataclass, field
from typing import IO, Any


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
