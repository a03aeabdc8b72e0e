"""What the back office refuses, beside what every service does (``services.infra.problems``)."""

from typing import Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import Request

from services.infra import problems
from services.infra.callers import AuthUnavailable, NotSignedIn, TooManyCodes
from services.infra.problems import BUSY, INVALID_ACCESS_TOKEN, Problem, answer

UNKNOWN_ASSET: Final = Problem(
    404, "unknown_asset", "The wallet does not handle this; GET /wallet/v1/assets lists all."
)
NOT_HERE: Final = Problem(404, "not_found", "There is no such thing of yours; check the id.")
NO_ADDRESS_LEFT: Final = Problem(503, "no_address_left", "No deposit address is free; tell the operator.")
DEPOSITS_DISABLED: Final = Problem(403, "deposits_disabled", "Nothing can be deposited over this network now.")

WITHDRAWALS_DISABLED: Final = Problem(403, "withdrawals_disabled", "Nothing is sent over this network now.")
AMOUNT_OFF_STEP: Final = Problem(400, "amount_off_step", "Send a multiple of the network's step.")
AMOUNT_BELOW_MINIMUM: Final = Problem(400, "amount_below_minimum", "Send at least the network's minimum.")
INVALID_ADDRESS: Final = Problem(400, "invalid_address", "This is no address of the network.")
MEMO_NEEDED: Final = Problem(400, "memo_needed", "Addresses of this network need a memo.")
COOLING_DOWN: Final = Problem(
    403, "cooling_down", "The account's security was changed; nothing leaves it for a while. See /wallet/v1/limits."
)
ADDRESS_NOT_IN_BOOK: Final = Problem(
    403, "address_not_in_book", "The account sends to its address book only; add the address first."
)
ADDRESS_COOLING_DOWN: Final = Problem(403, "address_cooling_down", "This address was added too recently.")
ACCOUNT_FROZEN: Final = Problem(403, "account_frozen", "The account is frozen; ask the operator.")
DAILY_LIMIT_EXCEEDED: Final = Problem(
    403, "daily_limit_exceeded", "This is more than may leave within 24 hours; GET /wallet/v1/limits says how much may."
)
SECOND_FACTOR_NEEDED: Final = Problem(403, "second_factor_needed", "Send a code of the second factor.")
SECOND_FACTOR_WRONG: Final = Problem(403, "second_factor_wrong", "The code is wrong or was used before.")
INSUFFICIENT_BALANCE: Final = Problem(409, "insufficient_balance", "The free balance is too small.")
ENGINE_REFUSED: Final = Problem(409, "engine_refused", "The exchange refused it; the withdrawal's `refusal` says why.")
ID_USED_DIFFERENTLY: Final = Problem(
    409, "id_used_differently", "This id of yours names another request; choose a new one."
)
ALREADY_THERE: Final = Problem(409, "already_in_book", "This address is in the address book.")
BOOK_FULL: Final = Problem(409, "address_book_full", "Delete an address before adding another.")
TOO_MANY_TRANSFERS: Final = Problem(429, "too_many_transfers", "No more transfers within 24 hours; try again later.")
RANGE_TOO_LONG: Final = Problem(400, "range_too_long", "Ask for a shorter time.")
RANGE_TOO_OLD: Final = Problem(400, "range_too_old", "The trades of that time are not kept any more; begin later.")
WRONG_STATUS: Final = Problem(409, "wrong_status", "It is too late, or too early, for that; look at its status.")

INVALID_SIGNATURE: Final = Problem(
    401, "invalid_signature", "Sign timestamp, a dot and the body with the provider's secret; see docs/wallet.md."
)
TOO_OLD: Final = Problem(401, "too_old", "The timestamp is too far from now; sign again.")
NOT_YOUR_NETWORK: Final = Problem(403, "not_your_network", "The provider is not trusted with this network.")
DEPOSIT_DIFFERS: Final = Problem(409, "deposit_differs", "This output was reported with other values before.")
TX_ID_DIFFERS: Final = Problem(409, "tx_id_differs", "This withdrawal was sent with another transaction id.")

ROLE_MISSING: Final = Problem(403, "role_missing", "Your roles do not allow this; see docs/admin.md.")
UNKNOWN_TIER: Final = Problem(404, "unknown_tier", "There is no such tier; define it first.")
APPROVED_BEFORE: Final = Problem(409, "approved_before", "You said yes already; somebody else must, too.")
OWN_WITHDRAWAL: Final = Problem(403, "own_withdrawal", "Nobody decides on a withdrawal of their own.")
REFUSED_BY_ENGINE: Final = Problem(409, "refused", "The exchange refused it.")
OUTCOME_UNKNOWN: Final = Problem(504, "outcome_unknown", "It may or may not have been done; look, and ask again.")
ENGINE_UNAVAILABLE: Final = Problem(503, "engine_unavailable", "No engine is active; nothing was done. Try again.")
NOTIFIER_UNAVAILABLE: Final = Problem(503, "notifier_unavailable", "The notifier does not answer.")
TOO_MANY_CODES: Final = Problem(429, "too_many_codes", "Too many wrong codes; try again later.")

# What a violated constraint means to the client. Any other violation is a defect of this service.
PROBLEM_BY_CONSTRAINT: Final = {
    "address_book_unique": ALREADY_THERE,
    "withdrawals_client_id_unique": ID_USED_DIFFERENTLY,
    "transfers_client_id_unique": ID_USED_DIFFERENTLY,
    "approvals_pkey": APPROVED_BEFORE,
}


async def _on_not_signed_in(_request: Request, _error: Exception) -> JSONResponse:
    return answer(INVALID_ACCESS_TOKEN)


async def _on_auth_unavailable(_request: Request, _error: Exception) -> JSONResponse:
    return answer(BUSY)


async def _on_too_many_codes(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TooManyCodes), "registered for it only"
    return answer(TOO_MANY_CODES, headers={"Retry-After": str(error.retry_after_s)})


def install(app: FastAPI) -> None:
    """Make every error of the application answer with the envelope."""
    problems.install(app, by_constraint=PROBLEM_BY_CONSTRAINT)
    app.add_exception_handler(NotSignedIn, _on_not_signed_in)
    app.add_exception_handler(AuthUnavailable, _on_auth_unavailable)
    app.add_exception_handler(TooManyCodes, _on_too_many_codes)
