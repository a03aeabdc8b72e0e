"""Sockets for streams: what their addresses mean, and what clients may ask on them (sections 7.1 and 7.2).

``/ws`` begins bare and ``/stream`` enveloped; a client may change that. Names in an address that mean nothing are
tolerated. ``/stream/ws/…`` is not the original's: ccxt needs an address for bare streams with ``/stream`` in it.
A listen key is a stream's name like any other; those in an address may go on after a cursor (``?resume=``).
"""

import time
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from services.trading.endpoint import Services, parse_time_unit
from services.trading.errors import DialectError
from services.trading.streams import control, handshake, payloads
from services.trading.streams.connection import GENEROUS_MESSAGES_PER_S, POLICY_VIOLATION, TRY_AGAIN_LATER, Connection
from services.trading.streams.control import ControlError, Request
from services.trading.streams.hub import MILLISECOND, Hub, HubFull, Subscriber
from services.trading.user_data.listen_key_streams import ListenKeyStreams
from services.trading.user_data.listen_keys import is_listen_key

MAX_STREAMS: Final = 1024
MAX_MESSAGES_PER_S: Final = 5
SHUTDOWN_STREAM: Final = "!serverShutdown"
KIND: Final = "streams"

_encode: Final = msgspec.json.Encoder().encode


class StreamSocket:
    """One client of streams."""

    def __init__(
        self,
        connection: Connection,
        hub: Hub,
        listen_key_streams: ListenKeyStreams | None,
        *,
        combined: bool,
        unit: int,
    ) -> None:
        self._hub = hub
        self._listen_key_streams = listen_key_streams
        self._connection = connection
        self._subscriber = Subscriber(connection, combined=combined, unit=unit)
        connection.on_shutdown = self._say_shutdown

    def subscribe(self, streams: Iterable[str]) -> list[str]:
        """Return those that are new; end the connection if they are too many."""
        added = []
        try:
            for stream in streams:
                if self._hub.subscribe(self._subscriber, stream):
                    added.append(stream)
                if len(self._subscriber.topics) > MAX_STREAMS:
                    self._connection.close(POLICY_VIOLATION, "Too many streams")
                    break
        except HubFull:
            self._connection.close(TRY_AGAIN_LATER, "Too many subscriptions")
        return added

    def catch_up(self, streams: Iterable[str], resume: str | None = None) -> None:
        for stream in streams:
            if self._listen_key_streams is not None and is_listen_key(stream):
                self._listen_key_streams.join(self._subscriber, stream, resume)
            else:
                self._hub.catch_up(self._subscriber, stream)

    def unsubscribe(self, streams: Iterable[str]) -> None:
        for stream in streams:
            self._hub.unsubscribe(self._subscriber, stream)
        self._leave_listen_keys(streams)

    def answer(self, text: str | bytes) -> None:
        try:
            self._answer(control.parse(text))
        except ControlError as error:
            self._connection.send(_encode(error.body()))

    def leave(self) -> None:
        self._leave_listen_keys([topic.stream for topic in self._subscriber.topics])
        self._hub.leave(self._subscriber)

    def _answer(self, request: Request) -> None:
        result: Any = None
        added: list[str] = []
        match request.method:
            case control.SUBSCRIBE:
                added = self.subscribe(request.streams)
            case control.UNSUBSCRIBE:
                self.unsubscribe(request.streams)
            case control.LIST_SUBSCRIPTIONS:
                result = [topic.stream for topic in self._subscriber.topics]
            case control.SET_PROPERTY:
                self._hub.set_combined(self._subscriber, request.combined)
            case control.GET_PROPERTY:
                result = self._subscriber.combined
        self._connection.send(_encode({"result": result, "id": request.id}))
        self.catch_up(added)

    def _leave_listen_keys(self, streams: Iterable[str]) -> None:
        if self._listen_key_streams is not None:
            for stream in streams:
                self._listen_key_streams.leave(self._subscriber, stream)

    def _say_shutdown(self) -> None:
        self._subscriber.send(payloads.server_shutdown(time.time_ns() // 1000, self._subscriber.unit), SHUTDOWN_STREAM)


async def bare(socket: WebSocket) -> None:
    await _serve(socket, _names(socket.path_params.get("streams", "")), combined=False)


async def enveloped(socket: WebSocket) -> None:
    await _serve(socket, _names(_query(socket).get("streams", "")), combined=True)


async def _serve(socket: WebSocket, streams: list[str], *, combined: bool) -> None:
    services: Services = socket.app.state.services
    unit_name = _query(socket).get("timeUnit")
    try:
        await handshake.count(socket)
        unit = MILLISECOND if unit_name is None else parse_time_unit(unit_name)
    except DialectError as error:
        await handshake.refuse(socket, error)
        return
    per_s = GENEROUS_MESSAGES_PER_S if services.limits is None else MAX_MESSAGES_PER_S
    async with services.connections.open(socket, KIND) as connection:
        listen_key_streams = services.user_data.listen_key_streams
        client = StreamSocket(connection, services.hub, listen_key_streams, combined=combined, unit=unit)
        try:
            client.catch_up(client.subscribe(streams), _query(socket).get("resume"))
            async for text in connection.messages(per_s):
                client.answer(text)
        finally:
            client.leave()


def _query(socket: WebSocket) -> dict[str, str]:
    """A plus sign stands for itself, as in the name of a time zone."""
    pairs = (part.partition("=") for part in socket.scope["query_string"].decode("latin-1").split("&"))
    return {name: unquote(value) for name, _, value in pairs}


def _names(text: str) -> list[str]:
    return [name for name in text.split("/") if 0 < len(name) <= control.MAX_STREAM_NAME]


ROUTES: Final = (
    WebSocketRoute("/ws", bare),
    WebSocketRoute("/ws/{streams:path}", bare),
    WebSocketRoute("/stream", enveloped),
    WebSocketRoute("/stream/", enveloped),
    WebSocketRoute("/stream/ws", bare),
    WebSocketRoute("/stream/ws/{streams:path}", bare),
)
