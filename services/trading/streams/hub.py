"""The hub: which connection listens to what, and the one place where a message is multiplied.

A topic is a stream's name and the time unit of its messages. A message is encoded once, framed once for connections
that want it bare and once for those that want it in an envelope (``{"stream":…,"data":…}``), and written to each.

Whoever makes messages (a ``Source``) is told when a topic's first connection comes and when its last has left, so
nothing is computed for nobody. A stream that no source knows is a topic like any other: nothing is ever said in it.
"""

from typing import Final, NamedTuple, Protocol

import msgspec

from services.infra.websocket import text_frame
from services.trading import metrics
from services.trading.streams.connection import Connection

MILLISECOND: Final = 1000
MICROSECOND: Final = 1

_encoder: Final = msgspec.json.Encoder()


class Topic(NamedTuple):
    """``unit`` divides microseconds into the time unit of the messages."""

    stream: str
    unit: int = MILLISECOND


class HubFull(Exception):
    """All connections together listen to as many streams as they may."""


class Source(Protocol):
    """Makes the messages of the topics it knows, and ignores others."""

    def begin(self, topic: Topic) -> None:
        """Somebody listens to it now, and nobody did before."""

    def end(self, topic: Topic) -> None:
        """Nobody listens to it any longer."""


class Subscriber:
    """A connection's subscriptions, in the order of subscribing. ``combined`` messages come in an envelope."""

    __slots__ = ("combined", "connection", "topics", "unit")

    def __init__(self, connection: Connection, *, combined: bool, unit: int = MILLISECOND) -> None:
        self.connection = connection
        self.combined = combined
        self.unit = unit
        self.topics: dict[Topic, None] = {}

    def send(self, message: bytes, stream: str) -> None:
        """Send to this one only, in the form it wants."""
        self.connection.send(envelope(stream, message) if self.combined else message)


class _Audience:
    __slots__ = ("bare", "enveloped", "latest")

    def __init__(self) -> None:
        self.latest: bytes | None = None
        self.bare: dict[Connection, None] = {}
        self.enveloped: dict[Connection, None] = {}


class Hub:
    """``sources`` are asked in order; add them before the first subscription. ``limit`` bounds all subscriptions."""

    def __init__(self, limit: int) -> None:
        self.sources: list[Source] = []
        self._limit = limit
        self._subscriptions = 0
        self._audiences: dict[Topic, _Audience] = {}

    def __contains__(self, topic: Topic) -> bool:
        """Whether anybody listens to it."""
        return topic in self._audiences

    def subscribe(self, subscriber: Subscriber, stream: str) -> bool:
        """From now on; once only, however often it is asked for. False if it was subscribed already.

        Raise HubFull if there is no room for another.
        """
        topic = Topic(stream, subscriber.unit)
        if topic in subscriber.topics:
            return False
        if self._subscriptions >= self._limit:
            raise HubFull
        self._subscriptions += 1
        subscriber.topics[topic] = None
        audience = self._audiences.get(topic)
        if audience is None:
            audience = self._audiences[topic] = _Audience()
            for source in self.sources:
                source.begin(topic)
        _side(audience, subscriber)[subscriber.connection] = None
        return True

    def catch_up(self, subscriber: Subscriber, stream: str) -> None:
        """Send the message that was kept, if there is one."""
        audience = self._audiences.get(Topic(stream, subscriber.unit))
        if audience is not None and audience.latest is not None:
            subscriber.send(audience.latest, stream)

    def unsubscribe(self, subscriber: Subscriber, stream: str) -> None:
        """What it does not listen to, it can leave too."""
        topic = Topic(stream, subscriber.unit)
        if topic not in subscriber.topics:
            return
        del subscriber.topics[topic]
        self._subscriptions -= 1
        audience = self._audiences[topic]
        del _side(audience, subscriber)[subscriber.connection]
        if not audience.bare and not audience.enveloped:
            del self._audiences[topic]
            for source in self.sources:
                source.end(topic)

    def leave(self, subscriber: Subscriber) -> None:
        """Unsubscribe from everything."""
        for topic in tuple(subscriber.topics):
            self.unsubscribe(subscriber, topic.stream)

    def set_combined(self, subscriber: Subscriber, combined: bool) -> None:
        """Change the form of what comes from now on."""
        if combined == subscriber.combined:
            return
        for topic in subscriber.topics:
            del _side(self._audiences[topic], subscriber)[subscriber.connection]
        subscriber.combined = combined
        for topic in subscriber.topics:
            _side(self._audiences[topic], subscriber)[subscriber.connection] = None

    def publish(self, topic: Topic, message: bytes, *, keep: bool = False) -> None:
        """Send one message to everyone who listens, and with ``keep`` to those who come before the next one."""
        audience = self._audiences.get(topic)
        if audience is None:
            return
        if keep:
            audience.latest = message
        if audience.bare:
            _multiply(text_frame(message), audience.bare)
        if audience.enveloped:
            _multiply(text_frame(envelope(topic.stream, message)), audience.enveloped)


def _multiply(frame: bytes, connections: dict[Connection, None]) -> None:
    for connection in connections:
        connection.send_frame(frame)
    metrics.MESSAGES_SENT.inc(len(connections))
    metrics.BYTES_SENT.inc(len(connections) * len(frame))


def _side(audience: _Audience, subscriber: Subscriber) -> dict[Connection, None]:
    return audience.enveloped if subscriber.combined else audience.bare


def envelope(stream: str, message: bytes) -> bytes:
    return b'{"stream":%b,"data":%b}' % (_encoder.encode(stream), message)
