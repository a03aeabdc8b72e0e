"""A warm standby: while another engine leads, this one follows the journal with a copy of the exchange.

Taking over then costs only the last few rows, however many orders are open. Following also proves the core: each row's
commands must give the events that were recorded, byte for byte, and now and then the whole state must hash to what the
leader's did after the same row. A standby that finds a difference must not lead, and ends its process.

States are compared at checkpoints: the first row of each window of journal time, which both sides know without asking
each other. The leader takes its snapshots there and tells the hash through Redis; without Redis nothing is compared.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.engine import metrics
from services.engine.lease import Lease
from services.engine.recovery import Copy, begin, recover
from services.engine.snapshots import CHECKPOINT_KEY, Checkpoint, begins_window
from services.engine.store import Session, Store
from services.infra import telemetry

# Between two looks at the lease the journal is followed for so many rows at most, and so long.
_STEP_ROWS: Final = 200
_STEP_S: Final = 0.5
# How often the leader's word is looked for, how long to wait for Redis, how many own hashes are kept until it comes.
_COMPARE_S: Final = 1.0
_REDIS_TIMEOUT_S: Final = 0.05
_HASHES_KEPT: Final = 8

_log = telemetry.logger(__name__)


class Diverged(Exception):
    """The same journal has led two engines to different states; the message says after which row."""


class Standby:
    """``follow`` between looks at the lease, ``take_over`` when it has been acquired."""

    def __init__(
        self, store: Store, session: Session, redis: Redis, window_us: int, on_loaded: Callable[[], None]
    ) -> None:
        self._store = store
        self._session = session
        self._redis = redis
        self._window_us = window_us
        self._on_loaded = on_loaded
        self._copy: Copy | None = None
        self._is_warm = False
        self._checkpoints: dict[int, Checkpoint] = {}
        self._hashing: asyncio.Task[None] | None = None
        self._compared = 0
        self._compare_at_s = 0.0

    @property
    def sequence(self) -> int:
        """The journal row up to which it has followed."""
        return 0 if self._copy is None else self._copy.sequence

    @property
    def compared(self) -> int:
        """The last row after which the leader's state was seen to be the same."""
        return self._compared

    @property
    def is_warm(self) -> bool:
        """It has followed to where it need not go far to take over."""
        return self._is_warm

    async def follow(self) -> None:
        """Take some steps after the journal; raise JournalCorrupt or Diverged if this engine must not go on."""
        if self._copy is None:
            self._copy = await begin(self._session, self._redis)
            await self._session.warm_up()
            self._on_loaded()
        await self._advance(self._copy)
        await self._compare(self._copy)
        metrics.STANDBY_SEQUENCE.set(self._copy.sequence)

    async def take_over(self, held: Lease) -> Copy:
        """The exchange as of the last commit."""
        if self._copy is None:
            copy = await recover(self._session, self._redis, held)
            self._on_loaded()
            return copy
        return await recover(self._session, self._redis, held, self._copy)

    async def _advance(self, copy: Copy) -> None:
        until_s = time.monotonic() + _STEP_S
        rows = 1
        while rows and time.monotonic() < until_s:
            rows = 0
            async for row in self._session.read_rows(copy.sequence, copy.sequence + _STEP_ROWS):
                before_us = copy.exchange.now_us
                copy.apply(row)
                rows += 1
                if begins_window(before_us, row.time_us, self._window_us):
                    self._hash(copy)
        self._is_warm = not rows

    def _hash(self, copy: Copy) -> None:
        """Have the state hashed as it is now. One at a time: the leader too takes no two snapshots at once."""
        if self._hashing is None or self._hashing.done():
            hashing = self._store.hash_state(copy.exchange)
            self._hashing = asyncio.create_task(self._note_checkpoint(copy.sequence, copy.journal_hash, hashing))

    async def _note_checkpoint(
        self, sequence: int, journal_hash: bytes, hashing: Coroutine[Any, Any, bytes | None]
    ) -> None:
        state_hash = await hashing
        if state_hash is None:
            _log.warning("state_not_hashed", sequence=sequence)
            return
        self._checkpoints[sequence] = Checkpoint(sequence, journal_hash, state_hash)
        while len(self._checkpoints) > _HASHES_KEPT:
            del self._checkpoints[next(iter(self._checkpoints))]

    async def _compare(self, copy: Copy) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._compare_at_s:
            return
        self._compare_at_s = now_s + _COMPARE_S
        told = await self._leaders_word()
        if told is None or told.sequence <= self._compared:
            return
        own = self._checkpoints.get(told.sequence)
        if own is None and told.sequence == copy.sequence:
            self._hash(copy)
        if own is None or own.journal_hash != told.journal_hash:
            # Not there yet, or Redis remembers another exchange.
            return
        if own.state_hash != told.state_hash:
            raise Diverged(
                f"after journal row {told.sequence} the leader's state has the hash {told.state_hash.hex()}, this "
                f"standby's {own.state_hash.hex()}: run `crossbook verify` before either is trusted"
            )
        self._compared = told.sequence
        metrics.STANDBY_COMPARED.set(told.sequence)

    async def _leaders_word(self) -> Checkpoint | None:
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_S):
                payload = await self._redis.get(CHECKPOINT_KEY)
            return msgspec.msgpack.decode(payload, type=Checkpoint) if isinstance(payload, bytes) else None
        except (RedisError, TimeoutError, msgspec.MsgspecError) as error:
            _log.info("checkpoint_unavailable", error=repr(error))
            return None
