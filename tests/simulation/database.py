"""A model of what PostgreSQL does for an engine: one lease row, the journal, snapshots, balances, sessions with locks.

``Database`` is the state; every method of it is one transaction, carried out at one instant. ``ModelSession`` and
``ModelStore`` put the ports of ``services/engine/store.py`` before it; what happens between a call, its effect and its
answer is decided by ``Conduct``, which does nothing at all here and harm in ``faults.py``.

``tests/simulation/test_store_model.py`` runs the same operations here and on PostgreSQL and compares what comes out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

import msgspec
from redis.exceptions import RedisError

from services.domain.events import BalanceChanged
from services.domain.orders import OrderState
from services.engine import snapshots
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from services.engine.core.transfers import Moved
from services.engine.journal import GENESIS_HASH, JournalRow
from services.engine.lease import Lease, LeaseLost
from services.engine.projection import Projection
from services.engine.snapshots import Taken
from services.infra.clock import Clock

T = TypeVar("T")

KEEP_SNAPSHOTS: Final = 3
_PAGE_ROWS: Final = 50


class SessionEnded(ConnectionError):
    """The session this was asked of has ended."""


class Commit(msgspec.Struct, frozen=True):
    """When a journal row became durable, and under which epoch the lease then was."""

    row: JournalRow
    at_us: int
    lease_epoch: int


class Database:
    """What is durable, and who holds which lock. ``clock`` is the server's own."""

    def __init__(self, clock: Clock, true_clock: Clock | None = None) -> None:
        self.epoch = 0
        self.holder = ""
        self.expires_us = 0
        self.sequence = 0
        self.journal_hash = GENESIS_HASH
        self.journal: dict[int, JournalRow] = {}
        self.snapshots: dict[int, bytes] = {}
        self.orders: dict[int, OrderState] = {}
        self.balances: dict[tuple[int, str], BalanceChanged] = {}
        # Deposits; the simulation has no other movements.
        self.movements: dict[str, Moved] = {}
        self.commits: list[Commit] = []
        self.checks_fence = True
        self._clock = clock
        self._true_clock = clock if true_clock is None else true_clock
        self._locks: dict[int, list[int]] = {}
        self._listeners: dict[int, asyncio.Event] = {}
        self._sessions = 0

    def time_us(self) -> int:
        return self._clock()

    def read_lease(self) -> tuple[int, bool]:
        return self.epoch, self.expires_us < self._clock()

    def take_lease(self, epoch: int, holder: str, ttl_ms: int) -> Lease | None:
        if self.epoch != epoch:
            return None
        self.epoch, self.holder, self.expires_us = epoch + 1, holder, self._clock() + ttl_ms * 1000
        return Lease(self.epoch, self.sequence, self.journal_hash)

    def renew_lease(self, epoch: int, ttl_ms: int) -> bool:
        if self.epoch != epoch:
            return False
        self.expires_us = self._clock() + ttl_ms * 1000
        return True

    def settle(self, row: JournalRow, projection: Projection, lease_ttl_ms: int) -> bool:
        """Everything or nothing; False, and nothing, when the fence does not hold."""
        is_next = (self.epoch, self.sequence) == (row.epoch, row.sequence - 1)
        if self.checks_fence and not (is_next and self.expires_us >= self._clock()):
            return False
        self.sequence, self.journal_hash = row.sequence, row.hash
        self.expires_us = self._clock() + lease_ttl_ms * 1000
        self.journal[row.sequence] = row
        self.orders.update(projection.orders)
        self.balances.update(projection.balances)
        for reference, account_id, asset, amount_e8, *_ in projection.transfers:
            self.movements[reference] = Moved(account_id, asset, amount_e8)
        self.commits.append(Commit(row, self._true_clock(), self.epoch))
        return True

    def movements_done(self, references: list[str]) -> dict[str, Moved]:
        return {reference: self.movements[reference] for reference in references if reference in self.movements}

    def hash_at(self, sequence: int) -> bytes | None:
        if sequence == 0:
            return GENESIS_HASH
        row = self.journal.get(sequence)
        return None if row is None else row.hash

    def rows(self, after: int, up_to: int) -> list[JournalRow]:
        """As sequences are dense, a range is read without looking at what lies outside of it."""
        last = min(up_to, self.sequence)
        return [self.journal[number] for number in range(after + 1, last + 1) if number in self.journal]

    def latest_snapshots(self) -> list[bytes]:
        return [self.snapshots[sequence] for sequence in sorted(self.snapshots, reverse=True)[:KEEP_SNAPSHOTS]]

    def store_snapshot(self, sequence: int, payload: bytes) -> None:
        self.snapshots.setdefault(sequence, payload)
        for old in sorted(self.snapshots, reverse=True)[KEEP_SNAPSHOTS:]:
            del self.snapshots[old]

    def try_lock(self, session: int, name: int) -> bool:
        """Locks count: a session may take one that it has already, and then holds it twice."""
        held = self._locks.setdefault(name, [])
        if held and held[0] != session:
            return False
        held.append(session)
        return True

    def unlock(self, session: int, name: int) -> None:
        held = self._locks.get(name, [])
        if held and held[0] == session:
            held.pop()

    def let_go(self, session: int, name: int) -> None:
        self.unlock(session, name)
        for freed in self._listeners.values():
            freed.set()

    def listen(self, session: int, freed: asyncio.Event) -> None:
        self._listeners[session] = freed

    def begin_session(self) -> int:
        self._sessions += 1
        return self._sessions

    def end_session(self, session: int) -> None:
        self._listeners.pop(session, None)
        for held in self._locks.values():
            if held and held[0] == session:
                held.clear()


class Conduct(Protocol):
    """How the way to the server and the server behave, for one caller."""

    async def carry_out(self, session: int, what: str, effect: Callable[[], T]) -> T:
        """Have the effect happen, or not, and answer, or not."""

    def ended(self, session: int) -> None:
        """The caller hung up."""


class Obliging:
    """Does at once what it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carry_out(self, session: int, what: str, effect: Callable[[], T]) -> T:
        return effect()

    def ended(self, session: int) -> None:
        self._database.end_session(session)


class ModelSession:
    def __init__(self, database: Database, conduct: Conduct, number: int) -> None:
        self._database = database
        self._conduct = conduct
        self._number = number
        self._has_ended = False

    async def _ask(self, what: str, effect: Callable[[], T]) -> T:
        if self._has_ended:
            raise SessionEnded
        return await self._conduct.carry_out(self._number, what, effect)

    async def read_lease(self) -> tuple[int, bool]:
        return await self._ask("read lease", self._database.read_lease)

    async def take_lease(self, epoch: int, holder: str, ttl_ms: int) -> Lease | None:
        return await self._ask(f"take lease {epoch}", lambda: self._database.take_lease(epoch, holder, ttl_ms))

    async def renew_lease(self, epoch: int, ttl_ms: int) -> bool:
        return await self._ask(f"renew lease {epoch}", lambda: self._database.renew_lease(epoch, ttl_ms))

    async def holds_lease(self, epoch: int) -> bool:
        return await self._ask(f"holds lease {epoch}", lambda: self._database.epoch == epoch)

    async def try_lock(self, epoch: int) -> bool:
        return await self._ask(f"lock {epoch}", lambda: self._database.try_lock(self._number, epoch))

    async def unlock(self, epoch: int) -> None:
        await self._ask(f"unlock {epoch}", lambda: self._database.unlock(self._number, epoch))

    async def let_go(self, epoch: int) -> None:
        await self._ask(f"let go of {epoch}", lambda: self._database.let_go(self._number, epoch))

    async def listen(self, freed: asyncio.Event) -> None:
        await self._ask("listen", lambda: self._database.listen(self._number, freed))

    async def settle(self, row: JournalRow, projection: Projection, *, lease_ttl_ms: int) -> None:
        what = f"settle {row.sequence} of epoch {row.epoch}"
        if not await self._ask(what, lambda: self._database.settle(row, projection, lease_ttl_ms)):
            raise LeaseLost

    async def clock_us(self) -> int:
        return await self._ask("read clock", self._database.time_us)

    async def movements_done(self, references: list[str]) -> dict[str, Moved]:
        return await self._ask("movements done", lambda: self._database.movements_done(references))

    async def warm_up(self) -> None:
        await self._ask("warm up", lambda: None)

    async def hash_at(self, sequence: int) -> bytes | None:
        return await self._ask(f"hash at {sequence}", lambda: self._database.hash_at(sequence))

    async def read_rows(self, after: int, up_to: int) -> AsyncIterator[JournalRow]:
        """As of one instant, fetched in pages as a cursor does."""
        rows = await self._ask(f"read rows after {after}", lambda: self._database.rows(after, up_to))
        for number, row in enumerate(rows):
            if number and number % _PAGE_ROWS == 0:
                await self._ask("fetch", lambda: None)
            yield row

    async def latest_snapshots(self) -> list[bytes]:
        return await self._ask("latest snapshots", self._database.latest_snapshots)

    def terminate(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._conduct.ended(self._number)


class ModelStore:
    """``cache`` is where snapshots go first, as in the real store."""

    def __init__(self, database: Database, conduct: Conduct, cache: Any = None) -> None:
        self._database = database
        self._conduct = conduct
        self._cache = cache

    async def connect(self, purpose: str, statement_timeout_ms: int) -> ModelSession:
        number = await self._conduct.carry_out(0, f"connect {purpose}", self._database.begin_session)
        return ModelSession(self._database, self._conduct, number)

    def keep_snapshot(
        self, exchange: Exchange, sequence: int, journal_hash: bytes, *, to_database: bool
    ) -> Coroutine[Any, Any, Taken]:
        """Without a child process: what is encoded at this call is what the fork would have seen."""
        payload = snapshots.encode(exchange, sequence, journal_hash)
        unbalanced = len(exchange.accounts.imbalances())
        return self._keep(sequence, payload, unbalanced, to_database=to_database)

    def hash_state(self, exchange: Exchange) -> Coroutine[Any, Any, bytes | None]:
        return self._hashed(state_hash(capture(exchange)))

    async def _hashed(self, state: bytes) -> bytes | None:
        try:
            return await self._conduct.carry_out(0, "hash the state", lambda: state)
        except (OSError, TimeoutError):
            return None

    async def _keep(self, sequence: int, payload: bytes, unbalanced: int, *, to_database: bool) -> Taken:
        try:
            if self._cache is not None:
                checkpoint = snapshots.checkpoint_of(payload)
                await self._cache.mset({snapshots.REDIS_KEY: payload, snapshots.CHECKPOINT_KEY: checkpoint})
        except RedisError:
            to_database = True
        try:
            if to_database or self._cache is None:
                effect = lambda: self._database.store_snapshot(sequence, payload)  # noqa: E731
                await self._conduct.carry_out(0, f"store snapshot {sequence}", effect)
        except (OSError, TimeoutError):
            return Taken(False)
        return Taken(True, unbalanced)
