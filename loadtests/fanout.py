"""Fan-out: what streams cost, to those who listen and to those who trade.

First thousands of subscribers to the trades of one busy market, at growing order rates: latency from the engine's batch
to every receipt, messages a second, processor time per delivered message. Then the open loop with and without
subscribers to everything a trading screen shows.
"""

from typing import Any, Final

import msgspec

from loadtests.latencies import Summary, summarize_counts
from loadtests.public import SEED, Bench, best, outline, p99_ms
from loadtests.subscribers import Subscribers
from loadtests.traffic import Traffic

ONE_MARKET: Final = "/ws/btcusdt@trade"
SCREENS: Final = "/stream?streams=" + "/".join(
    f"{symbol}@{stream}"
    for symbol in ("btcusdt", "ethusdt")
    for stream in ("depth@100ms", "trade", "bookTicker", "kline_1m", "ticker")
)


class FanOut(msgspec.Struct, frozen=True):
    """One order rate. ``cpu_us_per_message`` is the trading process's time, order entry included."""

    subscribers: int
    orders_per_s: float
    messages_per_s: float
    mib_per_s: float
    lost: int
    latency: Summary | None
    cpu_us_per_message: float | None
    orders: dict[str, Any]
    cores: dict[str, float]
    foreign_cores: float


async def measure(
    bench: Bench, subscribers: int, rates: tuple[float, ...], screens: int, rate: float, seconds: float, tries: int
) -> dict[str, Any]:
    with Subscribers(bench.port, ONE_MARKET, subscribers) as listening:
        steps = [await _step(bench, listening, subscribers, orders_per_s, seconds) for orders_per_s in rates]
    quiet = [await bench.open_loop(_mixed, rate, seconds, SEED + number) for number in range(tries)]
    with Subscribers(bench.port, SCREENS, screens) as listening:
        watched = [
            await bench.open_loop(_mixed, rate, seconds, SEED + number, {"subscribers": listening.pid})
            for number in range(tries)
        ]
        heard = listening.heard()
    return {
        "one_market": steps,
        "screens": screens,
        "without_streams": best(quiet, p99_ms),
        "with_streams": best(watched, p99_ms),
        "messages_heard": heard.messages,
        "lost": heard.lost,
        "others": [outline(run) for run in (*quiet, *watched)],
    }


async def _step(bench: Bench, listening: Subscribers, subscribers: int, orders_per_s: float, seconds: float) -> FanOut:
    run = await bench.open_loop(
        lambda traffic: traffic.placing, orders_per_s, seconds, SEED, {"subscribers": listening.pid}, listening.heard
    )
    heard = listening.heard()
    return FanOut(
        subscribers=subscribers,
        orders_per_s=orders_per_s,
        messages_per_s=round(heard.messages / seconds, 1),
        mib_per_s=round(heard.bytes / seconds / 2**20, 2),
        lost=heard.lost,
        latency=summarize_counts(heard.latencies_us),
        cpu_us_per_message=(
            round(run.noise.cores["trading"] * run.noise.seconds / heard.messages * 1_000_000, 2)
            if heard.messages
            else None
        ),
        orders=outline(run),
        cores=run.noise.cores,
        foreign_cores=run.noise.foreign_cores,
    )


def _mixed(traffic: Traffic) -> Any:
    return traffic.mixed
