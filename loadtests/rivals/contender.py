"""A program under comparison: how it is had, started, killed, and asked what it holds."""

import contextlib
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import psutil

from loadtests.rivals.player import Dialect

KILL_TIMEOUT_S: Final = 20.0


class Claims(msgspec.Struct, frozen=True):
    """What a contender has done when it answers an order, in a few words each."""

    authentication: str
    filters: str
    balance: str
    matching: str
    durable: str


class Contender(ABC):
    """Started in ``root``, where it may keep what it stores; ``restart`` finds that again."""

    name: str
    version: str
    source: str
    conditions: str
    claims: Claims
    # Whether it executes what Crossbook executes, so that the sums may be compared.
    executes_alike: bool = True

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def unavailable(cls) -> str:
        """Why it cannot be run here and how to mend that; empty when it can."""
        return ""

    @abstractmethod
    def start(self) -> None:
        """Start all processes and wait until the first order would be accepted."""

    @abstractmethod
    def stop(self) -> None: ...

    @property
    @abstractmethod
    def port(self) -> int: ...

    @property
    @abstractmethod
    def dialect(self) -> Dialect: ...

    @property
    @abstractmethod
    def roots(self) -> Mapping[str, int]:
        """Its processes, with those of its databases, for the processor meter."""

    @abstractmethod
    def survivors(self) -> set[int]:
        """The numbers of the makers' orders that rest in its book."""

    def settle(self) -> int:
        """Have what was accepted but not matched matched; return what that executed. Raise Unexpected."""
        return 0

    def processes(self) -> list[psutil.Process]:
        found = []
        for pid in self.roots.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                root = psutil.Process(pid)
                found += [root, *root.children(recursive=True)]
        return list({process.pid: process for process in found}.values())

    def restart(self) -> None:
        self.start()


def kill(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL to all, parents first, so that nobody is there to start others again."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def wait_until_gone(processes: Sequence[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, KILL_TIMEOUT_S)
    left = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    if left:
        raise TimeoutError(f"still there after a kill: {left}")
