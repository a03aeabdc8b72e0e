"""``python -m loadtests.growth``: does anything get slower as an exchange grows?

Each point is measured on a state of its size, by a program that puts it there at once (``grown.py``):

- ``core_orders``, ``core_accounts``, ``core_markets``: commands in the core alone, by open orders, accounts, markets;
- ``open_orders``, ``accounts``: orders through the whole exchange, over HTTP and durable, by the same;
- ``history``: orders through the whole exchange, and reads of the past, by rows of history in their partitions.

Rates come with processor time per command, which tells size from whoever else uses the machine. What grows faster than
the logarithm of the size shows as a line that bends. Sizes for which there is no time left are left out, by name.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
import uvloop

from loadtests import grown, plots, results
from loadtests.conditions import GENERATOR, describe
from loadtests.core import as_the_engine_does
from loadtests.public import Bench, prepare
from loadtests.reading import read_latencies
from loadtests.traffic import Party
from loadtests.venue import HOST, Trader, Venue, VenueFailed, running_exchange, scratch_directory
from services.domain.commands import CancelOrder, Command, DefineMarket, Deposit, PlaceOrder
from services.domain.market import Market
from services.domain.money import ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.engine.core.exchange import Exchange

COMMANDS: Final = 20_000
QUICK_COMMANDS: Final = 2_000
CONNECTIONS: Final = 16
LOAD_S: Final = 6.0
QUICK_LOAD_S: Final = 1.5
MIDDLE: Final = 1_000_000
FUNDS_E8: Final = 5 * 10**12
NOW_US: Final = 1_800_000_000_000_000
SEED: Final = 6

Figures = dict[str, Any]
SIZES: Final[dict[str, tuple[int, ...]]] = {
    "core_orders": (1_000, 10_000, 100_000, 1_000_000),
    "core_accounts": (100, 1_000, 10_000, 100_000, 1_000_000),
    "core_markets": (3, 30, 300),
    "open_orders": (1_000, 10_000, 100_000, 1_000_000),
    "accounts": (100, 1_000, 10_000, 100_000, 1_000_000),
    "history": (100_000, 1_000_000, 10_000_000),
}
QUICK_SIZES: Final[dict[str, tuple[int, ...]]] = {
    "core_orders": (1_000, 10_000),
    "core_accounts": (100, 1_000),
    "core_markets": (3, 30),
    "open_orders": (1_000, 5_000),
    "accounts": (100, 2_000),
    "history": (3_000, 30_000),
}


def growth(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, to see that everything works.")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"{', '.join(SIZES)}; may be repeated.")] = None,
    directory: Annotated[
        Path | None, typer.Option("--results", help="Where results go. Default: named after date and commit.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="No new size is begun after this.")] = 12.0,
    history_rows: Annotated[
        int | None, typer.Option(help="One more size of history: 100000000 takes an hour and 40 GB of disk.")
    ] = None,
) -> None:
    """Measure at each size: twelve minutes and 4 GB of memory and of disk, a minute with --quick."""
    with scratch_directory() as scratch:
        environment = describe(scratch)
    directory = directory or results.default_directory(environment)
    ends_s = time.monotonic() + minutes * 60
    for axis in only or SIZES:
        sizes = (QUICK_SIZES if quick else SIZES)[axis]
        if axis == "history" and history_rows is not None:
            sizes = (*sizes, history_rows)
        points: list[Figures] = []
        for point in _AXES[axis](sizes, quick):
            points.append(point)
            typer.echo(f"{axis} {point['size']:>11,}: {point['per_s']:>7,}/s, {point['cpu_us']:,} µs of processor each")
            if time.monotonic() > ends_s:
                break
        left_out = list(sizes[len(points) :])
        if left_out:
            typer.echo(f"{axis}: no time left for {left_out}")
        result = results.Result(
            f"growth_{axis}", environment, {"quick": quick}, {"points": points, "left_out": left_out}
        )
        typer.echo(f"  {results.write(directory, result)}")
    for path in plots.draw(directory):
        typer.echo(f"  {path}")


# The core


class Growing:
    """An exchange of a certain size, and commands that keep it at that size."""

    def __init__(self, *, accounts: int, markets: int) -> None:
        self.exchange = Exchange()
        self._accounts = accounts
        self._symbols = [f"M{number}USDT" for number in range(markets)]
        self._chance = random.Random(SEED)
        self._names = itertools.count(1)
        self._open: list[tuple[int, str, str]] = []
        for number, symbol in enumerate(self._symbols):
            self._do(DefineMarket(_market(symbol, f"M{number}")))
        for account_id in range(1_000, 1_000 + accounts):
            self._do(Deposit(account_id, "USDT", FUNDS_E8, f"u{account_id}"))
            base = f"M{account_id % markets}"
            self._do(Deposit(account_id, base, FUNDS_E8 // 100, f"b{account_id}"))

    def fill(self, open_orders: int) -> None:
        while len(self._open) < open_orders:
            self._do(self._rest())

    def tape(self, count: int) -> Iterator[Command]:
        """In turn: one that rests, the cancel of another, one that takes a little."""
        for number in range(count):
            match number % 3:
                case 0:
                    yield self._rest()
                case 1:
                    yield self._cancel()
                case _:
                    yield self._take()

    def _do(self, command: Command) -> None:
        outcome = self.exchange.apply(command, NOW_US)
        assert isinstance(outcome, list), f"{command}: {outcome}"

    def _place(self, side: Side, price: int, time_in_force: TimeInForce) -> PlaceOrder:
        account_id = 1_000 + self._chance.randrange(self._accounts)
        symbol = self._symbols[account_id % len(self._symbols)]
        name = f"o{next(self._names)}"
        if time_in_force is TimeInForce.GTC:
            self._open.append((account_id, symbol, name))
        return PlaceOrder(
            account_id, symbol, name, side, OrderType.LIMIT, time_in_force, ONE_E8 // 1_000, price * ONE_E8 // 100
        )

    def _rest(self) -> Command:
        """Far enough from the middle that nothing takes most of them, on many price levels."""
        away = 1 + int(self._chance.expovariate(1 / 2_000))
        side = self._chance.choice((Side.BUY, Side.SELL))
        price = max(1, MIDDLE - away) if side is Side.BUY else MIDDLE + away
        return self._place(side, price, TimeInForce.GTC)

    def _take(self) -> Command:
        side = self._chance.choice((Side.BUY, Side.SELL))
        reach = MIDDLE // 10
        return self._place(side, MIDDLE + reach if side is Side.BUY else MIDDLE - reach, TimeInForce.IOC)

    def _cancel(self) -> Command:
        index = self._chance.randrange(len(self._open))
        self._open[index], self._open[-1] = self._open[-1], self._open[index]
        account_id, symbol, name = self._open.pop()
        return CancelOrder(account_id, symbol, 0, name, "c")


def _market(symbol: str, base: str) -> Market:
    return Market(
        symbol=symbol,
        base_asset=base,
        quote_asset="USDT",
        tick_size_e8=ONE_E8 // 100,
        step_size_e8=ONE_E8 // 1_000,
        max_open_orders=10**9,
    )


def core_rate(count: int, *, open_orders: int, accounts: int, markets: int) -> Figures:
    """The core alone. A cancel that comes after a fill is refused, and counts too."""
    growing = Growing(accounts=accounts, markets=markets)
    growing.fill(open_orders)
    tape = list(growing.tape(count))
    apply = growing.exchange.apply
    as_the_engine_does()
    started_s, cpu_s = time.perf_counter(), time.process_time()
    for command in tape:
        apply(command, NOW_US)
    cpu_s, passed_s = time.process_time() - cpu_s, time.perf_counter() - started_s
    return {"per_s": round(count / passed_s), "cpu_us": round(cpu_s / count * 1_000_000, 1)}


def _core(axis: str) -> Callable[[tuple[int, ...], bool], Iterator[Figures]]:
    def measure(sizes: tuple[int, ...], quick: bool) -> Iterator[Figures]:
        for size in sizes:
            state = {"open_orders": 1_000, "accounts": 1_000, "markets": 3} | {axis: size}
            yield {"size": size} | core_rate(QUICK_COMMANDS if quick else COMMANDS, **state)

    return measure


# The whole exchange


def _enlarged(axis: str) -> Callable[[tuple[int, ...], bool], Iterator[Figures]]:
    """One exchange that is stopped, enlarged and started again for each size."""

    def measure(sizes: tuple[int, ...], quick: bool) -> Iterator[Figures]:
        with scratch_directory() as root:
            traders = _traders(root)
            for size in sizes:
                state = {"open_orders": 0, "accounts": 0} | {axis: size}
                with grown.stopped_database(root) as url:
                    asyncio.run(grown.enlarge(url, **state))
                started_s = time.perf_counter()
                with running_exchange("--lean", root=root) as venue:
                    start_s = round(time.perf_counter() - started_s, 1)
                    yield {"size": size, "start_s": start_s} | _run(lambda: _order_rate(venue, traders, quick))

    return measure


def _history(sizes: tuple[int, ...], quick: bool) -> Iterator[Figures]:
    with scratch_directory() as root:
        traders = _traders(root)
        with grown.stopped_database(root) as url:
            asyncio.run(grown.make_room_for_history(url))
        with running_exchange("--lean", root=root) as venue:
            history = grown.History(venue.state.database_url, [_account_id(venue, trader) for trader in traders])
            for size in sizes:

                async def measure() -> Figures:
                    await history.fill(size)  # noqa: B023
                    rate = await _order_rate(venue, traders, quick)
                    return rate | {"reads": await read_latencies(venue, traders, history, SEED)}

                yield {"size": size} | _run(measure)


def _traders(root: Path) -> list[Trader]:
    """A new exchange with the traders of all runs; it is stopped again."""
    with running_exchange("--lean", root=root) as venue:
        traders: list[Trader] = _run(lambda: prepare(venue, patience_s=0.0)).traders
    return traders


def _account_id(venue: Venue, trader: Trader) -> int:
    line = Party(trader).without_body(b"GET", b"/api/v3/account", b"").decode().split()[1]
    headers = {"X-MBX-APIKEY": trader.api_key}
    answer = httpx.get(f"http://{HOST}:{venue.port}{line}", headers=headers, trust_env=False)
    account_id: int = answer.json()["uid"]
    return account_id


async def _order_rate(venue: Venue, traders: list[Trader], quick: bool) -> Figures:
    run = await Bench(venue, traders, 0.0).closed_loop(
        lambda traffic: traffic.order_entry, CONNECTIONS, QUICK_LOAD_S if quick else LOAD_S, SEED
    )
    if run.errors or run.all is None:
        raise VenueFailed(f"orders failed: {run.errors} {run.samples}")
    used = {name: round(cores / run.answered_per_s * 1_000_000, 1) for name, cores in run.noise.cores.items()}
    return {
        "per_s": round(run.answered_per_s),
        "cpu_us": round(sum(us for name, us in used.items() if name != GENERATOR), 1),
        "cpu_us_by_process": used,
        "p50_ms": run.all.p50_ms,
        "p99_ms": run.all.p99_ms,
        "foreign_cores": run.noise.foreign_cores,
    }


def _run(what: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await what()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


_AXES: Final[dict[str, Callable[[tuple[int, ...], bool], Iterator[Figures]]]] = {
    "core_orders": _core("open_orders"),
    "core_accounts": _core("accounts"),
    "core_markets": _core("markets"),
    "open_orders": _enlarged("open_orders"),
    "accounts": _enlarged("accounts"),
    "history": _history,
}


if __name__ == "__main__":
    typer.run(growth)
