"""How long reads of the past take over HTTP, one after the other, at places drawn from all of the history there is."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from loadtests.conditions import GENERATOR, CpuMeter
from loadtests.connection import Connection, connect
from loadtests.grown import HISTORY_ROWS_MAX, MARKET, History
from loadtests.latencies import percentile
from loadtests.traffic import Party
from loadtests.venue import HOST, Trader, Venue, VenueFailed

READS: Final = 100
READ_TIMEOUT_S: Final = 30.0


async def read_latencies(
    venue: Venue, traders: list[Trader], history: History, seed: int
) -> dict[str, dict[str, float]]:
    """By kind of question: milliseconds, median and 90th percentile, and the exchange's processor time for each."""
    chance = random.Random(seed)
    parties = [Party(trader) for trader in traders]
    (connection,) = await connect(HOST, venue.port, 1)
    figures = {}
    for name, target in _questions(history, chance).items():
        meter = CpuMeter(venue.roots)
        latencies_us = sorted([await _timed(connection, parties, chance, target()) for _ in range(READS)])
        noise = meter.stop()
        used_s = noise.seconds * sum(cores for process, cores in noise.cores.items() if process != GENERATOR)
        figures[name] = {
            "cpu_us": round(used_s / READS * 1_000_000, 1),
            "p50_ms": percentile(latencies_us, 0.5) / 1000,
            "p90_ms": percentile(latencies_us, 0.9) / 1000,
        }
    connection.close()
    return figures


def _questions(history: History, chance: random.Random) -> dict[str, Callable[[], str]]:
    def trade_id() -> int:
        return chance.randint(history.first_trade_id, HISTORY_ROWS_MAX)

    def time_ms() -> int:
        return history.time_us(trade_id()) // 1000

    def day() -> str:
        start_ms = time_ms()
        return f"&startTime={start_ms}&endTime={start_ms + 86_400_000}"

    return {
        "own orders, newest": lambda: "allOrders?limit=100",
        "own orders of a day": lambda: f"allOrders?limit=100{day()}",
        "own orders from an id": lambda: f"allOrders?limit=100&orderId={2 * trade_id()}",
        "own trades, newest": lambda: "myTrades?limit=100",
        "own trades of a day": lambda: f"myTrades?limit=100{day()}",
        "own trades from an id": lambda: f"myTrades?limit=100&fromId={trade_id()}",
        "own trades of an order": lambda: f"myTrades?orderId={2 * trade_id()}",
        "an order by an old name": lambda: f"order?origClientOrderId=h{2 * trade_id()}",
        "trades from an id": lambda: f"historicalTrades?limit=100&fromId={trade_id()}",
        "aggregates from an id": lambda: f"aggTrades?limit=100&fromId={trade_id()}",
        "aggregates from a time": lambda: f"aggTrades?limit=100&startTime={time_ms()}",
    }


async def _timed(connection: Connection, parties: list[Party], chance: random.Random, target: str) -> int:
    path, _, query = target.partition("?")
    is_public = path in ("historicalTrades", "aggTrades")
    payload = f"symbol={MARKET}&{query}{'' if is_public else '&recvWindow=30000&'}".encode()
    party = chance.choice(parties)
    if is_public:
        content = f"GET /api/v3/{path}?{payload.decode()} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        content = content.replace(b"Host:", b"X-MBX-APIKEY: " + party.api_key + b"\r\nHost:")
    else:
        content = party.without_body(b"GET", f"/api/v3/{path}".encode(), payload)
    answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    started_s = time.perf_counter()
    connection.send(content, lambda status, body: answer.set_result((status, body)))
    async with asyncio.timeout(READ_TIMEOUT_S):
        status, body = await answer
    latency_us = int((time.perf_counter() - started_s) * 1_000_000)
    # An order that is somebody else's is not found, which takes as long.
    if status != 200 and b'"code":-2013,' not in body:
        raise VenueFailed(f"{target}: {status} {body[:200]!r}")
    return latency_us
