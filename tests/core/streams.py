"""Random commands, the same for the same seed: mostly sensible, sometimes forbidden, on books kept small.

Prices lie on a few dozen levels, quantities are a few steps, client order ids come from a small pool and every account
has few orders, so that crossings, duplicates, exhausted books and every refusal happen often.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from services.domain.commands import CancelAllOrders, CancelOrder, Command, DefineMarket, Deposit, PlaceOrder, Withdraw
from services.domain.events import Event
from services.domain.market import Market, MarketStatus
from services.domain.money import MAX_E8, ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from services.engine.core.exchange import Exchange

START_US = 1_750_000_000_000_000
ACCOUNTS = (1, 11, 12, 13, 14)  # 1 is the fee account: nothing forbids it to trade
# Units of a random deposit: DUST is worth so little that its amounts come near the largest numbers there are.
ASSETS = {"BTC": ONE_E8, "ETH": ONE_E8, "USDT": ONE_E8, "DUST": 4_000_000 * ONE_E8}


class Timed(NamedTuple):
    command: Command
    now_us: int


class Venue(NamedTuple):
    """A market and where its random orders lie: around a price, in multiples of tick and step."""

    market: Market
    middle_ticks: int
    most_steps: int


VENUES = (
    Venue(
        Market(
            symbol="BTCUSDT",
            base_asset="BTC",
            quote_asset="USDT",
            tick_size_e8=ONE_E8 // 10,
            step_size_e8=ONE_E8 // 1000,
            min_price_e8=95 * ONE_E8,
            max_price_e8=105 * ONE_E8,
            min_quantity_e8=ONE_E8 // 100,
            max_quantity_e8=4 * ONE_E8,
            max_market_quantity_e8=3 * ONE_E8,
            min_notional_e8=2 * ONE_E8,
            max_notional_e8=380 * ONE_E8,
            apply_max_notional_to_market=True,
            max_open_orders=6,
            maker_fee_rate_e8=77_123,
            taker_fee_rate_e8=151_007,
        ),
        middle_ticks=1000,
        most_steps=4000,
    ),
    Venue(
        Market(
            symbol="ETHUSDT",
            base_asset="ETH",
            quote_asset="USDT",
            tick_size_e8=ONE_E8 // 2,
            step_size_e8=ONE_E8 // 4,
            max_open_orders=5,
            maker_fee_rate_e8=0,
            taker_fee_rate_e8=ONE_E8 // 10,
        ),
        middle_ticks=20,
        most_steps=12,
    ),
    Venue(
        # One step at one tick is worth a single unit: rounding decides about every fee.
        Market(
            symbol="ETHBTC",
            base_asset="ETH",
            quote_asset="BTC",
            tick_size_e8=1_000,
            step_size_e8=100_000,
            min_notional_e8=20,
            apply_min_notional_to_market=False,
            max_open_orders=6,
            maker_fee_rate_e8=5_000_000,
            taker_fee_rate_e8=7_500_000,
        ),
        middle_ticks=15,
        most_steps=9,
    ),
    Venue(
        Market(
            symbol="DUSTUSDT",
            base_asset="DUST",
            quote_asset="USDT",
            tick_size_e8=1,
            step_size_e8=ONE_E8,
            max_open_orders=4,
        ),
        middle_ticks=3,
        most_steps=60_000_000_000,
    ),
)


class RandomCommands:
    """An endless stream. ``last_order_id`` tells it which orders exist, so that its cancels find some."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_us = START_US
        self.references = 0
        self.last_transfer: Deposit | Withdraw = Deposit(ACCOUNTS[0], "BTC", ONE_E8, "t0")

    def opening(self) -> Iterator[Timed]:
        """List the markets and give everyone money."""
        for venue in VENUES:
            yield self._at_some_time(DefineMarket(venue.market))
        for account_id in ACCOUNTS:
            for asset, unit in ASSETS.items():
                amount = self.random.choice((1, 20, 300, 4000)) * unit
                yield self._at_some_time(Deposit(account_id, asset, amount, self._new_reference()))

    def next(self, last_order_id: int) -> Timed:
        kinds = (self._limit, self._market, self._cancel, self._cancel_all, self._transfer, self._define)
        make = self.random.choices(kinds, (58, 18, 14, 2, 7, 1))[0]
        return self._at_some_time(make(last_order_id))

    def _at_some_time(self, command: Command) -> Timed:
        """Time stands still, runs on, and sometimes seems to run backwards."""
        self.now_us += self.random.choice((0, 1, 500, 1_000_000, -3))
        return Timed(command, self.now_us)

    def _limit(self, last_order_id: int) -> PlaceOrder:
        choice = self.random
        venue = choice.choice(VENUES)
        side = choice.choice((Side.BUY, Side.SELL))
        post_only = choice.random() < 0.15
        return PlaceOrder(
            self._account(),
            self._symbol(venue),
            self._client_order_id(),
            side,
            OrderType.LIMIT_MAKER if post_only else OrderType.LIMIT,
            TimeInForce.GTC if post_only else choice.choices(tuple(TimeInForce), (60, 20, 20))[0],
            self._quantity(venue),
            self._price(venue, side),
        )

    def _market(self, last_order_id: int) -> PlaceOrder:
        choice = self.random
        venue = choice.choice(VENUES)
        side = choice.choice((Side.BUY, Side.SELL))
        by_quote = choice.random() < 0.5
        return PlaceOrder(
            self._account(),
            self._symbol(venue),
            self._client_order_id(),
            side,
            OrderType.MARKET,
            TimeInForce.GTC,
            0 if by_quote else self._quantity(venue),
            quote_quantity_e8=self._quote_quantity(venue) if by_quote else 0,
        )

    def _cancel(self, last_order_id: int) -> CancelOrder:
        by_id, by_name = self.random.choice(((True, False), (False, True), (True, True)))
        return CancelOrder(
            self._account(),
            self._symbol(self.random.choice(VENUES)),
            max(1, last_order_id - self.random.randrange(25)) if by_id else 0,
            self._client_order_id() if by_name else "",
            "cancel",
        )

    def _cancel_all(self, last_order_id: int) -> CancelAllOrders:
        return CancelAllOrders(self._account(), self._symbol(self.random.choice(VENUES)), "all")

    def _transfer(self, last_order_id: int) -> Deposit | Withdraw:
        choice = self.random
        make = choice.choice((Deposit, Withdraw))
        account_id = self._account() if choice.random() < 0.97 else choice.choice((0, -1, MAX_E8 + 1))
        asset = choice.choice(list(ASSETS)) if choice.random() < 0.97 else "DOGE"
        amount = choice.randint(1, 200 * ONE_E8) if choice.random() < 0.94 else choice.choice((0, -1, MAX_E8))
        references = (self._new_reference(), "t1", self.last_transfer.reference, "", "x" * 129)
        reference = choice.choices(references, (86, 4, 4, 3, 3))[0]
        if choice.random() < 0.06:
            return self.last_transfer
        self.last_transfer = make(account_id, asset, amount, reference)
        return self.last_transfer

    def _define(self, last_order_id: int) -> DefineMarket:
        market = self.random.choice(VENUES).market
        changes = self.random.choice(redefinitions(market))
        return DefineMarket(replace(market, **changes))

    def _account(self) -> int:
        return self.random.choice(ACCOUNTS)

    def _symbol(self, venue: Venue) -> str:
        return venue.market.symbol if self.random.random() < 0.99 else "NOPE"

    def _client_order_id(self) -> str:
        return f"c{self.random.randrange(16)}"

    def _new_reference(self) -> str:
        self.references += 1
        return f"t{self.references}"

    def _price(self, venue: Venue, side: Side) -> int:
        """Mostly a little on the passive side, so that books fill, and often across."""
        if self.random.random() < 0.03:
            return self.random.choice((0, -1, 1, venue.market.tick_size_e8 * venue.middle_ticks + 1, MAX_E8))
        distance = round(self.random.triangular(-0.4, 1, 0.2) * min(12, venue.middle_ticks // 2))
        ticks = venue.middle_ticks - distance if side is Side.BUY else venue.middle_ticks + distance
        return ticks * venue.market.tick_size_e8

    def _quantity(self, venue: Venue) -> int:
        if self.random.random() < 0.04:
            return self.random.choice((0, -1, 1, venue.market.step_size_e8 + 1, venue.market.step_size_e8, MAX_E8))
        return self.random.randint(1, venue.most_steps) * venue.market.step_size_e8

    def _quote_quantity(self, venue: Venue) -> int:
        if self.random.random() < 0.04:
            return self.random.choice((1, -1, MAX_E8))
        market = venue.market
        steps = self.random.randint(1, venue.most_steps) * self.random.choice((1, 1, 8))
        amount = steps * market.step_size_e8 * venue.middle_ticks * market.tick_size_e8 // ONE_E8
        return amount + self.random.randrange(2)


def redefinitions(market: Market) -> list[dict[str, Any]]:
    """What a random DefineMarket may change; the many empty ones reopen the market as it was."""
    return [
        *[{}] * 4,
        {"status": MarketStatus.HALT},
        {"maker_fee_rate_e8": 1_000, "taker_fee_rate_e8": 0},
        {"tick_size_e8": market.tick_size_e8 * 2, "step_size_e8": market.step_size_e8 * 5},
        {"tick_size_e8": market.tick_size_e8 // 2, "step_size_e8": market.step_size_e8 * 2},
        {"max_open_orders": 2},
        {"max_open_orders": 0},
        {"quote_asset": "DOGE"},
    ]


def record(seed: int, count: int) -> list[tuple[Timed, list[Event]]]:
    """The journal of a seeded run: its accepted commands and their events, from ``count`` commands tried."""
    return run(Exchange(), RandomCommands(seed), count)


def run(exchange: Exchange, commands: RandomCommands, count: int) -> list[tuple[Timed, list[Event]]]:
    journal = []
    for timed in take(commands, count, exchange):
        outcome = exchange.apply(*timed)
        if not isinstance(outcome, Refusal):
            journal.append((timed, outcome))
    return journal


def take(commands: RandomCommands, count: int, exchange: Exchange) -> Iterator[Timed]:
    """The opening if the exchange is new, then random commands: ``count`` in all. The caller applies each at once."""
    opening = [] if exchange.listings else list(commands.opening())
    yield from opening
    for _ in range(count - len(opening)):
        yield commands.next(exchange.last_order_id)
