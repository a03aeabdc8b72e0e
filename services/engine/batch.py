"""One batch: apply what was taken from the inbox, keep what must be written, answer when it is."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.domain.commands import Command
from services.domain.protocol import Checked, CheckOrder, Depth, Envelope, ReadDepth, Refused, Reply
from services.domain.refusals import Refusal
from services.engine import metrics
from services.engine.core.exchange import Exchange
from services.engine.core.transfers import Moved
from services.engine.inbox import EXPIRED, UNKNOWN, Parcel
from services.engine.journal import JournalRow, chain_hash
from services.engine.ledger import refuse_from_ledger
from services.engine.projection import Projection

_encoder: Final = msgspec.msgpack.Encoder()


class _AppliedEncoded(msgspec.Struct, frozen=True, array_like=True, tag="Applied"):
    """``protocol.Applied`` with its events already encoded: the journal and the reply share the bytes."""

    sequence: int
    time_us: int
    events: msgspec.Raw


class Batch:
    """Requests of several parcels, carried out in order at one time. Replies are held back until it is committed.

    ``time_us`` never runs backwards, so it stands still after a clock ran ahead and was set right. Deadlines are held
    against ``clock_us``, or nothing could be started until the clock had caught up. ``done`` are movements that the
    core may have forgotten, by reference.
    """

    def __init__(
        self, exchange: Exchange, sequence: int, time_us: int, clock_us: int, done: Mapping[str, Moved] | None = None
    ) -> None:
        self.projection = Projection()
        self.commands: list[Command] = []
        self.size = 0
        self._exchange = exchange
        self._sequence = sequence
        self._time_us = time_us
        self._clock_us = clock_us
        self._done = done or {}
        self._events: list[msgspec.Raw] = []
        self._answers: list[tuple[Parcel, list[Any]]] = []

    def carry_out(self, parcel: Parcel) -> None:
        self.size += len(parcel.envelopes)
        self._answers.append((parcel, [self._answer(envelope) for envelope in parcel.envelopes]))

    def row(self, epoch: int, previous_hash: bytes) -> JournalRow:
        commands, events = _encoder.encode(self.commands), _encoder.encode(self._events)
        digest = chain_hash(previous_hash, self._sequence, epoch, self._time_us, commands, events)
        return JournalRow(self._sequence, epoch, self._time_us, commands, events, digest)

    def reply(self) -> None:
        """Tell everyone; only after the commit."""
        for parcel, answers in self._answers:
            parcel.reply(answers)

    def fail_unknown(self) -> None:
        """The commit's outcome was not seen."""
        for parcel, _ in self._answers:
            parcel.fail(UNKNOWN)

    def _answer(self, envelope: Envelope) -> Reply | _AppliedEncoded:
        request = envelope.request
        if envelope.deadline_us < self._clock_us:
            return EXPIRED
        if isinstance(request, ReadDepth):
            return _read_depth(self._exchange, request)
        if isinstance(request, CheckOrder):
            refusal = self._exchange.check(request.order)
            return Refused(refusal) if refusal is not None else Checked()
        outcome = refuse_from_ledger(self._done, request) or self._exchange.apply(request, self._time_us)
        if isinstance(outcome, Refusal):
            metrics.refused(outcome).inc()
            return Refused(outcome)
        events = msgspec.Raw(_encoder.encode(outcome))
        self.commands.append(request)
        self._events.append(events)
        self.projection.fold(outcome)
        return _AppliedEncoded(self._sequence, self._time_us, events)


def _read_depth(exchange: Exchange, query: ReadDepth) -> Reply:
    listing = exchange.listings.get(query.symbol)
    if listing is None:
        return Refused(Refusal.UNKNOWN_SYMBOL)
    book = listing.book
    return Depth(book.update_id, book.bids.depth(query.limit), book.asks.depth(query.limit))
