"""The routes for Crossbook's own services: closed without the credential, and accounts made by an operator."""

import itertools

import httpx
import pytest

from services.auth.settings import AuthSettings
from services.infra.postgres import Connection

from .conftest import PASSWORD, Join


async def test_the_credential_is_required(
    client: httpx.AsyncClient, settings: AuthSettings, join: Join, subtests: pytest.Subtests
) -> None:
    ada = await join("ada@example.com")
    token = settings.internal_token.get_secret_value()
    document = (await client.get("/auth/v1/openapi.json")).json()
    routes = [
        (method.upper(), path.replace("{accountId}", str(ada.account_id)))
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/internal/")
    ]
    assert len(routes) > 5
    shown = ["", "Bearer", "Bearer ", f"Bearer {token}x", f"Bearer {token[:-1]}", token, ada.access_token, "\xe9"]
    for (method, path), value in itertools.product(routes, shown):
        with subtests.test(method=method, path=path, value=value):
            headers = {b"Authorization": value.encode("latin-1")} if value else {}
            answer = await client.request(method, path, headers=headers, json={"permissions": "?"})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_internal_credential")


async def test_an_operator_makes_an_account_with_a_key(
    client: httpx.AsyncClient, internal: dict[str, str], database: Connection
) -> None:
    made = await client.post("/internal/accounts", json={}, headers=internal)
    assert made.status_code == 201
    account = made.json()
    assert set(account) == {"userId", "apiKey", "secretKey"}
    found = (await client.get(f"/internal/api-keys/{account['apiKey']}", headers=internal)).json()
    created_at = await database.fetchval("SELECT created_at FROM auth.api_keys")
    assert found == {
        "accountId": account["userId"],
        "kind": "HMAC",
        "secretKey": account["secretKey"],
        "permissions": ["read", "trade"],
        "ipAllowList": [],
        "createdAt": created_at.isoformat().replace("+00:00", "Z"),
    }
    row = await database.fetchrow(
        "SELECT email, password_hash, label FROM auth.users JOIN auth.api_keys USING (account_id)"
    )
    assert row is not None
    assert tuple(row) == (None, None, "default")


async def test_an_operator_chooses_label_permissions_and_address(
    client: httpx.AsyncClient, internal: dict[str, str], database: Connection
) -> None:
    body = {"email": "Maker@example.com", "label": "market maker", "permissions": ["read"]}
    made = await client.post("/internal/accounts", json=body, headers=internal)
    found = (await client.get(f"/internal/api-keys/{made.json()['apiKey']}", headers=internal)).json()
    assert found["permissions"] == ["read"]
    assert await database.fetchval("SELECT label FROM auth.api_keys") == "market maker"

    again = await client.post("/internal/accounts", json=body, headers=internal)
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    assert await database.fetchval("SELECT count(*) FROM auth.api_keys") == 1
    # Whoever registers the address is not told, and gets nothing.
    credentials = {"email": "maker@example.com", "password": PASSWORD}
    assert (await client.post("/auth/v1/register", json=credentials)).status_code == 202
    assert (await client.post("/auth/v1/login", json=credentials)).status_code == 401


async def test_many_accounts_without_an_address(client: httpx.AsyncClient, internal: dict[str, str]) -> None:
    ids = [(await client.post("/internal/accounts", json={}, headers=internal)).json()["userId"] for _ in range(3)]
    assert ids == sorted(set(ids))
