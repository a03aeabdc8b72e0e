"""Pacing: answers that must not tell what was found take equally long, whatever was found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def at_least(duration_ms: int) -> AsyncIterator[None]:
    """End no sooner than ``duration_ms`` from now. Longer than the work ever takes, it hides how much there was.

    Nothing that others wait for may be held inside the block, but for the time its work takes.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + duration_ms / 1000
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, ends_s - loop.time()))
