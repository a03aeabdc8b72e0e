"""Messages: requests from their JSON, replies to theirs.

Parameters become the text that REST would have received, number for number as written: no amount is ever a float.
Strings may stand for numbers, booleans and lists. ``null`` is the same as not sent, but signed. Of a name that occurs
twice the last value counts, for the signature too.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from services.trading import errors
from services.trading.errors import DialectError, Limited
from services.trading.parameters import MAX_PARAMETERS

NO_ID: Final = msgspec.Raw(b"null")
INVALID_JSON: Final = DialectError(-1135, "Invalid JSON Request")
_INVALID_ID: Final = DialectError(
    -1135,
    "Invalid 'id' in JSON request; expected an integer, a string matching '^[a-zA-Z0-9-_]{1,36}$', or null.",
)
_INVALID_METHOD: Final = DialectError(-1135, "Invalid 'method' in JSON request; expected a string.")
_INVALID_PARAMS: Final = DialectError(-1135, "Invalid 'params' in JSON request; expected an object.")

_id = re.compile(rb'null|-?[0-9]{1,19}|"[a-zA-Z0-9\-_]{1,36}"')


class _Message(msgspec.Struct):
    id: msgspec.Raw = NO_ID
    method: msgspec.Raw = NO_ID
    params: msgspec.Raw = NO_ID


_messages: Final = msgspec.json.Decoder(_Message)
_params: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)
_list: Final = msgspec.json.Decoder(list[str])
_encoder: Final = msgspec.json.Encoder()


class Unreadable(Exception):
    """A message that is no request, and the reply it gets."""

    def __init__(self, request_id: msgspec.Raw, error: DialectError) -> None:
        super().__init__(error.message)
        self.request_id = request_id
        self.error = error


class Request(NamedTuple):
    """``parameters`` are text; ``written`` is what the client must have signed, but for the signature itself."""

    id: msgspec.Raw
    method: str
    parameters: dict[str, str]
    written: dict[str, str]

    def payloads(self) -> Iterator[bytes]:
        """Return what may have been signed: values as they are or, as some clients do it, percent-encoded."""
        pairs = sorted((name, value) for name, value in self.written.items() if name != "signature")
        plain = "&".join([f"{name}={value}" for name, value in pairs])
        yield plain.encode()
        for encoded in {urlencode(pairs), urlencode(pairs, quote_via=quote)} - {plain}:
            yield encoded.encode()


def read_request(message: str | bytes) -> Request:
    """Raise Unreadable unless it is a request; its parameters may still be wrong."""
    try:
        envelope = _messages.decode(message)
    except (msgspec.DecodeError, RecursionError):
        raise Unreadable(NO_ID, INVALID_JSON) from None
    if _id.fullmatch(envelope.id) is None:
        raise Unreadable(NO_ID, _INVALID_ID)
    # A raw part keeps the whole message alive otherwise.
    request_id = envelope.id.copy()
    try:
        method = _text.decode(envelope.method)
    except msgspec.DecodeError:
        raise Unreadable(request_id, _INVALID_METHOD) from None
    try:
        given = {} if bytes(envelope.params) == b"null" else _params.decode(envelope.params)
        if len(given) > MAX_PARAMETERS:
            raise errors.TOO_MANY_PARAMETERS
        read = {name: _read(name, bytes(value)) for name, value in given.items()}
    except msgspec.DecodeError:
        raise Unreadable(request_id, _INVALID_PARAMS) from None
    except DialectError as error:
        raise Unreadable(request_id, error) from None
    parameters = {name: parameter for name, (parameter, _) in read.items() if parameter is not None}
    return Request(request_id, method, parameters, {name: written for name, (_, written) in read.items()})


def _read(name: str, value: bytes) -> tuple[str | None, str]:
    """Return the parameter, None if it counts as not sent, and how it is signed."""
    match value[:1]:
        case b'"':
            text = _text.decode(value)
            return text, text
        case b"n":
            return None, "null"
        case b"[":
            return _read_list(name, value), value.decode()
        case b"{":
            raise _invalid_json(name)
        case _:
            text = value.decode()
            return text, text


def _read_list(name: str, value: bytes) -> str:
    try:
        return _encoder.encode(_list.decode(value)).decode()
    except msgspec.DecodeError:
        raise _invalid_json(name) from None


def _invalid_json(name: str) -> DialectError:
    return DialectError(-1135, f"JSON sent for parameter '{name}' is not valid")


Used = list[dict[str, Any]]


def success(request_id: msgspec.Raw, result: object, used: Used | None) -> bytes:
    """``used`` is the state of the limits, None for a client that does not want to see it."""
    reply = {"id": request_id, "status": 200, "result": result}
    return _encoder.encode(reply if used is None else reply | {"rateLimits": used})


def failure(request_id: msgspec.Raw, error: DialectError, used: Used | None, now_us: int) -> bytes:
    content = error.content()
    if isinstance(error, Limited) and error.data is None:
        now_s = now_us // 1_000_000
        content["data"] = {"serverTime": now_us // 1000, "retryAfter": (now_s + error.retry_after_s) * 1000}
    reply = {"id": request_id, "status": error.status, "error": content}
    return _encoder.encode(reply if used is None else reply | {"rateLimits": used})
