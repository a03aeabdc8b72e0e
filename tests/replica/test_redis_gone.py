"""Without Redis everything that was ever cached is asked for again, each time, and nothing else changes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis import Redis

from services.local.embedded import EmbeddedRedis
from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.replica.conftest import Serve, TradingProcess
from tests.replica.standby import until

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}


@pytest.fixture
def own_redis(server_directory: Path) -> Iterator[EmbeddedRedis]:
    """Only the test's trading process uses it."""
    server = EmbeddedRedis(server_directory / "redis")
    server.start(server_directory / "log")
    yield server
    server.stop()


@pytest.fixture
async def process(serve: Serve, own_redis: EmbeddedRedis) -> AsyncIterator[TradingProcess]:
    async with serve(redis_url=own_redis.url) as process:
        yield process


def lookups(source: str) -> float:
    return REGISTRY.get_sample_value("crossbook_trading_principal_lookups_total", {"source": source}) or 0.0


async def is_kept(process: TradingProcess, trader: Trader) -> bool:
    """Whether a key that was just used is known without asking auth again."""
    await process.get(trader, "account")
    asked = lookups("auth")
    await process.get(trader, "account")
    return lookups("auth") == asked


async def sees_what_it_does(process: TradingProcess, trader: Trader, price: str) -> None:
    placed = await process.call(trader, "POST", "order", **ORDER, price=price)
    named = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert (await process.get(trader, "order", **named))["status"] == "NEW"
    assert placed["orderId"] in [order["orderId"] for order in await process.get(trader, "openOrders")]
    await process.call(trader, "DELETE", "order", **named)
    assert (await process.get(trader, "order", **named))["status"] == "CANCELED"
    locked = {b["asset"]: b["locked"] for b in (await process.get(trader, "account"))["balances"]}
    assert locked["USDT"] == "0.00000000"


async def test_keys_are_kept_only_while_their_changes_can_be_heard(
    process: TradingProcess, own_redis: EmbeddedRedis, new_trader: NewTrader, server_directory: Path
) -> None:
    trader = new_trader(USDT="1000")

    async def kept() -> bool:
        return await is_kept(process, trader)

    async def not_kept() -> bool:
        return not await is_kept(process, trader)

    await until(kept)
    with Redis.from_url(own_redis.url) as client:
        client.flushall()
    await sees_what_it_does(process, trader, "20000")
    own_redis.stop()
    await until(not_kept)
    await sees_what_it_does(process, trader, "20001")
    assert (await process.get(trader, "exchangeInfo"))["symbols"]
    own_redis.start(server_directory / "log")
    await until(kept)
    await sees_what_it_does(process, trader, "20002")
