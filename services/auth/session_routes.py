"""The public routes of sessions: logging in with one step or two, staying logged in, and what is open where."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import SecretStr

from services.auth import accounts, audit, challenges, logins, notices, second_factors, sessions
from services.auth.callers import Bearer
from services.auth.changes import announce_sessions
from services.auth.errors import (
    ALWAYS,
    FOREIGN_ORIGIN,
    INVALID_ACCESS_TOKEN,
    INVALID_CHALLENGE,
    INVALID_CREDENTIALS,
    INVALID_REFRESH_TOKEN,
    SESSION_NOT_FOUND,
    TOO_MANY_ATTEMPTS,
    WITH_BODY,
    WRONG_CODE,
    Refused,
    documented,
)
from services.auth.logins import Step
from services.auth.metrics import LOGINS, REFRESHES
from services.auth.pacing import at_least
from services.auth.passwords import TooManyWaiting
from services.auth.resources import Held, Resources
from services.auth.second_factors import Verdict
from services.auth.visitors import Visiting, Visitor
from services.auth.wire import (
    LoginRequest,
    OpenSessionView,
    RefreshRequest,
    SecondFactorNeeded,
    SecondStep,
    Tokens,
)
from services.infra.telemetry import logger

log = logger(__name__)

router = APIRouter(tags=["sessions"])


@router.post(
    "/login",
    response_model_exclude_none=True,
    responses=documented(INVALID_CREDENTIALS, FOREIGN_ORIGIN, TOO_MANY_ATTEMPTS, *WITH_BODY),
)
async def login(body: LoginRequest, visitor: Visiting, held: Held, response: Response) -> Tokens | SecondFactorNeeded:
    """Start a session, or ask for the second factor. Unknown addresses and wrong passwords get the same answer."""
    device_token = _device_token(body.device_token, visitor)
    async with held.transaction() as connection:
        account_id, password_hash, is_confirmed = await accounts.find_credentials(connection, body.email)
        attempt = await logins.begin(
            connection, held.settings, Step.PASSWORD, body.email, account_id, visitor, device_token
        )
    _refuse_throttled(attempt)
    # No connection is held here: a password check takes a hundred times longer than a query.
    try:
        verdict = await held.passwords.check(body.password.get_secret_value(), password_hash)
    except TooManyWaiting:
        # Nothing was tried.
        async with held.transaction() as connection:
            await logins.give_back_all(connection, attempt)
        raise
    may_sign_in = verdict.matches and (is_confirmed or not held.settings.require_confirmed_email)
    if account_id is None or password_hash is None or not may_sign_in:
        async with at_least(held.settings.even_answer_ms), held.transaction() as connection:
            await logins.fail(connection, attempt, account_id, visitor)
        LOGINS.labels("refused").inc()
        raise Refused(INVALID_CREDENTIALS)
    async with held.transaction() as connection:
        await logins.give_back_all(connection, attempt)
        if verdict.new_hash is not None:
            await accounts.replace_hash(connection, account_id, password_hash, verdict.new_hash)
        if await second_factors.is_enabled(connection, account_id):
            challenge = await challenges.make(connection, account_id)
            return SecondFactorNeeded(challenge_token=challenge, expires_in_s=challenges.LIFETIME_S)
        logged_in = await logins.complete(
            connection, held.settings, account_id, visitor, device_token, second_factor=False
        )
    return await _welcome(held, logged_in, visitor, response)


@router.post(
    "/login/second-factor",
    response_model_exclude_none=True,
    responses=documented(INVALID_CHALLENGE, WRONG_CODE, FOREIGN_ORIGIN, TOO_MANY_ATTEMPTS, *WITH_BODY),
)
async def login_with_second_factor(body: SecondStep, visitor: Visiting, held: Held, response: Response) -> Tokens:
    """Finish a login with a one-time password, or with a recovery code."""
    device_token = _device_token(body.device_token, visitor)
    challenge = body.challenge_token.get_secret_value()
    async with held.transaction() as connection:
        account_id = await challenges.find(connection, challenge)
        if account_id is None:
            raise Refused(INVALID_CHALLENGE)
        attempt = await logins.begin(
            connection, held.settings, Step.CODE, str(account_id), account_id, visitor, device_token
        )
    _refuse_throttled(attempt)
    async with held.transaction() as connection:
        verdict = await second_factors.check(connection, held.seal, account_id, body.code.get_secret_value())
        if verdict is Verdict.WRONG:
            await logins.fail(connection, attempt, account_id, visitor)
    if verdict is Verdict.WRONG:
        LOGINS.labels("wrong_code").inc()
        raise Refused(WRONG_CODE)
    async with held.transaction() as connection:
        # A factor that was disabled meanwhile is none; the password comes first again.
        if verdict is Verdict.ABSENT or not await challenges.use(connection, challenge):
            raise Refused(INVALID_CHALLENGE)
        await logins.give_back_all(connection, attempt)
        if verdict is Verdict.RECOVERED:
            await second_factors.tell_of_recovery(connection, account_id, visitor)
        logged_in = await logins.complete(
            connection, held.settings, account_id, visitor, device_token, second_factor=True
        )
    return await _welcome(held, logged_in, visitor, response)


@router.post(
    "/refresh",
    response_model_exclude_none=True,
    responses=documented(INVALID_REFRESH_TOKEN, FOREIGN_ORIGIN, *WITH_BODY),
)
async def refresh(body: RefreshRequest, visitor: Visiting, held: Held, response: Response) -> Tokens:
    """Exchange a refresh token for a new pair. Using one twice ends its session: a copy may be in other hands.

    In cookie mode the token comes from its cookie and the body is `{}`.
    """
    shown = visitor.refresh_cookie if visitor.in_cookies else None
    if body.refresh_token is not None:
        shown = body.refresh_token.get_secret_value()
    if shown is None:
        raise Refused(INVALID_REFRESH_TOKEN)
    async with held.transaction() as connection:
        outcome = await sessions.refresh(
            connection, shown, visitor, max_refreshes=held.settings.max_refreshes_per_session
        )
        if isinstance(outcome, sessions.NotRefreshed) and outcome.reason is sessions.RefreshRefusal.REUSED:
            assert outcome.account_id is not None, "a used token has an owner"
            await notices.write(connection, outcome.account_id, "SESSION_STOLEN", visitor.told())
            await audit.write(connection, outcome.account_id, "REFRESH_TOKEN_REUSED", visitor)
    if isinstance(outcome, sessions.Opened):
        REFRESHES.labels("accepted").inc()
        return _tokens(held, outcome, visitor, response)
    REFRESHES.labels(outcome.reason.value).inc()
    if outcome.ended_session_id is not None:
        log.warning("session ended", reason=outcome.reason.value, session_id=outcome.ended_session_id)
        await announce_sessions(held.redis, [outcome.ended_session_id])
    raise Refused(INVALID_REFRESH_TOKEN)


@router.post("/logout", status_code=204, responses=documented(INVALID_ACCESS_TOKEN, FOREIGN_ORIGIN, *ALWAYS))
async def logout(token: Bearer, visitor: Visiting, held: Held, response: Response) -> None:
    """End the session: its access token and refresh tokens stop working, and its cookie goes."""
    visitor.drop_refresh_token(response)
    if token.session_id is None:
        return
    async with held.transaction_of(token) as connection:
        await sessions.end(connection, token.session_id)
        await audit.write(connection, token.account_id, "LOGOUT", visitor)
    await announce_sessions(held.redis, [token.session_id])


@router.get("/sessions", responses=documented(INVALID_ACCESS_TOKEN, *ALWAYS))
async def list_sessions(token: Bearer, held: Held) -> list[OpenSessionView]:
    """List what is open, the session used last first."""
    async with held.transaction_of(token) as connection:
        found = await sessions.list_live(connection, token.account_id)
    return [OpenSessionView.of(session, is_current=session.session_id == token.session_id) for session in found]


@router.delete("/sessions", status_code=204, responses=documented(INVALID_ACCESS_TOKEN, *ALWAYS))
async def revoke_other_sessions(token: Bearer, visitor: Visiting, held: Held) -> None:
    """End every session but the one that asks."""
    async with held.transaction_of(token) as connection:
        ended = await sessions.end_all(connection, token.account_id, but=token.session_id)
        await audit.write(connection, token.account_id, "OTHER_SESSIONS_REVOKED", visitor, sessions=len(ended))
    await announce_sessions(held.redis, ended)


@router.delete(
    "/sessions/{sessionId}",
    status_code=204,
    responses=documented(INVALID_ACCESS_TOKEN, SESSION_NOT_FOUND, *ALWAYS),
)
async def revoke_session(
    session_id: Annotated[str, Path(alias="sessionId")], token: Bearer, visitor: Visiting, held: Held
) -> None:
    """End one session."""
    async with held.transaction_of(token) as connection:
        if not await sessions.end_one(connection, token.account_id, session_id):
            raise Refused(SESSION_NOT_FOUND)
        await audit.write(connection, token.account_id, "SESSION_REVOKED", visitor, sessionId=session_id)
    await announce_sessions(held.redis, [session_id])


def _device_token(in_body: SecretStr | None, visitor: Visitor) -> str | None:
    return in_body.get_secret_value() if in_body is not None else visitor.device_cookie


def _refuse_throttled(attempt: logins.Attempt) -> None:
    if attempt.retry_after_s:
        LOGINS.labels("throttled").inc()
        raise Refused(TOO_MANY_ATTEMPTS, retry_after_s=attempt.retry_after_s)


async def _welcome(held: Resources, logged_in: logins.LoggedIn, visitor: Visitor, response: Response) -> Tokens:
    await announce_sessions(held.redis, logged_in.ended)
    LOGINS.labels("accepted").inc()
    device_token = logged_in.device_token
    if visitor.in_cookies and device_token is not None:
        visitor.keep_device_token(response, device_token)
        device_token = None
    tokens = _tokens(held, logged_in.session, visitor, response)
    return tokens.model_copy(update={"device_token": device_token})


def _tokens(held: Resources, session: sessions.Opened, visitor: Visitor, response: Response) -> Tokens:
    lifetime_s = held.settings.access_token_lifetime_s
    access_token = held.signing_keys.issue(session.account_id, session.session_id, lifetime_s=lifetime_s)
    if visitor.in_cookies:
        visitor.keep_refresh_token(response, session.refresh_token, session.lifetime_s)
        return Tokens(access_token=access_token, expires_in_s=lifetime_s)
    return Tokens(access_token=access_token, expires_in_s=lifetime_s, refresh_token=session.refresh_token)
