"""Whatever bytes arrive, a parser returns what it documents or raises what it documents, and nothing else."""

import asyncio
import json
import string
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.domain.commands import Command, DefineMarket, Deposit
from services.domain.money import MAX_E8, ONE_E8, NotADecimal, TooLarge, TooPrecise, format_e8, parse_e8
from services.domain.protocol import Envelope
from services.engine import snapshots
from services.engine.app import carry_out
from services.engine.core.exchange import Exchange
from services.engine.inbox import Inbox
from services.engine.journal import GENESIS_HASH
from services.engine.markets_file import read_definitions
from services.engine.snapshots import SnapshotUnusable
from services.trading.errors import DialectError
from services.trading.parameters import MAX_PARAMETERS, read_parameters, validate
from services.trading.routes import ENDPOINTS
from services.trading.streams import control, names
from services.trading.streams.control import ControlError
from services.trading.websocket_api.messages import Unreadable, read_request
from tests.simulation.world import MARKETS

amounts = st.integers(0, MAX_E8)
numbers = st.one_of(
    st.text(alphabet=string.digits + ".", max_size=45),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.floats().map(repr),
    st.text(max_size=30),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
messages = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    st.builds(
        lambda **fields: json.dumps(fields),
        id=json_values,
        method=st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "SET_PROPERTY", "order.place", "ping"]) | json_values,
        params=json_values,
    ),
)


# Numbers


@given(amounts)
def test_an_amount_survives_being_printed_and_read(amount_e8: int) -> None:
    assert parse_e8(format_e8(amount_e8)) == amount_e8


@given(numbers)
@example("1٣")
@example("0." + "0" * 20)
@example("92233720368.54775807")
@example("92233720368.54775808")
def test_a_number_is_read_exactly_or_refused(text: str) -> None:
    try:
        amount_e8 = parse_e8(text)
    except (NotADecimal, TooPrecise, TooLarge):
        return
    assert 0 <= amount_e8 <= MAX_E8
    assert Decimal(amount_e8) == Decimal(text) * ONE_E8


# Query strings and parameters


@given(st.binary(max_size=300), st.binary(max_size=300))
@example(b"a=1&a=2", b"")
@example(b"%ff=%00&&==", b"\xff=")
@example(b"&".join(b"p%d=1" % number for number in range(MAX_PARAMETERS + 1)), b"")
def test_parameters_are_read_or_refused(query: bytes, body: bytes) -> None:
    try:
        parameters = read_parameters(query, body)
    except DialectError:
        return
    assert len(parameters) <= MAX_PARAMETERS


@given(st.data())
def test_every_route_validates_any_text(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from([endpoint.parameters for endpoint in ENDPOINTS]))
    known = [field.alias or name for name, field in model.model_fields.items()]
    known_names = st.sampled_from(known) if known else st.text(max_size=10)
    texts = numbers | st.sampled_from(["BTCUSDT", "BUY", "LIMIT", "GTC", "true", "[]", '["BTCUSDT"]', "1" * 30])
    parameters = data.draw(st.dictionaries(known_names | st.text(max_size=10), texts, max_size=8))
    try:
        validate(model, parameters)
    except DialectError as error:
        assert error.status < 500


# WebSocket messages


@given(messages)
@example("[" * 100_000)
@example('{"id":1e999}')
@example('{"id":1,"method":"SUBSCRIBE","params":["a@b"],"id":2}')
def test_control_requests_are_read_or_refused(message: str | bytes) -> None:
    try:
        request = control.parse(message)
    except ControlError as error:
        assert json.loads(json.dumps(error.body()))["error"]["msg"]
        return
    assert request.method in control.METHODS
    for name in request.streams:
        names.parse(name)


@given(st.text(max_size=140))
def test_stream_names_are_known_or_not(name: str) -> None:
    names.parse(name)


@given(messages)
@example('{"params":' + '{"a":' * 5_000)
def test_api_requests_are_read_or_refused(message: str | bytes) -> None:
    try:
        request = read_request(message)
    except Unreadable as error:
        assert error.error.status < 500
        return
    assert all(isinstance(value, str) for value in request.parameters.values())


# What services tell each other, and what is stored


def small_exchange() -> Exchange:
    exchange = Exchange()
    for command in commands():
        exchange.apply(command, 1)
    return exchange


def commands() -> list[Command]:
    defined: list[Command] = [DefineMarket(market) for market in read_definitions(MARKETS).markets]
    return [*defined, Deposit(1000, "USDT", ONE_E8, "first")]


SNAPSHOT = snapshots.encode(small_exchange(), 7, GENESIS_HASH)


@given(st.integers(0, len(SNAPSHOT) - 1), st.integers(1, 255), st.integers(0, len(SNAPSHOT)))
def test_a_damaged_snapshot_is_not_believed(place: int, change: int, length: int) -> None:
    """One byte is another, or the end is gone. What still decodes says the same as before."""
    damaged = bytearray(SNAPSHOT)
    damaged[place] ^= change
    for payload in (bytes(damaged), SNAPSHOT[:length]):
        try:
            snapshot = snapshots.decode(payload)
        except SnapshotUnusable:
            continue
        whole = snapshots.decode(SNAPSHOT)
        assert snapshots.encode(snapshot.exchange, 7, GENESIS_HASH) == snapshots.encode(whole.exchange, 7, GENESIS_HASH)


@given(st.binary(max_size=400))
def test_a_snapshot_of_any_bytes_is_not_believed(payload: bytes) -> None:
    with pytest.raises(SnapshotUnusable):
        snapshots.decode(payload)


PARCEL = msgspec.msgpack.encode([Envelope(2**62, command) for command in commands()])


def spliced(at: int, put: bytes) -> bytes:
    return PARCEL[:at] + put + PARCEL[at + len(put) :]


@given(st.binary(max_size=200) | st.builds(spliced, st.integers(0, len(PARCEL)), st.binary(min_size=1, max_size=4)))
def test_a_parcel_of_any_bytes_is_declined_or_queued(body: bytes) -> None:
    """An engine that is not active says so for what it can read, and that it cannot read the rest."""
    answer = asyncio.run(carry_out(Inbox(100), body))
    assert answer.status_code in (400, 503)
