"""Run a seeded stream in a process of its own: ``python -m tests.core.replay SEED COUNT`` prints three digests.

The first covers every event of every command, the second the final state. The third is the hash of a string in this
process, which shows whether PYTHONHASHSEED took effect.
"""

import hashlib
import sys
from collections.abc import Iterable, Sequence

import msgspec

from services.domain.events import Event
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from tests.core.streams import RandomCommands, run


def digest(outcomes: Iterable[Sequence[Event]]) -> str:
    """SHA-256 over the encoded events of each command in turn."""
    sha = hashlib.sha256()
    for events in outcomes:
        sha.update(msgspec.msgpack.encode(events))
    return sha.hexdigest()


def main(seed: int, count: int) -> str:
    exchange = Exchange()
    journal = run(exchange, RandomCommands(seed), count)
    return f"{digest(events for _, events in journal)} {state_hash(capture(exchange)).hex()} {hash('crossbook')}"


if __name__ == "__main__":
    sys.stdout.write(main(int(sys.argv[1]), int(sys.argv[2])))
