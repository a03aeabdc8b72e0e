"""What a client hears when something between it and the journal fails, and that it can find out the truth.

Each test has a trading process of its own (in this process), whose wire to the engine it can cut.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import asyncpg
import httpx
import pytest

from tests.api.conftest import NewTrader
from tests.api.process import TradingProcess, serving
from tests.api.trader import Trader, error_of, now_ms, succeeded
from tests.api.wire import Mode, Wire, http_answer
from tests.running import RunningSystem, free_port

UNKNOWN = (
    504,
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
)
UNAVAILABLE = (503, -1001, "Internal error; unable to process your request. Please try again.")
OVERLOADED = (503, -1008, "Server is currently overloaded with other requests. Please try again in a few minutes.")
TOO_OLD = (400, -1021, "Timestamp for this request is outside of the recvWindow.")
NO_SUCH_ORDER = (400, -2013, "Order does not exist.")
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "30000",
    "newClientOrderId": "mine",
}
MINE = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
NO_MESSAGEPACK, NO_REPLIES = b"\xc1", b"\x90"

Serve = Callable[..., AbstractAsyncContextManager[TradingProcess]]


@pytest.fixture
def trader(new_trader: NewTrader) -> Trader:
    return new_trader(USDT="10000")


@pytest.fixture
async def wire(system: RunningSystem) -> AsyncIterator[Wire]:
    async with Wire(system.engine_urls[0]) as wire:
        yield wire


@pytest.fixture
def serve(system: RunningSystem, wire: Wire, trader: Trader) -> Serve:
    """Start a trading process at the other end of the wire, with these settings besides."""
    return partial(serving, system, wire, trader)


@pytest.fixture
async def sequence(system: RunningSystem) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    connection = await asyncpg.connect(system.database_url)

    async def read() -> int:
        return int(await connection.fetchval("SELECT sequence FROM exchange.engine_lease"))

    yield read
    await connection.close()


Sequence = Callable[[], Awaitable[int]]


# The outcome is unknown


@pytest.mark.parametrize("mode", [Mode.SWALLOW_REPLIES, Mode.CUT_AT_REPLY])
async def test_a_lost_reply_to_an_order(mode: Mode, serve: Serve, wire: Wire, sequence: Sequence) -> None:
    async with serve(gateway_timeout_ms=1_500) as send:
        before = await sequence()
        await wire.set_mode(mode)
        assert error_of(await send("POST", "order", ORDER)) == UNKNOWN
        await wire.answered()
        # The truth: it was placed, once.
        order = succeeded(await send("GET", "order", MINE))
        assert (order["status"], order["price"]) == ("NEW", "30000.00000000")
        assert await sequence() == before + 1
        # Whoever asks again under the same name places no second one.
        await wire.set_mode(Mode.PASS)
        assert error_of(await send("POST", "order", ORDER)) == (400, -2010, "Duplicate order sent.")
        assert len(succeeded(await send("GET", "openOrders"))) == 1


async def test_a_lost_request(serve: Serve, wire: Wire, sequence: Sequence) -> None:
    async with serve() as send:
        before = await sequence()
        await wire.set_mode(Mode.CUT_AT_REQUEST)
        assert error_of(await send("POST", "order", ORDER)) == UNKNOWN
        # The truth: it was never placed.
        assert error_of(await send("GET", "order", MINE)) == NO_SUCH_ORDER
        assert await sequence() == before
        await wire.set_mode(Mode.PASS)
        assert succeeded(await send("POST", "order", ORDER))["status"] == "NEW"


async def test_a_lost_reply_to_a_cancel(serve: Serve, wire: Wire) -> None:
    async with serve(gateway_timeout_ms=1_500) as send:
        succeeded(await send("POST", "order", ORDER))
        await wire.set_mode(Mode.SWALLOW_REPLIES)
        assert error_of(await send("DELETE", "order", MINE)) == UNKNOWN
        await wire.answered()
        assert succeeded(await send("GET", "order", MINE))["status"] == "CANCELED"
        assert succeeded(await send("GET", "openOrders")) == []


async def test_all_that_travelled_together_is_unknown(serve: Serve, wire: Wire) -> None:
    async with serve(gateway_timeout_ms=1_000) as send:
        succeeded(await send("GET", "account"))
        await wire.set_mode(Mode.SWALLOW_REPLIES)
        names = [f"order-{number}" for number in range(10)]
        replies = await asyncio.gather(*(send("POST", "order", ORDER | {"newClientOrderId": name}) for name in names))
        refused = [error_of(reply) for reply in replies]
        # The first alone, the others as one parcel behind it, whichever was the first.
        assert set(refused) == {UNKNOWN}
        await wire.answered()
        assert wire.passed < len(names)
        found = [
            (await send("GET", "order", {"symbol": "BTCUSDT", "origClientOrderId": name})).status_code for name in names
        ]
        assert set(found) == {200}


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout"])
async def test_a_failing_engine(status: str, serve: Serve, wire: Wire) -> None:
    async with serve() as send:
        wire.answer = http_answer(status)
        await wire.set_mode(Mode.ANSWER)
        assert error_of(await send("POST", "order", ORDER)) == UNKNOWN


@pytest.mark.parametrize(
    "answer", [http_answer("200 OK", NO_MESSAGEPACK), http_answer("200 OK", NO_REPLIES), b"x\r\n\r\n"]
)
async def test_an_answer_that_makes_no_sense(answer: bytes, serve: Serve, wire: Wire) -> None:
    async with serve() as send:
        wire.answer = answer
        await wire.set_mode(Mode.ANSWER)
        assert error_of(await send("POST", "order", ORDER)) == UNKNOWN
        await wire.set_mode(Mode.PASS)
        assert succeeded(await send("POST", "order", ORDER))["status"] == "NEW"


# The database goes while the engine is at work


async def held(placing: asyncio.Task[httpx.Response], send: TradingProcess, wire: Wire, requests: int) -> None:
    """Let the request through once the process has lost its database."""
    await wire.until(lambda: wire.requests == requests)
    assert not placing.done()
    send.lose_database()
    await wire.set_mode(Mode.PASS)


async def test_what_was_placed_is_told_without_the_database(serve: Serve, wire: Wire) -> None:
    pair = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "quantity": "0.01",
        "listClientOrderId": "pair",
        "aboveType": "STOP_LOSS",
        "aboveStopPrice": "90000",
        "belowType": "LIMIT_MAKER",
        "belowPrice": "20000",
    }
    replacement = ORDER | {"newClientOrderId": "new", "cancelReplaceMode": "STOP_ON_FAILURE"}
    for path, order in (
        ("order", ORDER),
        ("orderList/oco", pair),
        ("order/cancelReplace", replacement | {"cancelOrigClientOrderId": "mine"}),
    ):
        async with serve() as send:
            before = wire.requests
            await wire.set_mode(Mode.HOLD_REQUESTS)
            placing = asyncio.create_task(send("POST", path, order))
            await held(placing, send, wire, before + 1)
            succeeded(await placing)


async def test_what_only_the_database_could_tell_is_unknown(serve: Serve, wire: Wire, trader: Trader) -> None:
    """The amendment is done; its reply shows the list, and nothing but the database knows it."""
    pair = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.02", "belowType": "LIMIT_MAKER", "belowPrice": "20000"}
    trader.post("orderList/oco", **pair, belowClientOrderId="leg", aboveType="STOP_LOSS", aboveStopPrice="90000")
    change = {"symbol": "BTCUSDT", "origClientOrderId": "leg", "newClientOrderId": "leg", "newQty": "0.01"}
    async with serve() as send:
        await wire.set_mode(Mode.HOLD_REQUESTS)
        amending = asyncio.create_task(send("PUT", "order/amend/keepPriority", change))
        await held(amending, send, wire, 1)
        assert error_of(await amending) == UNKNOWN
        # Without an engine's doing, it is certain that nothing was done.
        assert error_of(await send("GET", "openOrders")) == UNAVAILABLE
    assert {order["origQty"] for order in trader.get("openOrders")} == {"0.01000000"}


# Nothing was done, for certain


async def test_no_engine(serve: Serve, wire: Wire, sequence: Sequence) -> None:
    async with serve(command_deadline_ms=1_500) as send:
        succeeded(await send("POST", "order", ORDER))
        before = await sequence()
        await wire.close()
        other = ORDER | {"newClientOrderId": "other"}
        calls = (
            ("POST", "order", other),
            ("POST", "order/test", other),
            ("DELETE", "order", MINE),
            ("DELETE", "openOrders", {"symbol": "BTCUSDT"}),
            ("GET", "depth", {"symbol": "BTCUSDT"}),
        )
        for reply in await asyncio.gather(*(send(*call) for call in calls)):
            assert error_of(reply) == UNAVAILABLE
        # What the database knows can still be read.
        assert [order["clientOrderId"] for order in succeeded(await send("GET", "openOrders"))] == ["mine"]
        assert succeeded(await send("GET", "account"))["balances"]
        assert await sequence() == before
        await wire.listen()
        assert succeeded(await send("DELETE", "order", MINE))["status"] == "CANCELED"


async def test_an_engine_that_is_back_in_time(serve: Serve, wire: Wire) -> None:
    async with serve(command_deadline_ms=30_000) as send:
        await wire.close()
        placing = asyncio.create_task(send("POST", "order", ORDER))
        await asyncio.wait([placing], timeout=0.2)
        assert not placing.done(), "it waits for an engine"
        await wire.listen()
        assert succeeded(await placing)["status"] == "NEW"
        assert len(succeeded(await send("GET", "allOrders", {"symbol": "BTCUSDT"}))) == 1


async def test_a_request_that_comes_too_late(serve: Serve, wire: Wire, sequence: Sequence) -> None:
    async with serve(command_deadline_ms=200, gateway_timeout_ms=30_000) as send:
        before = await sequence()
        await wire.set_mode(Mode.HOLD_REQUESTS)
        placing = asyncio.create_task(send("POST", "order", ORDER))
        await wire.until(lambda: wire.requests == 1)
        await asyncio.sleep(0.3)
        await wire.set_mode(Mode.PASS)
        assert error_of(await placing) == UNAVAILABLE
        assert error_of(await send("GET", "order", MINE)) == NO_SUCH_ORDER
        assert await sequence() == before


@pytest.mark.parametrize("in_microseconds", [False, True])
async def test_a_request_whose_own_window_ends(
    in_microseconds: bool, serve: Serve, wire: Wire, sequence: Sequence
) -> None:
    """It came in time and was not started in time: the engine looks at ``recvWindow`` once more."""
    async with serve(command_deadline_ms=30_000, gateway_timeout_ms=30_000) as send:
        succeeded(await send("GET", "account"))
        before = await sequence()
        await wire.set_mode(Mode.HOLD_REQUESTS)
        timestamp = time.time_ns() // 1_000 if in_microseconds else now_ms()
        placing = asyncio.create_task(send("POST", "order", ORDER, timestamp=timestamp, recvWindow="1500.5"))
        await wire.until(lambda: wire.requests == 1)
        await asyncio.sleep(1.6)
        await wire.set_mode(Mode.PASS)
        assert error_of(await placing) == TOO_OLD
        assert error_of(await send("GET", "order", MINE)) == NO_SUCH_ORDER
        assert await sequence() == before


async def test_an_engine_that_stands_by_is_passed_over(serve: Serve, wire: Wire, system: RunningSystem) -> None:
    wire.answer = http_answer("503 Service Unavailable", b'{"code":"not_active"}')
    await wire.set_mode(Mode.ANSWER)
    async with serve(engine_urls=(wire.url, system.engine_urls[0])) as send:
        assert succeeded(await send("POST", "order", ORDER))["status"] == "NEW"
        assert wire.requests == 1
        succeeded(await send("DELETE", "order", MINE))
        assert wire.requests == 1, "the engine that answered is asked first"


async def test_no_engine_is_active(serve: Serve, wire: Wire) -> None:
    wire.answer = http_answer("503 Service Unavailable", b'{"code":"not_active"}')
    await wire.set_mode(Mode.ANSWER)
    async with serve(command_deadline_ms=300) as send:
        assert error_of(await send("POST", "order", ORDER)) == UNAVAILABLE


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "413 Content Too Large"])
async def test_an_engine_that_does_not_understand(status: str, serve: Serve, wire: Wire) -> None:
    async with serve() as send:
        wire.answer = http_answer(status)
        await wire.set_mode(Mode.ANSWER)
        assert error_of(await send("POST", "order", ORDER)) == UNAVAILABLE


async def test_more_reads_than_may_be_under_way(serve: Serve) -> None:
    async with serve(reads_limit=1) as send:
        answers = await asyncio.gather(*(send("GET", "openOrders") for _ in range(20)))
        refused = [answer for answer in answers if answer.status_code != httpx.codes.OK]
        assert 0 < len(refused) < len(answers)
        assert {error_of(answer) for answer in refused} == {OVERLOADED}
        assert succeeded(await send("GET", "openOrders")) == []


async def test_more_than_may_wait(serve: Serve, wire: Wire) -> None:
    async with serve(gateway_queue_limit=2, command_deadline_ms=30_000, gateway_timeout_ms=30_000) as send:
        succeeded(await send("GET", "account"))
        await wire.set_mode(Mode.HOLD_REQUESTS)
        orders = [ORDER | {"newClientOrderId": f"order-{number}"} for number in range(6)]
        in_flight = asyncio.create_task(send("POST", "order", orders[0]))
        await wire.until(lambda: wire.requests == 1)
        others = {asyncio.create_task(send("POST", "order", order)) for order in orders[1:]}
        refused: set[asyncio.Task[httpx.Response]] = set()
        while len(refused) < 3:
            done, _ = await asyncio.wait(others - refused, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        assert {error_of(task.result()) for task in refused} == {OVERLOADED}
        await wire.set_mode(Mode.PASS)
        placed = [succeeded(await task) for task in {in_flight, *others} - refused]
        assert len(placed) == 3
        found = {order["orderId"] for order in succeeded(await send("GET", "allOrders", {"symbol": "BTCUSDT"}))}
        assert found == {order["orderId"] for order in placed}


async def test_no_auth_service(serve: Serve, sequence: Sequence) -> None:
    before = await sequence()
    async with serve(auth_url=f"http://127.0.0.1:{free_port()}") as send:
        assert error_of(await send("POST", "order", ORDER)) == UNAVAILABLE
        assert succeeded(await send("GET", "time"))["serverTime"]
    assert await sequence() == before


async def test_redis_is_not_needed(serve: Serve, system: RunningSystem) -> None:
    async with serve(redis_url=f"redis://127.0.0.1:{free_port()}") as send:
        assert succeeded(await send("POST", "order", ORDER))["status"] == "NEW"
        assert succeeded(await send("DELETE", "order", MINE))["status"] == "CANCELED"
