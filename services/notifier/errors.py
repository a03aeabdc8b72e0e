"""What the notifier refuses, beside what every service does (``services.infra.problems``)."""

from typing import Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import Request

from services.infra import problems
from services.infra.callers import AuthUnavailable, NotSignedIn
from services.infra.problems import INVALID_ACCESS_TOKEN, Problem, answer

WRONG_CODE: Final = Problem(403, "wrong_code", "The code is wrong; look at the newest message.")
NOTICE_NOT_FOUND: Final = Problem(404, "notice_not_found", "There is no such notice in your inbox.")
WEBHOOK_NOT_FOUND: Final = Problem(404, "webhook_not_found", "There is no such webhook; list the ones you have.")
DELIVERY_NOT_FOUND: Final = Problem(404, "delivery_not_found", "No delivery with this id is parked.")
NO_CODE_AWAITED: Final = Problem(
    409, "no_code_awaited", "No code is awaited, or it expired or was guessed at too often; have a new one sent."
)
PREFERENCE_FIXED: Final = Problem(409, "preference_fixed", "This channel cannot be chosen for this kind.")
SMS_NOT_OFFERED: Final = Problem(409, "sms_not_offered", "This exchange sends no SMS.")
TOO_MANY_WEBHOOKS: Final = Problem(409, "too_many_webhooks", "Delete a webhook before creating another.")
TOO_MANY_CODES: Final = Problem(429, "too_many_codes", "Too many codes were sent today; try again tomorrow.")
TOO_MANY_TESTS: Final = Problem(429, "too_many_tests", "Too many deliveries to this webhook wait; try again later.")
AUTH_UNAVAILABLE: Final = Problem(503, "auth_unavailable", "Sign-in cannot be checked; try again in a few seconds.")


def install(app: FastAPI) -> None:
    """Make every error of the application answer with the envelope."""
    problems.install(app, by_constraint={})
    app.add_exception_handler(NotSignedIn, _on_not_signed_in)
    app.add_exception_handler(AuthUnavailable, _on_auth_unavailable)


async def _on_not_signed_in(_request: Request, _error: Exception) -> JSONResponse:
    return answer(INVALID_ACCESS_TOKEN)


async def _on_auth_unavailable(_request: Request, _error: Exception) -> JSONResponse:
    return answer(AUTH_UNAVAILABLE)
