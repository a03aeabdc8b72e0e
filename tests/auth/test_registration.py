"""Addresses: confirmed by mail, changed by mail, and never told apart by whoever does not read that mail."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from services.auth.registration import CONFIRMATION_LIFETIME_S
from services.auth.settings import AuthSettings
from services.infra.postgres import Connection

from .conftest import PASSWORD, Join, Serve, log_in
from .mailbox import Mailbox

ADA = {"email": "ada@example.com", "password": PASSWORD}
FIELDS_THAT_DIFFER = {"x-request-id"}


@pytest.fixture
def strict(settings: AuthSettings) -> AuthSettings:
    """As the service is by default."""
    return settings.model_copy(
        update={"require_confirmed_email": AuthSettings.model_fields["require_confirmed_email"].default}
    )


@pytest.fixture
async def site(serve: Serve, strict: AuthSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(strict) as client:
        yield client


@pytest.fixture
def mails(site: httpx.AsyncClient, strict: AuthSettings) -> Mailbox:
    return Mailbox(site, strict)


async def _log_in(client: httpx.AsyncClient, password: str = PASSWORD) -> int:
    return (await client.post("/auth/v1/login", json=ADA | {"password": password})).status_code


def _same(one: httpx.Response, other: httpx.Response) -> bool:
    headers = [
        {name: value for name, value in answer.headers.items() if name not in FIELDS_THAT_DIFFER}
        for answer in (one, other)
    ]
    return (one.status_code, one.content, headers[0]) == (other.status_code, other.content, headers[1])


async def test_an_account_works_once_its_address_is_confirmed(site: httpx.AsyncClient, mails: Mailbox) -> None:
    registered = await site.post("/auth/v1/register", json=ADA)
    assert (registered.status_code, registered.json()) == (202, {"confirmationRequired": True})
    assert await _log_in(site) == 401
    token = await mails.token("CONFIRM_EMAIL")
    assert (await mails.all())[0]["email"] == "ada@example.com"
    for wrong in ("x", token[:-1], token + "x", "\u0000"):
        answer = await site.post("/auth/v1/email/confirm", json={"token": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_mail_token")
    answers = await asyncio.gather(*(site.post("/auth/v1/email/confirm", json={"token": token}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400]
    member = await log_in(site, "ada@example.com")
    account = (await site.get("/auth/v1/account", headers=member.bearer)).json()
    assert account["emailConfirmed"]


async def test_registering_does_not_tell_which_addresses_are_known(site: httpx.AsyncClient, mails: Mailbox) -> None:
    first = await site.post("/auth/v1/register", json=ADA)
    await site.post("/auth/v1/email/confirm", json={"token": await mails.token("CONFIRM_EMAIL")})
    known = await site.post("/auth/v1/register", json=ADA | {"password": "a stranger's guess"})
    unknown = await site.post("/auth/v1/register", json=ADA | {"email": "eve@example.com"})
    assert _same(known, unknown)
    assert _same(known, first)
    # Nor does signing in with the password that was just chosen.
    tried = await site.post("/auth/v1/login", json=ADA | {"password": "a stranger's guess"})
    fresh = await site.post("/auth/v1/login", json=ADA | {"email": "eve@example.com"})
    assert _same(tried, fresh)
    notices = {notice["email"]: notice["kind"] for notice in await mails.all()}
    assert notices == {"ada@example.com": "ALREADY_REGISTERED", "eve@example.com": "CONFIRM_EMAIL"}
    assert await _log_in(site) == 200


async def test_asking_for_mails_does_not_tell_either(site: httpx.AsyncClient, mails: Mailbox) -> None:
    await site.post("/auth/v1/register", json=ADA)
    for path in ("/auth/v1/password/forgot", "/auth/v1/email/resend"):
        known = await site.post(path, json={"email": "ada@example.com"})
        unknown = await site.post(path, json={"email": "eve@example.com"})
        assert known.status_code == 202
        assert _same(known, unknown)
    assert await mails.kinds() == ["CONFIRM_EMAIL", "RESET_PASSWORD", "CONFIRM_EMAIL"]
    assert {notice["email"] for notice in await mails.all()} == {"ada@example.com"}


async def test_a_confirmation_brings_the_password_of_its_own_registration(
    site: httpx.AsyncClient, mails: Mailbox
) -> None:
    """Whoever registered somebody else's address first does not know the password of its owner's account."""
    await site.post("/auth/v1/register", json=ADA | {"password": "the squatter's choice"})
    squatters = await mails.token("CONFIRM_EMAIL")
    await site.post("/auth/v1/register", json=ADA)
    await site.post("/auth/v1/email/resend", json={"email": "ada@example.com"})
    await site.post("/auth/v1/email/confirm", json={"token": await mails.token("CONFIRM_EMAIL")})
    assert (await _log_in(site, "the squatter's choice"), await _log_in(site)) == (401, 200)
    assert (await site.post("/auth/v1/email/confirm", json={"token": squatters})).status_code == 400
    assert await _log_in(site) == 200


async def test_a_late_confirmation_changes_no_password(client: httpx.AsyncClient, mailbox: Mailbox, join: Join) -> None:
    """Where accounts work at once, they are in use by the time they are confirmed."""
    ada = await join("ada@example.com")
    change = {"currentPassword": PASSWORD, "newPassword": "another good password"}
    assert (await client.post("/auth/v1/password", json=change, headers=ada.bearer)).status_code == 204
    token = await mailbox.token("CONFIRM_EMAIL")
    assert (await client.post("/auth/v1/email/confirm", json={"token": token})).status_code == 204
    assert (await _log_in(client), await _log_in(client, "another good password")) == (401, 200)
    account = (await client.get("/auth/v1/account", headers=ada.bearer)).json()
    assert account["emailConfirmed"]


async def test_links_expire(site: httpx.AsyncClient, mails: Mailbox, database: Connection) -> None:
    await site.post("/auth/v1/register", json=ADA)
    lives_s = "SELECT extract(epoch FROM expires_at - created_at) FROM auth.mail_tokens"
    assert await database.fetchval(lives_s) == CONFIRMATION_LIFETIME_S
    await database.execute("UPDATE auth.mail_tokens SET expires_at = now()")
    token = await mails.token("CONFIRM_EMAIL")
    assert (await site.post("/auth/v1/email/confirm", json={"token": token})).status_code == 400
    await site.post("/auth/v1/email/resend", json={"email": "ada@example.com"})
    token = await mails.token("CONFIRM_EMAIL")
    assert (await site.post("/auth/v1/email/confirm", json={"token": token})).status_code == 204


async def test_no_mailbox_can_be_flooded(client: httpx.AsyncClient, mailbox: Mailbox, settings: AuthSettings) -> None:
    answers = [await client.post("/auth/v1/register", json=ADA) for _ in range(settings.max_mails_per_mailbox + 3)]
    answers += [await client.post("/auth/v1/password/forgot", json={"email": "ada@example.com"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len(await mailbox.all()) == settings.max_mails_per_mailbox


async def test_one_address_registers_and_asks_so_often(serve: Serve, settings: AuthSettings) -> None:
    few = settings.model_copy(update={"max_registrations_per_address": 2, "max_mail_requests_per_address": 2})
    async with serve(few) as client:
        for path in ("/auth/v1/register", "/auth/v1/password/forgot"):
            answers = [
                await client.post(path, json=body)
                for body in ({"email": f"m{number}@example.com"} for number in range(3))
                for body in ([ADA | body] if path.endswith("register") else [body])
            ]
            assert [answer.status_code for answer in answers] == [202, 202, 429]
            assert answers[2].json()["code"] == "too_many_attempts"
            assert 0 < int(answers[2].headers["Retry-After"]) <= 3600


async def test_another_address_once_it_is_confirmed(client: httpx.AsyncClient, mailbox: Mailbox, join: Join) -> None:
    ada = await join("ada@example.com")
    await client.post("/auth/v1/password/forgot", json={"email": ada.email})
    old_link = await mailbox.token("RESET_PASSWORD")
    await mailbox.empty()
    wish = {"email": "New@Example.com", "password": PASSWORD}
    for wrong in ({"password": "not the password"}, {"password": None}):
        refused = await client.post("/auth/v1/email", json=wish | wrong, headers=ada.bearer)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert (await client.post("/auth/v1/email", json=wish, headers=ada.bearer)).status_code == 202
    assert [notice["email"] for notice in await mailbox.all()] == ["new@example.com"]
    assert (await log_in(client, ada.email)).account_id == ada.account_id

    token = await mailbox.token("CONFIRM_EMAIL")
    assert (await client.post("/auth/v1/email/confirm", json={"token": token})).status_code == 204
    (told,) = await mailbox.all("EMAIL_CHANGED")
    assert (told["email"], told["data"]["newEmail"]) == ("ada@example.com", "new@example.com")
    assert (await log_in(client, "new@example.com")).account_id == ada.account_id
    assert await _log_in(client) == 401
    # The old mailbox opens nothing any more.
    reset = {"token": old_link, "password": "a good password"}
    assert (await client.post("/auth/v1/password/reset", json=reset)).status_code == 400


async def test_an_address_of_another_account_cannot_be_taken(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join
) -> None:
    ada = await join("ada@example.com")
    later = {"email": "late@example.com", "password": PASSWORD}
    await client.post("/auth/v1/email", json=later, headers=ada.bearer)
    token = await mailbox.token("CONFIRM_EMAIL")
    eve = await join("eve@example.com")
    await mailbox.empty()
    wish = {"email": "eve@example.com", "password": PASSWORD}
    assert (await client.post("/auth/v1/email", json=wish, headers=ada.bearer)).status_code == 202
    assert [(notice["kind"], notice["email"]) for notice in await mailbox.all()] == [("ALREADY_REGISTERED", eve.email)]
    # Somebody else got it while the link was on its way.
    await join("late@example.com")
    answer = await client.post("/auth/v1/email/confirm", json={"token": token})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert (await log_in(client, ada.email)).account_id == ada.account_id


async def test_answers_that_must_not_tell_take_a_fixed_time_at_least(
    serve: Serve, settings: AuthSettings, join: Join
) -> None:
    """Whether there is much to write or nothing; what is compared is only that nobody is answered earlier."""
    ada = await join("ada@example.com")
    even_ms = 250
    loop = asyncio.get_running_loop()
    async with serve(settings.model_copy(update={"even_answer_ms": even_ms})) as client:
        for email in (ada.email, "nobody@example.com"):
            for path, body in (
                ("register", {"email": email, "password": PASSWORD}),
                ("login", {"email": email, "password": "not the password"}),
                ("password/forgot", {"email": email}),
                ("email/resend", {"email": email}),
            ):
                started_s = loop.time()
                answer = await client.post(f"/auth/v1/{path}", json=body)
                assert answer.status_code in {202, 401}
                assert loop.time() - started_s >= even_ms / 1000
