"""Going on where one stopped: whatever connections break and whichever process is asked, each event comes once."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.running import RunningSystem, free_port
from tests.streams.api_socket import Json, error_of, open_socket
from tests.streams.follower import Follower, cursor_of, following, resume_of, signer
from tests.streams.trading_process import trading_process

SYMBOL = "ETHUSDT"
SUBSCRIBE = "userDataStream.subscribe.signature"
NOT_VALID = (400, -1130, "Data sent for parameter 'resume' is not valid.")


@pytest.fixture
def trader(new_trader: NewTrader) -> Trader:
    return new_trader(ETH="100", USDT="1000000")


@pytest.fixture(scope="module")
def second(system: RunningSystem, session_directory: Path) -> Iterator[str]:
    """The address of another trading process."""
    with trading_process(system, session_directory / "second-resume.out") as base_url:
        yield base_url


async def place(trader: Trader, price: str = "1000") -> int:
    order = await asyncio.to_thread(trader.buy, "0.01", price, symbol=SYMBOL)
    order_id: int = order["orderId"]
    return order_id


async def marked(follower: Follower, system: RunningSystem, account_id: int) -> list[Json]:
    """All events up to a deposit made now."""
    await asyncio.to_thread(system.deposit, account_id, "BTC", "1")
    return await follower.until(lambda event: event["e"] == "balanceUpdate")


async def test_each_event_comes_once_over_many_broken_connections_to_two_processes(
    trader: Trader, new_trader: NewTrader, system: RunningSystem, second: str
) -> None:
    """Under load from both sides of the market, against a follower who is never disconnected."""
    other = new_trader(ETH="100", USDT="1000000")
    stop = asyncio.Event()

    async def load(who: Trader, seed: int) -> None:
        chance = random.Random(seed)
        while not stop.is_set():
            order = {"symbol": SYMBOL, "side": chance.choice(["BUY", "SELL"]), "type": "LIMIT", "timeInForce": "GTC"}
            order |= {"quantity": f"0.0{chance.randrange(1, 9)}", "price": str(2000 + chance.randrange(5))}
            await asyncio.to_thread(who.send, "POST", "order", order)
            if chance.randrange(10) == 0:
                await asyncio.to_thread(who.send, "DELETE", "openOrders", {"symbol": SYMBOL})

    chance = random.Random(1)
    heard: list[Json] = []
    async with following(system.base_url, trader) as control:
        resume = str(control.result["journalSequence"])
        loads = [asyncio.create_task(load(who, seed)) for seed, who in enumerate((trader, trader, other))]
        for round_number in range(40):
            base_url = (system.base_url, second)[round_number % 2]
            async with following(base_url, trader, resume=resume) as follower:
                assert "journalSequence" not in follower.result
                heard += await follower.take(chance.randrange(1, 15))
                # No goodbye: what was under way is lost.
                follower.socket.connection.transport.abort()
            resume = resume_of(heard[-1])
        stop.set()
        await asyncio.gather(*loads)
        await asyncio.to_thread(trader.cancel_everything)
        expected = await marked(control, system, trader.account_id)
        async with following(second, trader, resume=resume) as follower:
            heard += await follower.until(lambda event: event["e"] == "balanceUpdate")
    assert len(heard) > 100
    assert [cursor_of(event) for event in heard] == [cursor_of(event) for event in expected]
    assert heard == expected


async def test_the_past_the_meanwhile_and_the_future(trader: Trader, system: RunningSystem) -> None:
    """Far more past than one page, read while more happens."""
    async with following(system.base_url, trader) as control:
        start = str(control.result["journalSequence"])
        await asyncio.gather(*(place(trader, str(1000 + number % 90)) for number in range(150)))
        placing = asyncio.gather(*(place(trader) for _ in range(30)))
        followers = [following(system.base_url, trader, resume=start) for _ in range(4)]
        opened = [await follower.__aenter__() for follower in followers]
        await placing
        expected = await marked(control, system, trader.account_id)
        for follower in opened:
            assert await follower.until(lambda event: event["e"] == "balanceUpdate") == expected
        for context in followers:
            await context.__aexit__(None, None, None)
    assert len(expected) >= 361


async def test_from_within_an_entry_and_from_its_end(trader: Trader, system: RunningSystem) -> None:
    async with following(system.base_url, trader) as follower:
        await place(trader)
        report, position = await follower.take(2)
        await place(trader)
        later = await follower.take(2)
    sequence = report["journalSequence"]
    for resume, expected in (
        (f"{sequence}-0", [position, *later]),
        (f"{sequence}-1", later),
        (str(sequence), later),
        (str(sequence - 1), [report, position, *later]),
        (f"{sequence - 1}-999999999", [report, position, *later]),
    ):
        async with following(system.base_url, trader, resume=resume) as again:
            assert await again.take(len(expected)) == expected


async def test_events_of_others_are_not_among_the_past(
    trader: Trader, new_trader: NewTrader, system: RunningSystem
) -> None:
    """Whose account number may be a part of theirs, as far as bytes go."""
    others = [new_trader(USDT="100000") for _ in range(3)]
    async with following(system.base_url, trader) as control:
        start = str(control.result["journalSequence"])
        await asyncio.gather(*(place(who) for who in (*others, trader, *others)))
        mine = await marked(control, system, trader.account_id)
        async with following(system.base_url, trader, resume=start) as follower:
            assert await follower.until(lambda event: event["e"] == "balanceUpdate") == mine
    assert [event["e"] for event in mine] == ["executionReport", "outboundAccountPosition", "balanceUpdate"]


@pytest.mark.parametrize("resume", ["x", "-1", "1-", "99999999999999", "1.5", "1-1-1"])
async def test_what_cannot_be_resumed_from(resume: str, trader: Trader, system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        assert error_of(await socket.ask(SUBSCRIBE, signer(trader)(resume=resume))) == NOT_VALID
        # It is no subscription, so the account is free for one.
        assert (await socket.call(SUBSCRIBE, **signer(trader)()))["subscriptionId"] == 1


async def test_how_far_back(trader: Trader, system: RunningSystem, tmp_path: Path) -> None:
    limit = {"CROSSBOOK_RESUME_LIMIT": "2"}
    with trading_process(system, tmp_path / "out", limit) as base_url:
        async with following(base_url, trader) as follower:
            for number in range(4):
                await place(trader, str(1000 + number))
            events = await follower.take(8)
            sequences = [event["journalSequence"] for event in events if event["e"] == "executionReport"]
            async with open_socket(base_url) as socket:
                refused = await socket.ask(SUBSCRIBE, signer(trader)(resume=str(sequences[-1] - 3)))
                assert error_of(refused) == (
                    400,
                    -1130,
                    "Data sent for parameter 'resume' is not valid: too much has happened since to resume from there.",
                )
            async with following(base_url, trader, resume=str(sequences[-1] - 2)) as again:
                assert (await again.next())["journalSequence"] > sequences[-1] - 2


async def test_events_come_without_redis_too(trader: Trader, system: RunningSystem, tmp_path: Path) -> None:
    nowhere = {"CROSSBOOK_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with trading_process(system, tmp_path / "out", nowhere) as base_url:
        async with following(base_url, trader) as follower:
            order_ids = [await place(trader) for _ in range(3)]
            events = await follower.take(6)
    assert [event["i"] for event in events if "i" in event] == order_ids


async def test_a_process_that_is_behind_repeats_nothing(trader: Trader, system: RunningSystem, tmp_path: Path) -> None:
    """Without Redis it asks the journal once a second, so the client is ahead of it nearly every time."""
    nowhere = {"CROSSBOOK_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with trading_process(system, tmp_path / "out", nowhere) as base_url:
        async with following(system.base_url, trader) as ahead:
            for _ in range(4):
                await place(trader)
                report, position = await ahead.take(2)
                async with (
                    following(base_url, trader, resume=resume_of(report)) as within,
                    following(base_url, trader, resume=resume_of(position)) as after,
                ):
                    await place(trader)
                    later = await ahead.take(2)
                    assert await within.take(3) == [position, *later]
                    assert await after.take(2) == later


async def test_a_redis_that_is_emptied_and_a_stream_that_stammers(trader: Trader, system: RunningSystem) -> None:
    async with following(system.base_url, trader) as follower:
        order_ids = []
        for number in range(30):
            order_ids.append(await place(trader))
            if number % 10 == 5:
                with Redis.from_url(system.redis_url) as redis:
                    redis.flushall()
        events = await marked(follower, system, trader.account_id)
    assert [event["i"] for event in events if "i" in event] == order_ids


async def test_the_reply_says_where_to_begin(trader: Trader, system: RunningSystem) -> None:
    async with following(system.base_url, trader) as follower:
        start = follower.result["journalSequence"]
    order_id = await place(trader)
    async with following(system.base_url, trader, resume=str(start)) as follower:
        assert (await follower.next())["i"] == order_id
