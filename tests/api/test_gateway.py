"""The gateway's queue: accounts take turns, each keeps its own order, and what is past a bound is refused at once."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.domain.commands import CancelAllOrders, Command
from services.domain.protocol import NOT_ACTIVE, Envelope, Refused, Reply
from services.domain.refusals import Refusal
from services.infra.lean_post import Answer
from services.trading import errors
from services.trading.errors import DialectError
from services.trading.gateway import Gateway
from services.trading.settings import TradingSettings

FLOODER, MODEST = 1000, 1001


class Wire:
    """Where parcels go: held until released, then each request is refused by an engine of few words."""

    def __init__(self) -> None:
        self.parcels: list[list[Command]] = []
        self.released = asyncio.Event()
        self.seen = asyncio.Event()
        self.is_active = True

    async def post(self, url: str, content: bytes, headers: dict[str, str]) -> Answer:
        envelopes = msgspec.msgpack.decode(content, type=list[Envelope])
        self.parcels.append([envelope.request for envelope in envelopes])  # type: ignore[misc]
        if len(self.parcels) > 2 or self.is_active:
            self.seen.set()
        if not self.is_active:
            return Answer(503, NOT_ACTIVE)
        await self.released.wait()
        replies: list[Reply] = [Refused(Refusal.UNKNOWN_SYMBOL)] * len(envelopes)
        return Answer(200, msgspec.msgpack.encode(replies))

    async def close(self) -> None:
        """Nothing is kept open."""


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def gateway(wire: Wire) -> AsyncIterator[Gateway]:
    settings = TradingSettings(
        port=1,
        engine_urls="http://one,http://two",
        auth_url="http://nowhere",
        database_url="postgresql://nowhere/none",
        redis_url="redis://nowhere",
        internal_token="t" * 32,
        gateway_busy_limit=12,
        gateway_queue_limit=20,
        gateway_account_limit=5,
        gateway_parcel_limit=4,
    )
    gateway = Gateway(settings, wire)
    running = asyncio.create_task(gateway.run())
    yield gateway
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def ask(gateway: Gateway, account_id: int, name: str = "") -> DialectError:
    """Everything is refused here; by whom is the question."""
    try:
        await gateway.submit(CancelAllOrders(account_id, "BTCUSDT", name))
    except DialectError as error:
        return error
    raise AssertionError("nothing is carried out here")


async def start(gateway: Gateway, account_id: int, count: int) -> list[asyncio.Task[DialectError]]:
    tasks = [asyncio.create_task(ask(gateway, account_id, str(number))) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def first_is_under_way(gateway: Gateway, wire: Wire) -> asyncio.Task[DialectError]:
    (task,) = await start(gateway, 1, 1)
    await wire.seen.wait()
    return task


async def test_one_who_floods_delays_himself(gateway: Gateway, wire: Wire) -> None:
    await first_is_under_way(gateway, wire)
    flood = await start(gateway, FLOODER, 8)
    modest = await start(gateway, MODEST, 2)
    # Past his own bound he is refused at once, and nobody else is.
    assert [task.done() for task in flood] == [False] * 5 + [True] * 3
    assert {task.result() for task in flood[5:]} == {errors.OVERLOADED}
    assert not any(task.done() for task in modest)
    wire.released.set()
    await asyncio.gather(*modest)
    # They take turns, and each keeps his own order.
    turns = [(command.account_id, command.cancel_client_order_id) for command in wire.parcels[1]]  # type: ignore[union-attr]
    assert turns == [(FLOODER, "0"), (MODEST, "0"), (FLOODER, "1"), (MODEST, "1")]
    await asyncio.gather(*flood)
    assert [command.cancel_client_order_id for command in wire.parcels[2]] == ["2", "3", "4"]  # type: ignore[union-attr]


async def test_together_no_more_wait_than_are_answered_soon(gateway: Gateway, wire: Wire) -> None:
    await first_is_under_way(gateway, wire)
    waiting = [task for account_id in range(1000, 1006) for task in await start(gateway, account_id, 2)]
    assert not any(task.done() for task in waiting)
    assert gateway.is_full
    assert await ask(gateway, 2000) is errors.OVERLOADED
    wire.released.set()
    answers = await asyncio.gather(*waiting)
    assert errors.OVERLOADED not in answers
    assert not gateway.is_full


async def test_more_may_wait_while_no_engine_answers(gateway: Gateway, wire: Wire) -> None:
    """A hand-over is no overload."""
    wire.is_active = False
    waiting = [await start(gateway, account_id, 2) for account_id in range(1000, 1006)]
    await wire.seen.wait()
    assert not gateway.is_full
    waiting.append(await start(gateway, 2000, 3))
    wire.is_active = True
    wire.released.set()
    answers = await asyncio.gather(*(task for tasks in waiting for task in tasks))
    assert errors.OVERLOADED not in answers
