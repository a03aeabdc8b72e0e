"""Connections under stress: slow clients, many clients, stops, and Redis gone."""

import asyncio
import contextlib
import itertools
import json
import re
import signal
import socket as sockets
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.api.trader import Trader
from tests.running import RunningSystem, wait_until
from tests.streams.stream_socket import TIMEOUT_S, StreamSocket, open_streams
from tests.streams.trading_process import trading_process

StartSystem = Callable[..., RunningSystem]
BUFFER_BYTES = 16 * 1024


def http_of(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, timeout=30, trust_env=False)


def metric(base_url: str, name: str, label: str = "") -> float:
    """The sum of a metric over its labels, or over those with this one."""
    text = httpx.get(f"{base_url}/metrics", timeout=30, trust_env=False).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*{label}.*}})? (\S+)$", text, re.MULTILINE))


async def until(holds: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    await asyncio.to_thread(wait_until, holds, timeout_s)


def quote(trader: Trader, count: int) -> None:
    """Change the book ``count`` times."""
    for number in range(count):
        trader.buy("0.001", str(20_000 + number))


async def slow_client(base_url: str, streams: list[str]) -> sockets.socket:
    """A client that subscribes and then reads nothing, not even with its kernel's help."""
    host, port = base_url.removeprefix("http://").split(":")
    client = sockets.socket()
    client.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (host, int(port)))
    request = (
        f"GET /stream?streams={'/'.join(streams)} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(client, request.encode())
    assert b"101" in await loop.sock_recv(client, 64)
    return client


async def test_a_slow_client_is_dropped_and_harms_nobody(system: RunningSystem, tmp_path: Path) -> None:
    """With everyone else's messages complete and in order, and its own thrown away."""
    # So that there is much to say: each change of the book is said in many streams.
    streams = [f"btcusdt@{name}" for name in ("depth5@100ms", "depth10@100ms", "depth20@100ms", "depth", "bookTicker")]
    settings = {"CROSSBOOK_SOCKET_BUFFER_BYTES": str(BUFFER_BYTES)}
    with trading_process(system, tmp_path / "trading.log", settings) as base_url, http_of(base_url) as http:
        trader = Trader(http, await asyncio.to_thread(system.create_account, {"USDT": "1000000"}))
        async with open_streams(base_url, "/ws/btcusdt@depth@100ms") as healthy:
            slow = await slow_client(base_url, streams)
            await until(lambda: metric(base_url, "crossbook_trading_sockets") == 2)

            async def trade_until_dropped() -> None:
                while metric(base_url, "crossbook_trading_sockets") == 2:
                    await asyncio.to_thread(quote, trader, 10)
                    await asyncio.to_thread(trader.cancel_everything)

            await asyncio.wait_for(trade_until_dropped(), 4 * TIMEOUT_S)
            assert metric(base_url, "crossbook_trading_sockets_dropped_total", 'reason="Slow consumer"') == 1
            # Its socket is gone, not only forgotten: reading on meets the end.
            await asyncio.wait_for(read_to_end(slow), TIMEOUT_S)
            await asyncio.to_thread(quote, trader, 1)
            order_book = await asyncio.to_thread(trader.get, "depth", symbol="BTCUSDT")
            await healthy.until(lambda event: bool(event["u"] >= order_book["lastUpdateId"]))
            events = healthy.events
            assert all(after["U"] == before["u"] + 1 for before, after in itertools.pairwise(events))
        await asyncio.to_thread(trader.cancel_everything)


async def read_to_end(client: sockets.socket) -> None:
    with contextlib.suppress(ConnectionResetError):
        while await asyncio.get_running_loop().sock_recv(client, 65_536):
            pass
    client.close()


async def test_there_is_room_for_so_many(system: RunningSystem, tmp_path: Path) -> None:
    with trading_process(system, tmp_path / "trading.log", {"CROSSBOOK_MAX_SOCKETS": "2"}) as base_url:
        url = base_url.replace("http", "ws", 1) + "/ws"
        async with connect(url, proxy=None), connect(url, proxy=None) as second:
            async with connect(url, proxy=None) as third:
                await asyncio.wait_for(third.wait_closed(), TIMEOUT_S)
                assert (third.close_code, third.close_reason) == (1013, "Too many connections")
            await second.close()
            await until(lambda: metric(base_url, "crossbook_trading_sockets") == 1)
            async with open_streams(base_url, "/ws") as fourth:
                assert await fourth.ask("LIST_SUBSCRIPTIONS") == []


async def test_with_limits_five_messages_a_second(system: RunningSystem, tmp_path: Path) -> None:
    with trading_process(system, tmp_path / "trading.log", {"CROSSBOOK_LIMITS": "binance"}) as base_url:
        url = base_url.replace("http", "ws", 1) + "/ws"
        async with connect(url, proxy=None) as connection:
            for number in range(6):
                await connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            await asyncio.wait_for(connection.wait_closed(), TIMEOUT_S)
            assert (connection.close_code, connection.close_reason) == (1008, "Too many requests")
        async with connect(url, proxy=None) as connection:
            for _ in range(3):
                await connection.ping()
                await connection.pong()
            await asyncio.wait_for(connection.wait_closed(), TIMEOUT_S)
            assert (connection.close_code, connection.close_reason) == (1008, "Too many requests")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/ws", {"e", "E"}), ("/stream", {"stream", "data"})],
)
async def test_a_stop_is_announced(system: RunningSystem, tmp_path: Path, path: str, expected: set[str]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        with trading_process(system, tmp_path / "trading.log") as base_url:
            socket = await stack.enter_async_context(open_streams(base_url, path))
            await socket.ask("LIST_SUBSCRIPTIONS")
        event = await socket.next_event()
        assert set(event) == expected
        if path == "/stream":
            assert event["stream"] == "!serverShutdown"
            event = event["data"]
        assert event["e"] == "serverShutdown" and isinstance(event["E"], int)
        await asyncio.wait_for(socket.connection.wait_closed(), TIMEOUT_S)
        assert socket.connection.close_code == 1012


async def test_clients_come_back_after_trading_was_killed(start_system: StartSystem) -> None:
    system = await asyncio.to_thread(start_system)
    with http_of(system.base_url) as http:
        trader = Trader(http, await asyncio.to_thread(system.create_account, {"USDT": "1000000"}))
        async with open_streams(system.base_url, "/ws/btcusdt@depth@100ms") as socket:
            await asyncio.to_thread(quote, trader, 3)
            await socket.until(lambda event: bool(event["u"] == 3))
            await asyncio.to_thread(system.kill_process, "trading")
            await asyncio.wait_for(socket.connection.wait_closed(), TIMEOUT_S)
        await asyncio.to_thread(system.wait_ready)
        async with open_streams(system.base_url, "/stream?streams=btcusdt@depth5@100ms/btcusdt@depth@100ms") as socket:
            await socket.until(lambda event: bool(event["data"].get("lastUpdateId") == 3))
            await asyncio.to_thread(quote, trader, 2)
            await socket.until(lambda event: bool(event["data"].get("u") == 5))
            changes = [event["data"] for event in socket.events if "U" in event["data"]]
            assert changes[0]["U"] == 4


async def test_streams_catch_up_when_redis_returns(start_system: StartSystem) -> None:
    """Orders go through meanwhile, and depth is as fresh as ever."""
    system = await asyncio.to_thread(start_system)
    with http_of(system.base_url) as http:
        trader = Trader(http, await asyncio.to_thread(system.create_account, {"USDT": "1000000"}))
        async with open_streams(system.base_url, "/ws/btcusdt@depth@100ms") as socket:
            await asyncio.to_thread(quote, trader, 2)
            await socket.until(lambda event: bool(event["u"] == 2))
            system.send_signal("redis", signal.SIGSTOP)
            try:
                for number in (3, 4, 5):
                    await asyncio.to_thread(quote, trader, 1)
                    book = await asyncio.to_thread(trader.get, "depth", symbol="BTCUSDT")
                    assert book["lastUpdateId"] == number
            finally:
                system.send_signal("redis", signal.SIGCONT)
            await in_order(socket, 5)
            await asyncio.to_thread(system.kill_process, "redis")
            await asyncio.to_thread(quote, trader, 2)
            await asyncio.to_thread(system.wait_ready)
            await asyncio.to_thread(quote, trader, 1)
            await in_order(socket, 8)
            await asyncio.to_thread(system.flush_redis)
            await asyncio.to_thread(quote, trader, 1)
            await in_order(socket, 9)


async def in_order(socket: StreamSocket, update_id: int) -> None:
    await socket.until(lambda event: bool(event["u"] >= update_id))
    position = 0
    for event in socket.events:
        assert event["U"] == position + 1
        position = event["u"]
    assert position == update_id


async def test_all_connections_share_a_number_of_subscriptions(system: RunningSystem, tmp_path: Path) -> None:
    with trading_process(system, tmp_path / "trading.log", {"CROSSBOOK_MAX_SUBSCRIPTIONS": "3"}) as base_url:
        async with open_streams(base_url, "/ws/a@trade/b@trade") as first:
            async with open_streams(base_url, "/ws/a@trade/b@trade") as second:
                await asyncio.wait_for(second.connection.wait_closed(), TIMEOUT_S)
                assert (second.connection.close_code, second.connection.close_reason) == (
                    1013,
                    "Too many subscriptions",
                )
            # What it had taken is given back.
            await first.ask("UNSUBSCRIBE", "a@trade", "c@trade")
            await until(lambda: metric(base_url, "crossbook_trading_sockets") == 1)
            await first.ask("SUBSCRIBE", "c@trade", "d@trade")
            assert await first.ask("LIST_SUBSCRIPTIONS") == ["b@trade", "c@trade", "d@trade"]


async def test_another_engine_goes_on_where_the_last_one_ended(start_system: StartSystem) -> None:
    """Followers notice nothing: it replays the journal, and update ids with it."""
    system = await asyncio.to_thread(start_system)
    with http_of(system.base_url) as http:
        trader = Trader(http, await asyncio.to_thread(system.create_account, {"USDT": "1000000"}))
        async with open_streams(system.base_url, "/ws/btcusdt@depth@100ms") as socket:
            await asyncio.to_thread(quote, trader, 3)
            await in_order(socket, 3)
            await asyncio.to_thread(system.kill_process, "engine")
            await asyncio.to_thread(system.wait_ready)
            await asyncio.to_thread(quote, trader, 2)
            await in_order(socket, 5)
            book = await asyncio.to_thread(trader.get, "depth", symbol="BTCUSDT")
            assert (book["lastUpdateId"], len(book["bids"])) == (5, 3)
