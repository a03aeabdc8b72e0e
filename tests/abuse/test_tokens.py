"""Tokens that were stolen, forged or meant for somebody else, at auth and at trading alike."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jose import jwk, jws

from tests.abuse.conftest import PASSWORD, Person

PLACES = ("/auth/v1/account", "/auth/v1/sessions", "/api/v3/account", "/api/v3/openOrders")


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload))


def _hmac(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    signed = f"{_segment(header)}.{_segment(claims)}"
    mac = base64.urlsafe_b64encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    return f"{signed}.{mac}"


def _forgeries(http: httpx.Client, person: Person) -> dict[str, str]:
    """Each claims to be a token of the person's."""
    header, claims = _parts(person.access_token)
    published = next(key for key in http.get("/.well-known/jwks.json").json()["keys"] if key["kid"] == header["kid"])
    public = jwk.construct(published, "ES256").to_pem()
    mine = ec.generate_private_key(ec.SECP256R1())
    pem = mine.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own_jwk = jwk.construct(
        mine.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "ES256"
    ).to_dict()
    payload, signature = person.access_token.split(".")[1:]

    def mine_signed(changes: dict[str, Any] | None = None, **headers: Any) -> str:
        token: str = jws.sign(claims | (changes or {}), pem, headers=header | headers, algorithm="ES256")
        return token

    now_s = int(time.time())
    return {
        "no algorithm": f"{_segment(header | {'alg': 'none'})}.{payload}.",
        "no algorithm, capital": f"{_segment(header | {'alg': 'NONE'})}.{payload}.{signature}",
        "public key as secret": _hmac(header | {"alg": "HS256"}, claims, public),
        "JWK as secret": _hmac(header | {"alg": "HS256"}, claims, json.dumps(published).encode()),
        "empty secret": _hmac(header | {"alg": "HS256"}, claims, b""),
        "another key": mine_signed(),
        "another key, unknown": mine_signed(kid="unknown"),
        "key inside": mine_signed(kid="unknown", jwk=own_jwk),
        "address inside": mine_signed(jku="http://127.0.0.1:1/jwks.json", x5u="http://127.0.0.1:1/x"),
        "kid as path": mine_signed(kid="../../../../../../dev/null"),
        "kid as SQL": mine_signed(kid="x' UNION SELECT 'key' --"),
        "kid as template": mine_signed(kid="{{config}}"),
        "kid huge": mine_signed(kid="k" * 5_000),
        "kid NUL": mine_signed(kid=header["kid"] + "\u0000"),
        "expired": mine_signed({"exp": now_s - 60, "iat": now_s - 120, "nbf": now_s - 120}),
        "future": mine_signed({"nbf": now_s + 3600, "iat": now_s + 3600, "exp": now_s + 7200}),
        "another audience": mine_signed({"aud": "another"}),
        "another issuer": mine_signed({"iss": "https://evil.example"}),
        "claims changed": f"{person.access_token.split('.')[0]}.{_segment(claims | {'sub': '1'})}.{signature}",
        "signature cut": f"{person.access_token[:-10]}",
        "signature empty": f"{person.access_token.rsplit('.', 1)[0]}.",
        "refresh token": person.refresh_token,
        "API key": person.ids["apiKey"],
        "session id": person.ids["sessionId"],
        "deep": f"{_segment(header)}.{'W1tb' * 1500}.x",
        "dots": "." * 3_000,
    }


def test_forgeries_open_nothing_anywhere(http: httpx.Client, ada: Person, subtests: pytest.Subtests) -> None:
    for place in PLACES:
        assert ada.ask("GET", place).status_code == httpx.codes.OK
    for name, token in _forgeries(http, ada).items():
        for place in PLACES:
            with subtests.test(name, place=place):
                answer = http.get(place, headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == httpx.codes.UNAUTHORIZED, answer.text


def test_a_stolen_refresh_token_ends_with_its_first_reuse_everywhere(http: httpx.Client, ada: Person) -> None:
    """The thief uses it first; when its owner does, both are out, in trading too."""
    stolen = http.post("/auth/v1/refresh", json={"refreshToken": ada.refresh_token}).json()
    thief = {"Authorization": f"Bearer {stolen['accessToken']}"}
    assert http.get("/api/v3/account", headers=thief).status_code == httpx.codes.OK
    assert http.post("/auth/v1/refresh", json={"refreshToken": ada.refresh_token}).status_code == 401
    assert http.post("/auth/v1/refresh", json={"refreshToken": stolen["refreshToken"]}).status_code == 401
    deadline_s = time.monotonic() + 30
    # Trading hears of it through Redis.
    while any(http.get("/api/v3/account", headers=headers).status_code != 401 for headers in (thief, ada.bearer)):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert http.get("/auth/v1/account", headers=thief).status_code == httpx.codes.UNAUTHORIZED
    # Other sessions of hers go on.
    again = http.post("/auth/v1/login", json={"email": ada.email, "password": PASSWORD})
    assert again.status_code == httpx.codes.OK
