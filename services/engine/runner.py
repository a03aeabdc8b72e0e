"""The engine's life: stand by, take over, recover, then turn what arrives into committed batches.

This file wires the pipeline. There is no compensation code: on any error the engine drops its memory, answers
"unknown" to what was in flight and "not active" to what was waiting, and begins again at the lease. The only ways out
are ``stop`` and an error that no restart can mend (a corrupt journal, an unusable market file).
"""

import asyncio
import contextlib
import math
import os
import secrets
import socket
import time
from typing import Final

import asyncpg
from redis.asyncio import Redis

from services.domain.commands import Command, DefineMarket, DefineVenue
from services.domain.protocol import Envelope
from services.engine import lease, metrics
from services.engine.batch import Batch
from services.engine.core.exchange import Exchange
from services.engine.inbox import Inbox, Parcel
from services.engine.lease import Lease, LeaseLost
from services.engine.markets_file import read_definitions
from services.engine.postgres_store import PostgresStore
from services.engine.publisher import Publisher
from services.engine.recovery import recover
from services.engine.settings import EngineSettings
from services.engine.store import Session, Store
from services.infra import telemetry
from services.infra.clock import Clock, now_us
from services.infra.memory import settle_memory

_RETRY_S: Final = 0.2
# A standby that has not seen the lease for this long could not take it over either.
_FIT_S: Final = 5.0
# Everything that means "the database is gone or no longer ours": begin again at the lease.
_SETBACKS: Final = (LeaseLost, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_log = telemetry.logger(__name__)


class Engine:
    """One engine process, active or standing by."""

    def __init__(
        self,
        settings: EngineSettings,
        redis: Redis,
        store: Store | None = None,
        *,
        holder: str = "",
        clock: Clock = now_us,
    ) -> None:
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.inbox = Inbox(settings.inbox_limit)
        self.active: ActiveEngine | None = None
        self._settings = settings
        self._redis = redis
        self._store = PostgresStore(settings) if store is None else store
        self._clock = clock
        self._stopping = asyncio.Event()
        self._looked_s = -math.inf

    @property
    def fit(self) -> bool:
        """Active, or standing by and able to take over: it keeps looking at the lease."""
        return self.active is not None or time.monotonic() - self._looked_s < _FIT_S

    def stop(self) -> None:
        """Finish the batch in hand, take a snapshot, hand the lease over."""
        self._stopping.set()
        self.inbox.wake()

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._one_term()
            except _SETBACKS as error:
                metrics.TERMS_ENDED.inc()
                _log.warning("term_ended", reason=type(error).__name__, error=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _one_term(self) -> None:
        """From standing by to losing the lease or being stopped, on one database session."""
        session = await self._store.connect("crossbook-engine", self._settings.settle_timeout_ms)
        try:
            # 1. Become the only writer.
            held = await self._acquire(session)
            if held is None:
                return
            # 2. Rebuild the state that the last commit left.
            started = time.perf_counter()
            recovered = asyncio.Event()
            keeping_alive = asyncio.create_task(self._keep_alive(held, recovered))
            try:
                exchange, snapshot_sequence = await recover(session, self._redis, held)
            finally:
                recovered.set()
                await asyncio.gather(keeping_alive, return_exceptions=True)
            settle_memory()
            metrics.RECOVERY_SECONDS.set(time.perf_counter() - started)
            metrics.UNBALANCED_ASSETS.set(len(exchange.accounts.imbalances()))
            # 3. Serve until something goes wrong or we are asked to stop.
            publisher = Publisher(self._redis, self._store, self._settings, held.sequence)
            await self._serve(
                ActiveEngine(
                    self._settings, self._store, session, publisher, held, exchange, snapshot_sequence, self._clock
                )
            )
        finally:
            session.terminate()

    async def _acquire(self, session: Session) -> Lease | None:
        settings = self._settings
        waiting = asyncio.create_task(
            lease.acquire(
                session,
                self.holder,
                ttl_ms=settings.lease_ttl_ms,
                poll_ms=settings.takeover_poll_ms,
                looked=self._look,
            )
        )
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return None
        return waiting.result()

    def _look(self) -> None:
        self._looked_s = time.monotonic()

    async def _keep_alive(self, held: Lease, recovered: asyncio.Event) -> None:
        """A long recovery must not cost the lease; it has the main session, so this takes another.

        It ends by the event and not by being cancelled: a cancelled ``asyncpg.connect`` may go on.
        """
        settings = self._settings
        session: Session | None = None
        try:
            while not await _happens_within(recovered, settings.heartbeat_ms / 1000):
                if session is None:
                    session = await self._store.connect("crossbook-engine-recovery", settings.settle_timeout_ms)
                await lease.renew(session, held, ttl_ms=settings.lease_ttl_ms)
        finally:
            if session is not None:
                session.terminate()

    async def _serve(self, active: "ActiveEngine") -> None:
        publishing = asyncio.create_task(active.publisher.run())
        try:
            await active.define_markets()
            self.active = active
            self.inbox.open()
            _log.info("active", epoch=active.lease.epoch, sequence=active.sequence, holder=self.holder)
            while not self._stopping.is_set():
                parcels = await self.inbox.take(self._settings.batch_limit, self._settings.heartbeat_ms / 1000)
                metrics.INBOX_DEPTH.set(self.inbox.depth)
                await active.turn(parcels)
        finally:
            self.inbox.close()
            self.active = None
            metrics.EPOCH.set(0)
            active.publisher.close()
            await asyncio.gather(publishing, return_exceptions=True)
            await active.finish_snapshot()
        await active.hand_over()


class ActiveEngine:
    """What an engine has while it holds the lease: the exchange, the end of the journal, the way out to Redis."""

    def __init__(
        self,
        settings: EngineSettings,
        store: Store,
        session: Session,
        publisher: Publisher,
        held: Lease,
        exchange: Exchange,
        snapshot_sequence: int,
        clock: Clock,
    ) -> None:
        self.lease = held
        self.exchange = exchange
        self.sequence = held.sequence
        self.publisher = publisher
        self._journal_hash = held.journal_hash
        self._settings = settings
        self._store = store
        self._session = session
        self._clock = clock
        self._snapshot_sequence = snapshot_sequence
        self._snapshot_due_s = _uptime_s() + settings.snapshot_interval_s
        self._snapshots_taken = 0
        self._snapshotting: asyncio.Task[None] | None = None
        metrics.EPOCH.set(held.epoch)
        metrics.SEQUENCE.set(held.sequence)
        metrics.SNAPSHOT_SEQUENCE.set(snapshot_sequence)
        metrics.OPEN_ORDERS.set(len(exchange.orders))

    async def define_markets(self) -> None:
        """Bring the market file into the journal; what is already as it says is refused and costs nothing."""
        markets, venue = read_definitions(self._settings.markets_file)
        commands: list[Command] = [DefineMarket(market) for market in markets]
        if venue is not None:
            commands.append(DefineVenue(venue))
        far_future_us = 2**62
        parcel = Parcel([Envelope(far_future_us, command) for command in commands])
        await self.turn([parcel])

    async def turn(self, parcels: list[Parcel]) -> None:
        """One turn of the loop: apply, commit, reply, publish, perhaps snapshot."""
        if not parcels:
            await lease.renew(self._session, self.lease, ttl_ms=self._settings.lease_ttl_ms)
        else:
            await self._commit(self._apply(parcels))
        metrics.STREAM_LAG.set(self.publisher.lag)
        self._snapshot_if_due()

    def _apply(self, parcels: list[Parcel]) -> Batch:
        started = time.perf_counter()
        time_us = max(self._clock(), self.exchange.now_us)
        batch = Batch(self.exchange, self.sequence + 1, time_us)
        for parcel in parcels:
            batch.carry_out(parcel)
        metrics.APPLY_SECONDS.observe(time.perf_counter() - started)
        metrics.COMMANDS.inc(batch.size)
        metrics.BATCH_SIZE.observe(batch.size)
        return batch

    async def _commit(self, batch: Batch) -> None:
        """Make the batch durable, then answer; if that cannot be seen to have worked, the answer is "unknown"."""
        row = batch.row(self.lease.epoch, self._journal_hash) if batch.commands else None
        started = time.perf_counter()
        try:
            if row is None:
                await lease.confirm(self._session, self.lease)
            else:
                await self._session.settle(row, batch.projection, lease_ttl_ms=self._settings.lease_ttl_ms)
        except BaseException:
            batch.fail_unknown()
            raise
        metrics.SETTLE_SECONDS.observe(time.perf_counter() - started)
        if row is not None:
            self.sequence, self._journal_hash = row.sequence, row.hash
        batch.reply()
        if row is not None:
            self.publisher.offer(row)
            metrics.SEQUENCE.set(row.sequence)
            metrics.JOURNALED.inc(len(batch.commands))
            metrics.OPEN_ORDERS.set(len(self.exchange.orders))
            metrics.count_trades(batch.projection.trades)

    def _snapshot_if_due(self) -> None:
        if self._snapshotting is not None and not self._snapshotting.done():
            return
        enough = self.sequence - self._snapshot_sequence >= self._settings.snapshot_minimum_batches
        if enough and _uptime_s() >= self._snapshot_due_s:
            to_database = self._snapshots_taken % self._settings.database_snapshot_every == 0
            self._snapshotting = asyncio.create_task(self._take_snapshot(to_database=to_database))

    async def _take_snapshot(self, *, to_database: bool) -> None:
        sequence, journal_hash = self.sequence, self._journal_hash
        self._snapshots_taken += 1
        taken = await self._store.keep_snapshot(self.exchange, sequence, journal_hash, to_database=to_database)
        self._snapshot_due_s = _uptime_s() + self._settings.snapshot_interval_s
        if taken.is_stored:
            self._snapshot_sequence = sequence
            metrics.SNAPSHOT_SEQUENCE.set(sequence)
            metrics.SNAPSHOT_TIME.set_to_current_time()
            metrics.UNBALANCED_ASSETS.set(taken.unbalanced_assets)
        else:
            metrics.SNAPSHOT_FAILURES.inc()
            _log.warning("snapshot_failed", sequence=sequence)
        if taken.unbalanced_assets:
            _log.critical("money_not_conserved", sequence=sequence, assets=taken.unbalanced_assets)

    async def finish_snapshot(self) -> None:
        if self._snapshotting is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._snapshotting

    async def hand_over(self) -> None:
        """Leave a fresh snapshot and a free lease, so that the next engine starts at once."""
        if self.sequence > self._snapshot_sequence:
            await self._take_snapshot(to_database=True)
        await lease.release(self._session, self.lease)
        _log.info("handed_over", epoch=self.lease.epoch, sequence=self.sequence)


def _uptime_s() -> float:
    return asyncio.get_running_loop().time()


async def _happens_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
