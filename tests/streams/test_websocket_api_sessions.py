"""Who may do what over a socket: signatures of every kind, sessions, keys that end while they are used, user data."""

import asyncio
import hashlib
import hmac
import itertools
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.local.internal import InternalClient
from services.trading.websocket_api.messages import read_request
from tests.api.conftest import NewTrader
from tests.api.member import PASSWORD
from tests.api.test_key_types import KEYS, PrivateKey, public_pem
from tests.api.test_key_types import sign as sign_with
from tests.api.trader import now_ms
from tests.running import RunningSystem
from tests.streams.api_socket import ApiSocket, Json, Signer, error_of, open_socket, signer_of, succeeded

MANDATORY = "Mandatory parameter '%s' was not sent, was empty/null, or malformed."
REJECTED = (401, -2015, "Invalid API-key, IP, or permissions for action.")
WRONG_SIGNATURE = (400, -1022, "Signature for this request is not valid.")
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "30000",
}
_members = itertools.count(1)

NewSocket = Callable[..., Any]


@pytest.fixture
async def new_socket(system: RunningSystem) -> AsyncIterator[NewSocket]:
    async with AsyncExitStack() as stack:

        async def opened(query: str = "") -> ApiSocket:
            return await stack.enter_async_context(open_socket(system.base_url, query))

        yield opened


@pytest.fixture
async def socket(new_socket: NewSocket) -> ApiSocket:
    connected: ApiSocket = await new_socket()
    return connected


class KeyHolder(Signer):
    """An account whose key stays with it."""

    def __init__(self, http: httpx.Client, api_key: str, account_id: int, key: PrivateKey) -> None:
        super().__init__(api_key, lambda payload: sign_with(key, payload))
        self.account_id = account_id
        self.http = http


NewHolder = Callable[..., KeyHolder]


@pytest.fixture
def new_holder(system: RunningSystem, http: httpx.Client) -> NewHolder:
    def made(key: PrivateKey, ip_allow_list: list[str] | None = None) -> KeyHolder:
        with InternalClient(system.directory, system.state) as client:
            account = client.create_account(public_key=public_pem(key), ip_allow_list=ip_allow_list)
        system.deposit(account.user_id, "USDT", "10000")
        return KeyHolder(http, account.api_key, account.user_id, key)

    return made


@pytest.fixture
def holder(new_holder: NewHolder) -> KeyHolder:
    return new_holder(KEYS["ED25519"])


class Owner:
    """Someone signed in, with an Ed25519 key of permissions and addresses that may change."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.bearer: dict[str, str] = {}
        credentials = {"email": f"socket-{next(_members)}@example.com", "password": PASSWORD}
        self.ask("POST", "register", credentials)
        self.access_token = self.ask("POST", "login", credentials)["accessToken"]
        self.bearer = {"Authorization": f"Bearer {self.access_token}"}
        self.account_id = self.ask("GET", "account")["accountId"]

    def ask(self, method: str, path: str, body: object = None) -> Json:
        answer = self.http.request(method, f"/auth/v1/{path}", json=body, headers=self.bearer)
        assert answer.is_success, answer.text
        made: Json = answer.json() if answer.content else {}
        return made

    def new_key(self, *permissions: str) -> Signer:
        key = Ed25519PrivateKey.generate()
        body = {"label": "mine", "permissions": list(permissions), "publicKey": public_pem(key)}
        return Signer(self.ask("POST", "api-keys", body)["apiKey"], lambda payload: sign_with(key, payload))


@pytest.fixture
def owner(http: httpx.Client) -> Owner:
    return Owner(http)


# Signatures


def test_the_originals_examples_of_payloads() -> None:
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    params = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "recvWindow": 100,
        "timestamp": 1645423376532,
        "apiKey": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "signature": "------ FILL ME ------",
    }
    wide = params | {
        "symbol": "\uff11\uff12\uff13\uff14\uff15\uff16",
        "side": "BUY",
        "quantity": "1.00000000",
        "price": "0.10000000",
        "recvWindow": 5000,
    }
    for example, expected in (
        (params, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (wide, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
    ):
        for ensure_ascii in (True, False):
            message = json.dumps({"id": 1, "method": "order.place", "params": example}, ensure_ascii=ensure_ascii)
            payload = next(read_request(message).payloads())
            assert hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest() == expected


@pytest.mark.parametrize("kind", KEYS)
async def test_trading_with_ones_own_key(kind: str, new_holder: NewHolder, socket: ApiSocket) -> None:
    holder = new_holder(KEYS[kind])
    placed = await socket.call("order.place", **holder(**ORDER))
    cancelled = await socket.call("order.cancel", **holder(symbol="BTCUSDT", orderId=placed["orderId"]))
    assert cancelled["status"] == "CANCELED"
    signed = holder(**ORDER)
    for wrong in (
        signed | {"price": "30001"},
        signed | {"signature": signed["signature"].swapcase()},
        signed | {"signature": "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"},
        signed | {"signature": "\N{SNOWMAN}"},
        signed | {"newClientOrderId": "more"},
        {name: value for name, value in signed.items() if name != "timeInForce"},
    ):
        assert error_of(await socket.ask("order.place", wrong)) == WRONG_SIGNATURE


async def test_an_hmac_signature_may_be_upper_case(new_trader: NewTrader, socket: ApiSocket) -> None:
    signed = signer_of(new_trader())()
    await socket.call("account.status", **signed | {"signature": signed["signature"].upper()})


async def test_values_may_be_signed_as_they_are_or_encoded(new_trader: NewTrader, socket: ApiSocket) -> None:
    """Known only to be wrong after the signature was found right: the id has characters that nobody may use."""
    trader = new_trader()
    for quoting in (str, partial(quote, safe=""), quote_plus):
        named = {"apiKey": trader.api_key, "origClientOrderId": "a b+c/\u00e9", "symbol": "BTCUSDT"}
        stamped = named | {"timestamp": str(now_ms())}
        payload = "&".join(f"{name}={quoting(value)}" for name, value in sorted(stamped.items()))
        signature = hmac.new(trader.secret_key.encode(), payload.encode(), hashlib.sha256).hexdigest()
        reply = await socket.ask("order.status", stamped | {"signature": signature})
        assert error_of(reply)[1] == -1100


async def test_what_is_missing_or_wrong_is_told_in_order(new_trader: NewTrader, socket: ApiSocket) -> None:
    trader = new_trader()
    signer = signer_of(trader)
    old, ahead = now_ms() - 6_000, now_ms() + 5_000
    for parameters, expected in (
        ({}, (400, -1102, MANDATORY % "apiKey")),
        ({"apiKey": "short"}, (401, -2014, "API-key format invalid.")),
        ({"apiKey": trader.api_key}, (400, -1102, MANDATORY % "timestamp")),
        ({"apiKey": trader.api_key, "timestamp": "now"}, (400, -1102, MANDATORY % "timestamp")),
        ({"apiKey": trader.api_key, "timestamp": now_ms()}, (400, -1102, MANDATORY % "signature")),
        (signer(timestamp=old), (400, -1021, "Timestamp for this request is outside of the recvWindow.")),
        (signer(timestamp=ahead), (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")),
        (signer(recvWindow=60_001), (400, -1131, "recvWindow must be less than 60000")),
        (signer(apiKey="A" * 64), REJECTED),
        (signer() | {"signature": "00"}, WRONG_SIGNATURE),
        (signer(limit=5), (400, -1104, "Not all sent parameters were read; read '0' parameter(s) but was sent '1'.")),
    ):
        assert error_of(await socket.ask("account.status", parameters)) == expected, parameters
    for fine in ({"recvWindow": 5000.5}, {"recvWindow": "60000"}, {"timestamp": old, "recvWindow": 30_000}):
        succeeded(await socket.ask("account.status", signer(**fine)))
    await socket.call("account.status", **signer(timestamp=now_ms() * 1000))
    await socket.call("account.status", **signer(returnRateLimits=False))


async def test_a_public_method_minds_no_signature(socket: ApiSocket) -> None:
    await socket.call("depth", symbol="BTCUSDT", apiKey="x", timestamp=1, signature="00", recvWindow="y")


async def test_permissions_are_held(owner: Owner, socket: ApiSocket) -> None:
    reader, trader = owner.new_key("read"), owner.new_key("trade")
    await socket.call("account.status", **reader())
    assert error_of(await socket.ask("order.place", reader(**ORDER))) == REJECTED
    assert error_of(await socket.ask("account.status", trader())) == REJECTED
    assert error_of(await socket.ask("order.place", trader(**ORDER)))[1] == -2010, "trusted, but poor"


async def test_an_allow_list_is_held(new_holder: NewHolder, socket: ApiSocket) -> None:
    key = KEYS["ED25519"]
    await socket.call("account.status", **new_holder(key, ["127.0.0.0/8"])())
    away = new_holder(key, ["203.0.113.0/24"])
    for method in ("account.status", "session.logon", "userDataStream.subscribe.signature"):
        assert error_of(await socket.ask(method, away())) == REJECTED
    assert error_of(await socket.ask("userDataStream.start", {"apiKey": away.api_key})) == REJECTED


async def test_an_order_whose_time_is_over_does_not_reach_the_book(
    system: RunningSystem, holder: KeyHolder, socket: ApiSocket
) -> None:
    """It is in time when it comes, and too late when the engine would begin it."""
    await socket.call("session.logon", **holder())
    system.send_signal("engine", signal.SIGSTOP)
    try:
        asked = socket.begin("order.place", {"timestamp": now_ms(), "recvWindow": 500, **ORDER})
        await asyncio.sleep(1)
    finally:
        system.send_signal("engine", signal.SIGCONT)
    assert error_of(await asked) == (400, -1021, "Timestamp for this request is outside of the recvWindow.")
    assert await socket.call("openOrders.status", timestamp=now_ms()) == []


# Sessions


async def test_the_life_of_a_session(holder: KeyHolder, socket: ApiSocket) -> None:
    before = await socket.call("session.status")
    assert (before["apiKey"], before["authorizedSince"], before["returnRateLimits"]) == (None, None, True)
    assert before["userDataStream"] is False
    assert error_of(await socket.ask("account.status", {"timestamp": now_ms()}))[1] == -1102

    on = await socket.call("session.logon", **holder())
    assert on["apiKey"] == holder.api_key
    assert on["connectedSince"] == before["connectedSince"] <= on["authorizedSince"] <= on["serverTime"]
    assert (await socket.call("session.status"))["authorizedSince"] == on["authorizedSince"]

    placed = await socket.call("order.place", timestamp=now_ms(), **ORDER)
    assert [order["orderId"] for order in await socket.call("openOrders.status", timestamp=now_ms())] == [
        placed["orderId"]
    ]
    assert error_of(await socket.ask("openOrders.status")) == (400, -1102, MANDATORY % "timestamp")
    assert error_of(await socket.ask("openOrders.status", {"timestamp": now_ms() - 6000}))[1] == -1021
    await socket.call("openOrders.cancelAll", timestamp=now_ms(), symbol="BTCUSDT", recvWindow=5000)

    off = await socket.call("session.logout")
    assert off["apiKey"] is off["authorizedSince"] is None
    assert (await socket.call("session.logout"))["apiKey"] is None, "doing nothing is no error"
    assert error_of(await socket.ask("account.status", {"timestamp": now_ms()}))[1] == -1102


async def test_a_session_is_one_connections(holder: KeyHolder, new_socket: NewSocket) -> None:
    first, second = await new_socket(), await new_socket()
    await first.call("session.logon", **holder())
    assert (await second.call("session.status"))["apiKey"] is None


@pytest.mark.parametrize("kind", ["HMAC", "RSA 2048"])
async def test_only_ed25519_keys_log_on(
    kind: str, new_holder: NewHolder, new_trader: NewTrader, socket: ApiSocket
) -> None:
    signer = signer_of(new_trader()) if kind == "HMAC" else new_holder(KEYS[kind])
    status, code, _ = error_of(await socket.ask("session.logon", signer()))
    assert (status, code) == (401, -4056)
    assert error_of(await socket.ask("session.logon", signer() | {"signature": "00"})) == WRONG_SIGNATURE
    assert (await socket.call("session.status"))["apiKey"] is None


async def test_a_request_may_be_signed_by_another_key(
    holder: KeyHolder, new_trader: NewTrader, socket: ApiSocket
) -> None:
    await socket.call("session.logon", **holder())
    other = signer_of(new_trader(BTC="3"))
    balances = (await socket.call("account.status", **other(omitZeroBalances=True)))["balances"]
    assert [balance["asset"] for balance in balances] == ["BTC"]
    unsigned = {name: value for name, value in other().items() if name != "signature"}
    assert error_of(await socket.ask("account.status", unsigned)) == (400, -1102, MANDATORY % "signature")
    balances = (await socket.call("account.status", timestamp=now_ms(), omitZeroBalances=True))["balances"]
    assert [balance["asset"] for balance in balances] == ["USDT"]


async def test_another_logon_takes_the_place_of_the_first(
    holder: KeyHolder, new_holder: NewHolder, socket: ApiSocket
) -> None:
    other = new_holder(Ed25519PrivateKey.generate())
    await socket.call("session.logon", **holder())
    again = await socket.call("session.logon", **holder())
    assert again["apiKey"] == holder.api_key
    assert (await socket.call("session.logon", **other()))["apiKey"] == other.api_key
    assert (await socket.call("account.status", timestamp=now_ms()))["uid"] == other.account_id
    assert error_of(await socket.ask("session.logon", holder() | {"signature": "00"}))[1] == -1022
    assert (await socket.call("session.status"))["apiKey"] == other.api_key, "a failed logon changes nothing"


async def test_what_follows_a_logon_finds_the_session(holder: KeyHolder, socket: ApiSocket) -> None:
    """And what went before a logout was still part of it, though the client waited for none of the replies."""
    asked = [
        socket.begin("account.status", {"timestamp": now_ms()}),
        socket.begin("session.logon", holder()),
        *(socket.begin("account.status", {"timestamp": now_ms()}) for _ in range(5)),
        socket.begin("session.logout"),
        socket.begin("account.status", {"timestamp": now_ms()}),
    ]
    statuses = [(await reply)["status"] for reply in asked]
    assert statuses == [400, 200, 200, 200, 200, 200, 200, 200, 400]


async def test_a_reader_logs_on_but_does_not_trade(owner: Owner, socket: ApiSocket) -> None:
    await socket.call("session.logon", **owner.new_key("read")())
    await socket.call("account.status", timestamp=now_ms())
    assert error_of(await socket.ask("order.place", {"timestamp": now_ms(), **ORDER})) == REJECTED
    await socket.call("account.status", timestamp=now_ms())
    assert socket.pushed.empty()


async def test_a_revoked_key_ends_the_session(owner: Owner, socket: ApiSocket) -> None:
    signer = owner.new_key("read", "trade")
    await socket.call("session.logon", **signer())
    await socket.call("userDataStream.subscribe")
    owner.ask("DELETE", f"api-keys/{signer.api_key}")
    pushed = [await socket.next_pushed(), await socket.next_pushed()]
    told = {"id": None, "status": 401, "error": {"code": REJECTED[1], "msg": REJECTED[2]}}
    assert told in pushed
    assert "eventStreamTerminated" in [message.get("event", {}).get("e") for message in pushed]
    status = await socket.call("session.status")
    assert (status["apiKey"], status["userDataStream"]) == (None, False)
    assert error_of(await socket.ask("session.logon", signer())) == REJECTED


async def test_a_key_that_may_no_longer_come_from_here_ends_the_session(owner: Owner, socket: ApiSocket) -> None:
    signer = owner.new_key("read")
    await socket.call("session.logon", **signer())
    owner.ask("PATCH", f"api-keys/{signer.api_key}", {"ipAllowList": ["127.0.0.1"]})
    await socket.call("account.status", timestamp=now_ms())
    owner.ask("PATCH", f"api-keys/{signer.api_key}", {"ipAllowList": ["203.0.113.7"]})
    assert (await socket.next_pushed())["error"]["code"] == -2015
    assert (await socket.call("session.status"))["apiKey"] is None


async def test_session_methods_read_nothing_else(holder: KeyHolder, socket: ApiSocket) -> None:
    for method in ("session.logon", "session.status", "session.logout", "session.subscriptions"):
        assert error_of(await socket.ask(method, holder(symbol="BTCUSDT")))[1] == -1104


# User data


async def test_the_reply_comes_before_the_events(holder: KeyHolder, socket: ApiSocket) -> None:
    assert error_of(await socket.ask("userDataStream.subscribe"))[:2] == (401, -1002)
    await socket.call("session.logon", **holder())
    asked = [socket.begin("userDataStream.subscribe"), socket.begin("order.place", {"timestamp": now_ms(), **ORDER})]
    assert succeeded(await asked[0])["subscriptionId"] == 0
    placed = succeeded(await asked[1])
    report = await socket.next_pushed()
    assert socket.received.index(report) > 1
    assert (report["subscriptionId"], report["event"]["e"], report["event"]["i"]) == (
        0,
        "executionReport",
        placed["orderId"],
    )
    assert (await socket.call("session.status"))["userDataStream"] is True
    assert await socket.call("session.subscriptions") == [{"subscriptionId": 0}]
    await socket.call("openOrders.cancelAll", timestamp=now_ms(), symbol="BTCUSDT")
    assert await socket.call("userDataStream.unsubscribe") == {}
    events = [message["event"]["e"] for message in socket.received if "event" in message]
    assert events[-1] == "eventStreamTerminated"
    assert await socket.call("session.subscriptions") == []


async def test_several_accounts_are_followed(holder: KeyHolder, new_trader: NewTrader, socket: ApiSocket) -> None:
    trader = new_trader(USDT="1000")
    await socket.call("session.logon", **holder())
    assert (await socket.call("userDataStream.subscribe"))["subscriptionId"] == 0
    signed = await socket.call("userDataStream.subscribe.signature", **signer_of(trader)())
    assert signed["subscriptionId"] == 1
    for again in (holder(), signer_of(trader)()):
        reply = await socket.ask("userDataStream.subscribe.signature", again)
        assert error_of(reply) == (400, -2035, "User Data Stream subscription already active.")
    trader.buy("0.01", "20000")
    assert (await socket.next_pushed())["subscriptionId"] == 1
    await socket.call("session.logout")
    assert await socket.call("session.subscriptions") == [{"subscriptionId": 1}], "what was signed for stays"
    assert error_of(await socket.ask("userDataStream.unsubscribe", {"subscriptionId": 0}))[:2] == (400, -2036)
    assert await socket.call("userDataStream.unsubscribe", subscriptionId="1") == {}
    assert (await socket.call("userDataStream.subscribe.signature", **holder()))["subscriptionId"] == 2


async def test_a_web_session_follows_its_user_data(system: RunningSystem, owner: Owner, socket: ApiSocket) -> None:
    reply = await socket.ask("userDataStream.subscribe.bearer", {"accessToken": "nonsense"})
    assert error_of(reply)[:2] == (401, -1002)
    await socket.call("userDataStream.subscribe.bearer", accessToken=owner.access_token)
    system.deposit(owner.account_id, "USDT", "5")
    # Whoever has just signed in may be told of that as well.
    while (event := (await socket.next_pushed())["event"])["e"] == "crossbookNotice":
        pass
    assert event["e"] == "balanceUpdate"
    owner.ask("POST", "logout")
    while (await socket.next_pushed())["event"]["e"] != "eventStreamTerminated":
        pass


async def test_listen_keys_over_the_socket(new_trader: NewTrader, holder: KeyHolder, socket: ApiSocket) -> None:
    trader = new_trader()
    made = await socket.call("userDataStream.start", apiKey=trader.api_key)
    listen_key = made["listenKey"]
    assert len(listen_key) == 64
    assert await socket.call("userDataStream.ping", apiKey=trader.api_key, listenKey=listen_key) == {}
    await socket.call("session.logon", **holder())
    assert (await socket.call("userDataStream.start"))["listenKey"] != listen_key, "the session's own"
    assert await socket.call("userDataStream.stop", apiKey=trader.api_key, listenKey=listen_key) == {}
    for method in ("userDataStream.ping", "userDataStream.stop"):
        reply = await socket.ask(method, {"apiKey": trader.api_key, "listenKey": listen_key})
        assert error_of(reply) == (400, -1125, "This listenKey does not exist.")
    await socket.call("session.logout")
    assert error_of(await socket.ask("userDataStream.start")) == (401, -2014, "API-key format invalid.")
