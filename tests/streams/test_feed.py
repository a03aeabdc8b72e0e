"""The feed against a real journal and a real Redis: in order, without a gap, each entry once, whatever Redis does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from services.domain.event_stream import EVENTS_FIELD, STREAM_KEY, TIME_FIELD, entry_id
from services.domain.events import BookChanged
from services.infra import postgres, redis
from services.infra.postgres import Pool
from services.local.embedded import EmbeddedRedis
from services.local.guard import Guard
from services.trading.feed import Feed, JournalEntry

TIMEOUT_S = 30.0
_INSERT = "INSERT INTO exchange.journal VALUES ($1, 1, $2, '', $3, '')"


class Exchange:
    """Commits journal rows as an engine would, and publishes them as told."""

    def __init__(self, pool: Pool, client: Redis) -> None:
        self.pool = pool
        self.redis = client
        self.sequence = 0

    async def commit(self, count: int = 1, *, publish: bool = True) -> None:
        for _ in range(count):
            self.sequence += 1
            await self.pool.execute(_INSERT, self.sequence, now_us(), events_of(self.sequence))
            if publish:
                await self.publish(self.sequence)

    async def publish(self, sequence: int, events: bytes | None = None) -> None:
        fields = {TIME_FIELD: now_us(), EVENTS_FIELD: events_of(sequence) if events is None else events}
        await self.redis.xadd(STREAM_KEY, fields, id=entry_id(sequence))  # type: ignore[arg-type]


class Listener:
    def __init__(self, feed: Feed) -> None:
        self.entries: list[JournalEntry] = []
        self.stop = feed.listen(self.entries.append)

    @property
    def sequences(self) -> list[int]:
        return [entry.sequence for entry in self.entries]


def now_us() -> int:
    return time.time_ns() // 1000


def events_of(sequence: int) -> bytes:
    """One command with one event that names the entry."""
    return msgspec.msgpack.encode([[BookChanged("BTCUSDT", sequence, (), ())]])


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    opened = await postgres.create_pool(postgres_url, application_name="test", size=4, statement_timeout_ms=10_000)
    yield opened
    await opened.close()


@pytest.fixture
async def exchange(pool: Pool, redis_url: str) -> AsyncIterator[Exchange]:
    client = redis.connect(redis_url)
    yield Exchange(pool, client)
    await client.aclose()


@pytest.fixture
async def feed(exchange: Exchange) -> AsyncIterator[Feed]:
    """It runs, from entry 3 on."""
    await exchange.commit(3)
    started = Feed(exchange.pool, redis.StreamReader(exchange.redis))
    await started.start()
    async with running(started):
        yield started


@contextlib.asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(feed.run())
    yield task
    # The Redis client can swallow a cancellation (see ``services.trading.app``).
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)


async def test_entries_come_in_order_from_where_the_journal_ended(exchange: Exchange, feed: Feed) -> None:
    listener = Listener(feed)
    await exchange.commit(5)
    await feed.reached(8, TIMEOUT_S)
    assert listener.sequences == [4, 5, 6, 7, 8]
    assert [entry.events[0][0].update_id for entry in listener.entries] == listener.sequences  # type: ignore[union-attr]
    listener.stop()
    await exchange.commit()
    await feed.reached(9, TIMEOUT_S)
    assert len(listener.entries) == 5 and feed.sequence == 9


async def test_what_the_stream_lost_is_read_from_the_journal(exchange: Exchange, feed: Feed) -> None:
    listener = Listener(feed)
    await exchange.commit(2)
    await exchange.commit(250, publish=False)
    await exchange.commit(2)
    await feed.reached(exchange.sequence, TIMEOUT_S)
    assert listener.sequences == list(range(4, exchange.sequence + 1))


async def test_the_newest_entry_may_be_the_one_that_is_lost(exchange: Exchange, feed: Feed) -> None:
    """Nothing follows it in the stream that would show a gap."""
    listener = Listener(feed)
    await exchange.commit(publish=False)
    await feed.reached(4, TIMEOUT_S)
    assert listener.sequences == [4]


@pytest.mark.parametrize("damage", ["flush", "trim", "delete"])
async def test_a_damaged_stream_shows_in_nothing(exchange: Exchange, feed: Feed, damage: str) -> None:
    listener = Listener(feed)
    for _ in range(20):
        await exchange.commit(2)
        match damage:
            case "flush":
                await exchange.redis.flushall()
                # An engine starts the stream again a little before its end.
                for sequence in range(exchange.sequence - 2, exchange.sequence + 1):
                    await exchange.publish(sequence)
            case "trim":
                await exchange.redis.xtrim(STREAM_KEY, maxlen=0, approximate=False)
            case "delete":
                await exchange.redis.xdel(STREAM_KEY, entry_id(exchange.sequence))
    await feed.reached(exchange.sequence, TIMEOUT_S)
    assert listener.sequences == list(range(4, exchange.sequence + 1))


async def test_somebody_elses_stream_is_not_believed(exchange: Exchange, feed: Feed) -> None:
    listener = Listener(feed)
    await exchange.publish(999_999)
    await asyncio.sleep(0.1)
    await exchange.commit(2, publish=False)
    await feed.reached(5, TIMEOUT_S)
    assert listener.sequences == [4, 5]
    # The engine drops it when it finds it.
    await exchange.redis.delete(STREAM_KEY)
    await exchange.commit(2)
    await feed.reached(7, TIMEOUT_S)
    assert listener.sequences == [4, 5, 6, 7]


async def test_an_entry_that_cannot_be_read_is_read_from_the_journal(exchange: Exchange, feed: Feed) -> None:
    listener = Listener(feed)
    await exchange.commit(publish=False)
    await exchange.publish(4, b"nonsense")
    await feed.reached(4, TIMEOUT_S)
    await exchange.commit()
    await feed.reached(5, TIMEOUT_S)
    assert listener.sequences == [4, 5]


async def test_without_redis_the_journal_is_followed(pool: Pool, server_directory: Path, guard: Guard) -> None:
    server = EmbeddedRedis(server_directory)
    log = server_directory / "redis.log"
    server.start(log, guard)
    client = redis.connect(server.url)
    exchange = Exchange(pool, client)
    feed = Feed(pool, redis.StreamReader(client))
    try:
        await feed.start()
        async with running(feed):
            listener = Listener(feed)
            await exchange.commit(2)
            await feed.reached(2, TIMEOUT_S)
            assert (feed.is_live, feed.sequence) == (True, 2)
            server.stop()
            await exchange.commit(2, publish=False)
            await feed.reached(4, TIMEOUT_S)
            assert (feed.is_live, feed.sequence) == (False, 4)
            server.start(log, guard)
            await exchange.publish(4)
            await exchange.commit(2)
            await feed.reached(6, TIMEOUT_S)
            assert listener.sequences == list(range(1, 7))
    finally:
        await client.aclose()
        server.stop()


async def test_a_listener_that_fails_ends_the_feed(exchange: Exchange) -> None:
    feed = Feed(exchange.pool, redis.StreamReader(exchange.redis))
    await feed.start()

    def fail(entry: JournalEntry) -> None:
        raise RuntimeError(f"cannot take {entry.sequence}")

    feed.listen(fail)
    async with running(feed) as task:
        await exchange.commit()
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(RuntimeError, match="cannot take 1"):
                await task
    assert feed.sequence == 0


async def test_waiting_for_an_entry_ends_in_time(exchange: Exchange, feed: Feed) -> None:
    with pytest.raises(TimeoutError):
        await feed.reached(4, 0.01)
    waiting = [asyncio.create_task(feed.reached(sequence, TIMEOUT_S)) for sequence in (6, 4, 5, 3)]
    await exchange.commit(3)
    await asyncio.gather(*waiting)


async def test_old_entries_join_new_ones(exchange: Exchange, feed: Feed) -> None:
    await exchange.commit(450)
    await feed.reached(453, TIMEOUT_S)
    listener = Listener(feed)
    old = [entry.sequence async for entry in feed.since(1)]
    await exchange.commit(2)
    await feed.reached(455, TIMEOUT_S)
    assert old + listener.sequences == list(range(2, 456))
    assert [entry.sequence async for entry in feed.since(10, 12)] == [11, 12]
    assert [entry async for entry in feed.since(455)] == []
