"""The data directory: everything one local exchange keeps, and the lock that says whether it runs.

    crossbook.txt   says whose directory this is; --fresh deletes nothing without it
    lock            held by the supervisor, and by its guard until the last child is gone
    run.json        processes, ports and URLs while it runs
    secrets.json    internal token, encryption key and the local provider's secret, generated once
    demo.json       the demo accounts' API keys
    tls/            certificate and key for TLS, made on first use
    outbox/         mails and SMS that would have been sent
    postgres/ redis/ logs/

Files that hold or lead to secrets are readable by their owner only, and are replaced whole or not at all.
"""

import base64
import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from services.local.failure import CommandFailed

MARKER: Final = "crossbook.txt"
MARKER_TEXT: Final = "This directory belongs to Crossbook, a local exchange. `crossbook up --fresh` empties it.\n"
CONTENTS: Final = ("postgres", "redis", "logs", "tls", "outbox", "secrets.json", "demo.json", "run.json")
LOCK_POLL_S: Final = 0.05

T = TypeVar("T")


class DataDirectoryError(CommandFailed):
    """The directory cannot be used; the message says why and what to do."""


class Secrets(msgspec.Struct, frozen=True, rename="camel"):
    """``encryption_key`` is base64 of 32 bytes."""

    internal_token: str
    encryption_key: str
    # Empty in directories of before there were providers.
    provider_secret: str = ""


class ProcessState(msgspec.Struct, frozen=True, rename="camel"):
    """``state`` is starting, ready or restarting; ``port`` is 0 for a process that listens on none."""

    name: str
    pid: int
    port: int
    state: str
    restarts: int


class RunState(msgspec.Struct, frozen=True, rename="camel"):
    """What others need to know about a running exchange. ``database_url`` is the superuser's."""

    supervisor_pid: int
    started_at: str
    ready: bool
    base_url: str
    auth_url: str
    engine_urls: list[str]
    database_url: str
    redis_url: str
    processes: list[ProcessState]
    # Empty without TLS.
    tls_url: str = ""
    tls_certificate: str = ""
    notifier_url: str = ""
    backoffice_url: str = ""

    def process(self, name: str) -> ProcessState:
        return next(process for process in self.processes if process.name == name)


class DataDirectory:
    """One exchange's files under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.postgres = self.root / "postgres"
        self.redis = self.root / "redis"
        self.logs = self.root / "logs"
        self.demo = self.root / "demo.json"
        self.outbox = self.root / "outbox"
        self.tls = self.root / "tls"
        self.tls_certificate = self.tls / "certificate.pem"
        self.tls_key = self.tls / "key.pem"
        self._secrets = self.root / "secrets.json"
        self._run = self.root / "run.json"

    @property
    def is_ours(self) -> bool:
        return (self.root / MARKER).is_file()

    def claim(self) -> None:
        """Create the directory, or make sure that an existing one is ours or empty."""
        if self.root.exists() and not self.is_ours and any(self.root.iterdir()):
            raise DataDirectoryError(
                f"{self.root} holds files that are not Crossbook's; name another with --data-dir, nothing was changed"
            )
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.root / MARKER).write_text(MARKER_TEXT)

    def erase(self) -> None:
        """Delete all data. Only for a claimed and locked directory."""
        assert self.is_ours
        for name in CONTENTS:
            path = self.root / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, *, wait_s: float) -> Iterator[int]:
        """Hold the directory for one supervisor (or one that needs it stopped); yield the lock's file descriptor."""
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + wait_s
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise DataDirectoryError(f"an exchange is already running in {self.root} (see: crossbook status)")
                time.sleep(LOCK_POLL_S)
            yield descriptor
        finally:
            os.close(descriptor)

    @property
    def is_locked(self) -> bool:
        """Whether an exchange runs here, or is still stopping."""
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def secrets(self) -> Secrets:
        """Return the secrets, generated on first use."""
        known = self.read(self._secrets, Secrets)
        if known is None:
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            known = Secrets(internal_token=secrets.token_urlsafe(32), encryption_key=key)
        if not known.provider_secret:
            known = msgspec.structs.replace(known, provider_secret=secrets.token_urlsafe(32))
            write_private(self._secrets, known)
        return known

    def run_state(self) -> RunState | None:
        """Return the state of the running exchange; None when none runs."""
        return self.read(self._run, RunState) if self.is_locked else None

    def left_running(self) -> list[ProcessState]:
        """Return the children of the run that last wrote its state, unless it cleared it at its end."""
        try:
            state = self.read(self._run, RunState)
        except DataDirectoryError:
            # Written by another version, or when the disk was full: then there is nothing to go by.
            return []
        return [] if state is None else state.processes

    def write_run_state(self, state: RunState) -> None:
        write_private(self._run, state)

    def clear_run_state(self) -> None:
        self._run.unlink(missing_ok=True)

    @staticmethod
    def read(path: Path, kind: type[T]) -> T | None:
        """Return what ``write_private`` wrote to ``path``; None when there is no such file."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise DataDirectoryError(f"{path} is damaged ({error}); move it away and start again") from error


def write_private(path: Path, value: msgspec.Struct) -> None:
    """Replace ``path`` by ``value`` as JSON."""
    replace_private(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def replace_private(path: Path, content: bytes) -> None:
    """Replace ``path`` in one step, readable by its owner only."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
