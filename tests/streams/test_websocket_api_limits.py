"""Rate limits as a client of the WebSocket API sees them. The counters are REST's; the block in each reply is not."""

import asyncio
import json
import socket as socket_module
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from services.trading.limits import PATIENCE
from tests.api.trader import Trader, exchange, now_ms
from tests.running import RunningSystem
from tests.streams.api_socket import TIMEOUT_S, ApiSocket, Json, error_of, open_socket, signer_of, succeeded

LIMITS = "REQUEST_WEIGHT=2000/1D,ORDERS=4/1D,RAW_REQUESTS=100000/1D,CONNECTIONS=12/1D"
DAY = {"interval": "DAY", "intervalNum": 1}
SELL = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "61000",
}


@pytest.fixture
def limited(start_system: Callable[..., RunningSystem]) -> RunningSystem:
    return start_system("--limits", LIMITS)


@pytest.fixture
def client(limited: RunningSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=limited.base_url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
async def socket(limited: RunningSystem) -> AsyncIterator[ApiSocket]:
    async with open_socket(limited.base_url) as socket:
        yield socket


def weight(count: int) -> Json:
    return {"rateLimitType": "REQUEST_WEIGHT", **DAY, "limit": 2000, "count": count}


def orders(count: int) -> Json:
    return {"rateLimitType": "ORDERS", **DAY, "limit": 4, "count": count}


async def test_the_life_of_a_connection(limited: RunningSystem, client: httpx.Client, socket: ApiSocket) -> None:
    """One story, because starting an exchange takes a while."""
    trader = Trader(client, limited.create_account({"BTC": "1"}))
    signer = signer_of(trader)

    # 1. Connecting costs 2; REST and sockets count together.
    assert (await socket.ask("ping"))["rateLimits"] == [weight(3)]
    assert exchange(client, "GET", "ping").headers["X-MBX-USED-WEIGHT-1D"] == "4"
    assert (await socket.ask("depth", {"symbol": "BTCUSDT", "limit": 5000}))["rateLimits"] == [weight(254)]
    assert (await socket.ask("depth", {"symbol": "BTCUSDT", "limit": "500"}))["rateLimits"] == [weight(279)]
    assert (await socket.ask("ticker", {"symbols": ["BTCUSDT", "ETHUSDT"]}))["rateLimits"] == [weight(287)]
    assert (await socket.ask("session.status"))["rateLimits"] == [weight(289)]
    assert (await socket.ask("nothing"))["rateLimits"] == [weight(290)]
    assert (await socket.next_of("{"))["rateLimits"] == [weight(291)]
    assert "rateLimits" not in await socket.ask("ping", {"returnRateLimits": False})
    assert (await socket.ask("depth"))["rateLimits"] == [weight(297)], "counted whether shown or not, done or not"

    # 2. Which limits there are.
    info = succeeded(await socket.ask("exchangeInfo", {"symbol": "BTCUSDT"}))
    kinds = {limit["rateLimitType"] for limit in info["rateLimits"]}
    assert kinds == {"REQUEST_WEIGHT", "ORDERS", "CONNECTIONS"}
    rest = exchange(client, "GET", "exchangeInfo", "symbol=BTCUSDT").json()
    assert {limit["rateLimitType"] for limit in rest["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"}

    # 3. Orders: free when placed, and counted for the account wherever it places them.
    used = 337
    assert (await socket.ask("order.place", signer(**SELL)))["rateLimits"] == [orders(1), weight(used)]
    assert (await socket.ask("order.test", signer(**SELL)))["rateLimits"] == [weight(used + 1)]
    response = trader.send("POST", "order", SELL)
    assert response.headers["X-MBX-ORDER-COUNT-1D"] == "2"
    refused = await socket.ask("order.place", signer(**SELL | {"quantity": "50"}))
    assert refused["rateLimits"] == [orders(2), weight(used + 2)]
    pair = {name: value for name, value in SELL.items() if name in ("symbol", "side", "quantity")}
    oco = {"aboveType": "LIMIT_MAKER", "abovePrice": "70000", "belowType": "STOP_LOSS", "belowStopPrice": "40000"}
    placed = await socket.ask("orderList.place.oco", signer(**pair, **oco))
    assert placed["rateLimits"] == [orders(4), weight(used + 2)]
    before_s = now_ms() // 1000
    refused = await socket.ask("order.place", signer(**SELL))
    assert error_of(refused) == (429, -1015, "Too many new orders; current limit is 4 orders per 1 DAY.")
    assert refused["rateLimits"][0] == orders(4)
    _check_retry(refused, before_s)
    counted = await socket.call("account.rateLimits.orders", **signer())
    assert counted == [orders(4)]

    # 4. Half a cancel-replace.
    half = {**SELL, "cancelOrderId": succeeded(placed)["orders"][0]["orderId"], "cancelReplaceMode": "STOP_ON_FAILURE"}
    refused = await socket.ask("order.cancelReplace", signer(**half))
    assert error_of(refused)[:2] == (429, -1015)
    partly = await socket.ask("order.cancelReplace", signer(**half, orderRateLimitExceededMode="CANCEL_ONLY"))
    assert error_of(partly)[:2] == (429, -2021)
    assert partly["error"]["data"]["newOrderResponse"]["code"] == -1015
    await socket.call("openOrders.cancelAll", **signer(symbol="BTCUSDT"))

    # 5. Too many connections.
    for _ in range(11):
        async with open_socket(limited.base_url) as other:
            await other.call("ping")
    with pytest.raises(InvalidStatus) as caught:
        async with open_socket(limited.base_url):
            pass
    answer = caught.value.response
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 86400
    message = "Too many connection attempts from IP; current limit is 12 per '1 DAY'."
    assert json.loads(answer.body or b"") == {"code": -1034, "msg": message}

    # 6. Too much weight, and going on all the same.
    while (reply := await socket.ask("exchangeInfo"))["status"] == 200:
        assert reply["rateLimits"][0]["count"] <= 2000
    assert error_of(reply)[:2] == (429, -1003)
    _check_retry(reply, before_s)
    for _ in range(PATIENCE - 2):
        assert (await socket.ask("ping"))["status"] == 429
    status = 429
    while status == 429:
        reply = await socket.ask("ping")
        status = reply["status"]
    assert error_of(reply)[:2] == (418, -1003)
    until_ms = reply["error"]["data"]["retryAfter"]
    assert f"IP banned until {until_ms}." in reply["error"]["msg"]
    await socket.connection.wait_closed()
    assert socket.connection.close_code == 1008
    with pytest.raises(InvalidStatus) as caught:
        async with open_socket(limited.base_url):
            pass
    assert caught.value.response.status_code == 418


def _check_retry(reply: Json, before_s: int) -> None:
    data = reply["error"]["data"]
    assert set(data) == {"serverTime", "retryAfter"}
    assert before_s * 1000 <= data["serverTime"] < data["retryAfter"]
    assert data["retryAfter"] % 86_400_000 == 0, "the next day begins"


async def test_replies_are_never_too_much_for_a_client_that_reads_late(
    start_system: Callable[..., RunningSystem],
) -> None:
    """They are long, a hundred times what may wait for a listener; nothing more is read until they are taken."""
    system = start_system(environment={"CROSSBOOK_SOCKET_BUFFER_BYTES": str(16 * 1024)})
    small = socket_module.create_connection(("127.0.0.1", system.port))
    small.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 8 * 1024)
    url = f"ws://127.0.0.1:{system.port}/ws-api/v3"
    count = 400
    async with connect(url, sock=small, proxy=None, max_queue=1, ping_interval=None) as connection:

        async def ask() -> None:
            for number in range(count):
                await connection.send(json.dumps({"id": number, "method": "exchangeInfo"}))

        asking = asyncio.create_task(ask())
        # As long as it takes the server to be stuck, or longer; the outcome is the same.
        await asyncio.sleep(2)
        statuses: list[int] = []
        async with asyncio.timeout(TIMEOUT_S):
            while len(statuses) < count:
                statuses.append(json.loads(await connection.recv())["status"])
        await asking
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 50
