"""What goes wrong between the parts: drawn from the seed, before a run (``Weather``) and at every single call.

Calls to PostgreSQL, Redis and the engine take virtual time, mostly a millisecond, now and then seconds. They may fail
before they have an effect, have it and lose the answer, or have it long after the caller gave up.
"""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from services.infra.lean_post import Answer, AnswerLost, NotSent
from tests.simulation.database import Database

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from tests.simulation.world import World

T = TypeVar("T")

# What asyncpg waits before it gives a statement up, and redis-py a command.
STATEMENT_TIMEOUT_S: Final = 3.0
REDIS_TIMEOUT_S: Final = 2.0
# How long the server may go on with a statement whose client is gone.
LATE_MAX_S: Final = 5.0
DETECT_DEATH_S: Final = 0.002


class Weather(msgspec.Struct, frozen=True):
    """How likely each mishap is in one call; a calm day has none."""

    slow: float = 0.0
    database_fails: float = 0.0
    database_forgets_answer: float = 0.0
    redis_fails: float = 0.0
    request_lost: float = 0.0
    reply_lost: float = 0.0
    request_repeated: float = 0.0
    redis_is_gone: bool = False
    crashes: int = 0
    database_restarts: int = 0
    redis_flushes: int = 0
    clock_jumps: int = 0
    sessions_linger: float = 0.0
    hand_overs: int = 0


def draw_weather(chance: random.Random) -> Weather:
    """Each kind of mishap is there on about every other day, so that its absence is met as well."""

    def perhaps(most: float) -> float:
        return most * chance.random() ** 2 if chance.random() < 0.5 else 0.0

    def some(most: int) -> int:
        return chance.randint(1, most) if chance.random() < 0.5 else 0

    return Weather(
        slow=perhaps(0.05),
        database_fails=perhaps(0.05),
        database_forgets_answer=perhaps(0.05),
        redis_fails=perhaps(0.3),
        request_lost=perhaps(0.1),
        reply_lost=perhaps(0.1),
        request_repeated=perhaps(0.3),
        redis_is_gone=chance.random() < 0.1,
        crashes=some(4),
        database_restarts=some(2),
        redis_flushes=some(3),
        clock_jumps=some(3),
        sessions_linger=chance.choice((0.0, 0.0, 0.3, 1.0)),
        hand_overs=some(2),
    )


class FaultyDatabase:
    """One process' way to the database."""

    def __init__(self, world: "World", process: "Process", database: Database) -> None:
        self._world = world
        self._process = process
        self._database = database
        self._open: set[int] = set()
        self._busy: set[int] = set()
        self._doomed: set[int] = set()
        process.on_death.append(self._on_death)
        world.database_connections.append(self)

    async def carry_out(self, session: int, what: str, effect: Callable[[], T]) -> T:
        world = self._world
        if session and session not in self._open:
            raise ConnectionResetError("the server closed the session")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._busy.add(session)
        world.later(world.delay_s(), lambda: self._act(session, what, effect, answer))
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            result: T = await answer
        return result

    def ended(self, session: int) -> None:
        """The client hung up; the server notices when it is done with what it is doing."""
        if session in self._busy:
            self._doomed.add(session)
        else:
            self._end(session)

    def _on_death(self) -> None:
        lingers = self._world.chance.random() < self._world.weather.sessions_linger
        for session in sorted(self._open):
            if lingers:
                # The machine is gone: nobody says goodbye, and the server waits for a word.
                self._world.later(60.0, lambda session=session: self._end(session))  # type: ignore[misc]
            else:
                self.ended(session)

    def restart(self) -> None:
        """The server was restarted: every session is gone, and what was under way with it."""
        for session in sorted(self._open):
            self._end(session)
        self._busy.clear()

    def _end(self, session: int) -> None:
        self._open.discard(session)
        self._doomed.discard(session)
        self._database.end_session(session)

    def _act(self, session: int, what: str, effect: Callable[[], Any], answer: "asyncio.Future[Any]") -> None:
        world, weather = self._world, self._world.weather
        if not world.database_is_up or (session and session not in self._open):
            self._busy.discard(session)
            world.later(0.001, lambda: _fail(answer, ConnectionResetError("the server is gone")))
            return
        drawn = world.chance.random()
        if drawn < weather.database_fails:
            self._busy.discard(session)
            self._end(session)
            world.note(self._process, f"{what}: fails")
            world.later(0.001, lambda: _fail(answer, ConnectionResetError("the connection was cut")))
            return
        result = effect()
        if what.startswith("connect"):
            session = result
            self._open.add(session)
        self._busy.discard(session)
        if session in self._doomed:
            self._end(session)
        if drawn < weather.database_fails + weather.database_forgets_answer:
            world.note(self._process, f"{what}: {_shown(result)}, and nobody is told")
            if world.chance.random() < 0.5:
                self._end(session)
                world.later(0.001, lambda: _fail(answer, ConnectionResetError("the connection was cut")))
            return
        world.note(self._process, f"{what}: {_shown(result)}")
        world.later(world.delay_s(), lambda: resolve(answer, result))


class FaultyRedis:
    """One process' way to Redis."""

    def __init__(self, world: "World", process: "Process") -> None:
        self._world = world
        self._process = process

    async def carry_out(self, what: str, effect: Callable[[], T]) -> T:
        world = self._world
        delay_s = world.delay_s()
        await asyncio.sleep(min(delay_s, REDIS_TIMEOUT_S))
        if delay_s > REDIS_TIMEOUT_S:
            raise RedisTimeoutError("no answer")
        if world.redis_is_gone or world.chance.random() < world.weather.redis_fails / 2:
            raise RedisConnectionError("gone")
        result = effect()
        world.note(self._process, f"redis {what}: {_shown(result)}")
        if world.chance.random() < world.weather.redis_fails / 2:
            raise RedisConnectionError("the answer was lost")
        await asyncio.sleep(world.delay_s())
        return result


class FaultyNetwork:
    """The gateway's client: a POST to an engine that may be dead, deaf, slow, or hear it twice."""

    def __init__(self, world: "World", timeout_s: float) -> None:
        self._world = world
        self._timeout_s = timeout_s

    async def post(self, url: str, content: bytes, headers: dict[str, str]) -> Answer:
        world = self._world
        engine = world.engine_at(url)
        if engine is None:
            await asyncio.sleep(world.delay_s())
            raise NotSent("refused")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        engine.process.on_death.append(lambda: world.later(DETECT_DEATH_S, lambda: _fail(answer, AnswerLost("reset"))))
        hear = engine.connect()
        copies = 2 if world.chance.random() < world.weather.request_repeated else 1
        # Whichever comes first is what the gateway hears, as from a proxy that asks again.
        for copy in range(copies):
            late_s = world.delay_s() + copy * world.chance.random() * 2
            if world.chance.random() >= world.weather.request_lost:
                world.later(late_s, lambda: hear(content, headers, lambda reply: self._reply(reply, answer)))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError:
            raise AnswerLost("no answer") from None

    def _reply(self, reply: Answer, answer: "asyncio.Future[Answer]") -> None:
        world = self._world
        if world.chance.random() >= world.weather.reply_lost:
            world.later(world.delay_s(), lambda: resolve(answer, reply))
        elif world.chance.random() < 0.5:
            world.later(0.001, lambda: _fail(answer, AnswerLost("cut")))

    async def close(self) -> None:
        """Nothing is kept open."""


def resolve(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _shown(result: object) -> str:
    return f"{len(result)} items" if isinstance(result, list) else repr(result)[:60]
