"""The Redis stream: every committed row once, in order, whatever Redis lost."""

from redis.asyncio import Redis

from services.domain.commands import Deposit
from services.domain.event_stream import EVENTS_FIELD, STREAM_KEY
from services.domain.orders import Side
from services.infra.postgres import Connection
from tests.engine.conftest import ALICE, StartEngine, active, fund, limit, submit, until


async def entries(client: Redis) -> dict[int, bytes]:
    found: list[tuple[bytes, dict[bytes, bytes]]] = await client.xrange(STREAM_KEY)  # type: ignore[assignment]
    assert all(entry_id.endswith(b"-0") for entry_id, _ in found)
    return {int(entry_id.split(b"-")[0]): fields[EVENTS_FIELD] for entry_id, fields in found}


async def journal(database: Connection) -> dict[int, bytes]:
    return {row["sequence"]: row["events"] for row in await database.fetch("SELECT * FROM exchange.journal")}


async def test_every_row_is_an_entry_under_its_sequence(
    start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    async with start_engine() as engine, Redis.from_url(redis_url) as client:
        await fund(engine, ALICE)
        for price in range(10, 60):
            await submit(engine, limit(ALICE, Side.BUY, price))
        await until(lambda: active(engine).publisher.lag == 0)
        assert await entries(client) == await journal(database)


async def test_a_flushed_stream_is_rebuilt_from_the_journal(
    start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    async with start_engine() as engine, Redis.from_url(redis_url) as client:
        await fund(engine, ALICE)
        for price in range(10, 20):
            await submit(engine, limit(ALICE, Side.BUY, price))
        await until(lambda: active(engine).publisher.lag == 0)
        await client.flushall()
        await submit(engine, limit(ALICE, Side.BUY, 20))

        async def complete() -> bool:
            return await entries(client) == await journal(database)

        await until(complete)


async def test_a_flushed_stream_gets_as_many_entries_as_it_holds(
    start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    """More than are published at once, and fewer than the journal has."""
    async with start_engine(stream_length=300) as engine, Redis.from_url(redis_url) as client:
        for number in range(420):
            await submit(engine, Deposit(ALICE, "USDT", 1, f"more:{number}"))
        await client.flushall()
        await submit(engine, Deposit(ALICE, "USDT", 1, "one more"))
        newest = max(await journal(database))

        async def complete() -> bool:
            return {newest - 299, newest} <= set(await entries(client))

        await until(complete)


async def test_what_was_committed_while_nobody_published_is_published_by_the_next_engine(
    start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    async with start_engine() as engine:
        await fund(engine, ALICE)
        await until(lambda: active(engine).publisher.lag == 0)
    async with Redis.from_url(redis_url) as client:
        newest = max(await entries(client))
        await client.xdel(STREAM_KEY, f"{newest}-0")
        await client.delete(STREAM_KEY)
        async with start_engine() as engine:
            await until(lambda: active(engine).publisher.lag == 0)
            assert await entries(client) == await journal(database)


async def test_a_stream_of_another_life_is_dropped(
    start_engine: StartEngine, database: Connection, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as client:
        await client.xadd(STREAM_KEY, {b"e": b"foreign"}, id="999999-0")
        async with start_engine() as engine:
            await fund(engine, ALICE)

            async def complete() -> bool:
                return await entries(client) == await journal(database)

            await until(complete)


async def test_orders_go_through_without_redis(start_engine: StartEngine) -> None:
    async with start_engine(redis_url=_unreachable()) as engine:
        await fund(engine, ALICE)
        await submit(engine, limit(ALICE, Side.BUY, 10))
        assert len(active(engine).exchange.orders) == 1


def _unreachable() -> object:
    from pydantic import SecretStr

    return SecretStr("redis://127.0.0.1:1/0")
