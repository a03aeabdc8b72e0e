"""The journal: one row per committed batch, chained by hash.

``hash`` is SHA-256 over the previous row's hash and everything in this row, so a changed, missing or reordered row is
found by reading on from any trusted one. ``commands`` and ``events`` are MessagePack: a list of commands, and for each
of them the list of its events. Refused commands change nothing and are not in it.
"""

import hashlib
import struct
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from services.domain.commands import Command
from services.domain.events import Event
from services.engine.core.exchange import Exchange
from services.infra.postgres import Connection

GENESIS_HASH: Final = bytes(32)
_READ_AHEAD_ROWS: Final = 500
_HASH_SQL: Final = "SELECT hash FROM exchange.journal WHERE sequence = $1"
_ROWS_SQL: Final = """
SELECT sequence, epoch, time_us, commands, events, hash FROM exchange.journal
WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence
"""

command_list_decoder: Final = msgspec.msgpack.Decoder(list[Command])
# Events recorded by an older version have fewer fields: other bytes, the same meaning.
_event_list_decoder: Final = msgspec.msgpack.Decoder(list[Event])
_raw_lists_decoder: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_encoder: Final = msgspec.msgpack.Encoder()


class JournalCorrupt(Exception):
    """The journal contradicts itself or the core; the message says where."""


class JournalRow(msgspec.Struct, frozen=True):
    sequence: int
    epoch: int
    time_us: int
    commands: bytes
    events: bytes
    hash: bytes


def chain_hash(previous: bytes, sequence: int, epoch: int, time_us: int, commands: bytes, events: bytes) -> bytes:
    digest = hashlib.sha256(previous)
    digest.update(struct.pack(">qqqq", sequence, epoch, time_us, len(commands)))
    digest.update(commands)
    digest.update(events)
    return digest.digest()


async def hash_at(connection: Connection, sequence: int) -> bytes | None:
    """The hash of one row, None where there is no such row; the chain begins with ``GENESIS_HASH``."""
    if sequence == 0:
        return GENESIS_HASH
    found: bytes | None = await connection.fetchval(_HASH_SQL, sequence)
    return found


async def read_rows(connection: Connection, after: int, up_to: int) -> AsyncIterator[JournalRow]:
    """Yield the rows in ``(after, up_to]`` in order; needs an open transaction (it uses a cursor)."""
    async for record in connection.cursor(_ROWS_SQL, after, up_to, prefetch=_READ_AHEAD_ROWS):
        yield JournalRow(*record)


def replay(exchange: Exchange, row: JournalRow, previous_sequence: int, previous_hash: bytes) -> list[list[Event]]:
    """Apply one row to the state before it and return its events; raise JournalCorrupt if anything disagrees."""
    if row.sequence != previous_sequence + 1:
        raise JournalCorrupt(f"journal row {previous_sequence + 1} is missing: the next one is {row.sequence}")
    if chain_hash(previous_hash, row.sequence, row.epoch, row.time_us, row.commands, row.events) != row.hash:
        raise JournalCorrupt(f"journal row {row.sequence} does not match its hash: it or the row before it was changed")
    events: list[list[Event]] = []
    recorded = _raw_lists_decoder.decode(row.events)
    for index, command in enumerate(command_list_decoder.decode(row.commands)):
        outcome = exchange.apply(command, row.time_us)
        if _encoder.encode(outcome) != bytes(recorded[index]) and outcome != _event_list_decoder.decode(
            recorded[index]
        ):
            raise JournalCorrupt(
                f"replaying command {index} of journal row {row.sequence} gives other events than were recorded: "
                f"{outcome!r}"
            )
        assert isinstance(outcome, list), "a refusal never has the bytes of an event list"
        events.append(outcome)
    return events
