"""API keys: made, listed, deleted, looked up by other services, and never readable from the database."""

import asyncio
import re

import httpx
import pytest
from redis.asyncio import Redis

from services.auth.settings import AuthSettings
from services.infra.postgres import Connection
from services.infra.sealing import CannotOpen, Seal
from services.infra.tokens import AUTH_CHANGED_CHANNEL

from .conftest import Join, Member, Serve

BOT = {"label": "my bot", "permissions": ["trade", "read"]}


async def _create(client: httpx.AsyncClient, member: Member, **changes: object) -> httpx.Response:
    return await client.post("/auth/v1/api-keys", json=BOT | changes, headers=member.bearer)


async def test_create_list_look_up_delete(client: httpx.AsyncClient, join: Join, internal: dict[str, str]) -> None:
    ada = await join("ada@example.com")
    created = await _create(client, ada)
    assert created.status_code == 201
    assert created.headers["Cache-Control"] == "no-store"
    key = created.json()
    assert set(key) == {"apiKey", "secretKey", "label", "permissions", "kind", "ipAllowList", "createdAt"}
    assert (key["label"], key["permissions"]) == ("my bot", ["read", "trade"])
    assert re.fullmatch("[A-Za-z0-9]{64}", key["apiKey"])
    assert re.fullmatch("[A-Za-z0-9]{64}", key["secretKey"])

    listed = await client.get("/auth/v1/api-keys", headers=ada.bearer)
    shown = {name: value for name, value in key.items() if name != "secretKey"}
    assert listed.json() == [shown]

    found = await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)
    assert found.status_code == 200
    assert found.json() == {
        "accountId": ada.account_id,
        "kind": "HMAC",
        "secretKey": key["secretKey"],
        "permissions": ["read", "trade"],
        "ipAllowList": [],
        "createdAt": key["createdAt"],
    }

    deleted = await client.delete(f"/auth/v1/api-keys/{key['apiKey']}", headers=ada.bearer)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await client.get("/auth/v1/api-keys", headers=ada.bearer)).json() == []
    assert (await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)).status_code == 404
    again = await client.delete(f"/auth/v1/api-keys/{key['apiKey']}", headers=ada.bearer)
    assert (again.status_code, again.json()["code"]) == (404, "api_key_not_found")


async def test_deleting_is_announced_after_it_took_effect(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], redis_url: str
) -> None:
    ada = await join("ada@example.com")
    api_key = (await _create(client, ada)).json()["apiKey"]
    async with Redis.from_url(redis_url) as redis, redis.pubsub() as subscription:
        await subscription.subscribe(AUTH_CHANGED_CHANNEL)
        await subscription.get_message(timeout=5)
        deletion = asyncio.create_task(client.delete(f"/auth/v1/api-keys/{api_key}", headers=ada.bearer))
        message = await subscription.get_message(timeout=5)
        assert message is not None
        assert message["data"].decode() == f"api-key:{api_key}"
        assert (await client.get(f"/internal/api-keys/{api_key}", headers=internal)).status_code == 404
        await deletion


async def test_deleting_works_without_redis(serve: Serve, settings: AuthSettings, internal: dict[str, str]) -> None:
    no_redis = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1")})
    credentials = {"email": "ada@example.com", "password": "correct horse"}
    async with serve(no_redis) as client:
        await client.post("/auth/v1/register", json=credentials)
        tokens = (await client.post("/auth/v1/login", json=credentials)).json()
        bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
        api_key = (await client.post("/auth/v1/api-keys", json=BOT, headers=bearer)).json()["apiKey"]
        assert (await client.delete(f"/auth/v1/api-keys/{api_key}", headers=bearer)).status_code == 204
        assert (await client.get(f"/internal/api-keys/{api_key}", headers=internal)).status_code == 404
        assert (await client.post("/auth/v1/logout", headers=bearer)).status_code == 204


async def test_nobody_deletes_or_sees_the_keys_of_another(client: httpx.AsyncClient, join: Join) -> None:
    ada, eve = await join("ada@example.com"), await join("eve@example.com")
    api_key = (await _create(client, ada)).json()["apiKey"]
    assert (await client.delete(f"/auth/v1/api-keys/{api_key}", headers=eve.bearer)).status_code == 404
    assert (await client.get("/auth/v1/api-keys", headers=eve.bearer)).json() == []
    assert len((await client.get("/auth/v1/api-keys", headers=ada.bearer)).json()) == 1


async def test_the_limit_holds_even_for_requests_at_once(serve: Serve, settings: AuthSettings, join: Join) -> None:
    ada = await join("ada@example.com")
    async with serve(settings.model_copy(update={"max_api_keys_per_account": 3})) as client:
        answers = await asyncio.gather(*(_create(client, ada) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.json()["code"] == "too_many_api_keys"
        api_key = next(answer for answer in answers if answer.status_code == 201).json()["apiKey"]
        await client.delete(f"/auth/v1/api-keys/{api_key}", headers=ada.bearer)
        assert (await _create(client, ada)).status_code == 201


async def test_no_secret_can_be_read_from_the_database(
    client: httpx.AsyncClient, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    secret_key = (await _create(client, ada)).json()["secretKey"]
    for table in ("users", "sessions", "refresh_tokens", "api_keys", "signing_keys"):
        for row in await database.fetch(f"SELECT t::text FROM auth.{table} t"):
            for secret in (secret_key, secret_key.encode().hex(), ada.refresh_token, "correct horse", "PRIVATE KEY"):
                assert secret not in row[0]
                assert secret.encode().hex() not in row[0]


async def test_a_secret_copied_to_another_key_does_not_open(
    client: httpx.AsyncClient, join: Join, settings: AuthSettings, database: Connection
) -> None:
    ada = await join("ada@example.com")
    first, second = [(await _create(client, ada)).json() for _ in range(2)]
    sealed = await database.fetchval("SELECT secret_sealed FROM auth.api_keys WHERE api_key = $1", first["apiKey"])
    seal = Seal(settings.encryption_key_bytes())
    assert seal.open(sealed, belongs_to=first["apiKey"]) == first["secretKey"]
    with pytest.raises(CannotOpen):
        seal.open(sealed, belongs_to=second["apiKey"])
    with pytest.raises(CannotOpen):
        Seal(bytes(32)).open(sealed, belongs_to=first["apiKey"])
    for changed in (sealed[:-1] + bytes([sealed[-1] ^ 1]), b"\x02" + sealed[1:], b"\x01", b""):
        with pytest.raises(CannotOpen):
            seal.open(changed, belongs_to=first["apiKey"])
    assert seal.close("same", belongs_to="same") != seal.close("same", belongs_to="same")


async def test_unknown_keys(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], subtests: pytest.Subtests
) -> None:
    ada = await join("ada@example.com")
    for api_key in ("x", "%00", "a" * 64, "a" * 65, "%F0%9F%94%91", "%27%20OR%201=1--"):
        with subtests.test(api_key=api_key):
            answers = [
                await client.get(f"/internal/api-keys/{api_key}", headers=internal),
                await client.delete(f"/auth/v1/api-keys/{api_key}", headers=ada.bearer),
            ]
            assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
                (404, "api_key_not_found")
            ] * 2


DEFECTS: list[tuple[dict[str, object], str]] = [
    ({"permissions": []}, "permissions: List should have at least 1 item"),
    ({"permissions": ["transfer"]}, "permissions.0: Input should be 'read', 'trade' or 'withdraw'"),
    ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt: must be in the future"),
    ({"expiresAt": "2099-01-01T00:00:00"}, "expiresAt: Input should have timezone info"),
    ({"expiresAt": "soon"}, "expiresAt: Input should be a valid datetime"),
    ({"permissions": "read"}, "permissions: Input should be a valid list"),
    ({"permissions": None}, "permissions: Input should be a valid list"),
    ({"label": ""}, "label: must have 1 to 64 visible characters"),
    ({"label": " bot"}, "label: must have 1 to 64 visible characters"),
    ({"label": "bot\n"}, "label: must have 1 to 64 visible characters"),
    ({"label": "a\u200db"}, "label: must have 1 to 64 visible characters"),
    ({"label": " " * 10}, "label: must have 1 to 64 visible characters"),
    ({"label": "x" * 65}, "label: must have 1 to 64 visible characters"),
    ({"label": "a\x00b"}, "label: must have 1 to 64 visible characters"),
    ({"label": "a\u202eb"}, "label: must have 1 to 64 visible characters"),
    ({"label": 7}, "label: Input should be a valid string"),
    ({"accountId": 1}, "an unknown field: Extra inputs are not permitted"),
]


async def test_requests_that_name_what_is_wrong(
    client: httpx.AsyncClient, join: Join, subtests: pytest.Subtests
) -> None:
    ada = await join("ada@example.com")
    for changes, message in DEFECTS:
        with subtests.test(changes=changes):
            answer = await _create(client, ada, **changes)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
            assert answer.json()["message"].startswith(message)


async def test_a_label_may_be_in_any_script(client: httpx.AsyncClient, join: Join) -> None:
    created = await _create(client, await join("ada@example.com"), label="ボット № 1", permissions=["read", "read"])
    assert created.status_code == 201
    assert (created.json()["label"], created.json()["permissions"]) == ("ボット № 1", ["read"])


async def test_a_key_that_may_withdraw_has_addresses(client: httpx.AsyncClient, join: Join) -> None:
    ada = await join("ada@example.com")
    wish = {"permissions": ["withdraw", "read"]}
    refused = await _create(client, ada, **wish)
    assert (refused.status_code, refused.json()["code"]) == (400, "withdraw_needs_allow_list")
    made = await _create(client, ada, **wish, ipAllowList=["203.0.113.7"])
    assert made.json()["permissions"] == ["read", "withdraw"]
    path = f"/auth/v1/api-keys/{made.json()['apiKey']}"
    lifted = await client.patch(path, json={"ipAllowList": []}, headers=ada.bearer)
    assert (lifted.status_code, lifted.json()["code"]) == (400, "withdraw_needs_allow_list")
    (listed,) = (await client.get("/auth/v1/api-keys", headers=ada.bearer)).json()
    assert listed["ipAllowList"] == ["203.0.113.7/32"]


async def test_a_key_that_may_withdraw_takes_a_confirmed_address_where_those_count(
    serve: Serve, settings: AuthSettings, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    wish = {"permissions": ["withdraw"], "ipAllowList": ["203.0.113.7"]}
    async with serve(settings.model_copy(update={"require_confirmed_email": True})) as client:
        refused = await _create(client, ada, **wish)
        assert (refused.status_code, refused.json()["code"]) == (403, "email_not_confirmed")
        assert (await _create(client, ada)).status_code == 201
        await database.execute("UPDATE auth.users SET email_confirmed_at = now()")
        assert (await _create(client, ada, **wish)).status_code == 201


async def test_an_expired_key_is_not_found_any_more_but_listed(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], database: Connection
) -> None:
    ada = await join("ada@example.com")
    key = (await _create(client, ada, expiresAt="2099-12-31T00:00:00+01:00")).json()
    assert key["expiresAt"] == "2099-12-30T23:00:00Z"
    path = f"/internal/api-keys/{key['apiKey']}"
    assert (await client.get(path, headers=internal)).json()["expiresAt"] == key["expiresAt"]
    await database.execute("UPDATE auth.api_keys SET expires_at = now()")
    assert (await client.get(path, headers=internal)).status_code == 404
    assert len((await client.get("/auth/v1/api-keys", headers=ada.bearer)).json()) == 1


async def test_the_last_use_is_noted_now_and_then(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], database: Connection
) -> None:
    ada = await join("ada@example.com")
    key = (await _create(client, ada)).json()
    last_use = "SELECT last_used_at FROM auth.api_keys"
    assert await database.fetchval(last_use) is None
    for _ in range(2):
        await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)
    noted = await database.fetchval(last_use)
    (listed,) = (await client.get("/auth/v1/api-keys", headers=ada.bearer)).json()
    assert listed["lastUsedAt"] == noted.isoformat().replace("+00:00", "Z")
    await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)
    assert await database.fetchval(last_use) == noted
    await database.execute("UPDATE auth.api_keys SET last_used_at = now() - interval '2 min'")
    # Whoever holds the row holds nobody up.
    async with database.transaction():
        await database.execute("SELECT FROM auth.api_keys FOR UPDATE")
        assert (await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)).status_code == 200
    await client.get(f"/internal/api-keys/{key['apiKey']}", headers=internal)
    assert await database.fetchval(last_use) > noted
