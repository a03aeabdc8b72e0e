"""Engines under test: the real one, in this process, with its own database role."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from services.domain.commands import Deposit, PlaceOrder
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.protocol import Envelope, Reply, Request
from services.engine.runner import ActiveEngine, Engine
from services.engine.settings import EngineSettings
from services.infra import redis
from services.infra.postgres import Connection

ALICE, BOB = 1000, 1001
UNIT = 10**8
WAIT_S = 20.0
_names = itertools.count()
_decoder = msgspec.msgpack.Decoder(list[Reply])

StartEngine = Callable[..., AbstractAsyncContextManager[Engine]]


def engine_settings(postgres_url: str, redis_url: str, markets: Path) -> EngineSettings:
    return EngineSettings(
        port=1,
        markets_file=markets,
        database_url=postgres_url.replace("postgres@", "crossbook_engine@", 1),
        redis_url=redis_url,
        internal_token="t" * 32,
        snapshot_interval_s=3600,
        heartbeat_ms=100,
        lease_ttl_ms=3_000,
        takeover_poll_ms=20,
    )


@pytest.fixture
def settings(postgres_url: str, redis_url: str, wide_markets: Path) -> EngineSettings:
    return engine_settings(postgres_url, redis_url, wide_markets)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@contextlib.asynccontextmanager
async def running_engine(settings: EngineSettings, *, wait: bool = True) -> AsyncIterator[Engine]:
    client = redis.connect(settings.redis_url.get_secret_value())
    # Walking all that a test process holds takes seconds.
    engine = Engine(settings, client, on_recovered=lambda: None)
    running = asyncio.create_task(engine.run())
    try:
        if wait:
            await until(lambda: engine.active is not None or running.done())
            if running.done():
                running.result()
        yield engine
    finally:
        engine.stop()
        await asyncio.gather(running, return_exceptions=True)
        await client.aclose()


@pytest.fixture
def start_engine(settings: EngineSettings) -> StartEngine:
    def start(*, wait: bool = True, **changes: Any) -> AbstractAsyncContextManager[Engine]:
        return running_engine(settings.model_copy(update=changes), wait=wait)

    return start


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something that another task will bring about."""
    deadline = time.monotonic() + WAIT_S
    while True:
        holds = condition()
        if not isinstance(holds, bool):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def active(engine: Engine) -> ActiveEngine:
    assert engine.active is not None
    return engine.active


async def submit(engine: Engine, *requests: Request) -> list[Reply]:
    """Send one parcel and read the replies as they would be on the wire."""
    deadline_us = time.time_ns() // 1000 + 10_000_000
    replies = await engine.inbox.submit([Envelope(deadline_us, request) for request in requests])
    return _decoder.decode(msgspec.msgpack.encode(replies))


async def fund(engine: Engine, *account_ids: int) -> None:
    for account_id in account_ids:
        await submit(
            engine,
            *(
                Deposit(account_id, asset, 1_000_000 * UNIT, f"deposit-{account_id}-{asset}")
                for asset in ("BTC", "ETH", "USDT")
            ),
        )


def limit(account_id: int, side: Side, price: int, quantity: int = 1, *, name: str = "") -> PlaceOrder:
    """A GTC order for BTCUSDT in whole USDT and BTC."""
    return PlaceOrder(
        account_id,
        "BTCUSDT",
        name or f"order-{next(_names)}",
        side,
        OrderType.LIMIT,
        TimeInForce.GTC,
        quantity * UNIT,
        price * UNIT,
    )
