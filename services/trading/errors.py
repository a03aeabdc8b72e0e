"""The dialect's errors: HTTP status, code and exact message (compatibility reference section 6).

Clients map several errors by their text, so texts here are copied, not improved. A refusal of the engine has exactly
one public error, in ``REFUSALS``.
"""

from typing import Final

import msgspec

from services.domain.refusals import Refusal

JSON: Final = "application/json"


class DialectError(Exception):
    """An answer other than success. ``headers`` are added to the reply (Retry-After, for one)."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def body(self) -> bytes:
        return msgspec.json.encode({"code": self.code, "msg": self.message})


def illegal_characters(name: str, legal_range: str) -> DialectError:
    return DialectError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'.")


def mandatory(name: str) -> DialectError:
    return DialectError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def either_mandatory(name: str, other: str) -> DialectError:
    return DialectError(-1102, f"Param '{name}' or '{other}' must be sent, but both were empty/null!")


def empty(name: str) -> DialectError:
    return DialectError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> DialectError:
    return DialectError(-1106, f"Parameter '{name}' sent when not required.")


def overflowed(name: str) -> DialectError:
    return DialectError(-1108, f"Parameter '{name}' overflowed.")


def too_precise(name: str) -> DialectError:
    return DialectError(-1111, f"Parameter '{name}' has too much precision.")


def not_valid(name: str) -> DialectError:
    return DialectError(-1130, f"Data sent for parameter '{name}' is not valid.")


def not_all_read(read: int, sent: int) -> DialectError:
    return DialectError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


INTERNAL: Final = DialectError(-1001, "Internal error; unable to process your request. Please try again.", 500)
UNAVAILABLE: Final = DialectError(-1001, "Internal error; unable to process your request. Please try again.", 503)
UNKNOWN_OUTCOME: Final = DialectError(
    -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", 504
)
OVERLOADED: Final = DialectError(
    -1008, "Server is currently overloaded with other requests. Please try again in a few minutes.", 503
)
UNAUTHORIZED: Final = DialectError(-1002, "You are not authorized to execute this request.", 401)
NOT_FOUND: Final = DialectError(-1000, "No such endpoint: /openapi.json lists them all.", 404)
METHOD_NOT_ALLOWED: Final = DialectError(-1000, "This endpoint does not take this HTTP method.", 405)
BODY_TOO_LARGE: Final = DialectError(-1101, "Too many parameters; the request body is too large.", 413)
TOO_MANY_PARAMETERS: Final = DialectError(-1101, "Too many parameters; expected '64' and received more.")
DUPLICATE_PARAMETER: Final = DialectError(-1101, "Duplicate values for a parameter detected.")
TIMESTAMP_TOO_OLD: Final = DialectError(-1021, "Timestamp for this request is outside of the recvWindow.")
TIMESTAMP_AHEAD: Final = DialectError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
SIGNATURE_WRONG: Final = DialectError(-1022, "Signature for this request is not valid.")
INVALID_SYMBOL: Final = DialectError(-1121, "Invalid symbol.")
OVER_24_HOURS: Final = DialectError(-1127, "More than 24 hours between startTime and endTime.")
BAD_COMBINATION: Final = DialectError(-1128, "Combination of optional parameters invalid.")
RECV_WINDOW_TOO_LARGE: Final = DialectError(-1131, "recvWindow must be less than 60000")
REPEATED_SYMBOL: Final = DialectError(-1151, "Symbol is present multiple times in the list.")
INVALID_TIME_UNIT: Final = DialectError(
    -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
)
NO_SUCH_ORDER: Final = DialectError(-2013, "Order does not exist.")
KEY_FORMAT: Final = DialectError(-2014, "API-key format invalid.", 401)
KEY_REJECTED: Final = DialectError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
CLIENT_ORDER_ID_MISMATCH: Final = DialectError(-2039, "Client order ID is not correct for this order ID.")


def _rejected(message: str) -> DialectError:
    return DialectError(-2010, message)


def _filter_failure(name: str) -> DialectError:
    return DialectError(-1013, f"Filter failure: {name}")


REFUSALS: Final[dict[Refusal, DialectError]] = {
    Refusal.UNKNOWN_SYMBOL: INVALID_SYMBOL,
    Refusal.UNSUPPORTED_COMBINATION: DialectError(-1014, "Unsupported order combination."),
    Refusal.MARKET_CLOSED: _rejected("Market is closed."),
    Refusal.DUPLICATE_CLIENT_ORDER_ID: _rejected("Duplicate order sent."),
    Refusal.PRICE_FILTER: _filter_failure("PRICE_FILTER"),
    Refusal.LOT_SIZE: _filter_failure("LOT_SIZE"),
    Refusal.LEVEL_FULL: _filter_failure("LOT_SIZE"),
    Refusal.MARKET_LOT_SIZE: _filter_failure("MARKET_LOT_SIZE"),
    Refusal.NO_LIQUIDITY: _rejected("Order book liquidity is less than symbol minimum quantity."),
    Refusal.LIQUIDITY_BELOW_LOT_SIZE: _rejected(
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."
    ),
    Refusal.NOTIONAL: _filter_failure("NOTIONAL"),
    Refusal.MAX_NUM_ORDERS: _filter_failure("MAX_NUM_ORDERS"),
    Refusal.WOULD_MATCH_IMMEDIATELY: _rejected("Order would immediately match and take."),
    Refusal.INSUFFICIENT_BALANCE: _rejected("Account has insufficient balance for requested action."),
    Refusal.UNKNOWN_ORDER: DialectError(-2011, "Unknown order sent."),
    Refusal.CLIENT_ORDER_ID_MISMATCH: CLIENT_ORDER_ID_MISMATCH,
}
