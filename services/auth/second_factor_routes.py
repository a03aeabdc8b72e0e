"""The public routes of second factors."""

from fastapi import APIRouter

from services.auth import accounts, audit, notices, second_factors, sessions
from services.auth.callers import Bearer
from services.auth.changes import announce_sessions
from services.auth.errors import (
    ALWAYS,
    INVALID_ACCESS_TOKEN,
    INVALID_CREDENTIALS,
    NO_SECOND_FACTOR,
    NO_SESSION,
    SECOND_FACTOR_ENABLED,
    TOO_MANY_ATTEMPTS,
    WITH_BODY,
    WRONG_CODE,
    Refused,
    documented,
)
from services.auth.own_passwords import check_own_password
from services.auth.resources import Asker, Held, Resources
from services.auth.second_factors import Verdict
from services.auth.throttles import Throttle, give_back
from services.auth.visitors import Visiting, Visitor
from services.auth.wire import CodeRequest, Enrolment, PasswordRequest, RecoveryCodes, SecondFactorView
from services.infra.telemetry import logger

log = logger(__name__)

router = APIRouter(prefix="/second-factor", tags=["second factor"])

_SHOWING_A_CODE = documented(INVALID_ACCESS_TOKEN, WRONG_CODE, NO_SECOND_FACTOR, TOO_MANY_ATTEMPTS, *WITH_BODY)


@router.get("", responses=documented(INVALID_ACCESS_TOKEN, *ALWAYS))
async def read_second_factor(token: Bearer, held: Held) -> SecondFactorView:
    """Say whether the account has a second factor, and how many recovery codes are left."""
    async with held.transaction_of(token) as connection:
        enabled = await second_factors.is_enabled(connection, token.account_id)
        left = await second_factors.count_recovery_codes(connection, token.account_id)
    return SecondFactorView(enabled=enabled, recovery_codes_left=left)


@router.post(
    "",
    responses=documented(
        INVALID_ACCESS_TOKEN, INVALID_CREDENTIALS, NO_SESSION, SECOND_FACTOR_ENABLED, TOO_MANY_ATTEMPTS, *WITH_BODY
    ),
)
async def enrol_second_factor(body: PasswordRequest, token: Bearer, held: Held) -> Enrolment:
    """Begin: show the URI as a QR code to an authenticator app. It is in force once a code of it was confirmed."""
    if token.session_id is None:
        raise Refused(NO_SESSION)
    await check_own_password(held, token, body.password)
    async with held.transaction_of(token) as connection:
        account = await accounts.read(connection, token.account_id)
        secret = await second_factors.enrol(connection, held.seal, token.account_id)
    if secret is None:
        raise Refused(SECOND_FACTOR_ENABLED)
    uri = second_factors.provisioning_uri(secret, account.email or str(account.account_id))
    return Enrolment(secret=secret, provisioning_uri=uri)


@router.post("/confirm", responses=_SHOWING_A_CODE)
async def confirm_second_factor(body: CodeRequest, token: Bearer, visitor: Visiting, held: Held) -> RecoveryCodes:
    """Put the second factor in force with one of its codes. The recovery codes are shown only now.

    Every other session ends: none of them was opened with it.
    """
    throttle = _throttle(held, token.account_id)
    await held.take(throttle)
    async with held.transaction_of(token) as connection:
        codes = await second_factors.confirm(connection, held.seal, token.account_id, body.code.get_secret_value())
        if codes is None:
            raise Refused(WRONG_CODE)
        await give_back(connection, throttle)
        ended = await sessions.end_all(connection, token.account_id, but=token.session_id)
        await sessions.set_second_factor(connection, token.account_id, True)
        await notices.write(connection, token.account_id, "SECOND_FACTOR_ENABLED", visitor.told())
        await audit.write(connection, token.account_id, "SECOND_FACTOR_ENABLED", visitor)
    await announce_sessions(held.redis, ended)
    log.info("second factor enabled", account_id=token.account_id)
    return RecoveryCodes(recovery_codes=codes)


@router.post("/disable", status_code=204, responses=_SHOWING_A_CODE)
async def disable_second_factor(body: CodeRequest, token: Bearer, visitor: Visiting, held: Held) -> None:
    """Do without a second factor again. It takes a code of it, or a recovery code."""
    await _check(held, token, visitor, body)
    async with held.transaction_of(token) as connection:
        await second_factors.remove(connection, token.account_id)
        await sessions.set_second_factor(connection, token.account_id, False)
        await notices.write(connection, token.account_id, "SECOND_FACTOR_DISABLED", visitor.told())
        await audit.write(connection, token.account_id, "SECOND_FACTOR_DISABLED", visitor)
    log.info("second factor disabled", account_id=token.account_id)


@router.post("/recovery-codes", responses=_SHOWING_A_CODE)
async def replace_recovery_codes(body: CodeRequest, token: Bearer, visitor: Visiting, held: Held) -> RecoveryCodes:
    """Make new recovery codes; the old ones stop working."""
    await _check(held, token, visitor, body)
    async with held.transaction_of(token) as connection:
        codes = await second_factors.replace_recovery_codes(connection, token.account_id)
        await audit.write(connection, token.account_id, "RECOVERY_CODES_REPLACED", visitor)
    return RecoveryCodes(recovery_codes=codes)


async def _check(held: Resources, token: Asker, visitor: Visitor, body: CodeRequest) -> None:
    """Use a code up in a transaction of its own: it stays used, whatever comes of the request."""
    throttle = _throttle(held, token.account_id)
    await held.take(throttle)
    async with held.transaction_of(token) as connection:
        verdict = await second_factors.check(connection, held.seal, token.account_id, body.code.get_secret_value())
        if verdict is not Verdict.WRONG:
            await give_back(connection, throttle)
        if verdict is Verdict.RECOVERED:
            await second_factors.tell_of_recovery(connection, token.account_id, visitor)
    if verdict is Verdict.ABSENT:
        raise Refused(NO_SECOND_FACTOR)
    if verdict is Verdict.WRONG:
        raise Refused(WRONG_CODE)


def _throttle(held: Resources, account_id: int) -> Throttle:
    settings = held.settings
    return Throttle("code", str(account_id), settings.max_wrong_codes_per_account, settings.throttle_window_s)
