"""What other services and the ``crossbook`` command ask, under ``/internal``. A gateway must not route these."""

from fastapi import APIRouter, Depends

from services.auth import accounts, api_keys, sessions
from services.auth.callers import internal_only
from services.auth.errors import (
    API_KEY_NOT_FOUND,
    BODY_TOO_LARGE,
    BUSY,
    EMAIL_TAKEN,
    INVALID_INTERNAL_CREDENTIAL,
    INVALID_REQUEST,
    SESSION_NOT_FOUND,
    TOO_MANY_API_KEYS,
    UNAVAILABLE,
    Refused,
    documented,
)
from services.auth.resources import Held
from services.auth.wire import NewAccountRequest, NewAccountView, SessionView, SigningAuthorityView
from services.infra.telemetry import logger

log = logger(__name__)

_ALWAYS = (INVALID_INTERNAL_CREDENTIAL, BUSY, UNAVAILABLE)

router = APIRouter(prefix="/internal", tags=["internal"], dependencies=[Depends(internal_only)])


@router.get("/api-keys/{api_key}", response_model_exclude_none=True, responses=documented(API_KEY_NOT_FOUND, *_ALWAYS))
async def find_api_key(api_key: str, held: Held) -> SigningAuthorityView:
    """Tell what is needed to check a request signed with the key. Cache it briefly; a change is announced."""
    async with held.transaction() as connection:
        found = await api_keys.find(connection, held.seal, api_key)
    if found is None:
        raise Refused(API_KEY_NOT_FOUND)
    return SigningAuthorityView.model_validate(found, from_attributes=True)


@router.get("/sessions/{session_id}", responses=documented(SESSION_NOT_FOUND, *_ALWAYS))
async def find_session(session_id: str, held: Held) -> SessionView:
    """Tell whose live session this is."""
    async with held.transaction() as connection:
        account_id = await sessions.owner(connection, session_id)
    if account_id is None:
        raise Refused(SESSION_NOT_FOUND)
    return SessionView(account_id=account_id)


@router.post(
    "/accounts",
    status_code=201,
    response_model_exclude_none=True,
    responses=documented(EMAIL_TAKEN, INVALID_REQUEST, BODY_TOO_LARGE, *_ALWAYS),
)
async def create_account(body: NewAccountRequest, held: Held) -> NewAccountView:
    """Create an account without a password, and its first API key."""
    async with held.transaction() as connection:
        account_id = await accounts.create(connection, body.email, None)
        key = await api_keys.create(
            connection,
            held.seal,
            account_id,
            body.wish(),
            max_keys=held.settings.max_api_keys_per_account,
        )
    if key is None:
        raise Refused(TOO_MANY_API_KEYS)
    log.info("account created by an operator", account_id=account_id)
    return NewAccountView(user_id=account_id, api_key=key.api_key, secret_key=key.secret_key)
