"""Clients who trade, take, cancel and move money at random, one seed each, and remember what they were told."""

import asyncio
import random
from typing import Final

from services.domain.commands import CancelAllOrders, CancelOrder, Command, Deposit, PlaceOrder, Withdraw
from services.domain.money import ONE_E8
from services.domain.orders import OrderType, Side, TimeInForce
from tests.simulation.world import World

ACCOUNTS: Final = (1000, 1001, 1002)
REQUESTS: Final = 7
_FUNDS: Final = {"USDT": 100_000 * ONE_E8, "BTC": 10 * ONE_E8, "ETH": 10 * ONE_E8}


class Client:
    """One account's owner; everything it asks has a name of its own, so that it can be found in the journal."""

    def __init__(self, world: World, account_id: int) -> None:
        self._world = world
        self._account_id = account_id
        self._chance = random.Random(world.seed * 1_000 + account_id)
        self._count = 0
        self._placed: list[tuple[str, str]] = []

    async def live(self, until_s: float) -> None:
        for asset, amount_e8 in _FUNDS.items():
            await self.ask(Deposit(self._account_id, asset, amount_e8, self._name()))
        loop = asyncio.get_running_loop()
        for _ in range(REQUESTS):
            if loop.time() > until_s:
                return
            together = [self.ask(self._draw()) for _ in range(self._chance.choice((1, 1, 1, 3)))]
            await asyncio.gather(*together)
            await asyncio.sleep(self._chance.random() * 0.8)

    async def ask(self, command: Command) -> None:
        """Each account's owner is served by the same trading process, as by a gateway that keeps clients apart."""
        tradings = self._world.tradings
        await self._world.submit(command, tradings[self._account_id % len(tradings)])

    def _draw(self) -> Command:
        chance, account_id = self._chance, self._account_id
        drawn = chance.random()
        if drawn < 0.65 or not self._placed:
            return self.order()
        if drawn < 0.88:
            symbol, name = chance.choice(self._placed)
            return CancelOrder(account_id, symbol, 0, name, self._name())
        if drawn < 0.92:
            return CancelAllOrders(account_id, chance.choice(("BTCUSDT", "ETHBTC")), self._name())
        if drawn < 0.96:
            return Deposit(account_id, "USDT", chance.randint(1, ONE_E8), self._name())
        return Withdraw(account_id, "USDT", chance.randint(1, 30_000 * ONE_E8), self._name())

    def order(self) -> PlaceOrder:
        chance = self._chance
        symbol, middle, tick_e8 = chance.choice((("BTCUSDT", 100, ONE_E8), ("ETHBTC", 60, ONE_E8 // 1000)))
        name = self._name()
        self._placed.append((symbol, name))
        side = chance.choice((Side.BUY, Side.SELL))
        type_, time_in_force = chance.choice(
            (
                (OrderType.LIMIT, TimeInForce.GTC),
                (OrderType.LIMIT, TimeInForce.GTC),
                (OrderType.LIMIT, TimeInForce.IOC),
                (OrderType.LIMIT_MAKER, TimeInForce.GTC),
                (OrderType.MARKET, TimeInForce.GTC),
            )
        )
        price_e8 = 0 if type_ is OrderType.MARKET else (middle + chance.randint(-3, 3)) * tick_e8
        quantity_e8 = chance.randint(1, 20) * ONE_E8 // 100
        return PlaceOrder(self._account_id, symbol, name, side, type_, time_in_force, quantity_e8, price_e8)

    def _name(self) -> str:
        self._count += 1
        return f"c{self._account_id}-{self._count}"
