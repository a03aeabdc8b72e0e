"""One seed: a world, what its clients do, what befalls it, and whether the promises held."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import structlog

from tests.simulation.checker import check
from tests.simulation.clients import ACCOUNTS, Client
from tests.simulation.faults import Weather, draw_weather
from tests.simulation.trace import Trace
from tests.simulation.world import ACTIVE_S, BrokenPromise, World

CALM_WITHIN_S: Final = 90.0


class Outcome(msgspec.Struct, frozen=True):
    """``trace_hash`` is the same in every run of a seed, on any machine, for one version of the code."""

    seed: int
    trace_hash: str
    steps: int
    engine_steps: int
    told: dict[str, int]
    rows: int
    epochs: int
    broken: str
    lines: list[str]


class Kill(msgspec.Struct, frozen=True):
    """The end of the first process of this name, before it takes this step of its life."""

    name: str
    step: int


def run_seed(
    seed: int,
    *,
    weather: Weather | None = None,
    kill: Kill | None = None,
    keep_trace: bool = False,
    fence: bool = True,
) -> Outcome:
    """Simulate; a broken promise is in the outcome, never raised. Without ``fence`` the database lets anyone write."""
    chance = random.Random(seed)
    drawn = draw_weather(chance)
    trace = Trace(keep=keep_trace)
    world = World(seed, drawn if weather is None else weather, chance, trace)
    world.database.checks_fence = fence
    broken = ""
    with quiet_logs():
        try:
            world.loop.simulate(_live(world, kill))
        except BrokenPromise as error:
            broken = str(error)
        except Exception as error:
            broken = repr(error)
    kinds = [told.outcome for told in world.told]
    return Outcome(
        seed,
        trace.hash(),
        world.loop.steps,
        max(host.process.steps for host in world.engines),
        {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        world.database.sequence,
        world.database.epoch,
        broken,
        trace.lines,
    )


async def _live(world: World, kill: Kill | None) -> None:
    world.begin()
    if kill is not None:
        world.kill_at(kill.name, kill.step)
    clients = [Client(world, account_id) for account_id in ACCOUNTS]
    await asyncio.gather(*(client.live(ACTIVE_S * 2) for client in clients))
    world.heal()
    await _until_trading(world, clients[0])
    await _until_heard(world)
    check(world)


async def _until_trading(world: World, client: Client) -> None:
    """Once nothing goes wrong any more, orders are taken again within bounded time."""
    async with asyncio.timeout(CALM_WITHIN_S):
        while True:
            world.raise_if_broken()
            await client.ask(client.order())
            if world.told[-1].outcome in ("applied", "refused"):
                return
            await asyncio.sleep(0.5)


async def _until_heard(world: World) -> None:
    """Everything committed reaches the feed, with Redis or without; what is late has its time, too."""
    async with asyncio.timeout(CALM_WITHIN_S):
        await _until_all_heard(world)
        await asyncio.sleep(1.0)
        await _until_all_heard(world)


async def _until_all_heard(world: World) -> None:
    while not _all_heard(world):
        world.raise_if_broken()
        await asyncio.sleep(0.1)


def _all_heard(world: World) -> bool:
    feeds = [trading.feed for trading in world.tradings]
    return bool(world.leaders()) and all(
        feed is not None and feed.sequence >= world.database.sequence for feed in feeds
    )


def _drop(_logger: Any, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Thousands of warnings are expected; nobody reads them."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)
