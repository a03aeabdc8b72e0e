"""Logins: who may try a password or a code how often, and what a login that succeeded leaves behind.

The limits are per address, and per account for devices it has not seen: those who guess use them up for themselves and
each other. A device that the account has logged in from before (``services.auth.devices``) has a limit of its own, so
its owner is never locked out by strangers; and on a new device a password reset gets around them. An unknown address
has the same limits as an account, so that they do not tell it from one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from services.auth import accounts, audit, devices, notices, sessions
from services.auth.random_tokens import digest
from services.auth.settings import AuthSettings
from services.auth.throttles import Throttle, forget, give_back, network_of, take
from services.auth.visitors import Visitor
from services.infra.transactions import Connection


class Step(Enum):
    """Each has limits of its own: who passed the first is closer to the second, not to the end of its limit."""

    PASSWORD = auto()
    CODE = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """``retry_after_s`` is 0 if it may be made; ``locks`` says that it is the last one for strangers to the account."""

    throttles: Sequence[Throttle]
    retry_after_s: int
    locks: bool


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """``ended`` are sessions that had to make room; ``device_token`` is for a device that has none."""

    session: sessions.Opened
    ended: Sequence[str]
    device_token: str | None = field(repr=False)


async def begin(
    connection: Connection,
    settings: AuthSettings,
    step: Step,
    whom: str,
    account_id: int | None,
    visitor: Visitor,
    device_token: str | None,
) -> Attempt:
    """Count an attempt to log in as ``whom``. Commit, whatever the answer."""
    window_s = settings.throttle_window_s
    by_address = Throttle(
        "login-address", network_of(visitor.address), settings.max_failed_logins_per_address, window_s
    )
    is_known = await devices.is_known(connection, account_id, device_token)
    limit = settings.max_failed_logins_per_account
    if is_known and device_token is not None:
        by_account = Throttle(f"login-device-{step.name}", digest(device_token).hex(), limit, window_s)
    else:
        by_account = _of_strangers(settings, step, whom)
    # The address first: whom it stops does not use up what the account has.
    taken = await take(connection, by_address)
    if not taken.retry_after_s:
        taken = await take(connection, by_account)
        return Attempt((by_address, by_account), taken.retry_after_s, taken.is_last and not is_known)
    return Attempt((by_address,), taken.retry_after_s, False)


def _of_strangers(settings: AuthSettings, step: Step, whom: str) -> Throttle:
    attempts, window_s = settings.max_failed_logins_per_account, settings.throttle_window_s
    return Throttle(f"login-stranger-{step.name}", whom, attempts, window_s)


async def unlock(connection: Connection, settings: AuthSettings, email: str) -> None:
    """The address's owner has just shown that they are: wrong passwords of before are nothing to them."""
    await forget(connection, _of_strangers(settings, Step.PASSWORD, email))


async def give_back_all(connection: Connection, attempt: Attempt) -> None:
    for throttle in attempt.throttles:
        await give_back(connection, throttle)


async def fail(connection: Connection, attempt: Attempt, account_id: int | None, visitor: Visitor) -> None:
    """Let the owner know, if there is one. That it takes longer is for the caller to hide."""
    if account_id is None:
        return
    await audit.write(connection, account_id, "LOGIN_REFUSED", visitor)
    if attempt.locks:
        await notices.write(connection, account_id, "ACCOUNT_LOCKED", visitor.told())


async def complete(
    connection: Connection,
    settings: AuthSettings,
    account_id: int,
    visitor: Visitor,
    device_token: str | None,
    *,
    second_factor: bool,
) -> LoggedIn:
    """Open a session, remember the device, and tell the owner of a new one."""
    await accounts.lock(connection, account_id)
    is_news = await devices.is_news(connection, account_id, visitor)
    new_device_token = await devices.remember(connection, account_id, device_token)
    session, ended = await sessions.open_session(
        connection,
        account_id,
        visitor,
        second_factor=second_factor,
        lifetime_s=settings.session_lifetime_s,
        max_sessions=settings.max_sessions_per_account,
    )
    await audit.write(connection, account_id, "LOGIN", visitor, secondFactor=second_factor)
    if is_news and new_device_token is not None:
        await notices.write(connection, account_id, "NEW_DEVICE_LOGIN", visitor.told())
    return LoggedIn(session, ended, new_device_token)
