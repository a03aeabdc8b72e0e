"""Two people on the exchange that every test shares: one who is attacked, and one who attacks."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.running import RunningSystem

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


@dataclass
class Person:
    """Signed in, with everything that has an id."""

    http: httpx.Client
    email: str
    account_id: int
    access_token: str
    refresh_token: str
    ids: dict[str, str]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = self.bearer | arguments.pop("headers", {})
        return self.http.request(method, path, headers=headers, **arguments)


@pytest.fixture(scope="module")
def http(system: RunningSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.base_url, timeout=30, trust_env=False) as client:
        yield client


def join(http: httpx.Client) -> Person:
    credentials = {"email": f"abuse-{next(_numbers)}@example.com", "password": PASSWORD}
    assert http.post("/auth/v1/register", json=credentials).status_code == httpx.codes.ACCEPTED
    tokens = http.post("/auth/v1/login", json=credentials).json()
    bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
    account_id = http.get("/auth/v1/account", headers=bearer).json()["accountId"]
    key = http.post("/auth/v1/api-keys", json={"label": "mine", "permissions": ["read"]}, headers=bearer).json()
    session_id = http.get("/auth/v1/sessions", headers=bearer).json()[0]["sessionId"]
    ids = {"apiKey": key["apiKey"], "sessionId": session_id, "accountId": str(account_id)}
    return Person(http, credentials["email"], account_id, tokens["accessToken"], tokens["refreshToken"], ids)


@pytest.fixture
def ada(http: httpx.Client) -> Person:
    return join(http)


@pytest.fixture
def eve(http: httpx.Client) -> Person:
    return join(http)
