"""External identity: access tokens of other issuers, such as an Amazon Cognito user pool.

An issuer is trusted by configuration (``external_issuers``). Of its tokens signature, issuer, audience, use and times
are checked; nothing of a token is believed before its signature holds, but for which issuer's keys to try.

Whose account it is says ``auth.external_identities``: at first sight a subject gets an account of its own. It is never
matched with an existing one by an address that the token claims: whoever controls a claim would own the account.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx
from jose import jws, jwt
from jose.exceptions import JOSEError

from services.auth import accounts, audit
from services.auth.external_keys import KEY_ID_CHARS_MAX, TIMEOUT_S, IssuerKey, IssuerKeys
from services.auth.settings import ExternalIssuer
from services.infra.tokens import CLOCK_SKEW_S, MAX_EXTERNAL_TOKEN_CHARS, InvalidToken
from services.infra.transactions import Connection

SUBJECT_CHARS_MAX: Final = 255

FIND: Final = "SELECT account_id FROM auth.external_identities WHERE issuer = $1 AND subject = $2"
# Two first tokens at once take turns.
LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
ADD: Final = "INSERT INTO auth.external_identities (issuer, subject, account_id) VALUES ($1, $2, $3)"


class Subject(NamedTuple):
    """Whom a valid token speaks of, until when."""

    issuer: str
    subject: str
    expires_at: datetime


class ExternalIssuers:
    """Checks tokens of all configured issuers."""

    def __init__(self, issuers: Sequence[ExternalIssuer]) -> None:
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
        self._issuers = {
            issuer.issuer: (issuer, IssuerKeys(self._client, issuer.jwks_url or _default_jwks_url(issuer.issuer)))
            for issuer in issuers
        }

    async def close(self) -> None:
        await self._client.aclose()

    async def verify(self, token: str) -> Subject:
        """Raise InvalidToken unless the token is one of a configured issuer's and in force."""
        if not self._issuers or len(token) > MAX_EXTERNAL_TOKEN_CHARS:
            raise InvalidToken("no external token")
        header, hearsay = _unverified(token)
        found = self._issuers.get(hearsay["iss"]) if isinstance(hearsay.get("iss"), str) else None
        if found is None:
            raise InvalidToken("of no configured issuer")
        issuer, keys = found
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_CHARS_MAX:
            raise InvalidToken("kid is not a key's name")
        key = await keys.find(key_id)
        if key is None:
            raise InvalidToken("not signed with a known key of the issuer")
        # An extension that must be understood is not.
        if header.get("alg") != key.algorithm or "crit" in header:
            raise InvalidToken("not the key's algorithm")
        return _subject(_claims(token, key, issuer), issuer)


def _default_jwks_url(issuer: str) -> str:
    """Where Cognito publishes its keys."""
    return f"{issuer.rstrip('/')}/.well-known/jwks.json"


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return jws.get_unverified_header(token), jwt.get_unverified_claims(token)
    except (JOSEError, ValueError, TypeError, RecursionError) as error:
        raise InvalidToken("not a token") from error


def _claims(token: str, key: IssuerKey, issuer: ExternalIssuer) -> dict[str, Any]:
    # Cognito's access tokens have a client_id in place of an audience, so that is checked below.
    options = {"require_exp": True, "require_iat": True, "verify_aud": False, "leeway": CLOCK_SKEW_S}
    prepared: Any = key.key
    try:
        return jwt.decode(token, prepared, algorithms=[key.algorithm], issuer=issuer.issuer, options=options)
    except (JOSEError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidToken(str(error)) from error


def _subject(claims: dict[str, Any], issuer: ExternalIssuer) -> Subject:
    named = claims.get("aud", claims.get("client_id"))
    audiences = named if isinstance(named, list) else [named]
    if not any(isinstance(audience, str) and audience in issuer.audiences for audience in audiences):
        raise InvalidToken("for another audience")
    if issuer.token_use is not None and claims.get("token_use") != issuer.token_use:
        raise InvalidToken("for another use")
    now_s = datetime.now(UTC).timestamp()
    issued_s, expires_s, subject = claims["iat"], claims["exp"], claims.get("sub")
    if not isinstance(issued_s, int | float) or issued_s > now_s + CLOCK_SKEW_S:
        raise InvalidToken("issued in the future")
    if not isinstance(expires_s, int | float) or expires_s > now_s + issuer.max_token_lifetime_s:
        raise InvalidToken("valid for too long")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS_MAX or not subject.isprintable():
        raise InvalidToken("sub is not a subject")
    return Subject(issuer.issuer, subject, datetime.fromtimestamp(expires_s, UTC))


async def find(connection: Connection, subject: Subject) -> int | None:
    account_id: int | None = await connection.fetchval(FIND, subject.issuer, subject.subject)
    return account_id


async def find_or_create(connection: Connection, subject: Subject) -> int:
    """Return the subject's account; at first sight make one."""
    account_id = await find(connection, subject)
    if account_id is not None:
        return account_id
    await connection.execute(LOCK, f"{subject.issuer} {subject.subject}")
    account_id = await find(connection, subject)
    if account_id is None:
        account_id = await accounts.create(connection, None, None)
        await connection.execute(ADD, subject.issuer, subject.subject, account_id)
        await audit.write(connection, account_id, "REGISTERED", None, issuer=subject.issuer)
    return account_id
