"""What other services ask about accounts, and how: who holds a token, who has which role, whether a code is right."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyotp
import pytest

from services.auth import second_factors
from services.auth.settings import AuthSettings
from services.infra.callers import Callers, CodeVerdict, NotSignedIn, TooManyCodes
from services.infra.postgres import Connection

from .conftest import Join, Serve

NOBODY = 2**62


@pytest.fixture
async def callers(client: httpx.AsyncClient, settings: AuthSettings) -> AsyncIterator[Callers]:
    """As another service has them, but without a socket in between."""
    callers = Callers(settings, "http://auth")
    await callers._client.aclose()
    callers._client = httpx.AsyncClient(transport=client._transport, headers=callers._client.headers)
    yield callers
    await callers.close()


async def test_who_holds_a_token(client: httpx.AsyncClient, callers: Callers, join: Join) -> None:
    ada = await join("ada@example.com")
    caller = await callers.introspect(ada.access_token)
    assert (caller.account_id, caller.email, caller.second_factor) == (ada.account_id, "ada@example.com", False)
    assert caller.session_id is not None
    await client.post("/auth/v1/logout", headers=ada.bearer)
    for token in (ada.access_token, ada.refresh_token, "x", "\udcff", "x" * 10_000, ""):
        with pytest.raises(NotSignedIn):
            await callers.introspect(token)


async def test_accounts_are_found_by_id_and_by_part_of_the_address(callers: Callers, join: Join) -> None:
    names = ("ada", "ada.b", "eve_%")
    members = [await join(f"{name}@example.com") for name in names]

    async def found(query: str, **page: int) -> list[int]:
        return [account.account_id for account in await callers.find_accounts(query, **page)]

    ids = [member.account_id for member in members]
    assert await found("") == ids[::-1]
    assert await found("", limit=1, before=ids[2]) == [ids[1]]
    assert await found("ADA@") == [ids[0]]
    assert await found(str(ids[1])) == [ids[1]]
    # No pattern: these stand for themselves.
    assert await found("%") == await found("_") == [ids[2]]
    for nothing in ("' OR 1=1 --", "\x00", "{{7*7}}", "\u202e"):
        assert await found(nothing) == []
    account = await callers.account(ids[0])
    assert account is not None
    assert (account.email, account.email_confirmed, account.has_second_factor) == ("ada@example.com", False, False)
    assert await callers.account(NOBODY) is None


async def test_roles_are_replaced_and_count_with_a_second_factor_only(
    client: httpx.AsyncClient, callers: Callers, join: Join, internal: dict[str, str], database: Connection
) -> None:
    ada = await join("ada@example.com")
    account = await callers.set_roles(ada.account_id, ["support", "operator", "support"])
    assert account is not None
    assert account.roles == {"support", "operator"}
    assert not (await callers.introspect(ada.access_token)).has_role("support")
    await database.execute("UPDATE auth.sessions SET second_factor = true")
    caller = await callers.introspect(ada.access_token)
    assert (caller.has_role("support"), caller.has_role("treasurer")) == (True, False)
    assert await callers.set_roles(NOBODY, []) is None
    path = f"/internal/accounts/{ada.account_id}/roles"
    for roles in (["root"], "operator", None, ["operator"] * 4):
        answer = await client.put(path, json={"roles": roles}, headers=internal)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (await callers.introspect(ada.access_token)).roles == {"support", "operator"}


async def _enrol(client: httpx.AsyncClient, account_id: int) -> tuple[pyotp.TOTP, list[str]]:
    app: Any = client._transport
    held = app.app.state.resources
    async with held.transaction() as connection:
        secret = await second_factors.enrol(connection, held.seal, account_id)
        assert secret is not None
        totp = pyotp.TOTP(secret)
        codes = await second_factors.confirm(connection, held.seal, account_id, totp.now())
    assert codes is not None
    return totp, codes


async def test_a_code_works_once(client: httpx.AsyncClient, callers: Callers, join: Join) -> None:
    ada = await join("ada@example.com")
    assert await callers.check_second_factor(ada.account_id, "123456") is CodeVerdict.NO_SECOND_FACTOR
    totp, recovery = await _enrol(client, ada.account_id)
    # The step after the one that was shown at enrolment.
    code = totp.at(int(time.time()) + 30)
    verdicts = await asyncio.gather(*(callers.check_second_factor(ada.account_id, code) for _ in range(4)))
    assert sorted(verdict is CodeVerdict.ACCEPTED for verdict in verdicts) == [False, False, False, True]
    typed = recovery[0].replace("-", " ").upper()
    assert await callers.check_second_factor(ada.account_id, typed) is CodeVerdict.ACCEPTED
    assert await callers.check_second_factor(ada.account_id, recovery[0]) is CodeVerdict.WRONG
    for wrong in ("\u0661\u0662\u0663\u0664\u0665\u0666", "\ud800", "", "x" * 100):
        assert await callers.check_second_factor(ada.account_id, wrong) is CodeVerdict.WRONG
    account = await callers.account(ada.account_id)
    assert account is not None
    assert account.has_second_factor


async def test_codes_cannot_be_guessed(
    serve: Serve, settings: AuthSettings, join: Join, internal: dict[str, str]
) -> None:
    ada = await join("ada@example.com")
    async with serve(settings.model_copy(update={"max_wrong_codes_per_account": 3})) as client:
        _, recovery = await _enrol(client, ada.account_id)
        path = f"/internal/accounts/{ada.account_id}/second-factor"

        async def ask(code: str) -> httpx.Response:
            return await client.post(path, json={"code": code}, headers=internal)

        answers = await asyncio.gather(*(ask(f"wrong-{number}") for number in range(6)))
        assert sorted(answer.status_code for answer in answers) == [403] * 3 + [429] * 3
        refused = await ask(recovery[0])
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
        assert 0 < int(refused.headers["Retry-After"]) <= settings.throttle_window_s
        callers = Callers(settings, "http://auth")
        callers._client = httpx.AsyncClient(transport=client._transport, headers=internal)
        with pytest.raises(TooManyCodes):
            await callers.check_second_factor(ada.account_id, recovery[0])
        await callers.close()


async def test_notices_stay_until_they_are_acknowledged(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str]
) -> None:
    ada = await join("ada@example.com")
    body = {"label": "bot", "permissions": ["read"]}
    key = (await client.post("/auth/v1/api-keys", json=body, headers=ada.bearer)).json()
    await client.delete(f"/auth/v1/api-keys/{key['apiKey']}", headers=ada.bearer)

    async def pending() -> list[dict[str, Any]]:
        notices: list[dict[str, Any]] = (await client.get("/internal/notices", headers=internal)).json()
        return [notice for notice in notices if notice["kind"].startswith("API_KEY")]

    created, deleted = await pending()
    assert created == {
        "noticeId": created["noticeId"],
        "accountId": ada.account_id,
        "email": "ada@example.com",
        "kind": "API_KEY_CREATED",
        "occurredAt": created["occurredAt"],
        "data": created["data"] | {"label": "bot"},
    }
    assert deleted["kind"] == "API_KEY_DELETED"
    for _ in range(2):
        done = {"noticeIds": [created["noticeId"]]}
        acknowledged = await client.post("/internal/notices/acknowledge", json=done, headers=internal)
        assert (acknowledged.status_code, await pending()) == (204, [deleted])
    assert (await client.get("/internal/notices?limit=1000", headers=internal)).status_code == 400
