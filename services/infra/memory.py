"""The garbage collector, told what stays: walking objects that live as long as the process only stalls the loop."""

import gc
from typing import Final

# New objects between two looks at the young ones; and how many looks until the older, and the oldest, are walked.
_THRESHOLDS: Final = (50_000, 20, 1_000)


def begin_collecting() -> None:
    """For a process that loaded everything with the collector off: it is on from now, and leaves that alone."""
    gc.freeze()
    gc.enable()


def settle_memory() -> None:
    """Call once what lives long has been built. Calling it again also lets go of what no longer lives."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
