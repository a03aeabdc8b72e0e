"""An exchange under load: traders, a client that keeps a book of its own, and followers of their own accounts.

``under_load`` is the frame of every scenario. Inside it faults are injected; at its end the exchange must trade again
without anybody's help, and everything that anybody was told is checked.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from websockets.exceptions import InvalidHandshake

from tests.faults import checker, report
from tests.faults.checker import Summary
from tests.faults.traders import SYMBOL, Pulse, Trader
from tests.running import RunningSystem, wait_until
from tests.streams.listener import Listener
from tests.streams.local_book import LocalBook, engine_depth

TRADERS = 6
FOLLOWED = 2
FUNDS = {"USDT": "10000000", "BTC": "1000"}
# How long an exchange may take to be whole again on a busy machine.
READY_TIMEOUT_S = 90.0
CATCH_UP_S = 90.0
RETRY_S = 0.1
_NOT_THERE = (OSError, InvalidHandshake, TimeoutError, httpx.HTTPError)


class Load:
    """``faults`` counts what was done; ``summary`` is there once everything has been checked."""

    def __init__(self, system: RunningSystem, traders: list[Trader], pulse: Pulse) -> None:
        self.system = system
        self.traders = traders
        self.pulse = pulse
        self.faults: Counter[str] = Counter()
        self.book = LocalBook(system.base_url, SYMBOL, "depth@100ms")
        self.listeners = [Listener(system.base_url, trader.account) for trader in traders[:FOLLOWED]]
        self.summary: Summary | None = None
        self.checks: dict[str, int] = {}

    async def until_trading(self) -> None:
        """Everything runs, and an order that was sent after this was called has been acknowledged."""
        await asyncio.to_thread(self.system.wait_ready, READY_TIMEOUT_S)
        await self.until_acknowledged(READY_TIMEOUT_S)

    async def until_acknowledged(self, timeout_s: float, count: int = 10) -> None:
        enough = self.acknowledged + count
        await until(lambda: self.acknowledged >= enough, timeout_s)

    @property
    def acknowledged(self) -> int:
        return sum(len(trader.told.placed) for trader in self.traders)

    @property
    def unknown(self) -> int:
        return sum(len(trader.told.unknown) for trader in self.traders)

    @property
    def refused(self) -> int:
        return sum(len(trader.told.refused) for trader in self.traders)

    async def follow_book(self) -> None:
        """As the published procedure has it: begin anew with each connection."""
        while True:
            with contextlib.suppress(*_NOT_THERE):
                await self.book.follow()
            self.book.is_ready = False
            await asyncio.sleep(RETRY_S)

    async def until_book_follows(self) -> None:
        """A book begins with an event, so somebody must be trading."""
        await until(lambda: self.book.is_ready, CATCH_UP_S)

    def figures(self) -> dict[str, Any]:
        assert self.summary is not None
        answers = sum((trader.told.answers for trader in self.traders), Counter[str]())
        return {
            "faults": dict(self.faults),
            **self.summary._asdict(),
            "answers": dict(answers.most_common()),
            "longest_pause_s": round(self.pulse.longest_pause_s, 2),
            "longest_answer_s": round(self.pulse.longest_answer_s, 2),
            "checks": self.checks,
        }


async def until(holds: Callable[[], bool], timeout_s: float) -> None:
    await asyncio.to_thread(wait_until, holds, timeout_s)


def keep_logs(system: RunningSystem, scenario: str) -> None:
    """For whoever wants to know why: the exchange's own directory is deleted."""
    kept = Path(tempfile.mkdtemp(prefix=f"crossbook-{scenario.replace(' ', '-')}-"))
    shutil.copytree(system.directory.logs, kept, dirs_exist_ok=True)
    report.say(f"{scenario} FAILED; logs are in {kept}")


@asynccontextmanager
async def under_load(system: RunningSystem, scenario: str, seed: int, *, traders: int = TRADERS) -> AsyncIterator[Load]:
    """Trade while the caller does harm; then hold everything against everything, and record it."""
    report.say(f"{scenario}: seed {seed}")
    accounts = [await asyncio.to_thread(system.create_account, FUNDS) for _ in range(traders)]
    pulse = Pulse()
    load = Load(
        system,
        [Trader(system.base_url, account, seed + number, pulse) for number, account in enumerate(accounts)],
        pulse,
    )
    stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            following = [group.create_task(listener.run()) for listener in load.listeners]
            following.append(group.create_task(load.follow_book()))
            for listener in load.listeners:
                await asyncio.wait_for(listener.began.wait(), CATCH_UP_S)
            pulse.beat()
            trading = [group.create_task(trader.trade(stop)) for trader in load.traders]
            yield load
            await load.until_trading()
            await load.until_book_follows()
            stop.set()
            await asyncio.wait(trading)
            load.summary = await checker.check(system.database_url, load.traders)
            load.checks = await check_streams(load)
            for task in following:
                task.cancel()
    except BaseException:
        keep_logs(system, scenario)
        raise
    for trader in load.traders:
        await trader.close()
    report.record(scenario, load.figures())


async def check_streams(load: Load) -> dict[str, int]:
    """A book made from the stream is the engine's, and so is what REST tells; reports are what is in the database."""
    update_id, bids, asks = await engine_depth(load.system, SYMBOL)
    await load.book.reached(update_id, CATCH_UP_S)
    book = load.book
    assert (book.update_id, book.bids, book.asks) == (update_id, bids, asks), "the stream does not lead to the book"
    async with httpx.AsyncClient(base_url=load.system.base_url, timeout=20, trust_env=False) as client:
        depth = (await client.get("/api/v3/depth", params={"symbol": SYMBOL, "limit": 5000})).json()
    assert depth["lastUpdateId"] == update_id
    assert (len(depth["bids"]), len(depth["asks"])) == (len(bids), len(asks))
    connection = await asyncpg.connect(load.system.database_url)
    events = 0
    try:
        for trader, listener in zip(load.traders, load.listeners, strict=False):
            last = await checker.last_entry_of(connection, trader.account_id)
            await asyncio.wait_for(listener.has_reached(last), CATCH_UP_S)
            events += await checker.check_reports(connection, trader.account_id, listener)
    finally:
        await connection.close()
    return {
        "book_levels": len(bids) + len(asks),
        "book_events": book.events,
        "book_connections": book.connections,
        "report_events": events,
        "report_connections": sum(listener.connections for listener in load.listeners),
    }
