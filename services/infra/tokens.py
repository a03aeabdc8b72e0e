"""Access tokens: what the auth service signs and every other service checks, and the names both sides share.

A token is a JWS signed with ES256. Its header can only be the one this module writes for a key that is in the JWKS, so
the verifier looks the header's text up instead of interpreting it: no algorithm, type or key that an attacker names is
ever tried, and nothing of a token is parsed before its signature holds.

Nothing here does I/O. Whoever verifies fetches the JWKS, and may fetch it again when ``UnknownSigningKey`` is raised.
"""

import base64
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from jose import jwk, jwt
from jose.backends.base import Key
from jose.exceptions import JOSEError

ALGORITHM: Final = "ES256"
CURVE: Final = "P-256"
# RFC 9068: says that this is an access token and nothing else, so that no other kind of token can pass for one.
JWS_TYPE: Final = "at+jwt"
ISSUER: Final = "crossbook"
AUDIENCE: Final = "crossbook"
CLOCK_SKEW_S: Final = 5
# An honest token is about 500 characters; other issuers' are longer.
MAX_TOKEN_CHARS: Final = 2048
MAX_EXTERNAL_TOKEN_CHARS: Final = 8192

# Where the auth service says which cached answers are no longer true: ``api-key:<key>`` or ``session:<id>``.
AUTH_CHANGED_CHANNEL: Final = "crossbook:auth:changed"
API_KEY_CHANGED_PREFIX: Final = "api-key:"
SESSION_CHANGED_PREFIX: Final = "session:"

_REQUIRED_CLAIMS: Final = ("iss", "aud", "sub", "iat", "nbf", "exp", "jti")
_account_id = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_session_id = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class InvalidToken(Exception):
    """The token must not be trusted. The text says why, for logs; clients are only told to sign in again."""


class UnknownSigningKey(InvalidToken):
    """The header is not one of ours. It may name a key that is newer than the JWKS at hand."""


class AccessToken(NamedTuple):
    """What a valid token says."""

    account_id: int
    session_id: str
    token_id: str
    expires_at_s: int


class TokenSigner:
    """Signs access tokens with one private key."""

    def __init__(self, key_id: str, private_key_pem: str) -> None:
        self.key_id = key_id
        self._key = jwk.construct(private_key_pem, ALGORITHM)

    def public_jwk(self) -> dict[str, str]:
        """The public half, as it is published."""
        point = self._key.public_key().to_dict()
        return {
            "kty": "EC",
            "crv": CURVE,
            "x": point["x"],
            "y": point["y"],
            "kid": self.key_id,
            "use": "sig",
            "alg": ALGORITHM,
        }

    def issue(self, account_id: int, session_id: str, *, now_s: int, lifetime_s: int) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(account_id),
            "sid": session_id,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + lifetime_s,
            "jti": secrets.token_hex(16),
        }
        headers = {"kid": self.key_id, "typ": JWS_TYPE}
        # jose signs with a prepared key as well; its annotations only know the raw forms.
        key: Any = self._key
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers=headers)


class TokenVerifier:
    """Checks access tokens against the keys of one JWKS. Keys of other kinds in it are ignored."""

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        self._key_by_header = {
            _header(entry["kid"]): jwk.construct(dict(entry), ALGORITHM)
            for entry in jwks["keys"]
            if entry.get("kty") == "EC" and entry.get("crv") == CURVE and entry.get("alg") == ALGORITHM
        }

    def verify(self, token: str) -> AccessToken:
        """Return what the token says; raise InvalidToken unless its signature, times and claims all hold."""
        key = self._key_by_header.get(token.partition(".")[0])
        if key is None:
            raise UnknownSigningKey("not signed with a known key")
        if len(token) > MAX_TOKEN_CHARS:
            raise InvalidToken("longer than any honest token")
        return _access_token(_claims(token, key))


def _header(key_id: str) -> str:
    """Write a header exactly as jose does: keys sorted, no spaces, no padding."""
    header = {"alg": ALGORITHM, "kid": key_id, "typ": JWS_TYPE}
    text = json.dumps(header, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _claims(token: str, prepared_key: Key) -> dict[str, Any]:
    key: Any = prepared_key
    options = {f"require_{claim}": True for claim in _REQUIRED_CLAIMS} | {"leeway": CLOCK_SKEW_S}
    try:
        return jwt.decode(token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options)
    except (JOSEError, ValueError, TypeError) as error:
        raise InvalidToken(str(error)) from error


def _access_token(claims: dict[str, Any]) -> AccessToken:
    account_id, session_id = claims["sub"], claims.get("sid")
    if _account_id.fullmatch(account_id) is None:
        raise InvalidToken("sub is not an account id")
    if not isinstance(session_id, str) or _session_id.fullmatch(session_id) is None:
        raise InvalidToken("sid is not a session id")
    return AccessToken(int(account_id), session_id, claims["jti"], int(claims["exp"]))
