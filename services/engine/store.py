"""What an engine asks of its database: the port behind which PostgreSQL stands.

``postgres_store.py`` is the one that exchanges run on. ``tests/simulation`` has a model of it that can crash, lose
replies and stand still at will; ``tests/engine/test_store.py`` holds both to the same behaviour.

Any method may raise what ``services.infra.postgres.FAILURES`` lists. Then it is unknown whether it was carried out.
"""

from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol

from services.engine.core.exchange import Exchange
from services.engine.core.transfers import Moved
from services.engine.journal import JournalRow
from services.engine.lease import LeaseSession
from services.engine.projection import Projection
from services.engine.snapshots import Taken


class Session(LeaseSession, Protocol):
    """One database session, for one owner that must notice when it breaks."""

    async def settle(self, row: JournalRow, projection: Projection, *, lease_ttl_ms: int) -> None:
        """Make a batch durable, or raise LeaseLost having written nothing (``settlement.py``)."""

    async def clock_us(self) -> int:
        """What time it is there, in microseconds since 1970."""

    async def movements_done(self, references: list[str]) -> dict[str, Moved]:
        """The movements that are done, of those that these references name (``ledger.py``)."""

    async def warm_up(self) -> None:
        """Do beforehand what the first settlement would wait for; nothing changes."""

    async def hash_at(self, sequence: int) -> bytes | None:
        """The hash of one journal row, None where there is no such row."""

    def read_rows(self, after: int, up_to: int) -> AsyncIterator[JournalRow]:
        """The journal's rows in ``(after, up_to]`` in order, as of one instant."""

    async def latest_snapshots(self) -> list[bytes]:
        """The stored snapshots, newest first."""

    def terminate(self) -> None:
        """End the session at once; what it was doing may or may not have been done."""


class Store(Protocol):
    async def connect(self, purpose: str, statement_timeout_ms: int) -> Session:
        """Open a session; ``purpose`` names it to whoever looks after the database."""

    def keep_snapshot(
        self, exchange: Exchange, sequence: int, journal_hash: bytes, *, to_database: bool
    ) -> Coroutine[Any, Any, Taken]:
        """Store a snapshot of the state as it is at this call, whenever the result is awaited (``snapshots.py``)."""

    def hash_state(self, exchange: Exchange) -> Coroutine[Any, Any, bytes | None]:
        """The hash of the state as it is at this call, without standing still for it; None if that failed."""
