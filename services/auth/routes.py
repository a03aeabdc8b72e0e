"""The public routes, under ``/auth/v1``: accounts, sessions and API keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from services.auth import accounts, api_keys, notices, sessions
from services.auth.callers import Bearer
from services.auth.changes import announce_api_key, announce_sessions
from services.auth.errors import (
    API_KEY_NOT_FOUND,
    BODY_TOO_LARGE,
    BUSY,
    EMAIL_TAKEN,
    INVALID_ACCESS_TOKEN,
    INVALID_CREDENTIALS,
    INVALID_REFRESH_TOKEN,
    INVALID_REQUEST,
    TOO_MANY_API_KEYS,
    UNAVAILABLE,
    Refused,
    documented,
)
from services.auth.metrics import LOGINS, REFRESHES
from services.auth.resources import Held, Resources
from services.auth.wire import (
    AccountView,
    ApiKeyChanges,
    ApiKeyView,
    Credentials,
    NewApiKeyRequest,
    NewApiKeyView,
    RefreshRequest,
    Registered,
    Tokens,
)
from services.infra.telemetry import logger

log = logger(__name__)

_ALWAYS = (BUSY, UNAVAILABLE)
_WITH_BODY = (INVALID_REQUEST, BODY_TOO_LARGE, *_ALWAYS)


async def _never_store(response: Response) -> None:
    """Keep tokens and secrets out of every cache on the way."""
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix="/auth/v1", dependencies=[Depends(_never_store)])


def _tokens(held: Resources, session: sessions.Opened) -> Tokens:
    lifetime_s = held.settings.access_token_lifetime_s
    access_token = held.signing_keys.issue(session.account_id, session.session_id, lifetime_s=lifetime_s)
    return Tokens(access_token=access_token, expires_in_s=lifetime_s, refresh_token=session.refresh_token)


@router.post("/register", status_code=201, tags=["accounts"], responses=documented(EMAIL_TAKEN, *_WITH_BODY))
async def register(body: Credentials, held: Held) -> Registered:
    """Create an account."""
    password_hash = await held.passwords.hash(body.password.get_secret_value())
    async with held.transaction() as connection:
        account_id = await accounts.create(connection, body.email, password_hash)
    log.info("account registered", account_id=account_id)
    return Registered(account_id=account_id)


@router.get("/account", tags=["accounts"], responses=documented(INVALID_ACCESS_TOKEN, *_ALWAYS))
async def read_account(token: Bearer, held: Held) -> AccountView:
    """Say whose access token this is."""
    async with held.transaction_of(token) as connection:
        account = await accounts.read(connection, token.account_id)
    return AccountView(account_id=account.account_id, email=account.email, created_at=account.created_at)


@router.post("/login", tags=["sessions"], responses=documented(INVALID_CREDENTIALS, *_WITH_BODY))
async def login(body: Credentials, held: Held) -> Tokens:
    """Start a session. An unknown address and a wrong password get the same answer after the same work."""
    async with held.transaction() as connection:
        account_id, password_hash = await accounts.find_credentials(connection, body.email)
    # No connection is held here: a password check takes a hundred times longer than a query.
    verdict = await held.passwords.check(body.password.get_secret_value(), password_hash)
    if account_id is None or password_hash is None or not verdict.matches:
        LOGINS.labels("refused").inc()
        raise Refused(INVALID_CREDENTIALS)
    async with held.transaction() as connection:
        if verdict.new_hash is not None:
            await accounts.replace_hash(connection, account_id, password_hash, verdict.new_hash)
        session, ended = await sessions.open_session(
            connection,
            account_id,
            lifetime_s=held.settings.session_lifetime_s,
            max_sessions=held.settings.max_sessions_per_account,
        )
    await announce_sessions(held.redis, ended)
    LOGINS.labels("accepted").inc()
    return _tokens(held, session)


@router.post("/refresh", tags=["sessions"], responses=documented(INVALID_REFRESH_TOKEN, *_WITH_BODY))
async def refresh(body: RefreshRequest, held: Held) -> Tokens:
    """Exchange a refresh token for a new pair. Using one twice ends its session: a copy may be in other hands."""
    async with held.transaction() as connection:
        outcome = await sessions.refresh(
            connection, body.refresh_token.get_secret_value(), max_refreshes=held.settings.max_refreshes_per_session
        )
    if isinstance(outcome, sessions.Opened):
        REFRESHES.labels("accepted").inc()
        return _tokens(held, outcome)
    REFRESHES.labels(outcome.reason.value).inc()
    if outcome.ended_session_id is not None:
        log.warning("session ended", reason=outcome.reason.value, session_id=outcome.ended_session_id)
        await announce_sessions(held.redis, [outcome.ended_session_id])
    raise Refused(INVALID_REFRESH_TOKEN)


@router.post("/logout", status_code=204, tags=["sessions"], responses=documented(INVALID_ACCESS_TOKEN, *_ALWAYS))
async def logout(token: Bearer, held: Held) -> None:
    """End the session: its access token and refresh tokens stop working."""
    async with held.transaction_of(token) as connection:
        await sessions.end(connection, token.session_id)
    await announce_sessions(held.redis, [token.session_id])


@router.post(
    "/api-keys",
    status_code=201,
    response_model_exclude_none=True,
    tags=["api keys"],
    responses=documented(INVALID_ACCESS_TOKEN, TOO_MANY_API_KEYS, *_WITH_BODY),
)
async def create_api_key(body: NewApiKeyRequest, token: Bearer, held: Held) -> NewApiKeyView:
    """Create an API key. Its secret, unless you sent a public key, is in this answer and never shown again."""
    async with held.transaction_of(token) as connection:
        created = await api_keys.create(
            connection,
            held.seal,
            token.account_id,
            body.wish(),
            max_keys=held.settings.max_api_keys_per_account,
        )
        if created is not None:
            await notices.write(connection, token.account_id, "API_KEY_CREATED", {"label": created.label})
    if created is None:
        raise Refused(TOO_MANY_API_KEYS)
    log.info("API key created", account_id=token.account_id)
    return NewApiKeyView.model_validate(created, from_attributes=True)


@router.get(
    "/api-keys",
    response_model_exclude_none=True,
    tags=["api keys"],
    responses=documented(INVALID_ACCESS_TOKEN, *_ALWAYS),
)
async def list_api_keys(token: Bearer, held: Held) -> list[ApiKeyView]:
    """List the account's API keys, oldest first, without their secrets."""
    async with held.transaction_of(token) as connection:
        keys = await api_keys.list_all(connection, token.account_id)
    return [ApiKeyView.model_validate(key, from_attributes=True) for key in keys]


@router.patch(
    "/api-keys/{apiKey}",
    response_model_exclude_none=True,
    tags=["api keys"],
    responses=documented(INVALID_ACCESS_TOKEN, API_KEY_NOT_FOUND, *_WITH_BODY),
)
async def change_api_key(
    api_key: Annotated[str, Path(alias="apiKey")], body: ApiKeyChanges, token: Bearer, held: Held
) -> ApiKeyView:
    """Change an API key's label or the addresses it may be used from. The change is in force at once."""
    async with held.transaction_of(token) as connection:
        changed = await api_keys.update(connection, token.account_id, api_key, body.label, body.ip_allow_list)
    if changed is None:
        raise Refused(API_KEY_NOT_FOUND)
    await announce_api_key(held.redis, api_key)
    log.info("API key changed", account_id=token.account_id)
    return ApiKeyView.model_validate(changed, from_attributes=True)


@router.delete(
    "/api-keys/{apiKey}",
    status_code=204,
    tags=["api keys"],
    responses=documented(INVALID_ACCESS_TOKEN, API_KEY_NOT_FOUND, *_ALWAYS),
)
async def delete_api_key(api_key: Annotated[str, Path(alias="apiKey")], token: Bearer, held: Held) -> None:
    """Delete an API key. Requests signed with it stop working."""
    async with held.transaction_of(token) as connection:
        deleted = await api_keys.delete(connection, token.account_id, api_key)
        if deleted is not None:
            await notices.write(connection, token.account_id, "API_KEY_DELETED", {"label": deleted})
    if deleted is None:
        raise Refused(API_KEY_NOT_FOUND)
    await announce_api_key(held.redis, api_key)
    log.info("API key deleted", account_id=token.account_id)
