"""The stream in Redis through which committed events reach whoever follows them: its name, its entries, their events.

An entry is one row of the journal. Its id is ``<sequence>-0``, so a reader sees a gap by arithmetic. The journal is the
truth; the stream is only the fastest way to hear of it, and may lose or repeat entries, or vanish.
"""

from typing import Final

import msgspec

from services.domain.events import Event

STREAM_KEY: Final = "crossbook:events"
# Fields of an entry: the row's time in microseconds, and its events as in the journal.
TIME_FIELD: Final = b"t"
EVENTS_FIELD: Final = b"e"

# For each command of the row, in order, the list of its events.
event_lists_decoder: Final = msgspec.msgpack.Decoder(list[list[Event]])


def entry_id(sequence: int) -> str:
    return f"{sequence}-0"


def sequence_of(identifier: bytes) -> int:
    return int(identifier.partition(b"-")[0])
