"""A trader who signs requests as the dialect demands, or breaks them on purpose.

Requests are sent byte for byte as they were signed: httpx's ``target`` extension keeps it from tidying the query. Every
reply is held against the endpoint's schema and against what all replies have in common, so no test has to.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol
from urllib.parse import quote, urlencode

import httpx
import jsonschema_rs

from services.trading.routes import ENDPOINTS
from services.trading.schemas import ERROR

API_KEY_HEADER = "X-MBX-APIKEY"
FORM = "application/x-www-form-urlencoded"
API = "/api/v3/"

_ANSWERS = {(endpoint.method, endpoint.path): jsonschema_rs.validator_for(endpoint.answer) for endpoint in ENDPOINTS}
_ERROR = jsonschema_rs.validator_for(ERROR)

Pairs = Mapping[str, object] | Iterable[tuple[str, object]]


class Credentials(Protocol):
    @property
    def user_id(self) -> int: ...
    @property
    def api_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...


def sign(secret_key: str, payload: str) -> str:
    return hmac.new(secret_key.encode(), payload.encode(), hashlib.sha256).hexdigest()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def encode(parameters: Pairs) -> str:
    pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
    return urlencode([(name, str(value)) for name, value in pairs], quote_via=quote)


class Trader:
    """One account's calls. ``get``, ``post``, ``put`` and ``delete`` expect success and return what was answered."""

    def __init__(self, http: httpx.Client, account: Credentials) -> None:
        self.http = http
        self.account_id = account.user_id
        self.api_key = account.api_key
        self.secret_key = account.secret_key

    def get(self, path: str, **parameters: object) -> Any:
        return succeeded(self.send("GET", path, parameters))

    def post(self, path: str, **parameters: object) -> Any:
        return succeeded(self.send("POST", path, parameters))

    def put(self, path: str, **parameters: object) -> Any:
        return succeeded(self.send("PUT", path, parameters))

    def delete(self, path: str, **parameters: object) -> Any:
        return succeeded(self.send("DELETE", path, parameters))

    def send(
        self, method: str, path: str, parameters: Pairs = (), *, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Sign and send, all parameters in the query."""
        return self.send_raw(method, path, self.signed(encode(parameters)), headers=headers)

    def signed(self, payload: str, body: str = "", **timing: object) -> str:
        """Add timestamp and signature to a query that will be sent with ``body``."""
        timing.setdefault("timestamp", now_ms())
        payload = "&".join(filter(None, [payload, encode(timing)]))
        return f"{payload}&signature={sign(self.secret_key, payload + body)}"

    def send_raw(
        self,
        method: str,
        path: str,
        query: str = "",
        body: str | bytes | Iterable[bytes] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send exactly this query and body with the API key's header."""
        given = {API_KEY_HEADER: self.api_key} | ({} if body is None else {"Content-Type": FORM})
        return exchange(self.http, method, path, query, body, headers=given | dict(headers or {}))

    # What tests ask again and again

    def buy(self, quantity: str, price: str, *, symbol: str = "BTCUSDT", **more: object) -> Any:
        return self.limit("BUY", quantity, price, symbol=symbol, **more)

    def sell(self, quantity: str, price: str, *, symbol: str = "BTCUSDT", **more: object) -> Any:
        return self.limit("SELL", quantity, price, symbol=symbol, **more)

    def limit(self, side: str, quantity: str, price: str, *, symbol: str, **more: object) -> Any:
        order = {"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        return self.post("order", **{**order, "quantity": quantity, "price": price, **more})

    def balances(self) -> dict[str, tuple[str, str]]:
        """Asset to (free, locked), without what the account does not hold."""
        account = self.get("account", omitZeroBalances="true")
        return {balance["asset"]: (balance["free"], balance["locked"]) for balance in account["balances"]}

    def cancel_everything(self) -> None:
        for symbol in {order["symbol"] for order in self.get("openOrders")}:
            self.delete("openOrders", symbol=symbol)


def exchange(
    http: httpx.Client,
    method: str,
    path: str,
    query: str = "",
    body: str | bytes | Iterable[bytes] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """One request and its reply, checked for what holds of all. A path without a slash is one of ``/api/v3/``."""
    path = path if path.startswith("/") else API + path
    target = f"{path}?{query}" if query else path
    sent_headers = httpx.Headers(headers, encoding="latin-1")
    response = http.request(method, path, content=body, headers=sent_headers, extensions={"target": target.encode()})
    check_reply(method, path, response)
    return response


def check_reply(method: str, path: str, response: httpx.Response) -> None:
    """JSON in every case, no binary float in it, and the shape that the endpoint promises."""
    assert response.headers["Content-Type"] == "application/json", response.text
    assert response.headers["X-Request-Id"]
    content = json.loads(response.content, parse_float=_no_floats, parse_constant=_no_floats)
    validator = _ANSWERS[method, path] if response.status_code == httpx.codes.OK else _ERROR
    validator.validate(content)


def _no_floats(text: str) -> NoReturn:
    raise AssertionError(f"{text} in a reply; amounts are strings")


def succeeded(response: httpx.Response) -> Any:
    assert response.status_code == httpx.codes.OK, f"{response.status_code} {response.text}"
    return response.json()


def error_of(response: httpx.Response) -> tuple[int, int, str]:
    """HTTP status, code and message."""
    body = response.json()
    return response.status_code, body["code"], body["msg"]
