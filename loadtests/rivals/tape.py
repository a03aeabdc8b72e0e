"""The tape that every contender is played: limit orders, market orders and cancels in one market, seeded.

It asks for nothing that one of them could not do. Makers never cross: they bid below a fixed price and ask above it.
Takers are accounts of their own, each of their orders is small beside the book and executes whole, so what is executed
in all does not depend on how many connections play the tape. Market orders only sell, because one contender takes the
amount of a market order that buys in money. Prices have one decimal, because another one rounds them to that.
"""

import random
from enum import StrEnum
from typing import Final, NamedTuple

MAKERS: Final = 150
TAKERS: Final = 10
TRADERS: Final = MAKERS + TAKERS
TICKS_PER_UNIT: Final = 10
STEPS_PER_UNIT: Final = 100_000
DEPOSITS: Final = {"USDT": "20000000", "BTC": "1000"}

_MIDDLE_TICKS: Final = 60_000 * TICKS_PER_UNIT
_MEAN_DISTANCE: Final = 0.001
_MAX_DISTANCE: Final = 0.05
_TAKER_REACH: Final = 0.1
_MAKER_SHARE: Final = 0.5
_TAKER_SHARE: Final = 0.25
# A cancel names an order placed so many steps ago that it has been answered on any number of connections.
_CANCEL_LAG: Final = 256


class Kind(StrEnum):
    LIMIT = "limit"
    MARKET = "market"
    CANCEL = "cancel"


class Step(NamedTuple):
    """``number`` names the order, for a cancel the one to be cancelled. ``price_ticks`` is 0 but for limit orders."""

    kind: Kind
    number: int
    trader: int
    buys: bool
    price_ticks: int
    quantity_steps: int

    @property
    def takes(self) -> bool:
        return self.trader >= MAKERS and self.kind is not Kind.CANCEL

    @property
    def price(self) -> str:
        return f"{self.price_ticks // TICKS_PER_UNIT}.{self.price_ticks % TICKS_PER_UNIT}"

    @property
    def quantity(self) -> str:
        return f"{self.quantity_steps // STEPS_PER_UNIT}.{self.quantity_steps % STEPS_PER_UNIT:05d}"


class Tape:
    """Each method returns the steps it added."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._number = 0
        self._placed: list[Step] = []
        self._lag: list[Step] = []

    def resting(self, count: int) -> list[Step]:
        """Orders of makers, half on either side."""
        return [self._maker(buys=index % 2 == 0) for index in range(count)]

    def flow(self, count: int) -> list[Step]:
        """Half placing, a quarter taking, a quarter cancelling: the book stays about as large as it is."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Step:
        drawn = self._chance.random()
        if drawn < _TAKER_SHARE:
            return self._taker()
        if drawn < 1 - _MAKER_SHARE and self._placed:
            return self._cancel()
        return self._maker(buys=self._chance.random() < 0.5)

    def _maker(self, *, buys: bool) -> Step:
        share = min(_MAX_DISTANCE, self._chance.expovariate(1 / _MEAN_DISTANCE))
        away = 1 + int(share * _MIDDLE_TICKS)
        step = self._order(Kind.LIMIT, self._chance.randrange(MAKERS), buys, _MIDDLE_TICKS + (-away if buys else away))
        self._lag.append(step)
        if len(self._lag) > _CANCEL_LAG:
            self._placed.append(self._lag.pop(0))
        return step

    def _taker(self) -> Step:
        trader = MAKERS + self._chance.randrange(TAKERS)
        buys = self._chance.random() < 0.5
        if not buys and self._chance.random() < 0.5:
            return self._order(Kind.MARKET, trader, buys, 0)
        reach = int(_TAKER_REACH * _MIDDLE_TICKS)
        return self._order(Kind.LIMIT, trader, buys, _MIDDLE_TICKS + (reach if buys else -reach))

    def _cancel(self) -> Step:
        index = self._chance.randrange(len(self._placed))
        self._placed[index], self._placed[-1] = self._placed[-1], self._placed[index]
        placed = self._placed.pop()
        return placed._replace(kind=Kind.CANCEL, price_ticks=0, quantity_steps=0)

    def _order(self, kind: Kind, trader: int, buys: bool, price_ticks: int) -> Step:
        self._number += 1
        return Step(kind, self._number, trader, buys, price_ticks, self._chance.randrange(200, 600))
