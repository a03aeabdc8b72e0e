"""The drill of docs/disaster-recovery.md: a backup is restored to a moment, and an engine goes on from there.

The backup is PostgreSQL's own (``pg_basebackup``) and the log comes from the living primary; RDS does the same with
snapshots and archived log.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg

from services.engine.lease import SHARD
from services.engine.runner import Engine
from services.engine.settings import EngineSettings
from services.engine.verify import verify
from services.infra import redis
from services.local.guard import Guard
from tests.api.trader import Trader
from tests.replica.standby import Standby, until
from tests.running import RunningSystem

_LEASE = "SELECT sequence, clock_timestamp()::text FROM exchange.engine_lease WHERE shard = $1"


async def test_a_backup_restored_to_a_moment_is_whole_and_trades_on(
    system: RunningSystem,
    server_directory: Path,
    guard: Guard,
    redis_url: str,
    wide_markets: Path,
    new_trader: Callable[..., Trader],
) -> None:
    # 1. A backup, and trading after it.
    backup = Standby(system, server_directory, guard)
    seller, buyer = new_trader(BTC="1"), new_trader(USDT="100000")
    seller.sell("0.5", "20000")
    buyer.buy("0.5", "20000")
    # 2. The moment to come back to, and what must be forgotten.
    primary = await asyncpg.connect(system.database_url)
    sequence, moment = await primary.fetchrow(_LEASE, SHARD)  # type: ignore[misc]
    await asyncio.sleep(0.01)
    forgotten = seller.sell("0.25", "21000")["orderId"]
    await primary.close()
    # 3. Restore.
    backup.stop_at(moment)
    backup.start()
    try:
        async with backup.connection() as restored:

            async def is_primary() -> bool:
                return not await restored.fetchval("SELECT pg_is_in_recovery()")

            await until(is_primary)
            assert await restored.fetchval("SELECT sequence FROM exchange.engine_lease") == sequence
            assert not await restored.fetchval(
                "SELECT EXISTS (SELECT FROM exchange.orders WHERE order_id = $1)", forgotten
            )
        # 4. Every balance, order and trade is what the journal says.
        report = await verify(backup.url_of("postgres"))
        assert report.sequence == sequence
        # 5. An engine starts from it, with a Redis that knows nothing.
        settings = EngineSettings.model_validate(
            {
                "port": 1,
                "database_url": backup.url_of("crossbook_engine"),
                "redis_url": redis_url,
                "internal_token": "t" * 32,
                "markets_file": wide_markets,
            }
        )
        client = redis.connect(redis_url)
        engine = Engine(settings, client)
        running = asyncio.create_task(engine.run())

        async def is_active() -> bool:
            return engine.active is not None

        await until(is_active)
        assert engine.active is not None
        assert engine.active.sequence >= sequence
        assert engine.active.exchange.accounts.imbalances() == {}
        assert engine.active.exchange.accounts.free(buyer.account_id, "BTC") > 0
        engine.stop()
        await running
        await client.aclose()
    finally:
        backup.crash()
