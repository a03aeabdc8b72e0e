"""Snapshots: where the engine's state is kept so that a restart need not replay the whole journal.

Redis holds the newest (fast, may vanish), PostgreSQL a rarer one (survives Redis). A snapshot names its sequence, its
format, the journal's hash at that sequence and the hash of its own state; ``load`` believes none of them before it has
checked them, and answers None for anything it cannot use.

Taking one does not stall the engine: the process forks, and the child, which sees memory as it was at that instant,
encodes and stores it while the parent goes on. The parent pays for the fork only (a few milliseconds). A standby has
its state hashed the same way.
"""

import asyncio
import hashlib
import os
import signal
import zlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import msgspec
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import ExchangeSnapshot, capture, restore, state_hash
from services.engine.settings import EngineSettings
from services.infra import postgres, telemetry
from services.infra.postgres import Connection

# Raise it when ExchangeSnapshot changes, and take out of the readable ones what no longer decodes to the same state.
SNAPSHOT_FORMAT: Final = 3
_READABLE_FORMATS: Final = (2, SNAPSHOT_FORMAT)
REDIS_KEY: Final = "crossbook:snapshot"
CHECKPOINT_KEY: Final = "crossbook:checkpoint"

# After a snapshot there is none for so many times what it took, a minute at most: it takes a tenth of the time and, of
# a state so large that it would be more, leaves no more journal to replay than a start reads in seconds.
REST_RATIO: Final = 9.0
REST_MAX_S: Final = 60.0

_COMPRESSION_LEVEL: Final = 1
_KEEP_IN_DATABASE: Final = 3
_CHILD_POLL_S: Final = 0.02
# Nobody waits for a snapshot, least of all the engine that takes over while the last one is stored.
_CHILD_NICENESS: Final = 10
_CHILD_TIMEOUT_S: Final = 60.0
_ANSWER_BYTES_MAX: Final = 512
_STORE_TIMEOUT_MS: Final = 30_000
# The child's exit code: stored, and the number of unbalanced assets up to a bound; or one of Python's own, for failure.
_STORED_CODE: Final = 64
_UNBALANCED_MAX: Final = 100

_LATEST_SQL: Final = "SELECT payload FROM exchange.snapshots ORDER BY sequence DESC LIMIT $1"
_STORE_SQL: Final = """
INSERT INTO exchange.snapshots (sequence, payload) VALUES ($1, $2) ON CONFLICT (sequence) DO NOTHING
"""
_PRUNE_SQL: Final = """
DELETE FROM exchange.snapshots
WHERE sequence NOT IN (SELECT sequence FROM exchange.snapshots ORDER BY sequence DESC LIMIT $1)
"""

_log = telemetry.logger(__name__)


class SnapshotUnusable(Exception):
    """Why a stored snapshot cannot be believed."""


class Taken(NamedTuple):
    """What became of a snapshot, and of how many assets the balances in it do not sum to the supply."""

    is_stored: bool
    unbalanced_assets: int = 0


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    format: int
    sequence: int
    journal_hash: bytes
    state_hash: bytes
    state: bytes


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """The hash of the whole state after one journal row: what the leader tells its standbys of each snapshot."""

    sequence: int
    journal_hash: bytes
    state_hash: bytes


class Snapshot(msgspec.Struct, frozen=True):
    """A checked snapshot: the exchange as it was after journal row ``sequence``."""

    sequence: int
    journal_hash: bytes
    exchange: Exchange


def encode(exchange: Exchange, sequence: int, journal_hash: bytes) -> bytes:
    state = capture(exchange)
    packed = zlib.compress(msgspec.msgpack.encode(state), _COMPRESSION_LEVEL)
    return msgspec.msgpack.encode(_Stored(SNAPSHOT_FORMAT, sequence, journal_hash, state_hash(state), packed))


def checkpoint_of(payload: bytes) -> bytes:
    """The encoded checkpoint of an encoded snapshot."""
    stored = msgspec.msgpack.decode(payload, type=_Stored)
    return msgspec.msgpack.encode(Checkpoint(stored.sequence, stored.journal_hash, stored.state_hash))


def begins_window(before_us: int, time_us: int, window_us: int) -> bool:
    """Whether a journal row at ``time_us``, after one at ``before_us``, is the first of its window of journal time."""
    return before_us // window_us != time_us // window_us


def decode(payload: bytes) -> Snapshot:
    """Rebuild the exchange and check its hash; raise SnapshotUnusable."""
    try:
        stored = msgspec.msgpack.decode(payload, type=_Stored)
        if stored.format not in _READABLE_FORMATS:
            raise SnapshotUnusable(f"format {stored.format}, this engine reads {_READABLE_FORMATS}")
        packed = zlib.decompress(stored.state)
        state = msgspec.msgpack.decode(packed, type=ExchangeSnapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError, zlib.error) as error:
        raise SnapshotUnusable(f"does not decode: {error}") from error
    # Of the bytes as they are: an older format has fewer fields.
    if hashlib.sha256(packed).digest() != stored.state_hash:
        raise SnapshotUnusable("its state does not match its hash")
    return Snapshot(stored.sequence, stored.journal_hash, restore(state))


class Rhythm:
    """When an engine takes its next snapshot. Times are those of one clock that never goes back, in seconds."""

    def __init__(self, interval_s: float, now_s: float) -> None:
        self._interval_s = interval_s
        self._due_s = now_s + interval_s
        self._rests_until_s = now_s

    def is_due(self, now_s: float, *, is_idle: bool, is_checkpoint: bool) -> bool:
        """At a checkpoint, or when it is quiet; where neither comes, an interval later."""
        if now_s < self._rests_until_s:
            return False
        return is_checkpoint or now_s - self._due_s >= (0 if is_idle else self._interval_s)

    def note(self, began_s: float, ended_s: float) -> None:
        """One was taken, or failed, which costs as much."""
        rest_s = min((ended_s - began_s) * REST_RATIO, REST_MAX_S)
        self._rests_until_s = ended_s + rest_s
        self._due_s = ended_s + max(self._interval_s, rest_s)


async def stored(connection: Connection) -> list[bytes]:
    """The snapshots in PostgreSQL, newest first."""
    return [row["payload"] for row in await connection.fetch(_LATEST_SQL, _KEEP_IN_DATABASE)]


async def load_candidates(in_database: Sequence[bytes], redis: Redis) -> list[Snapshot]:
    """Every snapshot that decodes and matches its own hash, newest first; says in the log what it left out."""
    payloads: list[tuple[str, bytes]] = []
    try:
        from_redis = await redis.get(REDIS_KEY)
        if isinstance(from_redis, bytes):
            payloads.append(("redis", from_redis))
    except RedisError as error:
        _log.warning("snapshot_source_unavailable", source="redis", error=str(error))
    payloads += [("postgresql", payload) for payload in in_database]
    candidates = []
    for source, payload in payloads:
        try:
            candidates.append(decode(payload))
        except SnapshotUnusable as error:
            _log.warning("snapshot_unusable", source=source, reason=str(error))
    return sorted(candidates, key=lambda snapshot: snapshot.sequence, reverse=True)


def take(
    exchange: Exchange, sequence: int, journal_hash: bytes, settings: EngineSettings, *, to_database: bool
) -> Coroutine[Any, Any, Taken]:
    """Store a snapshot of the state as it is now from a forked child, which also adds up all money in it.

    The fork is made by this call, not by awaiting what it returns: the state must not have changed in between.
    """
    child = _fork(lambda _: _keep(exchange, sequence, journal_hash, settings, to_database=to_database))
    return _await_taken(child)


def hash_aside(exchange: Exchange) -> Coroutine[Any, Any, bytes | None]:
    """The hash of the state as it is at this call, made in a forked child; None if that came to nothing."""
    child = _fork(lambda answer: _hash(exchange, answer))
    return _await_hash(child)


class _Child(NamedTuple):
    pid: int
    # The end of a pipe from which the child's answer is read.
    answer: int


def _fork(work: Callable[[int], int]) -> _Child:
    """Do the work in a child: it is given the end of the pipe to answer into, and returns the child's exit code."""
    answer, answering = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work_and_exit(work, answering)
    os.close(answering)
    return _Child(pid, answer)


async def _await_taken(child: _Child) -> Taken:
    unbalanced, _ = await _await_child(child)
    unbalanced -= _STORED_CODE
    return Taken(True, unbalanced) if 0 <= unbalanced <= _UNBALANCED_MAX else Taken(False)


async def _await_hash(child: _Child) -> bytes | None:
    _, answer = await _await_child(child)
    return answer or None


async def _await_child(child: _Child) -> tuple[int, bytes]:
    """Its exit code and its answer, which must fit into a pipe."""
    deadline = asyncio.get_running_loop().time() + _CHILD_TIMEOUT_S
    try:
        while True:
            finished, status = os.waitpid(child.pid, os.WNOHANG)  # noqa: ASYNC222 (does not block)
            if finished:
                return os.waitstatus_to_exitcode(status), os.read(child.answer, _ANSWER_BYTES_MAX)
            if asyncio.get_running_loop().time() > deadline:
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)  # noqa: ASYNC222 (a killed child ends at once)
                return -signal.SIGKILL, b""
            await asyncio.sleep(_CHILD_POLL_S)
    finally:
        os.close(child.answer)


def _work_and_exit(work: Callable[[int], int], answering: int) -> NoReturn:
    """Run in the child. It shares nothing with its parent but memory: no socket, no signal handler, no event loop."""
    code = 1
    try:
        os.nice(_CHILD_NICENESS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.closerange(3, answering)
        os.closerange(answering + 1, os.sysconf("SC_OPEN_MAX"))
        code = work(answering)
    except BaseException as error:
        os.write(2, f'{{"event": "child_failed", "level": "error", "error": "{type(error).__name__}"}}\n'.encode())
    finally:
        os._exit(code)


def _hash(exchange: Exchange, answer: int) -> int:
    os.write(answer, state_hash(capture(exchange)))
    return 0


def _keep(
    exchange: Exchange, sequence: int, journal_hash: bytes, settings: EngineSettings, *, to_database: bool
) -> int:
    payload = encode(exchange, sequence, journal_hash)
    stored_in_redis = _store_in_redis(payload, settings)
    if to_database or not stored_in_redis:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(_store_in_database(payload, sequence, settings))
    return _STORED_CODE + min(len(exchange.accounts.imbalances()), _UNBALANCED_MAX)


def _store_in_redis(payload: bytes, settings: EngineSettings) -> bool:
    timeout_s = _STORE_TIMEOUT_MS / 1000
    try:
        with BlockingRedis.from_url(
            settings.redis_url.get_secret_value(), socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        ) as redis:
            redis.mset({REDIS_KEY: payload, CHECKPOINT_KEY: checkpoint_of(payload)})
    except RedisError:
        return False
    return True


async def _store_in_database(payload: bytes, sequence: int, settings: EngineSettings) -> None:
    connection = await postgres.connect(
        settings.database_url.get_secret_value(),
        application_name="crossbook-snapshot",
        statement_timeout_ms=_STORE_TIMEOUT_MS,
    )
    try:
        async with connection.transaction():
            await connection.execute(_STORE_SQL, sequence, payload)
            await connection.execute(_PRUNE_SQL, _KEEP_IN_DATABASE)
    finally:
        await connection.close()
