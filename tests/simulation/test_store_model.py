"""The model of the database does what PostgreSQL does, and that of Redis what Redis does.

The same operations are drawn from a seed and carried out on both; every answer and the state at the end must be equal.
Without this the simulation would only prove that the system is right about an imaginary database.
"""

import asyncio
import os
import random
from functools import partial
from typing import Any, cast

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.domain.commands import DefineMarket, Deposit
from services.domain.event_stream import EVENTS_FIELD, STREAM_KEY, TIME_FIELD, entry_id
from services.domain.events import Event
from services.engine import lease
from services.engine.core.exchange import Exchange
from services.engine.journal import GENESIS_HASH, JournalRow, chain_hash
from services.engine.lease import LeaseLost
from services.engine.markets_file import read_definitions
from services.engine.postgres_store import PostgresStore
from services.engine.projection import Projection
from services.engine.settings import EngineSettings
from services.engine.store import Session, Store
from services.infra.clock import now_us
from tests.simulation.cache import Cache, ModelRedis, NoMishaps
from tests.simulation.database import Database, ModelStore, Obliging
from tests.simulation.world import MARKETS

CASES = int(os.environ.get("CROSSBOOK_STORE_CASES", "4"))
OPERATIONS = 60
SESSIONS = 3
HEARD_WITHIN_S = 30.0
# Long and short enough that nothing that runs in between can make the difference.
EVER_MS, AT_ONCE_MS = 3_600_000, -1_000


class Driver:
    """Draws operations, one after another, and writes down what each answered."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._chance = random.Random(seed)
        self._sessions: list[Session] = []
        self._exchange = Exchange()
        for market in read_definitions(MARKETS).markets:
            self._exchange.apply(DefineMarket(market), 1)
        self._epoch = 0
        self._sequence = 0
        self._hash = GENESIS_HASH
        self.answers: list[Any] = []

    async def drive(self) -> list[Any]:
        for _ in range(SESSIONS):
            self._sessions.append(await self._store.connect("test", 5_000))
        operations = (
            (self._settle, 8),
            (self._take, 3),
            (self._renew, 3),
            (self._let_go, 2),
            (self._lock, 5),
            (self._unlock, 3),
            (self._read, 5),
            (self._end_session, 1),
            (self._acquire, 1),
        )
        kinds, weights = zip(*operations, strict=True)
        try:
            for operation in self._chance.choices(kinds, weights, k=OPERATIONS):
                self.answers.append((operation.__name__, await operation()))
        finally:
            for session in self._sessions:
                session.terminate()
        return self.answers

    def _session(self) -> Session:
        return self._chance.choice(self._sessions)

    def _some_epoch(self) -> int:
        return max(0, self._epoch + self._chance.choice((0, 0, 0, -1, 1)))

    async def _settle(self) -> str:
        """The next row, one before or after it, under this or another epoch."""
        epoch, sequence = self._some_epoch(), max(1, self._sequence + self._chance.choice((1, 1, 1, 0, 2)))
        projection, row = self._row(epoch, sequence)
        try:
            await self._session().settle(row, projection, lease_ttl_ms=EVER_MS)
        except LeaseLost:
            return "lease lost"
        self._sequence, self._hash = row.sequence, row.hash
        return "settled"

    def _row(self, epoch: int, sequence: int) -> tuple[Projection, JournalRow]:
        reference = f"{sequence}-{len(self.answers)}"
        outcome = self._exchange.apply(Deposit(1000, "USDT", self._chance.randint(1, 100), reference), 1)
        projection = Projection()
        projection.fold(cast("list[Event]", outcome))
        body = reference.encode()
        digest = chain_hash(self._hash, sequence, epoch, 1, body, body)
        return projection, JournalRow(sequence, epoch, 1, body, body, digest)

    async def _take(self) -> Any:
        taken = await self._session().take_lease(
            self._some_epoch(), "someone", self._chance.choice((EVER_MS, AT_ONCE_MS))
        )
        if taken is not None:
            self._epoch = taken.epoch
        return taken

    async def _acquire(self) -> Any:
        """The real algorithm, when nobody can be in its way."""
        session = self._session()
        await session.renew_lease(self._epoch, AT_ONCE_MS)
        for other in self._sessions:
            await other.unlock(self._epoch + 1)
            await other.unlock(self._epoch + 1)
        if not await session.try_lock(self._epoch + 1):
            return None
        held = await lease.acquire(session, "real", ttl_ms=EVER_MS, pause=partial(asyncio.sleep, 0))
        self._epoch = held.epoch
        return held

    async def _renew(self) -> Any:
        epoch, ttl_ms = self._some_epoch(), self._chance.choice((EVER_MS, AT_ONCE_MS))
        session = self._session()
        return await session.renew_lease(epoch, ttl_ms), await session.read_lease(), await session.holds_lease(epoch)

    async def _let_go(self) -> Any:
        """Those who listen hear it."""
        freed = asyncio.Event()
        listener = self._session()
        await listener.listen(freed)
        epoch = self._some_epoch()
        await self._session().let_go(epoch)
        async with asyncio.timeout(HEARD_WITHIN_S):
            await freed.wait()
        return await self._session().try_lock(epoch)

    async def _lock(self) -> bool:
        return await self._session().try_lock(self._some_epoch())

    async def _unlock(self) -> None:
        await self._session().unlock(self._some_epoch())

    async def _read(self) -> Any:
        session, after = self._session(), self._chance.randint(0, 3)
        rows = [row async for row in session.read_rows(after, after + self._chance.randint(0, 60))]
        references = [f"{sequence}-{turn}" for sequence in range(1, after + 2) for turn in range(OPERATIONS)]
        done = await session.movements_done(references)
        return rows, await session.hash_at(after), await session.read_lease(), await session.latest_snapshots(), done

    async def _end_session(self) -> None:
        """Its locks go with it. PostgreSQL notices in its own time, so wait until it has."""
        index = self._chance.randrange(SESSIONS)
        probe = 1_000_000 + len(self.answers)
        await self._sessions[index].try_lock(probe)
        self._sessions[index].terminate()
        self._sessions[index] = await self._store.connect("test", 5_000)
        while not await self._sessions[index].try_lock(probe):
            pass


@pytest.fixture
def settings(postgres_url: str, redis_url: str) -> EngineSettings:
    url = postgres_url.replace("postgres@", "crossbook_engine@", 1)
    return EngineSettings(port=1, database_url=url, redis_url=redis_url, internal_token="t" * 32)


@pytest.mark.parametrize("seed", range(CASES))
async def test_the_model_answers_as_postgresql_does(seed: int, settings: EngineSettings, postgres_url: str) -> None:
    database = Database(now_us)
    real = await Driver(PostgresStore(settings), seed).drive()
    model = await Driver(ModelStore(database, Obliging(database)), seed).drive()
    assert model == real
    connection = await asyncpg.connect(postgres_url)
    stored = await connection.fetch("SELECT account_id, asset, free_e8, locked_e8 FROM exchange.balances")
    await connection.close()
    expected = [(told.account_id, told.asset, told.free_e8, told.locked_e8) for told in database.balances.values()]
    assert sorted(map(tuple, stored)) == sorted(expected)
    assert {"settled", "lease lost"} <= {answer for _, answer in real if isinstance(answer, str)}


async def test_snapshots_are_kept_alike(settings: EngineSettings) -> None:
    database = Database(now_us)
    stores: list[Store] = [ModelStore(database, Obliging(database)), PostgresStore(settings)]
    for sequence in (5, 9, 7, 9, 12):
        for store in stores:
            assert (await store.keep_snapshot(Exchange(), sequence, GENESIS_HASH, to_database=True)).is_stored
    kept = []
    for store in stores:
        session = await store.connect("test", 5_000)
        kept.append(await session.latest_snapshots())
        session.terminate()
    assert kept[0] == kept[1]
    assert len(kept[0]) == 3


async def drive_stream(redis: Any, seed: int) -> list[Any]:
    """What the publisher and the feed do, in any order."""
    chance = random.Random(seed)
    answers: list[Any] = []
    for _ in range(80):
        match chance.choices(("add", "newest", "read", "delete", "get"), (6, 2, 3, 1, 1))[0]:
            case "add":
                pipeline = redis.pipeline(transaction=False)
                for _ in range(chance.randint(1, 3)):
                    sequence = chance.randint(1, 40)
                    fields = {TIME_FIELD: sequence, EVENTS_FIELD: b"events"}
                    pipeline.xadd(STREAM_KEY, fields, id=entry_id(sequence), maxlen=100, approximate=True)
                pipeline.xlen(STREAM_KEY)
                try:
                    answers.append(await pipeline.execute())
                except ResponseError as error:
                    answers.append("equal or smaller" in str(error))
            case "newest":
                answers.append(await redis.xrevrange(STREAM_KEY, count=1))
            case "read":
                position = {STREAM_KEY: entry_id(chance.randint(0, 40))}
                answers.append(await redis.xread(position, count=chance.randint(1, 3), block=1))
            case "delete":
                answers.append(await redis.delete(STREAM_KEY))
            case _:
                await redis.mset({"crossbook:snapshot": b"bytes", "crossbook:checkpoint": b"others"})
                answers.append(await redis.get("crossbook:snapshot"))
    return answers


@pytest.mark.parametrize("seed", range(CASES))
async def test_the_model_of_the_stream_answers_as_redis_does(seed: int, redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        real = await drive_stream(client, seed)
    model = await drive_stream(ModelRedis(Cache(), NoMishaps()), seed)
    assert model == real
