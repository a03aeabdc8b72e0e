"""What a verifier must refuse. Forged tokens are put together by hand where no library would sign them."""

import base64
import json
import time
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose import jwk, jws

from services.infra.tokens import (
    CLOCK_SKEW_S,
    MAX_TOKEN_CHARS,
    InvalidToken,
    TokenSigner,
    TokenVerifier,
    UnknownSigningKey,
)

SESSION_ID = str(uuid.uuid4())


def _fields(changes: dict[str, Any]) -> str:
    """Names a case. What is random in its values would be another in each process that runs tests."""
    return "-".join(changes)


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


PEM = _private_pem(ec.generate_private_key(ec.SECP256R1()))
SIGNER = TokenSigner("key-1", PEM)
JWKS = {"keys": [SIGNER.public_jwk()]}
VERIFIER = TokenVerifier(JWKS)


def _issue(signer: TokenSigner = SIGNER, *, age_s: int = 0, lifetime_s: int = 900) -> str:
    return signer.issue(1000, SESSION_ID, now_s=int(time.time()) - age_s, lifetime_s=lifetime_s)


def _claims(**changes: Any) -> dict[str, Any]:
    now_s = int(time.time())
    claims = {
        "iss": "crossbook",
        "aud": "crossbook",
        "sub": "1000",
        "sid": SESSION_ID,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + 900,
        "jti": "1",
    } | changes
    return {name: value for name, value in claims.items() if value is not ...}


def _signed(claims: dict[str, Any], **headers: Any) -> str:
    key: Any = jwk.construct(PEM, "ES256")
    return jws.sign(claims, key, headers={"kid": "key-1", "typ": "at+jwt"} | headers, algorithm="ES256")


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def test_a_fresh_token_says_who_and_which_session() -> None:
    token = VERIFIER.verify(_issue())
    assert (token.account_id, token.session_id) == (1000, SESSION_ID)
    assert token.expires_at_s == pytest.approx(time.time() + 900, abs=2)


def test_the_header_names_the_key_and_the_claims_are_complete() -> None:
    header, payload, _ = (
        json.loads(base64.urlsafe_b64decode(part + "==")) if i < 2 else part
        for i, part in enumerate(_issue().split("."))
    )
    assert header == {"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}
    assert set(payload) == {"iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti"}


def test_hand_signed_claims_pass_when_nothing_is_changed() -> None:
    assert VERIFIER.verify(_signed(_claims())).account_id == 1000


def test_the_published_key_has_no_private_part() -> None:
    assert set(SIGNER.public_jwk()) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - CLOCK_SKEW_S - 60},
        {"nbf": int(time.time()) + 3600},
        {"aud": "elsewhere"},
        {"aud": []},
        {"iss": "elsewhere"},
        {"sub": "-1"},
        {"sub": "1e3"},
        {"sub": "0"},
        {"sub": "\u0661\u0660\u0660\u0660"},
        {"sub": 1000},
        {"sub": "9" * 40},
        {"sid": "1"},
        {"sid": 7},
        {"sid": SESSION_ID.upper() + "\n"},
        {"exp": "soon"},
        {"exp": None},
        {"exp": [1]},
        {"jti": 1},
        *({name: ...} for name in ("iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti")),
    ],
    ids=_fields,
)
def test_claims_that_do_not_hold(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        VERIFIER.verify(_signed(_claims(**changes)))


def test_expiry_allows_for_little_clock_skew() -> None:
    VERIFIER.verify(_issue(age_s=901, lifetime_s=900))
    with pytest.raises(InvalidToken, match="expired"):
        VERIFIER.verify(_issue(age_s=900 + CLOCK_SKEW_S + 2, lifetime_s=900))


@pytest.mark.parametrize("alg", ["HS256", "HS512", "none", "None", "", "ES384", "RS256", None])
def test_the_algorithm_cannot_be_chosen(alg: str | None) -> None:
    _, payload, signature = _issue().split(".")
    header = _segment({"alg": alg, "kid": "key-1", "typ": "at+jwt"})
    for forged in (f"{header}.{payload}.{signature}", f"{header}.{payload}."):
        with pytest.raises(InvalidToken):
            VERIFIER.verify(forged)


@pytest.mark.parametrize("secret", [json.dumps(JWKS["keys"][0]), JWKS["keys"][0]["x"]], ids=["whole", "x"])
def test_the_public_key_is_not_an_hmac_secret(secret: str) -> None:
    forged = jws.sign(_claims(), secret, headers={"kid": "key-1", "typ": "at+jwt"}, algorithm="HS256")
    with pytest.raises(InvalidToken):
        VERIFIER.verify(forged)


@pytest.mark.parametrize(
    "headers",
    [
        {"kid": "key-2"},
        {"kid": "../../../dev/null"},
        {"kid": "key-1' OR '1'='1"},
        {"kid": ["key-1"]},
        {"kid": None},
        {"kid": "key-1\x00"},
        {"typ": "JWT"},
        {"jku": "https://evil.example/jwks.json"},
        {"jwk": TokenSigner("key-1", _private_pem(ec.generate_private_key(ec.SECP256R1()))).public_jwk()},
        {"x5u": "https://evil.example/cert"},
        {"crit": ["exp"]},
    ],
    ids=_fields,
)
def test_only_our_own_header_is_known(headers: dict[str, Any]) -> None:
    with pytest.raises(UnknownSigningKey):
        VERIFIER.verify(_signed(_claims(), **headers))


def test_another_key_under_a_known_name() -> None:
    impostor = TokenSigner("key-1", _private_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(InvalidToken, match="Signature"):
        VERIFIER.verify(_issue(impostor))


def test_changed_claims_lose_the_signature() -> None:
    header, _, signature = _issue().split(".")
    with pytest.raises(InvalidToken, match="Signature"):
        VERIFIER.verify(f"{header}.{_segment(_claims(sub='1'))}.{signature}")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "\x00",
        "\ud800",
        "é.é.é",
        _issue() + ".x",
        _issue().rsplit(".", 1)[0],
        _issue().split(".")[0],
        _issue().split(".")[0] + ".\ud800.x",
        _issue().split(".")[0] + ".é.x",
        _issue() + "=" * MAX_TOKEN_CHARS,
        base64.urlsafe_b64encode(b"[" * 1500).decode() + ".e30.x",
        _issue().split(".")[0] + "." + base64.urlsafe_b64encode(b"[" * 1300).decode() + ".x",
    ],
    ids=range(15),
)
def test_text_that_is_no_token(token: str) -> None:
    with pytest.raises(InvalidToken):
        VERIFIER.verify(token)


def test_every_key_of_the_jwks_verifies_and_other_kinds_are_ignored() -> None:
    second = TokenSigner("key-2", _private_pem(ec.generate_private_key(ec.SECP256R1())))
    others = [{"kty": "oct", "kid": "key-3", "k": "c2VjcmV0", "alg": "HS256"}, {"kty": "RSA", "kid": "key-4"}]
    verifier = TokenVerifier({"keys": [*others, SIGNER.public_jwk(), second.public_jwk()]})
    assert verifier.verify(_issue()).account_id == verifier.verify(_issue(second)).account_id == 1000
    forged = jws.sign(_claims(), "secret", headers={"kid": "key-3", "typ": "at+jwt"}, algorithm="HS256")
    with pytest.raises(UnknownSigningKey):
        verifier.verify(forged)
