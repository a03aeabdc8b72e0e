"""Passwords: forgotten, changed, and those that everybody tries."""

import asyncio
from hashlib import sha1
from pathlib import Path

import httpx
import pytest

from services.auth.breached import BreachedPasswords
from services.auth.passwords import PASSWORD_CHARS_MIN
from services.auth.settings import AuthSettings
from services.infra.postgres import Connection

from .conftest import PASSWORD, Join, Serve, log_in
from .mailbox import Mailbox

NEW = "an entirely new password"


async def _reset(client: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await client.post("/auth/v1/password/reset", json={"token": token, "password": password})


async def _link(client: httpx.AsyncClient, mailbox: Mailbox, email: str) -> str:
    await client.post("/auth/v1/password/forgot", json={"email": email})
    return await mailbox.token("RESET_PASSWORD")


async def _status(client: httpx.AsyncClient, bearer: dict[str, str]) -> int:
    return (await client.get("/auth/v1/account", headers=bearer)).status_code


async def test_a_reset_ends_every_session_and_works_once(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join
) -> None:
    ada, eve = await join("ada@example.com"), await join("eve@example.com")
    elsewhere = await log_in(client, ada.email)
    token = await _link(client, mailbox, ada.email)
    other = await _link(client, mailbox, ada.email)
    answers = await asyncio.gather(*(_reset(client, token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400]
    assert [await _status(client, member.bearer) for member in (ada, elsewhere, eve)] == [401, 401, 200]
    refreshed = await client.post("/auth/v1/refresh", json={"refreshToken": ada.refresh_token})
    assert refreshed.status_code == 401
    credentials = {"email": ada.email, "password": PASSWORD}
    assert (await client.post("/auth/v1/login", json=credentials)).status_code == 401
    assert (await client.post("/auth/v1/login", json=credentials | {"password": NEW})).status_code == 200
    # A second link that was on its way is worth nothing now.
    assert (await _reset(client, other)).status_code == 400
    assert "PASSWORD_CHANGED" in await mailbox.kinds()


async def test_links_are_short_lived_and_not_readable_in_the_database(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    token = await _link(client, mailbox, ada.email)
    await mailbox.empty()
    for table in ("mail_tokens", "notices", "audit", "devices"):
        for row in await database.fetch(f"SELECT t::text FROM auth.{table} t"):
            for secret in (token, ada.device_token):
                assert secret not in row[0]
                assert secret.encode().hex() not in row[0]
    await database.execute("UPDATE auth.mail_tokens SET expires_at = now()")
    assert (await _reset(client, token)).json()["code"] == "invalid_mail_token"


async def test_a_link_for_one_purpose_is_no_link_for_another(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join
) -> None:
    ada = await join("ada@example.com")
    assert (await _reset(client, await mailbox.token("CONFIRM_EMAIL"))).status_code == 400
    reset = await _link(client, mailbox, ada.email)
    assert (await client.post("/auth/v1/email/confirm", json={"token": reset})).status_code == 400


async def test_changing_takes_the_current_one_and_ends_the_other_sessions(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join
) -> None:
    ada = await join("ada@example.com")
    elsewhere = await log_in(client, ada.email)
    link = await _link(client, mailbox, ada.email)

    async def change(current: str) -> httpx.Response:
        body = {"currentPassword": current, "newPassword": NEW}
        return await client.post("/auth/v1/password", json=body, headers=ada.bearer)

    refused = await change("not the password")
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert (await change(PASSWORD)).status_code == 204
    assert [await _status(client, member.bearer) for member in (ada, elsewhere)] == [200, 401]
    assert (await _reset(client, link)).status_code == 400
    assert (await change(PASSWORD)).status_code == 401


async def test_whoever_has_found_an_open_session_cannot_guess(serve: Serve, settings: AuthSettings, join: Join) -> None:
    ada = await join("ada@example.com")
    async with serve(settings.model_copy(update={"max_failed_logins_per_account": 2})) as client:
        for path, right in (
            ("password", {"currentPassword": PASSWORD, "newPassword": NEW}),
            ("second-factor", {"password": PASSWORD}),
            ("email", {"email": "new@example.com", "password": PASSWORD}),
        ):
            wrong = {name: "wrong password" if value == PASSWORD else value for name, value in right.items()}
            for body, status in ((wrong, 401), (wrong, 401), (right, 429)):
                answer = await client.post(f"/auth/v1/{path}", json=body, headers=ada.bearer)
                assert answer.status_code in {status, 429}, path
            # All three count together: they are guesses at the same password.
            assert answer.status_code == 429


@pytest.mark.parametrize("password", ["password", "PassWord1", "qwertyuiop", "iloveyou1"])
async def test_what_everybody_tries_is_refused(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join, password: str
) -> None:
    ada = await join("ada@example.com")
    link = await _link(client, mailbox, ada.email)
    answers = [
        await client.post("/auth/v1/register", json={"email": "eve@example.com", "password": password}),
        await client.post("/auth/v1/register", json={"email": ada.email, "password": password}),
        await _reset(client, link, password),
        await client.post(
            "/auth/v1/password", json={"currentPassword": PASSWORD, "newPassword": password}, headers=ada.bearer
        ),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "breached_password")] * 4
    # The link is still good for a better one.
    assert (await _reset(client, link)).status_code == 204


def test_more_than_ten_thousand_are_known_without_any_file() -> None:
    known = BreachedPasswords(None, chars_min=PASSWORD_CHARS_MIN)
    assert len(known) > 10_000
    assert PASSWORD not in known


@pytest.mark.parametrize("with_counts", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_a_file_of_digests_is_searched_where_it_is(tmp_path: Path, size: int, with_counts: bool) -> None:
    leaked = [f"a leaked password {number}" for number in range(size)]
    digests = sorted(sha1(password.encode()).hexdigest().upper() for password in leaked)
    file = tmp_path / "breached.txt"
    lines = [f"{digest}:{number * 977}" if with_counts else digest for number, digest in enumerate(digests)]
    file.write_text("\n".join(lines) + "\n")
    known = BreachedPasswords(file, chars_min=PASSWORD_CHARS_MIN)
    assert all(password in known for password in leaked)
    assert not any(f"another password {number}" in known for number in range(200))


async def test_the_file_is_a_setting(serve: Serve, settings: AuthSettings, tmp_path: Path) -> None:
    file = tmp_path / "breached.txt"
    file.write_text(sha1(PASSWORD.encode()).hexdigest().upper() + ":3\n")
    async with serve(settings.model_copy(update={"breached_passwords_file": file})) as client:
        answer = await client.post("/auth/v1/register", json={"email": "ada@example.com", "password": PASSWORD})
        assert answer.json()["code"] == "breached_password"
    file.write_text("password\n")
    with pytest.raises(ValueError, match="SHA-1"):
        BreachedPasswords(file, chars_min=PASSWORD_CHARS_MIN)
