"""A client that does not read while its past is told: it is waited for, costs little, and holds up nobody."""

import asyncio
import json
import socket as sockets
from pathlib import Path

from websockets.asyncio.client import connect

from tests.api.conftest import NewTrader
from tests.api.trader import Trader
from tests.running import RunningSystem
from tests.streams.api_socket import PATH, TIMEOUT_S
from tests.streams.follower import following, signer
from tests.streams.trading_process import trading_process

BUFFER_BYTES = 16 * 1024
ORDERS = 600


async def test_the_past_waits_for_its_reader(new_trader: NewTrader, system: RunningSystem, tmp_path: Path) -> None:
    trader = new_trader(USDT="1000000")
    settings = {"CROSSBOOK_SOCKET_BUFFER_BYTES": str(BUFFER_BYTES)}
    with trading_process(system, tmp_path / "out", settings) as base_url:
        async with following(base_url, trader) as other:
            start = str(other.result["journalSequence"])
            await asyncio.to_thread(place_and_cancel, trader, ORDERS)
            expected = await other.take(4 * ORDERS)
            host, port = base_url.removeprefix("http://").split(":")
            small = sockets.socket()
            small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            small.connect((host, int(port)))
            async with connect(f"ws://{host}:{port}{PATH}", sock=small, max_queue=1, proxy=None) as slow:
                parameters = signer(trader)(resume=start)
                request = {"id": 1, "method": "userDataStream.subscribe.signature", "params": parameters}
                await slow.send(json.dumps(request))
                assert json.loads(await slow.recv())["status"] == 200
                # It reads no further. What happens now waits behind the past, and reaches others at once.
                await asyncio.to_thread(place_and_cancel, trader, 5)
                expected += await other.take(20)
                told = [json.loads(await asyncio.wait_for(slow.recv(), TIMEOUT_S)) for _ in expected]
                assert [frame["event"] for frame in told] == expected
                # It has caught up.
                await asyncio.to_thread(place_and_cancel, trader, 1)
                live = [json.loads(await asyncio.wait_for(slow.recv(), TIMEOUT_S))["event"] for _ in range(4)]
                assert live == await other.take(4)


def place_and_cancel(trader: Trader, count: int) -> None:
    for _ in range(count):
        order = trader.buy("0.01", "1000", symbol="ETHUSDT")
        trader.delete("order", symbol="ETHUSDT", orderId=order["orderId"])
