"""Twenty clients keep books of their own while connections break and Redis loses and repeats entries; all are right.

Diff depth must be contiguous on every connection, agree with REST depth on the same process, and end where the engine's
own book ends. Half of the clients are on a second trading process.
"""

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from services.domain.event_stream import EVENTS_FIELD, STREAM_KEY, TIME_FIELD, entry_id
from services.infra.postgres import Connection
from tests.api.trader import Trader, now_ms
from tests.running import RunningSystem
from tests.streams.local_book import LocalBook, engine_depth
from tests.streams.test_stream_connections import metric
from tests.streams.trading_process import trading_process

SYMBOL = "BTCUSDT"
CLIENTS = 20
TRADERS = 3
ORDERS = 500
TIMEOUT_S = 120.0
STANDSTILL_S = 0.1


class Redisturber:
    """Does to the event stream what may happen to it, and what must not matter."""

    def __init__(self, system: RunningSystem, client: Redis, database: Connection) -> None:
        self._system = system
        self._redis = client
        self._database = database
        self._chance = random.Random(7)
        self.stopping = False
        self.done: dict[str, int] = {}

    async def run(self) -> None:
        """Until it is told to stop: the Redis client can swallow a cancellation."""
        acts = [self.delete, self.trim, self.flush, self.repeat]
        while not self.stopping:
            await asyncio.sleep(self._chance.uniform(0.02, 0.2))
            # Each at least once, however soon the traders are done.
            act = self._chance.choice(acts) if len(self.done) == len(acts) else acts[len(self.done)]
            await act()
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1

    async def delete(self) -> None:
        """Before one process can have read it: awake, it is quicker than any disturber."""
        self._system.send_signal("trading", signal.SIGSTOP)
        try:
            await asyncio.sleep(STANDSTILL_S)
            await self._delete_newest()
        finally:
            self._system.send_signal("trading", signal.SIGCONT)

    async def _delete_newest(self) -> None:
        newest: list[tuple[bytes, object]] = await self._redis.xrevrange(STREAM_KEY, count=2)  # type: ignore[assignment]
        if newest:
            await self._redis.xdel(STREAM_KEY, *(identifier for identifier, _ in newest))

    async def trim(self) -> None:
        await self._redis.xtrim(STREAM_KEY, maxlen=1, approximate=False)

    async def flush(self) -> None:
        await self._redis.flushall()

    async def repeat(self) -> None:
        """Publish the last entries again, after a flush that makes Redis forget that it had them."""
        rows = await self._database.fetch("SELECT * FROM exchange.journal ORDER BY sequence DESC LIMIT 5")
        await self._redis.delete(STREAM_KEY)
        for row in reversed(rows):
            fields = {TIME_FIELD: row["time_us"], EVENTS_FIELD: row["events"]}
            # The engine may be faster.
            with contextlib.suppress(Exception):
                await self._redis.xadd(STREAM_KEY, fields, id=entry_id(row["sequence"]))  # type: ignore[arg-type]


def trade(trader: Trader, seed: int) -> None:
    """Orders that rest, meet and are cancelled around one price."""
    chance = random.Random(seed)
    for _ in range(ORDERS):
        action = chance.random()
        if action < 0.15:
            with contextlib.suppress(AssertionError):
                trader.delete("openOrders", symbol=SYMBOL)
        side = chance.choice(["BUY", "SELL"])
        order = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        trader.post("order", **order, quantity=f"0.00{chance.randint(1, 9)}", price=str(chance.randint(29_950, 30_050)))


@pytest.mark.slow
async def test_every_local_book_ends_as_the_engines(start_system: Callable[..., RunningSystem], tmp_path: Path) -> None:
    system = await asyncio.to_thread(start_system)
    with trading_process(system, tmp_path / "trading.log") as other_url, client_of(other_url) as http:
        urls = [system.base_url, other_url]
        books = [
            LocalBook(urls[number % 2], SYMBOL, ("depth@100ms", "depth")[number % 4 // 2]) for number in range(CLIENTS)
        ]
        stop, staying = asyncio.Event(), asyncio.Semaphore(0)
        followers = [asyncio.create_task(follow(book, seed, stop, staying)) for seed, book in enumerate(books)]
        done = await trade_under_disturbance(system, urls)
        stop.set()
        async with asyncio.timeout(TIMEOUT_S):
            for _ in books:
                await staying.acquire()
        # A book begins with an event, so there must be some for all of them.
        last = Trader(http, system.create_account({"USDT": "100000"}))
        ending = asyncio.create_task(say_last(last))
        for follower, book in zip(followers, books, strict=True):
            await reach(book, follower, 1)
        ending.cancel()
        await asyncio.wait([ending])
        update_id, bids, asks = await engine_depth(system, SYMBOL)
        for follower, book in zip(followers, books, strict=True):
            await reach(book, follower, update_id)
            assert (book.update_id, book.bids, book.asks) == (update_id, bids, asks)
            follower.cancel()
        lost = [metric(url, "crossbook_trading_feed_refilled_total") for url in urls]
    await asyncio.wait(followers)
    # The disturbance was one.
    assert any(lost), lost
    assert set(done) == {"delete", "trim", "flush", "repeat"}
    # Which side is left at the end is chance.
    assert bids or asks
    assert sum(book.connections for book in books) > 2 * CLIENTS
    assert all(book.events for book in books)


async def follow(book: LocalBook, seed: int, stop: asyncio.Event, staying: asyncio.Semaphore) -> None:
    """Connect again and again, until told to stay."""
    chance = random.Random(seed)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(chance.uniform(0.5, 4)):
                await book.follow()
    staying.release()
    await book.follow()


async def reach(book: LocalBook, follower: asyncio.Task[None], update_id: int) -> None:
    """Wait for the book, or for what went wrong with it."""
    reaching = asyncio.create_task(book.reached(update_id, TIMEOUT_S))
    await asyncio.wait([reaching, follower], return_when=asyncio.FIRST_COMPLETED)
    if follower.done():
        reaching.cancel()
        follower.result()
    await reaching


async def trade_under_disturbance(system: RunningSystem, urls: list[str]) -> dict[str, int]:
    client = Redis.from_url(system.redis_url)
    database = await asyncpg.connect(system.database_url)
    disturber = Redisturber(system, client, database)
    disturbing = asyncio.create_task(disturber.run())
    https = [client_of(urls[number % 2]) for number in range(TRADERS)]
    traders = [Trader(http, system.create_account({"BTC": "10", "USDT": "1000000"})) for http in https]
    await asyncio.gather(*(asyncio.to_thread(trade, trader, seed) for seed, trader in enumerate(traders)))
    disturber.stopping = True
    await disturbing
    await client.aclose()
    await database.close()
    for http in https:
        http.close()
    return disturber.done


def client_of(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, timeout=30, trust_env=False)


async def say_last(trader: Trader) -> None:
    while True:
        price = str(20_000 + now_ms() % 1000)
        await asyncio.to_thread(trader.buy, "0.001", price)
        await asyncio.sleep(0.5)
