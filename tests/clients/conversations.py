"""What is asked over a WebSocket, read off its frames: methods of the WebSocket API, and streams by their shape.

A request that was refused is not kept. One whose answer did not come before the end is, for clients leave like that.
Frames are neither compressed nor fragmented, as the exchange and the clients here send them.
"""

import json
import re
from asyncio import StreamReader
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

# What was asked ("GET /api/v3/depth", "WS depth", "STREAM <symbol>@depth") to the names of the parameters sent with it.
Calls = dict[str, set[str]]

SIGNING: Final = frozenset({"timestamp", "recvWindow", "signature", "apiKey"})
METHOD: Final = "WS "
STREAM: Final = "STREAM "
API_PATH: Final = "/ws-api/v3"

_TEXT: Final = 0x81
_LENGTHS: Final = {126: 2, 127: 8}
_listen_key = re.compile(r"[A-Za-z0-9]{64}")
_SHAPES: Final = (
    (re.compile(r"^[a-z0-9]+@"), "<symbol>@"),
    (re.compile(r"@kline_\w+"), "@kline_<interval>"),
    (re.compile(r"@[+-]?[0-9]{1,2}(:[0-9]{2})?$"), "@<timeZone>"),
    (re.compile(r"(?<=[@!]ticker_)(1h|4h|1d)"), "<window>"),
    (re.compile(r"@depth(5|10|20)(?=@|$)"), "@depth<levels>"),
)


def shape_of(stream: str) -> str:
    """A stream's name with what may be chosen left open: ``<symbol>@kline_<interval>``."""
    if _listen_key.fullmatch(stream):
        return "<listenKey>"
    for pattern, replacement in _SHAPES:
        stream = pattern.sub(replacement, stream)
    return stream


class Conversation:
    """One WebSocket: what the client ``asked`` and what it was ``told``, frame for frame."""

    def __init__(self, address: str, calls: Calls) -> None:
        url = urlsplit(address)
        self._is_api = url.path == API_PATH
        self._calls = calls
        self._pending: dict[str, Calls] = {}
        if not self._is_api:
            path = url.path.removeprefix("/stream").removeprefix("/ws")
            named = [*path.split("/"), *parse_qs(url.query).get("streams", [""])[0].split("/")]
            self._keep(_streams(unquote(name) for name in named))

    def asked(self, text: bytes) -> None:
        if not text:
            return
        request = json.loads(text)
        method, parameters = request["method"], request.get("params")
        calls: Calls = {f"{METHOD}{method}": set()}
        if self._is_api:
            calls = {f"{METHOD}{method}": set(parameters or ()) - SIGNING}
        elif method == "SUBSCRIBE":
            calls |= _streams(parameters)
        self._pending[json.dumps(request["id"])] = calls

    def told(self, text: bytes) -> None:
        reply = json.loads(text) if text else None
        if not isinstance(reply, dict) or "id" not in reply:
            return
        calls = self._pending.pop(json.dumps(reply["id"]), {})
        if "error" not in reply:
            self._keep(calls)

    def end(self) -> None:
        for calls in self._pending.values():
            self._keep(calls)

    def _keep(self, calls: Calls) -> None:
        for call, names in calls.items():
            self._calls.setdefault(call, set()).update(names)


def _streams(names: Any) -> Calls:
    """Without names that mean nothing, such as the numbers that ccxt gives its addresses."""
    shapes = (shape_of(name) for name in names)
    return {f"{STREAM}{shape}": set() for shape in shapes if "@" in shape or "<" in shape}


async def read_frame(reader: StreamReader) -> tuple[bytes, bytes]:
    """A frame as it came, and its text; "" if it is none."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    if length in _LENGTHS:
        extension = await reader.readexactly(_LENGTHS[length])
        head, length = head + extension, int.from_bytes(extension)
    mask = await reader.readexactly(4) if head[1] & 0x80 else b""
    payload = await reader.readexactly(length)
    text = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload)) if mask else payload
    return head + mask + payload, text if head[0] == _TEXT else b""
