"""The world of one run: engines, trading and clients around one database and one Redis, and what befalls them.

Engines and trading processes are the real ones but for their ports: ``Engine`` with runner, inbox, batches, settlement,
publisher, recovery, lease and standby; ``Gateway`` and ``Feed``. A process that dies is started again, as a supervisor
would.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from pydantic import SecretStr
from redis.asyncio import Redis

from services.domain.commands import Command
from services.domain.protocol import PARCEL_HEADER, Applied
from services.engine.app import carry_out
from services.engine.journal import JournalCorrupt
from services.engine.runner import ActiveEngine, Engine
from services.engine.settings import EngineSettings
from services.infra.clock import COMPARE_EVERY_S, SetClock
from services.infra.lean_post import Answer
from services.infra.postgres import FAILURES, Pool
from services.trading import errors
from services.trading.errors import DialectError
from services.trading.feed import Feed, JournalEntry
from services.trading.gateway import Gateway
from services.trading.settings import TradingSettings
from services.trading.shedding import Shedding
from tests.simulation.cache import Cache, ModelRedis
from tests.simulation.database import Database, ModelStore
from tests.simulation.faults import FaultyDatabase, FaultyNetwork, FaultyRedis, Weather, resolve
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.trace import Trace

START_US: Final = 1_800_000_000_000_000
MARKETS: Final = Path(__file__).with_name("markets.toml")
ENGINES: Final = 2
TRADINGS: Final = 2
MOST_STEPS_TO_DEATH: Final = 600

ENGINE_SETTINGS: Final = EngineSettings(
    port=1,
    markets_file=MARKETS,
    database_url=SecretStr("postgresql://nowhere/simulation"),
    redis_url=SecretStr("redis://nowhere"),
    internal_token=SecretStr("t" * 32),
    takeover_poll_ms=400,
    snapshot_interval_s=1,
    snapshot_minimum_batches=5,
    database_snapshot_every=3,
)
TRADING_SETTINGS: Final = TradingSettings(
    port=1,
    engine_urls=tuple(f"http://engine-{number}" for number in range(ENGINES)),
    auth_url="http://nowhere",
    database_url=SecretStr("postgresql://nowhere/simulation"),
    redis_url=SecretStr("redis://nowhere"),
    internal_token=SecretStr("t" * 32),
)


Reply = Callable[[Answer], None]


class BrokenPromise(AssertionError):
    """One of the promises does not hold; the message says which and how."""


class Told(msgspec.Struct):
    """What a client asked and what it was told. ``outcome`` is applied, refused, not done or unknown."""

    command: Command
    asked_us: int
    answered_us: int
    outcome: str
    detail: str
    applied: Applied | None = None


class EngineHost:
    """One place where an engine runs, again and again."""

    def __init__(self, world: "World", number: int) -> None:
        self.number = number
        self.process = Process(f"engine-{number}.0")
        self.engine: Engine | None = None
        self._world = world
        self._lives = 0

    def start(self) -> None:
        world = self._world
        self.process = process = Process(f"engine-{self.number}.{self._lives}")
        self._lives += 1
        process.on_death.append(lambda: world.later(world.chance.uniform(0.05, 1.5), self.start))
        conduct = FaultyDatabase(world, process, world.database)
        redis = ModelRedis(world.cache, FaultyRedis(world, process))
        store = ModelStore(world.database, conduct, redis)
        self.engine = engine = Engine(
            world.engine_settings,
            cast("Redis", redis),
            store,
            holder=process.name,
            clock=lambda: world.clock_us(process),
            on_recovered=lambda: None,
        )
        world.loop.start(process, self._run(engine))

    async def _run(self, engine: Engine) -> None:
        process = self.process
        try:
            await engine.run()
        except JournalCorrupt as error:
            self._world.fail(f"an engine refuses the journal: {error}")
        except Exception as error:
            self._world.fail(f"an engine broke: {error!r}")
        self._world.note(process, "ends")
        self._world.loop.kill(process)

    def connect(self) -> Callable[[bytes, dict[str, str], Reply], None]:
        """What is sent here arrives at the process that is there now; if that has died by then, nobody hears."""
        process, engine = self.process, self.engine
        assert engine is not None

        def hear(content: bytes, headers: dict[str, str], reply: Reply) -> None:
            if process.is_alive:
                self._world.loop.start(process, self._answer(engine, content, headers, reply))

        return hear

    async def _answer(self, engine: Engine, content: bytes, headers: dict[str, str], reply: Reply) -> None:
        answer = await carry_out(engine.inbox, content, headers.get(PARCEL_HEADER, ""))
        reply(Answer(answer.status_code, answer.content))


class TradingHost:
    """One trading process: the gateway, and the feed that tells its clients what was committed."""

    def __init__(self, world: "World", number: int) -> None:
        self.number = number
        self.process = Process(f"trading-{number}.0")
        self.gateway: Gateway | None = None
        self.feed: Feed | None = None
        self._world = world
        self._lives = 0

    def start(self) -> None:
        world = self._world
        self.process = process = Process(f"trading-{self.number}.{self._lives}")
        self._lives += 1
        process.on_death.append(lambda: world.later(world.chance.uniform(0.05, 1.0), self.start))
        self.gateway = self.feed = None
        world.loop.start(process, self._run())

    async def _run(self) -> None:
        world = self._world
        network = FaultyNetwork(world, TRADING_SETTINGS.gateway_timeout_ms / 1000)
        clock = SetClock(lambda: world.clock_us(self.process))
        self.gateway = gateway = Gateway(
            world.trading_settings,
            network,
            clock=clock,
            name=self.process.name,
            shedding=Overloaded() if world.seed % 3 == 0 else None,
        )
        pool = JournalReader(world.database, FaultyDatabase(world, self.process, world.database))
        feed = Feed(cast("Pool", pool), cast("Redis", ModelRedis(world.cache, FaultyRedis(world, self.process))))
        running = asyncio.create_task(gateway.run())
        setting = asyncio.create_task(self._set_clock(clock, pool))
        while True:
            try:
                await feed.start()
                break
            except FAILURES:
                await asyncio.sleep(0.2)
        last = feed.sequence

        def listen(entry: JournalEntry) -> None:
            nonlocal last
            if entry.sequence != last + 1:
                world.fail(f"the feed delivered {entry.sequence} after {last}")
            last = entry.sequence
            world.check_published(entry)

        feed.listen(listen)
        self.feed = feed
        try:
            await feed.run()
        except Exception as error:
            world.fail(f"the feed broke: {error!r}")
        await asyncio.gather(running, setting)

    @staticmethod
    async def _set_clock(clock: SetClock, pool: "JournalReader") -> None:
        while True:
            with contextlib.suppress(*FAILURES):
                await clock.compare(pool.clock_us)
            await asyncio.sleep(COMPARE_EVERY_S)


class Overloaded(Shedding):
    """Always: what has waited for long is refused instead of sent."""

    def __init__(self) -> None:
        super().__init__("orders", objective_ms=100, wait_ms=60, limit=1_000, patient_limit=1_000)

    def is_stale(self, waited_s: float) -> bool:
        return waited_s > TRADING_SETTINGS.objective_ms / 1000


class JournalReader:
    """The statements that a trading process sends to its pool."""

    def __init__(self, database: Database, conduct: FaultyDatabase) -> None:
        self._database = database
        self._conduct = conduct

    async def clock_us(self) -> int:
        return await self._conduct.carry_out(0, "read clock", self._database.time_us)

    async def fetchval(self, _sql: str) -> int:
        return await self._conduct.carry_out(0, "journal head", lambda: self._database.sequence)

    async def fetch(self, _sql: str, after: int, up_to: int, limit: int) -> list[tuple[int, int, bytes]]:
        def effect() -> list[tuple[int, int, bytes]]:
            rows = self._database.rows(after, min(up_to, after + limit))
            return [(row.sequence, row.time_us, row.events) for row in rows]

        return await self._conduct.carry_out(0, f"journal after {after}", effect)


class World:
    def __init__(self, seed: int, weather: Weather, chance: random.Random, trace: Trace) -> None:
        self.seed = seed
        self.weather = weather
        self.chance = chance
        self.trace = trace
        self.loop = SimulatedLoop(chance)  # type: ignore[abstract]
        self.is_calm = False
        self.database_is_up = True
        self.redis_is_gone = weather.redis_is_gone
        self.database_offset_us = 0
        self.database_connections: list[FaultyDatabase] = []
        self.database = Database(lambda: self.time_us + self.database_offset_us, lambda: self.time_us)
        self.cache = Cache()
        self.told: list[Told] = []
        self.engine_settings = ENGINE_SETTINGS.model_copy(
            update={
                "batch_limit": chance.choice((1, 4, 256)),
                "inbox_limit": chance.choice((3, 100)),
                "stream_length": chance.choice((2, 10, 2_000)),
            }
        )
        self.trading_settings = TRADING_SETTINGS.model_copy(
            update={"gateway_parcel_limit": chance.choice((1, 3, 256)), "gateway_queue_limit": chance.choice((2, 100))}
        )
        self.engines = [EngineHost(self, number) for number in range(ENGINES)]
        self.tradings = [TradingHost(self, number) for number in range(TRADINGS)]
        self._broken: list[str] = []

    # Time

    @property
    def time_us(self) -> int:
        """The true time, which nobody in the simulation knows."""
        return START_US + int(self.loop.time() * 1_000_000)

    def clock_us(self, process: Process) -> int:
        return self.time_us + process.clock_offset_us

    def delay_s(self) -> float:
        chance = self.chance
        drawn = chance.random()
        if drawn < self.weather.slow:
            return chance.random() * 4
        return 0.0002 + 0.003 * chance.random() ** 4

    def later(self, delay_s: float, action: Callable[[], Any]) -> None:
        """Have the world, not the process that runs now, do something."""
        self.loop.call_world(delay_s, action)

    # What is noted

    def note(self, who: object, what: str) -> None:
        self.trace.note(self.loop.time(), who, what)

    def fail(self, message: str) -> None:
        self._broken.append(message)
        self.note("CHECKER", message)

    def raise_if_broken(self) -> None:
        if self._broken:
            raise BrokenPromise(self._broken[0])
        if self.loop.failures:
            raise BrokenPromise(f"a callback raised {self.loop.failures[0]!r}") from self.loop.failures[0]

    def check_published(self, entry: JournalEntry) -> None:
        row = self.database.journal.get(entry.sequence)
        if row is None:
            self.fail(f"entry {entry.sequence} was published and is not committed")
        elif msgspec.msgpack.encode(entry.events) != row.events:
            self.fail(f"entry {entry.sequence} was published with other events than were committed")

    # What the parts ask of it

    def engine_at(self, url: str) -> EngineHost | None:
        host = next(host for host in self.engines if url.startswith(f"http://engine-{host.number}"))
        return host if host.process.is_alive else None

    async def submit(self, command: Command, trading: TradingHost) -> None:
        """Ask the trading process as a client does, and note what was heard. A broken connection means unknown."""
        told = Told(command, self.time_us, 0, "", "")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        process, gateway = trading.process, trading.gateway
        if gateway is None or not process.is_alive:
            answer.set_result(errors.UNAVAILABLE)
        else:
            process.on_death.append(lambda: resolve(answer, errors.UNKNOWN_OUTCOME))
            self.loop.start(process, _submit(gateway, command, answer))
        outcome = await answer
        told.answered_us = self.time_us
        if isinstance(outcome, Applied):
            told.outcome, told.detail, told.applied = "applied", str(outcome.sequence), outcome
            if outcome.sequence > self.database.sequence:
                self.fail(f"{command} was acknowledged under {outcome.sequence}, which is not committed")
        elif outcome is errors.UNKNOWN_OUTCOME:
            told.outcome = "unknown"
        elif outcome in (errors.UNAVAILABLE, errors.OVERLOADED, errors.TIMESTAMP_TOO_OLD):
            told.outcome, told.detail = "not done", str(outcome.code)
        elif isinstance(outcome, DialectError):
            told.outcome, told.detail = "refused", outcome.message
        else:
            self.fail(f"{command} was answered with {outcome!r}")
        self.told.append(told)
        self.note("client", f"{type(command).__name__} {told.outcome} {told.detail}")

    # What befalls everyone

    def begin(self) -> None:
        for host in self.engines:
            host.start()
        for trading in self.tradings:
            trading.start()
        weather = self.weather
        for times, mishap in (
            (weather.crashes, self._crash),
            (weather.database_restarts, self._restart_database),
            (weather.redis_flushes, self._flush_redis),
            (weather.clock_jumps, self._jump_clock),
            (weather.hand_overs, self._hand_over),
        ):
            for _ in range(times):
                self.later(self.chance.uniform(0.0, ACTIVE_S), self._unless_calm(mishap))

    def _processes(self) -> list[Process]:
        return [*(host.process for host in self.engines), *(host.process for host in self.tradings)]

    def _unless_calm(self, mishap: Callable[[], None]) -> Callable[[], None]:
        return lambda: None if self.is_calm else mishap()

    def leaders(self) -> list[ActiveEngine]:
        """Who leads as far as the database knows; while leadership changes that may be nobody."""
        engines = [host.engine for host in self.engines if host.process.is_alive]
        actives = [engine.active for engine in engines if engine is not None and engine.active is not None]
        return [active for active in actives if active.lease.epoch == self.database.epoch]

    def kill_at(self, name: str, step: int) -> None:
        """Have the first life of a process end before this step of it."""
        for process in self._processes():
            if process.name == f"{name}.0":
                process.dies_at_step = step

    def heal(self) -> None:
        """From here on nothing goes wrong any more, but Redis stays away if it was."""
        self.is_calm = True
        self.weather = Weather(redis_is_gone=self.weather.redis_is_gone)
        for process in self._processes():
            process.dies_at_step = -1
            process.clock_offset_us = 0

    def _crash(self) -> None:
        """Someone dies before one of its next steps: any await may be the last."""
        victim = self.chance.choice(self._processes())
        victim.dies_at_step = victim.steps + self.chance.randrange(MOST_STEPS_TO_DEATH)

    def _restart_database(self) -> None:
        self.note("database", "restarts")
        self.database_is_up = False
        for connection in self.database_connections:
            connection.restart()

        def come_up() -> None:
            self.database_is_up = True

        self.later(self.chance.uniform(0.05, 3.0), come_up)

    def _flush_redis(self) -> None:
        self.note("redis", "is flushed")
        self.cache.flush()

    def _jump_clock(self) -> None:
        """By seconds either way, past a lease's life perhaps, or by an hour."""
        jump_us = 3_600_000_000 if self.chance.random() < 0.1 else self.chance.randint(-4_000_000, 4_000_000)
        victim = self.chance.choice([*self._processes(), None])
        self.note(victim or "database", f"clock jumps by {jump_us}")
        if victim is None:
            self.database_offset_us += jump_us
        else:
            victim.clock_offset_us += jump_us

    def _hand_over(self) -> None:
        """As by SIGTERM to an engine, active or not."""
        host = self.chance.choice(self.engines)
        if host.process.is_alive and host.engine is not None:
            self.note(host.process, "is asked to stop")
            self.loop.start(host.process, _stop(host.engine))


ACTIVE_S: Final = 6.0


async def _stop(engine: Engine) -> None:
    engine.stop()


async def _submit(gateway: Gateway, command: Command, answer: "asyncio.Future[Any]") -> None:
    try:
        outcome: object = await gateway.submit(command)
    except DialectError as error:
        outcome = error
    resolve(answer, outcome)
