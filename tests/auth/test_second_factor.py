"""The second factor from enrolment to its end, and logins with it."""

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest

from services.auth.settings import AuthSettings
from services.infra.postgres import Connection

from .conftest import PASSWORD, Join, Member, Serve, log_in
from .mailbox import Mailbox

STEP_S = 30


class Authenticator:
    """An app that never shows a code twice: each comes from a later time step, as far as clocks may drift."""

    def __init__(self, secret: str, database: Connection) -> None:
        self._totp = pyotp.TOTP(secret)
        self._database = database
        self.last = ""

    async def code(self) -> str:
        """A new one. The service is made to forget which step it saw last, or a test would wait half a minute."""
        await self._database.execute("UPDATE auth.second_factors SET last_step = 0")
        self.last = self._totp.now()
        return self.last

    def code_of(self, steps: int) -> str:
        return self._totp.at(int(time.time()) + steps * STEP_S)


async def enable(client: httpx.AsyncClient, member: Member, database: Connection) -> tuple[Authenticator, list[str]]:
    """Enrol and confirm; return the app and the recovery codes."""
    enrolment = await client.post("/auth/v1/second-factor", json={"password": PASSWORD}, headers=member.bearer)
    assert enrolment.status_code == 200, enrolment.text
    app = Authenticator(enrolment.json()["secret"], database)
    body = {"code": await app.code()}
    confirmed = await client.post("/auth/v1/second-factor/confirm", json=body, headers=member.bearer)
    assert confirmed.status_code == 200, confirmed.text
    return app, confirmed.json()["recoveryCodes"]


async def begin(client: httpx.AsyncClient, email: str, **more: str) -> str:
    """Log in with the password; return the challenge."""
    answer = await client.post("/auth/v1/login", json={"email": email, "password": PASSWORD} | more)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"secondFactorRequired", "challengeToken", "expiresInS"}
    challenge: str = answer.json()["challengeToken"]
    return challenge


async def finish(client: httpx.AsyncClient, challenge: str, code: str, **more: str) -> httpx.Response:
    body = {"challengeToken": challenge, "code": code} | more
    return await client.post("/auth/v1/login/second-factor", json=body)


async def _read(client: httpx.AsyncClient, member: Member) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get("/auth/v1/second-factor", headers=member.bearer)).json()
    return answer


async def test_it_is_in_force_only_once_a_code_was_shown(
    client: httpx.AsyncClient, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    wrong = await client.post("/auth/v1/second-factor", json={"password": "not the password"}, headers=ada.bearer)
    assert wrong.status_code == 401
    first = (await client.post("/auth/v1/second-factor", json={"password": PASSWORD}, headers=ada.bearer)).json()
    again = (await client.post("/auth/v1/second-factor", json={"password": PASSWORD}, headers=ada.bearer)).json()
    assert first["secret"] != again["secret"]
    await log_in(client, ada.email)
    assert await _read(client, ada) == {"enabled": False, "recoveryCodesLeft": 0}
    uri = urlsplit(again["provisioningUri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query)["secret"] == [again["secret"]]
    for code in (pyotp.TOTP(first["secret"]).now(), "12345", "1234567", "\u0661" * 6):
        answer = await client.post("/auth/v1/second-factor/confirm", json={"code": code}, headers=ada.bearer)
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_code")
    code = pyotp.TOTP(again["secret"]).now()
    answer = await client.post("/auth/v1/second-factor/confirm", json={"code": code}, headers=ada.bearer)
    assert len(answer.json()["recoveryCodes"]) == 10
    assert await _read(client, ada) == {"enabled": True, "recoveryCodesLeft": 10}
    stored = await database.fetchval("SELECT t::text FROM auth.second_factors t")
    assert again["secret"] not in stored
    # Enrolling does not replace one that is in force.
    answer = await client.post("/auth/v1/second-factor", json={"password": PASSWORD}, headers=ada.bearer)
    assert (answer.status_code, answer.json()["code"]) == (409, "second_factor_enabled")


async def test_a_login_takes_two_steps_then(
    client: httpx.AsyncClient, join: Join, internal: dict[str, str], database: Connection
) -> None:
    ada = await join("ada@example.com")
    before = await log_in(client, ada.email)
    app, _ = await enable(client, ada, database)
    assert (await client.get("/auth/v1/account", headers=before.bearer)).status_code == 401
    challenge = await begin(client, ada.email)
    for token in (challenge, ada.refresh_token, "x"):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/auth/v1/account", headers=headers)).status_code == 401
    assert (await finish(client, challenge, "000000")).json()["code"] == "wrong_code"
    assert (await finish(client, "x", await app.code())).json()["code"] == "invalid_challenge"
    tokens = (await finish(client, challenge, await app.code())).json()
    introspected = await client.post("/internal/introspect", json={"token": tokens["accessToken"]}, headers=internal)
    assert introspected.json()["secondFactor"] is True
    # Neither the code nor the challenge works again.
    assert (await finish(client, await begin(client, ada.email), app.last)).json()["code"] == "wrong_code"
    assert (await finish(client, challenge, await app.code())).json()["code"] == "invalid_challenge"


async def test_codes_of_the_neighbouring_steps_pass_and_older_ones_never_do(
    client: httpx.AsyncClient, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    app, _ = await enable(client, ada, database)
    await database.execute("UPDATE auth.second_factors SET last_step = 0")
    challenge = await begin(client, ada.email)
    for far in (-4, 4):
        assert (await finish(client, challenge, app.code_of(far))).status_code == 403
    assert (await finish(client, challenge, app.code_of(1))).status_code == 200
    # A step behind one that was used does not count any more, though its time has not come.
    assert (await finish(client, await begin(client, ada.email), app.code_of(0))).status_code == 403


async def test_of_two_uses_at_once_one_opens_a_session(
    client: httpx.AsyncClient, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    app, recovery = await enable(client, ada, database)
    challenge = await begin(client, ada.email)
    code = await app.code()
    answers = await asyncio.gather(*(finish(client, challenge, code) for _ in range(4)))
    assert [answer.status_code for answer in answers].count(200) == 1
    challenges = [await begin(client, ada.email) for _ in range(4)]
    answers = await asyncio.gather(*(finish(client, one, recovery[0]) for one in challenges))
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_recovery_codes_work_once_and_can_be_replaced(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    app, recovery = await enable(client, ada, database)
    used = await finish(client, await begin(client, ada.email), recovery[3].upper().replace("-", " "))
    assert used.status_code == 200
    assert (await finish(client, await begin(client, ada.email), recovery[3])).status_code == 403
    assert await _read(client, ada) == {"enabled": True, "recoveryCodesLeft": 9}
    assert (await mailbox.all("RECOVERY_CODE_USED"))[0]["data"]["left"] == 9
    path = "/auth/v1/second-factor/recovery-codes"
    assert (await client.post(path, json={"code": "000000"}, headers=ada.bearer)).status_code == 403
    replaced = await client.post(path, json={"code": await app.code()}, headers=ada.bearer)
    new = replaced.json()["recoveryCodes"]
    assert not set(new) & set(recovery)
    assert (await finish(client, await begin(client, ada.email), recovery[0])).status_code == 403
    assert (await finish(client, await begin(client, ada.email), new[0])).status_code == 200


async def test_disabling_takes_a_code(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join, internal: dict[str, str], database: Connection
) -> None:
    ada = await join("ada@example.com")
    path = "/auth/v1/second-factor/disable"
    assert (await client.post(path, json={"code": "000000"}, headers=ada.bearer)).status_code == 409
    app, recovery = await enable(client, ada, database)
    challenge = await begin(client, ada.email)
    assert (await client.post(path, json={"code": "000000"}, headers=ada.bearer)).status_code == 403
    assert (await client.post(path, json={"code": await app.code()}, headers=ada.bearer)).status_code == 204
    assert (await finish(client, challenge, recovery[0])).json()["code"] == "invalid_challenge"
    await log_in(client, ada.email)
    introspected = await client.post("/internal/introspect", json={"token": ada.access_token}, headers=internal)
    assert introspected.json()["secondFactor"] is False
    kinds = [kind for kind in await mailbox.kinds() if kind.startswith("SECOND_FACTOR")]
    assert kinds == ["SECOND_FACTOR_ENABLED", "SECOND_FACTOR_DISABLED"]


async def test_a_password_reset_does_not_get_around_it(
    client: httpx.AsyncClient, mailbox: Mailbox, join: Join, database: Connection
) -> None:
    ada = await join("ada@example.com")
    await enable(client, ada, database)
    await client.post("/auth/v1/password/forgot", json={"email": ada.email})
    body = {"token": await mailbox.token("RESET_PASSWORD"), "password": PASSWORD}
    assert (await client.post("/auth/v1/password/reset", json=body)).status_code == 204
    await begin(client, ada.email)


@pytest.mark.parametrize("guesses", [4])
async def test_the_second_step_cannot_be_guessed_and_a_known_device_is_not_locked_out(
    serve: Serve, settings: AuthSettings, join: Join, database: Connection, guesses: int
) -> None:
    ada = await join("ada@example.com")
    async with serve(settings.model_copy(update={"max_failed_logins_per_account": guesses})) as client:
        app, _ = await enable(client, ada, database)
        challenge = await begin(client, ada.email)
        answers = [(await finish(client, challenge, f"00000{number}")).status_code for number in range(guesses + 2)]
        assert answers == [403] * guesses + [429] * 2
        # Somebody who knows the password is at work; its owner, from where they were before, is not held up.
        device = {"deviceToken": ada.device_token}
        challenge = await begin(client, ada.email, **device)
        assert (await finish(client, challenge, await app.code())).status_code == 429
        assert (await finish(client, challenge, await app.code(), **device)).status_code == 200
