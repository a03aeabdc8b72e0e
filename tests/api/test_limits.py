"""Rate limits: how windows, bans and counts of unfilled orders go by a clock of the tests' own; then as clients see it.

The counters are in the session's Redis. Time passes by moving the clock, never by waiting.
"""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address

import asyncpg
import httpx
import pytest
from prometheus_client import REGISTRY
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from services.domain.events import OrderFilled
from services.domain.orders import OrderState, OrderStatus, OrderType, Side, TimeInForce
from services.domain.protocol import Applied, Refused
from services.domain.refusals import Refusal
from services.infra import redis as infra_redis
from services.infra.tasks import end
from services.trading import errors
from services.trading.errors import DialectError, Limited
from services.trading.limits import (
    BINANCE,
    LONGEST_BAN_S,
    PATIENCE,
    Limit,
    Limits,
    Tally,
    first_fill_credits,
    parse_limits,
)
from services.trading.routes import ENDPOINTS
from services.trading.weights import CHARGES, PLAIN, Charge, charge_of
from tests.api.trader import Trader, error_of, exchange, succeeded
from tests.running import RunningSystem, wait_until

HOME, AWAY = ip_address("203.0.113.7"), ip_address("198.51.100.1")
ACCOUNT, OTHER_ACCOUNT = 1000, 1001
# A midnight, so every window begins here.
MIDNIGHT = 20_000 * 86_400
ONE = charge_of("POST", "/api/v3/order")
CANCEL = charge_of("DELETE", "/api/v3/order")
OTOCO = charge_of("POST", "/api/v3/orderList/otoco")


class Clock:
    def __init__(self) -> None:
        self.now_s: float = MIDNIGHT

    def __call__(self) -> float:
        return self.now_s


class Exchange:
    """Several processes that share one Redis and one clock."""

    def __init__(self, client: Redis, clock: Clock, stack: AsyncExitStack) -> None:
        self.client = client
        self.clock = clock
        self._stack = stack

    async def process(self, rules: str) -> Limits:
        limits = Limits(parse_limits(rules), self.client, self.clock)
        await self._stack.enter_async_context(_running(limits))
        return limits


@asynccontextmanager
async def _running(limits: Limits) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(running) for running in limits.runs()]
    yield
    await end(tasks)


@pytest.fixture
async def exchange_of(redis_url: str) -> AsyncIterator[Exchange]:
    client = infra_redis.connect(redis_url)
    async with AsyncExitStack() as stack:
        yield Exchange(client, Clock(), stack)
    await client.aclose()


async def visit(limits: Limits, charge: Charge = PLAIN, query: bytes = b"", address: object = HOME) -> Tally:
    tally = limits.tally(charge)
    await tally.arrive(address, query, b"")  # type: ignore[arg-type]
    return tally


async def refused(limits: Limits, charge: Charge = PLAIN, **how: object) -> Limited:
    with pytest.raises(Limited) as caught:
        await visit(limits, charge, **how)  # type: ignore[arg-type]
    return caught.value


async def place(limits: Limits, charge: Charge = ONE, account_id: int = ACCOUNT) -> Tally:
    tally = await visit(limits, charge)
    await tally.reserve(account_id)
    return tally


async def counts(limits: Limits, account_id: int = ACCOUNT) -> list[int]:
    return [entry["count"] for entry in await limits.order_counts(account_id)]


def used(headers: dict[str, str]) -> str:
    return headers["X-MBX-USED-WEIGHT-1M"]


# What is configured


def test_the_originals_limits() -> None:
    assert parse_limits("binance") == parse_limits(BINANCE)
    assert [limit.describe() for limit in parse_limits("binance")] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
        {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
    ]


def test_limits_of_ones_own() -> None:
    assert parse_limits("off") == parse_limits("") == ()
    assert parse_limits(" ORDERS=5/10S, REQUEST_WEIGHT=7/2H") == (
        Limit("ORDERS", 5, 10, "S"),
        Limit("REQUEST_WEIGHT", 7, 2, "H"),
    )
    for wrong in ("on", "ORDERS=5", "ORDERS=0/1M", "ORDERS=5/1W", "WEIGHT=5/1M", "ORDERS=-1/1M", "binance,ORDERS=5/1S"):
        with pytest.raises(ValueError, match="is not a limit"):
            parse_limits(wrong)


def test_windows_begin_on_the_clock() -> None:
    limit = Limit("ORDERS", 1, 10, "S")
    assert limit.window(MIDNIGHT) == limit.window(MIDNIGHT + 9.999) == limit.window(MIDNIGHT + 10) - 1
    assert [limit.ends_in_s(MIDNIGHT + at) for at in (0, 0.5, 9, 9.999)] == [10, 10, 1, 1]
    assert Limit("ORDERS", 1, 1, "D").ends_in_s(MIDNIGHT + 1) == 86_399


# What things cost


def test_every_endpoint_of_the_dialect_has_a_price() -> None:
    ones = {"GET /api/v3/ping", "GET /api/v3/time"}
    ours = {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS if endpoint.path.startswith("/api/v3/")}
    assert ours - ones <= CHARGES.keys()


MANY = b"symbols=[" + b",".join(b'"S%d"' % number for number in range(60)) + b"]"
WEIGHTS = [
    ("GET /api/v3/depth", b"", 5),
    ("GET /api/v3/depth", b"symbol=BTCUSDT&limit=100", 5),
    ("GET /api/v3/depth", b"limit=101", 25),
    ("GET /api/v3/depth", b"limit=1000", 50),
    ("GET /api/v3/depth", b"limit=5000", 250),
    ("GET /api/v3/depth", b"limit=%32%35%30%31", 250),
    ("GET /api/v3/depth", b"limit=x", 5),
    ("GET /api/v3/depth", b"limit=" + b"9" * 5000, 5),
    ("GET /api/v3/ticker/24hr", b"symbol=BTCUSDT", 2),
    ("GET /api/v3/ticker/24hr", b'symbols=["A","B"]', 2),
    ("GET /api/v3/ticker/24hr", MANY, 40),
    ("GET /api/v3/ticker/24hr", b"", 80),
    ("GET /api/v3/ticker", MANY, 200),
    ("GET /api/v3/ticker", b'symbols=["A","B"]', 8),
    ("GET /api/v3/ticker/price", b"symbol=A", 2),
    ("GET /api/v3/ticker/price", b"", 4),
    ("GET /api/v3/executionRules", b"", 40),
    ("GET /api/v3/executionRules", b'symbols=["A","B"]', 4),
    ("GET /api/v3/openOrders", b"symbol=A", 6),
    ("GET /api/v3/openOrders", b"", 80),
    ("GET /api/v3/myTrades", b"symbol=A&orderId=1", 5),
    ("GET /api/v3/myTrades", b"symbol=A", 20),
    ("POST /api/v3/order/test", b"computeCommissionRates=true", 20),
    ("POST /api/v3/order/test", b"", 1),
    ("GET /api/v3/ping", b"", 1),
    ("GET /sapi/v1/system/status", b"", 1),
]


async def test_weights(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=100000/1M")
    before = 0
    for route, query, weight in WEIGHTS:
        after = int(used((await visit(limits, charge_of(*route.split()), query)).succeeded()))
        assert (route, query[:40], after - before) == (route, query[:40], weight)
        before = after


# By address


async def test_all_processes_count_together(exchange_of: Exchange) -> None:
    first, second = [await exchange_of.process("REQUEST_WEIGHT=4/1M") for _ in range(2)]
    for number, limits in enumerate((first, second, first, second), 1):
        headers = (await visit(limits)).succeeded()
        assert headers == {"X-MBX-USED-WEIGHT": str(number), "X-MBX-USED-WEIGHT-1M": str(number)}
    for limits in (first, second):
        assert (await refused(limits)).status == 429
    assert used((await visit(second, address=AWAY)).succeeded()) == "1"


async def test_too_much_weight(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=40/1M")
    exchange_of.clock.now_s += 12.5
    await visit(limits, Charge(40))
    error = await refused(limits)
    assert (error.status, error.code) == (429, -1003)
    assert error.message == (
        "Too much request weight used; current limit is 40 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    assert error.headers == {"X-MBX-USED-WEIGHT": "41", "X-MBX-USED-WEIGHT-1M": "41", "Retry-After": "48"}
    exchange_of.clock.now_s += 47.4
    await refused(limits)
    exchange_of.clock.now_s += 0.1
    assert used((await visit(limits)).succeeded()) == "1"


async def test_too_many_requests(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("RAW_REQUESTS=3/5M")
    for _ in range(3):
        assert (await visit(limits, CANCEL)).succeeded() == {}
    error = await refused(limits, CANCEL)
    assert (error.status, error.code, error.headers) == (429, -1003, {"Retry-After": "300"})


async def test_too_many_connections(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("CONNECTIONS=3/5M,REQUEST_WEIGHT=7/1M,RAW_REQUESTS=1/1M")
    for _ in range(3):
        await limits.connect(HOME, 2)
    with pytest.raises(Limited) as caught:
        await limits.connect(HOME, 0)
    error = caught.value
    assert (error.status, error.code, error.headers) == (429, -1034, {"Retry-After": "300"})
    assert error.message == "Too many connection attempts from IP; current limit is 3 per '5 MINUTE'."
    assert used((await visit(limits)).succeeded()) == "7", "connections weigh something, but are no requests"
    await limits.connect(AWAY, 2)


async def test_an_ipv6_subnet_is_one_client(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=1/1M")
    await visit(limits, address=ip_address("2001:db8::1"))
    await refused(limits, address=ip_address("2001:db8::ffff:2"))
    await visit(limits, address=ip_address("2001:db8:0:1::1"))


async def test_only_failed_orders_and_cancels_have_weight(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=10/1M")
    for charge in (ONE, CANCEL):
        for _ in range(20):
            assert used((await visit(limits, charge)).succeeded()) == "0"
    assert used((await visit(limits, ONE)).failed(errors.SIGNATURE_WRONG)) == "1"
    assert used((await visit(limits, CANCEL)).failed(errors.NO_SUCH_ORDER)) == "2"
    assert used((await visit(limits)).succeeded()) == "3"


async def test_bans_grow_from_two_minutes_to_three_days(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=1/1M")
    clock, durations = exchange_of.clock, []
    for _ in range(14):
        await visit(limits)
        for _ in range(PATIENCE):
            assert (await refused(limits)).status == 429
        error = await refused(limits)
        assert (error.status, error.code) == (418, -1003)
        duration_s = int(error.headers["Retry-After"])
        durations.append(duration_s)
        until_s = int(clock.now_s) + duration_s
        assert error.message.startswith(f"Way too much request weight used; IP banned until {until_s * 1000}.")
        assert (await visit(limits, address=AWAY)).succeeded()
        clock.now_s += duration_s - 1
        last = await refused(limits)
        assert (last.status, last.headers["Retry-After"]) == (418, "1")
        clock.now_s = (clock.now_s // 60 + 1) * 60
    assert durations[:4] == [120, 240, 480, 960]
    assert durations[-2:] == [LONGEST_BAN_S, LONGEST_BAN_S]
    assert durations == sorted(durations)


async def test_whoever_heeds_a_refusal_is_not_banned(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=1/1M")
    for _ in range(PATIENCE + 10):
        await visit(limits)
        wait_s = int((await refused(limits)).headers["Retry-After"])
        exchange_of.clock.now_s += wait_s


# By account

BOTH = "ORDERS=5/10S,ORDERS=8/1D"


async def test_orders_are_counted_by_account(exchange_of: Exchange) -> None:
    first, second = [await exchange_of.process(BOTH) for _ in range(2)]
    assert (await place(first)).succeeded() == {"X-MBX-ORDER-COUNT-10S": "1", "X-MBX-ORDER-COUNT-1D": "1"}
    assert (await place(second, OTOCO)).succeeded() == {"X-MBX-ORDER-COUNT-10S": "4", "X-MBX-ORDER-COUNT-1D": "4"}
    assert (await place(second, ONE, OTHER_ACCOUNT)).succeeded()["X-MBX-ORDER-COUNT-10S"] == "1"
    exchange_of.clock.now_s += 3
    with pytest.raises(Limited) as caught:
        await place(first, OTOCO)
    error = caught.value
    assert (error.status, error.code) == (429, -1015)
    assert error.message == "Too many new orders; current limit is 5 orders per 10 SECOND."
    assert error.headers["Retry-After"] == "7"
    assert await counts(first) == [4, 4]
    exchange_of.clock.now_s += 7
    assert await counts(second) == [0, 4]


async def test_a_full_day_stops_the_seconds(exchange_of: Exchange) -> None:
    limits = await exchange_of.process(BOTH)
    for _ in range(8):
        await place(limits)
        exchange_of.clock.now_s += 10
    with pytest.raises(Limited, match="current limit is 8 orders per 1 DAY"):
        await place(limits)
    assert await counts(limits) == [0, 8]
    exchange_of.clock.now_s = MIDNIGHT + 86_400
    await place(limits)


async def test_what_was_not_placed_is_given_back(exchange_of: Exchange) -> None:
    limits = await exchange_of.process(BOTH)
    halves = {"newOrderResult": "FAILURE"}
    for error, left in (
        (errors.SIGNATURE_WRONG, 0),
        (errors.UNAVAILABLE, 0),
        (errors.replace_failed(halves, partially=True), 0),
        (errors.replace_failed({"newOrderResult": "SUCCESS"}, partially=True), 1),
        (errors.replace_failed({"newOrderResult": "NOT_ATTEMPTED"}, partially=False), 2),
        (errors.UNKNOWN_OUTCOME, 3),
    ):
        tally = await place(limits)
        headers = tally.failed(error)
        assert not any(name.startswith("X-MBX-ORDER-COUNT") for name in headers)
        assert await counts(limits) == [left, left], error


async def test_it_is_given_back_to_the_window_it_came_from(exchange_of: Exchange) -> None:
    limits = await exchange_of.process(BOTH)
    old = await place(limits)
    exchange_of.clock.now_s += 10
    await place(limits)
    old.failed(errors.SIGNATURE_WRONG)
    assert await counts(limits) == [1, 1]


def order(order_id: int, account_id: int, executed: int) -> OrderState:
    return OrderState(
        order_id=order_id,
        account_id=account_id,
        symbol="BTCUSDT",
        client_order_id=str(order_id),
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_e8=100,
        quantity_e8=10,
        quote_quantity_e8=0,
        executed_e8=executed,
        executed_quote_e8=executed * 100,
        status=OrderStatus.PARTIALLY_FILLED,
        created_us=1,
        updated_us=1,
        working_us=1,
    )


def filled(quantity: int, taker: OrderState, maker: OrderState) -> Applied:
    return Applied(1, 1, [OrderFilled(1, "BTCUSDT", 100, quantity, 100, 0, 0, taker, maker)])


def test_only_first_fills_count() -> None:
    assert first_fill_credits([filled(3, order(2, ACCOUNT, 3), order(1, OTHER_ACCOUNT, 3))]) == {
        ACCOUNT: 1,
        OTHER_ACCOUNT: 5,
    }
    assert first_fill_credits([filled(3, order(2, ACCOUNT, 3), order(1, OTHER_ACCOUNT, 7))]) == {ACCOUNT: 1}
    assert first_fill_credits([filled(3, order(2, ACCOUNT, 4), order(1, OTHER_ACCOUNT, 7))]) == {}
    assert first_fill_credits([Refused(Refusal.UNKNOWN_ORDER)]) == {}


async def test_the_originals_example_of_makers(exchange_of: Exchange) -> None:
    """Five orders, the first is filled: 0. Two more, filled again: 2. The second order's first fill: 0, not less."""
    limits, other = [await exchange_of.process("ORDERS=50/10S,ORDERS=100/1D") for _ in range(2)]
    for _ in range(5):
        await place(limits)
    # The fill is in the reply to somebody else's order, in another process.
    other.observe([filled(3, order(9, OTHER_ACCOUNT, 3), order(1, ACCOUNT, 3))])
    await settled(limits, 0)
    for _ in range(2):
        await place(limits)
    other.observe([filled(3, order(10, OTHER_ACCOUNT, 3), order(1, ACCOUNT, 6))])
    other.observe([filled(3, order(11, OTHER_ACCOUNT, 3), order(2, ACCOUNT, 3))])
    await settled(limits, 0)
    assert (await place(limits)).succeeded() == {"X-MBX-ORDER-COUNT-10S": "1", "X-MBX-ORDER-COUNT-1D": "1"}


async def test_an_order_that_fills_at_once_does_not_count(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("ORDERS=2/10S")
    for number in range(10):
        await place(limits)
        limits.observe([filled(3, order(number, ACCOUNT, 3), order(99, OTHER_ACCOUNT, 6))])
        await settled(limits, 0)


async def settled(limits: Limits, expected: int) -> None:
    deadline_s = time.monotonic() + 5
    while set(await counts(limits)) != {expected}:
        assert time.monotonic() < deadline_s, await counts(limits)
        await asyncio.sleep(0.005)


# When Redis does not do its part


async def test_counting_goes_on_after_redis_was_emptied(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=10/1M")
    await visit(limits)
    await exchange_of.client.flushall()
    await exchange_of.client.script_flush()
    assert used((await visit(limits)).succeeded()) == "1"


async def test_many_at_once_are_counted_one_by_one(exchange_of: Exchange) -> None:
    limits = await exchange_of.process("REQUEST_WEIGHT=100000/1M")
    tallies = await asyncio.gather(*(visit(limits) for _ in range(600)))
    assert sorted(int(used(tally.succeeded())) for tally in tallies) == list(range(1, 601))


def unknown() -> float:
    return REGISTRY.get_sample_value("crossbook_trading_limits_unknown_total") or 0.0


async def test_without_redis_everybody_is_let_through() -> None:
    client = infra_redis.connect("redis://127.0.0.1:1")
    limits = Limits(parse_limits("REQUEST_WEIGHT=1/1M,ORDERS=1/1D"), client)
    before = unknown()
    async with _running(limits):
        for _ in range(20):
            tally = await place(limits)
            assert tally.succeeded() == {}
            assert tally.failed(errors.SIGNATURE_WRONG) == {}
        assert await counts(limits) == [0]
    assert unknown() > before
    await client.aclose()


async def test_a_redis_that_hangs_costs_little_and_is_asked_again() -> None:
    async def swallow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)

    silent: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    client = infra_redis.connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    limits = Limits(parse_limits("REQUEST_WEIGHT=1/1M"), client)
    async with _running(limits):
        started_s = time.monotonic()
        await asyncio.gather(*(visit(limits) for _ in range(50)))
        for _ in range(50):
            await visit(limits)
        assert time.monotonic() - started_s < 1
        assert len(silent) == 1
        await asyncio.sleep(1.1)
        await visit(limits)
        assert len(silent) == 2
    await client.aclose()
    for writer in silent:
        writer.close()
    server.close()


# As clients see it

SMALL = "REQUEST_WEIGHT=2000/1D,ORDERS=6/1D,RAW_REQUESTS=100000/1D"


@pytest.fixture
def limited(start_system: Callable[..., RunningSystem]) -> RunningSystem:
    return start_system("--limits", SMALL)


@pytest.fixture
def client(limited: RunningSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=limited.base_url, timeout=20, trust_env=False) as client:
        yield client


def test_limits_in_force(limited: RunningSystem, client: httpx.Client) -> None:
    """Orders count until they fill, failures weigh, and who goes on after 429 is banned; all on one exchange."""
    limited.flush_redis()
    maker = Trader(client, limited.create_account({"BTC": "10"}))
    taker = Trader(client, limited.create_account({"USDT": "1000000"}))

    told = succeeded(exchange(client, "GET", "exchangeInfo"))["rateLimits"]
    assert [(entry["rateLimitType"], entry["limit"]) for entry in told] == [
        ("REQUEST_WEIGHT", 2000),
        ("ORDERS", 6),
        ("RAW_REQUESTS", 100000),
    ]

    # 1. Orders: counted when placed, given back when refused, less when filled.
    sell = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.01&price=61000"
    for number in range(1, 7):
        response = maker.send_raw("POST", "order", maker.signed(sell))
        assert response.headers["X-MBX-ORDER-COUNT-1D"] == str(number)
        assert response.headers["X-MBX-USED-WEIGHT-1D"] == response.headers["X-MBX-USED-WEIGHT"] == "20"
    response = maker.send_raw("POST", "order", maker.signed(sell))
    assert error_of(response) == (429, -1015, "Too many new orders; current limit is 6 orders per 1 DAY.")
    assert 0 < int(response.headers["Retry-After"]) <= 86400
    _replace_over_the_limit(maker, sell)
    taker.buy("0.015", "61000")
    wait_until(lambda: _count(maker) == 0, 5)
    wait_until(lambda: _count(taker) == 0, 5)
    weight = int(exchange(client, "GET", "ping").headers["X-MBX-USED-WEIGHT-1D"])

    # 2. Failures weigh what they should.
    response = taker.send_raw("POST", "order", taker.signed(sell.replace("0.01", "5")))
    assert error_of(response)[1] == -2010
    assert response.headers["X-MBX-USED-WEIGHT-1D"] == str(weight + 1)
    response = taker.send_raw("POST", "order", "symbol=BTCUSDT")
    assert response.headers["X-MBX-USED-WEIGHT-1D"] == str(weight + 2)
    response = client.get("/api/v3/nowhere")
    assert (response.status_code, response.headers["X-MBX-USED-WEIGHT-1D"]) == (404, str(weight + 3))

    # 3. So does what is answered before an endpoint has its say, or when one breaks.
    for method, body, status in (("PATCH", b"", 405), ("POST", b"x" * 100_000, 413), ("POST", chunks(), 413)):
        before = int(exchange(client, "GET", "ping").headers["X-MBX-USED-WEIGHT-1D"])
        response = exchange(client, method, "order", body=body)
        assert (response.status_code, response.headers["X-MBX-USED-WEIGHT-1D"]) == (status, str(before + 1))
    asyncio.run(_spoil_terms(limited, taker.account_id))
    response = taker.send("GET", "account/commission", {"symbol": "BTCUSDT"})
    assert error_of(response) == (500, -1001, "Internal error; unable to process your request. Please try again.")
    assert response.headers["X-MBX-USED-WEIGHT-1D"] == str(before + 1 + 20)


def chunks() -> Iterator[bytes]:
    """A body whose length nobody announces."""
    for _ in range(100):
        yield b"x" * 1_000


async def _spoil_terms(system: RunningSystem, account_id: int) -> None:
    """Leave something in the database that nothing of ours would write."""
    connection = await asyncpg.connect(system.database_url)
    await connection.execute("INSERT INTO exchange.account_terms VALUES ($1, 'NONSENSE', NULL, NULL, 0, 0)", account_id)
    await connection.close()


def _replace_over_the_limit(trader: Trader, order: str) -> None:
    """Nothing is done, unless the client wants the cancel all the same."""
    open_ids = [entry["orderId"] for entry in trader.get("openOrders", symbol="BTCUSDT")]
    query = f"{order}&cancelOrderId={open_ids[-1]}&cancelReplaceMode=STOP_ON_FAILURE"
    response = trader.send_raw("POST", "order/cancelReplace", trader.signed(query))
    assert error_of(response)[:2] == (429, -1015)
    assert len(trader.get("openOrders", symbol="BTCUSDT")) == len(open_ids)
    query += "&orderRateLimitExceededMode=CANCEL_ONLY"
    response = trader.send_raw("POST", "order/cancelReplace", trader.signed(query))
    assert error_of(response)[:2] == (429, -2021)
    assert int(response.headers["Retry-After"]) > 0
    told = response.json()["data"]
    assert (told["cancelResult"], told["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert told["newOrderResponse"]["code"] == -1015
    assert len(trader.get("openOrders", symbol="BTCUSDT")) == len(open_ids) - 1


def _count(trader: Trader) -> int:
    entries = trader.get("rateLimit/order")
    assert [(entry["rateLimitType"], entry["interval"], entry["limit"]) for entry in entries] == [("ORDERS", "DAY", 6)]
    count: int = entries[0]["count"]
    return count


def test_going_on_is_banned(limited: RunningSystem, client: httpx.Client) -> None:
    while (response := exchange(client, "GET", "exchangeInfo")).status_code == 200:
        assert int(response.headers["X-MBX-USED-WEIGHT"]) <= 2000
    assert error_of(response)[:2] == (429, -1003)
    wait_s = int(response.headers["Retry-After"])
    assert 0 < wait_s <= 86400
    for _ in range(PATIENCE - 1):
        assert exchange(client, "GET", "ping").status_code == 429
    # It does not matter what is asked, nor by whom.
    response = client.get("/nowhere")
    assert (response.status_code, response.json()["code"], response.headers["Retry-After"]) == (418, -1003, "120")
    trader = Trader(client, limited.create_account())
    status, code, message = error_of(trader.send("GET", "account"))
    assert (status, code) == (418, -1003)
    assert re.match(r"Way too much request weight used; IP banned until [0-9]{13}\.", message)
    assert client.get("/health/live").status_code == 200

    # Without Redis nobody can be held to a limit, and everybody is served.
    limited.send_signal("redis", signal.SIGSTOP)
    try:
        succeeded(exchange(client, "GET", "ping"))
        started_s = time.monotonic()
        for _ in range(5):
            succeeded(exchange(client, "GET", "time"))
        assert time.monotonic() - started_s < 2
        metrics = client.get("/metrics").text
        assert float(metrics.split("\ncrossbook_trading_limits_unknown_total ")[1].split("\n")[0]) >= 1
    finally:
        limited.send_signal("redis", signal.SIGCONT)
    wait_until(lambda: exchange(client, "GET", "ping").status_code == 418, 10)


def test_nothing_is_counted_by_default(system: RunningSystem, http: httpx.Client) -> None:
    trader = Trader(http, system.create_account({"USDT": "1000"}))
    response = trader.send("GET", "account")
    assert not any(name.lower().startswith("x-mbx") for name in response.headers)
    assert trader.get("rateLimit/order") == []
    assert succeeded(exchange(http, "GET", "exchangeInfo"))["rateLimits"] == []
    with SyncRedis.from_url(system.redis_url) as client:
        assert "cmdstat_evalsha" not in client.info("commandstats")


def test_a_limit_that_is_none_is_refused_at_once(start_system: Callable[..., RunningSystem]) -> None:
    with pytest.raises(AssertionError, match="Invalid value for '--limits'"):
        start_system("--limits", "ORDERS=many")


def test_errors_carry_their_headers_only_while_they_last() -> None:
    error: DialectError = errors.too_many_orders(5, "10 SECOND", 7)
    assert isinstance(error, Limited)
    assert error.headers == {"Retry-After": "7"}
    assert errors.too_many_orders(5, "10 SECOND", 9).headers == {"Retry-After": "9"}
