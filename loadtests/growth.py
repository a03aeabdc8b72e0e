"""``python -m loadtests.growth``: does anything get slower as an exchange grows?

Commands per second against open orders, accounts and markets in the core alone, and commits per second against rows of
history in PostgreSQL. Each point is measured on a state of that size; what grows faster than the logarithm of the size
shows as a line that falls.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import typer

from loadtests import plots, results
from loadtests.conditions import describe
from loadtests.venue import EngineVenue, scratch_directory
from services.domain.commands import CancelOrder, Command, DefineMarket, Deposit, PlaceOrder
from services.domain.market import Market
from services.domain.money import ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.protocol import Envelope
from services.engine.batch import Batch
from services.engine.core.exchange import Exchange
from services.engine.inbox import Parcel
from services.engine.journal import GENESIS_HASH
from services.engine.lease import acquire
from services.engine.postgres_store import PostgresSession, PostgresStore
from services.engine.settings import EngineSettings

COMMANDS: Final = 20_000
QUICK_COMMANDS: Final = 2_000
BATCH: Final = 16
MIDDLE: Final = 1_000_000
FUNDS_E8: Final = 5 * 10**12
NOW_US: Final = 1_800_000_000_000_000
SEED: Final = 6

_FILL_TRADES_SQL: Final = """
INSERT INTO exchange.trades (symbol, trade_id, price_e8, quantity_e8, quote_e8, time_us, buyer_is_maker, taker_order_id,
    taker_account_id, taker_fee_e8, maker_order_id, maker_account_id, maker_fee_e8, sequence, aggregate_id)
SELECT 'OLDUSDT', n, 1, 1, 1, n, true, n, 1000 + n % 1000, 0, n, 1000 + n % 1000, 0, 0, n
FROM generate_series($1::bigint, $2::bigint) AS n
"""


def growth(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, to see that everything works.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="open_orders, accounts, markets or history.")] = None,
    directory: Annotated[Path | None, typer.Option("--results", help="Where results go; nowhere by default.")] = None,
) -> None:
    """Measure the rate at each size: about ten minutes and 2 GB of memory, seconds with --quick."""
    count = QUICK_COMMANDS if quick else COMMANDS
    sizes: dict[str, tuple[int, ...]] = {
        "open_orders": (1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000),
        "accounts": (100, 1_000) if quick else (100, 10_000, 1_000_000),
        "markets": (3, 30) if quick else (3, 30, 300),
        "history": (1_000, 20_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000),
    }
    measures: dict[str, Callable[[int], float]] = {
        "open_orders": lambda size: core_rate(count, open_orders=size, accounts=1_000, markets=3),
        "accounts": lambda size: core_rate(count, open_orders=1_000, accounts=size, markets=3),
        "markets": lambda size: core_rate(count, open_orders=3_000, accounts=1_000, markets=size),
    }
    with scratch_directory() as scratch:
        environment = describe(scratch)
    figures: dict[str, Any] = {}
    for name in only or sizes:
        if name == "history":
            rates = history_rates(count, sizes[name])
        else:
            rates = [measures[name](size) for size in sizes[name]]
        figures[name] = [{"size": size, "per_s": round(rate)} for size, rate in zip(sizes[name], rates, strict=True)]
        shown = ", ".join(f"{point['size']:,}: {point['per_s']:,}/s" for point in figures[name])
        typer.echo(f"{name}: {shown}")
    if directory is not None:
        result = results.Result("growth", environment, {"commands": count, "quick": quick}, figures)
        typer.echo(results.write(directory, result))
        plots.draw(directory)


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


def core_rate(count: int, *, open_orders: int, accounts: int, markets: int) -> float:
    """Commands per second of the core alone. A cancel that comes after a fill is refused, and counts too."""
    growing = Growing(accounts=accounts, markets=markets)
    growing.fill(open_orders)
    tape = list(growing.tape(count))
    apply = growing.exchange.apply
    started_s = time.perf_counter()
    for command in tape:
        apply(command, NOW_US)
    return count / (time.perf_counter() - started_s)


def history_rates(count: int, sizes: tuple[int, ...]) -> list[float]:
    """Commands per second through batches and commits, with ever more trades in the table."""
    with scratch_directory() as root, EngineVenue(root) as venue:
        return asyncio.run(_history_rates(venue, count, sizes))


async def _history_rates(venue: EngineVenue, count: int, sizes: tuple[int, ...]) -> list[float]:
    settings = EngineSettings.model_validate(
        {
            "port": 1,
            "database_url": venue.postgres.url("crossbook", "crossbook_engine"),
            "redis_url": venue.redis.url,
            "internal_token": "t" * 32,
        }
    )
    owner = await asyncpg.connect(venue.database_url)
    session = await PostgresStore(settings).connect("growth", 60_000)
    committer = _Committer(session)
    await committer.begin()
    rates, filled = [], 0
    for size in sizes:
        await owner.execute(_FILL_TRADES_SQL, filled + 1, size, timeout=600)
        await owner.execute("ANALYZE exchange.trades", timeout=600)
        filled = size
        rates.append(await committer.rate(count))
    session.terminate()
    await owner.close()
    return rates


class _Committer:
    """An engine's turn without its process: apply a batch, commit it, go on."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session
        self._growing = Growing(accounts=100, markets=3)
        self._sequence = 0
        self._hash = GENESIS_HASH
        self._epoch = 0

    async def begin(self) -> None:
        """Every row of the projection that later ones refer to was made before; only new ones are written."""
        held = await acquire(self._session, "growth", ttl_ms=3_600_000, pause=partial(asyncio.sleep, 0.01))
        self._epoch, self._sequence, self._hash = held.epoch, held.sequence, held.journal_hash
        self._growing.fill(500)

    async def rate(self, count: int) -> float:
        tape = self._growing.tape(count)
        started_s = time.perf_counter()
        while commands := list(itertools.islice(tape, BATCH)):
            batch = Batch(self._growing.exchange, self._sequence + 1, NOW_US, NOW_US)
            batch.carry_out(Parcel([Envelope(2**62, command) for command in commands]))
            if batch.commands:
                row = batch.row(self._epoch, self._hash)
                await self._session.settle(row, batch.projection, lease_ttl_ms=3_600_000)
                self._sequence, self._hash = row.sequence, row.hash
        return count / (time.perf_counter() - started_s)


if __name__ == "__main__":
    typer.run(growth)
