"""The wall clock, behind a name so that a simulation can bring its own."""

import time
from collections.abc import Callable

# Microseconds since the epoch.
Clock = Callable[[], int]


def now_us() -> int:
    return time.time_ns() // 1000
