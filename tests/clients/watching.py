"""What tests of clients that listen have in common: somebody who trades meanwhile, and waiting for what is awaited.

While a client waits, somebody trades; so a client that begins late, or asks again after a loss, hears something too.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.api.trader import Trader

TIMEOUT_S = 60.0
POLL_S = 0.01
PAUSE_S = 0.1

Busy = Callable[[], contextlib.AbstractAsyncContextManager[None]]


def trading_of(trader: Trader) -> Busy:
    """As long as this context lasts, BTCUSDT trades at 30000 and its book moves."""

    def once() -> None:
        trader.sell("0.01", "30000", selfTradePreventionMode="NONE")
        trader.buy("0.01", "30000", selfTradePreventionMode="NONE")
        trader.buy("0.02", "29000")
        trader.sell("0.02", "31000")
        trader.cancel_everything()
        trader.buy("0.01", "29500")
        trader.sell("0.03", "30500")

    async def go_on(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.to_thread(once)
            await asyncio.sleep(PAUSE_S)

    @asynccontextmanager
    async def trading() -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(go_on(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    return trading


async def watched(watch: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """What is watched, as soon as this holds of it."""
    async with asyncio.timeout(TIMEOUT_S):
        while not holds(seen := await watch()):
            pass
    return seen


async def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(POLL_S)
