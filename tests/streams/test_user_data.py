"""User data of the running exchange: what owners hear while orders live and die, against what REST says."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.running import RunningSystem
from tests.streams.api_socket import Json, error_of, open_socket
from tests.streams.follower import Follower, cursor_of, follow, following, resume_of, signer

SUBSCRIBE = "userDataStream.subscribe.signature"
SYMBOL = "ETHUSDT"


@pytest.fixture
def maker(new_trader: NewTrader) -> Trader:
    return new_trader(ETH="100", USDT="1000000")


@pytest.fixture
def taker(new_trader: NewTrader) -> Trader:
    return new_trader(ETH="100", USDT="1000000")


async def doing(act: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """A trader's call, without holding up the sockets meanwhile."""
    return await asyncio.to_thread(act, *arguments, **more)


def kinds(events: list[Json]) -> list[str]:
    """Types, of reports the execution type and status."""
    return [f"{event['x']}/{event['X']}" if event["e"] == "executionReport" else event["e"] for event in events]


async def settled(follower: Follower, system: RunningSystem, account_id: int) -> list[Json]:
    """Everything up to a deposit made now, but for what tells of that."""
    await doing(system.deposit, account_id, "BTC", "0.00000001")
    events = await follower.until(lambda event: event["e"] == "balanceUpdate")
    await follower.next()
    return events[:-1]


async def test_an_order_filled_in_parts_by_another_account(maker: Trader, taker: Trader, system: RunningSystem) -> None:
    async with following(system.base_url, maker) as mine, following(system.base_url, taker) as theirs:
        placed = await doing(maker.sell, "2", "3000", symbol=SYMBOL, newClientOrderId="offer")
        for quantity in ("0.5", "1.5"):
            await doing(taker.buy, quantity, "3000", symbol=SYMBOL)
        position = "outboundAccountPosition"
        events = await settled(mine, system, maker.account_id)
        assert kinds(events) == [
            *("NEW/NEW", position),
            *("TRADE/PARTIALLY_FILLED", position),
            *("TRADE/FILLED", position),
        ]
        reports = [event for event in events if event["e"] == "executionReport"]
        assert {event["c"] for event in reports} == {"offer"}
        assert {event["i"] for event in reports} == {placed["orderId"]}
        assert [(event["l"], event["z"], event["m"]) for event in reports] == [
            ("0.00000000", "0.00000000", False),
            ("0.50000000", "0.50000000", True),
            ("1.50000000", "2.00000000", True),
        ]
        other = await settled(theirs, system, taker.account_id)
        assert kinds(other) == ["NEW/NEW", "TRADE/FILLED", position] * 2
        assert {event["m"] for event in other if "m" in event} == {False}
        for trader, told in ((maker, reports), (taker, other)):
            trades = await doing(trader.get, "myTrades", symbol=SYMBOL)
            assert [(row["id"], row["commission"], row["commissionAsset"], row["isMaker"]) for row in trades] == [
                (event["t"], event["n"], event["N"], event["m"]) for event in told if event.get("x") == "TRADE"
            ]


LIVES: dict[str, tuple[Callable[[Trader, Trader], Any], list[str]]] = {
    "a market order that finds nothing more": (
        lambda ada, bob: (
            bob.sell("1", "3000", symbol=SYMBOL),
            ada.post("order", symbol=SYMBOL, side="BUY", type="MARKET", quantity="2"),
        ),
        ["NEW/NEW", "TRADE/PARTIALLY_FILLED", "EXPIRED/EXPIRED", "outboundAccountPosition"],
    ),
    "a cancel": (
        lambda ada, _bob: ada.delete("order", symbol=SYMBOL, orderId=ada.buy("1", "2000", symbol=SYMBOL)["orderId"]),
        ["NEW/NEW", "outboundAccountPosition", "CANCELED/CANCELED", "outboundAccountPosition"],
    ),
    "a replacement": (
        lambda ada, _bob: ada.post(
            "order/cancelReplace",
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="1",
            price="2001",
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=ada.buy("1", "2000", symbol=SYMBOL)["orderId"],
        ),
        ["NEW/NEW", "outboundAccountPosition", "CANCELED/CANCELED", "NEW/NEW", "outboundAccountPosition"],
    ),
    "an amendment": (
        lambda ada, _bob: ada.put(
            "order/amend/keepPriority",
            symbol=SYMBOL,
            orderId=ada.buy("1", "2000", symbol=SYMBOL)["orderId"],
            newQty="0.5",
        ),
        ["NEW/NEW", "outboundAccountPosition", "REPLACED/NEW", "outboundAccountPosition"],
    ),
    "immediate or cancel": (
        lambda ada, _bob: ada.buy("1", "2000", symbol=SYMBOL, timeInForce="IOC"),
        ["NEW/NEW", "EXPIRED/EXPIRED", "outboundAccountPosition"],
    ),
    "a stop": (
        lambda ada, bob: (
            trade(ada, bob, "3000"),
            ada.post("order", symbol=SYMBOL, side="SELL", type="STOP_LOSS", quantity="1", stopPrice="2900"),
            bob.buy("2", "2900", symbol=SYMBOL),
            ada.sell("1", "2900", symbol=SYMBOL),
        ),
        [
            *("NEW/NEW", "TRADE/FILLED", "outboundAccountPosition"),
            *("NEW/NEW", "outboundAccountPosition"),
            *("NEW/NEW", "TRADE/FILLED", "NEW/NEW", "TRADE/FILLED", "outboundAccountPosition"),
        ],
    ),
    "an OCO": (
        lambda ada, bob: (
            trade(ada, bob, "3000"),
            ada.post(
                "orderList/oco",
                symbol=SYMBOL,
                side="SELL",
                quantity="1",
                aboveType="LIMIT_MAKER",
                abovePrice="3100",
                belowType="STOP_LOSS",
                belowStopPrice="2900",
            ),
            bob.buy("1", "3100", symbol=SYMBOL),
        ),
        [
            *("NEW/NEW", "TRADE/FILLED", "outboundAccountPosition"),
            *("NEW/NEW", "NEW/NEW", "listStatus", "outboundAccountPosition"),
            *("TRADE/FILLED", "EXPIRED/EXPIRED", "listStatus", "outboundAccountPosition"),
        ],
    ),
    "a self-trade that is prevented": (
        lambda ada, _bob: (
            ada.sell("1", "3000", symbol=SYMBOL),
            ada.buy("1", "3000", symbol=SYMBOL, selfTradePreventionMode="EXPIRE_BOTH"),
        ),
        [
            *("NEW/NEW", "outboundAccountPosition", "NEW/NEW"),
            *("TRADE_PREVENTION/EXPIRED_IN_MATCH", "TRADE_PREVENTION/EXPIRED_IN_MATCH", "outboundAccountPosition"),
        ],
    ),
    "an iceberg": (
        lambda ada, bob: (
            ada.sell("2", "3000", symbol=SYMBOL, icebergQty="0.5"),
            bob.buy("1", "3000", symbol=SYMBOL),
        ),
        [
            *("NEW/NEW", "outboundAccountPosition"),
            *("TRADE/PARTIALLY_FILLED", "TRADE/PARTIALLY_FILLED", "outboundAccountPosition"),
        ],
    ),
}


def trade(ada: Trader, bob: Trader, price: str) -> Any:
    """Make this the last price."""
    bob.sell("1", price, symbol=SYMBOL)
    return ada.buy("1", price, symbol=SYMBOL)


@pytest.mark.parametrize("life", LIVES)
async def test_the_lives_of_orders(life: str, maker: Trader, taker: Trader, system: RunningSystem) -> None:
    act, expected = LIVES[life]
    async with following(system.base_url, taker) as follower:
        await doing(act, taker, maker)
        events = await settled(follower, system, taker.account_id)
    assert kinds(events) == expected
    await agrees(events, taker)


async def agrees(events: list[Json], trader: Trader) -> None:
    """The last word on each order and asset is what REST says."""
    orders: dict[int, Json] = {event["i"]: event for event in events if event["e"] == "executionReport"}
    for row in await doing(trader.get, "allOrders", symbol=SYMBOL):
        report = orders.pop(row["orderId"])
        told = [report[name] for name in ("X", "z", "Z", "q", "p", "P", "o", "f", "S", "V")]
        names = ("status", "executedQty", "cummulativeQuoteQty", "origQty", "price", "stopPrice", "type")
        assert told == [row[name] for name in (*names, "timeInForce", "side", "selfTradePreventionMode")]
        assert report["F"] == row["icebergQty"]
        assert report["O"] == row["time"]
        assert report["C" if report["x"] == "CANCELED" else "c"] == row["clientOrderId"]
        assert report.get("eR") == row.get("expiryReason")
        assert report.get("W", -1) == row["workingTime"]
        assert report["T"] == row["updateTime"]
    assert orders == {}
    balances: dict[str, tuple[str, str]] = {}
    for event in events:
        if event["e"] == "outboundAccountPosition":
            balances |= {row["a"]: (row["f"], row["l"]) for row in event["B"]}
    actual = await doing(trader.balances)
    assert balances.items() <= actual.items()


async def test_deposits_are_told(maker: Trader, system: RunningSystem) -> None:
    async with following(system.base_url, maker) as follower:
        await doing(system.deposit, maker.account_id, "BTC", "1.5")
        update, position = await follower.take(2)
    assert (update["e"], update["a"], update["d"]) == ("balanceUpdate", "BTC", "1.50000000")
    assert (position["e"], position["B"]) == (
        "outboundAccountPosition",
        [{"a": "BTC", "f": "1.50000000", "l": "0.00000000"}],
    )


async def test_everything_an_account_is_told_adds_up_to_what_rest_says(
    new_trader: NewTrader, system: RunningSystem
) -> None:
    """Three accounts do what they like, at once; each hears its own side of it and nothing else."""
    traders = [new_trader(ETH="100", USDT="1000000") for _ in range(3)]
    async with (
        following(system.base_url, traders[0]) as first,
        following(system.base_url, traders[1]) as second,
        following(system.base_url, traders[2]) as third,
    ):
        followers = [first, second, third]
        await asyncio.gather(*(doing(act_at_random, trader, seed) for seed, trader in enumerate(traders)))
        for trader in traders:
            await doing(trader.cancel_everything)
        for trader, follower in zip(traders, followers, strict=True):
            events = await settled(follower, system, trader.account_id)
            await agrees(events, trader)
            trades = await doing(trader.get, "myTrades", symbol=SYMBOL)
            told = {(event["t"], event["m"]) for event in events if event.get("x") == "TRADE"}
            assert told == {(row["id"], row["isMaker"]) for row in trades}
            assert told, "nothing was traded"
            cursors = [cursor_of(event) for event in events]
            assert cursors == sorted(set(cursors))
            executions = [event["I"] for event in events if "I" in event]
            assert len(set(executions)) == len(executions)


def act_at_random(trader: Trader, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        order = {"symbol": SYMBOL, "type": "MARKET", "quantity": f"0.{chance.randrange(1, 9)}"}
        price = str(3000 + chance.randrange(-3, 4))
        quantity = f"0.{chance.randrange(1, 9)}"
        match chance.randrange(6):
            case 0:
                # Which may be nothing, by then.
                trader.send("DELETE", "openOrders", {"symbol": SYMBOL})
            case 1:
                side = chance.choice(["BUY", "SELL"])
                trader.send("POST", "order", order | {"side": side})
            case 2:
                trader.send("POST", "order", limit("BUY", quantity, price) | {"timeInForce": "IOC"})
            case _:
                side = chance.choice(["BUY", "SELL"])
                trader.send("POST", "order", limit(side, quantity, price))


def limit(side: str, quantity: str, price: str) -> dict[str, str]:
    order = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return {**order, "quantity": quantity, "price": price}


async def test_one_is_told_before_or_after_the_acknowledgement_but_always_of_what_was_acknowledged(
    maker: Trader, system: RunningSystem
) -> None:
    async with following(system.base_url, maker) as follower:
        for number in range(20):
            placed = await doing(maker.buy, "0.1", str(1000 + number), symbol=SYMBOL)
            report, position = await follower.take(2)
            assert report["i"] == placed["orderId"]
            assert report["T"] == placed["transactTime"]
            held = {row["a"]: (row["f"], row["l"]) for row in position["B"]}
            assert held.items() <= (await doing(maker.balances)).items()


async def test_microseconds(maker: Trader, system: RunningSystem) -> None:
    async with following(system.base_url, maker, "?timeUnit=MICROSECOND") as follower:
        placed = await doing(maker.buy, "0.1", "1000", symbol=SYMBOL)
        report, position = await follower.take(2)
    assert report["T"] // 1000 == placed["transactTime"]
    assert report["E"] == report["O"] == report["W"] == position["E"] == position["u"]


async def test_several_accounts_on_one_connection(maker: Trader, taker: Trader, system: RunningSystem) -> None:
    async with open_socket(system.base_url) as socket:
        first = await follow(socket, maker)
        second = await follow(socket, taker)
        assert (first.number, second.number) == (0, 1)
        assert error_of(await socket.ask(SUBSCRIBE, signer(maker)())) == (
            400,
            -2035,
            "User Data Stream subscription already active.",
        )
        assert await socket.call("session.subscriptions") == [{"subscriptionId": 0}, {"subscriptionId": 1}]
        await doing(taker.buy, "0.1", "1000", symbol=SYMBOL)
        frames = [await socket.next_pushed() for _ in range(2)]
        assert {frame["subscriptionId"] for frame in frames} == {1}
        assert await socket.call("userDataStream.unsubscribe", subscriptionId=1) == {}
        frame = await socket.next_pushed()
        assert (frame["subscriptionId"], frame["event"]["e"]) == (1, "eventStreamTerminated")
        assert set(frame["event"]) == {"e", "E"}
        assert error_of(await socket.ask("userDataStream.unsubscribe", {"subscriptionId": 1})) == (
            400,
            -2036,
            "User Data Stream subscription not active.",
        )
        await doing(taker.buy, "0.1", "1000", symbol=SYMBOL)
        await doing(maker.buy, "0.1", "1000", symbol=SYMBOL)
        assert (await socket.next_pushed())["subscriptionId"] == 0
        # A number is not used again, an account may be followed again.
        assert (await follow(socket, taker)).number == 2
        assert await socket.call("userDataStream.unsubscribe") == {}
        assert await socket.call("session.subscriptions") == []


async def test_the_reply_comes_before_the_first_event(maker: Trader, system: RunningSystem) -> None:
    """Even while events rush by, and while past ones wait to be told."""
    stop = asyncio.Event()

    async def rush() -> None:
        while not stop.is_set():
            await doing(maker.delete, "order", symbol=SYMBOL, orderId=(await doing(quick, maker))["orderId"])

    async with following(system.base_url, maker) as before:
        rushing = asyncio.create_task(rush())
        (first,) = await before.take(1)
        for number in range(10):
            resume = {"resume": resume_of(first)} if number % 2 else {}
            async with open_socket(system.base_url) as socket:
                follower = await follow(socket, maker, **resume)
                assert socket.received[0]["result"]["subscriptionId"] == 0
                event = await follower.next()
                assert cursor_of(event) > cursor_of(first)
        stop.set()
        await rushing


def quick(trader: Trader) -> Any:
    return trader.buy("0.1", "1000", symbol=SYMBOL)
