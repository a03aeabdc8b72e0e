"""Who calls: the bearer of an access token, or another service that shows the internal credential."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from services.auth.errors import INVALID_ACCESS_TOKEN, INVALID_INTERNAL_CREDENTIAL, Refused
from services.auth.resources import Held
from services.infra.tokens import AccessToken, InvalidToken
from services.infra.web import shows_internal_credential

_access_token = HTTPBearer(scheme_name="accessToken", bearerFormat="JWT", auto_error=False)
_internal_credential = HTTPBearer(
    scheme_name="internalCredential", description="The credential services show each other.", auto_error=False
)


async def _bearer(
    held: Held, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_access_token)]
) -> AccessToken:
    if credentials is None:
        raise Refused(INVALID_ACCESS_TOKEN)
    try:
        return held.signing_keys.verify(credentials.credentials)
    except InvalidToken as error:
        raise Refused(INVALID_ACCESS_TOKEN) from error


async def internal_only(
    request: Request,
    held: Held,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_internal_credential)],
) -> None:
    if not shows_internal_credential(request, held.settings):
        raise Refused(INVALID_INTERNAL_CREDENTIAL)


# The token is in force; whether its session still lives is for ``Resources.transaction_of`` to say.
Bearer = Annotated[AccessToken, Depends(_bearer)]
