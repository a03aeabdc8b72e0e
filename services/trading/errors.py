"""The dialect's errors: HTTP status, code and exact message (compatibility reference section 6).

Clients map several errors by their text, so texts here are copied, not improved. A refusal of the engine has exactly
one public error, in ``REFUSALS``.
"""

from typing import Any, Final

import msgspec

from services.domain.refusals import ORDER_FILTERS, Refusal

JSON: Final = "application/json"


class DialectError(Exception):
    """An answer other than success. ``data`` is what a half-done request (cancel-replace) did do."""

    def __init__(self, code: int, message: str, status: int = 400, *, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data

    def content(self) -> dict[str, Any]:
        """What the client reads, as it also appears within other replies."""
        content: dict[str, Any] = {"code": self.code, "msg": self.message}
        return content if self.data is None else content | {"data": self.data}

    def body(self) -> bytes:
        return msgspec.json.encode(self.content())


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


def too_great(name: str, maximum: str) -> DialectError:
    return DialectError(-1102, f"'{name}' contains unexpected value. Cannot be greater than {maximum}.")


def should_also_be_sent(name: str) -> DialectError:
    message = f"Combination of optional parameters invalid. Recommendation: '{name}' should also be sent."
    return DialectError(-1128, message)


def iceberg_needs_gtc(iceberg: str, time_in_force: str) -> DialectError:
    return DialectError(-1160, f"Parameter '{iceberg}' is not supported if `{time_in_force}` is not GTC.")


def pending_tag(name: str) -> DialectError:
    return DialectError(-1225, f"Pending orders should not include the '{name}' tag.")


def too_many_values(name: str, maximum: int) -> DialectError:
    return DialectError(-1101, f"Too many values sent for parameter '{name}', maximum allowed up to {maximum}.")


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
NOT_SUPPORTED: Final = DialectError(-1020, "This operation is not supported.")
UNAUTHORIZED: Final = DialectError(-1002, "You are not authorized to execute this request.", 401)
NOT_FOUND: Final = DialectError(-1000, "No such endpoint: /openapi.json lists them all.", 404)
METHOD_NOT_ALLOWED: Final = DialectError(-1000, "This endpoint does not take this HTTP method.", 405)
BODY_TOO_LARGE: Final = DialectError(-1101, "Too many parameters; the request body is too large.", 413)
TOO_MANY_PARAMETERS: Final = DialectError(-1101, "Too many parameters; expected '64' and received more.")
DUPLICATE_PARAMETER: Final = DialectError(-1101, "Duplicate values for a parameter detected.")
GARBLED: Final = DialectError(-1100, "Illegal characters found in a parameter.")
TIMESTAMP_TOO_OLD: Final = DialectError(-1021, "Timestamp for this request is outside of the recvWindow.")
TIMESTAMP_AHEAD: Final = DialectError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
SIGNATURE_WRONG: Final = DialectError(-1022, "Signature for this request is not valid.")
INVALID_TIME_IN_FORCE: Final = DialectError(-1115, "Invalid timeInForce.")
INVALID_ORDER_TYPE: Final = DialectError(-1116, "Invalid orderType.")
INVALID_SIDE: Final = DialectError(-1117, "Invalid side.")
INVALID_INTERVAL: Final = DialectError(-1120, "Invalid interval.")
INVALID_SYMBOL: Final = DialectError(-1121, "Invalid symbol.")
INVALID_STATUS: Final = DialectError(-1122, "Invalid symbolStatus.")
OVER_24_HOURS: Final = DialectError(-1127, "More than 24 hours between startTime and endTime.")
BAD_COMBINATION: Final = DialectError(-1128, "Combination of optional parameters invalid.")
RECV_WINDOW_TOO_LARGE: Final = DialectError(-1131, "recvWindow must be less than 60000")
STRATEGY_TYPE_TOO_SMALL: Final = DialectError(-1134, "strategyType was less than 1000000.")
INVALID_TICKER_TYPE: Final = DialectError(-1139, "Invalid ticker type.")
INVALID_CANCEL_RESTRICTIONS: Final = DialectError(-1145, "Invalid cancelRestrictions")
REPEATED_SYMBOL: Final = DialectError(-1151, "Symbol is present multiple times in the list.")
OCO_TYPE: Final = DialectError(-1158, "Order type not supported in OCO.")
BUY_LIMIT_ABOVE: Final = DialectError(-1165, "A limit order in a buy OCO must be below.")
SELL_LIMIT_BELOW: Final = DialectError(-1166, "A limit order in a sell OCO must be above.")
BOTH_LIMIT: Final = DialectError(-1168, "At least one OCO order must be contingent.")
BUY_STOP_BELOW: Final = DialectError(-1196, "A stop loss order in a buy OCO must be above.")
SELL_STOP_ABOVE: Final = DialectError(-1197, "A stop loss order in a sell OCO must be below.")
BUY_PROFIT_ABOVE: Final = DialectError(-1198, "A take profit order in a buy OCO must be below.")
SELL_PROFIT_BELOW: Final = DialectError(-1199, "A take profit order in a sell OCO must be above.")
INVALID_PEG_PRICE: Final = DialectError(-1210, "Invalid pegPriceType.")
INVALID_PEG_OFFSET: Final = DialectError(-1211, "Invalid pegOffsetType.")
OTHER_STATUS: Final = DialectError(-1220, "The symbol's status does not match the requested symbolStatus.")
OPO_WORKING_SELLS: Final = DialectError(-1222, "Working order in an OPO list must be a bid.")
OPO_PENDING_BUYS: Final = DialectError(-1223, "Pending orders in an OPO list must be asks.")
INVALID_TIME_UNIT: Final = DialectError(
    -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
)
NO_SUCH_ORDER: Final = DialectError(-2013, "Order does not exist.")
KEY_FORMAT: Final = DialectError(-2014, "API-key format invalid.", 401)
KEY_REJECTED: Final = DialectError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
CLIENT_ORDER_ID_MISMATCH: Final = DialectError(-2039, "Client order ID is not correct for this order ID.")
NO_REFERENCE_PRICE: Final = DialectError(-2043, "This symbol doesn't have a reference price.")


def _rejected(message: str) -> DialectError:
    return DialectError(-2010, message)


def _amend_rejected(message: str) -> DialectError:
    return DialectError(-2038, message)


def _filter_failure(name: str) -> DialectError:
    return DialectError(-1013, f"Filter failure: {name}")


ICEBERG_COMBINATION: Final = _rejected("Unsupported order combination")
PEG_TYPE: Final = _rejected("This order type may not use pegged price.")
PEG_COMBINATION: Final = _rejected("This price peg cannot be used with this order type.")

REFUSALS: Final[dict[Refusal, DialectError]] = {
    Refusal.UNKNOWN_SYMBOL: INVALID_SYMBOL,
    Refusal.UNSUPPORTED_COMBINATION: DialectError(-1014, "Unsupported order combination."),
    Refusal.ACCOUNT_FROZEN: _rejected("This action is disabled on this account."),
    Refusal.MARKET_CLOSED: _rejected("Market is closed."),
    Refusal.DUPLICATE_CLIENT_ORDER_ID: _rejected("Duplicate order sent."),
    Refusal.SELF_TRADE_PREVENTION_NOT_ALLOWED: DialectError(
        -1013, "This symbol does not allow the specified self-trade prevention mode."
    ),
    Refusal.ICEBERG_EXCEEDS_QUANTITY: _rejected("IcebergQty exceeds QTY."),
    Refusal.NO_PEG_LEVEL: _rejected("Order book liquidity is too low for this pegged order."),
    Refusal.LEVEL_FULL: _filter_failure("LOT_SIZE"),
    Refusal.NO_LIQUIDITY: _rejected("Order book liquidity is less than symbol minimum quantity."),
    Refusal.LIQUIDITY_BELOW_LOT_SIZE: _rejected(
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."
    ),
    Refusal.LIQUIDITY_BELOW_MARKET_LOT_SIZE: _rejected(
        "Order book liquidity is less than `MARKET_LOT_SIZE` filter minimum quantity."
    ),
    **{
        refusal: _filter_failure(refusal.value)
        for refusal in (
            *ORDER_FILTERS,
            Refusal.MAX_POSITION,
            Refusal.MAX_NUM_ORDERS,
            Refusal.MAX_NUM_ALGO_ORDERS,
            Refusal.MAX_NUM_ICEBERG_ORDERS,
            Refusal.MAX_NUM_ORDER_LISTS,
            Refusal.EXCHANGE_MAX_NUM_ORDERS,
            Refusal.EXCHANGE_MAX_NUM_ALGO_ORDERS,
            Refusal.EXCHANGE_MAX_NUM_ICEBERG_ORDERS,
            Refusal.EXCHANGE_MAX_NUM_ORDER_LISTS,
            Refusal.MAX_ASSET,
        )
    },
    Refusal.LIST_PRICES_UNRELATED: _rejected("The relationship of the prices for the orders is not correct."),
    Refusal.WOULD_TRIGGER_IMMEDIATELY: _rejected("Order would trigger immediately."),
    Refusal.WOULD_MATCH_IMMEDIATELY: _rejected("Order would immediately match and take."),
    Refusal.INSUFFICIENT_BALANCE: _rejected("Account has insufficient balance for requested action."),
    Refusal.UNKNOWN_ORDER: DialectError(-2011, "Unknown order sent."),
    Refusal.CLIENT_ORDER_ID_MISMATCH: CLIENT_ORDER_ID_MISMATCH,
    Refusal.CANCEL_RESTRICTED: DialectError(-2011, "Order was not canceled due to cancel restrictions."),
    Refusal.AMEND_INCREASES: _amend_rejected("Order amend (quantity increase) is not supported."),
    Refusal.AMEND_CHANGES_NOTHING: _amend_rejected("The requested action would change no state; rejecting"),
    Refusal.AMEND_PENDING_OPO: _amend_rejected("Order amend (pending OPO order) is not supported."),
    Refusal.MAX_NUM_ORDER_AMENDS: _amend_rejected("Filter failure: MAX_NUM_ORDER_AMENDS"),
}


def amend_rejected(error: DialectError) -> DialectError:
    """The engine's texts for orders and cancels have a code of their own in replies to amendments."""
    return _amend_rejected(error.message) if error.code in (-2010, -2011) else error


def replace_failed(data: dict[str, Any], *, partially: bool, is_limited: bool = False) -> DialectError:
    """A cancel-replace of which one half, or nothing, was done (section 4.7)."""
    if partially:
        return DialectError(-2021, "Order cancel-replace partially failed.", 429 if is_limited else 409, data=data)
    return DialectError(-2022, "Order cancel-replace failed.", 429 if is_limited else 400, data=data)


class Limited(DialectError):
    """Too much of something. ``headers`` say how much there was of it, and when to come back."""

    def __init__(self, code: int, message: str, status: int, retry_after_s: int) -> None:
        super().__init__(code, message, status)
        self.retry_after_s = retry_after_s
        self.headers = {"Retry-After": str(retry_after_s)}

    def saying(self, headers: dict[str, str]) -> "Limited":
        self.headers = headers | self.headers
        return self


def too_much_weight(limit: int, interval: str, retry_after_s: int) -> Limited:
    message = (
        f"Too much request weight used; current limit is {limit} request weight per {interval}. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return Limited(-1003, message, 429, retry_after_s)


def too_many_requests(limit: int, interval: str, retry_after_s: int) -> Limited:
    return Limited(-1003, f"Too many requests; current limit is {limit} requests per {interval}.", 429, retry_after_s)


def too_many_connections(limit: int, interval: str, retry_after_s: int) -> Limited:
    message = f"Too many connection attempts from IP; current limit is {limit} per '{interval}'."
    return Limited(-1034, message, 429, retry_after_s)


def banned(until_s: int, retry_after_s: int) -> Limited:
    message = (
        f"Way too much request weight used; IP banned until {until_s * 1000}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return Limited(-1003, message, 418, retry_after_s)


def too_many_orders(limit: int, interval: str, retry_after_s: int) -> Limited:
    message = f"Too many new orders; current limit is {limit} orders per {interval}."
    return Limited(-1015, message, 429, retry_after_s)
