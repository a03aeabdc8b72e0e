"""A session from login to its end, and what happens when a refresh token is used twice."""

import asyncio
import json
import time
from hashlib import sha256

import httpx
import pytest
from jose import jws
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from services.auth.settings import AuthSettings
from services.infra.postgres import Connection
from services.infra.sealing import Seal
from services.infra.tokens import AUTH_CHANGED_CHANNEL, TokenSigner, TokenVerifier

from .conftest import PASSWORD, Join, Member, Serve


async def _refresh(client: httpx.AsyncClient, refresh_token: str) -> httpx.Response:
    return await client.post("/auth/v1/refresh", json={"refreshToken": refresh_token})


async def _is_live(client: httpx.AsyncClient, internal: dict[str, str], session_id: str) -> bool:
    return (await client.get(f"/internal/sessions/{session_id}", headers=internal)).status_code == 200


async def _session_id(client: httpx.AsyncClient, access_token: str) -> str:
    jwks = (await client.get("/.well-known/jwks.json")).json()
    return TokenVerifier(jwks).verify(access_token).session_id


async def _next_change(subscription: PubSub) -> str:
    async with asyncio.timeout(5):
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
            if message is not None:
                text: str = message["data"].decode()
                return text


async def test_a_refresh_token_brings_a_new_pair_of_the_same_session(client: httpx.AsyncClient, join: Join) -> None:
    ada = await join("ada@example.com")
    refreshed = await _refresh(client, ada.refresh_token)
    assert refreshed.status_code == 200
    tokens = refreshed.json()
    assert tokens["refreshToken"] != ada.refresh_token
    assert await _session_id(client, tokens["accessToken"]) == await _session_id(client, ada.access_token)
    assert (await _refresh(client, tokens["refreshToken"])).status_code == 200


async def test_reuse_ends_the_whole_family_and_nothing_else(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], redis_url: str
) -> None:
    ada = await join("ada@example.com")
    elsewhere = (await client.post("/auth/v1/login", json={"email": ada.email, "password": PASSWORD})).json()
    second = (await _refresh(client, ada.refresh_token)).json()
    third = (await _refresh(client, second["refreshToken"])).json()
    session_id = await _session_id(client, ada.access_token)

    async with Redis.from_url(redis_url) as redis, redis.pubsub() as subscription:
        await subscription.subscribe(AUTH_CHANGED_CHANNEL)
        reused = await _refresh(client, ada.refresh_token)
        assert await _next_change(subscription) == f"session:{session_id}"

    assert (reused.status_code, reused.json()["code"]) == (401, "invalid_refresh_token")
    for refresh_token in (ada.refresh_token, second["refreshToken"], third["refreshToken"]):
        assert (await _refresh(client, refresh_token)).status_code == 401
    for access_token in (ada.access_token, third["accessToken"]):
        answer = await client.get("/auth/v1/account", headers={"Authorization": f"Bearer {access_token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_access_token")
    assert not await _is_live(client, internal, session_id)
    assert (await _refresh(client, elsewhere["refreshToken"])).status_code == 200


async def test_two_uses_at_once_never_both_succeed(client: httpx.AsyncClient, join: Join) -> None:
    ada = await join("ada@example.com")
    answers = await asyncio.gather(*(_refresh(client, ada.refresh_token) for _ in range(6)))
    accepted = [answer for answer in answers if answer.status_code == 200]
    assert len(accepted) == 1
    assert {answer.status_code for answer in answers} == {200, 401}
    # The copies ended the session, so what the one use brought is worth nothing.
    assert (await _refresh(client, accepted[0].json()["refreshToken"])).status_code == 401


async def test_a_refresh_waits_for_an_end_that_is_under_way(
    client: httpx.AsyncClient, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    async with database.transaction():
        await database.execute("UPDATE auth.sessions SET ended_at = now()")
        refreshing = asyncio.create_task(_refresh(client, ada.refresh_token))
        done, _ = await asyncio.wait([refreshing], timeout=0.3)
        assert not done
    assert (await refreshing).status_code == 401
    assert await database.fetchval("SELECT count(*) FROM auth.refresh_tokens") == 1


async def test_logout_ends_the_session_and_announces_it(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], redis_url: str
) -> None:
    ada = await join("ada@example.com")
    session_id = await _session_id(client, ada.access_token)
    live = await client.get(f"/internal/sessions/{session_id}", headers=internal)
    assert (live.status_code, live.json()) == (200, {"accountId": ada.account_id})

    async with Redis.from_url(redis_url) as redis, redis.pubsub() as subscription:
        await subscription.subscribe(AUTH_CHANGED_CHANNEL)
        logout = await client.post("/auth/v1/logout", headers=ada.bearer)
        assert (logout.status_code, logout.content) == (204, b"")
        assert await _next_change(subscription) == f"session:{session_id}"

    assert not await _is_live(client, internal, session_id)
    assert (await _refresh(client, ada.refresh_token)).status_code == 401
    assert (await client.post("/auth/v1/logout", headers=ada.bearer)).status_code == 401


async def test_an_expired_session_is_over(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], database: Connection
) -> None:
    ada = await join("ada@example.com")
    session_id = await _session_id(client, ada.access_token)
    await database.execute("UPDATE auth.sessions SET created_at = now() - interval '2 s', expires_at = now()")
    assert not await _is_live(client, internal, session_id)
    assert (await _refresh(client, ada.refresh_token)).status_code == 401
    assert (await client.get("/auth/v1/account", headers=ada.bearer)).status_code == 401


async def test_refresh_tokens_are_stored_as_digests_only(
    client: httpx.AsyncClient, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    stored = [row["token_hash"] for row in await database.fetch("SELECT token_hash FROM auth.refresh_tokens")]
    assert stored == [sha256(ada.refresh_token.encode()).digest()]


async def test_the_newest_sessions_stay_up_to_the_limit(serve: Serve, settings: AuthSettings) -> None:
    ada = {"email": "ada@example.com", "password": PASSWORD}
    async with serve(settings.model_copy(update={"max_sessions_per_account": 2})) as client:
        await client.post("/auth/v1/register", json=ada)
        logins = [(await client.post("/auth/v1/login", json=ada)).json() for _ in range(3)]
        statuses = [(await _refresh(client, login["refreshToken"])).status_code for login in logins]
    assert statuses == [401, 200, 200]


async def test_a_session_can_be_refreshed_so_often(
    serve: Serve, settings: AuthSettings, internal: dict[str, str]
) -> None:
    ada = {"email": "ada@example.com", "password": PASSWORD}
    async with serve(settings.model_copy(update={"max_refreshes_per_session": 1})) as client:
        await client.post("/auth/v1/register", json=ada)
        first = (await client.post("/auth/v1/login", json=ada)).json()
        second = (await _refresh(client, first["refreshToken"])).json()
        assert (await _refresh(client, second["refreshToken"])).status_code == 401
        assert not await _is_live(client, internal, await _session_id(client, first["accessToken"]))


async def test_unknown_refresh_tokens(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for token in ("x", "\x00", "\ud800", "\U0001f511", "0" * 128):
        with subtests.test(token=ascii(token)):
            content = json.dumps({"refreshToken": token})
            headers = {"Content-Type": "application/json"}
            answer = await client.post("/auth/v1/refresh", content=content, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")


async def test_unknown_sessions(client: httpx.AsyncClient, internal: dict[str, str], subtests: pytest.Subtests) -> None:
    for session_id in ("", "1", "%00", "00000000-0000-0000-0000-000000000000", "%F0%9F%94%91", "a" * 200):
        with subtests.test(session_id=session_id):
            assert (await client.get(f"/internal/sessions/{session_id}", headers=internal)).status_code == 404


async def test_a_session_has_one_spelling(client: httpx.AsyncClient, join: Join, internal: dict[str, str]) -> None:
    session_id = await _session_id(client, (await join("ada@example.com")).access_token)
    assert await _is_live(client, internal, session_id)
    assert not await _is_live(client, internal, session_id.replace("-", ""))
    assert not await _is_live(client, internal, f"{{{session_id}}}")


async def test_forged_bearers_are_refused(client: httpx.AsyncClient, join: Join, settings: AuthSettings) -> None:
    ada = await join("ada@example.com")
    for header in await _forgeries(client, ada, settings):
        answer = await client.get("/auth/v1/account", headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_access_token"), header
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def _forgeries(client: httpx.AsyncClient, ada: Member, settings: AuthSettings) -> list[str]:
    key = (await client.get("/.well-known/jwks.json")).json()["keys"][0]
    header, payload, _ = ada.access_token.split(".")
    hmac_signed = jws.sign(
        {"sub": "1", "exp": int(time.time()) + 60},
        json.dumps(key),
        headers={"kid": key["kid"], "typ": "at+jwt"},
        algorithm="HS256",
    )
    return [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        f"Basic {ada.access_token}",
        f"Bearer {hmac_signed}",
        f"Bearer {header}.{payload}.",
        f"Bearer {ada.refresh_token}",
        f"Bearer {settings.internal_token.get_secret_value()}",
    ]


async def test_a_token_of_another_account_does_not_open_a_session(
    client: httpx.AsyncClient, join: Join, settings: AuthSettings, database: Connection
) -> None:
    """A bug elsewhere that signed the wrong pair would still not let one account act in another's session."""
    ada, eve = await join("ada@example.com"), await join("eve@example.com")
    row = await database.fetchrow("SELECT key_id, private_key_sealed FROM auth.signing_keys")
    assert row is not None
    pem = Seal(settings.encryption_key_bytes()).open(row["private_key_sealed"], belongs_to=row["key_id"])
    crossed = TokenSigner(row["key_id"], pem).issue(
        eve.account_id, await _session_id(client, ada.access_token), now_s=int(time.time()), lifetime_s=60
    )
    answer = await client.get("/auth/v1/account", headers={"Authorization": f"Bearer {crossed}"})
    assert answer.status_code == 401
