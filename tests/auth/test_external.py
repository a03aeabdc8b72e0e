"""Access tokens of other issuers: what is accepted, whose account it is, and what is refused."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.auth import external_keys
from services.auth.settings import DAY_S, AuthSettings, ExternalIssuer
from services.infra.postgres import Connection

from .conftest import Join, Serve
from .issuer import CLIENT, ISSUER, JwksServer, Keys, claims

KEYS, EC_KEYS, STRANGER = Keys("key-1"), Keys("key-2", "ES256"), Keys("key-1")


@pytest.fixture
async def jwks() -> AsyncIterator[JwksServer]:
    async with JwksServer(KEYS, EC_KEYS).serving() as server:
        yield server


@pytest.fixture
def trusting(settings: AuthSettings, jwks: JwksServer) -> AuthSettings:
    issuer = ExternalIssuer(issuer=ISSUER, audiences=(CLIENT,), jwks_url=jwks.url)
    return settings.model_copy(update={"external_issuers": (issuer,)})


@pytest.fixture
async def site(serve: Serve, trusting: AuthSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(trusting) as client:
        yield client


async def _ask(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get(
        "/auth/v1/account", headers={b"Authorization": b"Bearer " + token.encode("utf-8", "replace")}
    )


async def test_a_subject_has_one_account_from_its_first_token_on(
    site: httpx.AsyncClient, internal: dict[str, str], database: Connection
) -> None:
    first = [KEYS.sign(claims(jti=str(number))) for number in range(4)]
    answers = await asyncio.gather(*(_ask(site, token) for token in first))
    assert {answer.status_code for answer in answers} == {200}
    (account_id,) = {answer.json()["accountId"] for answer in answers}
    other = await _ask(site, EC_KEYS.sign(claims(sub="another")))
    assert other.json()["accountId"] != account_id
    assert await database.fetchval("SELECT count(*) FROM auth.users") == 2
    introspected = await site.post("/internal/introspect", json={"token": first[0]}, headers=internal)
    seen = introspected.json()
    assert (seen["accountId"], seen["sessionId"], seen["email"], seen["secondFactor"]) == (
        account_id,
        None,
        None,
        False,
    )


async def test_an_external_account_makes_keys_and_has_no_session(site: httpx.AsyncClient) -> None:
    bearer = {"Authorization": f"Bearer {KEYS.sign(claims())}"}
    made = await site.post("/auth/v1/api-keys", json={"label": "bot", "permissions": ["trade"]}, headers=bearer)
    assert made.status_code == 201
    assert (await site.get("/auth/v1/sessions", headers=bearer)).json() == []
    assert (await site.post("/auth/v1/logout", headers=bearer)).status_code == 204
    enrol = await site.post("/auth/v1/second-factor", json={"password": "no password here"}, headers=bearer)
    assert (enrol.status_code, enrol.json()["code"]) == (409, "no_session")
    assert (await site.post("/auth/v1/email", json={"email": "ada@example.com"}, headers=bearer)).status_code == 202


async def test_no_claim_opens_the_account_of_an_address(site: httpx.AsyncClient, join: Join) -> None:
    ada = await join("ada@example.com")
    for subject in ("ada@example.com", str(ada.account_id)):
        token = KEYS.sign(claims(sub=subject, email="ada@example.com", email_verified=True, username="ada"))
        account = (await _ask(site, token)).json()
        assert (account["accountId"] != ada.account_id, account["email"]) == (True, None)


NOW_S = int(time.time())
# Named, so that cases are called alike in every process.
WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW_S - 60},
    "no expiry": {"exp": ...},
    "expiry as text": {"exp": "soon"},
    "good for years": {"exp": NOW_S + 400 * DAY_S},
    "infinite": {"exp": float("inf")},
    "not yet": {"nbf": NOW_S + 3600},
    "issued in the future": {"iat": NOW_S + 3600},
    "no time of issue": {"iat": ...},
    "another client": {"client_id": "another"},
    "no client": {"client_id": ...},
    "another audience": {"aud": "another"},
    "audience beats client": {"aud": ["another"], "client_id": CLIENT},
    "no text as audience": {"aud": {"a": 1}},
    "id token": {"token_use": "id"},
    "no use": {"token_use": ...},
    "another issuer": {"iss": "https://evil.example/pool"},
    "issuer with more": {"iss": ISSUER + "/"},
    "issuers": {"iss": [ISSUER]},
    "ours": {"iss": "crossbook"},
    "no issuer": {"iss": ...},
    "no subject": {"sub": ...},
    "empty subject": {"sub": ""},
    "number as subject": {"sub": 1000},
    "long subject": {"sub": "x" * 256},
    "NUL in subject": {"sub": "a\u0000b"},
    "half a character": {"sub": "\ud800"},
}


async def test_claims_that_do_not_hold(
    site: httpx.AsyncClient, database: Connection, subtests: pytest.Subtests
) -> None:
    assert (await _ask(site, KEYS.sign(claims()))).status_code == 200
    for name, changes in WRONG_CLAIMS.items():
        with subtests.test(name):
            answer = await _ask(site, KEYS.sign(claims(**changes)))
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_access_token")
    assert await database.fetchval("SELECT count(*) FROM auth.external_identities") == 1


async def test_other_shapes_of_audiences_and_uses(serve: Serve, trusting: AuthSettings) -> None:
    """An issuer that is not Cognito: audiences in ``aud``, and no ``token_use``."""
    issuer = trusting.external_issuers[0].model_copy(update={"token_use": None})
    async with serve(trusting.model_copy(update={"external_issuers": (issuer,)})) as client:
        for audience in (CLIENT, ["another", CLIENT]):
            token = KEYS.sign(claims(aud=audience, client_id=..., token_use=...))
            assert (await _ask(client, token)).status_code == 200


async def test_the_algorithm_and_the_key_cannot_be_chosen(
    site: httpx.AsyncClient, jwks: JwksServer, subtests: pytest.Subtests
) -> None:
    good = KEYS.sign(claims())
    _, payload, signature = good.split(".")

    def forged(**header: Any) -> str:
        made = {"alg": "RS256", "kid": "key-1", "typ": "JWT"} | header
        return f"{_segment(made)}.{payload}.{signature}"

    tokens = {
        "none": f"{_segment({'alg': 'none', 'kid': 'key-1'})}.{payload}.",
        "None": f"{_segment({'alg': 'None', 'kid': 'key-1'})}.{payload}.{signature}",
        "public key as secret": _hmac(KEYS.public_pem),
        "public JWK as secret": _hmac(json.dumps(KEYS.public())),
        "another key's algorithm": forged(alg="ES256"),
        "RS512": forged(alg="RS512"),
        "a stranger's key": STRANGER.sign(claims()),
        "the key of another name": KEYS.sign(claims(), kid="key-2"),
        "unknown": KEYS.sign(claims(), kid="key-3"),
        "path": KEYS.sign(claims(), kid="../../../../dev/null"),
        "SQL": KEYS.sign(claims(), kid="key-1' OR '1'='1"),
        "NUL": KEYS.sign(claims(), kid="key-1\u0000"),
        "huge": KEYS.sign(claims(), kid="k" * 4000),
        "list": KEYS.sign(claims(), kid=["key-1"]),
        "none at all": KEYS.sign(claims(), kid=None),
        "own key inside": STRANGER.sign(claims(), kid="key-9", jwk=STRANGER.public()),
        "own address inside": STRANGER.sign(claims(), kid="key-9", jku=f"{jwks.url}/evil"),
        "extension": KEYS.sign(claims(), crit=["exp"]),
        "cut": good.rsplit(".", 1)[0],
        "changed": f"{good.split('.')[0]}.{_segment(claims(sub='eve'))}.{signature}",
        "long": good + "A" * 9000,
        "deep": f"{_segment({})}.{'W1tb' * 2000}.x",
    }
    for name, token in tokens.items():
        with subtests.test(name):
            assert (await _ask(site, token)).status_code == 401
    # Made-up key ids did not make us ask again and again: the keys were fetched just before.
    assert jwks.asked == 1
    assert (await _ask(site, good)).status_code == 200


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _hmac(secret: str) -> str:
    signed = f"{_segment({'alg': 'HS256', 'kid': 'key-1', 'typ': 'JWT'})}.{_segment(claims())}"
    mac = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


async def test_keys_are_followed_as_they_rotate(
    site: httpx.AsyncClient, jwks: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    successor = Keys("key-3")
    assert (await _ask(site, KEYS.sign(claims()))).status_code == 200
    jwks.document = {"keys": [successor.public()]}
    # Not before the interval is over, whoever asks.
    assert (await _ask(site, successor.sign(claims()))).status_code == 401
    monkeypatch.setattr(external_keys, "MIN_INTERVAL_S", 0)
    answers = await asyncio.gather(*(_ask(site, successor.sign(claims())) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    # What is not published any more is not accepted any more.
    assert (await _ask(site, KEYS.sign(claims()))).status_code == 401


async def test_many_tokens_at_once_fetch_the_keys_once(site: httpx.AsyncClient, jwks: JwksServer) -> None:
    jwks.delay_s = 0.2
    answers = await asyncio.gather(*(_ask(site, KEYS.sign(claims())) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert jwks.asked == 1


async def test_an_issuer_that_is_down_does_not_stop_known_keys(
    site: httpx.AsyncClient, jwks: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await _ask(site, KEYS.sign(claims()))).status_code == 200
    monkeypatch.setattr(external_keys, "MIN_INTERVAL_S", 0)
    monkeypatch.setattr(external_keys, "MAX_AGE_S", 0)
    jwks.status = "500 Broken"
    assert (await _ask(site, KEYS.sign(claims()))).status_code == 200
    assert jwks.asked == 2
    monkeypatch.setattr(external_keys, "TRUSTED_S", 0)
    assert (await _ask(site, KEYS.sign(claims()))).status_code == 401


BAD_DOCUMENTS: dict[str, Any] = {
    "not JSON": b"<html>",
    "deep": b"[" * 100_000,
    "too large": b'{"keys": [' + b" " * external_keys.MAX_BYTES + b"]}",
    "another shape": [KEYS.public()],
    "no keys": {"keys": "none"},
    "for encryption": {"keys": [KEYS.public(use="enc")]},
    "for another algorithm": {"keys": [KEYS.public(alg="RS512")]},
    "no name": {"keys": [KEYS.public(kid=7)]},
    "secret": {"keys": [{"kty": "oct", "kid": "key-1", "k": "c2VjcmV0", "alg": "HS256"}]},
    "short": {"keys": [KEYS.public(n="AQAB")]},
    "broken": {"keys": [KEYS.public(n=7), KEYS.public(kty=["RSA"]), 7, None]},
}


async def test_key_sets_that_are_not_what_they_should_be(
    serve: Serve, trusting: AuthSettings, jwks: JwksServer, subtests: pytest.Subtests
) -> None:
    async with serve(trusting) as client:
        app: Any = client._transport
        _, keys = app.app.state.resources.external_issuers._issuers[ISSUER]
        for name, document in BAD_DOCUMENTS.items():
            with subtests.test(name):
                jwks.document = document
                keys._tried_s = -1e9
                assert (await _ask(client, KEYS.sign(claims()))).status_code == 401
        assert jwks.asked == len(BAD_DOCUMENTS)
        # Redirects lead to wherever; they are not followed.
        jwks.status, keys._tried_s = "302 Found\r\nLocation: " + jwks.url, -1e9
        jwks.document = {"keys": [KEYS.public()]}
        assert (await _ask(client, KEYS.sign(claims()))).status_code == 401


async def test_a_slow_issuer_holds_nobody_up_for_long(
    site: httpx.AsyncClient, jwks: JwksServer, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await join("ada@example.com")
    monkeypatch.setattr(external_keys, "TIMEOUT_S", 0.2)
    jwks.delay_s = 30
    async with asyncio.timeout(20):
        assert (await _ask(site, KEYS.sign(claims()))).status_code == 401
        assert (await _ask(site, ada.access_token)).status_code == 200


@pytest.mark.parametrize("url", ["http://issuer.example/jwks.json", "file:///etc/passwd", "ftp://127.0.0.1/", ""])
def test_keys_come_over_https_only(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        ExternalIssuer(issuer="no address" if not url else ISSUER, audiences=(CLIENT,), jwks_url=url or None)


def test_issuers_are_told_in_json(settings: AuthSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [{"issuer": ISSUER, "audiences": [CLIENT], "tokenUse": None, "jwksUrl": "http://127.0.0.1:1/jwks.json"}]
    monkeypatch.setenv("CROSSBOOK_EXTERNAL_ISSUERS", json.dumps(told))
    names = ("port", "database_url", "redis_url", "internal_token", "encryption_key")
    read = AuthSettings.model_validate({name: getattr(settings, name) for name in names})
    assert read.external_issuers[0].audiences == (CLIENT,)
