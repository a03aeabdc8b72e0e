"""A small client of the public API: what the liquidity bot needs and no more."""

import hashlib
import hmac
import time
from typing import Any, Final
from urllib.parse import urlencode

import httpx

TIMEOUT_S: Final = 10.0


class Unavailable(Exception):
    """No usable answer; whether the request was carried out is unknown. The server may ask for a pause."""

    def __init__(self, reason: str, retry_after_s: float = 0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Rejected(Exception):
    """The exchange said no, and why."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class PublicClient:
    """Signs requests with one API key, if it has one."""

    def __init__(self, base_url: str, api_key: str = "", secret_key: str = "") -> None:
        headers = {"X-MBX-APIKEY": api_key} if api_key else {}
        self._secret_key = secret_key.encode()
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def public(self, path: str, **parameters: str) -> Any:
        return self._send("GET", path, urlencode(parameters))

    def signed(self, method: str, path: str, **parameters: str) -> Any:
        query = urlencode({**parameters, "timestamp": str(time.time_ns() // 1_000_000)})
        signature = hmac.new(self._secret_key, query.encode(), hashlib.sha256).hexdigest()
        return self._send(method, path, f"{query}&signature={signature}")

    def _send(self, method: str, path: str, query: str) -> Any:
        try:
            response = self._http.request(method, f"{path}?{query}")
        except httpx.HTTPError as error:
            raise Unavailable(type(error).__name__) from error
        if response.status_code == httpx.codes.OK:
            return response.json()
        busy = response.status_code in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.IM_A_TEAPOT}
        if busy or response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            wait = response.headers.get("Retry-After", "0")
            raise Unavailable(f"HTTP {response.status_code}", float(wait) if wait.isdigit() else 0)
        try:
            reason = response.json()
            raise Rejected(reason["code"], reason["msg"])
        except (ValueError, KeyError):
            raise Unavailable(f"HTTP {response.status_code} without a reason") from None
