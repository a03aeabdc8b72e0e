"""Listen keys: made over REST, followed as streams among others, by every trading process, until they end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.api.conftest import NewTrader
from tests.api.member import Member
from tests.api.trader import API_KEY_HEADER, Trader, error_of, exchange, succeeded
from tests.running import RunningSystem, free_port
from tests.streams.follower import cursor_of, following, resume_of
from tests.streams.stream_socket import StreamSocket, open_streams
from tests.streams.trading_process import trading_process

UNKNOWN = (400, -1125, "This listenKey does not exist.")
JUNK = "x" * 64
SYMBOL = "ETHUSDT"


@pytest.fixture
def trader(new_trader: NewTrader) -> Trader:
    return new_trader(ETH="100", USDT="1000000")


@pytest.fixture(scope="module")
def second(system: RunningSystem, session_directory: Path) -> Iterator[str]:
    """The address of another trading process."""
    with trading_process(system, session_directory / "second-trading.out") as base_url:
        yield base_url


def client(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, timeout=20, trust_env=False)


def ask(http: httpx.Client, method: str, trader: Trader, **parameters: str) -> httpx.Response:
    """As clients do it: the key's name and nothing signed."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return exchange(http, method, "userDataStream", query, headers={API_KEY_HEADER: trader.api_key})


def listen_key_of(http: httpx.Client, trader: Trader) -> str:
    made: str = succeeded(ask(http, "POST", trader))["listenKey"]
    return made


async def place(trader: Trader) -> Any:
    return await asyncio.to_thread(trader.buy, "0.1", "1000", symbol=SYMBOL)


async def hears_of_an_order(socket: StreamSocket, trader: Trader) -> list[Any]:
    order_id = (await place(trader))["orderId"]
    report, position = await socket.next_event(), await socket.next_event()
    assert (report["e"], report["i"], position["e"]) == ("executionReport", order_id, "outboundAccountPosition")
    return [report, position]


def test_a_key_is_made_once_and_prolonged(http: httpx.Client, trader: Trader) -> None:
    listen_key = listen_key_of(http, trader)
    assert len(listen_key) == 64
    assert listen_key.isalnum()
    assert listen_key_of(http, trader) == listen_key
    assert succeeded(ask(http, "PUT", trader, listenKey=listen_key)) == {}
    assert succeeded(ask(http, "DELETE", trader, listenKey=listen_key)) == {}
    assert error_of(ask(http, "PUT", trader, listenKey=listen_key)) == UNKNOWN
    assert error_of(ask(http, "DELETE", trader, listenKey=listen_key)) == UNKNOWN
    assert listen_key_of(http, trader) != listen_key


def test_it_is_valid_for_an_hour_after_it_was_prolonged(
    http: httpx.Client, trader: Trader, system: RunningSystem
) -> None:
    listen_key = listen_key_of(http, trader)
    with Redis.from_url(system.redis_url) as redis:
        name = f"crossbook:listen-key:{listen_key}"
        assert 3500 < redis.ttl(name) <= 3600
        redis.expire(name, 60)
        succeeded(ask(http, "PUT", trader, listenKey=listen_key))
        assert 3500 < redis.ttl(name) <= 3600


def test_a_key_is_nobody_elses(http: httpx.Client, trader: Trader, new_trader: NewTrader) -> None:
    listen_key = listen_key_of(http, trader)
    other = new_trader()
    assert listen_key_of(http, other) != listen_key
    for method in ("PUT", "DELETE"):
        assert error_of(ask(http, method, other, listenKey=listen_key)) == UNKNOWN
        assert error_of(ask(http, method, other, listenKey=JUNK)) == UNKNOWN


def test_what_is_asked_wrongly(http: httpx.Client, trader: Trader) -> None:
    assert error_of(exchange(http, "POST", "userDataStream")) == (401, -2014, "API-key format invalid.")
    headers = {API_KEY_HEADER: JUNK}
    rejected = (401, -2015, "Invalid API-key, IP, or permissions for action.")
    assert error_of(exchange(http, "POST", "userDataStream", headers=headers)) == rejected
    missing = (400, -1102, "Mandatory parameter 'listenKey' was not sent, was empty/null, or malformed.")
    assert error_of(ask(http, "PUT", trader)) == missing


def test_a_web_session_has_no_listen_key(http: httpx.Client) -> None:
    member = Member(http)
    assert error_of(member.call("POST", "userDataStream")) == (401, -2014, "API-key format invalid.")


@pytest.mark.parametrize("path", ["/ws/{}", "/stream/ws/{}", "/ws/btcusdt@trade/{}"])
async def test_a_bare_stream(path: str, http: httpx.Client, trader: Trader, system: RunningSystem) -> None:
    async with open_streams(system.base_url, path.format(listen_key_of(http, trader))) as socket:
        await hears_of_an_order(socket, trader)


async def test_an_enveloped_stream(http: httpx.Client, trader: Trader, system: RunningSystem) -> None:
    listen_key = listen_key_of(http, trader)
    async with open_streams(system.base_url, f"/stream?streams={listen_key}/btcusdt@trade") as socket:
        await place(trader)
        event = await socket.next_event()
        assert (event["stream"], event["data"]["e"]) == (listen_key, "executionReport")
        await socket.next_event()
        await socket.ask("SET_PROPERTY", "combined", False)
        await hears_of_an_order(socket, trader)


async def test_a_stream_is_joined_and_left(http: httpx.Client, trader: Trader, system: RunningSystem) -> None:
    listen_key = listen_key_of(http, trader)
    async with open_streams(system.base_url, "/ws") as socket:
        await socket.ask("SUBSCRIBE", listen_key)
        # Twice is once.
        await socket.ask("SUBSCRIBE", listen_key)
        assert await socket.ask("LIST_SUBSCRIPTIONS") == [listen_key]
        await hears_of_an_order(socket, trader)
        await socket.ask("UNSUBSCRIBE", listen_key)
        await place(trader)
        await socket.ask("SUBSCRIBE", listen_key)
        await hears_of_an_order(socket, trader)


async def test_microseconds(http: httpx.Client, trader: Trader, system: RunningSystem) -> None:
    path = f"/ws/{listen_key_of(http, trader)}?timeUnit=MICROSECOND"
    async with open_streams(system.base_url, path) as socket:
        report, _ = await hears_of_an_order(socket, trader)
    assert report["E"] > 10**15


async def test_an_end_is_announced_on_every_process(
    http: httpx.Client, trader: Trader, system: RunningSystem, second: str
) -> None:
    listen_key = listen_key_of(http, trader)
    async with open_streams(system.base_url, f"/ws/{listen_key}") as here, open_streams(second, "/ws") as there:
        await there.ask("SUBSCRIBE", listen_key)
        for socket in (here, there):
            await hears_of_an_order(socket, trader)
            other = there if socket is here else here
            assert {(await other.next_event())["e"] for _ in range(2)} == {"executionReport", "outboundAccountPosition"}
        succeeded(ask(http, "DELETE", trader, listenKey=listen_key))
        for socket in (here, there):
            event = await socket.next_event()
            assert (event["e"], event["listenKey"]) == ("listenKeyExpired", listen_key)
            assert set(event) == {"e", "E", "listenKey"}
        await place(trader)
        # The connections go on, and nothing else was said on them.
        renewed = listen_key_of(http, trader)
        for socket in (here, there):
            await socket.ask("SUBSCRIBE", renewed)
        report, _ = await hears_of_an_order(here, trader)
        assert (await there.next_event())["i"] == report["i"]


async def test_a_key_that_is_none_is_told_to_have_expired(system: RunningSystem) -> None:
    async with open_streams(system.base_url, f"/stream?streams={JUNK}") as socket:
        event = await socket.next_event()
        assert (event["stream"], event["data"]["e"]) == (JUNK, "listenKeyExpired")


async def test_a_stream_ends_with_its_api_key(http: httpx.Client, system: RunningSystem) -> None:
    member = Member(http)
    system.deposit(member.account_id, "USDT", "1000000")
    trader = member.new_trader()
    async with open_streams(system.base_url, f"/ws/{listen_key_of(http, trader)}") as socket:
        await hears_of_an_order(socket, trader)
        await asyncio.to_thread(member.revoke, trader)
        assert (await socket.next_event())["e"] == "listenKeyExpired"


async def test_going_on_after_a_cursor(http: httpx.Client, trader: Trader, system: RunningSystem, second: str) -> None:
    path = f"/ws/{listen_key_of(http, trader)}"
    async with open_streams(system.base_url, path) as socket:
        first, second_event = await hears_of_an_order(socket, trader)
    missed = [(await place(trader))["orderId"] for _ in range(3)]
    for base_url in (system.base_url, second):
        async with open_streams(base_url, f"{path}?resume={resume_of(first)}") as socket:
            events = [await socket.next_event() for _ in range(7)]
            assert events[0] == second_event
            assert [event["i"] for event in events if "i" in event] == missed
            cursors = [cursor_of(event) for event in events]
            assert cursors == sorted(set(cursors))


@pytest.mark.parametrize("resume", ["", "x", "999999999999", "1-x"])
async def test_a_cursor_that_is_no_good(resume: str, http: httpx.Client, trader: Trader, system: RunningSystem) -> None:
    async with open_streams(system.base_url, f"/ws/{listen_key_of(http, trader)}?resume={resume}") as socket:
        await asyncio.wait_for(socket.connection.wait_closed(), 30)
        assert socket.connection.close_code == 1008
        assert socket.connection.close_reason == "Data sent for parameter 'resume' is not valid."


async def test_without_redis_there_are_none(
    trader: Trader, http: httpx.Client, system: RunningSystem, tmp_path: Path
) -> None:
    listen_key = listen_key_of(http, trader)
    nowhere = {"CROSSBOOK_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with trading_process(system, tmp_path / "out", nowhere) as base_url, client(base_url) as alone:
        unavailable = (503, -1001, "Internal error; unable to process your request. Please try again.")
        assert error_of(ask(alone, "POST", trader)) == unavailable
        assert error_of(ask(alone, "PUT", trader, listenKey=listen_key)) == unavailable
        assert error_of(ask(alone, "DELETE", trader, listenKey=listen_key)) == unavailable
        async with open_streams(base_url, f"/ws/{listen_key}") as socket:
            await asyncio.wait_for(socket.connection.wait_closed(), 30)
            assert socket.connection.close_code == 1013


async def test_they_can_be_switched_off(
    trader: Trader, http: httpx.Client, system: RunningSystem, tmp_path: Path
) -> None:
    listen_key = listen_key_of(http, trader)
    off = {"CROSSBOOK_LISTEN_KEYS": "false"}
    with trading_process(system, tmp_path / "out", off) as base_url, client(base_url) as other:
        assert error_of(ask(other, "POST", trader))[:2] == (404, -1000)
        async with open_streams(base_url, f"/ws/{listen_key}") as socket, following(base_url, trader) as follower:
            await place(trader)
            await follower.take(2)
            assert await socket.ask("LIST_SUBSCRIPTIONS") == [listen_key]
            assert socket.events == []
