"""Registration: how an address becomes an account's, and how nobody learns which addresses are.

- Whoever registers, asks for another mail or for a new password gets the same answer after the same work, whether or
  not there is such an account. What differs is the mail, which only the address's owner reads.
- Where a confirmed address is required (``require_confirmed_email``), nobody can sign in before it is confirmed; or
  registering an address and signing in would tell whether it was taken. A confirmation brings the password of its own
  registration: whoever registered somebody else's address first has gained nothing.
- Where it is not, an account is its first registrant's at once, and a second registration changes nothing.
"""

from typing import Final

from services.auth import accounts, audit, devices, mail_tokens, notices
from services.auth.mail_tokens import Used
from services.auth.settings import DAY_S, AuthSettings
from services.auth.throttles import Throttle, take
from services.auth.visitors import Visitor
from services.infra.transactions import Connection

HOUR_S: Final = 60 * 60
CONFIRMATION_LIFETIME_S: Final = DAY_S
RESET_LIFETIME_S: Final = 30 * 60

CREATE: Final = """
INSERT INTO auth.users (email, password_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING account_id
"""
FIND: Final = """
SELECT account_id, email_confirmed_at IS NOT NULL AS is_confirmed, password_hash IS NULL
    OR EXISTS (SELECT FROM auth.sessions s WHERE s.account_id = u.account_id)
    OR EXISTS (SELECT FROM auth.api_keys k WHERE k.account_id = u.account_id) AS is_used
FROM auth.users u WHERE email = $1
"""
# Only where nobody has signed in yet does a confirmation bring a password.
CONFIRM: Final = """
UPDATE auth.users u SET email_confirmed_at = coalesce(email_confirmed_at, now()),
    password_hash = CASE
        WHEN email_confirmed_at IS NULL AND password_hash IS NOT NULL
            AND NOT EXISTS (SELECT FROM auth.sessions s WHERE s.account_id = u.account_id)
        THEN coalesce($3, password_hash) ELSE password_hash END
WHERE account_id = $1 AND email = $2 RETURNING true
"""
CHANGE_EMAIL: Final = """
UPDATE auth.users u SET email = $2, email_confirmed_at = now()
FROM (SELECT account_id, email FROM auth.users WHERE account_id = $1 FOR UPDATE) AS before
WHERE u.account_id = before.account_id RETURNING before.email
"""
SET_HASH: Final = "UPDATE auth.users SET password_hash = $2 WHERE account_id = $1"
RESET_HASH: Final = """
UPDATE auth.users SET password_hash = $3, email_confirmed_at = coalesce(email_confirmed_at, now())
WHERE account_id = $1 AND email = $2 RETURNING true
"""


async def register(
    connection: Connection, settings: AuthSettings, email: str, password_hash: str, visitor: Visitor
) -> int | None:
    """Make an account that waits for its confirmation; return its id, or None if the address is known."""
    account_id: int | None = await connection.fetchval(CREATE, email, password_hash)
    if account_id is not None:
        await audit.write(connection, account_id, "REGISTERED", visitor)
        await _send_confirmation(connection, settings, account_id, email, password_hash)
        return account_id
    known = await connection.fetchrow(FIND, email)
    if known is None:
        return None
    if settings.require_confirmed_email and not known["is_confirmed"] and not known["is_used"]:
        await _send_confirmation(connection, settings, known["account_id"], email, password_hash)
    elif await _may_mail(connection, settings, email):
        await notices.write(connection, known["account_id"], "ALREADY_REGISTERED", visitor.told())
    return None


async def send_confirmation_again(connection: Connection, settings: AuthSettings, email: str) -> None:
    known = await connection.fetchrow(FIND, email)
    if known is None or known["is_confirmed"]:
        return
    account_id = known["account_id"]
    password_hash = await mail_tokens.newest_password(connection, account_id)
    await _send_confirmation(connection, settings, account_id, email, password_hash)


async def request_change(
    connection: Connection, settings: AuthSettings, account_id: int, email: str, visitor: Visitor
) -> None:
    """Ask for the confirmation of another address. The account keeps its own until then."""
    if not await _may_mail(connection, settings, email):
        return
    owner = await connection.fetchrow(FIND, email)
    if owner is not None and owner["account_id"] != account_id:
        await notices.write(connection, owner["account_id"], "ALREADY_REGISTERED", visitor.told())
        return
    token = await mail_tokens.make(connection, account_id, "CHANGE_EMAIL", email, lifetime_s=CONFIRMATION_LIFETIME_S)
    await notices.write(connection, account_id, "CONFIRM_EMAIL", {"token": token}, email=email)


async def confirm(connection: Connection, token: str, visitor: Visitor) -> int | None:
    """Confirm the address that the token was sent to; return whose it is, or None if the token is not valid now.

    An address that became another account's meanwhile violates ``users_email_unique``.
    """
    used = await mail_tokens.use(connection, token, "CONFIRM_EMAIL", "CHANGE_EMAIL")
    if used is None:
        return None
    account_id = used.account_id
    if used.purpose == "CHANGE_EMAIL":
        before = await connection.fetchval(CHANGE_EMAIL, account_id, used.email)
        # Links in the old mailbox must not open the account any more.
        await mail_tokens.forget(connection, account_id, "CONFIRM_EMAIL", "CHANGE_EMAIL", "RESET_PASSWORD")
        await notices.write(
            connection, account_id, "EMAIL_CHANGED", visitor.told() | {"newEmail": used.email}, email=before
        )
        await audit.write(connection, account_id, "EMAIL_CHANGED", visitor, before=before, after=used.email)
        return account_id
    if not await connection.fetchval(CONFIRM, account_id, used.email, used.password_hash):
        return None
    await mail_tokens.forget(connection, account_id, "CONFIRM_EMAIL")
    await audit.write(connection, account_id, "EMAIL_CONFIRMED", visitor, email=used.email)
    return account_id


async def request_reset(connection: Connection, settings: AuthSettings, email: str, visitor: Visitor) -> None:
    """Send a link to choose a new password, if there is an account to send one to."""
    may_mail = await _may_mail(connection, settings, email)
    known = await connection.fetchrow(FIND, email)
    if known is None or not may_mail:
        return
    token = await mail_tokens.make(
        connection, known["account_id"], "RESET_PASSWORD", email, lifetime_s=RESET_LIFETIME_S
    )
    await notices.write(connection, known["account_id"], "RESET_PASSWORD", visitor.told() | {"token": token})


async def reset_password(connection: Connection, token: str, password_hash: str, visitor: Visitor) -> Used | None:
    """Set the password by a link; return whose it is now and at which address, or None if the token is not valid.

    Sessions are for the caller to end. Devices are forgotten: one of them may be why the password had to be reset.
    """
    used = await mail_tokens.use(connection, token, "RESET_PASSWORD")
    if used is None or not await connection.fetchval(RESET_HASH, used.account_id, used.email, password_hash):
        return None
    await devices.forget_all(connection, used.account_id)
    await mail_tokens.forget(connection, used.account_id, "CONFIRM_EMAIL", "CHANGE_EMAIL", "RESET_PASSWORD")
    await notices.write(connection, used.account_id, "PASSWORD_CHANGED", visitor.told())
    await audit.write(connection, used.account_id, "PASSWORD_RESET", visitor)
    return used


async def change_password(connection: Connection, account_id: int, password_hash: str, visitor: Visitor) -> None:
    await accounts.lock(connection, account_id)
    await connection.execute(SET_HASH, account_id, password_hash)
    await mail_tokens.forget(connection, account_id, "RESET_PASSWORD")
    await mail_tokens.forget_passwords(connection, account_id)
    await notices.write(connection, account_id, "PASSWORD_CHANGED", visitor.told())
    await audit.write(connection, account_id, "PASSWORD_CHANGED", visitor)


async def _send_confirmation(
    connection: Connection, settings: AuthSettings, account_id: int, email: str, password_hash: str | None
) -> None:
    if not await _may_mail(connection, settings, email):
        return
    token = await mail_tokens.make(
        connection,
        account_id,
        "CONFIRM_EMAIL",
        email,
        lifetime_s=CONFIRMATION_LIFETIME_S,
        password_hash=password_hash,
    )
    await notices.write(connection, account_id, "CONFIRM_EMAIL", {"token": token})


async def _may_mail(connection: Connection, settings: AuthSettings, email: str) -> bool:
    """Nobody's mailbox can be flooded. That it would be is not told, or it would tell of the account."""
    taken = await take(connection, Throttle("mail", email, settings.max_mails_per_mailbox, HOUR_S))
    return not taken.retry_after_s
