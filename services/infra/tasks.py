"""Tasks that run as long as their process: how they are ended."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

# Shorter than anything a task waits for, and no even part of it: a cancellation that comes in step with such a wait
# would be swallowed every time.
CANCEL_AGAIN_S: Final = 0.13


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until they end. Once is not enough on Python 3.11, where ``asyncio.wait_for`` can swallow a cancellation
    that comes just as what it waits for is done; asyncpg and the Redis client wait with it. A ``TaskGroup`` cancels its
    tasks only once, so nothing that lasts may run in one.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)
