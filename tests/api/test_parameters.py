"""Parameters from bytes: whatever arrives becomes typed values or exactly one of the dialect's errors."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.domain.money import MAX_E8, ONE_E8, format_e8
from services.trading.endpoint import Endpoint
from services.trading.errors import DialectError
from services.trading.parameters import MAX_PARAMETERS, Parameters, read_parameters, validate
from services.trading.routes import ENDPOINTS
from services.trading.routes.market_data import DepthParameters
from services.trading.routes.orders import AllOrdersParameters, OrderParameters

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
# Any text is read; what it means is up to the route.
TAKEN_AS_THEY_ARE = {"timeZone", "windowSize", "address", "addressTag", "name", "txId"}
NAMES = sorted({str(field.alias) for endpoint in ENDPOINTS for field in endpoint.parameters.model_fields.values()})

# What a hostile client may put anywhere: words of the dialect, numbers of all kinds, and any text at all.
words = st.sampled_from(["", "BTCUSDT", "BUY", "LIMIT", "GTC", "true", '["BTCUSDT"]', "NaN", "1e5", "-1", "0", "\0"])
numbers = st.one_of(st.integers().map(str), st.decimals().map(str), st.floats().map(str))
values = st.one_of(words, numbers, st.text(max_size=50))
names = st.one_of(st.sampled_from(NAMES), st.text(max_size=10))
forms = st.dictionaries(names, values, max_size=MAX_PARAMETERS)
raw_forms = st.one_of(
    st.binary(max_size=200),
    forms.map(lambda form: urlencode(form).encode()),
    st.lists(st.sampled_from(["symbol=BTCUSDT", "price=", "=", "&", ";", "%", "%ff", "%00", "+", "a", "=&="])).map(
        lambda pieces: "".join(pieces).encode()
    ),
)


@given(query=raw_forms, body=raw_forms)
def test_any_bytes_are_read_or_refused(query: bytes, body: bytes) -> None:
    try:
        parameters = read_parameters(query, body)
    except DialectError as error:
        assert (error.status, error.code) in {(400, -1100), (400, -1101)}
    else:
        assert all(isinstance(text, str) for pair in parameters.items() for text in pair)


@given(endpoint=st.sampled_from(ENDPOINTS), parameters=forms)
def test_any_parameters_are_valid_or_refused(endpoint: Endpoint[Any], parameters: dict[str, str]) -> None:
    try:
        validate(endpoint.parameters, parameters)
    except DialectError as error:
        assert error.status == 400
        assert -1200 < error.code <= -1100


@given(parameters=st.dictionaries(names, values, min_size=1, max_size=20))
def test_what_was_encoded_is_what_is_read(parameters: dict[str, str]) -> None:
    encoded = urlencode(parameters).encode()
    assert read_parameters(encoded, b"") == parameters
    assert read_parameters(b"", encoded) == parameters
    assert read_parameters(encoded, encoded) == parameters


@given(query=forms, body=forms)
def test_the_query_wins(query: dict[str, str], body: dict[str, str]) -> None:
    read = read_parameters(urlencode(query).encode(), urlencode(body).encode())
    assert read == body | query


@given(parameters=st.dictionaries(names, values, min_size=1, max_size=10), repeat=st.integers(min_value=0), text=values)
def test_a_repeat_within_query_or_body_is_refused(parameters: dict[str, str], repeat: int, text: str) -> None:
    name = list(parameters)[repeat % len(parameters)]
    encoded = f"{urlencode(parameters)}&{quote_plus(name)}={quote_plus(text)}".encode()
    for query, body in ((encoded, b""), (b"", encoded)):
        with pytest.raises(DialectError, match="Duplicate values for a parameter detected"):
            read_parameters(query, body)


@given(st.text(alphabet="ab=&.", max_size=30))
def test_what_needs_no_decoding_is_read_as_what_does(text: str) -> None:
    pairs = parse_qsl(text, keep_blank_values=True)
    if len(dict(pairs)) < len(pairs):
        with pytest.raises(DialectError):
            read_parameters(text.encode(), b"")
    else:
        assert read_parameters(text.encode(), b"") == dict(pairs)


def test_the_number_of_parameters_is_limited() -> None:
    def encoded(count: int) -> bytes:
        return urlencode({f"p{number}": number for number in range(count)}).encode()

    assert len(read_parameters(encoded(MAX_PARAMETERS), b"")) == MAX_PARAMETERS
    with pytest.raises(DialectError, match="Too many parameters"):
        read_parameters(encoded(MAX_PARAMETERS + 1), b"")


@given(amount=st.integers(min_value=0, max_value=MAX_E8), zeros=st.integers(min_value=0, max_value=8))
def test_amounts_are_read_exactly(amount: int, zeros: int) -> None:
    text = format_e8(amount)
    assert _order(price=text).price == amount
    assert _order(quantity=text + "0" * zeros).quantity == amount
    assert _order(price=text).price == Decimal(text) * ONE_E8
    if not amount % ONE_E8:
        assert _order(price=str(amount // ONE_E8)).price == amount


@given(amount=st.decimals(min_value=0, max_value=10**9, places=12))
def test_an_amount_is_never_rounded(amount: Decimal) -> None:
    exact = amount * ONE_E8 == int(amount * ONE_E8)
    try:
        read = _order(price=f"{amount:f}").price
    except DialectError as error:
        assert not exact
        assert error.code == -1111
    else:
        assert read == amount * ONE_E8


@given(limit=st.integers(min_value=1, max_value=MAX_E8))
def test_a_limit_is_truncated_to_the_maximum(limit: int) -> None:
    assert validate(AllOrdersParameters, {"symbol": "X", "limit": str(limit)}).limit == min(limit, 1000)
    assert validate(DepthParameters, {"symbol": "X", "limit": str(limit)}).limit == min(limit, 5000)


@pytest.mark.parametrize(
    ("text", "start_us", "end_us"),
    [
        ("0", 0, 0),
        ("1000", 1_000_000, 1_000_999),
        ("1499827319559", 1_499_827_319_559_000, 1_499_827_319_559_999),
        ("99999999999999", 99_999_999_999_999_000, 99_999_999_999_999_999),
        ("100000000000000", 100_000_000_000_000, 100_000_000_000_000),
        ("1499827319559123", 1_499_827_319_559_123, 1_499_827_319_559_123),
        (str(MAX_E8), MAX_E8, MAX_E8),
    ],
)
def test_times_in_milliseconds_or_microseconds(text: str, start_us: int, end_us: int) -> None:
    parameters = validate(AllOrdersParameters, {"symbol": "X", "startTime": text, "endTime": text})
    assert (parameters.start_time, parameters.end_time) == (start_us, end_us)


def test_names_on_the_wire_are_camel_case_only() -> None:
    assert _order(timeInForce="IOC").time_in_force is not None
    with pytest.raises(DialectError, match="Not all sent parameters were read; read '3' parameter"):
        validate(OrderParameters, {**ORDER, "time_in_force": "IOC"})


def test_parameters_cannot_be_changed() -> None:
    parameters = _order(price="1")
    with pytest.raises(ValidationError):
        setattr(parameters, "price", 2)  # noqa: B010  # Type checkers know; this asks the model.


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_parameter_has_its_dialect_error_when_it_is_wrong(endpoint: Endpoint[Any]) -> None:
    """A parameter whose type falls back to pydantic's own errors would crash the translation."""
    model: type[Parameters] = endpoint.parameters
    is_required = {str(field.alias): field.is_required() for field in model.model_fields.values()}
    right = {name: _right(name) for name in is_required if is_required[name]}
    validate(model, right)
    for name in is_required.keys() - TAKEN_AS_THEY_ARE:
        for wrong in ("\0", "", "x" * 100, "[]"):
            with pytest.raises(DialectError):
                validate(model, {**right, name: wrong})


def _right(name: str) -> str:
    """A value for a mandatory parameter, by what its name ends with."""
    words = {"cancelReplaceMode": "STOP_ON_FAILURE", "interval": "1m", "listenKey": "k" * 64}
    words |= {"coin": "BTC", "address": "cb7", "amount": "1"}
    if name in words:
        return words[name]
    ends = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "id": "1", "price": "1", "qty": "1", "quantity": "1"}
    return next(value for end, value in ends.items() if name.lower().endswith(end))


def _order(**parameters: str) -> OrderParameters:
    return validate(OrderParameters, {**ORDER, **parameters})
