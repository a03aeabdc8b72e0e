"""Overload: what is answered late too often, how much may then be under way, and for whom."""

import asyncio
import itertools
from collections import deque

import msgspec
import pytest

from services.domain.commands import CancelAllOrders
from services.domain.protocol import Envelope, Refused, Reply
from services.domain.refusals import Refusal
from services.infra.lean_post import Answer
from services.trading import errors
from services.trading.errors import DialectError
from services.trading.gateway import Gateway
from services.trading.settings import TradingSettings
from services.trading.shedding import BEAT_S, WINDOW_MIN, Shedding, Ticket, TradingGate

OBJECTIVE_MS, WAIT_MS, LIMIT = 100, 60, 500
SETTINGS = TradingSettings(
    port=1,
    engine_urls="http://one",
    auth_url="http://nowhere",
    database_url="postgresql://nowhere/none",
    redis_url="redis://nowhere",
    internal_token="t" * 32,
)
FLOODER = b"flooder"
MANY = [b"caller %d" % number for number in range(50)]


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Process:
    """What happens to a process, without the process: requests come and are answered, and time goes by."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._turns = itertools.cycle(MANY)
        self.shedding = Shedding(
            "orders", objective_ms=OBJECTIVE_MS, wait_ms=WAIT_MS, limit=LIMIT, patient_limit=2 * LIMIT, clock=self.clock
        )

    def enter(self, count: int, *callers: bytes) -> list[Ticket]:
        """So many try to, of these callers in turn, else of many; return those who were let in."""
        names = itertools.cycle(callers) if callers else self._turns
        tickets = [self.shedding.enter(next(names)) for _ in range(count)]
        return [ticket for ticket in tickets if ticket is not None]

    def answer(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self.shedding.leave(ticket)

    def wait(self, seconds: float, lag_s: float = 0.0) -> None:
        for _ in range(round(seconds / BEAT_S)):
            self.clock.now_s += BEAT_S
            self.shedding.beat(lag_s)

    def serve(self, beats: int, *, come: int, answered: int, latency_beats: int, lag_s: float = 0.0) -> int:
        """So many come and up to so many are answered each beat, in order; return how many were refused."""
        waiting: deque[tuple[int, Ticket]] = deque()
        entered = 0
        for beat in range(beats):
            tickets = self.enter(come)
            entered += len(tickets)
            waiting.extend((beat, ticket) for ticket in tickets)
            for _ in range(answered):
                if waiting and beat - waiting[0][0] >= latency_beats:
                    self.answer([waiting.popleft()[1]])
            self.clock.now_s += lag_s
            self.wait(BEAT_S, lag_s)
        self.answer([ticket for _, ticket in waiting])
        return beats * come - entered

    def strain(self) -> None:
        """Five times what is answered, all of it late."""
        self.serve(40, come=50, answered=10, latency_beats=6)
        assert self.shedding.is_strained


def test_nothing_is_refused_while_a_database_stands_still() -> None:
    """500 requests a second, of which half go to the engine, and a commit of 300 ms, again and again."""
    process = Process()
    for _ in range(5):
        waiting: list[Ticket] = []
        for _ in range(12):
            waiting += process.enter(6)
            process.wait(BEAT_S)
        assert len(waiting) == 72
        # All that waited is answered at once, and then all is as before.
        process.answer(waiting)
        assert process.serve(20, come=6, answered=6, latency_beats=0) == 0
    assert not process.shedding.is_strained


def test_nothing_is_refused_because_a_machine_is_slow() -> None:
    """Everything is late, and as much is answered as comes."""
    process = Process()
    assert process.serve(400, come=6, answered=6, latency_beats=12) == 0


def test_without_strain_only_memory_is_bounded() -> None:
    process = Process()
    # Each of fifty may have what would leave room for one more like them.
    assert LIMIT * 50 // 51 <= len(process.enter(2 * LIMIT)) <= LIMIT
    # What waits for an engine is no flood.
    process.shedding.is_patient = True
    process.enter(4 * LIMIT)
    assert 2 * LIMIT * 50 // 51 <= process.shedding.under_way <= 2 * LIMIT


def test_late_answers_bound_what_is_under_way_to_what_is_answered_in_time() -> None:
    process = Process()
    process.strain()
    # 100 answers each 25 ms for long enough: 4,000/s, of which 60 ms are 240.
    assert process.serve(400, come=500, answered=100, latency_beats=1) > 0
    assert abs(process.shedding.window - 4_000 * WAIT_MS / 1000) <= 2
    # A loop that is 30 ms late has already let them wait that long.
    for _ in range(20):
        process.serve(1, come=500, answered=100, latency_beats=0, lag_s=0.03)
    assert process.shedding.window < 4_000 * WAIT_MS / 1000 / 2


def test_however_slow_some_are_let_in() -> None:
    process = Process()
    process.strain()
    process.wait(0.9)
    assert process.shedding.window == WINDOW_MIN
    assert WINDOW_MIN * 50 // 51 <= len(process.enter(1_000)) <= WINDOW_MIN


@pytest.mark.parametrize("flooders", [1, 2, 4, 9])
def test_those_who_flood_get_the_same_and_leave_as_much_for_one_more(flooders: int) -> None:
    process = Process()
    names = [b"flooder %d" % number for number in range(flooders)]
    flood = process.enter(1_000, *names)
    for name in names:
        assert abs(sum(ticket.caller == name for ticket in flood) - LIMIT / (flooders + 1)) <= 1
    # Who comes later finds room, and those who flood give way to him.
    assert len(process.enter(20, b"a", b"b")) == 20
    process.answer(flood[:10])
    assert not process.enter(10, *names)
    assert len(process.enter(1, b"c")) == 1


@pytest.mark.parametrize("answered", [120, 60, 25, 10])
def test_who_asks_for_less_than_his_share_is_not_refused_beside_a_flood(answered: int) -> None:
    """The others ask for a tenth of what is answered each beat, and one keeps 400 asking.

    At 4,800 answers a second nothing is late; at 400 all that was under way when it began is.
    """
    process = Process()
    waiting: deque[Ticket] = deque()
    asked = entered = 0
    for _ in range(400):
        own = sum(ticket.caller == FLOODER for ticket in waiting)
        waiting += process.enter(400 - own, FLOODER)
        tickets = process.enter(answered // 10)
        asked, entered = asked + answered // 10, entered + len(tickets)
        waiting += tickets
        process.answer([waiting.popleft() for _ in range(min(answered, len(waiting)))])
        process.wait(BEAT_S)
    assert entered == asked


def test_no_key_counts_as_an_address() -> None:
    gate = TradingGate(SETTINGS)
    shared = {"method": "POST", "client": ("203.0.113.5", 1)}
    scopes = [{**shared, "headers": headers} for headers in ([(b"x-mbx-apikey", b"203.0.113.5")], [])]
    limit = SETTINGS.gateway_busy_limit
    entered = [sum(gate.enter(scope, is_crowded=False) is not None for _ in range(limit)) for scope in scopes]
    # The one was there alone, the other has an equal part with one more besides.
    assert entered == [limit // 2, limit // 3]


def test_refusing_for_long_is_overload_though_nothing_is_late() -> None:
    process = Process()
    process.serve(4, come=1_000, answered=250, latency_beats=1)
    assert not process.shedding.is_strained
    process.serve(4, come=1_000, answered=250, latency_beats=1)
    assert process.shedding.is_strained


def test_a_look_at_the_bytes_is_worth_while_as_soon_as_anybody_could_be_refused() -> None:
    process = Process()
    assert len(process.enter(LIMIT // 2, *MANY)) == LIMIT // 2
    assert process.shedding.may_refuse
    assert not process.shedding.turns_away(MANY[0])
    tickets = process.enter(LIMIT // 2, FLOODER)
    assert len(tickets) == LIMIT // 4
    assert process.shedding.turns_away(FLOODER)
    process.answer(tickets)
    process.shedding.leave(process.enter(1)[0])


def test_it_ends_when_no_more_comes_than_is_answered() -> None:
    process = Process()
    process.strain()
    assert process.serve(30, come=50, answered=10, latency_beats=1) > 0
    assert process.serve(30, come=6, answered=6, latency_beats=1) == 0
    assert process.shedding.is_strained
    assert process.serve(100, come=6, answered=6, latency_beats=1) == 0
    assert process.shedding.window == LIMIT


def test_a_database_that_stands_still_does_not_prolong_it() -> None:
    """What waits for it is neither answered nor refused."""
    process = Process()
    process.strain()
    process.serve(40, come=6, answered=6, latency_beats=1)
    tickets = process.enter(60)
    process.wait(0.5)
    process.answer(tickets)
    assert not process.shedding.is_strained


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
    process.enter(150)
    for _ in range(4):
        tickets = process.enter(30)
        for _ in tickets[:20]:
            process.shedding.push_back()
        process.answer(tickets)
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
    process.strain()
    gateway = Gateway(SETTINGS, wire, shedding=process.shedding)
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
