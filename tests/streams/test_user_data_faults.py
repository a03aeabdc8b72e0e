"""User data while processes die: whoever resumes where the connection broke misses and repeats nothing."""

import asyncio
import contextlib
from collections.abc import Callable

import httpx
import pytest

from tests.api.trader import API_KEY_HEADER, Trader, encode
from tests.running import RunningSystem
from tests.streams.follower import cursor_of
from tests.streams.listener import Listener

PATIENCE_S = 120.0
SYMBOL = "ETHUSDT"


@pytest.mark.parametrize("victim", ["engine", "trading", "redis"])
async def test_what_was_committed_is_told_once(victim: str, start_system: Callable[..., RunningSystem]) -> None:
    system = await asyncio.to_thread(start_system)
    account = system.create_account({"USDT": "1000000"})
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        trader = Trader(http, account)
        listener = Listener(system.base_url, trader)
        listening = asyncio.create_task(listener.run())
        await asyncio.wait_for(listener.began.wait(), PATIENCE_S)
        for _ in range(2):
            placing = asyncio.create_task(asyncio.to_thread(place_many, trader))
            await asyncio.to_thread(system.kill_process, victim)
            await asyncio.to_thread(system.wait_ready)
            await placing
        await asyncio.to_thread(place_many, trader)
        orders = await asyncio.to_thread(trader.get, "allOrders", symbol=SYMBOL)
        expected = [order["orderId"] for order in orders]
        await asyncio.wait_for(listener.has_heard_of(len(expected)), PATIENCE_S)
        listening.cancel()
        await asyncio.wait((listening,))
        assert [event["i"] for event in listener.heard if "i" in event] == expected
        cursors = [cursor_of(event) for event in listener.heard]
        assert cursors == sorted(set(cursors))
        # The last balances are those of now.
        position = next(event for event in reversed(listener.heard) if event["e"] == "outboundAccountPosition")
        held = {row["a"]: (row["f"], row["l"]) for row in position["B"]}
        assert held == await asyncio.to_thread(trader.balances)


def place_many(trader: Trader) -> None:
    """Whatever becomes of each."""
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    for number in range(40):
        with contextlib.suppress(httpx.HTTPError):
            query = trader.signed(encode({**order, "price": str(1000 + number)}))
            trader.http.post(f"/api/v3/order?{query}", headers={API_KEY_HEADER: trader.api_key})
