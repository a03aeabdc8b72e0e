"""Overload: what is answered late too often, how much may then be under way, and for whom."""

import asyncio

import msgspec

from services.domain.commands import CancelAllOrders
from services.domain.protocol import Envelope, Refused, Reply
from services.domain.refusals import Refusal
from services.infra.lean_post import Answer
from services.trading import errors
from services.trading.errors import DialectError
from services.trading.gateway import Gateway
from services.trading.settings import TradingSettings
from services.trading.shedding import BEAT_S, WINDOW_MIN, Shedding, Ticket

OBJECTIVE_MS, WAIT_MS, LIMIT = 100, 60, 500
MODEST, FLOODER = b"modest", b"flooder"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Process:
    """What happens to a process, without the process: requests come and are answered, and time goes by."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.shedding = Shedding("orders", objective_ms=OBJECTIVE_MS, wait_ms=WAIT_MS, limit=LIMIT, clock=self.clock)

    def enter(self, count: int, caller: bytes = MODEST) -> list[Ticket]:
        tickets = [self.shedding.enter(lambda: caller) for _ in range(count)]
        return [ticket for ticket in tickets if ticket is not None]

    def answer(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self.shedding.leave(ticket)

    def wait(self, seconds: float, lag_s: float = 0.0) -> None:
        for _ in range(round(seconds / BEAT_S)):
            self.clock.now_s += BEAT_S
            self.shedding.beat(lag_s)

    def strain(self, per_beat: int = 100, latency_s: float = 0.5) -> None:
        """Answers that are late, beat after beat."""
        waiting = [self.enter(per_beat) for _ in range(4)]
        self.wait(latency_s)
        for tickets in waiting:
            self.answer(tickets)
            self.wait(BEAT_S)
        assert self.shedding.is_strained


def test_nothing_is_refused_while_a_database_stands_still() -> None:
    """500 requests a second, of which half go to the engine, and a commit of 300 ms."""
    process = Process()
    for _ in range(3):
        waiting: list[Ticket] = []
        for _ in range(12):
            waiting += process.enter(6)
            process.wait(BEAT_S)
        assert len(waiting) == 72
        # All that waited is answered at once, and then all is as before.
        process.answer(waiting)
        process.wait(BEAT_S)
        for _ in range(40):
            tickets = process.enter(6)
            process.answer(tickets)
            process.wait(BEAT_S)
            assert len(tickets) == 6
    assert not process.shedding.is_strained


def test_without_strain_only_memory_is_bounded() -> None:
    process = Process()
    assert len(process.enter(LIMIT + 10)) == LIMIT


def test_late_answers_bound_what_is_under_way_to_what_is_answered_in_time() -> None:
    process = Process()
    process.strain()
    # 100 answers each 25 ms for long enough: 4,000/s, of which 60 ms are 240.
    for _ in range(100):
        process.answer(process.enter(100))
        process.clock.now_s += BEAT_S
        process.shedding.refuse()
        process.shedding.beat(0.0)
    assert abs(process.shedding.window - 4_000 * WAIT_MS / 1000) <= 2
    # A loop that is 40 ms late has already let them wait that long.
    for _ in range(100):
        for _ in range(260):
            process.answer(process.enter(1))
        process.clock.now_s += BEAT_S + 0.04
        process.shedding.refuse()
        process.shedding.beat(0.04)
    assert abs(process.shedding.window - 260 / 0.065 * 0.02) <= 2


def test_however_slow_some_are_let_in() -> None:
    process = Process()
    process.strain(per_beat=1)
    assert process.shedding.window == WINDOW_MIN
    assert len(process.enter(1_000, FLOODER)) == WINDOW_MIN


def test_who_asks_for_little_finds_room_beside_a_flood() -> None:
    process = Process()
    process.strain(per_beat=1)
    flood = process.enter(1_000, FLOODER)
    for name in (b"a", b"b", b"c"):
        assert len(process.enter(2, name)) == 2
    assert not process.enter(1, FLOODER)
    # The flood gives way before anyone else does.
    process.answer(flood[:4])
    assert not process.enter(1, FLOODER)
    assert process.enter(1, b"d")


def test_it_ends_when_nothing_had_to_be_refused_for_a_second() -> None:
    process = Process()
    process.strain()
    process.enter(LIMIT)
    process.wait(0.9)
    assert process.shedding.window < LIMIT
    process.wait(0.5)
    assert process.shedding.window == LIMIT


def test_a_hand_over_is_no_overload() -> None:
    process = Process()
    for _ in range(10):
        tickets = process.enter(100)
        process.wait(0.5)
        process.shedding.excuse(0.5)
        process.answer(tickets)
        process.wait(BEAT_S)
    assert not process.shedding.is_strained


def test_what_is_refused_behind_the_gate_strains_it_too() -> None:
    """Quick refusals must not look like quick answers."""
    process = Process()
    for _ in range(4):
        process.answer(process.enter(10))
        process.shedding.push_back()
        process.wait(BEAT_S)
    assert process.shedding.is_strained


class Wire:
    """Every request is refused by an engine of few words, once it is let go on."""

    def __init__(self) -> None:
        self.is_asked, self.released = asyncio.Event(), asyncio.Event()
        self.asked: list[str] = []

    async def post(self, url: str, content: bytes, headers: dict[str, str]) -> Answer:
        envelopes = msgspec.msgpack.decode(content, type=list[Envelope])
        self.asked += [envelope.request.cancel_client_order_id for envelope in envelopes]  # type: ignore[union-attr]
        self.is_asked.set()
        await self.released.wait()
        replies: list[Reply] = [Refused(Refusal.UNKNOWN_SYMBOL)] * len(envelopes)
        return Answer(200, msgspec.msgpack.encode(replies))

    async def close(self) -> None:
        """Nothing is kept open."""


async def test_what_has_waited_too_long_is_refused_instead_of_sent() -> None:
    """But for the last of each account: it is not its own requests that it waited for."""
    process, wire = Process(), Wire()
    settings = TradingSettings(
        port=1,
        engine_urls="http://one",
        auth_url="http://nowhere",
        database_url="postgresql://nowhere/none",
        redis_url="redis://nowhere",
        internal_token="t" * 32,
    )
    process.strain()
    gateway = Gateway(settings, wire, shedding=process.shedding)
    running = asyncio.create_task(gateway.run())

    async def ask(account_id: int, name: str) -> DialectError:
        try:
            await gateway.submit(CancelAllOrders(account_id, "BTCUSDT", name))
        except DialectError as error:
            return error
        raise AssertionError("nothing is carried out here")

    tasks = {"first": asyncio.create_task(ask(1, "first"))}
    await wire.is_asked.wait()
    for account_id, name in ((1, "a"), (1, "b"), (1, "c"), (2, "d")):
        tasks[name] = asyncio.create_task(ask(account_id, name))
    await asyncio.sleep(2 * OBJECTIVE_MS / 1000)
    wire.released.set()
    answers = dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))
    assert {name for name, answer in answers.items() if answer is errors.OVERLOADED} == {"a", "b"}
    assert wire.asked == ["first", "d", "c"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
