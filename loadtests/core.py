"""The core alone: commands a second through ``Exchange.apply`` in one process, and memory per open order.

Each form of the core, compiled and plain, is measured in a process of its own (``python -m loadtests.core`` prints the
figures of the form that CROSSBOOK_CORE asks for), and both must give the same events and the same state. The same tape
is replayed several times on a fresh exchange; the best pass counts, because whatever disturbs a pass only ever makes it
slower. "Engine work" is a pass that also does what an engine does with each outcome short of I/O: encode the events,
fold them into the columns of the settlement, hash the journal row.
"""

import cProfile
import gc
import hashlib
import multiprocessing
import os
import pstats
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from typing import Any, Final, NamedTuple

import msgspec
import psutil

from loadtests.tape import Tape
from services import compiled
from services.domain.commands import CancelOrder, Command, PlaceOrder
from services.domain.orders import OrderType, TimeInForce
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from services.engine.journal import GENESIS_HASH, chain_hash
from services.engine.projection import Projection

SEED: Final = 7
ACCOUNTS: Final = 100
OPEN_ORDERS: Final = 10_000
SPREAD: Final = 0.001
BATCH: Final = 64
MEMORY_ACCOUNTS: Final = 400
MEMORY_SPREAD: Final = 0.01
PROFILE_ROWS: Final = 15
_START_US: Final = 1_800_000_000_000_000


class Took(NamedTuple):
    wall_s: float
    cpu_s: float


class Watch:
    """Runs from its construction on."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def took(self) -> Took:
        return Took(time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s)


class PreparedTape(msgspec.Struct, frozen=True):
    """``opening`` brings the markets, the money and the first orders; ``flow`` is what is timed."""

    opening: list[Command]
    flow: list[Command]


def prepare(commands: int) -> PreparedTape:
    tape = Tape(SEED, ACCOUNTS)
    opening = [*tape.markets(), *tape.deposits(), *tape.resting(OPEN_ORDERS, spread=SPREAD)]
    return PreparedTape(opening, tape.flow(commands, open_orders=OPEN_ORDERS, spread=SPREAD))


def measure(commands: int, passes: int, memory_orders: int) -> dict[str, Any]:
    """Both forms, or only the plain one where the core is not compiled."""
    wanted = [compiled.COMPILED, compiled.PLAIN] if compiled.build_directory().is_dir() else [compiled.PLAIN]
    forms = {form: _measured_apart(form, commands, passes, memory_orders) for form in wanted}
    digests = {figures["digest"] for figures in forms.values()}
    assert len(digests) == 1, "both forms of the core give the same events and the same state"
    return {"commands": commands, "forms": forms}


def _measured_apart(form: str, *arguments: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "loadtests.core", *map(str, arguments)]
    environment = {**os.environ, compiled.VARIABLE: form}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = msgspec.json.decode(done.stdout)
    return figures


def measure_this_form(commands: int, passes: int, memory_orders: int) -> dict[str, Any]:
    tape = prepare(commands)
    as_the_engine_does()
    applied = [timed_apply(tape) for _ in range(passes)]
    worked = [timed_engine_work(tape) for _ in range(passes)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        traced_bytes = pool.apply(traced_bytes_per_order, (memory_orders,))
        resident_bytes = pool.apply(resident_bytes_per_order, (memory_orders,))
    return {
        "form": compiled.form(),
        "digest": digest(tape),
        "kinds": dict(Counter(map(kind_of, tape.flow))),
        **_rates("apply", commands, applied),
        **_rates("engine_work", commands, worked),
        "memory_orders": memory_orders,
        "traced_bytes_per_order": traced_bytes,
        "resident_bytes_per_order": resident_bytes,
        "profile": profile(tape),
    }


def _rates(name: str, commands: int, passes: list[Took]) -> dict[str, Any]:
    """Commands a second of the best pass and of each, and the least processor time per command."""
    return {
        f"{name}_per_s": round(commands / min(took.wall_s for took in passes)),
        f"{name}_per_s_passes": [round(commands / took.wall_s) for took in passes],
        f"{name}_cpu_us": round(min(took.cpu_s for took in passes) / commands * 1e6, 2),
    }


def digest(tape: PreparedTape) -> str:
    """SHA-256 over every event of the flow and the state after it."""
    exchange, sha = opened(tape), hashlib.sha256()
    for now_us, command in enumerate(tape.flow, _START_US):
        sha.update(msgspec.msgpack.encode(exchange.apply(command, now_us)))
    sha.update(state_hash(capture(exchange)))
    return sha.hexdigest()


def kind_of(command: Command) -> str:
    if isinstance(command, CancelOrder):
        return "cancel"
    assert isinstance(command, PlaceOrder), "the flow has orders and cancels only"
    if command.type is OrderType.MARKET:
        return "market"
    return "limit IOC" if command.time_in_force is TimeInForce.IOC else "limit"


def as_the_engine_does() -> None:
    """The collector's settings of a running engine (services/engine/runner.py)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)


def opened(tape: PreparedTape) -> Exchange:
    exchange = Exchange()
    for command in tape.opening:
        exchange.apply(command, _START_US)
    return exchange


def timed_apply(tape: PreparedTape) -> Took:
    apply = opened(tape).apply
    watch = Watch()
    for now_us, command in enumerate(tape.flow, _START_US):
        apply(command, now_us)
    return watch.took()


def timed_engine_work(tape: PreparedTape) -> Took:
    exchange = opened(tape)
    encoder = msgspec.msgpack.Encoder()
    journal_hash = GENESIS_HASH
    watch = Watch()
    for sequence, first in enumerate(range(0, len(tape.flow), BATCH), 1):
        projection, encoded = Projection(), []
        batch = tape.flow[first : first + BATCH]
        for command in batch:
            events = exchange.apply(command, _START_US + sequence)
            assert isinstance(events, list), "every command of a tape is accepted"
            encoded.append(msgspec.Raw(encoder.encode(events)))
            projection.fold(events)
        projection.tables()
        commands, raw = encoder.encode(batch), encoder.encode(encoded)
        journal_hash = chain_hash(journal_hash, sequence, 1, _START_US + sequence, commands, raw)
    return watch.took()


def profile(tape: PreparedTape) -> list[dict[str, Any]]:
    """Where the time goes inside ``apply``; the profiler itself makes calls look dearer than they are."""
    apply = opened(tape).apply
    profiler = cProfile.Profile()
    profiler.enable()
    for now_us, command in enumerate(tape.flow, _START_US):
        apply(command, now_us)
    profiler.disable()
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    total_s = sum(own_s for _, _, own_s, _, _ in stats.values())
    rows = [
        {
            "function": f"{path.rpartition('/')[2]}:{name}" if line else name,
            "calls": calls,
            "own_share": round(own_s / total_s, 3),
        }
        for (path, line, name), (_, calls, own_s, _, _) in stats.items()
    ]
    return sorted(rows, key=lambda row: -row["own_share"])[:PROFILE_ROWS]


def traced_bytes_per_order(orders: int) -> int:
    """What Python's allocator holds for one more resting order: the order, its level, its index entries."""
    tape = _funded()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    _rest(tape, orders)
    return (tracemalloc.get_traced_memory()[0] - before) // orders


def resident_bytes_per_order(orders: int) -> int:
    """The same as the operating system sees it, in a process of its own."""
    tape = _funded()
    gc.collect()
    before = psutil.Process().memory_info().rss
    _rest(tape, orders)
    gc.collect()
    return int(psutil.Process().memory_info().rss - before) // orders


def _funded() -> Tape:
    tape = Tape(SEED, MEMORY_ACCOUNTS)
    tape.markets()
    tape.deposits()
    return tape


def _rest(tape: Tape, orders: int) -> None:
    for _ in range(orders // 100):
        tape.resting(100, spread=MEMORY_SPREAD)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure_this_form(*map(int, sys.argv[1:]))))
