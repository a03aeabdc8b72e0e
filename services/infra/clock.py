"""The wall clock, behind a name so that a simulation can bring its own, and one that PostgreSQL sets right.

Deadlines travel from one process to another as instants, so their clocks must agree. All of them know PostgreSQL.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from services.infra import telemetry

# Clocks that are kept by NTP differ by far less; what the question takes would be no correction but noise.
TOLERANCE_US: Final = 1_000_000
COMPARE_EVERY_S: Final = 1.0

_log = telemetry.logger(__name__)

# Microseconds since the epoch.
Clock = Callable[[], int]


def now_us() -> int:
    return time.time_ns() // 1000


class SetClock:
    """A clock that tells another's time once ``compare`` has found that it is off by more than the tolerance."""

    def __init__(self, clock: Clock = now_us) -> None:
        self._clock = clock
        self._correction_us = 0

    def __call__(self) -> int:
        return self._clock() + self._correction_us

    async def compare(self, ask: Callable[[], Awaitable[int]]) -> None:
        """``ask`` for the other's time."""
        before_us = self._clock()
        theirs_us = await ask()
        after_us = self._clock()
        off_us = theirs_us - (before_us + after_us) // 2
        correction_us = off_us if abs(off_us) > TOLERANCE_US + abs(after_us - before_us) else 0
        if abs(correction_us - self._correction_us) > TOLERANCE_US:
            _log.warning("clock_corrected", by_ms=correction_us // 1000)
            self._correction_us = correction_us
