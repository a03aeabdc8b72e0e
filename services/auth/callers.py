"""Who calls: the bearer of an access token, or another service that shows the internal credential."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from services.auth import external
from services.auth.errors import INVALID_ACCESS_TOKEN, INVALID_INTERNAL_CREDENTIAL, Refused
from services.auth.resources import Asker, Held, Resources
from services.infra.tokens import InvalidToken, UnknownSigningKey
from services.infra.web import shows_internal_credential

_access_token = HTTPBearer(scheme_name="accessToken", bearerFormat="JWT", auto_error=False)
_internal_credential = HTTPBearer(
    scheme_name="internalCredential", description="The credential services show each other.", auto_error=False
)


async def _bearer(
    held: Held, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_access_token)]
) -> Asker:
    if credentials is None:
        raise Refused(INVALID_ACCESS_TOKEN)
    try:
        token = held.signing_keys.verify(credentials.credentials)
    except UnknownSigningKey:
        return await _external(held, credentials.credentials)
    except InvalidToken as error:
        raise Refused(INVALID_ACCESS_TOKEN) from error
    return Asker(token.account_id, token.session_id)


async def _external(held: Resources, token: str) -> Asker:
    try:
        subject = await held.external_issuers.verify(token)
    except InvalidToken as error:
        raise Refused(INVALID_ACCESS_TOKEN) from error
    async with held.transaction() as connection:
        return Asker(await external.find_or_create(connection, subject), None)


async def internal_only(
    request: Request,
    held: Held,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_internal_credential)],
) -> None:
    if not shows_internal_credential(request, held.settings):
        raise Refused(INVALID_INTERNAL_CREDENTIAL)


# The token is in force; whether its session still lives is for ``Resources.transaction_of`` to say.
Bearer = Annotated[Asker, Depends(_bearer)]
