"""Signatures and timing: the reference's vectors, then what a running exchange accepts and what it does not."""

import time
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading import errors
from services.trading.errors import DialectError
from services.trading.signing import HmacKey, Window, signed_payload
from tests.api.conftest import NewTrader
from tests.api.trader import FORM, Trader, encode, error_of, now_ms, sign, succeeded

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
# The digits one to six in their full-width form.
WIDE = "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"
REST = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
VECTORS = [
    (f"symbol=LTCBTC&{REST}", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (
        f"symbol={WIDE}&{REST}",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    (
        f"apiKey={KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC"
        "&timestamp=1645423376532&type=LIMIT",
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        f"apiKey={KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY&symbol={unquote(WIDE)}&timeInForce=GTC"
        "&timestamp=1645423376532&type=LIMIT",
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
]
NOW_US = 1_800_000_000_000_000
WRONG = (400, -1022, "Signature for this request is not valid.")
TOO_OLD = (400, -1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD = (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=30000"


@pytest.fixture
def trader(new_trader: NewTrader) -> Trader:
    return new_trader(USDT="10000")


# The functions


@pytest.mark.parametrize(("payload", "signature"), VECTORS)
def test_the_vectors_of_the_reference(payload: str, signature: str) -> None:
    assert HmacKey(SECRET).verifies(payload.encode(), signature)
    assert HmacKey(SECRET).verifies(payload.encode(), signature.upper())
    assert not HmacKey(SECRET).verifies(payload.encode() + b"&", signature)
    assert not HmacKey(SECRET[::-1]).verifies(payload.encode(), signature)
    assert not HmacKey(SECRET).verifies(payload.encode(), signature[:-1])
    assert not HmacKey(SECRET).verifies(payload.encode(), "é" * 64)


@pytest.mark.parametrize(
    ("query", "body", "payload"),
    [
        (b"a=1&signature=x", b"", b"a=1"),
        (b"signature=x&a=1", b"", b"a=1"),
        (b"a=1&signature=x&b=2", b"", b"a=1&b=2"),
        (b"a=1", b"b=2&signature=x", b"a=1b=2"),
        (b"a=1&signature=x", b"b=2", b"a=1b=2"),
        (b"signature=x", b"b=2", b"b=2"),
        (b"", b"signature=x&b=2", b"b=2"),
        (b"a=%41&b=+", b"", b"a=%41&b=+"),
        (b"b=2&a=1", b"", b"b=2&a=1"),
        (b"mysignature=1&signature=x", b"", b"mysignature=1"),
        (b"", b"", b""),
    ],
)
def test_the_payload_is_what_was_received_without_the_signature(query: bytes, body: bytes, payload: bytes) -> None:
    assert signed_payload(query, body) == payload


@given(
    st.lists(st.sampled_from([b"a=1", b"", b"signature=x", b"xsignature=y", b"signature", b"signature="]), max_size=6)
)
def test_every_signature_is_left_out_wherever_it_is(pairs: list[bytes]) -> None:
    rest = [pair for pair in pairs if not pair.startswith(b"signature=")]
    assert signed_payload(b"&".join(pairs), b"") == b"&".join(rest)


@pytest.mark.parametrize(
    ("timestamp_us", "recv_window", "error"),
    [
        (NOW_US, None, None),
        (NOW_US - 5_000_000, None, None),
        (NOW_US - 5_000_001, None, errors.TIMESTAMP_TOO_OLD),
        (NOW_US + 999_999, None, None),
        (NOW_US + 1_000_000, None, errors.TIMESTAMP_AHEAD),
        (NOW_US - 60_000_000, "60000", None),
        (NOW_US - 60_000_001, "60000", errors.TIMESTAMP_TOO_OLD),
        (NOW_US - 1_500, "1.5", None),
        (NOW_US - 1_501, "1.5", errors.TIMESTAMP_TOO_OLD),
        (NOW_US - 1, "0.001", None),
        (NOW_US - 2, "0.001", errors.TIMESTAMP_TOO_OLD),
        (NOW_US, "0", None),
        (NOW_US - 1, "0", errors.TIMESTAMP_TOO_OLD),
    ],
)
def test_a_window_to_the_microsecond(timestamp_us: int, recv_window: str | None, error: DialectError | None) -> None:
    window = Window(str(timestamp_us), recv_window)
    if error is None:
        window.check(NOW_US)
    else:
        with pytest.raises(DialectError) as caught:
            window.check(NOW_US)
        assert caught.value is error


def test_milliseconds_and_microseconds_are_told_apart_by_size() -> None:
    assert Window("99999999999999", None).timestamp_us == 99_999_999_999_999_000
    assert Window("100000000000000", None).timestamp_us == 100_000_000_000_000


# What a running exchange accepts


def test_parameters_may_be_in_the_query_the_body_or_both(trader: Trader) -> None:
    timed = f"{ORDER}&timestamp={now_ms()}"
    signature = sign(trader.secret_key, timed)
    head, tail = timed.split("&quantity", 1)
    half, rest = head, f"quantity{tail}"
    split_signature = sign(trader.secret_key, half + rest)
    requests = [
        (f"{timed}&signature={signature}", None),
        ("", f"{timed}&signature={signature}"),
        (timed, f"signature={signature}"),
        (f"signature={signature}", timed),
        (half, f"{rest}&signature={split_signature}"),
        (f"{half}&signature={split_signature}", rest),
        (half, f"signature={split_signature}&{rest}"),
    ]
    for query, body in requests:
        succeeded(trader.send_raw("POST", "order", query, body))
    assert len(trader.get("openOrders")) == len(requests)


def test_the_signature_may_stand_anywhere(trader: Trader) -> None:
    pairs = f"symbol=BTCUSDT&timestamp={now_ms()}&limit=5".split("&")
    signature = f"signature={sign(trader.secret_key, '&'.join(pairs))}"
    for position in range(len(pairs) + 1):
        query = "&".join([*pairs[:position], signature, *pairs[position:]])
        assert succeeded(trader.send_raw("GET", "allOrders", query)) == []


def test_the_query_wins_over_the_body(trader: Trader) -> None:
    body = ORDER.replace("quantity=0.01", "quantity=0.03")
    query = trader.signed("quantity=0.02&price=31000", body)
    answer = succeeded(trader.send_raw("POST", "order", query, body))
    assert (answer["origQty"], answer["price"]) == ("0.02000000", "31000.00000000")


def test_a_delete_may_carry_a_form(trader: Trader) -> None:
    order_id = trader.buy("0.01", "30000")["orderId"]
    form = trader.signed(f"orderId={order_id}&symbol=BTCUSDT")
    assert succeeded(trader.send_raw("DELETE", "order", body=form))["orderId"] == order_id


@pytest.mark.parametrize("body", ["", None])
@pytest.mark.parametrize("content_type", ["application/json", FORM, "text/plain"])
def test_the_content_type_of_an_empty_body_does_not_matter(body: str | None, content_type: str, trader: Trader) -> None:
    headers = {"Content-Type": content_type}
    succeeded(trader.send_raw("POST", "order", trader.signed(ORDER), body, headers=headers))


def test_a_form_is_read_whatever_its_content_type_says(trader: Trader) -> None:
    form = trader.signed(ORDER)
    succeeded(trader.send_raw("POST", "order", body=form, headers={"Content-Type": "application/json"}))


def test_what_was_sent_is_what_was_signed_however_it_is_encoded(trader: Trader) -> None:
    unusual = ORDER.replace("BTCUSDT", "%42TCUSD%54").replace("0.01", "0%2e01")
    succeeded(trader.send_raw("POST", "order", trader.signed(unusual)))
    decoded = trader.signed(ORDER).split("symbol=BTCUSDT", 1)[1]
    assert error_of(trader.send_raw("POST", "order", f"symbol=%42TCUSDT{decoded}")) == WRONG


def test_the_order_of_parameters_is_signed_too(trader: Trader) -> None:
    query = f"symbol=BTCUSDT&limit=5&timestamp={now_ms()}"
    signature = sign(trader.secret_key, query)
    swapped = "limit=5&symbol=BTCUSDT&" + query.rsplit("&", 1)[1]
    succeeded(trader.send_raw("GET", "allOrders", f"{query}&signature={signature}"))
    assert error_of(trader.send_raw("GET", "allOrders", f"{swapped}&signature={signature}")) == WRONG


def test_either_case_of_the_signature(trader: Trader) -> None:
    query, signature = trader.signed("").rsplit("=", 1)
    for spelled in (signature.lower(), signature.upper()):
        succeeded(trader.send_raw("GET", "account", f"{query}={spelled}"))


def test_a_timestamp_in_microseconds(trader: Trader) -> None:
    succeeded(trader.send_raw("GET", "account", trader.signed("", timestamp=time.time_ns() // 1000)))


def test_an_old_request_within_a_wider_window(trader: Trader) -> None:
    old = now_ms() - 20_000
    assert error_of(trader.send_raw("GET", "account", trader.signed("", timestamp=old))) == TOO_OLD
    for recv_window in ("60000", "60000.000", "59999.999"):
        succeeded(trader.send_raw("GET", "account", trader.signed("", timestamp=old, recvWindow=recv_window)))


# What it does not accept. That none of it changes anything is for test_bad_input.py.


def test_somebody_elses_secret(trader: Trader, new_trader: NewTrader) -> None:
    other = new_trader()
    assert error_of(trader.send_raw("GET", "account", other.signed(""))) == WRONG


def test_a_signature_is_for_one_payload(trader: Trader) -> None:
    query = trader.signed("symbol=BTCUSDT&limit=5")
    tampered = query.replace("limit=5", "limit=6")
    assert error_of(trader.send_raw("GET", "allOrders", tampered)) == WRONG
    assert error_of(trader.send_raw("GET", "allOrders", f"{query}&orderId=1")) == WRONG


def test_the_body_is_signed_too(trader: Trader) -> None:
    query = trader.signed("", ORDER)
    tampered = ORDER.replace("quantity=0.01", "quantity=0.02")
    assert error_of(trader.send_raw("POST", "order", query, tampered)) == WRONG
    assert error_of(trader.send_raw("POST", "order", query, encode({"a": 1}) + ORDER)) == WRONG


def test_a_request_from_the_future(trader: Trader) -> None:
    query = trader.signed("", timestamp=now_ms() + 60_000, recvWindow=60_000)
    assert error_of(trader.send_raw("GET", "account", query)) == AHEAD


def test_the_header_may_be_written_in_any_case(trader: Trader) -> None:
    headers = {"x-mbx-apikey": trader.api_key}
    response = trader.http.get(f"/api/v3/account?{trader.signed('')}", headers=headers)
    assert response.status_code == httpx.codes.OK
