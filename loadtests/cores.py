"""Who runs on which cores: a generator that shares them with what it measures takes away what it asks for."""

import contextlib
import os
from collections.abc import Iterator


def split_cores() -> tuple[frozenset[int], frozenset[int]]:
    """All cores but the last for what is measured, the last for the generator; both empty if there is only one."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (frozenset(cores[:-1]), frozenset(cores[-1:])) if len(cores) > 1 else (frozenset(), frozenset())


@contextlib.contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """What is started inside stays on these cores; no cores, or a system without affinity, leaves everything free."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
