"""The demo's liquidity bot: keeps two-sided quotes in every market and trades a little, through the public API only.

- Prices follow a seeded random walk that pulls back to an anchor; ETHBTC is the ratio of the other two.
- A maker account per market keeps ``LEVELS`` orders a side. Each turn it reads its open orders, cancels those that
  are out of place and fills the gaps, a few at a time; it remembers nothing, so an outage, an unknown outcome or a
  restart needs no special case.
- One taker account sends small market orders, leaning against its own inventory.
- Deposits bound the inventory: nobody funds the bot again, and a side it can no longer pay for stays unquoted.
- Money is counted in integers here as everywhere.
"""

import os
import random
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from services.domain.money import ONE_E8, format_e8, parse_e8
from services.infra import telemetry
from services.local.client import PublicClient, Rejected, Unavailable
from services.local.demo import DEPOSITS, Demo, maker_role

ANCHORS_E8: Final = {"BTCUSDT": 60_000 * ONE_E8, "ETHUSDT": 3_000 * ONE_E8}
# Symbol: the two markets whose ratio it follows.
RATIOS: Final = {"ETHBTC": ("ETHUSDT", "BTCUSDT")}

LEVELS: Final = 6
# Changes a side and turn; an empty side is filled at once.
CHANGES_PER_TURN: Final = 2
# Markets take turns, so each moves about every two seconds.
TURN_S: Final = 0.7
# Parts per million of the mid price.
HALF_SPREAD_PPM: Final = 200
LEVEL_GAP_PPM: Final = 400
WALK_PPM: Final = 250
# The pull to the anchor takes about this many rounds.
PULL_ROUNDS: Final = 20_000
# What a quote and a taker's order are worth, in the quote asset's money measured in USDT.
QUOTE_USDT: Final = (800, 6_000)
TAKE_USDT: Final = (20, 400)
TAKE_CHANCE: Final = 0.25
RETRY_S: Final = 1.0
RETRY_MAX_S: Final = 10.0

UNKNOWN_KEY: Final = frozenset({-2014, -2015})

_log = telemetry.logger(__name__)


class Market:
    """A symbol's grid, from exchangeInfo."""

    def __init__(self, listing: dict[str, Any]) -> None:
        filters = {entry["filterType"]: entry for entry in listing["filters"]}
        self.symbol: str = listing["symbol"]
        self.base_asset: str = listing["baseAsset"]
        self.quote_asset: str = listing["quoteAsset"]
        self.tick_e8 = parse_e8(filters["PRICE_FILTER"]["tickSize"])
        self.step_e8 = parse_e8(filters["LOT_SIZE"]["stepSize"])

    def ladder(self, mid_e8: int, side: str) -> list[int]:
        """Return the prices of one side, best first, on the tick and rounded away from the mid price."""
        half_e8, gap_e8 = _ppm(mid_e8, HALF_SPREAD_PPM), self.gap_e8(mid_e8)
        if side == "BUY":
            return [(mid_e8 - half_e8 - level * gap_e8) // self.tick_e8 * self.tick_e8 for level in range(LEVELS)]
        return [-(-(mid_e8 + half_e8 + level * gap_e8) // self.tick_e8) * self.tick_e8 for level in range(LEVELS)]

    def gap_e8(self, mid_e8: int) -> int:
        return max(_ppm(mid_e8, LEVEL_GAP_PPM), self.tick_e8)

    def quantity_e8(self, usdt: int, usdt_price_e8: int) -> int:
        """Return how much of the base asset ``usdt`` buys, rounded down to the step."""
        return usdt * ONE_E8 * ONE_E8 // usdt_price_e8 // self.step_e8 * self.step_e8


class Prices:
    """The random walk of the mid prices."""

    def __init__(self, chance: random.Random, last_e8: dict[str, int]) -> None:
        """Go on from the last traded prices, where there are any."""
        self._chance = chance
        self._mid_e8 = {symbol: last_e8.get(symbol) or anchor for symbol, anchor in ANCHORS_E8.items()}

    def step(self) -> None:
        for symbol, anchor_e8 in ANCHORS_E8.items():
            mid_e8 = self._mid_e8[symbol]
            pull_e8 = (anchor_e8 - mid_e8) // PULL_ROUNDS
            self._mid_e8[symbol] = mid_e8 + pull_e8 + _ppm(mid_e8, self._chance.randint(-WALK_PPM, WALK_PPM))

    def mid_e8(self, symbol: str) -> int:
        if symbol in RATIOS:
            above, below = RATIOS[symbol]
            return self._mid_e8[above] * ONE_E8 // self._mid_e8[below]
        return self._mid_e8[symbol]

    def base_usdt_e8(self, market: Market) -> int:
        return self._mid_e8[f"{market.base_asset}USDT"]


class Maker:
    """Quotes one market from one account."""

    def __init__(self, client: PublicClient, market: Market, chance: random.Random) -> None:
        self._client = client
        self._market = market
        self._chance = chance

    def turn(self, prices: Prices) -> None:
        orders = self._client.signed("GET", "/api/v3/openOrders", symbol=self._market.symbol)
        for side in ("BUY", "SELL"):
            self._refresh(side, [order for order in orders if order["side"] == side], prices)

    def _refresh(self, side: str, orders: list[dict[str, Any]], prices: Prices) -> None:
        mid_e8 = prices.mid_e8(self._market.symbol)
        missing, stray = _compare(orders, self._market.ladder(mid_e8, side), self._market.gap_e8(mid_e8) * 3 // 4)
        # The order closest to the other side first: it is the one in the way.
        stray.sort(key=lambda order: parse_e8(order["price"]), reverse=side == "BUY")
        for order in stray[:CHANGES_PER_TURN]:
            self._cancel(order)
        for price_e8 in missing[: CHANGES_PER_TURN if orders else LEVELS]:
            if not self._quote(side, price_e8, prices):
                return

    def _cancel(self, order: dict[str, Any]) -> None:
        try:
            self._client.signed("DELETE", "/api/v3/order", symbol=self._market.symbol, orderId=str(order["orderId"]))
        except Rejected as error:
            # Filled a moment ago.
            _raise_if_key_unknown(error)

    def _quote(self, side: str, price_e8: int, prices: Prices) -> bool:
        """Place an order that only rests. False if refused: an order is still in the way, or money is out."""
        usdt = self._chance.randint(*QUOTE_USDT)
        quantity_e8 = self._market.quantity_e8(usdt, prices.base_usdt_e8(self._market))
        return _place(
            self._client, self._market, side, quantity_e8, {"type": "LIMIT_MAKER", "price": format_e8(price_e8)}
        )


class Taker:
    """Sends small market orders from one account."""

    def __init__(self, client: PublicClient, markets: list[Market], chance: random.Random) -> None:
        self._client = client
        self._markets = markets
        self._chance = chance

    def turn(self, prices: Prices) -> None:
        if self._chance.random() >= TAKE_CHANCE:
            return
        market = self._chance.choice(self._markets)
        usdt = self._chance.randint(*TAKE_USDT)
        quantity_e8 = market.quantity_e8(usdt, prices.base_usdt_e8(market))
        _place(self._client, market, self._side(market), quantity_e8, {"type": "MARKET"})

    def _side(self, market: Market) -> str:
        """Buy when little of the base asset is left, sell when there is much, else as chance has it."""
        balances = self._client.signed("GET", "/api/v3/account", omitZeroBalances="true")["balances"]
        held_e8 = next((parse_e8(entry["free"]) for entry in balances if entry["asset"] == market.base_asset), 0)
        start_e8 = parse_e8(DEPOSITS["taker"][market.base_asset])
        share_of_start = held_e8 * 100 // start_e8
        return "BUY" if self._chance.randint(50, 150) > share_of_start else "SELL"


class Bot:
    """Gives each market its turn, and waits out what it cannot change."""

    def __init__(self, base_url: str, demo: Demo, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 (a market, not a secret)
        public = PublicClient(base_url)
        listed = [Market(listing) for listing in public.public("/api/v3/exchangeInfo")["symbols"]]
        markets = [market for market in listed if market.symbol in {*ANCHORS_E8, *RATIOS}]
        last_e8 = {entry["symbol"]: parse_e8(entry["price"]) for entry in public.public("/api/v3/ticker/price")}

        def client(role: str) -> PublicClient:
            account = demo.accounts[role]
            return PublicClient(base_url, account.api_key, account.secret_key)

        self._prices = Prices(chance, last_e8)
        self._makers = [Maker(client(maker_role(market.symbol)), market, chance) for market in markets]
        self._taker = Taker(client("taker"), markets, chance)

    def round(self, pause_s: float) -> None:
        self._prices.step()
        for maker in self._makers:
            maker.turn(self._prices)
            self._taker.turn(self._prices)
            time.sleep(pause_s)


def run(base_url: str, demo: Demo, seed: int) -> None:
    bot: Bot | None = None
    outages = 0
    while True:
        try:
            if bot is None:
                bot = Bot(base_url, demo, seed)
                bot.round(pause_s=0)
                _log.info("quoting")
            bot.round(pause_s=TURN_S)
            outages = 0
        except Unavailable as error:
            outages += 1
            wait_s = max(error.retry_after_s, min(RETRY_MAX_S, RETRY_S * outages))
            _log.warning("exchange_unavailable", reason=str(error), wait_s=wait_s)
            time.sleep(wait_s)


def _compare(
    orders: list[dict[str, Any]], ladder: list[int], tolerance_e8: int
) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the ladder's prices without an order near them, and the orders without a price near them."""
    missing, stray = [], list(orders)
    for price_e8 in ladder:
        near = [order for order in stray if abs(parse_e8(order["price"]) - price_e8) <= tolerance_e8]
        if near:
            stray.remove(near[0])
        else:
            missing.append(price_e8)
    return missing, stray


def _place(client: PublicClient, market: Market, side: str, quantity_e8: int, how: dict[str, str]) -> bool:
    try:
        client.signed("POST", "/api/v3/order", symbol=market.symbol, side=side, quantity=format_e8(quantity_e8), **how)
    except Rejected as error:
        _raise_if_key_unknown(error)
        return False
    return True


def _raise_if_key_unknown(error: Rejected) -> None:
    """Without its keys the bot is no use; everything else the next turn mends."""
    if error.code in UNKNOWN_KEY:
        raise error


def _ppm(amount_e8: int, parts: int) -> int:
    return amount_e8 * parts // 1_000_000


def main() -> None:
    telemetry.configure_logging("liquidity", os.environ.get("CROSSBOOK_LOG_LEVEL", "INFO"))
    demo = msgspec.json.decode(Path(os.environ["CROSSBOOK_DEMO_FILE"]).read_bytes(), type=Demo)
    run(os.environ["CROSSBOOK_BASE_URL"], demo, int(os.environ.get("CROSSBOOK_LIQUIDITY_SEED", "1")))


if __name__ == "__main__":
    main()
