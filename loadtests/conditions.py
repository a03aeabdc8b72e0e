"""The conditions of a run: which machine and versions, how much each process worked, and how much strangers disturbed.

The machine may be shared. ``CpuMeter`` sets the processor time of the processes under test against everything the
machine did meanwhile; what is left over belongs to others. A run with more than ``FOREIGN_CORES_LIMIT`` of it is noisy.
"""

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import psutil

ROOT: Final = Path(__file__).resolve().parents[1]
FOREIGN_CORES_LIMIT: Final = 0.15
CALM_PERCENT: Final = 8.0
CALM_WINDOW_S: Final = 2.0
CALM_PATIENCE_S: Final = 120.0

_LIBRARIES: Final = (
    *("asyncpg", "fastapi", "httptools", "httpx", "msgspec", "pydantic", "redis", "starlette", "structlog"),
    *("uvicorn", "uvloop"),
)


# The name under which this process is measured.
GENERATOR: Final = "generator"


class Environment(msgspec.Struct, frozen=True):
    """``modified`` says that the working tree was not exactly the commit."""

    date: str
    commit: str
    modified: bool
    cpu: str
    cores: int
    memory_mib: int
    kernel: str
    file_system: str
    python: str
    libraries: dict[str, str]


class Noise(msgspec.Struct, frozen=True):
    """Processor time in cores: what the named processes used on average, and what was used by strangers.

    ``kernel_cores`` is the part of ``cores`` that was spent inside the kernel.
    """

    load_before: tuple[float, float, float]
    load_after: tuple[float, float, float]
    seconds: float
    cores: dict[str, float]
    kernel_cores: dict[str, float]
    foreign_cores: float

    @property
    def is_noisy(self) -> bool:
        return self.foreign_cores > FOREIGN_CORES_LIMIT


def describe(data_directory: Path) -> Environment:
    return Environment(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_git("rev-parse", "--short=10", "HEAD"),
        modified=bool(_git("status", "--porcelain", "--untracked-files=no")),
        cpu=_cpu_model(),
        cores=os.cpu_count() or 0,
        memory_mib=psutil.virtual_memory().total // 2**20,
        kernel=f"{platform.system()} {platform.release()}",
        file_system=_file_system(data_directory),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries={name: version(name) for name in _LIBRARIES},
    )


async def database_version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        answer: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return answer


class CpuMeter:
    """From construction to ``stop``: the processor time of process trees, by name. This process is ``generator``."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = dict(roots)
        self._load_before = os.getloadavg()
        self._started_s = time.perf_counter()
        self._busy_before_s = _machine_busy_s()
        self._used_before_s = self._used_s()

    def stop(self) -> Noise:
        seconds = time.perf_counter() - self._started_s
        busy_s = _machine_busy_s() - self._busy_before_s
        used_s = {
            name: (max(0.0, total_s - before_s), max(0.0, kernel_s - kernel_before_s))
            for name, (total_s, kernel_s) in self._used_s().items()
            for before_s, kernel_before_s in [self._used_before_s.get(name, (0.0, 0.0))]
        }
        own_s = sum(total_s for total_s, _ in used_s.values())
        return Noise(
            load_before=self._load_before,
            load_after=os.getloadavg(),
            seconds=round(seconds, 2),
            cores={name: round(total_s / seconds, 3) for name, (total_s, _) in used_s.items()},
            kernel_cores={name: round(kernel_s / seconds, 3) for name, (_, kernel_s) in used_s.items()},
            foreign_cores=round(max(0.0, busy_s - own_s) / seconds, 3),
        )

    def _used_s(self) -> dict[str, tuple[float, float]]:
        """Total and kernel seconds so far."""
        own = psutil.Process().cpu_times()
        used_s = {GENERATOR: (own.user + own.system, own.system)}
        for name, pid in self._roots.items():
            used_s[name] = _tree_used_s(pid)
        return used_s


def wait_for_calm(patience_s: float = CALM_PATIENCE_S) -> bool:
    """Wait until the machine idles; False when it does not within the time given."""
    deadline_s = time.monotonic() + patience_s
    while psutil.cpu_percent(CALM_WINDOW_S) > CALM_PERCENT:
        if time.monotonic() > deadline_s:
            return False
    return True


def _tree_used_s(pid: int) -> tuple[float, float]:
    """The process, its living descendants, and those that it has outlived: total and kernel seconds."""
    user_s = kernel_s = 0.0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                user_s += times.user + times.children_user
                kernel_s += times.system + times.children_system
    return user_s + kernel_s, kernel_s


def _machine_busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(directory: Path) -> str:
    """The type of the file system that holds the database: a commit on a RAM disk would prove nothing."""
    mounts = [mount for mount in psutil.disk_partitions(all=True) if directory.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"


def _git(*arguments: str) -> str:
    answer = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""
