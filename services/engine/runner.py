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
from collections.abc import Callable, Coroutine
from typing import Any, Final

import asyncpg
from opentelemetry.trace import SpanKind
from redis.asyncio import Redis

from services import compiled
from services.domain.commands import Command, DefineMarket, DefineVenue
from services.domain.protocol import Envelope, Refused
from services.domain.refusals import Refusal
from services.engine import lease, metrics
from services.engine.batch import Batch
from services.engine.core.transfers import Moved
from services.engine.inbox import Inbox, Parcel
from services.engine.lease import Lease, LeaseLost
from services.engine.ledger import references_to_look_up
from services.engine.markets_file import Definitions, read_definitions
from services.engine.postgres_store import PostgresStore
from services.engine.publisher import Publisher
from services.engine.recovery import Copy
from services.engine.settings import EngineSettings
from services.engine.snapshots import Rhythm, Taken, begins_window
from services.engine.standby import Standby
from services.engine.store import Session, Store
from services.infra import telemetry, traces
from services.infra.clock import COMPARE_EVERY_S, Clock, SetClock, now_us
from services.infra.memory import settle_memory

_RETRY_S: Final = 0.2
# A standby that has not seen the lease for this long could not take it over either.
_FIT_S: Final = 5.0
# How long a warm standby that was told of a free lease keeps requests for itself: many times what taking over takes it.
_EXPECT_S: Final = 1.0
# Everything that means "the database is gone or no longer ours": begin again at the lease.
_SETBACKS: Final = (LeaseLost, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_SETTLE_ATTRIBUTES: Final = {"db.system.name": "postgresql", "db.query.summary": "settle"}

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
        on_recovered: Callable[[], None] = settle_memory,
    ) -> None:
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.inbox = Inbox(settings.inbox_limit)
        self.active: ActiveEngine | None = None
        self.standby: Standby | None = None
        self._settings = settings
        self._redis = redis
        self._store = PostgresStore(settings) if store is None else store
        self._clock = SetClock(clock)
        self._on_recovered = on_recovered
        self._stopping = asyncio.Event()
        self._looked_s = -math.inf

    @property
    def fit(self) -> bool:
        """Active, or standing by and able to take over: it keeps looking at the lease."""
        return self.active is not None or time.monotonic() - self._looked_s < _FIT_S

    def stop(self) -> None:
        """Finish the batch in hand, hand the lease over, leave a snapshot."""
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
            # 1. Follow whoever leads, and become the only writer after it. What can be ready by then is.
            definitions = read_definitions(self._settings.markets_file)
            window_us = int(self._settings.snapshot_interval_s * 1_000_000)
            self.standby = standby = Standby(self._store, session, self._redis, window_us, self._on_recovered)
            held = await self._acquire(session, standby)
            if held is None:
                return
            await self._clock.compare(session.clock_us)
            # 2. Have the state that the last commit left.
            acquired_s = _uptime_s()
            started = time.perf_counter()
            recovered = asyncio.Event()
            keeping_alive = asyncio.create_task(self._keep_alive(held, recovered))
            try:
                copy = await standby.take_over(held)
            finally:
                recovered.set()
                await asyncio.gather(keeping_alive, return_exceptions=True)
            self.standby = None
            metrics.RECOVERY_SECONDS.set(time.perf_counter() - started)
            metrics.UNBALANCED_ASSETS.set(len(copy.exchange.accounts.imbalances()))
            # What stood the loop still (a large state, collected garbage) kept the lease from being renewed meanwhile.
            if _uptime_s() - acquired_s > self._settings.heartbeat_ms / 1000:
                await lease.renew(session, held, ttl_ms=self._settings.lease_ttl_ms)
            # 3. Serve until something goes wrong or we are asked to stop.
            publisher = Publisher(self._redis, self._store, self._settings, held.sequence)
            active = ActiveEngine(self._settings, self._store, session, publisher, held, copy, self._clock)
            await self._serve(active, definitions)
        finally:
            self.inbox.close()
            self.standby = None
            session.terminate()

    async def _acquire(self, session: Session, standby: Standby) -> Lease | None:
        freed = asyncio.Event()
        await session.listen(freed)

        async def pause() -> None:
            self.inbox.close()
            self._looked_s = time.monotonic()
            await standby.follow()
            if await _happens_within(freed, self._settings.takeover_poll_ms / 1000):
                freed.clear()
                _log.info("lease_freed", sequence=standby.sequence)
                if standby.is_warm:
                    self.inbox.expect(_EXPECT_S)

        waiting = asyncio.create_task(
            lease.acquire(session, self.holder, ttl_ms=self._settings.lease_ttl_ms, pause=pause)
        )
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return None
        return waiting.result()

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

    async def _serve(self, active: "ActiveEngine", definitions: Definitions) -> None:
        publishing = asyncio.create_task(active.publisher.run())
        try:
            await active.define_markets(definitions)
            self.active = active
            self.inbox.open()
            _log.info(
                "active",
                epoch=active.lease.epoch,
                sequence=active.sequence,
                holder=self.holder,
                core=compiled.form(),
            )
            while not self._stopping.is_set():
                parcels = await self.inbox.take(self._settings.batch_limit, self._settings.heartbeat_ms / 1000)
                metrics.INBOX_DEPTH.set(self.inbox.depth)
                if parcels and traces.is_on:
                    await active.turn_traced(parcels)
                else:
                    await active.turn(parcels)
            # Nothing is in hand: whoever is next need not wait for what this one still has to do. It hears of that
            # before gateways do, so that they find it ready.
            _log.info("handing_over", epoch=active.lease.epoch, sequence=active.sequence)
            self.active = None
            await active.release()
            self.inbox.close()
        finally:
            self.inbox.close()
            self.active = None
            metrics.EPOCH.set(0)
            active.publisher.close()
            await asyncio.gather(publishing, return_exceptions=True)
            await active.finish_snapshot()
        await active.leave_snapshot()


class ActiveEngine:
    """What an engine has while it holds the lease: the exchange, the end of the journal, the way out to Redis."""

    def __init__(
        self,
        settings: EngineSettings,
        store: Store,
        session: Session,
        publisher: Publisher,
        held: Lease,
        copy: Copy,
        clock: SetClock,
    ) -> None:
        self.lease = held
        self.exchange = copy.exchange
        self.sequence = held.sequence
        self.publisher = publisher
        self._journal_hash = held.journal_hash
        self._settings = settings
        self._store = store
        self._session = session
        self._clock = clock
        self._compare_at_s = _uptime_s() + COMPARE_EVERY_S
        self._snapshot_sequence = copy.snapshot_sequence
        self._snapshot_window_us = int(settings.snapshot_interval_s * 1_000_000)
        self._rhythm = Rhythm(settings.snapshot_interval_s, _uptime_s())
        self._snapshots_taken = 0
        self._snapshotting: asyncio.Task[None] | None = None
        metrics.EPOCH.set(held.epoch)
        metrics.SEQUENCE.set(held.sequence)
        metrics.SNAPSHOT_SEQUENCE.set(copy.snapshot_sequence)
        metrics.OPEN_ORDERS.set(len(copy.exchange.orders))

    async def define_markets(self, definitions: Definitions) -> None:
        """Bring the market file into the journal; what is already as it says is refused and costs nothing.

        So is what somebody has defined otherwise meanwhile: a failover must not undo it.
        """
        markets, venue = definitions
        commands: list[Command] = [DefineMarket(market, from_file=True) for market in markets]
        if venue is not None:
            commands.append(DefineVenue(venue))
        far_future_us = 2**62
        parcel = Parcel([Envelope(far_future_us, command) for command in commands])
        await self.turn([parcel])
        for command, reply in zip(commands, await parcel.answer, strict=True):
            if isinstance(reply, Refused) and reply.reason is not Refusal.MARKET_UNCHANGED:
                symbol = command.market.symbol if isinstance(command, DefineMarket) else ""
                _log.warning("market_file_overruled", symbol=symbol, reason=reply.reason.value)

    async def turn_traced(self, parcels: list[Parcel]) -> None:
        attributes = {"crossbook.parcels": len(parcels), "crossbook.requests": sum(len(p.envelopes) for p in parcels)}
        with traces.together("turn", SpanKind.INTERNAL, [parcel.span for parcel in parcels], attributes) as span:
            await self.turn(parcels)
            span.set_attribute("crossbook.sequence", self.sequence)

    async def turn(self, parcels: list[Parcel]) -> None:
        """One turn of the loop: apply, commit, reply, publish, perhaps snapshot."""
        before_us = self.exchange.now_us
        if not parcels:
            await lease.renew(self._session, self.lease, ttl_ms=self._settings.lease_ttl_ms)
        else:
            await self._commit(self._apply(parcels, await self._done_long_ago(parcels)))
        if _uptime_s() >= self._compare_at_s:
            self._compare_at_s = _uptime_s() + COMPARE_EVERY_S
            await self._clock.compare(self._session.clock_us)
        metrics.STREAM_LAG.set(self.publisher.lag)
        is_checkpoint = begins_window(before_us, self.exchange.now_us, self._snapshot_window_us)
        self._snapshot_if_due(is_idle=not parcels, is_checkpoint=is_checkpoint)

    async def _done_long_ago(self, parcels: list[Parcel]) -> dict[str, Moved]:
        """What the ledger knows of the references in these parcels, if the core may have forgotten any."""
        requests = (envelope.request for parcel in parcels for envelope in parcel.envelopes)
        references = references_to_look_up(self.exchange.transfers, requests)
        if not references:
            return {}
        try:
            return await self._session.movements_done(references)
        except BaseException:
            for parcel in parcels:
                parcel.decline()
            raise

    def _apply(self, parcels: list[Parcel], done: dict[str, Moved]) -> Batch:
        started = time.perf_counter()
        clock_us = self._clock()
        batch = Batch(self.exchange, self.sequence + 1, max(clock_us, self.exchange.now_us), clock_us, done)
        for parcel in parcels:
            batch.carry_out(parcel)
        took_s = time.perf_counter() - started
        metrics.APPLY_SECONDS.observe(took_s)
        if traces.is_on:
            traces.record("apply", SpanKind.INTERNAL, took_s, {"crossbook.requests": batch.size})
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
        took_s = time.perf_counter() - started
        metrics.SETTLE_SECONDS.observe(took_s)
        if traces.is_on:
            traces.record("settle", SpanKind.CLIENT, took_s, _SETTLE_ATTRIBUTES)
        if row is not None:
            self.sequence, self._journal_hash = row.sequence, row.hash
        batch.reply()
        if row is not None:
            self.publisher.offer(row)
            metrics.SEQUENCE.set(row.sequence)
            metrics.JOURNALED.inc(len(batch.commands))
            metrics.OPEN_ORDERS.set(len(self.exchange.orders))
            metrics.count_trades(batch.projection.trades)

    def _snapshot_if_due(self, *, is_idle: bool, is_checkpoint: bool) -> None:
        """At a checkpoint, where standbys can compare; when it is quiet they stand at the same row anyway."""
        if self._snapshotting is not None and not self._snapshotting.done():
            return
        enough = self.sequence - self._snapshot_sequence >= self._settings.snapshot_minimum_batches
        if enough and self._rhythm.is_due(_uptime_s(), is_idle=is_idle, is_checkpoint=is_checkpoint):
            to_database = self._snapshots_taken % self._settings.database_snapshot_every == 0
            self._snapshotting = asyncio.create_task(self._take_snapshot(to_database=to_database))

    def _take_snapshot(self, *, to_database: bool) -> Coroutine[Any, Any, None]:
        """Of the state as it is at this call: by the time a task for it runs, the next batch may have been applied."""
        self._snapshots_taken += 1
        keeping = self._store.keep_snapshot(self.exchange, self.sequence, self._journal_hash, to_database=to_database)
        return self._finish_snapshot(keeping, self.sequence)

    async def _finish_snapshot(self, keeping: Coroutine[Any, Any, Taken], sequence: int) -> None:
        began_s = _uptime_s()
        taken = await keeping
        self._rhythm.note(began_s, _uptime_s())
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

    async def release(self) -> None:
        """Let the next engine start at once."""
        await lease.release(self._session, self.lease)
        _log.info("handed_over", epoch=self.lease.epoch, sequence=self.sequence)

    async def leave_snapshot(self) -> None:
        """Of the last commit, for whoever starts without having followed. It is as good when another leads already."""
        if self.sequence > self._snapshot_sequence:
            await self._take_snapshot(to_database=True)


def _uptime_s() -> float:
    return asyncio.get_running_loop().time()


async def _happens_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
