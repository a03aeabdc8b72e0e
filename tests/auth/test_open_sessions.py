"""What is open where, ending it, being told of new devices, and the log of all that."""

from datetime import datetime
from typing import Any

import asyncpg
import httpx
import pytest

from services.auth.settings import AuthSettings
from services.infra.postgres import Connection
from services.local.embedded import EmbeddedPostgres

from .conftest import PASSWORD, Join, Member, log_in
from .mailbox import Mailbox


async def _sessions(client: httpx.AsyncClient, member: Member) -> list[dict[str, Any]]:
    answer = await client.get("/auth/v1/sessions", headers=member.bearer)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


async def _status(client: httpx.AsyncClient, member: Member) -> int:
    return (await client.get("/auth/v1/account", headers=member.bearer)).status_code


async def test_every_open_session_is_listed_and_one_is_this(client: httpx.AsyncClient, join: Join) -> None:
    ada, _ = await join("ada@example.com"), await join("eve@example.com")
    other = await client.post(
        "/auth/v1/login", json={"email": ada.email, "password": PASSWORD}, headers={b"User-Agent": b"a \xe9 phone\x7f"}
    )
    assert other.status_code == 200
    found = await _sessions(client, ada)
    assert [session["isCurrent"] for session in found] == [False, True]
    phone, here = found
    assert (phone["userAgent"], phone["address"], phone["secondFactor"]) == ("a \u00e9 phone?", "127.0.0.1", False)
    assert here["createdAt"] == here["lastUsedAt"] < here["expiresAt"]
    await client.post("/auth/v1/refresh", json={"refreshToken": ada.refresh_token})
    here = (await _sessions(client, ada))[0]
    assert here["isCurrent"]
    assert datetime.fromisoformat(here["lastUsedAt"]) > datetime.fromisoformat(here["createdAt"])


async def test_one_is_ended_or_all_others(client: httpx.AsyncClient, join: Join, subtests: pytest.Subtests) -> None:
    ada, eve = await join("ada@example.com"), await join("eve@example.com")
    others = [await log_in(client, ada.email) for _ in range(3)]
    session_id = next(session["sessionId"] for session in await _sessions(client, others[0]) if session["isCurrent"])
    for stranger in (eve,):
        answer = await client.delete(f"/auth/v1/sessions/{session_id}", headers=stranger.bearer)
        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    assert (await client.delete(f"/auth/v1/sessions/{session_id}", headers=ada.bearer)).status_code == 204
    assert (await client.delete(f"/auth/v1/sessions/{session_id}", headers=ada.bearer)).status_code == 404
    for unknown in ("x", "%00", session_id.replace("-", ""), "00000000-0000-0000-0000-000000000000"):
        with subtests.test(unknown):
            assert (await client.delete(f"/auth/v1/sessions/{unknown}", headers=ada.bearer)).status_code == 404
    assert [await _status(client, member) for member in (ada, *others, eve)] == [200, 401, 200, 200, 200]
    assert (await client.delete("/auth/v1/sessions", headers=ada.bearer)).status_code == 204
    assert [await _status(client, member) for member in (ada, *others, eve)] == [200, 401, 401, 401, 200]
    for ended in others:
        assert (await client.post("/auth/v1/refresh", json={"refreshToken": ended.refresh_token})).status_code == 401


async def test_the_owner_hears_of_new_devices_only(client: httpx.AsyncClient, mailbox: Mailbox, join: Join) -> None:
    ada = await join("ada@example.com")
    credentials = {"email": ada.email, "password": PASSWORD}
    phone = {"User-Agent": "a phone"}

    async def heard(body: dict[str, str], headers: dict[str, str]) -> int:
        await mailbox.empty()
        assert (await client.post("/auth/v1/login", json=body, headers=headers)).status_code == 200
        return len(await mailbox.all("NEW_DEVICE_LOGIN"))

    # A program that keeps nothing is the same device as long as it comes from the same place.
    assert await heard(credentials, {}) == 0
    assert await heard(credentials, phone) == 1
    assert await heard(credentials, phone) == 0
    # The token makes a device known wherever it goes.
    assert await heard(credentials | {"deviceToken": ada.device_token}, {"User-Agent": "a new browser"}) == 0
    assert await heard(credentials | {"deviceToken": "made up"}, {"User-Agent": "another browser"}) == 1


async def test_a_stolen_refresh_token_is_told(client: httpx.AsyncClient, mailbox: Mailbox, join: Join) -> None:
    ada = await join("ada@example.com")
    for _ in range(2):
        await client.post("/auth/v1/refresh", json={"refreshToken": ada.refresh_token})
    assert len(await mailbox.all("SESSION_STOLEN")) == 1
    again = await log_in(client, ada.email)
    log = (await client.get("/auth/v1/audit", headers=again.bearer)).json()
    assert "REFRESH_TOKEN_REUSED" in [entry["action"] for entry in log]


async def test_the_log_tells_what_happened_newest_first_in_pages(client: httpx.AsyncClient, join: Join) -> None:
    ada, eve = await join("ada@example.com"), await join("eve@example.com")
    await client.post("/auth/v1/login", json={"email": ada.email, "password": "a wrong guess"})
    body = {"label": "bot", "permissions": ["read"]}
    key = (await client.post("/auth/v1/api-keys", json=body, headers=ada.bearer)).json()
    await client.patch(f"/auth/v1/api-keys/{key['apiKey']}", json={"label": "robot"}, headers=ada.bearer)
    await client.delete(f"/auth/v1/api-keys/{key['apiKey']}", headers=ada.bearer)

    async def page(member: Member, query: str = "") -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await client.get(f"/auth/v1/audit{query}", headers=member.bearer)).json()
        return entries

    log = await page(ada)
    actions = [entry["action"] for entry in log]
    assert actions == ["API_KEY_DELETED", "API_KEY_CHANGED", "API_KEY_CREATED", "LOGIN_REFUSED", "LOGIN", "REGISTERED"]
    assert (log[0]["address"], log[0]["data"]) == ("127.0.0.1", {"apiKey": key["apiKey"], "label": "robot"})
    first = await page(ada, "?limit=4")
    rest = await page(ada, f"?limit=4&before={first[-1]['auditId']}")
    assert first + rest == log
    assert [entry["action"] for entry in await page(eve)] == ["LOGIN", "REGISTERED"]
    for query in ("?limit=0", "?limit=201", "?limit=x", "?before=0", f"?before={2**63}"):
        answer = await client.get(f"/auth/v1/audit{query}", headers=ada.bearer)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_not_even_the_service_can_change_the_log(
    client: httpx.AsyncClient, join: Join, settings: AuthSettings, embedded_postgres: EmbeddedPostgres
) -> None:
    await join("ada@example.com")
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    for statement in ("UPDATE auth.audit SET action = 'x'", "DELETE FROM auth.audit", "TRUNCATE auth.audit"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert await connection.fetchval("SELECT count(*) FROM auth.audit") == 2
    await connection.close()


async def test_a_change_and_its_log_and_notice_come_together_or_not_at_all(
    client: httpx.AsyncClient, join: Join, database: Connection
) -> None:
    """With the log out of order nothing happens that it would not tell of."""
    ada = await join("ada@example.com")
    await database.execute("ALTER TABLE auth.audit ADD CONSTRAINT audit_full CHECK (action <> 'API_KEY_CREATED')")
    body = {"label": "bot", "permissions": ["read"]}
    with pytest.raises(asyncpg.CheckViolationError):
        await client.post("/auth/v1/api-keys", json=body, headers=ada.bearer)
    counts = [
        await database.fetchval("SELECT count(*) FROM auth.api_keys"),
        await database.fetchval("SELECT count(*) FROM auth.notices WHERE kind = 'API_KEY_CREATED'"),
    ]
    assert counts == [0, 0]
