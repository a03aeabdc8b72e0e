"""The WebSocket API: each method once, with the answer of its REST twin beside it; messages that are no requests."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from services.trading.endpoint import Security
from services.trading.routes import ENDPOINTS
from services.trading.websocket_api.methods import METHODS
from tests.api.conftest import NewTrader
from tests.api.test_every_endpoint import CALLS, OCO, REFUSED
from tests.api.trader import Trader, exchange, now_ms
from tests.running import RunningSystem
from tests.streams.api_socket import TIMEOUT_S, ApiSocket, Signer, error_of, open_socket, signer_of, succeeded

SELL = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
READS = sorted(name for name, endpoint in METHODS.items() if endpoint.method == "GET")
WRITES = sorted(set(METHODS) - set(READS))
# What differs from one moment, or one order, to the next.
PASSING = re.compile(
    "time|serverTime|transactTime|workingTime|updateTime|transactionTime|trailingTime|closeTime|openTime|executionId|"
    "orderId|orderListId|clientOrderId|origClientOrderId|listClientOrderId|tradeId|lastUpdateId|listenKey"
)
INVALID_ID = "Invalid 'id' in JSON request; expected an integer, a string matching '^[a-zA-Z0-9-_]{1,36}$', or null."


@pytest.fixture
def maker(new_trader: NewTrader) -> Trader:
    """Has traded, has orders open, an order list among them, and prevented a match."""
    maker = new_trader(BTC="10", USDT="100000")
    order = maker.sell("1", "49000")
    new_trader(USDT="100000").buy("0.4", "49000")
    maker.put("order/amend/keepPriority", symbol="BTCUSDT", orderId=order["orderId"], newQty="0.9")
    maker.post("orderList/oco", **OCO, listClientOrderId="tied")
    maker.buy("0.1", "49000", selfTradePreventionMode="EXPIRE_TAKER")
    return maker


def calls_of(method: str, trader: Trader) -> list[dict[str, str]]:
    """The parameters that the tests of the twin use."""
    endpoint = METHODS[method]
    open_id = str(trader.get("openOrders")[0]["orderId"])
    list_id = str(trader.get("openOrderList")[0]["orderListId"])
    known = {"{open}": open_id, "{list}": list_id, "{listen key}": trader.post("userDataStream")["listenKey"]}
    return [
        {name: known.get(value, value) for name, value in parameters.items()}
        for parameters in CALLS[endpoint.method, endpoint.path]
    ]


def lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: None if PASSING.fullmatch(name) else lasting(element) for name, element in value.items()}
    return [lasting(element) for element in value] if isinstance(value, list) else value


def test_every_endpoint_of_the_api_has_a_method() -> None:
    ours = {id(endpoint) for endpoint in ENDPOINTS if endpoint.path.startswith("/api/v3/")}
    assert {id(endpoint) for endpoint in METHODS.values()} == ours
    assert len(METHODS) == len(ours)


@pytest.mark.parametrize("method", READS)
async def test_a_method_reads_what_its_twin_reads(method: str, system: RunningSystem, maker: Trader) -> None:
    endpoint = METHODS[method]
    signer = signer_of(maker) if endpoint.security is not Security.NONE else dict
    async with open_socket(system.base_url) as socket:
        for parameters in calls_of(method, maker):
            reply = await socket.ask(method, signer(**parameters))
            twin = maker.send(endpoint.method, endpoint.path, parameters)
            assert reply["status"] == twin.status_code
            assert reply["rateLimits"] == []
            content = reply["error"] if (endpoint.method, endpoint.path) in REFUSED else reply["result"]
            assert lasting(content) == lasting(twin.json())


@pytest.mark.parametrize("method", WRITES)
async def test_a_method_does_what_its_twin_does(
    method: str, system: RunningSystem, new_trader: NewTrader, maker: Trader
) -> None:
    """Once over the socket, and then for a second account in the same position over REST."""
    endpoint = METHODS[method]
    maker.cancel_everything()
    answers = []
    for twin in (False, True):
        trader = new_trader(BTC="10", USDT="100000")
        trader.sell("1", "49000")
        trader.post("orderList/oco", **OCO, listClientOrderId=f"tied-{trader.account_id}")
        parameters = calls_of(method, trader)[-1]
        if twin:
            answers.append(trader.send(endpoint.method, endpoint.path, parameters).json())
        else:
            async with open_socket(system.base_url) as socket:
                answers.append(await socket.call(method, **signer_of(trader)(**parameters)))
        trader.cancel_everything()
    assert answers[0] != [], "something was done"
    assert lasting(answers[0]) == lasting(answers[1])


async def test_values_may_be_json_or_text(system: RunningSystem, maker: Trader) -> None:
    signer = signer_of(maker)
    order = SELL | {"price": "50000.01"}
    async with open_socket(system.base_url) as socket:
        for quantity in ("0.01", 0.01):
            placed = await socket.call("order.place", **signer(**order, quantity=quantity))
            assert (placed["origQty"], placed["price"]) == ("0.01000000", "50000.01000000")
            for order_id in (placed["orderId"], str(placed["orderId"])):
                found = await socket.call("order.status", **signer(symbol="BTCUSDT", orderId=order_id))
                assert found["orderId"] == placed["orderId"]
        for symbols in (["BTCUSDT", "ETHUSDT"], '["BTCUSDT","ETHUSDT"]'):
            prices = await socket.call("ticker.price", symbols=symbols)
            assert [entry["symbol"] for entry in prices] == ["BTCUSDT", "ETHUSDT"]
        for permissions in ("SPOT", ["SPOT"], '["SPOT"]'):
            assert (await socket.call("exchangeInfo", permissions=permissions))["symbols"]
        for shown in (False, "false"):
            info = await socket.call("exchangeInfo", symbol="BTCUSDT", showPermissionSets=shown)
            assert "permissionSets" not in info["symbols"][0]
        assert await socket.call("order.test", **signer(**order, quantity="0.01", computeCommissionRates=True))
        assert await socket.call("openOrders.status", **signer(symbol=None)), "null is not sent"


async def test_amounts_are_never_floats(system: RunningSystem, maker: Trader) -> None:
    signer = signer_of(maker)
    order = SELL | {"price": "50000"}
    async with open_socket(system.base_url) as socket:
        for text, error in (
            ("1e-2", (400, -1100)),
            ("1E2", (400, -1100)),
            ("-0.01", (400, -1100)),
            ("0.010000000000000000000000001", (400, -1100)),
            ("0.010000001", (400, -1111)),
            ("99999999999999999999", (400, -1108)),
            ("true", (400, -1100)),
        ):
            stamped = {"apiKey": signer.api_key, "timestamp": now_ms(), **order, "quantity": text}
            payload = "&".join(f"{name}={value}" for name, value in sorted(stamped.items()))
            params = json.dumps(stamped | {"signature": signer.sign_payload(payload)}).replace(f'"{text}"', text)
            reply = await socket.next_of(f'{{"id":"a","method":"order.place","params":{params}}}')
            assert error_of(reply)[:2] == error, text


async def test_names_may_carry_their_version(system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        assert await socket.call("v3/ping") == {}
        assert error_of(await socket.ask("v4/ping")) == (400, -1020, "This operation is not supported.")


async def test_ids_come_back_as_they_went(system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        for request_id in ("7", "-7", "9223372036854775807", '"7"', '"a-B_9"', f'"{"x" * 36}"', "null"):
            reply = await socket.next_of(f'{{"id": {request_id} ,"method":"ping"}}')
            assert json.dumps(reply["id"]) == request_id
            assert reply == {"id": reply["id"], "status": 200, "result": {}, "rateLimits": []}
        assert (await socket.next_of('{"method":"ping"}'))["id"] is None
        for wrong in ("1.0", "1e3", "true", "[1]", "{}", '"a b"', '""', f'"{"x" * 37}"', '"\\u0061"', "1" * 20):
            reply = await socket.next_of(f'{{"id":{wrong},"method":"ping"}}')
            assert reply == {
                "id": None,
                "status": 400,
                "error": {"code": -1135, "msg": INVALID_ID},
                "rateLimits": [],
            }


MESSAGES = [
    ("", (None, -1135, "Invalid JSON Request")),
    ("hello", (None, -1135, "Invalid JSON Request")),
    ('{"id":1,"method":"ping"', (None, -1135, "Invalid JSON Request")),
    ('{"id":1,"method":"ping"}{}', (None, -1135, "Invalid JSON Request")),
    ('{"id":1,"method":"ping","params":{"a":01}}', (None, -1135, "Invalid JSON Request")),
    ("[" * 30_000, (None, -1135, "Invalid JSON Request")),
    ('{"id":1,"params":' + "[" * 30_000 + "]" * 30_000 + "}", (None, -1135, "Invalid JSON Request")),
    ('["ping"]', (None, -1135, "Invalid JSON Request")),
    ("17", (None, -1135, "Invalid JSON Request")),
    ('{"id":1}', (1, -1135, "Invalid 'method' in JSON request; expected a string.")),
    ('{"id":1,"method":17}', (1, -1135, "Invalid 'method' in JSON request; expected a string.")),
    ('{"id":1,"method":""}', (1, -1020, "This operation is not supported.")),
    ('{"id":1,"method":"order"}', (1, -1020, "This operation is not supported.")),
    ('{"id":1,"method":"sor.order.place"}', (1, -1020, "This operation is not supported.")),
    ('{"id":1,"method":"ping","params":[]}', (1, -1135, "Invalid 'params' in JSON request; expected an object.")),
    ('{"id":1,"method":"ping","params":"x"}', (1, -1135, "Invalid 'params' in JSON request; expected an object.")),
    ('{"id":1,"method":"depth","params":{"symbol":{}}}', (1, -1135, "JSON sent for parameter 'symbol' is not valid")),
    (
        '{"id":1,"method":"ticker","params":{"symbols":[1]}}',
        (1, -1135, "JSON sent for parameter 'symbols' is not valid"),
    ),
    ('{"id":1,"method":"depth","params":{"symbol":["A"]}}', (1, -1100, None)),
    ('{"id":1,"method":"depth","params":{"symbol":"\\uff11\\uff12"}}', (1, -1100, None)),
    ('{"id":1,"method":"depth","params":{"symbol":null}}', (1, -1102, None)),
    ('{"id":1,"method":"depth","params":{"symbol":""}}', (1, -1102, None)),
    ('{"id":1,"method":"depth"}', (1, -1102, None)),
    ('{"id":1,"method":"depth","params":{"symbol":"NOPE"}}', (1, -1121, "Invalid symbol.")),
    ('{"id":1,"method":"ping","params":{"a":1,"b":"2"}}', (1, -1104, None)),
    ('{"id":1,"method":"ping","params":{"returnRateLimits":"perhaps"}}', (1, -1130, None)),
    (
        '{"id":1,"method":"ping","params":{' + ",".join(f'"p{number}":1' for number in range(65)) + "}}",
        (1, -1101, "Too many parameters; expected '64' and received more."),
    ),
]


async def test_what_is_no_request_is_refused_and_the_connection_goes_on(system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        for message, (request_id, code, text) in MESSAGES:
            reply = await socket.next_of(message)
            assert (reply["id"], reply["status"], reply["error"]["code"]) == (request_id, 400, code), message
            assert text in (None, reply["error"]["msg"])
        assert (await socket.next_of(b'{"id":5,"method":"ping"}'))["id"] == 5, "a binary frame will do"
        assert await socket.call("ping") == {}


async def test_a_message_that_is_too_long_ends_the_connection(system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        await socket.say(" " * 65_537)
        await socket.connection.wait_closed()
        assert socket.connection.close_code == 1009
        assert socket.pushed.empty()


async def test_times_come_in_the_unit_of_the_url(system: RunningSystem, maker: Trader) -> None:
    for unit, digits in (("MICROSECOND", 16), ("microsecond", 16), ("MILLISECOND", 13), ("millisecond", 13)):
        async with open_socket(system.base_url, f"?timeUnit={unit}") as socket:
            assert len(str((await socket.call("time"))["serverTime"])) == digits
            orders = await socket.call("openOrders.status", **signer_of(maker)())
            assert {len(str(order["time"])) for order in orders} == {digits}
            status = await socket.call("session.status")
            assert {len(str(status[name])) for name in ("connectedSince", "serverTime")} == {digits}


async def test_a_wrong_url_is_refused(system: RunningSystem, http: httpx.Client) -> None:
    for query, code in (("?timeUnit=SECOND", -1194), ("?returnRateLimits=perhaps", -1130)):
        with pytest.raises(InvalidStatus) as caught:
            async with open_socket(system.base_url, query):
                pass
        assert caught.value.response.status_code == 400
        assert json.loads(caught.value.response.body)["code"] == code
    assert exchange(http, "GET", "/ws-api/v3").status_code == 404


async def test_limits_are_shown_unless_nobody_wants_them(system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        assert "rateLimits" in await socket.ask("ping")
        assert "rateLimits" in await socket.ask("ping", {"returnRateLimits": True})
        assert "rateLimits" not in await socket.ask("ping", {"returnRateLimits": False})
        assert "rateLimits" not in await socket.ask("ping", {"returnRateLimits": "false"})
        assert "rateLimits" not in await socket.ask("depth", {"returnRateLimits": False, "symbol": "NOPE"})
    async with open_socket(system.base_url, "?returnRateLimits=false") as socket:
        assert "rateLimits" not in await socket.ask("ping")
        assert "rateLimits" not in await socket.ask("depth")
        assert "rateLimits" in await socket.ask("ping", {"returnRateLimits": True})
        assert (await socket.call("session.status"))["returnRateLimits"] is False


async def test_a_failed_half_is_told_as_over_rest(system: RunningSystem, maker: Trader) -> None:
    signer: Signer = signer_of(maker)
    order = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1",
        "price": "51000",
    }
    async with open_socket(system.base_url) as socket:
        for mode, expected in (("STOP_ON_FAILURE", (400, -2022)), ("ALLOW_FAILURE", (409, -2021))):
            half = {**order, "cancelReplaceMode": mode, "cancelOrderId": 10**15}
            reply = await socket.ask("order.cancelReplace", signer(**half))
            twin = maker.send("POST", "order/cancelReplace", half)
            assert error_of(reply)[:2] == expected == (twin.status_code, twin.json()["code"])
            assert lasting(reply["error"]) == lasting(twin.json())


async def test_replies_may_overtake_each_other(system: RunningSystem, maker: Trader) -> None:
    signer = signer_of(maker)
    order = SELL | {"quantity": "0.01"}
    async with open_socket(system.base_url) as socket:
        asked = [socket.begin("order.place", signer(**order, price=str(60000 + number))) for number in range(40)]
        asked += [socket.begin("klines", {"symbol": "BTCUSDT", "interval": "1m"}) for _ in range(20)]
        placed = [succeeded(await reply) for reply in asked[:40]]
        assert [order["price"] for order in placed] == [f"{60000 + number}.00000000" for number in range(40)]
        assert [order["orderId"] for order in placed] == sorted(order["orderId"] for order in placed), "in their order"
        for reply in asked[40:]:
            succeeded(await reply)
        assert len(socket.received) == 60


async def test_too_many_at_once_are_refused(system: RunningSystem, maker: Trader) -> None:
    message = "Server is currently overloaded with other requests. Please try again in a few minutes."
    async with open_socket(system.base_url) as socket:
        asked = [socket.begin("allOrders", signer_of(maker)(symbol="BTCUSDT")) for _ in range(400)]
        replies = [await reply for reply in asked]
        refused = [reply for reply in replies if reply["status"] != 200]
        assert {error_of(reply) for reply in refused} == {(503, -1008, message)}
        assert 100 <= len(replies) - len(refused) < 400
        assert await socket.call("ping") == {}


async def ids(socket: ApiSocket, signer: Signer) -> set[int]:
    return {order["orderId"] for order in await socket.call("openOrders.status", **signer())}


async def test_requests_under_way_are_carried_out_when_the_connection_ends(
    system: RunningSystem, maker: Trader
) -> None:
    signer = signer_of(maker)
    order = SELL | {"quantity": "0.01"}
    async with open_socket(system.base_url) as socket, open_socket(system.base_url) as other:
        before = await ids(other, signer)
        for number in range(5):
            request = {"id": number, "method": "order.place", "params": signer(**order, price=str(61000 + number))}
            await socket.say(json.dumps(request))
        socket.connection.transport.close()
        async with asyncio.timeout(TIMEOUT_S):
            while len(await ids(other, signer)) < len(before) + 5:
                pass
