"""What other services and the ``crossbook`` command ask, under ``/internal``. A gateway must not route these."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.auth import accounts, api_keys, audit, external, notices, second_factors, sessions
from services.auth.callers import internal_only
from services.auth.errors import (
    ACCOUNT_NOT_FOUND,
    ALWAYS,
    API_KEY_NOT_FOUND,
    EMAIL_TAKEN,
    INVALID_INTERNAL_CREDENTIAL,
    INVALID_REQUEST,
    NO_SECOND_FACTOR,
    SESSION_NOT_FOUND,
    TOO_MANY_API_KEYS,
    TOO_MANY_ATTEMPTS,
    WITH_BODY,
    WRONG_CODE,
    Refused,
    documented,
)
from services.auth.resources import Held, Resources
from services.auth.second_factors import Verdict
from services.auth.throttles import Throttle, forget
from services.auth.wire import (
    AccountView,
    Acknowledgement,
    CodeRequest,
    HolderView,
    IntrospectionRequest,
    NewAccountRequest,
    NewAccountView,
    NoticeView,
    RolesRequest,
    SessionView,
    SigningAuthorityView,
)
from services.infra.telemetry import logger
from services.infra.tokens import InvalidToken, UnknownSigningKey

log = logger(__name__)

_ALWAYS = (INVALID_INTERNAL_CREDENTIAL, *ALWAYS)
_WITH_BODY = (INVALID_INTERNAL_CREDENTIAL, *WITH_BODY)

AccountId = Annotated[int, Path(alias="accountId", ge=1, lt=2**63)]

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
    responses=documented(EMAIL_TAKEN, *_WITH_BODY),
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


@router.post("/introspect", responses=documented(SESSION_NOT_FOUND, *_WITH_BODY))
async def introspect(body: IntrospectionRequest, held: Held) -> HolderView:
    """Tell who holds an access token, ours or a trusted issuer's, if it is valid now."""
    text = body.token.get_secret_value()
    try:
        token = held.signing_keys.verify(text)
    except UnknownSigningKey:
        return await _introspect_external(held, text)
    except InvalidToken as error:
        raise Refused(SESSION_NOT_FOUND) from error
    async with held.transaction() as connection:
        holder = await sessions.describe(connection, token.session_id)
    if holder is None or holder.account_id != token.account_id:
        raise Refused(SESSION_NOT_FOUND)
    return HolderView(expires_at=datetime.fromtimestamp(token.expires_at_s, UTC), **holder._asdict())


async def _introspect_external(held: Resources, token: str) -> HolderView:
    try:
        subject = await held.external_issuers.verify(token)
    except InvalidToken as error:
        raise Refused(SESSION_NOT_FOUND) from error
    async with held.transaction() as connection:
        account = await accounts.read(connection, await external.find_or_create(connection, subject))
    return HolderView(
        account_id=account.account_id,
        session_id=None,
        email=account.email,
        email_confirmed=account.email_confirmed,
        roles=account.roles,
        # Whether and how the other issuer asked for one is its own affair.
        second_factor=False,
        expires_at=subject.expires_at,
    )


@router.get("/accounts", responses=documented(INVALID_REQUEST, *_ALWAYS))
async def search_accounts(
    held: Held,
    query: Annotated[str, Query(max_length=accounts.QUERY_CHARS_MAX)] = "",
    limit: Annotated[int, Query(ge=1, le=accounts.LISTED_MAX)] = 50,
    before: Annotated[int, Query(ge=1, lt=2**63)] = 2**63 - 1,
) -> list[AccountView]:
    """Find accounts by their id or part of their address, newest first. Go on with the last one's id as `before`."""
    async with held.transaction() as connection:
        found = await accounts.search(connection, accounts.searchable(query), before=before, limit=limit)
    return [AccountView.model_validate(account, from_attributes=True) for account in found]


@router.get("/accounts/{accountId}", responses=documented(ACCOUNT_NOT_FOUND, INVALID_REQUEST, *_ALWAYS))
async def find_account(account_id: AccountId, held: Held) -> AccountView:
    """Tell what is known of an account."""
    async with held.transaction() as connection:
        account = await accounts.find(connection, account_id)
    if account is None:
        raise Refused(ACCOUNT_NOT_FOUND)
    return AccountView.model_validate(account, from_attributes=True)


@router.put("/accounts/{accountId}/roles", responses=documented(ACCOUNT_NOT_FOUND, *_WITH_BODY))
async def set_roles(account_id: AccountId, body: RolesRequest, held: Held) -> AccountView:
    """Replace an account's roles. They count in sessions that were opened with a second factor."""
    async with held.transaction() as connection:
        if not await accounts.set_roles(connection, account_id, body.roles):
            raise Refused(ACCOUNT_NOT_FOUND)
        await audit.write(connection, account_id, "ROLES_SET", None, roles=body.roles)
        account = await accounts.read(connection, account_id)
    log.info("roles set", account_id=account_id, roles=body.roles)
    return AccountView.model_validate(account, from_attributes=True)


@router.post(
    "/accounts/{accountId}/second-factor",
    status_code=204,
    responses=documented(WRONG_CODE, NO_SECOND_FACTOR, TOO_MANY_ATTEMPTS, *_WITH_BODY),
)
async def check_second_factor(account_id: AccountId, body: CodeRequest, held: Held) -> None:
    """Use up a one-time password or a recovery code of the account."""
    throttle = Throttle(
        "code", str(account_id), held.settings.max_wrong_codes_per_account, held.settings.throttle_window_s
    )
    await held.take(throttle)
    async with held.transaction() as connection:
        verdict = await second_factors.check(connection, held.seal, account_id, body.code.get_secret_value())
        if verdict is not Verdict.WRONG:
            await forget(connection, throttle)
        if verdict is Verdict.RECOVERED:
            await second_factors.tell_of_recovery(connection, account_id, None)
    if verdict is Verdict.ABSENT:
        raise Refused(NO_SECOND_FACTOR)
    if verdict is Verdict.WRONG:
        raise Refused(WRONG_CODE)


@router.get("/notices", responses=documented(INVALID_REQUEST, *_ALWAYS))
async def list_notices(held: Held, limit: Annotated[int, Query(ge=1, le=notices.LISTED_MAX)] = 100) -> list[NoticeView]:
    """List what people are to be told, oldest first, until it is acknowledged."""
    async with held.transaction() as connection:
        found = await notices.oldest(connection, limit)
    return [NoticeView.model_validate(notice, from_attributes=True) for notice in found]


@router.post("/notices/acknowledge", status_code=204, responses=documented(*_WITH_BODY))
async def acknowledge_notices(body: Acknowledgement, held: Held) -> None:
    """Forget notices that were delivered. Acknowledging one twice is no error."""
    async with held.transaction() as connection:
        await notices.acknowledge(connection, body.notice_ids)
