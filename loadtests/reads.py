"""``python -m loadtests.reads``: what the reads of present state cost, and what a cache in Redis could save of it.

``built`` is the route's own handler. Against it stand, with the same answers: a statement for each read instead of
shared ones, exchangeInfo rendered each time, and caches in Redis that hold rendered answers: a ``GET`` for each read,
many reads sharing one ``MGET`` (as rate limits share their trips), and the latter with the journal's head, which would
prove an entry current. Only the work behind HTTP is measured, in this process, with the trading service's own lifespan;
signature, parameters and HTTP are the same for all ways.

Cost is processor time: this process's, the database's and Redis's. The ways take turns in short blocks, because the
machine is shared; wall time would mostly tell who else was running. The caches are all hits and nobody writes, which
flatters them; what writing to them costs is measured besides.
"""

import asyncio
import dataclasses
import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import psutil
import typer
import uvloop
from redis.asyncio import Redis

from loadtests import results
from loadtests.conditions import Environment, database_version, describe
from loadtests.venue import Trader, Venue, running_exchange, scratch_directory
from services.domain.orders import Side
from services.engine.settings import PACKAGED_MARKETS_FILE
from services.infra import redis
from services.local.embedded import EmbeddedPostgres
from services.local.internal import InternalClient
from services.local.processes import DATABASE
from services.trading import present, queries
from services.trading.app import create_app
from services.trading.endpoint import Call, Services
from services.trading.parameters import validate
from services.trading.present import AccountState, OrderKey, Present
from services.trading.routes import account, general, orders
from services.trading.settings import TradingSettings
from services.trading.shared import SharedTrips
from services.trading.symbol_rules import exchange_filters, exchange_symbol

CONCURRENCY: Final = 16
OPEN_ORDERS: Final = 20
CLOSED_ORDERS: Final = 500
TTL_S: Final = 45
SYMBOL: Final = "BTCUSDT"

Read = Callable[[], Awaitable[Any]]


@dataclass
class Cost:
    """Processor seconds and wall seconds of so many calls."""

    calls: int = 0
    processor_s: dict[str, float] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        used = {f"{name}_us": round(seconds / self.calls * 1e6, 1) for name, seconds in self.processor_s.items()}
        total = round(sum(self.processor_s.values()) / self.calls * 1e6, 1)
        return {**used, "all_us": total, "wall_p50_us": round(statistics.median(self.latencies_s) * 1e6, 1)}


class Meter:
    """Processor time by process: this one, PostgreSQL's for this pool (with those that ended), Redis."""

    def __init__(self, venue: Venue) -> None:
        self._postgres = psutil.Process(venue.state.process("postgres").pid)
        self._redis = psutil.Process(venue.state.process("redis").pid)

    def used_s(self) -> dict[str, float]:
        backends = [self._postgres, *self._postgres.children()]
        return {
            "trading": time.process_time(),
            "postgres": sum(_processor_s(backend.pid) for backend in backends),
            "redis": _processor_s(self._redis.pid),
        }


def _processor_s(pid: int) -> float:
    """To the nanosecond: ``cpu_times`` counts in hundredths of a second."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        return 0.0


class Alone(Present):
    """Reads by key with a statement for each, as if nobody else asked."""

    async def order(self, order_id: int, account_id: int, symbol: str) -> Any:
        key = OrderKey(order_id, account_id, symbol)
        return (await self._read_orders(present.ORDERS_BY_ID, [key], order_id, order_id))[0]

    async def account(self, account_id: int) -> AccountState:
        return (await self._read_accounts([account_id]))[0]


class Bench:
    """The questions of one account each, as many accounts as there are concurrent readers, answered every way."""

    def __init__(self, services: Services, client: Redis, calls: list[Call], order_ids: list[int]) -> None:
        self._services = services
        self._redis = client
        self._trips: SharedTrips[str, bytes | None] = SharedTrips(self._read_entries, CONCURRENCY)
        self._calls = calls
        alone = dataclasses.replace(services, present=Alone(services.pool))
        self._calls_alone = [dataclasses.replace(call, services=alone) for call in calls]
        self._order_ids = order_ids

    def questions(self) -> dict[str, dict[str, list[Read]]]:
        """By name, and by who asks the database: one for each account."""
        by_symbol = partial(_of, symbol=SYMBOL)
        handlers: dict[str, tuple[Any, Callable[[int], Any]]] = {
            "order": (orders.query_order, lambda i: by_symbol(orders.OneOrderParameters, orderId=self._order_ids[i])),
            "openOrders": (orders.open_orders, lambda _: by_symbol(orders.OptionalSymbolParameters)),
            "account": (account.account, lambda _: _of(account.AccountParameters)),
            "exchangeInfo": (general.exchange_info, lambda _: _of(general.ExchangeInfoParameters)),
            "allOrders_500": (orders.all_orders, lambda _: by_symbol(orders.AllOrdersParameters)),
        }
        found = {}
        for name, (handler, parameters) in handlers.items():
            found[name] = {"built": [_asker(handler, call, parameters(i)) for i, call in enumerate(self._calls)]}
            if name in ("order", "account"):
                alone = [_asker(handler, call, parameters(i)) for i, call in enumerate(self._calls_alone)]
                found[name]["statement_each"] = alone
            if name == "exchangeInfo":
                found[name]["rendered_each"] = [self._render_all for _ in self._calls]
        return found

    async def _render_all(self) -> bytes:
        """exchangeInfo without anything kept but the parsed markets."""
        venue = await queries.venue(self._services.pool)
        markets = (await self._services.markets.all()).values()
        symbols = [exchange_symbol(market) for market in markets]
        return _encode({"timezone": "UTC", "exchangeFilters": exchange_filters(venue), "symbols": symbols})

    async def cached(self, name: str, questions: list[Read]) -> dict[str, list[Read]]:
        keys = [f"reads:{name}:{i}" for i in range(len(questions))]
        for key, question in zip(keys, questions, strict=True):
            await self._redis.set(key, await question() or b"", ex=TTL_S * 100)
        return {
            "redis_get": [partial(self._redis.get, key) for key in keys],
            "redis_shared": [partial(self._trips.get, key) for key in keys],
            "redis_shared_proven": [partial(self._proven, key) for key in keys],
        }

    def besides(self) -> dict[str, list[Read]]:
        """What a settled order would write to a cache (itself; its account's other answers dropped), and the head."""
        return {
            "cache_write": [partial(self._write, i) for i in range(len(self._calls))],
            "head": [self._services.history.head for _ in self._calls],
        }

    async def _write(self, i: int) -> None:
        async with self._redis.pipeline(transaction=False) as trip:
            trip.set(f"reads:w{i}:order", b"x" * 500, ex=TTL_S)
            trip.delete(f"reads:w{i}:openOrders", f"reads:w{i}:account")
            await trip.execute()

    async def _read_entries(self, keys: list[str]) -> list[Any]:
        return await self._redis.mget(keys)

    async def _proven(self, key: str) -> bytes | None:
        await self._services.history.head()
        return await self._trips.get(key)


def _encode(answer: object) -> bytes:
    return msgspec.json.encode(answer)


def _of(model: Any, **parameters: object) -> Any:
    return validate(model, {name: str(value) for name, value in parameters.items()})


def _asker(handler: Any, call: Call, parameters: Any) -> Read:
    async def ask() -> bytes:
        return _encode(await handler(call, parameters))

    return ask


async def _measure(meter: Meter, ways: dict[str, list[Read]], rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Blocks of every way in turn, each read by ``CONCURRENCY`` readers at once."""
    costs = {name: Cost() for name in ways}
    for turn in range(rounds + 1):
        for name, questions in ways.items():
            before = meter.used_s()
            latencies = await asyncio.gather(*(_reader(question, calls) for question in questions))
            after = meter.used_s()
            # The first turn prepares statements and opens connections.
            if turn:
                cost = costs[name]
                cost.calls += calls * len(questions)
                cost.latencies_s += [one for some in latencies for one in some]
                for process, used_s in after.items():
                    cost.processor_s[process] = cost.processor_s.get(process, 0.0) + used_s - before[process]
    return {name: cost.figures() for name, cost in costs.items()}


async def _reader(question: Read, calls: int) -> list[float]:
    latencies = []
    for _ in range(calls):
        started = time.perf_counter()
        await question()
        latencies.append(time.perf_counter() - started)
    return latencies


async def _run(
    venue: Venue, traders: list[tuple[int, Trader]], rounds: int, calls: int, only: list[str]
) -> dict[str, Any]:
    settings = TradingSettings.model_validate(
        {
            "port": 1,
            "database_url": EmbeddedPostgres(venue.directory.postgres).url(DATABASE, "crossbook_trading"),
            "redis_url": venue.state.redis_url,
            "internal_token": venue.directory.secrets().internal_token,
            "engine_urls": tuple(venue.state.engine_urls),
            "auth_url": venue.state.auth_url,
        }
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        calls_of = [Call(services, account_id, 1000, time.time_ns() // 1000) for account_id, _ in traders]
        order_ids = [await _fill(call) for call in calls_of]
        client = redis.connect(venue.state.redis_url)
        bench, meter = Bench(services, client, calls_of, order_ids), Meter(venue)
        figures = {
            name: await _measure(meter, ways | await bench.cached(name, ways["built"]), rounds, calls)
            for name, ways in bench.questions().items()
            if name in only or not only
        }
        figures["besides"] = await _measure(meter, bench.besides(), rounds, calls)
        await client.aclose()
    return {"database": await database_version(venue.state.database_url), **figures}


async def _fill(call: Call) -> int:
    """Open orders and closed ones; return one of the open ones."""
    order = {"symbol": SYMBOL, "side": Side.BUY.value, "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}
    placed = await asyncio.gather(*(_place(call, order | {"price": f"{60_000 + i}"}) for i in range(OPEN_ORDERS)))
    await asyncio.gather(
        *(_place(call, order | {"price": "60000", "timeInForce": "IOC"}) for _ in range(CLOSED_ORDERS - OPEN_ORDERS))
    )
    return int(placed[0]["orderId"])


async def _place(call: Call, parameters: dict[str, str]) -> dict[str, Any]:
    return await orders.place_order(call, validate(orders.OrderParameters, parameters))


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often the ways take turns.")] = 15,
    calls: Annotated[int, typer.Option(min=1, help="Reads of each reader in a turn.")] = 40,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this question; may be repeated.")] = None,
    markets: Annotated[int, typer.Option(min=1, max=10_000, help="How many markets are listed.")] = 3,
    directory: Annotated[Path | None, typer.Option("--results", help="Where the result goes.")] = None,
) -> None:
    with scratch_directory() as scratch:
        environment = describe(scratch)
        if markets > 3:
            os.environ["CROSSBOOK_MARKETS_FILE"] = str(_list_markets(scratch / "markets.toml", markets))
        _measure_all(environment, rounds, calls, only or [], markets, directory)


def _measure_all(
    environment: Environment, rounds: int, calls: int, only: list[str], markets: int, directory: Path | None
) -> None:
    with running_exchange() as venue:
        traders = _open(venue)
        load_before = os.getloadavg()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_run(venue, traders, rounds, calls, only))
    parameters = {
        "concurrency": CONCURRENCY,
        "open_orders": OPEN_ORDERS,
        "rounds": rounds,
        "calls": calls,
        "markets": markets,
    }
    result = results.Result(
        "reads" if markets == 3 else f"reads_{markets}_markets",
        environment,
        parameters,
        figures | {"load_before": load_before},
    )
    print(results.write(directory or results.default_directory(environment), result))
    for name, ways in figures.items():
        for way, cost in ways.items() if isinstance(ways, dict) else ():
            print(f"{name:14} {way:20}", *(f"{key} {value:8}" for key, value in cost.items()))


def _list_markets(path: Path, count: int) -> Path:
    """The packaged ones, and as many more like the last."""
    head, *tables = PACKAGED_MARKETS_FILE.read_text().split("[[market]]")
    more = [re.sub(r'(symbol|base_asset) = ".*"', rf'\1 = "X{i}"', tables[-1]) for i in range(count - len(tables))]
    path.write_text("[[market]]".join([head, *tables, *more]))
    return path


def _open(venue: Venue) -> list[tuple[int, Trader]]:
    with InternalClient(venue.directory, venue.state) as client:
        opened = []
        for number in range(CONCURRENCY):
            made = client.create_account(label=f"reads {number}")
            for asset in ("USDT", "BTC", "ETH"):
                client.deposit(made.user_id, asset, 10**14, f"reads:{made.user_id}:{asset}")
            opened.append((made.user_id, Trader(made.api_key, made.secret_key.encode())))
    return opened


if __name__ == "__main__":
    typer.run(main)
