"""Registering and logging in."""

import asyncio
import statistics
import time

import httpx
import pytest

from services.auth.accounts import normalise_email
from services.auth.settings import AuthSettings
from services.infra.postgres import Connection

from .conftest import PASSWORD, Join, Serve

ADA = {"email": "ada@example.com", "password": PASSWORD}


async def test_register_login_and_read_the_account(client: httpx.AsyncClient) -> None:
    registered = await client.post("/auth/v1/register", json=ADA)
    assert (registered.status_code, registered.json()) == (202, {"confirmationRequired": False})
    assert registered.headers["Cache-Control"] == "no-store"

    login = await client.post("/auth/v1/login", json=ADA)
    assert login.status_code == 200
    tokens = login.json()
    assert set(tokens) == {"accessToken", "deviceToken", "expiresInS", "refreshToken", "tokenType"}
    assert (tokens["expiresInS"], tokens["tokenType"]) == (900, "Bearer")

    account = await client.get("/auth/v1/account", headers={"Authorization": f"Bearer {tokens['accessToken']}"})
    assert account.status_code == 200
    assert account.json() == {
        "accountId": 1000,
        "email": "ada@example.com",
        "emailConfirmed": False,
        "createdAt": account.json()["createdAt"],
        "hasSecondFactor": False,
        "credentialsChangedAt": None,
        "roles": [],
    }
    assert account.json()["createdAt"].endswith("Z")


async def test_an_address_can_be_used_once_however_it_is_written(
    client: httpx.AsyncClient, database: Connection
) -> None:
    first = await client.post("/auth/v1/register", json=ADA)
    assert first.status_code == 202
    # The Kelvin sign and fullwidth letters are compatibility forms of plain ones.
    for same in ("ADA@Example.COM", " ada@example.com ", "\uff41da@example.com"):
        again = await client.post("/auth/v1/register", json=ADA | {"email": same, "password": "another one's guess"})
        assert (again.status_code, again.content) == (first.status_code, first.content)
    assert await database.fetchval("SELECT count(*) FROM auth.users") == 1
    assert (await client.post("/auth/v1/login", json=ADA | {"email": "Ada@EXAMPLE.com"})).status_code == 200


async def test_unknown_address_and_wrong_password_get_the_same_answer(client: httpx.AsyncClient) -> None:
    await client.post("/auth/v1/register", json=ADA)
    wrong = await client.post("/auth/v1/login", json=ADA | {"password": "not the password"})
    unknown = await client.post("/auth/v1/login", json=ADA | {"email": "eve@example.com"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    differing = {name for name in wrong.headers if wrong.headers[name] != unknown.headers[name]}
    assert differing <= {"x-request-id"}


async def test_unknown_address_and_wrong_password_cost_the_same_work(serve: Serve, real_costs: AuthSettings) -> None:
    async with serve(real_costs) as client:
        await client.post("/auth/v1/register", json=ADA)
        await _compare_work(client)


async def _compare_work(client: httpx.AsyncClient) -> None:

    async def median_s(email: str) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            await client.post("/auth/v1/login", json={"email": email, "password": "not the password"})
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    # Without the work done in vain the ratio is about 50; the bounds only leave room for a noisy machine.
    assert 1 / 4 < await median_s("ada@example.com") / await median_s("eve@example.com") < 4


async def test_an_account_without_a_password_cannot_log_in(client: httpx.AsyncClient, internal: dict[str, str]) -> None:
    made = await client.post("/internal/accounts", json={"email": "bot@example.com"}, headers=internal)
    assert made.status_code == 201
    login = await client.post("/auth/v1/login", json={"email": "bot@example.com", "password": PASSWORD})
    assert (login.status_code, login.json()["code"]) == (401, "invalid_credentials")


@pytest.fixture
def real_costs(settings: AuthSettings) -> AuthSettings:
    fields = AuthSettings.model_fields
    costs = {name: fields[name].default for name in ("password_passes", "password_memory_kib")}
    return settings.model_copy(update=costs)


async def test_the_password_is_stored_as_argon2id_only(
    serve: Serve, real_costs: AuthSettings, database: Connection
) -> None:
    async with serve(real_costs) as client:
        await client.post("/auth/v1/register", json=ADA)
    stored = await database.fetchval("SELECT password_hash FROM auth.users")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in stored


async def test_a_hash_with_other_costs_is_replaced_at_login(
    client: httpx.AsyncClient, serve: Serve, real_costs: AuthSettings, database: Connection
) -> None:
    await client.post("/auth/v1/register", json=ADA)
    cheap = await database.fetchval("SELECT password_hash FROM auth.users")
    assert "m=1024,t=1,p=4" in cheap
    async with serve(real_costs) as dearer:
        assert (await dearer.post("/auth/v1/login", json=ADA | {"password": "not the password"})).status_code == 401
        assert await database.fetchval("SELECT password_hash FROM auth.users") == cheap
        assert (await dearer.post("/auth/v1/login", json=ADA)).status_code == 200
        assert "m=65536,t=3,p=4" in await database.fetchval("SELECT password_hash FROM auth.users")
    assert (await client.post("/auth/v1/login", json=ADA)).status_code == 200
    assert await database.fetchval("SELECT password_hash FROM auth.users") != cheap


async def test_a_password_may_hold_anything_a_keyboard_types(client: httpx.AsyncClient) -> None:
    composed = {"email": "z@example.com", "password": "pass\u00e9word\x00\U0001f511"}
    decomposed = {"email": "z@example.com", "password": "passe\u0301word\x00\U0001f511"}
    assert (await client.post("/auth/v1/register", json=composed)).status_code == 202
    assert (await client.post("/auth/v1/login", json=decomposed)).status_code == 200
    cut_at_nul = {"email": "z@example.com", "password": "pass\u00e9word"}
    assert (await client.post("/auth/v1/login", json=cut_at_nul)).status_code == 401


@pytest.mark.parametrize("chars", [8, 128])
async def test_password_lengths_at_the_bounds(client: httpx.AsyncClient, chars: int) -> None:
    credentials = {"email": "b@example.com", "password": "\U0001f511" * chars}
    assert (await client.post("/auth/v1/register", json=credentials)).status_code == 202
    assert (await client.post("/auth/v1/login", json=credentials)).status_code == 200


async def test_more_logins_than_may_wait_are_refused_at_once(serve: Serve, real_costs: AuthSettings) -> None:
    small = real_costs.model_copy(update={"password_threads": 1, "max_waiting_passwords": 1})
    async with serve(small) as client:
        await client.post("/auth/v1/register", json=ADA)
        answers = await asyncio.gather(*(client.post("/auth/v1/login", json=ADA) for _ in range(8)))
    assert sorted({answer.status_code for answer in answers}) == [200, 503]
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.json()["code"] == "busy"
    assert refused.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Ada@Example.com", "ada@example.com"),
        (" a@b.c ", "a@b.c"),
        ("\u212aelvin@x.io", "kelvin@x.io"),
        ("JOS\u00c9@x.io", "jos\u00e9@x.io"),
        ("jose\u0301@x.io", "jos\u00e9@x.io"),
        ("a" * 248 + "@b.com", "a" * 248 + "@b.com"),
    ],
)
def test_addresses_are_normalised_once_and_for_all(written: str, stored: str) -> None:
    assert normalise_email(written) == stored
    assert normalise_email(stored) == stored


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a@b",
        "a@.",
        "a@b.",
        "@b.c",
        "a@b@c.d",
        "a b@c.d",
        "a\x00@b.c",
        "a\n@b.c",
        "a\u200b@b.c",
        "a\u202e@b.c",
        "a\ue000@b.c",
        "a" * 249 + "@b.com",
        # Eighteen characters once normalised.
        "\ufdfa" * 20 + "@b.com",
    ],
    ids=ascii,
)
def test_what_cannot_be_an_address(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        normalise_email(address)


async def test_members_are_numbered_from_1000(join: Join) -> None:
    first, second = await join("a@example.com"), await join("b@example.com")
    assert first.account_id == 1000
    assert second.account_id > first.account_id
