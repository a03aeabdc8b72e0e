"""What the auth service refuses, beside what every service does (``services.infra.problems``)."""

from typing import Final

from fastapi import FastAPI

from services.auth.passwords import TooManyWaiting
from services.infra import problems
from services.infra.problems import (
    BODY_TOO_LARGE,
    BUSY,
    INVALID_ACCESS_TOKEN,
    INVALID_INTERNAL_CREDENTIAL,
    INVALID_REQUEST,
    TOO_MANY_ATTEMPTS,
    UNAVAILABLE,
    ErrorBody,
    Problem,
    Refused,
    answer,
    documented,
)

__all__ = [
    "BODY_TOO_LARGE",
    "BUSY",
    "INVALID_ACCESS_TOKEN",
    "INVALID_INTERNAL_CREDENTIAL",
    "INVALID_REQUEST",
    "TOO_MANY_ATTEMPTS",
    "UNAVAILABLE",
    "ErrorBody",
    "Problem",
    "Refused",
    "answer",
    "documented",
    "install",
]

INVALID_CREDENTIALS: Final = Problem(
    401,
    "invalid_credentials",
    "Check the e-mail address and the password. A new account works once the link in the mail was followed.",
)
EMAIL_NOT_CONFIRMED: Final = Problem(403, "email_not_confirmed", "Confirm the e-mail address first.")
FOREIGN_ORIGIN: Final = Problem(403, "foreign_origin", "Only the exchange's own pages may use its cookies.")
NO_SESSION: Final = Problem(409, "no_session", "This access token is another issuer's; there is no session here.")
SECOND_FACTOR_ENABLED: Final = Problem(409, "second_factor_enabled", "Disable the second factor before another one.")
BREACHED_PASSWORD: Final = Problem(
    400,
    "breached_password",
    "This password is known from breaches, and among the first that are tried; choose another.",
)
INVALID_MAIL_TOKEN: Final = Problem(
    400, "invalid_mail_token", "The link was used, has expired or was replaced; ask for a new one."
)
WITHDRAW_NEEDS_ALLOW_LIST: Final = Problem(
    400, "withdraw_needs_allow_list", "A key that may withdraw needs the addresses it may be used from."
)
INVALID_CHALLENGE: Final = Problem(401, "invalid_challenge", "Log in again with the password.")
INVALID_REFRESH_TOKEN: Final = Problem(401, "invalid_refresh_token", "Log in again.")
WRONG_CODE: Final = Problem(403, "wrong_code", "Enter the newest code, or a recovery code that was not used yet.")
ACCOUNT_NOT_FOUND: Final = Problem(404, "account_not_found", "There is no such account.")
NO_SECOND_FACTOR: Final = Problem(409, "no_second_factor", "The account has no second factor; enable one first.")
API_KEY_NOT_FOUND: Final = Problem(404, "api_key_not_found", "There is no such API key; list the keys you have.")
SESSION_NOT_FOUND: Final = Problem(404, "session_not_found", "The session ended, expired or never was.")
EMAIL_TAKEN: Final = Problem(409, "email_taken", "An account with this e-mail address exists; log in instead.")
TOO_MANY_API_KEYS: Final = Problem(409, "too_many_api_keys", "Delete an API key before creating another.")

# What every route may answer, and every one that reads a body.
ALWAYS: Final = (BUSY, UNAVAILABLE)
WITH_BODY: Final = (INVALID_REQUEST, BODY_TOO_LARGE, *ALWAYS)

# What a violated constraint means to the client. Any other violation is a defect of this service.
PROBLEM_BY_CONSTRAINT: Final = {
    "users_email_unique": EMAIL_TAKEN,
    "api_keys_withdraw_needs_allow_list": WITHDRAW_NEEDS_ALLOW_LIST,
}


def install(app: FastAPI) -> None:
    """Make every error of the application answer with the envelope."""
    problems.install(app, by_constraint=PROBLEM_BY_CONSTRAINT, overload=(TooManyWaiting,))
