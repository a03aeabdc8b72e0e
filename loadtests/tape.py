"""A tape: commands for the core, seeded and realistic, every one of which is accepted when they are applied in order.

Many accounts trade the packaged markets around a price that wanders. The tape is made by applying each command to an
exchange of its own, so it knows what is open: takers take real makers, cancels name real orders.
"""

import random
from collections.abc import Iterable
from typing import Final

from services.domain.commands import CancelOrder, Command, DefineMarket, Deposit, PlaceOrder
from services.domain.money import ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from services.engine.core.exchange import Exchange
from services.engine.core.listing import Listing
from services.engine.markets_file import read_definitions
from services.engine.settings import PACKAGED_MARKETS_FILE

FIRST_ACCOUNT_ID: Final = 5_000_000
_PRICES_E8: Final = {"BTCUSDT": 60_000 * ONE_E8, "ETHUSDT": 3_000 * ONE_E8, "ETHBTC": 5_000_000}
_QUANTITIES_E8: Final = {"BTCUSDT": 500_000, "ETHUSDT": 10_000_000, "ETHBTC": 10_000_000}
_WEIGHTS: Final = {"BTCUSDT": 6, "ETHUSDT": 3, "ETHBTC": 1}
_FUNDS: Final = {"USDT": 10**15, "BTC": 10**12, "ETH": 10**13}
_TAKER_SHARE: Final = 0.1


class Tape:
    """``exchange`` is the state after all commands so far; each method returns the commands it added."""

    def __init__(self, seed: int, accounts: int) -> None:
        self.exchange = Exchange()
        self._chance = random.Random(seed)
        self._accounts = range(FIRST_ACCOUNT_ID, FIRST_ACCOUNT_ID + accounts)
        self._symbols = list(_WEIGHTS)
        self._prices_e8 = dict(_PRICES_E8)
        self._open: list[int] = []
        self._time_us = 1_700_000_000_000_000

    def markets(self) -> list[Command]:
        markets = [market for market in read_definitions(PACKAGED_MARKETS_FILE).markets if market.symbol in _WEIGHTS]
        return self._all(DefineMarket(market) for market in markets)

    def deposits(self) -> list[Command]:
        return self._all(
            Deposit(account_id, asset, amount_e8, f"tape:{account_id}:{asset}")
            for account_id in self._accounts
            for asset, amount_e8 in _FUNDS.items()
        )

    def resting(self, count: int, *, spread: float) -> list[Command]:
        """Limit orders on both sides, away from the price by an exponential share with mean ``spread``."""
        commands: list[Command] = []
        while len(commands) < count:
            command = self._limit(spread)
            # One that would trade, or one too many for its account, is drawn anew.
            commands += [command] if not self._crosses(command) and self._accepts(command) else []
        return commands

    def flow(self, count: int, *, open_orders: int, spread: float) -> list[Command]:
        """Limits, cancels and takers; the number of open orders stays near ``open_orders``."""
        commands: list[Command] = []
        while len(commands) < count:
            command = self._next(open_orders, spread)
            commands += [command] if self._accepts(command) else []
        return commands

    def _next(self, open_orders: int, spread: float) -> Command:
        if self._chance.random() < _TAKER_SHARE:
            return self._take()
        if self._chance.random() < len(self.exchange.orders) / (2 * open_orders):
            return self._cancel()
        return self._limit(spread)

    def _all(self, commands: Iterable[Command]) -> list[Command]:
        added = []
        for command in commands:
            assert self._accepts(command), command
            added.append(command)
        return added

    def _accepts(self, command: Command) -> bool:
        self._time_us += 200
        before = self.exchange.last_order_id
        outcome = self.exchange.apply(command, self._time_us)
        if self.exchange.last_order_id > before and self.exchange.last_order_id in self.exchange.orders:
            self._open.append(self.exchange.last_order_id)
        return not isinstance(outcome, Refusal)

    def _limit(self, spread: float) -> PlaceOrder:
        listing = self._draw_listing()
        side = self._draw_side()
        tick = listing.market.tick_size_e8
        price_e8 = self._prices_e8[listing.market.symbol]
        away_e8 = int(self._chance.expovariate(1 / (spread * price_e8)))
        limit_e8 = price_e8 - away_e8 if side is Side.BUY else price_e8 + away_e8
        return self._order(listing, side, OrderType.LIMIT, TimeInForce.GTC, max(tick, limit_e8 // tick * tick))

    def _take(self) -> PlaceOrder:
        listing = self._draw_listing()
        side = self._draw_side()
        if self._chance.random() < 0.5:
            return self._order(listing, side, OrderType.MARKET, TimeInForce.GTC, 0)
        tick = listing.market.tick_size_e8
        price_e8 = self._prices_e8[listing.market.symbol]
        limit_e8 = price_e8 * 201 // 200 if side is Side.BUY else price_e8 * 199 // 200
        return self._order(listing, side, OrderType.LIMIT, TimeInForce.IOC, limit_e8 // tick * tick)

    def _order(
        self, listing: Listing, side: Side, kind: OrderType, time_in_force: TimeInForce, price_e8: int
    ) -> PlaceOrder:
        symbol, step = listing.market.symbol, listing.market.step_size_e8
        quantity_e8 = int(_QUANTITIES_E8[symbol] * (0.5 + self._chance.random())) // step * step
        return PlaceOrder(
            self._chance.choice(self._accounts),
            symbol,
            f"t{self._time_us:x}",
            side,
            kind,
            time_in_force,
            quantity_e8,
            price_e8,
        )

    def _cancel(self) -> CancelOrder:
        while True:
            index = self._chance.randrange(len(self._open))
            self._open[index], self._open[-1] = self._open[-1], self._open[index]
            order = self.exchange.orders.get(self._open.pop())
            if order is not None:
                return CancelOrder(order.account_id, order.symbol, order.order_id, "", "cancel")

    def _crosses(self, command: PlaceOrder) -> bool:
        opposite = self.exchange.listings[command.symbol].book.opposite_side(command.side)
        best = opposite.best()
        return best is not None and opposite.crosses(best, command.price_e8)

    def _draw_listing(self) -> Listing:
        symbol = self._chance.choices(self._symbols, list(_WEIGHTS.values()))[0]
        price_e8 = self._prices_e8[symbol]
        pull = (_PRICES_E8[symbol] - price_e8) // 400
        self._prices_e8[symbol] = price_e8 + pull + int(self._chance.gauss(0, price_e8 / 40_000))
        return self.exchange.listings[symbol]

    def _draw_side(self) -> Side:
        return Side.BUY if self._chance.random() < 0.5 else Side.SELL
