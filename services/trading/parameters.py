"""Parameters: from raw bytes to typed values, with the dialect's error for each way to get one wrong.

A route declares its parameters as a pydantic model of the types below; ``read_parameters`` collects the pairs and
``validate`` builds the model. Everything arrives as text. Query and body are both read and the query wins
(compatibility reference section 1.1).
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from services.domain.commands import CancelRestriction
from services.domain.market import MarketStatus
from services.domain.money import DECIMAL_PATTERN, MAX_E8, NotADecimal, TooLarge, TooPrecise, parse_e8
from services.domain.orders import OrderType, PegPrice, SelfTradePrevention, Side, TimeInForce
from services.trading import errors
from services.trading.errors import DialectError

MAX_PARAMETERS: Final = 64
DAY_MS: Final = 24 * 3600 * 1000
LONG_PATTERN: Final = "^[0-9]{1,20}$"
SYMBOL_PATTERN: Final = "^[A-Z0-9-_.]{1,20}$"
CLIENT_ORDER_ID_PATTERN: Final = "^[a-zA-Z0-9-_]{1,36}$"
ANY_TEXT_PATTERN: Final = "^[a-zA-Z0-9-_.,]{1,64}$"
# Of other networks: they have forms of their own.
ADDRESS_PATTERN: Final = "^[!-~]{1,128}$"
# Smaller strategy types are reserved in the dialect.
MIN_STRATEGY_TYPE: Final = 1_000_000
MAX_PEG_OFFSET: Final = 100
# Request times at or above this are microseconds, below it milliseconds (section 2).
_MICROSECONDS_FROM: Final = 100_000_000_000_000

_long = re.compile(r"[0-9]{1,20}", re.ASCII)
_symbol = re.compile(r"[A-Z0-9\-_.]{1,20}", re.ASCII)
_any_text = re.compile(r"[a-zA-Z0-9\-_.,]{1,64}", re.ASCII)
_address = re.compile(r"[!-~]{1,128}", re.ASCII)
_permission = re.compile(r"[A-Z0-9_]{1,20}", re.ASCII)
_client_order_id = re.compile(r"[a-zA-Z0-9\-_]{1,36}", re.ASCII)

M = TypeVar("M", bound="Parameters")
E = TypeVar("E", bound=Enum)


class ResponseType(Enum):
    """How much a reply to a new order says."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class PegOffset(Enum):
    """What a peg's offset counts."""

    PRICE_LEVEL = "PRICE_LEVEL"


class ReplaceMode(Enum):
    """What a failed cancel means for the new order."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class RateExceededMode(Enum):
    """What a cancel-replace does when the account may place no more orders for now."""

    DO_NOTHING = "DO_NOTHING"
    CANCEL_ONLY = "CANCEL_ONLY"


class Parameters(BaseModel):
    """Base of every route's parameters; wire names are camelCase. Unknown names are refused (-1104)."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


def _fail(build: Callable[..., DialectError], *arguments: str) -> NoReturn:
    """Raise the error that ``build`` makes once the parameter's name is known."""
    raise PydanticCustomError("dialect", "dialect error", {"build": build, "arguments": arguments})


def _fail_as(error: DialectError) -> NoReturn:
    _fail(lambda _name: error)


def _decimal(text: str) -> int:
    try:
        return parse_e8(text)
    except NotADecimal:
        _fail(errors.illegal_characters, DECIMAL_PATTERN)
    except TooPrecise:
        _fail(errors.too_precise)
    except TooLarge:
        _fail(errors.overflowed)


def _integer(text: str) -> int:
    if _long.fullmatch(text) is None:
        _fail(errors.illegal_characters, LONG_PATTERN)
    value = int(text)
    if value > MAX_E8:
        _fail(errors.overflowed)
    return value


def _time(text: str) -> int:
    value = _integer(text)
    return value if value >= _MICROSECONDS_FROM else min(value * 1000, MAX_E8)


def _end_time(text: str) -> int:
    """Ends are inclusive, so one in milliseconds means the whole of its millisecond."""
    value = _time(text)
    return value if value == int(text) else min(value + 999, MAX_E8)


def _matching(pattern: re.Pattern[str], legal_range: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            _fail(errors.illegal_characters, legal_range)
        return text

    return check


def member_of(kind: type[E], error: DialectError) -> Callable[[str], E]:
    """A validator for one of an enumeration's values."""
    members = {str(member.value): member for member in kind}

    def check(text: str) -> E:
        member = members.get(text)
        if member is None:
            _fail_as(error)
        return member

    return check


def _chosen(kind: type[E]) -> Callable[[str], E]:
    """A validator for an enumeration without an error of its own (-1130)."""
    members = {str(member.value): member for member in kind}

    def check(text: str) -> E:
        member = members.get(text)
        if member is None:
            _fail(errors.not_valid)
        return member

    return check


def _strategy_type(text: str) -> int:
    value = _integer(text)
    if value < MIN_STRATEGY_TYPE:
        _fail_as(errors.STRATEGY_TYPE_TOO_SMALL)
    return value


def _peg_offset(text: str) -> int:
    value = _integer(text)
    if value > MAX_PEG_OFFSET:
        _fail(errors.too_great, str(MAX_PEG_OFFSET))
    return value


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        _fail(errors.not_valid)
    return lowered == "true"


def _at_most(limit: int) -> Callable[[int], int]:
    def clamp(value: int) -> int:
        if value == 0:
            _fail(errors.not_valid)
        return min(value, limit)

    return clamp


def _symbol_list(text: str) -> tuple[str, ...]:
    """``["BTCUSDT","ETHUSDT"]``, as clients send it."""
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        _fail(errors.illegal_characters, '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$')
    names = tuple(name.strip().strip('"') for name in inner[1:-1].split(","))
    if any(_symbol.fullmatch(name) is None for name in names):
        _fail(errors.illegal_characters, '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$')
    if len(set(names)) < len(names):
        _fail_as(errors.REPEATED_SYMBOL)
    return names


def _permission_list(text: str) -> tuple[str, ...]:
    """``SPOT`` or ``["SPOT","MARGIN"]``."""
    inner = text.strip()
    names = inner[1:-1].split(",") if inner.startswith("[") and inner.endswith("]") else [inner]
    names = [name.strip().strip('"') for name in names]
    if any(_permission.fullmatch(name) is None for name in names):
        _fail(errors.not_valid)
    return tuple(names)


def _text_schema(pattern: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": description})


def _enum_schema(kind: type[Enum]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [member.value for member in kind]})


_INTEGER_SCHEMA: Final = WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_E8})

Decimal8 = Annotated[int, PlainValidator(_decimal), _text_schema(DECIMAL_PATTERN, "A decimal, up to 8 places")]
Long = Annotated[int, PlainValidator(_integer), _INTEGER_SCHEMA]
TimeUs = Annotated[
    int,
    PlainValidator(_time),
    WithJsonSchema({"type": "integer", "minimum": 0, "description": "Epoch milliseconds or microseconds"}),
]
EndTimeUs = Annotated[
    int,
    PlainValidator(_end_time),
    WithJsonSchema({"type": "integer", "minimum": 0, "description": "Epoch milliseconds or microseconds, inclusive"}),
]
SymbolName = Annotated[
    str, PlainValidator(_matching(_symbol, SYMBOL_PATTERN)), _text_schema(r"^[A-Z0-9\-_.]{1,20}$", "A market")
]
SymbolList = Annotated[
    tuple[str, ...],
    PlainValidator(_symbol_list),
    WithJsonSchema({"type": "string", "description": 'A JSON list of markets: ["BTCUSDT","ETHUSDT"]'}),
]
PermissionList = Annotated[
    tuple[str, ...],
    PlainValidator(_permission_list),
    WithJsonSchema({"type": "string", "description": 'A permission, or a JSON list of them: ["SPOT","MARGIN"]'}),
]
ClientOrderId = Annotated[
    str,
    PlainValidator(_matching(_client_order_id, CLIENT_ORDER_ID_PATTERN)),
    _text_schema(r"^[a-zA-Z0-9\-_]{1,36}$", "An id of the client's choice"),
]
AnyText = Annotated[
    str, PlainValidator(_matching(_any_text, ANY_TEXT_PATTERN)), _text_schema(ANY_TEXT_PATTERN, "A short text")
]
AddressText = Annotated[
    str, PlainValidator(_matching(_address, ADDRESS_PATTERN)), _text_schema(ADDRESS_PATTERN, "An address of a network")
]
Flag = Annotated[bool, PlainValidator(_boolean), WithJsonSchema({"type": "boolean"})]
SideName = Annotated[Side, PlainValidator(member_of(Side, errors.INVALID_SIDE)), _enum_schema(Side)]
TypeName = Annotated[
    OrderType, PlainValidator(member_of(OrderType, errors.INVALID_ORDER_TYPE)), _enum_schema(OrderType)
]
TimeInForceName = Annotated[
    TimeInForce, PlainValidator(member_of(TimeInForce, errors.INVALID_TIME_IN_FORCE)), _enum_schema(TimeInForce)
]


ResponseTypeName = Annotated[ResponseType, PlainValidator(_chosen(ResponseType)), _enum_schema(ResponseType)]
SelfTradePreventionName = Annotated[
    SelfTradePrevention, PlainValidator(_chosen(SelfTradePrevention)), _enum_schema(SelfTradePrevention)
]
ReplaceModeName = Annotated[ReplaceMode, PlainValidator(_chosen(ReplaceMode)), _enum_schema(ReplaceMode)]
RateExceededModeName = Annotated[
    RateExceededMode, PlainValidator(_chosen(RateExceededMode)), _enum_schema(RateExceededMode)
]
CancelRestrictionName = Annotated[
    CancelRestriction,
    PlainValidator(member_of(CancelRestriction, errors.INVALID_CANCEL_RESTRICTIONS)),
    _enum_schema(CancelRestriction),
]
PegPriceName = Annotated[
    PegPrice, PlainValidator(member_of(PegPrice, errors.INVALID_PEG_PRICE)), _enum_schema(PegPrice)
]
PegOffsetName = Annotated[
    PegOffset, PlainValidator(member_of(PegOffset, errors.INVALID_PEG_OFFSET)), _enum_schema(PegOffset)
]
PegOffsetValue = Annotated[
    int,
    PlainValidator(_peg_offset),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_PEG_OFFSET}),
]
StrategyType = Annotated[
    int,
    PlainValidator(_strategy_type),
    WithJsonSchema({"type": "integer", "minimum": MIN_STRATEGY_TYPE, "maximum": MAX_E8}),
]
SymbolStatusName = Annotated[
    MarketStatus, PlainValidator(member_of(MarketStatus, errors.INVALID_STATUS)), _enum_schema(MarketStatus)
]


def limit_of(maximum: int) -> Any:
    """A page size: 1 or more; above ``maximum`` it is truncated, as in the dialect."""
    return Annotated[
        int,
        PlainValidator(_integer),
        AfterValidator(_at_most(maximum)),
        WithJsonSchema({"type": "integer", "minimum": 1, "description": f"At most {maximum}; more is truncated"}),
    ]


def check_span(start_us: int | None, end_us: int | None) -> None:
    """History is asked for in spans of at most a day (-1127)."""
    if start_us is None or end_us is None:
        return
    if end_us < start_us:
        raise errors.BAD_COMBINATION
    if end_us // 1000 - start_us // 1000 > DAY_MS:
        raise errors.OVER_24_HOURS


def read_parameters(query: bytes, body: bytes) -> dict[str, str]:
    """Collect name and value pairs of query and form body; refuse repeats within either."""
    parameters = _pairs(query)
    if body:
        parameters = {**_pairs(body), **parameters}
    return parameters


def _pairs(raw: bytes) -> dict[str, str]:
    if not raw:
        return {}
    try:
        text = raw.decode("ascii")
        pairs = _encoded_pairs(text) if "%" in text or "+" in text else _plain_pairs(text)
    except UnicodeError:
        raise errors.GARBLED from None
    except ValueError:
        raise errors.TOO_MANY_PARAMETERS from None
    parameters = {name: value for name, _, value in pairs}
    if len(parameters) < len(pairs):
        raise errors.DUPLICATE_PARAMETER
    return parameters


def _encoded_pairs(text: str) -> list[tuple[str, str, str]]:
    found = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    return [(name, "=", value) for name, value in found]


def _plain_pairs(text: str) -> list[tuple[str, str, str]]:
    """The same where nothing is encoded, as in nearly every order, at a third of the time."""
    parts = text.split("&")
    if len(parts) > MAX_PARAMETERS:
        raise ValueError
    return [part.partition("=") for part in parts if part]


def validate(model: type[M], parameters: dict[str, str]) -> M:
    """Build the route's parameters; raise the dialect's error for the first that is wrong."""
    try:
        # What ``model_validate`` calls, when it has looked at options that nobody here gives.
        validated: M = model.__pydantic_validator__.validate_python(parameters)
    except ValidationError as error:
        raise _translate(error, model, parameters) from None
    return validated


def _translate(error: ValidationError, model: type[Parameters], parameters: dict[str, str]) -> DialectError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        known = {field.alias for field in model.model_fields.values()}
        return errors.not_all_read(len(known & parameters.keys()), len(parameters))
    field = next((field for field in model.model_fields.values() if field.alias == name), None)
    if first["type"] == "missing" or (parameters.get(name) == "" and field is not None and field.is_required()):
        return errors.mandatory(name)
    if parameters.get(name) == "":
        return errors.empty(name)
    context = first["ctx"]
    failure: DialectError = context["build"](name, *context["arguments"])
    return failure
