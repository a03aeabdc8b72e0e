"""Reads of the past: from a read replica when it has all that the reader can have seen, else from the primary.

What a reader has seen was acknowledged before its request arrived, by whichever trading process, so the journal's head
(committed sequence and chain hash) asked of the primary *after* that covers it; concurrent readers share one such
question. A replica proves that it has got there by holding the journal row of that sequence with that hash: the hash
covers the whole history, so a server that followed another one is not believed either. What it shows later in the same
session is at least as new, since a standby replays commits in the order of the log and each settlement is one commit.
``replica_url`` must therefore lead to one server for the whole session: no pooler that changes servers in between.

Nobody waits for a replica to catch up: a read that it cannot serve goes to the primary at once. One that fails, or is
hopelessly behind, is left alone until ``run``, which looks every second, finds it well again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from services.infra import postgres, telemetry
from services.infra.postgres import Pool, Source
from services.trading import metrics
from services.trading.settings import TradingSettings
from services.trading.shared import Shared

APPLICATION_NAME: Final = "crossbook-trading-history"
# A replica this many settlements behind does not make it up within a request; readers stop asking it.
MAX_LAG_SEQUENCES: Final = 100
_LOOK_INTERVAL_S: Final = 1.0
# A free connection and a proof each take a fraction of a millisecond; past this the primary is the better answer.
_CONNECTION_TIMEOUT_S: Final = 0.25
_PROOF_TIMEOUT_S: Final = 0.25
_HEAD: Final = "SELECT sequence, journal_hash FROM exchange.engine_lease WHERE shard = 0"
_PROOF: Final = """
SELECT sequence, $1 = 0 OR EXISTS (SELECT FROM exchange.journal WHERE sequence = $1 AND hash = $2) AS has_head
FROM exchange.engine_lease WHERE shard = 0
"""

T = TypeVar("T")
Query = Callable[[Source], Awaitable[T]]

_log = telemetry.logger(__name__)


class Head(NamedTuple):
    """Where the journal ends. The hash, chained over all rows, stands for the history that led there."""

    sequence: int
    hash: bytes


class NotServed(Enum):
    """Why a read that might have gone to a replica went to the primary."""

    NOT_CONFIGURED = "not_configured"
    AWAY = "away"
    BEHIND = "behind"
    BUSY = "busy"
    FAILED = "failed"


class History:
    """``read`` a query of the past from wherever it may be read; ``run`` as a task for the life of the process."""

    def __init__(self, primary: Pool, replica: "Replica | None") -> None:
        self._primary = primary
        self._replica = replica
        self._shared_head = Shared(self._ask_head)
        self._on_replica = metrics.HISTORY_READS.labels("replica", "caught_up")
        self._on_primary = {reason: metrics.HISTORY_READS.labels("primary", reason.value) for reason in NotServed}

    async def read(self, query: Query[T]) -> T:
        """Run the query, which must only read; it may run twice, of which one run is thrown away."""
        found = await self._from_replica(query)
        if not isinstance(found, NotServed):
            self._on_replica.inc()
            return found
        self._on_primary[found].inc()
        return await query(self._primary)

    async def head(self) -> Head:
        """Where the journal ended when this was called, or a little later."""
        return await self._shared_head.get()

    async def run(self) -> None:
        if self._replica is not None:
            await self._replica.watch(self._shared_head)

    def close(self) -> None:
        if self._replica is not None:
            self._replica.close()

    async def _from_replica(self, query: Query[T]) -> T | NotServed:
        if self._replica is None:
            return NotServed.NOT_CONFIGURED
        if not self._replica.is_usable:
            return NotServed.AWAY
        # If the primary does not answer, nothing can be proven: its failure is the reader's.
        return await self._replica.read(query, await self.head())

    async def _ask_head(self) -> Head:
        return Head(*await self._primary.fetchrow(_HEAD))  # type: ignore[misc]


class Replica:
    """A read replica and what is known of it; ``is_usable`` starts false, and ``watch`` finds out."""

    def __init__(self, url: str, pool: Pool, statement_timeout_ms: int) -> None:
        self._url = url
        self._pool = pool
        self._statement_timeout_ms = statement_timeout_ms
        self.is_usable = False

    async def read(self, query: Query[T], head: Head) -> T | NotServed:
        try:
            connection = await self._pool.acquire(timeout=_CONNECTION_TIMEOUT_S)
        except postgres.FAILURES as error:
            # All connections in use is no failure; a server that takes no new ones is for ``watch`` to find out.
            return NotServed.BUSY if isinstance(error, TimeoutError) else self._failed(error)
        try:
            if not await self._has(connection, head):
                return NotServed.BEHIND
            return await query(connection)
        except postgres.FAILURES as error:
            return self._failed(error)
        finally:
            await _release(self._pool, connection)

    async def watch(self, head: Shared[Head]) -> None:
        """Look at the replica every now and then, over a connection of its own."""
        while True:
            try:
                connection = await postgres.connect(
                    self._url, application_name=APPLICATION_NAME, statement_timeout_ms=self._statement_timeout_ms
                )
                try:
                    while True:
                        await self._has(connection, await head.get(), looking=True)
                        await asyncio.sleep(_LOOK_INTERVAL_S)
                finally:
                    connection.terminate()
            except postgres.FAILURES as error:
                # Also when it is the primary that does not answer: then nothing can be proven.
                self._set_usable(False, error=repr(error))
                metrics.REPLICA_LAG.set(float("nan"))
                await asyncio.sleep(_LOOK_INTERVAL_S)

    def close(self) -> None:
        """At once: a server that hangs must not keep this process from ending."""
        self._pool.terminate()

    async def _has(self, connection: Any, head: Head, *, looking: bool = False) -> bool:
        """Whether the session's server has everything up to the head. Only who looks may call the replica usable."""
        row = await connection.fetchrow(_PROOF, head.sequence, head.hash, timeout=_PROOF_TIMEOUT_S)
        replayed, has_head = (0, False) if row is None else row
        lag = max(head.sequence - replayed, 0)
        metrics.REPLICA_LAG.set(lag)
        # As far as the primary, and yet without its journal: it has another past.
        is_stranger = not lag and not has_head
        if is_stranger or lag > MAX_LAG_SEQUENCES:
            self._set_usable(False, lag_sequences=lag, has_another_history=is_stranger)
        elif looking:
            self._set_usable(True, lag_sequences=lag)
        return bool(has_head)

    def _failed(self, error: BaseException) -> NotServed:
        """A statement that the server refused (say, for a conflict with replay) does not speak against the server.

        Nor does one that took too long: or whoever asks too much would send the replica away for all.
        """
        is_server_s = not isinstance(error, asyncpg.PostgresError) or isinstance(
            error, (asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError)
        )
        if isinstance(error, asyncpg.QueryCanceledError) or not is_server_s:
            _log.info("replica_refused_read", error=repr(error))
        else:
            self._set_usable(False, error=repr(error))
        return NotServed.FAILED

    def _set_usable(self, is_usable: bool, **why: object) -> None:
        if is_usable != self.is_usable:
            _log.warning("replica_usable" if is_usable else "replica_not_usable", **why)
        self.is_usable = is_usable
        metrics.REPLICA_USABLE.set(is_usable)


async def open_replica(settings: TradingSettings) -> Replica | None:
    """Return the replica that the settings name, whether or not it can be reached yet."""
    if settings.replica_url is None:
        return None
    url = settings.replica_url.get_secret_value()
    pool = await postgres.create_pool(
        url,
        application_name=APPLICATION_NAME,
        size=settings.database_pool_size,
        statement_timeout_ms=settings.query_timeout_ms,
        connect_now=False,
    )
    return Replica(url, pool, settings.query_timeout_ms)


async def _release(pool: Pool, connection: Any) -> None:
    """A connection whose statement was abandoned may not come clean in time; the pool then ends it."""
    try:
        await pool.release(connection, timeout=_CONNECTION_TIMEOUT_S)
    except postgres.FAILURES as error:
        _log.info("replica_connection_ended", error=repr(error))
