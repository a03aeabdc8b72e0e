"""uvicorn's HTTP protocol, which does not wait for ever for its clients.

A request must have arrived whole ``request_timeout_s`` after its first byte. Else the client hears 408, and the
connection ends. Whoever takes nothing of an answer that does not fit into the buffers for as long is cut off. Otherwise
a byte a minute would be enough to hold every connection there may be.

A connection that is kept for the next request stays open for ``keep_alive_s``, and so does one that has not had its
first: clients open some ahead. Blank lines are no request (RFC 9112, section 2.2), and make nobody wait longer.

Requests may be sent ahead of answers (pipelined), ``PIPELINED_MAX`` of them: each that waits takes memory. Whoever
sends more is answered those, and the connection ends (RFC 9112, section 9.3.2).

Nearly every request arrives in one piece, so no timer is set before a piece turns out not to be the last one.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Behind the one that is being answered.
PIPELINED_MAX: Final = 16

_BLANK: Final = b"\r\n"
_TEXT: Final = b"The request came too slowly."
_ANSWER: Final = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b" % (len(_TEXT), _TEXT)
)


class _TooManyPipelined(Exception):
    """The parser is to read no further."""


class PatientProtocol(HttpToolsProtocol):
    """``made_with`` is what the server tells its protocols."""

    def __init__(self, request_timeout_s: float, **made_with: Any) -> None:
        super().__init__(**made_with)
        self._request_timeout_s = request_timeout_s
        # Whether a request has begun and is not complete.
        self._is_arriving = False
        # What is being answered; ``cycle`` is the last request that has arrived, which may wait behind it.
        self._answering: RequestResponseCycle | None = None
        # Whether more was pipelined than may be: what comes behind is not looked at.
        self._is_full = False
        self._arrival: asyncio.TimerHandle | None = None
        self._delivery: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # As uvicorn does between requests, and ends it with the first byte.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        if self._is_full:
            return
        if data[0] in _BLANK and not self._is_arriving:
            data = data.lstrip(_BLANK)
            if not data:
                return
        super().data_received(data)
        if not self._is_arriving:
            self._forget_arrival()
        elif self._arrival is None:
            self._arrival = self.loop.call_later(self._request_timeout_s, self._give_up)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED_MAX:
            self._is_full = True
            newest, _ = self.pipeline[0]
            newest.keep_alive = False
            raise _TooManyPipelined
        super().on_message_begin()
        self._is_arriving = True

    def send_400_response(self, msg: str) -> None:
        # Answers to what came before are still to be sent.
        if not self._is_full:
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_arriving = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def handle_websocket_upgrade(self) -> None:
        self._is_arriving = False
        self._forget_arrival()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._delivery = self.loop.call_later(self._request_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_delivery()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering is not None:
            # Or it would go on writing, and that it cannot would be logged as an error.
            self._answering.disconnected = True
        self._forget_arrival()
        self._forget_delivery()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        self._arrival = None
        if self.transport.is_closing():
            return
        answering = self._answering
        if answering is None or not answering.response_started or answering.response_complete:
            self.transport.write(_ANSWER)
        self.transport.close()
        # It need not read this either.
        self.loop.call_later(self._request_timeout_s, self.transport.abort)

    def _forget_arrival(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _forget_delivery(self) -> None:
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None


def patient(request_timeout_s: float) -> Callable[..., PatientProtocol]:
    """What uvicorn makes for each connection."""
    return partial(PatientProtocol, request_timeout_s)
