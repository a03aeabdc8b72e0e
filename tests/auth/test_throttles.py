"""Guessing passwords: how often, from where, and that it locks nobody out but those who guess."""

import asyncio

import httpx
import pytest

from services.auth import housekeeping, throttles
from services.auth.settings import AuthSettings
from services.auth.throttles import Throttle
from services.infra.postgres import Connection

from .conftest import PASSWORD, Join, Serve
from .mailbox import Mailbox

LIMIT = 4
PROXY = "127.0.0.1/32"


@pytest.fixture
def few(settings: AuthSettings) -> AuthSettings:
    """Behind a proxy, so that requests come from wherever a test says."""
    told = {
        **settings.model_dump(),
        "max_failed_logins_per_account": LIMIT,
        "max_failed_logins_per_address": 3 * LIMIT,
        "trusted_proxies": PROXY,
    }
    return AuthSettings.model_validate(told)


async def _log_in(
    client: httpx.AsyncClient, email: str, password: str, address: str = "203.0.113.1", **more: str
) -> httpx.Response:
    body = {"email": email, "password": password} | more
    return await client.post("/auth/v1/login", json=body, headers={"X-Forwarded-For": address})


async def test_an_account_takes_so_many_guesses_however_many_come_at_once(
    serve: Serve, few: AuthSettings, join: Join
) -> None:
    ada = await join("ada@example.com")
    async with serve(few) as client:
        guesses = [_log_in(client, ada.email, f"guess number {number}", f"203.0.113.{number}") for number in range(12)]
        statuses = sorted(answer.status_code for answer in await asyncio.gather(*guesses))
        assert statuses == [401] * LIMIT + [429] * (12 - LIMIT)
        # From anywhere, even with the right password: an answer would tell it.
        right = await _log_in(client, ada.email, PASSWORD, "198.51.100.7")
        assert (right.status_code, right.json()["code"]) == (429, "too_many_attempts")
        assert 0 < int(right.headers["Retry-After"]) <= few.throttle_window_s
        mailbox = Mailbox(client, few)
        assert len(await mailbox.all("ACCOUNT_LOCKED")) == 1


async def test_an_unknown_address_is_no_different(serve: Serve, few: AuthSettings, join: Join) -> None:
    ada = await join("ada@example.com")
    async with serve(few) as client:
        answers: dict[str, list[tuple[int, str]]] = {}
        for email in (ada.email, "nobody@example.com"):
            for number in range(LIMIT + 2):
                answer = await _log_in(client, email, "a wrong guess", f"203.0.113.{number}")
                answers.setdefault(email, []).append((answer.status_code, answer.json()["code"]))
        assert answers[ada.email] == answers["nobody@example.com"]


async def test_the_owner_is_not_locked_out_where_they_were_before(serve: Serve, few: AuthSettings, join: Join) -> None:
    ada, eve = await join("ada@example.com"), await join("eve@example.com")
    async with serve(few) as client:
        for _ in range(LIMIT + 1):
            await _log_in(client, ada.email, "a wrong guess")
        assert (await _log_in(client, ada.email, PASSWORD)).status_code == 429
        # Somebody else's device, and a made-up one, are strangers to this account.
        for strange in (eve.device_token, "made up"):
            answer = await _log_in(client, ada.email, PASSWORD, deviceToken=strange)
            assert answer.status_code == 429
        known = await _log_in(client, ada.email, PASSWORD, deviceToken=ada.device_token)
        assert known.status_code == 200
        assert "deviceToken" not in known.json()


async def test_a_stolen_device_token_gives_no_more_guesses_than_a_stranger_has(
    serve: Serve, few: AuthSettings, join: Join
) -> None:
    ada = await join("ada@example.com")
    async with serve(few) as client:
        guesses = [
            await _log_in(client, ada.email, "a wrong guess", deviceToken=ada.device_token) for _ in range(LIMIT + 1)
        ]
        assert [answer.status_code for answer in guesses] == [401] * LIMIT + [429]
        # Its owner still gets in as anyone on a new device does.
        assert (await _log_in(client, ada.email, PASSWORD)).status_code == 200


async def test_a_reset_gets_around_a_lock_and_forgets_devices(serve: Serve, few: AuthSettings, join: Join) -> None:
    ada = await join("ada@example.com")
    async with serve(few) as client:
        mailbox = Mailbox(client, few)
        for _ in range(LIMIT + 1):
            await _log_in(client, ada.email, "a wrong guess")
        await client.post("/auth/v1/password/forgot", json={"email": ada.email})
        body = {"token": await mailbox.token("RESET_PASSWORD"), "password": "an entirely new password"}
        assert (await client.post("/auth/v1/password/reset", json=body)).status_code == 204
        assert (await _log_in(client, ada.email, body["password"])).status_code == 200
        for _ in range(LIMIT):
            await _log_in(client, ada.email, "a wrong guess")
        blocked = await _log_in(client, ada.email, body["password"], deviceToken=ada.device_token)
        assert blocked.status_code == 429


async def test_one_address_guesses_so_often_at_all_accounts_together(
    serve: Serve, few: AuthSettings, join: Join
) -> None:
    ada = await join("ada@example.com")
    async with serve(few) as client:
        # Of IPv6, addresses of one network count together.
        for number in range(3 * LIMIT):
            answer = await _log_in(client, f"m{number}@example.com", "a wrong guess", f"2001:db8:1:2::{number:x}")
            assert answer.status_code == 401
        assert (await _log_in(client, ada.email, PASSWORD, "2001:db8:1:2::ffff")).status_code == 429
        assert (await _log_in(client, ada.email, PASSWORD, "2001:db8:1:3::1")).status_code == 200


async def test_honest_logins_do_not_count(serve: Serve, few: AuthSettings, join: Join) -> None:
    ada = await join("ada@example.com")
    async with serve(few) as client:
        for _ in range(4 * LIMIT):
            assert (await _log_in(client, ada.email, PASSWORD)).status_code == 200


async def test_nobody_is_believed_to_be_a_proxy(serve: Serve, few: AuthSettings, join: Join) -> None:
    """Without a trusted proxy the header is a client's own words."""
    ada = await join("ada@example.com")
    alone = few.model_copy(update={"trusted_proxies": (), "max_failed_logins_per_address": 2})
    async with serve(alone) as client:
        answers = [await _log_in(client, ada.email, "a wrong guess", f"203.0.113.{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_a_window_ends_however_often_one_knocks(database: Connection) -> None:
    throttle = Throttle("test", "ada", 1, 900)
    assert (await throttles.take(database, throttle)).retry_after_s == 0  # type: ignore[arg-type]
    ends_at = await database.fetchval("SELECT ends_at FROM auth.throttles")
    for _ in range(3):
        assert (await throttles.take(database, throttle)).retry_after_s > 0  # type: ignore[arg-type]
    assert await database.fetchval("SELECT ends_at FROM auth.throttles") == ends_at
    await database.execute("UPDATE auth.throttles SET ends_at = now()")
    assert (await throttles.take(database, throttle)).retry_after_s == 0  # type: ignore[arg-type]


async def test_what_is_counted_can_neither_be_read_nor_piles_up(
    serve: Serve, few: AuthSettings, database: Connection
) -> None:
    async with serve(few) as client:
        await _log_in(client, "ada@example.com", "a wrong guess")
        rows = [row[0] for row in await database.fetch("SELECT t::text FROM auth.throttles t")]
        assert rows
        assert not [row for row in rows if "ada" in row or "203.0.113" in row]
        await database.execute("UPDATE auth.throttles SET ends_at = now() - interval '1 s'")
        await client.post("/auth/v1/register", json={"email": "eve@example.com", "password": PASSWORD})
        await database.execute("UPDATE auth.mail_tokens SET expires_at = now()")
        await database.execute("UPDATE auth.notices SET occurred_at = now() - interval '31 days'")
        app = getattr(client._transport, "app")  # noqa: B009
        await housekeeping.tidy(app.state.resources.pool)
    counts = [await database.fetchval(f"SELECT count(*) FROM auth.{name}") for name in ("mail_tokens", "notices")]
    assert counts == [0, 0]
    assert await database.fetchval("SELECT count(*) FROM auth.throttles WHERE ends_at <= now()") == 0
