"""The control protocol of market streams over a real socket: what is asked, what is answered, what is refused."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.trading.streams.endpoint import MAX_STREAMS
from tests.running import RunningSystem
from tests.streams.stream_socket import TIMEOUT_S, open_streams

VARIANTS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
ID_WRONG = "Invalid request: request ID must be an unsigned integer"

REFUSED: list[tuple[str, int, str, object]] = [
    ("{", 3, "Invalid JSON: expected value at line 1 column 2", None),
    ("", 3, "Invalid JSON: expected value at line 1 column 1", None),
    ("\n nonsense", 3, "Invalid JSON: expected value at line 2 column 2", None),
    ("[" * 50_000, 3, "Invalid JSON: expected value at line 1 column 1", None),
    ("[1]", 2, "Invalid request: expected a JSON object", None),
    ("5", 2, "Invalid request: expected a JSON object", None),
    ('{"method":"LIST_SUBSCRIPTIONS"}', 2, ID_WRONG, None),
    ('{"method":"LIST_SUBSCRIPTIONS","id":1.5}', 2, ID_WRONG, None),
    ('{"method":"LIST_SUBSCRIPTIONS","id":true}', 2, ID_WRONG, None),
    ('{"method":"LIST_SUBSCRIPTIONS","id":[1]}', 2, ID_WRONG, None),
    ('{"method":"LIST_SUBSCRIPTIONS","id":9223372036854775808}', 2, ID_WRONG, None),
    ('{"method":"LIST_SUBSCRIPTIONS","id":"' + "a" * 37 + '"}', 2, ID_WRONG, None),
    ('{"method":"LIST_SUBSCRIPTIONS","id":"sm\\u00f6r"}', 2, ID_WRONG, None),
    ('{"id":1}', 2, "Invalid request: missing field `method` at line 1 column 8", 1),
    (
        '{"method":"subscribe","id":2}',
        2,
        f"Invalid request: unknown variant `subscribe`, expected one of {VARIANTS} at line 1 column 29",
        2,
    ),
    (
        '{"method":7,"id":2}',
        2,
        f"Invalid request: unknown variant `7`, expected one of {VARIANTS} at line 1 column 19",
        2,
    ),
    ('{"method":"SUBSCRIBE","params":"a@trade","id":3}', 2, "Invalid request: params must be an array", 3),
    ('{"method":"SUBSCRIBE","params":[1],"id":3}', 2, "Invalid request: invalid stream", 3),
    ('{"method":"SUBSCRIBE","params":["trade"],"id":3}', 2, "Invalid request: invalid stream", 3),
    ('{"method":"SUBSCRIBE","params":["a@b/c@d"],"id":3}', 2, "Invalid request: invalid stream", 3),
    ('{"method":"LIST_SUBSCRIPTIONS","params":[1],"id":4}', 2, "Invalid request: too many parameters", 4),
    ('{"method":"GET_PROPERTY","id":5}', 2, "Invalid request: property name must be a string", 5),
    ('{"method":"GET_PROPERTY","params":[5],"id":5}', 2, "Invalid request: property name must be a string", 5),
    ('{"method":"GET_PROPERTY","params":["combined",true],"id":5}', 2, "Invalid request: too many parameters", 5),
    ('{"method":"GET_PROPERTY","params":["colour"],"id":5}', 0, "Unknown property", 5),
    ('{"method":"SET_PROPERTY","params":["colour",true],"id":6}', 0, "Unknown property", 6),
    ('{"method":"SET_PROPERTY","params":["combined"],"id":6}', 1, "Invalid value type: expected Boolean", 6),
    ('{"method":"SET_PROPERTY","params":["combined","true"],"id":6}', 1, "Invalid value type: expected Boolean", 6),
    ('{"method":"SET_PROPERTY","params":["combined",1],"id":"x"}', 1, "Invalid value type: expected Boolean", "x"),
    ('{"method":"SET_PROPERTY","params":["combined",true,1],"id":6}', 2, "Invalid request: too many parameters", 6),
]


async def test_refusals(system: RunningSystem) -> None:
    """All on one connection, which none of them harms."""
    async with connect(_url(system, "/ws"), proxy=None) as connection:
        for request, code, message, request_id in REFUSED:
            await connection.send(request)
            answer = json.loads(await asyncio.wait_for(connection.recv(), TIMEOUT_S))
            assert answer == {"error": {"code": code, "msg": message}, "id": request_id}, request


@pytest.mark.parametrize("request_id", [1, 0, -(2**63), 2**63 - 1, None, "a", "0b3f4a1c-8e0a-4a43-9f58-1d5f0c6f2d11"])
async def test_ids_come_back_as_they_were(system: RunningSystem, request_id: object) -> None:
    async with connect(_url(system, "/ws"), proxy=None) as connection:
        for _ in range(2):
            await connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": request_id}))
            answer = json.loads(await asyncio.wait_for(connection.recv(), TIMEOUT_S))
            assert answer == {"result": [], "id": request_id}
            assert type(answer["id"]) is type(request_id)


async def test_subscriptions(system: RunningSystem) -> None:
    async with open_streams(system.base_url, "/ws/btcusdt@trade/0/btcusdt@trade") as socket:
        assert await socket.ask("LIST_SUBSCRIPTIONS") == ["btcusdt@trade", "0"]
        assert await socket.ask("SUBSCRIBE", "btcusdt@depth", "btcusdt@trade", "nosuch@trade") is None
        assert await socket.ask("UNSUBSCRIBE", "0", "ethusdt@trade") is None
        assert await socket.ask("LIST_SUBSCRIPTIONS") == ["btcusdt@trade", "btcusdt@depth", "nosuch@trade"]
        assert await socket.ask("SUBSCRIBE") is None
        # What is sent in another frame type is read all the same.
        await socket.connection.send(b'{"method":"UNSUBSCRIBE","params":["btcusdt@depth"],"id":"binary"}')
        assert (await socket.next_event())["id"] == "binary"
        assert await socket.ask("LIST_SUBSCRIPTIONS") == ["btcusdt@trade", "nosuch@trade"]


@pytest.mark.parametrize(
    ("path", "combined", "subscribed"),
    [
        ("/ws", False, []),
        ("/ws/", False, []),
        ("/ws/17", False, ["17"]),
        ("/ws/a@trade/b@trade", False, ["a@trade", "b@trade"]),
        ("/ws/a@kline_1d@+08:00", False, ["a@kline_1d@+08:00"]),
        ("/ws/!miniTicker@arr?timeUnit=MICROSECOND", False, ["!miniTicker@arr"]),
        ("/stream", True, []),
        ("/stream?streams=", True, []),
        ("/stream?streams=a@trade/b@trade", True, ["a@trade", "b@trade"]),
        ("/stream?streams=a@kline_1d@+08:00&timeUnit=microsecond", True, ["a@kline_1d@+08:00"]),
        ("/stream?streams=a%40trade%2Fb%40trade", True, ["a@trade", "b@trade"]),
        ("/stream/ws/0", False, ["0"]),
        ("/stream/ws", False, []),
    ],
)
async def test_addresses(system: RunningSystem, path: str, combined: bool, subscribed: list[str]) -> None:
    async with open_streams(system.base_url, path) as socket:
        assert await socket.ask("GET_PROPERTY", "combined") is combined
        assert await socket.ask("LIST_SUBSCRIPTIONS") == subscribed


async def test_a_connection_may_change_its_form(system: RunningSystem) -> None:
    def is_envelope(event: Any) -> bool:
        return set(event) == {"stream", "data"}

    async with open_streams(system.base_url, "/ws/btcusdt@bookTicker") as socket:
        bare = await socket.next_event()
        assert bare["s"] == "BTCUSDT"
        await socket.ask("SET_PROPERTY", "combined", True)
        await socket.ask("UNSUBSCRIBE", "btcusdt@bookTicker")
        await socket.ask("SUBSCRIBE", "btcusdt@bookTicker")
        assert is_envelope(await socket.next_event())
        await socket.ask("SET_PROPERTY", "combined", False)
        assert await socket.ask("GET_PROPERTY", "combined") is False
        await socket.ask("SUBSCRIBE", "ethusdt@bookTicker")
        assert not is_envelope(await socket.next_event())


async def test_times_in_microseconds(system: RunningSystem) -> None:
    digits = {}
    for unit, query in (("ms", ""), ("us", "?timeUnit=MICROSECOND")):
        async with open_streams(system.base_url, f"/ws/btcusdt@ticker{query}") as socket:
            ticker = await socket.next_event()
            digits[unit] = [len(str(ticker[field])) for field in "EOC"]
    assert digits == {"ms": [13] * 3, "us": [16] * 3}


async def test_a_wrong_time_unit_opens_nothing(system: RunningSystem) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(_url(system, "/ws?timeUnit=DAY"), proxy=None)
    assert refusal.value.response.status_code == 400
    assert json.loads(refusal.value.response.body or b"")["code"] == -1194


async def test_too_many_streams_end_the_connection(system: RunningSystem) -> None:
    names = [f"s{number}@trade" for number in range(MAX_STREAMS)]
    async with open_streams(system.base_url, "/ws") as socket:
        await socket.ask("SUBSCRIBE", *names)
        assert len(await socket.ask("LIST_SUBSCRIPTIONS")) == MAX_STREAMS
        await socket.connection.send('{"method":"SUBSCRIBE","params":["one@trade"],"id":1}')
        await asyncio.wait_for(socket.connection.wait_closed(), TIMEOUT_S)
        assert (socket.connection.close_code, socket.connection.close_reason) == (1008, "Too many streams")


async def test_a_message_that_is_too_long_ends_the_connection(system: RunningSystem) -> None:
    async with connect(_url(system, "/ws"), proxy=None) as connection:
        with pytest.raises(ConnectionClosed):
            await connection.send("x" * 70_000)
            await asyncio.wait_for(connection.recv(), TIMEOUT_S)
        assert connection.close_code == 1009


def _url(system: RunningSystem, path: str) -> str:
    return system.base_url.replace("http", "ws", 1) + path
