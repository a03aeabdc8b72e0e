"""The control protocol of market streams (section 7.2 of the dialect reference): requests read, refusals worded.

Nothing here touches a connection.
"""

import json
import re
from typing import Any, Final, NamedTuple

Id = int | str | None

SUBSCRIBE: Final = "SUBSCRIBE"
UNSUBSCRIBE: Final = "UNSUBSCRIBE"
LIST_SUBSCRIPTIONS: Final = "LIST_SUBSCRIPTIONS"
SET_PROPERTY: Final = "SET_PROPERTY"
GET_PROPERTY: Final = "GET_PROPERTY"
METHODS: Final = (SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY)
COMBINED: Final = "combined"

MAX_STREAM_NAME: Final = 128
_INT64: Final = 2**63
_text_id = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)
# `<symbol>@<what>`, `!<what>@arr`, or a listen key.
_stream = re.compile(r"[^@/\s]+@[^/\s]+|[A-Za-z0-9]{60,80}")


class ControlError(Exception):
    """``id`` is the request's, when that much of it could be understood."""

    def __init__(self, code: int, message: str, request_id: Id = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = request_id

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "msg": self.message}, "id": self.id}


class Request(NamedTuple):
    """``streams`` for SUBSCRIBE and UNSUBSCRIBE; ``combined`` for SET_PROPERTY."""

    method: str
    id: Id
    streams: list[str]
    combined: bool = False


def parse(text: str | bytes) -> Request:
    """Read one request; raise ControlError as the dialect words it."""
    content = _parse_json(text)
    if not isinstance(content, dict):
        raise _invalid("expected a JSON object", None)
    request_id = content.get("id")
    if "id" not in content or not _is_id(request_id):
        raise _invalid("request ID must be an unsigned integer", None)
    method = content.get("method")
    end = len(text)
    if "method" not in content:
        raise _invalid(f"missing field `method` at line 1 column {end}", request_id)
    if method not in METHODS:
        known = ", ".join(f"`{name}`" for name in METHODS)
        raise _invalid(f"unknown variant `{method}`, expected one of {known} at line 1 column {end}", request_id)
    parameters = content.get("params", [])
    if not isinstance(parameters, list):
        raise _invalid("params must be an array", request_id)
    if method in {SUBSCRIBE, UNSUBSCRIBE}:
        return Request(method, request_id, _streams(method, parameters, request_id))
    if method == LIST_SUBSCRIPTIONS:
        if parameters:
            raise _invalid("too many parameters", request_id)
        return Request(method, request_id, [])
    return Request(method, request_id, [], _property(method, parameters, request_id))


def _parse_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"Invalid JSON: expected value at line {error.lineno} column {error.colno}"
        raise ControlError(3, message) from None
    except (ValueError, RecursionError):
        raise ControlError(3, "Invalid JSON: expected value at line 1 column 1") from None


def _streams(method: str, parameters: list[Any], request_id: Id) -> list[str]:
    """An address may have subscribed what is no stream's name, so that may be left, too."""
    for name in parameters:
        if not isinstance(name, str) or len(name) > MAX_STREAM_NAME:
            raise _invalid("invalid stream", request_id)
        if method == SUBSCRIBE and _stream.fullmatch(name) is None:
            raise _invalid("invalid stream", request_id)
    return parameters


def _property(method: str, parameters: list[Any], request_id: Id) -> bool:
    is_setting = method == SET_PROPERTY
    if not parameters or not isinstance(parameters[0], str):
        raise _invalid("property name must be a string", request_id)
    if len(parameters) > 1 + is_setting:
        raise _invalid("too many parameters", request_id)
    if parameters[0] != COMBINED:
        raise ControlError(0, "Unknown property", request_id)
    if not is_setting:
        return False
    if len(parameters) < 2 or not isinstance(parameters[1], bool):
        raise ControlError(1, "Invalid value type: expected Boolean", request_id)
    return parameters[1]


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return _text_id.fullmatch(value) is not None
    if isinstance(value, int) and not isinstance(value, bool):
        return -_INT64 <= value < _INT64
    return value is None


def _invalid(what: str, request_id: Id) -> ControlError:
    return ControlError(2, f"Invalid request: {what}", request_id)
