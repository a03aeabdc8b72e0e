"""Someone with a password: registers, signs in and looks after API keys through the auth service's public routes."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from services.trading.routes import ENDPOINTS
from tests.api.trader import Trader, check_reply

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Key:
    """An API key of the member's, as ``Trader`` wants it."""

    user_id: int
    api_key: str
    secret_key: str


class Member:
    """Signed in from the start."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.credentials = {"email": f"member-{next(_numbers)}@example.com", "password": PASSWORD}
        self.ask("POST", "register", self.credentials, bearer=False)
        self.access_token: str = self.ask("POST", "login", self.credentials, bearer=False)["accessToken"]
        self.account_id: int = self.ask("GET", "account")["accountId"]

    def new_trader(self, permissions: Sequence[str] = ("read", "trade")) -> Trader:
        made = self.ask("POST", "api-keys", {"label": "test", "permissions": list(permissions)})
        return Trader(self.http, Key(self.account_id, made["apiKey"], made["secretKey"]))

    def revoke(self, trader: Trader) -> None:
        self.ask("DELETE", f"api-keys/{trader.api_key}")

    def sign_out(self) -> None:
        self.ask("POST", "logout")

    def call(self, method: str, path: str, parameters: dict[str, str] | None = None) -> httpx.Response:
        """Call a trading route with the session's token and nothing signed."""
        path = path if path.startswith("/") else f"/api/v3/{path}"
        response = self.http.request(method, path, params=parameters, headers=self._bearer)
        if any((endpoint.method, endpoint.path) == (method, path) for endpoint in ENDPOINTS):
            check_reply(method, path, response)
        return response

    @property
    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    def ask(self, method: str, path: str, body: object = None, *, bearer: bool = True) -> Any:
        response = self.http.request(method, f"/auth/v1/{path}", json=body, headers=self._bearer if bearer else {})
        assert response.is_success, f"{response.status_code} {response.text}"
        return response.json() if response.content else None
