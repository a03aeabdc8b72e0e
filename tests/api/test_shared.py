"""A shared answer is never older than the question."""

import asyncio

import pytest

from services.trading.shared import Shared, SharedTrips


class Source:
    """A value that changes, and questions about it that end when told to."""

    def __init__(self) -> None:
        self.value = 0
        self.asked = 0
        self.error: Exception | None = None
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def ask(self) -> int:
        self.asked += 1
        seen = self.value
        self.started.set()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return seen


async def test_a_lone_caller_is_answered_at_once() -> None:
    source = Source()
    source.go_on.set()
    shared = Shared(source.ask)
    assert [await shared.get(), await shared.get()] == [0, 0]
    assert source.asked == 2


async def test_who_comes_while_an_answer_is_under_way_shares_the_next() -> None:
    source = Source()
    shared = Shared(source.ask)
    first = asyncio.create_task(shared.get())
    await source.started.wait()
    source.value = 1
    later = [asyncio.create_task(shared.get()) for _ in range(100)]
    await asyncio.sleep(0)
    source.go_on.set()
    assert await first == 0
    assert await asyncio.gather(*later) == [1] * 100
    assert source.asked == 2


async def test_a_failure_is_that_of_all_who_share_it_and_of_nobody_else() -> None:
    source = Source()
    shared = Shared(source.ask)
    first = asyncio.create_task(shared.get())
    await source.started.wait()
    source.error = ValueError("no answer")
    source.go_on.set()
    with pytest.raises(ValueError, match="no answer"):
        await first
    source.error = None
    assert await shared.get() == 0


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    source = Source()
    shared = Shared(source.ask)
    leaving, staying = (asyncio.create_task(shared.get()) for _ in range(2))
    await source.started.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    source.go_on.set()
    assert await staying == 0
    assert source.asked == 1


class Directory:
    """Answers by key, slowly."""

    def __init__(self) -> None:
        self.trips: list[list[str]] = []
        self.version = 0
        self.error: Exception | None = None
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def fetch(self, keys: list[str]) -> list[str]:
        self.trips.append(keys)
        seen = self.version
        self.started.set()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return [f"{key}{seen}" for key in keys]


async def test_keys_asked_for_meanwhile_go_together_and_are_not_answered_with_the_past() -> None:
    directory = Directory()
    shared = SharedTrips(directory.fetch, 3)
    first = asyncio.create_task(shared.get("a"))
    await directory.started.wait()
    directory.version = 1
    later = [asyncio.create_task(shared.get(key)) for key in "abacdb"]
    await asyncio.sleep(0)
    directory.go_on.set()
    assert await first == "a0"
    assert await asyncio.gather(*later) == ["a1", "b1", "a1", "c1", "d1", "b1"]
    assert directory.trips == [["a"], ["a", "b", "c"], ["d"]]


async def test_a_failed_trip_fails_those_on_it_and_the_next_one_goes() -> None:
    directory = Directory()
    shared = SharedTrips(directory.fetch, 1)
    on_it, next_one = (asyncio.create_task(shared.get(key)) for key in "ab")
    await directory.started.wait()
    directory.error = ValueError("no answer")
    directory.go_on.set()
    for asked in (on_it, next_one):
        with pytest.raises(ValueError, match="no answer"):
            await asked
    directory.error = None
    assert await shared.get("a") == "a0"


async def test_one_who_leaves_a_trip_takes_nothing_from_the_others() -> None:
    directory = Directory()
    shared = SharedTrips(directory.fetch, 8)
    leaving, staying = (asyncio.create_task(shared.get("a")) for _ in range(2))
    await directory.started.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    directory.go_on.set()
    assert await staying == "a0"
