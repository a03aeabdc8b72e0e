"""Goal: what is written today is read tomorrow: messages survive MessagePack, and old journals stay readable.

Messages travel as arrays, so a field's place is its name. New fields may only be appended, with a default.
"""

from collections.abc import Callable
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import events
from services.domain.commands import CancelAllOrders, CancelOrder, Command, DefineMarket, Deposit, PlaceOrder, Withdraw
from services.domain.events import Event
from services.domain.market import Market, MarketStatus
from services.domain.money import MAX_E8
from services.domain.orders import ExpiryReason, OrderState, OrderStatus, OrderType, Side, TimeInForce
from services.domain.protocol import Envelope, Query, Reply, Request

# What is kept in the journal, and what only travels between services.
JOURNALED: list[tuple[UnionType, type]] = [(union, member) for union in (Command, Event) for member in get_args(union)]
TRAVELLING: list[tuple[UnionType, type]] = [
    *((Request, member) for member in get_args(Query)),
    *((Reply, member) for member in get_args(Reply)),
]

# For each of some fifty kinds: what can go wrong is a field's place or type, which a few find.
EXAMPLES = 25


def name_of(value: Any) -> str:
    return getattr(value, "__name__", "")


def values(type_: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type, down into nested messages."""
    if get_origin(type_) is tuple and get_args(type_)[-1] is Ellipsis:
        return st.lists(values(get_args(type_)[0]), max_size=3).map(tuple)
    if get_origin(type_) is tuple:
        return st.tuples(*map(values, get_args(type_)))
    if get_origin(type_) is list:
        return st.lists(values(get_args(type_)[0]), max_size=3)
    if isinstance(type_, UnionType):
        return st.one_of(*map(values, get_args(type_)))
    if issubclass(type_, Enum):
        return st.sampled_from(type_)
    if issubclass(type_, msgspec.Struct):
        return st.builds(type_, **{field.name: values(field.type) for field in msgspec.structs.fields(type_)})
    plain: dict[type, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(-(2**63), MAX_E8),
        str: st.text(max_size=20),
    }
    return plain[type_]


@pytest.mark.parametrize(("union", "member"), [*JOURNALED, *TRAVELLING], ids=name_of)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_message_survives_the_wire(union: UnionType, member: type, data: st.DataObject) -> None:
    message = data.draw(values(member))
    decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=union)
    assert type(decoded) is member
    assert decoded == message


@given(data=st.data())
def test_an_envelope_survives_the_wire(data: st.DataObject) -> None:
    envelope = data.draw(values(Envelope))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(envelope), type=Envelope) == envelope


MARKET = Market(symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=10**6, step_size_e8=10**3)
MARKET_V1 = {
    "symbol": "BTCUSDT",
    "base_asset": "BTC",
    "quote_asset": "USDT",
    "tick_size_e8": 10**6,
    "step_size_e8": 10**3,
}
ORDER = OrderState(
    7,
    11,
    "BTCUSDT",
    "mine",
    Side.BUY,
    OrderType.LIMIT,
    TimeInForce.IOC,
    100,
    50,
    0,
    20,
    2000,
    OrderStatus.EXPIRED,
    1,
    2,
    3,
    ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED,
)
ORDER_V1 = [
    *(7, 11, "BTCUSDT", "mine", "BUY", "LIMIT", "IOC", 100, 50, 0, 20, 2000, "EXPIRED", 1, 2, 3),
    "UNFILLED_IOC_QUANTITY_EXPIRED",
]

# As the first version of the journal holds them. Add what is new; never change what is here.
COMMANDS_V1: list[tuple[list[Any], Command]] = [
    (
        ["PlaceOrder", 11, "BTCUSDT", "mine", "SELL", "MARKET", "GTC", 5, 0, 0],
        PlaceOrder(11, "BTCUSDT", "mine", Side.SELL, OrderType.MARKET, TimeInForce.GTC, 5),
    ),
    (
        ["PlaceOrder", 11, "BTCUSDT", "mine", "BUY", "LIMIT_MAKER", "FOK", 5, 6, 7],
        PlaceOrder(11, "BTCUSDT", "mine", Side.BUY, OrderType.LIMIT_MAKER, TimeInForce.FOK, 5, 6, 7),
    ),
    (["CancelOrder", 11, "BTCUSDT", 7, "mine", "why"], CancelOrder(11, "BTCUSDT", 7, "mine", "why")),
    (["CancelAllOrders", 11, "BTCUSDT", "why"], CancelAllOrders(11, "BTCUSDT", "why")),
    (["Deposit", 11, "BTC", 5, "ref"], Deposit(11, "BTC", 5, "ref")),
    (["Withdraw", 11, "BTC", 5, "ref"], Withdraw(11, "BTC", 5, "ref")),
    (["DefineMarket", MARKET_V1], DefineMarket(MARKET)),
]
EVENTS_V1: list[tuple[list[Any], Event]] = [
    (["OrderAccepted", ORDER_V1], events.OrderAccepted(ORDER)),
    (
        ["OrderFilled", 3, "BTCUSDT", 100, 20, 2000, 4, 5, ORDER_V1, ORDER_V1],
        events.OrderFilled(3, "BTCUSDT", 100, 20, 2000, 4, 5, ORDER, ORDER),
    ),
    (["OrderCanceled", ORDER_V1, "why"], events.OrderCanceled(ORDER, "why")),
    (["OrderExpired", ORDER_V1], events.OrderExpired(ORDER)),
    (["FundsDeposited", 11, "BTC", 5, "ref"], events.FundsDeposited(11, "BTC", 5, "ref")),
    (["FundsWithdrawn", 11, "BTC", 5, "ref"], events.FundsWithdrawn(11, "BTC", 5, "ref")),
    (["MarketDefined", MARKET_V1], events.MarketDefined(MARKET)),
    (["BalanceChanged", 11, "BTC", 5, 6], events.BalanceChanged(11, "BTC", 5, 6)),
    (
        ["BookChanged", "BTCUSDT", 9, [[1, 2]], [[3, 4], [5, 0]]],
        events.BookChanged("BTCUSDT", 9, ((1, 2),), ((3, 4), (5, 0))),
    ),
]


@pytest.mark.parametrize(("array", "command"), COMMANDS_V1, ids=lambda value: type(value).__name__)
def test_commands_of_the_first_journal_are_readable(array: list[Any], command: Command) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(array), type=Command) == command


@pytest.mark.parametrize(("array", "event"), EVENTS_V1, ids=lambda value: type(value).__name__)
def test_events_of_the_first_journal_are_readable(array: list[Any], event: Event) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(array), type=Event) == event


def test_the_first_journal_knows_every_type_of_its_time() -> None:
    """Types added later need no entry; a type that vanishes breaks the tests above."""
    assert {type(command) for _, command in COMMANDS_V1} <= set(get_args(Command))
    assert len({type(command) for _, command in COMMANDS_V1}) == 6
    assert len({type(event) for _, event in EVENTS_V1}) == 9


def test_a_command_without_its_optional_fields_is_readable() -> None:
    """Goal: a journal from before a field was added gives it its default."""
    array = ["PlaceOrder", 11, "BTCUSDT", "mine", "SELL", "MARKET", "GTC", 5]
    command = PlaceOrder(11, "BTCUSDT", "mine", Side.SELL, OrderType.MARKET, TimeInForce.GTC, 5)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(array), type=Command) == command


def test_an_order_without_an_expiry_reason_is_readable() -> None:
    decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(["OrderExpired", ORDER_V1[:-1]]), type=Event)
    assert decoded == events.OrderExpired(msgspec.structs.replace(ORDER, expiry_reason=ExpiryReason.NONE))


@pytest.mark.parametrize(("union", "member"), JOURNALED, ids=name_of)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_fields_appended_later_are_skipped(union: UnionType, member: type, data: st.DataObject) -> None:
    """Goal: during an update the older version can read what the newer one writes."""
    message = data.draw(values(member))
    array = msgspec.msgpack.decode(msgspec.msgpack.encode(message))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([*array, 1, "new"]), type=union) == message


@pytest.mark.parametrize(
    "break_it",
    [
        lambda array: ["PlaceOrders", *array[1:]],
        lambda array: array[:-3],
        lambda array: [*array[:1], str(array[1]), *array[2:]],
        lambda array: [*array[:1], float(array[1]) + 0.5, *array[2:]],
        lambda array: ["buy" if item == "BUY" else item for item in array],
        lambda array: dict(enumerate(array)),
    ],
    ids=["unknown type", "missing field", "text for a number", "fraction", "unknown side", "not an array"],
)
def test_what_is_no_message_is_refused(break_it: Callable[[list[Any]], Any]) -> None:
    array = ["PlaceOrder", 11, "BTCUSDT", "mine", "BUY", "LIMIT", "GTC", 5, 6, 7][:9]
    assert isinstance(msgspec.msgpack.decode(msgspec.msgpack.encode(array), type=Command), PlaceOrder)
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(break_it(array)), type=Command)


@pytest.mark.parametrize("changes", [{"tick_sise": 1}, {"status": "OPEN"}, {"tick_size_e8": 0.01}])
def test_a_market_with_a_typing_error_is_refused(changes: dict[str, Any]) -> None:
    """Goal: a misspelt limit must not be taken for a limit that is switched off."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode({**MARKET_V1, **changes}), type=Market)


def test_a_market_says_its_status_in_words() -> None:
    assert msgspec.to_builtins(msgspec.structs.replace(MARKET, status=MarketStatus.HALT))["status"] == "HALT"


@pytest.mark.parametrize("message", [command for _, command in COMMANDS_V1] + [event for _, event in EVENTS_V1])
def test_messages_cannot_be_changed(message: msgspec.Struct) -> None:
    name = message.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(message, name, None)
