"""A connection to the WebSocket API, for tests: asks, signs, and hands out what nobody asked for.

Every reply is held against what all replies have in common, and a successful one against the schema of its REST twin.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn, Protocol

import jsonschema_rs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from services.trading.websocket_api.methods import METHODS
from tests.api.trader import now_ms, sign

TIMEOUT_S = 30.0
PATH = "/ws-api/v3"

Json = dict[str, Any]
Sign = Callable[[str], str]

_RESULTS = {name: jsonschema_rs.validator_for(endpoint.answer) for name, endpoint in METHODS.items()}
_OTHER_FIELDS = {"id", "status", "rateLimits"}


class ApiSocket:
    """``ask`` returns a whole reply, ``call`` the result of a success; ``pushed`` has what came without being asked."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.pushed: asyncio.Queue[Json] = asyncio.Queue()
        self.received: list[Json] = []
        self._ids = itertools.count(1)
        self._asked: dict[object, tuple[str, asyncio.Future[Json]]] = {}

    async def ask(self, method: str, parameters: Mapping[str, object] | None = None) -> Json:
        return await self.begin(method, parameters)

    def begin(self, method: str, parameters: Mapping[str, object] | None = None) -> asyncio.Task[Json]:
        """Ask, and go on without the reply."""
        return asyncio.create_task(self._ask(method, parameters))

    async def call(self, method: str, **parameters: object) -> Any:
        return succeeded(await self.ask(method, parameters))

    async def say(self, message: str | bytes) -> None:
        """Whatever it is; the reply will be among what was pushed, unless its id was asked for."""
        await self.connection.send(message)

    async def next_pushed(self) -> Json:
        async with asyncio.timeout(TIMEOUT_S):
            return await self.pushed.get()

    async def next_of(self, message: str | bytes) -> Json:
        await self.say(message)
        return await self.next_pushed()

    async def _ask(self, method: str, parameters: Mapping[str, object] | None) -> Json:
        request_id = next(self._ids)
        reply: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._asked[request_id] = (method, reply)
        request = {"id": request_id, "method": method}
        await self.connection.send(json.dumps(request if parameters is None else request | {"params": parameters}))
        async with asyncio.timeout(TIMEOUT_S):
            return await reply

    async def receive(self) -> None:
        try:
            async for message in self.connection:
                assert isinstance(message, str), "replies are text"
                content = json.loads(message, parse_float=_no_floats, parse_constant=_no_floats)
                self.received.append(content)
                method, reply = self._asked.pop(content.get("id"), ("", None))
                if reply is None:
                    self.pushed.put_nowait(content)
                else:
                    reply.set_result(content)
                    _check(method.removeprefix("v3/"), content)
        except ConnectionClosed:
            pass
        for _, reply in self._asked.values():
            reply.set_exception(ConnectionError("the server closed the connection"))


def _check(method: str, reply: Json) -> None:
    kind = "result" if reply["status"] == 200 else "error"
    assert set(reply) <= {kind} | _OTHER_FIELDS, reply
    if kind == "error":
        assert {"code", "msg"} <= set(reply["error"]) <= {"code", "msg", "data"}, reply
    elif method in _RESULTS:
        _RESULTS[method].validate(reply["result"])


@asynccontextmanager
async def open_socket(base_url: str, query: str = "", **options: Any) -> AsyncIterator[ApiSocket]:
    url = base_url.replace("http", "ws", 1) + PATH + query
    async with connect(url, proxy=None, **options) as connection:
        socket = ApiSocket(connection)
        receiving = asyncio.create_task(socket.receive())
        yield socket
        await connection.close()
        await receiving


class Signer:
    """Adds what makes a request signed. Values are signed as they will be written in JSON."""

    def __init__(self, api_key: str, sign_payload: Sign) -> None:
        self.api_key = api_key
        self.sign_payload = sign_payload

    def __call__(self, **parameters: object) -> Json:
        stamped = {"apiKey": self.api_key, "timestamp": now_ms(), **parameters}
        return stamped | {"signature": self.sign_payload(payload_of(stamped))}


def payload_of(parameters: Mapping[str, object]) -> str:
    return "&".join(f"{name}={_written(value)}" for name, value in sorted(parameters.items()))


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class HasSecret(Protocol):
    """A trader, or an account as it was made."""

    api_key: str
    secret_key: str


def signer_of(account: HasSecret) -> Signer:
    return Signer(account.api_key, lambda payload: sign(account.secret_key, payload))


def ed25519_signer(api_key: str, key: Ed25519PrivateKey) -> Signer:
    return Signer(api_key, lambda payload: base64.b64encode(key.sign(payload.encode())).decode())


def succeeded(reply: Json) -> Any:
    assert reply["status"] == 200, reply
    return reply["result"]


def error_of(reply: Json) -> tuple[int, int, str]:
    """Status, code and message."""
    return reply["status"], reply["error"]["code"], reply["error"]["msg"]


def _no_floats(text: str) -> NoReturn:
    raise AssertionError(f"{text} in a reply; amounts are strings")
