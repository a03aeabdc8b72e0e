"""Bad input changes nothing.

Every case names the exact answer. After it, the balances and open orders of everyone involved and the journal's
sequence in the database are what they were before.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.member import Member
from tests.api.trader import FORM, Trader, encode, error_of, exchange, now_ms, sign
from tests.running import RunningSystem

Parameters = dict[str, str]
Error = tuple[int, int, str]

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "30000",
}
LIMIT_MAKER = {name: value for name, value in LIMIT.items() if name != "timeInForce"} | {"type": "LIMIT_MAKER"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
BY_QUOTE = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "100"}
ONE_MEGABYTE = 1024 * 1024

DECIMAL = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
LONG = "^[0-9]{1,20}$"
SYMBOL = "^[A-Z0-9-_.]{1,20}$"
CLIENT_ID = "^[a-zA-Z0-9-_]{1,36}$"

WIDE_ONE, ARABIC_ONE, SUPERSCRIPT_ONE = "\N{FULLWIDTH DIGIT ONE}", "\N{ARABIC-INDIC DIGIT ONE}", "\N{SUPERSCRIPT ONE}"
NO_NUMBERS = [
    *(
        "abc",
        "1a",
        "--1",
        "1..2",
        "1.2.3",
        "1.",
        ".5",
        ".",
        "1,5",
        "1_000",
        "1 000",
        " 1",
        "1 ",
        "1\n",
        "\t1",
        "$1",
        "1/2",
    ),
    *("1e3", "1E3", "1e-2", "0x10", "0b1", "NaN", "nan", "Infinity", "-Infinity", "inf", "-1", "-0.01", "-0", "+1"),
    *("1" + "0" * 40, "0" * 21, "1." + "0" * 21, "\0", "1\0", "true", "null", "None", "[1]", '"1"', "%", "1%00"),
    *(
        WIDE_ONE,
        ARABIC_ONE,
        SUPERSCRIPT_ONE,
        f"1{WIDE_ONE}",
        "1\N{ARABIC DECIMAL SEPARATOR}5",
        "\N{INFINITY}",
        "\N{PILE OF POO}",
    ),
]
TOO_LARGE = ["92233720368.54775808", "9" * 20, "99999999999.99999999"]
TOO_PRECISE = ["0.000000001", "1.123456789", "0." + "0" * 19 + "1"]


def illegal(name: str, legal_range: str) -> Error:
    return 400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'."


def mandatory(name: str) -> Error:
    return 400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def empty(name: str) -> Error:
    return 400, -1105, f"Parameter '{name}' was empty."


def superfluous(name: str) -> Error:
    return 400, -1106, f"Parameter '{name}' sent when not required."


def overflowed(name: str) -> Error:
    return 400, -1108, f"Parameter '{name}' overflowed."


def too_precise(name: str) -> Error:
    return 400, -1111, f"Parameter '{name}' has too much precision."


def invalid(name: str) -> Error:
    return 400, -1130, f"Data sent for parameter '{name}' is not valid."


def filtered(name: str) -> Error:
    return 400, -1013, f"Filter failure: {name}"


def unread(read: int, sent: int) -> Error:
    return 400, -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."


EITHER_ID = (400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
EITHER_QUANTITY = (400, -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!")
GARBLED = (400, -1100, "Illegal characters found in a parameter.")
DUPLICATE = (400, -1101, "Duplicate values for a parameter detected.")
TOO_MANY = (400, -1101, "Too many parameters; expected '64' and received more.")
BODY_TOO_LARGE = (413, -1101, "Too many parameters; the request body is too large.")
NO_TYPE, NO_SIDE = (400, -1116, "Invalid orderType."), (400, -1117, "Invalid side.")
NO_TIME_IN_FORCE = (400, -1115, "Invalid timeInForce.")
NO_SYMBOL = (400, -1121, "Invalid symbol.")
NO_BALANCE = (400, -2010, "Account has insufficient balance for requested action.")
UNKNOWN_ORDER = (400, -2011, "Unknown order sent.")
NO_SUCH_ORDER = (400, -2013, "Order does not exist.")
MISMATCH = (400, -2039, "Client order ID is not correct for this order ID.")
TOO_OLD = (400, -1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD = (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
RECV_WINDOW = (400, -1131, "recvWindow must be less than 60000")
WRONG_SIGNATURE = (400, -1022, "Signature for this request is not valid.")
KEY_FORMAT = (401, -2014, "API-key format invalid.")
KEY_REJECTED = (401, -2015, "Invalid API-key, IP, or permissions for action.")
UNAUTHORIZED = (401, -1002, "You are not authorized to execute this request.")
TIME_UNIT = (400, -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
NOT_FOUND = (404, -1000, "No such endpoint: /openapi.json lists them all.")
NOT_ALLOWED = (405, -1000, "This endpoint does not take this HTTP method.")


@dataclass(frozen=True)
class Stage:
    """``trader`` has money and an open order named "mine"; ``other`` has an order named "theirs"."""

    trader: Trader
    other: Trader
    member: Member
    reader: Trader
    revoked: Trader
    own_id: int
    other_id: int
    sequence: Callable[[], int]

    def state(self) -> Any:
        seen = [(one.get("account"), one.get("openOrders")) for one in (self.trader, self.other)]
        return self.sequence(), seen


@pytest.fixture(scope="module")
def stage(system: RunningSystem, http: httpx.Client, journal_sequence: Callable[[], int]) -> Iterator[Stage]:
    trader, other = (Trader(http, system.create_account({"USDT": "100000000", "BTC": "1000"})) for _ in range(2))
    member = Member(http)
    system.deposit(member.account_id, "USDT", "100000")
    reader, revoked = member.new_trader(["read"]), member.new_trader()
    member.revoke(revoked)
    own = trader.sell("1", "60000", newClientOrderId="mine")
    others = other.buy("1", "20000", newClientOrderId="theirs")
    yield Stage(trader, other, member, reader, revoked, own["orderId"], others["orderId"], journal_sequence)
    trader.cancel_everything()
    other.cancel_everything()


@pytest.fixture(autouse=True)
def _nothing_changes(stage: Stage) -> Iterator[None]:
    before = stage.state()
    yield
    assert stage.state() == before


def _named(cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Cases by number: their text holds NUL bytes and worse, which no test report should have to print."""
    return [pytest.param(*case, id=str(number)) for number, case in enumerate(cases)]


def without(order: Parameters, name: str) -> Parameters:
    return {key: value for key, value in order.items() if key != name}


# Orders

BAD_ORDERS: list[tuple[Parameters, Error]] = [
    *((LIMIT | {"quantity": text}, illegal("quantity", DECIMAL)) for text in NO_NUMBERS),
    *((LIMIT | {"price": text}, illegal("price", DECIMAL)) for text in NO_NUMBERS),
    *((BY_QUOTE | {"quoteOrderQty": text}, illegal("quoteOrderQty", DECIMAL)) for text in NO_NUMBERS),
    *((LIMIT | {name: text}, overflowed(name)) for name in ("quantity", "price") for text in TOO_LARGE),
    *((BY_QUOTE | {"quoteOrderQty": text}, overflowed("quoteOrderQty")) for text in TOO_LARGE),
    *((LIMIT | {name: text}, too_precise(name)) for name in ("quantity", "price") for text in TOO_PRECISE),
    *((BY_QUOTE | {"quoteOrderQty": text}, too_precise("quoteOrderQty")) for text in TOO_PRECISE),
    # Zero
    *((LIMIT | {"price": zero}, filtered("PRICE_FILTER")) for zero in ("0", "0.0", "0" * 20 + "." + "0" * 20)),
    *((LIMIT | {"quantity": zero}, filtered("LOT_SIZE")) for zero in ("0", "0.00000000")),
    (LIMIT_MAKER | {"price": "0"}, filtered("PRICE_FILTER")),
    (MARKET | {"quantity": "0"}, filtered("LOT_SIZE")),
    (BY_QUOTE | {"quoteOrderQty": "0"}, filtered("NOTIONAL")),
    # Filters
    *(
        (LIMIT | {"price": price}, filtered("PRICE_FILTER"))
        for price in ("30000.001", "0.009", "1000000.01", "0.00000001")
    ),
    *((LIMIT | {"quantity": quantity}, filtered("LOT_SIZE")) for quantity in ("0.010001", "0.00000999", "9000.00001")),
    (MARKET | {"quantity": "0.010001"}, filtered("LOT_SIZE")),
    (MARKET | {"quantity": "100.00001"}, filtered("MARKET_LOT_SIZE")),
    (LIMIT | {"quantity": "0.00016"}, filtered("NOTIONAL")),
    (LIMIT | {"quantity": "301"}, filtered("NOTIONAL")),
    # Money
    (LIMIT | {"side": "SELL", "quantity": "1000", "price": "8000"}, NO_BALANCE),
    (LIMIT | {"symbol": "ETHUSDT", "side": "SELL", "quantity": "1"}, NO_BALANCE),
    # Names and enumerations
    *((LIMIT | {"symbol": name}, NO_SYMBOL) for name in ("NOPE", "BTC", "BTCUSDTX", "BTC-USDT", "BTC_USDT", "B" * 20)),
    *(
        (LIMIT | {"symbol": name}, illegal("symbol", SYMBOL))
        for name in (
            "btcusdt",
            "BTCusdt",
            "BTC/USDT",
            "BTC USDT",
            "BTCUSDT ",
            "BTCUSDT\0",
            "\0",
            "B" * 21,
            "*",
            "'",
            "%s",
            f"BTC{WIDE_ONE}",
        )
    ),
    *((LIMIT | {"side": side}, NO_SIDE) for side in ("buy", "BUYSELL", "0", " BUY", "BUY\0", "LONG")),
    *((LIMIT | {"type": kind}, NO_TYPE) for kind in ("limit", "STOP", "OCO", "0", "LIMIT\0")),
    *((LIMIT | {"timeInForce": kind}, NO_TIME_IN_FORCE) for kind in ("gtc", "GTX", "GTD", "0", "GTC\0")),
    *((LIMIT | {"newOrderRespType": kind}, invalid("newOrderRespType")) for kind in ("full", "ALL", "0")),
    *(
        (LIMIT | {"newClientOrderId": name}, illegal("newClientOrderId", CLIENT_ID))
        for name in (
            "a b",
            "x" * 37,
            "a\0",
            "\N{LATIN SMALL LETTER E WITH ACUTE}",
            "a.b",
            "a/b",
            "<x>",
            "a+b",
            WIDE_ONE,
        )
    ),
    (LIMIT | {"newClientOrderId": "mine"}, (400, -2010, "Duplicate order sent.")),
    # What is missing, empty or too much
    *((without(LIMIT, name), mandatory(name)) for name in LIMIT),
    *((without(MARKET, name), mandatory(name)) for name in ("symbol", "side", "type")),
    *((without(LIMIT_MAKER, name), mandatory(name)) for name in LIMIT_MAKER),
    (without(MARKET, "quantity"), EITHER_QUANTITY),
    *((LIMIT | {name: ""}, mandatory(name)) for name in ("symbol", "side", "type")),
    *((LIMIT | {name: ""}, empty(name)) for name in ("timeInForce", "quantity", "price", "newClientOrderId")),
    (LIMIT | {"quoteOrderQty": "100"}, superfluous("quoteOrderQty")),
    (LIMIT_MAKER | {"timeInForce": "GTC"}, superfluous("timeInForce")),
    (LIMIT_MAKER | {"quoteOrderQty": "100"}, superfluous("quoteOrderQty")),
    (MARKET | {"price": "30000"}, superfluous("price")),
    (MARKET | {"timeInForce": "GTC"}, superfluous("timeInForce")),
    (MARKET | {"quoteOrderQty": "100"}, superfluous("quoteOrderQty")),
    (LIMIT | {"nonsense": "1"}, unread(6, 7)),
    (LIMIT | {"Quantity": "1"}, unread(6, 7)),
    (LIMIT | {"orderId": "1", "": "1"}, unread(6, 8)),
    (LIMIT | {"price\0": "1"}, unread(6, 7)),
    ({f"p{number}": "1" for number in range(65)}, TOO_MANY),
]


@pytest.mark.parametrize(("order", "error"), _named(BAD_ORDERS))
def test_a_bad_order_is_not_placed(order: Parameters, error: Error, stage: Stage) -> None:
    assert error_of(stage.trader.send("POST", "order", order)) == error


@pytest.mark.parametrize(("order", "error"), _named(BAD_ORDERS[:: len(BAD_ORDERS) // 20]))
def test_trying_a_bad_order_gives_the_same_answer(order: Parameters, error: Error, stage: Stage) -> None:
    assert error_of(stage.trader.send("POST", "order/test", order)) == error


@pytest.mark.parametrize(
    ("body", "error"),
    _named(
        [
            (encode(LIMIT) + "&price=30000", DUPLICATE),
            (encode(LIMIT) + "&price=", DUPLICATE),
            (encode(without(LIMIT, "price")) + "&price=%zz", illegal("price", DECIMAL)),
            (encode(without(LIMIT, "price")) + "&price=3000%", illegal("price", DECIMAL)),
            (encode(without(LIMIT, "price")) + "&price=%ff", GARBLED),
            (encode(without(LIMIT, "price")) + "&price=%c3%28", GARBLED),
            (encode(without(LIMIT, "price")) + "&price=%ed%a0%80", GARBLED),
            (encode(LIMIT) + "&%ff=1", GARBLED),
            (encode(without(LIMIT, "price")) + "&price=3\N{LATIN SMALL LETTER E WITH ACUTE}", GARBLED),
            (encode(without(LIMIT, "price")) + "&price", empty("price")),
            (encode(without(LIMIT, "price")) + "&price=+30000", illegal("price", DECIMAL)),
            ('{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1"}', mandatory("symbol")),
            ("", mandatory("symbol")),
        ]
    ),
)
def test_a_garbled_form_places_nothing(body: str, error: Error, stage: Stage) -> None:
    query = stage.trader.signed("", body)
    assert error_of(stage.trader.send_raw("POST", "order", query, body)) == error


def test_a_parameter_twice_in_the_query(stage: Stage) -> None:
    query = stage.trader.signed(encode([*LIMIT.items(), ("quantity", "0.02")]))
    assert error_of(stage.trader.send_raw("POST", "order", query)) == DUPLICATE
    twice_signed = stage.trader.signed(encode(LIMIT)) + "&signature=00"
    assert error_of(stage.trader.send_raw("POST", "order", twice_signed)) == DUPLICATE


# Cancels and queries

BAD_IDS: list[tuple[Parameters, Error]] = [
    *(
        ({"orderId": text}, illegal("orderId", LONG))
        for text in ("abc", "-1", "1.0", "1e3", "1" * 21, " 1", "1\0", "0x1", WIDE_ONE, "NaN", "null")
    ),
    ({"orderId": "9" * 20}, overflowed("orderId")),
    ({"orderId": str(2**63)}, overflowed("orderId")),
    ({"orderId": ""}, empty("orderId")),
    ({"origClientOrderId": ""}, empty("origClientOrderId")),
    *(
        ({"origClientOrderId": text}, illegal("origClientOrderId", CLIENT_ID))
        for text in ("a b", "x" * 37, "'; DROP TABLE exchange.orders; --", "mine\0", "%", "\N{PILE OF POO}")
    ),
    ({}, EITHER_ID),
    ({"orderId": "1", "nonsense": "1"}, unread(2, 3)),
]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(("ids", "error"), _named(BAD_IDS))
def test_a_bad_id_finds_and_cancels_nothing(method: str, ids: Parameters, error: Error, stage: Stage) -> None:
    assert error_of(stage.trader.send(method, "order", {"symbol": "BTCUSDT", **ids})) == error


def test_an_unknown_order_is_neither_found_nor_cancelled(stage: Stage) -> None:
    other_id = str(stage.other_id)
    for ids in (
        *({"orderId": number} for number in ("0", str(2**62), str(2**63 - 1), other_id)),
        *({"origClientOrderId": name} for name in ("nobodys", "MINE", "theirs")),
        {"orderId": other_id, "origClientOrderId": "theirs"},
        {"orderId": other_id, "origClientOrderId": "mine"},
        {"orderId": "0", "origClientOrderId": "mine"},
    ):
        named = {"symbol": "BTCUSDT", **ids}
        assert error_of(stage.trader.send("GET", "order", named)) == NO_SUCH_ORDER
        assert error_of(stage.trader.send("DELETE", "order", named)) == UNKNOWN_ORDER


def test_an_order_named_wrongly_is_not_cancelled(stage: Stage) -> None:
    own_id = str(stage.own_id)
    for symbol, ids, error in (
        ("ETHUSDT", {"orderId": own_id}, UNKNOWN_ORDER),
        ("ETHUSDT", {"origClientOrderId": "mine"}, UNKNOWN_ORDER),
        ("NOPE", {"orderId": own_id}, NO_SYMBOL),
        ("NOPE", {"orderId": "0"}, NO_SYMBOL),
        ("btcusdt", {"orderId": own_id}, illegal("symbol", SYMBOL)),
        ("", {"orderId": own_id}, mandatory("symbol")),
        ("BTCUSDT", {"orderId": own_id, "origClientOrderId": "theirs"}, MISMATCH),
        ("BTCUSDT", {"orderId": own_id, "newClientOrderId": "a b"}, illegal("newClientOrderId", CLIENT_ID)),
    ):
        assert error_of(stage.trader.send("DELETE", "order", {"symbol": symbol, **ids})) == error


@pytest.mark.parametrize(
    ("parameters", "error"),
    _named(
        [
            ({}, mandatory("symbol")),
            ({"symbol": ""}, mandatory("symbol")),
            ({"symbol": "NOPE"}, NO_SYMBOL),
            ({"symbol": "btcusdt"}, illegal("symbol", SYMBOL)),
            ({"symbol": "ETHUSDT"}, UNKNOWN_ORDER),
            ({"symbol": "BTCUSDT", "side": "SELL"}, unread(1, 2)),
            ({"symbol": '["BTCUSDT"]'}, illegal("symbol", SYMBOL)),
        ]
    ),
)
def test_a_bad_cancel_of_all_cancels_none(parameters: Parameters, error: Error, stage: Stage) -> None:
    assert error_of(stage.trader.send("DELETE", "openOrders", parameters)) == error


LIST = '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$'


@pytest.mark.parametrize(
    ("path", "parameters", "error"),
    _named(
        [
            *(
                (path, {"symbol": "BTCUSDT", "limit": limit}, error)
                for path in ("allOrders", "myTrades", "depth", "trades")
                for limit, error in (
                    ("0", invalid("limit")),
                    ("-1", illegal("limit", LONG)),
                    ("1.5", illegal("limit", LONG)),
                    ("", empty("limit")),
                    ("9" * 20, overflowed("limit")),
                )
            ),
            *((path, {}, mandatory("symbol")) for path in ("order", "allOrders", "myTrades", "depth", "trades")),
            *(
                (path, {"symbol": "NOPE"}, NO_SYMBOL)
                for path in ("allOrders", "myTrades", "depth", "trades", "openOrders")
            ),
            *((path, {"symbol": "NOPE"}, NO_SYMBOL) for path in ("exchangeInfo", "ticker/price", "ticker/bookTicker")),
            ("order", {"symbol": "NOPE", "orderId": "1"}, NO_SYMBOL),
            ("allOrders", {"symbol": "BTCUSDT", "startTime": "yesterday"}, illegal("startTime", LONG)),
            ("allOrders", {"symbol": "BTCUSDT", "endTime": "-1"}, illegal("endTime", LONG)),
            ("myTrades", {"symbol": "BTCUSDT", "fromId": "x"}, illegal("fromId", LONG)),
            ("account", {"omitZeroBalances": "1"}, invalid("omitZeroBalances")),
            ("account", {"omitZeroBalances": ""}, empty("omitZeroBalances")),
            ("account", {"symbol": "BTCUSDT"}, unread(0, 1)),
            *(
                ("exchangeInfo", {"symbols": text}, illegal("symbols", LIST))
                for text in ("BTCUSDT", "[]", "[", '["btcusdt"]', '["BTCUSDT",]', '["BTCUSDT","\0"]', "null")
            ),
            ("exchangeInfo", {"symbols": '["BTCUSDT","NOPE"]'}, NO_SYMBOL),
            (
                "exchangeInfo",
                {"symbols": '["BTCUSDT","BTCUSDT"]'},
                (400, -1151, "Symbol is present multiple times in the list."),
            ),
            (
                "ticker/price",
                {"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'},
                (400, -1128, "Combination of optional parameters invalid."),
            ),
            ("ping", {"x": "1"}, unread(0, 1)),
        ]
    ),
)
def test_a_bad_query_is_refused(path: str, parameters: Parameters, error: Error, stage: Stage) -> None:
    assert error_of(stage.trader.send("GET", path, parameters)) == error


# Who asks, and when


def test_signatures_that_are_not(stage: Stage) -> None:
    trader, timed = stage.trader, f"{encode(LIMIT)}&timestamp={now_ms()}"
    right = sign(trader.secret_key, timed)
    for query, error in (
        (timed, mandatory("signature")),
        (f"{timed}&signature=", mandatory("signature")),
        (f"{timed}&signature={right[:-1]}", WRONG_SIGNATURE),
        (f"{timed}&signature={right}0", WRONG_SIGNATURE),
        (f"{timed}&signature={right[::-1]}", WRONG_SIGNATURE),
        (f"{timed}&signature={sign(stage.other.secret_key, timed)}", WRONG_SIGNATURE),
        (f"{timed}&signature={sign(trader.secret_key, encode(LIMIT))}", WRONG_SIGNATURE),
        (f"{timed}&signature=%00", WRONG_SIGNATURE),
        (f"{timed}&signature=%ff", GARBLED),
        (f"{timed}&signature=%F0%9F%92%A9", WRONG_SIGNATURE),
        (f"{timed}&newOrderRespType=ACK&signature={right}", WRONG_SIGNATURE),
        (f"{timed.replace('0.01', '0.02')}&signature={right}", WRONG_SIGNATURE),
        (f"{timed}&Signature={right}", mandatory("signature")),
    ):
        assert error_of(trader.send_raw("POST", "order", query)) == error


def test_times_that_are_not(stage: Stage) -> None:
    trader = stage.trader
    assert error_of(trader.send_raw("POST", "order", f"{encode(LIMIT)}&signature=00")) == mandatory("timestamp")
    now = now_ms()
    for timestamp, error in (
        *((text, mandatory("timestamp")) for text in ("", "now", "-1", "1e12", "1.5", f"{now}.5", "1" * 20, "9" * 19)),
        *((text, mandatory("timestamp")) for text in (WIDE_ONE * 13, f"{now}\0", f" {now}")),
        *((time, TOO_OLD) for time in (0, 1, now // 1000, 1_483_228_799_999, now - 60_000, (now - 60_000) * 1000)),
        *((time, AHEAD) for time in (now + 60_000, (now + 60_000) * 1000, 9 * 10**18)),
    ):
        refused = trader.send_raw("POST", "order", trader.signed(encode(LIMIT), timestamp=timestamp))
        assert error_of(refused) == error


def test_windows_that_are_not(stage: Stage) -> None:
    legal = "^([0-9]{1,20})(\\.[0-9]{1,3})?$"
    for window, error in (
        *((text, RECV_WINDOW) for text in ("60001", "60000.001", "99999999999999999999")),
        *(
            (text, illegal("recvWindow", legal))
            for text in ("-1", "abc", "1e3", "5000.1234", "NaN", "1" * 21, WIDE_ONE)
        ),
        ("", empty("recvWindow")),
        ("0", TOO_OLD),
    ):
        query = stage.trader.signed(encode(LIMIT), recvWindow=window, timestamp=now_ms() - 10)
        assert error_of(stage.trader.send_raw("POST", "order", query)) == error


def test_keys_that_are_not(stage: Stage) -> None:
    query = stage.trader.signed(encode(LIMIT))
    for key, error in (
        *(
            (text, KEY_FORMAT)
            for text in (
                "",
                "x",
                "a" * 63,
                "a" * 65,
                "a" * 63 + "-",
                "../" + "a" * 61,
                "\N{LATIN SMALL LETTER E WITH ACUTE}" * 64,
            )
        ),
        ("a" * 64, KEY_REJECTED),
        (stage.trader.api_key.swapcase(), KEY_REJECTED),
        (stage.other.api_key, WRONG_SIGNATURE),
    ):
        refused = stage.trader.send_raw("POST", "order", query, headers={"X-MBX-APIKEY": key})
        assert error_of(refused) == error
    assert error_of(exchange(stage.trader.http, "POST", "order", query)) == KEY_FORMAT


def test_a_revoked_key_does_nothing(stage: Stage) -> None:
    for method, path, parameters in (
        ("POST", "order", LIMIT),
        ("DELETE", "openOrders", {"symbol": "BTCUSDT"}),
        ("GET", "account", {}),
    ):
        assert error_of(stage.revoked.send(method, path, parameters)) == KEY_REJECTED


def test_a_key_that_may_only_read_changes_nothing(stage: Stage) -> None:
    before = stage.reader.balances()
    for method, path, parameters in (
        ("POST", "order", LIMIT),
        ("POST", "order/test", LIMIT),
        ("DELETE", "order", {"symbol": "BTCUSDT", "origClientOrderId": "x"}),
        ("DELETE", "openOrders", {"symbol": "BTCUSDT"}),
    ):
        assert error_of(stage.reader.send(method, path, parameters)) == KEY_REJECTED
    assert stage.reader.balances() == before
    assert stage.reader.get("allOrders", symbol="BTCUSDT") == []


def test_tokens_that_are_not(stage: Stage) -> None:
    for authorization in ("Bearer x", "Bearer " + "a" * 5000, f"Basic {stage.member.access_token}", "Bearer"):
        headers = {"Authorization": authorization}
        assert error_of(exchange(stage.trader.http, "POST", "order", encode(LIMIT), headers=headers)) == UNAUTHORIZED


@pytest.mark.parametrize("unit", ["", "SECOND", "Microsecond", "MICROSECOND ,MILLISECOND", "1"])
def test_time_units_that_are_not(unit: str, stage: Stage) -> None:
    refused = stage.trader.send("POST", "order", LIMIT, headers={"X-MBX-TIME-UNIT": unit})
    assert error_of(refused) == TIME_UNIT


# Bodies, paths and methods


def test_a_body_of_one_megabyte(stage: Stage) -> None:
    filler = "newClientOrderId=" + "x" * ONE_MEGABYTE
    query = stage.trader.signed(encode(LIMIT), filler)
    pieces = [filler[start : start + 4096].encode() for start in range(0, len(filler), 4096)]
    for body in (filler, iter(pieces)):
        assert error_of(stage.trader.send_raw("POST", "order", query, body)) == BODY_TOO_LARGE
    before_the_limit = "x" * 64 * 1024
    query = stage.trader.signed(encode(LIMIT), before_the_limit)
    assert error_of(stage.trader.send_raw("POST", "order", query, before_the_limit)) == unread(6, 7)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        # "/" is the page's.
        *("/api", "/api/v3", "/api/v3/", "/api/v3/orders", "/api/v3/order/", "/api/v3//order", "/api/v3/Order"),
        *(
            "/API/v3/order",
            "/api/v4/order",
            "/api/v1/order",
            "//api/v3/order",
            "/api/v3/x/../order",
            "/api/v3/order%00",
        ),
        *(
            "/wapi/v3/account",
            "/internal/commands",
            "/internal/status",
            "/internal/accounts",
            "/.env",
            "/api/v3/order;x",
        ),
    ],
)
def test_an_unknown_path(method: str, path: str, stage: Stage) -> None:
    query = stage.trader.signed(encode(LIMIT))
    refused = exchange(stage.trader.http, method, path, query, headers={"X-MBX-APIKEY": stage.trader.api_key})
    assert error_of(refused) == NOT_FOUND


@pytest.mark.parametrize(
    ("path", "wrong", "allowed"),
    [
        ("order", ("PUT", "PATCH", "TRACE"), {"GET", "POST", "DELETE"}),
        ("openOrders", ("POST", "PUT", "PATCH"), {"GET", "DELETE"}),
        ("order/test", ("GET", "DELETE", "PUT"), {"POST"}),
        ("account", ("POST", "DELETE", "PUT"), {"GET"}),
        ("ping", ("POST", "DELETE", "PUT"), {"GET"}),
    ],
)
def test_a_wrong_method(path: str, wrong: tuple[str, ...], allowed: set[str], stage: Stage) -> None:
    for method in wrong:
        refused = stage.trader.send(method, path, LIMIT)
        assert error_of(refused) == NOT_ALLOWED
        assert allowed <= set(refused.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST /api/v3/order?symbol=BTC\0USDT HTTP/1.1",
        b"POST /api/v3/order?symbol=BTC USDT HTTP/1.1",
        b"POST /api/v3/order?symbol=\xff HTTP/1.1",
        b"POST /api/v3/order?symbol=\xef\xbc\x91 HTTP/1.1",
        b"NONSENSE /api/v3/order HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_bytes_that_no_client_sends(request_line: bytes, stage: Stage) -> None:
    host, port = stage.trader.http.base_url.host, stage.trader.http.base_url.port
    assert port is not None
    key = f"X-MBX-APIKEY: {stage.trader.api_key}\r\nHost: {host}\r\nConnection: close".encode()
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(request_line + b"\r\n" + key + b"\r\nContent-Length: 0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_form_that_says_it_is_something_else(stage: Stage) -> None:
    boundary = "--x\r\nContent-Disposition: form-data; name=symbol\r\n\r\nBTCUSDT\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    query = stage.trader.signed("", boundary)
    refused = stage.trader.send_raw("POST", "order", query, boundary, headers=headers)
    assert error_of(refused) == mandatory("symbol")
    compressed = {"Content-Type": FORM, "Content-Encoding": "gzip"}
    body = b"\x1f\x8b\x08\x00"
    refused = stage.trader.send_raw("POST", "order", stage.trader.signed(encode(LIMIT)), body, headers=compressed)
    assert error_of(refused) == GARBLED
