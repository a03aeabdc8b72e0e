"""The password of someone who is signed in already, asked again before what a found session must not do."""

from pydantic import SecretStr

from services.auth import accounts
from services.auth.errors import INVALID_CREDENTIALS, Refused
from services.auth.resources import Asker, Held
from services.auth.throttles import Throttle, give_back


async def check_own_password(held: Held, asker: Asker, password: SecretStr | None) -> None:
    """Refuse unless the password is the asker's own; those without one show none. Guesses are counted together."""
    settings = held.settings
    throttle = Throttle(
        "password", str(asker.account_id), settings.max_failed_logins_per_account, settings.throttle_window_s
    )
    await held.take(throttle)
    async with held.transaction_of(asker) as connection:
        password_hash = await accounts.password_hash(connection, asker.account_id)
    # Signed in by another issuer: there is no password to know.
    if password is not None or password_hash is not None:
        shown = password.get_secret_value() if password is not None else ""
        verdict = await held.passwords.check(shown, password_hash)
        if not verdict.matches:
            raise Refused(INVALID_CREDENTIALS)
    async with held.transaction() as connection:
        await give_back(connection, throttle)
