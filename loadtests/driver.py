"""Drives an engine directly, as a gateway would: parcels of commands to ``/internal/commands`` in MessagePack."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from loadtests.connection import Connection, connect, request
from loadtests.load import undisturbed_memory
from loadtests.venue import HOST, INTERNAL_TOKEN, VenueFailed
from services.domain.commands import Command
from services.domain.protocol import Envelope, Failed, Refused

PARCEL_TIMEOUT_S: Final = 30.0
_DEADLINE_US: Final = 2**62

# Only whether each command was applied matters here, so events are left undecoded.
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_NOT_APPLIED: Final = tuple(msgspec.msgpack.encode(kind.__name__) for kind in (Refused, Failed))


def parcels(commands: Sequence[Command], size: int) -> Iterator[bytes]:
    """Whole HTTP requests, ``size`` commands in each."""
    headers = {"Authorization": f"Bearer {INTERNAL_TOKEN}", "Content-Type": "application/msgpack"}
    for first in range(0, len(commands), size):
        body = _encoder.encode([Envelope(_DEADLINE_US, command) for command in commands[first : first + size]])
        yield request("POST", "/internal/commands", headers, body)


async def send_all(port: int, commands: Sequence[Command], size: int) -> float:
    """Send all parcels one after the other; return the seconds it took. Raise VenueFailed unless all was applied."""
    (connection,) = await connect(HOST, port, 1)
    started_s = time.perf_counter()
    for content in parcels(commands, size):
        check(*await _exchange(connection, content))
    connection.close()
    return time.perf_counter() - started_s


async def _exchange(connection: Connection, content: bytes) -> tuple[int, bytes]:
    answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    connection.send(content, lambda status, body: answer.set_result((status, body)))
    async with asyncio.timeout(PARCEL_TIMEOUT_S):
        return await answer


def check(status: int, body: bytes) -> None:
    if status != 200:
        raise VenueFailed(f"the engine answered {status}: {body[:200]!r}")
    for reply in _decoder.decode(body):
        # An array whose first element names its type: one byte for the array, then the name.
        if bytes(reply)[1:].startswith(_NOT_APPLIED):
            raise VenueFailed(f"a command was not applied: {bytes(reply)!r}")


class Paced:
    """One connection, parcels due at random times at ``rate`` a second; latency counts from the due time."""

    def __init__(self, connection: Connection, contents: Iterator[bytes], rate: float, seed: int) -> None:
        self._connection = connection
        self._contents = contents
        self._rate = rate
        self._chance = random.Random(seed)

    async def run(self, seconds: float) -> list[tuple[float, int]]:
        """Return (seconds since the start, latency in microseconds) of every parcel, by its due time."""
        observed: list[tuple[float, int]] = []
        with undisturbed_memory():
            started_s = due_s = time.perf_counter()
            while due_s < started_s + seconds:
                wait_s = due_s - time.perf_counter()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                check(*await _exchange(self._connection, next(self._contents)))
                observed.append((due_s - started_s, int((time.perf_counter() - due_s) * 1_000_000)))
                due_s += self._chance.expovariate(self._rate)
        return observed
