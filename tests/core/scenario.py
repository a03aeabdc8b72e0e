"""A small notation, so that a case reads like a row of a feature table.

Commands
- ``ada buys 2 at 100`` is a LIMIT GTC order; ``IOC``, ``FOK`` or ``MAKER`` may follow, then ``as mine`` to name it.
- ``ada sells 2 at market`` is a MARKET order; ``ada buys at market for 250`` one by quote amount.
- ``ada cancels bid``, ``ada cancels #3``, ``ada cancels #3 bid``, ``ada cancels all``.
- ``ada deposits 5 BTC as ref``, ``ada withdraws 5 BTC as ref``.
- An order may go on with ``on loss 95`` or ``on profit 105`` (a stop), ``trailing 500`` (basis points), ``showing 0.1``
  (an iceberg), ``pegged PRIMARY+1``, ``stp DECREMENT``. Its price is then ``-`` if it has none of its own.
- ``ada lists OCO mine: sells 1 at 110 MAKER as up & sells 1 at market on loss 90 as down``; ``ada cancels list mine``.
- ``ada replaces bid with buys 1 at 99``, or ``tries replacing`` if that shall be tried whatever becomes of the cancel.
- ``ada amends bid to 0.5 as bid``.
Several are separated by commas. The first unnamed order of ada is ``ada1``, then ``ada2``.

Expectations
- a result is ``FILLED 2 for 199.5`` or ``EXPIRED 0 for 0 INSUFFICIENT_LIQUIDITY``, or ``refused LOT_SIZE``;
- trades are ``1 at 100 with bob1``, in order;
- a book is ``2@98 1@99 | 5@101``, bids and asks, each best first and quantity before price;
- balances are ``ada 799+1 USDT``: free, then locked.
"""

import re
from collections import Counter
from typing import Any

from msgspec.structs import replace

from services.domain.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    CancelOrderList,
    Command,
    DefineMarket,
    Deposit,
    ListKind,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    Withdraw,
)
from services.domain.market import Market
from services.domain.money import ONE_E8, format_e8, parse_e8
from services.domain.orders import (
    PRICELESS_TYPES,
    ExpiryReason,
    OrderType,
    PegPrice,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.core.venue import OrderView, Outcome, Trade, Venue

ACTORS = {"fees": 1, "ada": 101, "bob": 102, "cleo": 103, "dora": 104}
NAMES = {account_id: name for name, account_id in ACTORS.items()}

MARKET = Market(
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size_e8=ONE_E8 // 100,
    step_size_e8=ONE_E8 // 1000,
    maker_fee_rate_e8=0,
    taker_fee_rate_e8=0,
)

_order = re.compile(
    r"(?P<actor>\w+) (?P<verb>buys|sells)(?: (?P<quantity>[\d.]+))? at (?P<price>[\d.]+|market|-)"
    r"(?: for (?P<quote>[\d.]+))?"
    r"(?: on (?P<stop>loss|profit)(?: (?P<stop_price>[\d.]+))?)?(?: trailing (?P<delta>\d+))?"
    r"(?: showing (?P<shown>[\d.]+))?(?: pegged (?P<peg>PRIMARY|MARKET)(?:\+(?P<offset>\d+))?)?"
    r"(?: stp (?P<stp>\w+))?(?: (?P<mode>IOC|FOK|MAKER))?(?: as (?P<name>\S+))?"
)
_list = re.compile(r"(?P<actor>\w+) lists (?P<kind>\w+) (?P<name>\w+): (?P<orders>.+)")
_cancel_list = re.compile(r"(?P<actor>\w+) cancels list (?P<name>\w+)")
_replace = re.compile(r"(?P<actor>\w+) (?P<how>replaces|tries replacing) (?P<name>\w+) with (?P<order>.+)")
_amend = re.compile(r"(?P<actor>\w+) amends (?P<name>\w+) to (?P<quantity>[\d.]+)(?: as (?P<new>\w+))?")
_cancel = re.compile(r"(?P<actor>\w+) cancels(?: #(?P<id>\d+))?(?: (?P<name>\w+))?")
_transfer = re.compile(
    r"(?P<actor>\w+) (?P<verb>deposits|withdraws) (?P<amount>[\d.]+) (?P<asset>\w+) as (?P<reference>\w+)"
)


class Scenario:
    """A venue with one market whose actors are spoken of by name. Each command happens one second after the last."""

    def __init__(self, venue: Venue, market: Market = MARKET, funds: str = "") -> None:
        self.venue = venue
        self.symbol = market.symbol
        self.now_us = 0
        self._order_counts: Counter[str] = Counter()
        self._names: dict[int, str] = {}
        self._orders: dict[str, OrderView] = {}
        self.market = market
        self.apply(DefineMarket(market))
        for number, fund in enumerate(split(funds), 1):
            actor, amount, asset = fund.split()
            self.apply(Deposit(ACTORS[actor], asset, parse_e8(amount), f"fund{number}"))

    def play(self, text: str) -> list[Outcome]:
        """Carry out every command of the text."""
        return [self.apply(self.read(part)) for part in split(text)]

    def apply(self, command: Command) -> Outcome:
        self.now_us += 1_000_000
        outcome = self.venue.apply(command, self.now_us)
        for order_id, order in outcome.orders.items():
            self._names[order_id] = order.client_order_id
            self._orders[order.client_order_id] = order
        return outcome

    def define(self, **changes: Any) -> Outcome:
        """List the scenario's market again with something changed; under another symbol it is another market."""
        return self.apply(DefineMarket(replace(self.market, **changes)))

    def read(self, text: str) -> Command:
        if match := _order.fullmatch(text):
            return self._read_order(match)
        if match := _transfer.fullmatch(text):
            make = Deposit if match["verb"] == "deposits" else Withdraw
            return make(ACTORS[match["actor"]], match["asset"], parse_e8(match["amount"]), match["reference"])
        if match := _list.fullmatch(text):
            return self._read_list(match)
        return self._read_change(text)

    def _read_list(self, match: re.Match[str]) -> PlaceOrderList:
        actor = match["actor"]
        orders = [self.read(f"{actor} {part.strip()}") for part in match["orders"].split("&")]
        legs = tuple(order for order in orders if isinstance(order, PlaceOrder))
        return PlaceOrderList(ACTORS[actor], self.symbol, match["name"], ListKind(match["kind"]), legs)

    def _read_change(self, text: str) -> Command:
        if match := _cancel_list.fullmatch(text):
            return CancelOrderList(ACTORS[match["actor"]], self.symbol, 0, match["name"], "cancel")
        if match := _replace.fullmatch(text):
            place = self.read(f"{match['actor']} {match['order']}")
            assert isinstance(place, PlaceOrder)
            cancel = CancelOrder(ACTORS[match["actor"]], self.symbol, 0, match["name"], "cancel")
            return ReplaceOrder(cancel, place, stop_on_failure=match["how"] == "replaces")
        if match := _amend.fullmatch(text):
            name, quantity = match["name"], parse_e8(match["quantity"])
            return AmendOrder(ACTORS[match["actor"]], self.symbol, 0, name, match["new"] or name, quantity)
        match = _cancel.fullmatch(text)
        assert match is not None, f"cannot read {text!r}"
        if match["name"] == "all":
            return CancelAllOrders(ACTORS[match["actor"]], self.symbol, "cancel-all")
        return CancelOrder(ACTORS[match["actor"]], self.symbol, int(match["id"] or 0), match["name"] or "", "cancel")

    def _read_order(self, match: re.Match[str]) -> PlaceOrder:
        actor, mode = match["actor"], match["mode"]
        kind = _type_of(match)
        name = match["name"]
        if name is None:
            self._order_counts[actor] += 1
            name = f"{actor}{self._order_counts[actor]}"
        return PlaceOrder(
            ACTORS[actor],
            self.symbol,
            name,
            Side.BUY if match["verb"] == "buys" else Side.SELL,
            kind,
            TimeInForce(mode) if mode in {"IOC", "FOK"} else TimeInForce.GTC,
            parse_e8(match["quantity"] or "0"),
            0 if kind in PRICELESS_TYPES or match["price"] == "-" else parse_e8(match["price"]),
            parse_e8(match["quote"] or "0"),
            parse_e8(match["stop_price"] or "0"),
            int(match["delta"] or 0),
            parse_e8(match["shown"] or "0"),
            SelfTradePrevention(match["stp"]) if match["stp"] else None,
            peg_price=PegPrice(f"{match['peg']}_PEG") if match["peg"] else None,
            peg_offset=int(match["offset"] or 0),
        )

    # What came of it, in the same notation

    def result(self, outcome: Outcome) -> str:
        """What happened to the order the command placed: it has the highest number."""
        if outcome.refusal is not None:
            return f"refused {outcome.refusal.name}"
        return describe(outcome.orders[max(outcome.orders)])

    def orders(self, like: str) -> str:
        """How the orders stand that the given text speaks of: ``bid NEW 0 for 0, ask FILLED 1 for 100``."""
        return ", ".join(f"{name} {describe(self._orders[name])}" for name in (part.split()[0] for part in split(like)))

    def trades(self, outcome: Outcome) -> str:
        return ", ".join(self._trade(trade) for trade in outcome.trades)

    def _trade(self, trade: Trade) -> str:
        return f"{plain(trade.quantity_e8)} at {plain(trade.price_e8)} with {self._names[trade.maker_id]}"

    def book(self) -> str:
        bids, asks = self.venue.depth(self.symbol)
        return " | ".join(
            " ".join(f"{plain(quantity)}@{plain(price)}" for price, quantity in levels) for levels in (bids, asks)
        ).strip(" ")

    def balance(self, actor: str, asset: str) -> str:
        free, locked = self.venue.balances().get((ACTORS[actor], asset), (0, 0))
        return f"{actor} {plain(free)}+{plain(locked)} {asset}"

    def balances(self, like: str) -> str:
        """The balances of the actors and assets that the given text speaks of."""
        return ", ".join(self.balance(part.split()[0], part.split()[2]) for part in split(like))

    def open_orders(self) -> str:
        """Names of the open orders, oldest first."""
        return " ".join(order.client_order_id for _, order in sorted(self.venue.open_orders().items()))


def _type_of(match: re.Match[str]) -> OrderType:
    if match["stop"]:
        name = {"loss": "STOP_LOSS", "profit": "TAKE_PROFIT"}[match["stop"]]
        return OrderType(name if match["price"] == "market" else f"{name}_LIMIT")
    if match["price"] == "market":
        return OrderType.MARKET
    return OrderType.LIMIT_MAKER if match["mode"] == "MAKER" else OrderType.LIMIT


def describe(order: OrderView) -> str:
    prevented_e8 = order.details.prevented_e8
    prevented = f" prevented {plain(prevented_e8)}" if prevented_e8 else ""
    reason = "" if order.expiry_reason is ExpiryReason.NONE else f" {order.expiry_reason.name}"
    return f"{order.status.name} {plain(order.executed_e8)} for {plain(order.executed_quote_e8)}{prevented}{reason}"


def plain(value_e8: int) -> str:
    """``1.50000000`` as ``1.5``."""
    return format_e8(value_e8).rstrip("0").rstrip(".")


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
