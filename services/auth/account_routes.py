"""The public routes of accounts: registering, the address, the password, and the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.auth import accounts, audit, challenges, logins, mail_tokens, registration, sessions
from services.auth.callers import Bearer
from services.auth.changes import announce_sessions
from services.auth.errors import (
    ALWAYS,
    BREACHED_PASSWORD,
    EMAIL_TAKEN,
    INVALID_ACCESS_TOKEN,
    INVALID_CREDENTIALS,
    INVALID_MAIL_TOKEN,
    INVALID_REQUEST,
    TOO_MANY_ATTEMPTS,
    WITH_BODY,
    Refused,
    documented,
)
from services.auth.own_passwords import check_own_password
from services.auth.pacing import at_least
from services.auth.resources import Held
from services.auth.throttles import Throttle, network_of
from services.auth.visitors import Visiting, Visitor
from services.auth.wire import (
    AccountView,
    AuditEntryView,
    EmailChange,
    EmailRequest,
    MailTokenRequest,
    NewPassword,
    PasswordChange,
    Registered,
    Registration,
)
from services.infra.telemetry import logger

log = logger(__name__)

router = APIRouter(tags=["accounts"])


@router.post("/register", status_code=202, responses=documented(BREACHED_PASSWORD, TOO_MANY_ATTEMPTS, *WITH_BODY))
async def register(body: Registration, visitor: Visiting, held: Held) -> Registered:
    """Create an account. The answer is the same for an address that has one; whoever reads its mail will know."""
    settings = held.settings
    await held.take(_hourly("registrations", visitor, settings.max_registrations_per_address))
    password_hash = await held.hash_new(body.password)
    async with at_least(settings.even_answer_ms), held.transaction() as connection:
        account_id = await registration.register(connection, settings, body.email, password_hash, visitor)
    if account_id is not None:
        log.info("account registered", account_id=account_id)
    return Registered(confirmation_required=settings.require_confirmed_email)


@router.post("/email/confirm", status_code=204, responses=documented(INVALID_MAIL_TOKEN, EMAIL_TAKEN, *WITH_BODY))
async def confirm_email(body: MailTokenRequest, visitor: Visiting, held: Held) -> None:
    """Confirm an address with the token from the mail."""
    async with held.transaction() as connection:
        account_id = await registration.confirm(connection, body.token.get_secret_value(), visitor)
    if account_id is None:
        raise Refused(INVALID_MAIL_TOKEN)
    log.info("address confirmed", account_id=account_id)


@router.post("/email/resend", status_code=202, responses=documented(TOO_MANY_ATTEMPTS, *WITH_BODY))
async def resend_confirmation(body: EmailRequest, visitor: Visiting, held: Held) -> None:
    """Send the mail to confirm an address again, if there is one to confirm."""
    await held.take(_hourly("mails", visitor, held.settings.max_mail_requests_per_address))
    async with at_least(held.settings.even_answer_ms), held.transaction() as connection:
        await registration.send_confirmation_again(connection, held.settings, body.email)


@router.post(
    "/email",
    status_code=202,
    responses=documented(INVALID_ACCESS_TOKEN, INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS, *WITH_BODY),
)
async def change_email(body: EmailChange, token: Bearer, visitor: Visiting, held: Held) -> None:
    """Ask for another address. The account keeps the one it has until the new one is confirmed."""
    await held.take(_hourly("mails", visitor, held.settings.max_mail_requests_per_address))
    await check_own_password(held, token, body.password)
    async with at_least(held.settings.even_answer_ms), held.transaction_of(token) as connection:
        await registration.request_change(connection, held.settings, token.account_id, body.email, visitor)


@router.post("/password/forgot", status_code=202, responses=documented(TOO_MANY_ATTEMPTS, *WITH_BODY))
async def forgot_password(body: EmailRequest, visitor: Visiting, held: Held) -> None:
    """Send a link to choose a new password, if the address has an account."""
    await held.take(_hourly("mails", visitor, held.settings.max_mail_requests_per_address))
    async with at_least(held.settings.even_answer_ms), held.transaction() as connection:
        await registration.request_reset(connection, held.settings, body.email, visitor)


@router.post(
    "/password/reset", status_code=204, responses=documented(INVALID_MAIL_TOKEN, BREACHED_PASSWORD, *WITH_BODY)
)
async def reset_password(body: NewPassword, visitor: Visiting, held: Held) -> None:
    """Choose a new password with the token from the mail. Every session ends; a second factor stays what it is."""
    mail_token = body.token.get_secret_value()
    async with held.transaction() as connection:
        found = await mail_tokens.peek(connection, mail_token, "RESET_PASSWORD")
    if found is None:
        raise Refused(INVALID_MAIL_TOKEN)
    password_hash = await held.hash_new(body.password)
    async with held.transaction() as connection:
        used = await registration.reset_password(connection, mail_token, password_hash, visitor)
        if used is None:
            raise Refused(INVALID_MAIL_TOKEN)
        await logins.unlock(connection, held.settings, used.email)
        ended = await sessions.end_all(connection, used.account_id)
        await challenges.forget_all(connection, used.account_id)
    await announce_sessions(held.redis, ended)
    log.info("password reset", account_id=used.account_id, sessions_ended=len(ended))


@router.post(
    "/password",
    status_code=204,
    responses=documented(BREACHED_PASSWORD, INVALID_ACCESS_TOKEN, INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS, *WITH_BODY),
)
async def change_password(body: PasswordChange, token: Bearer, visitor: Visiting, held: Held) -> None:
    """Change the password. Every other session ends."""
    await check_own_password(held, token, body.current_password)
    password_hash = await held.hash_new(body.new_password)
    async with held.transaction_of(token) as connection:
        await registration.change_password(connection, token.account_id, password_hash, visitor)
        ended = await sessions.end_all(connection, token.account_id, but=token.session_id)
        await challenges.forget_all(connection, token.account_id)
    await announce_sessions(held.redis, ended)
    log.info("password changed", account_id=token.account_id, sessions_ended=len(ended))


@router.get("/account", responses=documented(INVALID_ACCESS_TOKEN, *ALWAYS))
async def read_account(token: Bearer, held: Held) -> AccountView:
    """Say whose access token this is."""
    async with held.transaction_of(token) as connection:
        account = await accounts.read(connection, token.account_id)
    return AccountView.model_validate(account, from_attributes=True)


@router.get("/audit", responses=documented(INVALID_REQUEST, INVALID_ACCESS_TOKEN, *ALWAYS))
async def list_audit(
    token: Bearer,
    held: Held,
    limit: Annotated[int, Query(ge=1, le=audit.LISTED_MAX)] = 50,
    before: Annotated[int, Query(ge=1, lt=2**63)] = 2**63 - 1,
) -> list[AuditEntryView]:
    """List what happened to the account, newest first. Go on with the last entry's `auditId` as `before`."""
    async with held.transaction_of(token) as connection:
        entries = await audit.page(connection, token.account_id, before=before, limit=limit)
    return [AuditEntryView.model_validate(entry, from_attributes=True) for entry in entries]


def _hourly(what: str, visitor: Visitor, attempts: int) -> Throttle:
    return Throttle(what, network_of(visitor.address), attempts, registration.HOUR_S)
