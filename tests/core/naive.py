"""A naive exchange: the dialect's rules (compatibility reference section 4) in the plainest words, slow on purpose.

It shares the vocabulary of ``services.domain`` with the core and nothing else, and does everything the other way round,
so that both being wrong in the same way is unlikely:
- one list holds the open orders of all markets; makers are filtered and sorted again for every single trade;
- an account owns a total per asset; what is locked is summed up from its open orders whenever someone asks;
- every rule an order breaks is collected, and the refusal is the first of them in the documented precedence;
- what an order would get is found by trading against a copy of the book;
- a market order by quote amount is a binary search for the largest quantity it can afford.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from msgspec.structs import replace

from services.domain.commands import (
    AmendOrder,
    CancelAccountOrders,
    CancelAllOrders,
    CancelOrder,
    CancelOrderList,
    CancelRestriction,
    Command,
    DefineMarket,
    DefineVenue,
    Deposit,
    HoldWithdrawal,
    ListKind,
    PlaceOrder,
    PlaceOrderList,
    RejectWithdrawal,
    ReplaceOrder,
    SetAccountStatus,
    SetAccountTerms,
    SetMarketStatus,
    SettleWithdrawal,
    SetVenueStatus,
    TransferFunds,
    Withdraw,
)
from services.domain.market import Market, MarketStatus
from services.domain.market import Venue as Limits
from services.domain.orders import (
    OPEN_STATUSES,
    ExpiryReason,
    OrderDetails,
    OrderStatus,
    OrderType,
    PegPrice,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from services.domain.refusals import Refusal
from services.domain.standing import AccountStatus, VenueStatus
from tests.core import naive_custody
from tests.core.naive_custody import FEE_ACCOUNT, Custody
from tests.core.venue import BookView, LevelChanges, Levels, ListView, OrderView, Outcome, Prevention, Trade

UNITS = 10**8
LARGEST = 2**63 - 1
BASIS_POINTS = 10_000

STOPS = {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
AT_ANY_PRICE = {OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT}
LOSS_STOPS = {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT}
PROFIT_TAKERS = {OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
FILTERS_BEFORE_A_REPLACEMENT = {
    Refusal.PRICE_FILTER,
    Refusal.LOT_SIZE,
    Refusal.MARKET_LOT_SIZE,
    Refusal.ICEBERG_PARTS,
    Refusal.TRAILING_DELTA,
    Refusal.PERCENT_PRICE,
    Refusal.PERCENT_PRICE_BY_SIDE,
    Refusal.NOTIONAL,
}


@dataclass(eq=False)
class Group:
    """An order list. ``received`` is what an OPO's working order has brought in so far."""

    list_id: int
    account_id: int
    symbol: str
    name: str
    kind: ListKind
    legs: "list[Order]" = field(default_factory=list)
    received: int = 0

    @property
    def working(self) -> "Order | None":
        return None if self.kind is ListKind.OCO else self.legs[0]

    @property
    def others(self) -> "list[Order]":
        return self.legs if self.kind is ListKind.OCO else self.legs[1:]

    @property
    def is_paid_by_working(self) -> bool:
        return self.kind in (ListKind.OPO, ListKind.OPOCO)

    def view(self) -> ListView:
        over = not any(leg.is_open for leg in self.legs)
        return ListView(self.list_id, over, tuple((leg.order_id, leg.client_order_id) for leg in self.legs))


@dataclass(eq=False)
class Order:
    """``queue`` says who came first to the book; ``shown`` is what the book shows; ``where`` it waits, if anywhere.

    ``guess`` is the price that a stop without a limit reserves for.
    """

    order_id: int
    account_id: int
    symbol: str
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    quote_quantity: int
    created_us: int
    updated_us: int
    mode: SelfTradePrevention
    stop_price: int = 0
    delta: int = 0
    iceberg: int = 0
    peg: PegPrice | None = None
    peg_offset: int = 0
    strategy: tuple[int | None, int | None] = (None, None)
    group: Group | None = None
    pegged_price: int = 0
    executed: int = 0
    executed_quote: int = 0
    prevented: int = 0
    prevented_match_id: int = 0
    amendments: int = 0
    status: OrderStatus = OrderStatus.NEW
    expiry_reason: ExpiryReason = ExpiryReason.NONE
    working_us: int = 0
    trailing_us: int = 0
    extreme: int = 0
    guess: int = 0
    where: str = ""
    queue: int = 0
    shown: int = 0

    @property
    def remaining(self) -> int:
        return self.quantity - self.executed - self.prevented

    @property
    def limit(self) -> int:
        return self.pegged_price or self.price

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def waits_for_rise(self) -> bool:
        return (self.side is Side.BUY) == (self.type in LOSS_STOPS)

    @property
    def rival(self) -> "Order | None":
        """The other one of an OCO pair."""
        pair = self.group.others if self.group else []
        return next((leg for leg in pair if leg is not self), None) if self in pair else None

    @property
    def need(self) -> int:
        """What it holds of its owner's money while it waits: the price of what is left, or what is left."""
        return exact(self.limit or self.guess, self.remaining) if self.side is Side.BUY else self.remaining

    @property
    def priority(self) -> tuple[int, int]:
        """Smaller trades first: the better price, then who came first."""
        return (-self.limit if self.side is Side.BUY else self.limit), self.queue

    def is_reached(self, price: int) -> bool:
        return price >= self.stop_price if self.waits_for_rise else price <= self.stop_price

    def view(self) -> OrderView:
        details = OrderDetails(
            self.stop_price,
            self.delta,
            self.trailing_us,
            self.iceberg,
            self.prevented,
            self.prevented_match_id,
            self.group.list_id if self.group else 0,
            *self.strategy,
            self.peg,
            self.peg_offset,
            self.pegged_price,
            self.amendments,
        )
        return OrderView(
            self.order_id,
            self.account_id,
            self.symbol,
            self.client_order_id,
            self.side,
            self.type,
            self.time_in_force,
            self.price,
            self.quantity,
            self.quote_quantity,
            self.executed,
            self.executed_quote,
            self.status,
            self.expiry_reason,
            self.created_us,
            self.updated_us,
            self.working_us,
            self.mode,
            details,
        )


class Slice(NamedTuple):
    """A part of a maker that a taker meets. An own one is taken away from both, and paid for only if transferred."""

    price: int
    quantity: int
    is_own: bool
    is_paid: bool


class Place(NamedTuple):
    """Where a maker stands in the line while a taker is imagined, and what it has left and shows."""

    priority: tuple[int, int]
    maker: Order
    left: int
    shown: int


class NaiveExchange:
    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.statuses: dict[str, MarketStatus] = {}
        self.commanded: set[str] = set()
        self.limits = Limits()
        self.terms: dict[int, SetAccountTerms] = {}
        self.open: list[Order] = []
        self.groups: list[Group] = []
        self.custody = Custody()
        self.venue_status = VenueStatus.OPEN
        self.history: dict[str, list[tuple[int, int, int]]] = {}
        self.last_price: Counter[str] = Counter()
        self.trade_count: Counter[str] = Counter()
        self.prevention_count: Counter[str] = Counter()
        self.update_count: Counter[str] = Counter()
        self.order_count = self.group_count = self.queue_count = 0
        self.now_us = 0
        self._forget_consequences()

    def _forget_consequences(self) -> None:
        """What the current command has done so far, and what that still has to cause."""
        self.trades: list[Trade] = []
        self.preventions: list[Prevention] = []
        self.changed: list[Order] = []
        self.told_groups: list[Group] = []
        self.first: Refusal | None = None
        self.second: Refusal | None = None
        self.prices: list[int] = []
        self.touched_legs: list[Order] = []
        self.agenda: list[Order] = []

    def apply(self, command: Command, now_us: int) -> Outcome:
        earlier_us = self.now_us
        self.now_us = max(now_us, self.now_us)
        refusal = self._refusal(command)
        if refusal is not None:
            self.now_us = earlier_us
            return Outcome(refusal=refusal)
        self._forget_consequences()
        before = {symbol: self.levels(symbol) for symbol in self._symbols(command)}
        self._carry_out(command)
        changed = {symbol: _difference(levels, self.levels(symbol)) for symbol, levels in before.items()}
        self.update_count.update(symbol for symbol, levels in changed.items() if levels)
        return Outcome(
            None,
            self.trades,
            {order.order_id: order.view() for order in self.changed},
            {symbol: BookView(self.update_count[symbol], levels) for symbol, levels in changed.items() if levels},
            self.preventions,
            {group.list_id: group.view() for group in self.told_groups},
            self.first,
            self.second,
        )

    def _symbols(self, command: Command) -> list[str]:
        """The markets whose books it may change."""
        if isinstance(command, ReplaceOrder):
            return [command.place.symbol]
        if isinstance(command, SetAccountStatus | CancelAccountOrders):
            return list(self.markets)
        return [getattr(command, "symbol", "")]

    def check(self, command: PlaceOrder) -> Refusal | None:
        return self._refusal(command)

    def balances(self) -> dict[tuple[int, str], tuple[int, int]]:
        return {
            (account_id, asset): (free, locked)
            for account_id, asset in self.custody.owned
            for free, locked in [(self._free(account_id, asset), self._locked(account_id, asset))]
            if free or locked
        }

    def withdrawing(self) -> dict[tuple[int, str], int]:
        amounts = {owner: self.custody.withdrawing(*owner) for owner in self.custody.owned}
        return {owner: amount for owner, amount in amounts.items() if amount}

    def depth(self, symbol: str) -> tuple[Levels, Levels]:
        bids = _totals(order for order in self._book(symbol) if order.side is Side.BUY)
        asks = _totals(order for order in self._book(symbol) if order.side is Side.SELL)
        return sorted(bids.items(), reverse=True), sorted(asks.items())

    def open_orders(self) -> dict[int, OrderView]:
        return {order.order_id: order.view() for order in self.open}

    # Which rules a command breaks

    def _refusal(self, command: Command) -> Refusal | None:
        match command:
            case PlaceOrder():
                return first(self._order_faults(command))
            case PlaceOrderList():
                return self._list_fault(command)
            case ReplaceOrder():
                return self._replacement_fault(command)
            case AmendOrder():
                return self._amendment_fault(command)
            case CancelOrder():
                return self._cancel_fault(command)
            case CancelOrderList():
                return self._cancel_list_fault(command)
            case CancelAllOrders():
                return first(self._cancel_all_faults(command))
            case Deposit() | Withdraw() | TransferFunds() | HoldWithdrawal():
                assets = {
                    asset for market in self.markets.values() for asset in (market.base_asset, market.quote_asset)
                }
                return first(self.custody.faults(command, assets, self._free), naive_custody.PRECEDENCE)
            case SettleWithdrawal() | RejectWithdrawal():
                return first(self.custody.ending_faults(command))
            case _:
                return self._administration_fault(command)

    def _administration_fault(self, command: Command) -> Refusal | None:
        match command:
            case DefineMarket():
                overrules = command.from_file and command.market.symbol in self.commanded
                return first(
                    self._market_faults(command.market)
                    | {Refusal.DEFINED_BY_COMMAND: overrules and not command.market.defects()}
                )
            case DefineVenue():
                return first(
                    {
                        Refusal.INVALID_VENUE: bool(command.venue.defects()),
                        Refusal.MARKET_UNCHANGED: command.venue == self.limits,
                    }
                )
            case SetMarketStatus():
                if command.symbol not in self.markets:
                    return Refusal.UNKNOWN_SYMBOL
                return Refusal.STATUS_UNCHANGED if self.statuses[command.symbol] is command.status else None
            case SetAccountTerms():
                return None if _terms_are_valid(command) else Refusal.INVALID_TERMS
            case SetVenueStatus():
                return Refusal.STATUS_UNCHANGED if command.status is self.venue_status else None
            case SetAccountStatus():
                if not 1 <= command.account_id <= LARGEST:
                    return Refusal.INVALID_ACCOUNT
                was = AccountStatus.FROZEN if command.account_id in self.custody.frozen else AccountStatus.ACTIVE
                return Refusal.STATUS_UNCHANGED if command.status is was else None
            case CancelAccountOrders():
                if command.symbol and command.symbol not in self.markets:
                    return Refusal.UNKNOWN_SYMBOL
                return None if self._orders_at(command.account_id, command.symbol) else Refusal.UNKNOWN_ORDER
            case _:
                raise AssertionError(command)

    def _order_faults(self, command: PlaceOrder, alone: bool = True) -> dict[Refusal, bool]:
        """``alone`` also asks what a list asks once for all its orders."""
        market = self.markets.get(command.symbol)
        if market is None:
            return {Refusal.UNKNOWN_SYMBOL: True}
        if not is_well_formed(command):
            return {Refusal.UNSUPPORTED_COMBINATION: True}
        faults = {
            Refusal.ACCOUNT_FROZEN: command.account_id in self.custody.frozen,
            Refusal.MARKET_CLOSED: self._is_closed(market.symbol),
            Refusal.DUPLICATE_CLIENT_ORDER_ID: self._name_is_taken(command),
            Refusal.SELF_TRADE_PREVENTION_NOT_ALLOWED: self._mode(command) not in market.allowed_self_trade_prevention,
            **self._number_faults(command, market),
            **self._position_faults(command, market),
        }
        if alone:
            if command.type is not OrderType.MARKET:
                faults |= self._count_faults([command], market)
            faults |= self._moment_faults(command)
            faults[Refusal.INSUFFICIENT_BALANCE] = self._free_for(command) < self._need_of(command)
        return faults

    def _is_closed(self, symbol: str) -> bool:
        return self.venue_status is VenueStatus.HALTED or self.statuses[symbol] is not MarketStatus.TRADING

    def _orders_at(self, account_id: int, symbol: str) -> list[Order]:
        """By market and then by age; in all of them without a symbol."""
        symbols = [symbol] if symbol else list(self.markets)
        return [order for name in symbols for order in self._own_orders(account_id, name)]

    def _name_is_taken(self, command: PlaceOrder) -> bool:
        own = self._own_orders(command.account_id, command.symbol)
        return any(order.client_order_id == command.client_order_id for order in own)

    def _mode(self, command: PlaceOrder) -> SelfTradePrevention:
        terms = self.terms.get(command.account_id)
        of_account = terms.self_trade_prevention if terms else None
        return command.self_trade_prevention or of_account or self.markets[command.symbol].default_self_trade_prevention

    def _number_faults(self, command: PlaceOrder, market: Market) -> dict[Refusal, bool]:
        if command.type is OrderType.MARKET:
            return self._market_order_faults(command, market)
        return self._priced_order_faults(command, market)

    def _priced_order_faults(self, command: PlaceOrder, market: Market) -> dict[Refusal, bool]:
        limit, quantity = self._limit(command), command.quantity_e8
        prices = [price for price in (limit, command.price_e8, command.stop_price_e8) if price]
        quantities = [quantity, command.iceberg_e8] if command.iceberg_e8 else [quantity]
        rises = (command.side is Side.BUY) == (command.type in LOSS_STOPS)
        deltas = (
            (market.min_trailing_above_delta, market.max_trailing_above_delta)
            if rises
            else (market.min_trailing_below_delta, market.max_trailing_below_delta)
        )
        amount = (limit or command.stop_price_e8 or self.last_price[market.symbol]) * quantity // UNITS
        return {
            Refusal.ICEBERG_EXCEEDS_QUANTITY: command.iceberg_e8 >= quantity,
            Refusal.NO_PEG_LEVEL: not limit and command.peg_price is not None and command.type not in STOPS,
            Refusal.PRICE_FILTER: any(price_is_wrong(price, market) for price in prices),
            Refusal.LOT_SIZE: any(lot_is_wrong(lot, market) for lot in quantities),
            Refusal.LEVEL_FULL: limit > 0
            and self._level_total(market.symbol, command.side, limit) + quantity > LARGEST,
            Refusal.MARKET_LOT_SIZE: command.type in AT_ANY_PRICE and market_lot_is_wrong(quantity, market),
            Refusal.ICEBERG_PARTS: command.iceberg_e8 > 0
            and 0 < market.max_iceberg_parts < Decimal(quantity) / command.iceberg_e8,
            Refusal.TRAILING_DELTA: command.trailing_delta > 0 and outside(command.trailing_delta, *deltas),
            **(self._percent_faults(limit, command.side, market) if limit else {}),
            Refusal.NOTIONAL: notional_is_wrong(amount, market) if limit else market_notional_is_wrong(amount, market),
        }

    def _percent_faults(self, price: int, side: Side, market: Market) -> dict[Refusal, bool]:
        reference = self._reference(market)
        if not reference:
            return {}
        both = (market.multiplier_down_e8, market.multiplier_up_e8)
        bid = (market.bid_multiplier_down_e8, market.bid_multiplier_up_e8)
        ask = (market.ask_multiplier_down_e8, market.ask_multiplier_up_e8)
        ratio = Decimal(price) * UNITS / reference
        return {
            Refusal.PERCENT_PRICE: ratio < both[0] or 0 < both[1] < ratio,
            Refusal.PERCENT_PRICE_BY_SIDE: any(
                ratio < low or 0 < high < ratio for low, high in [bid if side is Side.BUY else ask]
            ),
        }

    def _reference(self, market: Market) -> int:
        """The average of the window's trades, else the last price."""
        oldest = self.now_us // 1_000_000 - 60 * market.average_minutes
        trades = [trade for trade in self.history.get(market.symbol, []) if trade[0] // 1_000_000 >= oldest]
        if not market.average_minutes or not trades:
            return self.last_price[market.symbol]
        return sum(quote for _, _, quote in trades) * UNITS // sum(quantity for _, quantity, _ in trades)

    def _market_order_faults(self, command: PlaceOrder, market: Market) -> dict[Refusal, bool]:
        by_quote = command.quote_quantity_e8 != 0
        available, quantity, cost = self._wanted(command)
        amount = cost if by_quote else self._reference(market) * quantity // UNITS
        has_makers = bool(self._makers(market.symbol, command.side))
        return {
            Refusal.NO_LIQUIDITY: by_quote and not has_makers,
            Refusal.LIQUIDITY_BELOW_LOT_SIZE: by_quote and available < max(market.min_quantity_e8, 1),
            Refusal.LIQUIDITY_BELOW_MARKET_LOT_SIZE: by_quote and available < market.min_market_quantity_e8,
            Refusal.LOT_SIZE: lot_is_wrong(quantity, market),
            Refusal.MARKET_LOT_SIZE: market_lot_is_wrong(quantity, market),
            Refusal.NOTIONAL: market_notional_is_wrong(amount, market),
        }

    def _wanted(self, command: PlaceOrder) -> tuple[int, int, int]:
        """What a market order must be able to pay for or give, what it asks for, and what that costs.

        By quote amount it asks for the most that the amount pays for, as if what is offered last went on for ever.
        """
        slices = list(self._meets(command.symbol, command.side, command.account_id, self._mode(command), 0))
        if not command.quote_quantity_e8:
            cost = cost_of(slices, command.quantity_e8, paid_only=True)
            return command.quantity_e8, command.quantity_e8, cost
        market = self.markets[command.symbol]
        paid = [part for part in slices if part.is_paid]
        offered = sum(part.quantity for part in paid)
        if not paid:
            return 0, 0, 0
        step = market.market_step_size_e8 or market.step_size_e8
        endless = [*paid, Slice(paid[-1].price, 10**30, is_own=False, is_paid=True)]
        most = command.quote_quantity_e8 * UNITS // min(part.price for part in paid) + offered
        low, high = 0, most // step + 1
        while high - low > 1:
            middle = (low + high) // 2
            if exact_cost(endless, middle * step) <= command.quote_quantity_e8 * UNITS:
                low = middle
            else:
                high = middle
        wanted = low * step
        available = min(wanted, offered)
        return available, wanted, cost_of(paid, available)

    def _position_faults(self, command: PlaceOrder, market: Market) -> dict[Refusal, bool]:
        quantity = self._wanted(command)[1] if command.type is OrderType.MARKET else command.quantity_e8
        buying = [order for order in self._own_orders(command.account_id, market.symbol) if order.side is Side.BUY]
        held = self.custody.owned[command.account_id, market.base_asset] + sum(order.remaining for order in buying)
        price = self._limit(command) or self.last_price[market.symbol]
        return {
            Refusal.MAX_POSITION: command.side is Side.BUY and 0 < market.max_position_e8 < held + quantity,
            Refusal.MAX_ASSET: any(
                limit < (quantity if asset == market.base_asset else price * quantity // UNITS)
                for asset, limit in self.limits.max_order_amounts_e8
                if asset in (market.base_asset, market.quote_asset)
            ),
        }

    def _count_faults(self, commands: Sequence[PlaceOrder], market: Market) -> dict[Refusal, bool]:
        account_id = commands[0].account_id
        here = self._own_orders(account_id, market.symbol)
        everywhere = [order for order in self.open if order.account_id == account_id]
        algo = sum(command.type in STOPS for command in commands)
        ice = sum(command.iceberg_e8 > 0 for command in commands)
        limits = self.limits

        def above(limit: int, count: int, new: int) -> bool:
            return 0 < limit < count + new

        return {
            Refusal.MAX_NUM_ORDERS: above(market.max_open_orders, len(here), len(commands)),
            Refusal.MAX_NUM_ALGO_ORDERS: algo > 0 and above(market.max_algo_orders, _stops(here), algo),
            Refusal.MAX_NUM_ICEBERG_ORDERS: ice > 0 and above(market.max_iceberg_orders, _icebergs(here), ice),
            Refusal.EXCHANGE_MAX_NUM_ORDERS: above(limits.max_open_orders, len(everywhere), len(commands)),
            Refusal.EXCHANGE_MAX_NUM_ALGO_ORDERS: above(limits.max_algo_orders, _stops(everywhere), algo),
            Refusal.EXCHANGE_MAX_NUM_ICEBERG_ORDERS: above(limits.max_iceberg_orders, _icebergs(everywhere), ice),
        }

    def _moment_faults(self, command: PlaceOrder) -> dict[Refusal, bool]:
        last = self.last_price[command.symbol]
        fixed_stop = command.type in STOPS and not command.trailing_delta
        rises = (command.side is Side.BUY) == (command.type in LOSS_STOPS)
        behind = last >= command.stop_price_e8 if rises else last <= command.stop_price_e8
        return {
            Refusal.WOULD_MATCH_IMMEDIATELY: command.type is OrderType.LIMIT_MAKER
            and bool(self._makers(command.symbol, command.side, self._limit(command))),
            Refusal.WOULD_TRIGGER_IMMEDIATELY: fixed_stop and last > 0 and behind,
        }

    def _limit(self, command: PlaceOrder) -> int:
        """The price it works at: its own, or for a peg the book's; 0 for none."""
        if command.peg_price is None or command.type in STOPS:
            return command.price_e8
        return self._peg(command.symbol, command.side, command.peg_price, command.peg_offset, command.price_e8)

    def _peg(self, symbol: str, side: Side, peg: PegPrice, offset: int, worst: int) -> int:
        bids, asks = self.depth(symbol)
        levels = bids if (peg is PegPrice.PRIMARY_PEG) == (side is Side.BUY) else asks
        if offset >= len(levels):
            return 0
        price = levels[offset][0]
        if not worst:
            return price
        return min(price, worst) if side is Side.BUY else max(price, worst)

    def _need_of(self, command: PlaceOrder) -> int:
        if command.type is OrderType.MARKET:
            available, _, cost = self._wanted(command)
            return cost if command.side is Side.BUY else available
        if command.side is Side.SELL:
            return command.quantity_e8
        price = self._limit(command) or command.stop_price_e8 or self.last_price[command.symbol]
        return price * command.quantity_e8 // UNITS

    def _free_for(self, command: PlaceOrder) -> int:
        return self._free(command.account_id, self._paying_asset(command))

    def _list_fault(self, command: PlaceOrderList) -> Refusal | None:
        market = self.markets.get(command.symbol)
        if market is None:
            return Refusal.UNKNOWN_SYMBOL
        if not list_is_well_formed(command):
            return Refusal.UNSUPPORTED_COMBINATION
        if command.account_id in self.custody.frozen:
            return Refusal.ACCOUNT_FROZEN
        if self._is_closed(command.symbol):
            return Refusal.MARKET_CLOSED
        names = [command.client_order_list_id, *(order.client_order_id for order in command.orders)]
        others = [group.name for group in self.groups if group.account_id == command.account_id]
        open_here = [group for group in self.groups if group.symbol == command.symbol]
        taken = [group.name for group in open_here if group.account_id == command.account_id]
        if len(set(names)) < len(names) or command.client_order_list_id in taken:
            return Refusal.DUPLICATE_CLIENT_ORDER_ID
        orders = list(command.orders)
        if command.kind in (ListKind.OPO, ListKind.OPOCO):
            orders[1:] = [replace(order, quantity_e8=orders[0].quantity_e8) for order in orders[1:]]
        for order in orders:
            fault = first(self._order_faults(order, alone=False))
            if fault is not None:
                return fault
        starting = orders if command.kind is ListKind.OCO else orders[:1]
        pair = orders if command.kind is ListKind.OCO else orders[1:]
        faults = {
            **self._count_faults(orders, market),
            Refusal.MAX_NUM_ORDER_LISTS: 0 < market.max_order_lists <= len(taken),
            Refusal.EXCHANGE_MAX_NUM_ORDER_LISTS: 0 < self.limits.max_order_lists <= len(others),
            Refusal.LIST_PRICES_UNRELATED: len(pair) == 2
            and not self._surrounds(pair, self.last_price[command.symbol] if command.kind is ListKind.OCO else 0),
            Refusal.INSUFFICIENT_BALANCE: self._free_for(starting[0]) < max(map(self._need_of, starting)),
        }
        fault = first(faults, [refusal for refusal in Refusal if refusal is not Refusal.INSUFFICIENT_BALANCE])
        for order in starting:
            fault = fault or first(self._moment_faults(order))
        return fault or first(faults)

    def _surrounds(self, pair: Sequence[PlaceOrder], last: int) -> bool:
        above, below = [order.stop_price_e8 or order.price_e8 for order in pair]
        pairs = [(above, below), (above, last), (last, below)]
        return all(high > low for high, low in pairs if high and low)

    def _replacement_fault(self, command: ReplaceOrder) -> Refusal | None:
        cancel, place = command.cancel, command.place
        if place.symbol not in self.markets:
            return Refusal.UNKNOWN_SYMBOL
        same = (cancel.account_id, cancel.symbol) == (place.account_id, place.symbol)
        if not same or not is_well_formed(place):
            return Refusal.UNSUPPORTED_COMBINATION
        fault = first(self._number_faults(place, self.markets[place.symbol]))
        if fault in FILTERS_BEFORE_A_REPLACEMENT:
            return fault
        return self._cancel_fault(cancel) if command.stop_on_failure else None

    def _amendment_fault(self, command: AmendOrder) -> Refusal | None:
        fault = self._cancel_fault(command)
        if fault is not None:
            return fault
        (order,) = self._named_orders(command)
        market = self.markets[order.symbol]
        legs = [leg for leg in (order, order.rival) if leg is not None]
        other_name = command.new_client_order_id != order.client_order_id
        taken = [own.client_order_id for own in self._own_orders(order.account_id, order.symbol)]
        pending_opo = order.status is OrderStatus.PENDING_NEW and order.group and order.group.is_paid_by_working
        amount = order.limit * command.quantity_e8 // UNITS
        rules = [
            (self._is_closed(order.symbol), Refusal.MARKET_CLOSED),
            (pending_opo, Refusal.AMEND_PENDING_OPO),
            (command.quantity_e8 > order.quantity, Refusal.AMEND_INCREASES),
            (command.quantity_e8 == order.quantity, Refusal.AMEND_CHANGES_NOTHING),
            (other_name and command.new_client_order_id in taken, Refusal.DUPLICATE_CLIENT_ORDER_ID),
            (lot_is_wrong(command.quantity_e8, market), Refusal.LOT_SIZE),
            (order.limit > 0 and notional_is_wrong(amount, market), Refusal.NOTIONAL),
            (any(command.quantity_e8 <= leg.executed + leg.prevented for leg in legs), Refusal.AMEND_CHANGES_NOTHING),
            (0 < market.max_amendments <= order.amendments, Refusal.MAX_NUM_ORDER_AMENDS),
        ]
        return next((refusal for broken, refusal in rules if broken), None)

    def _cancel_fault(self, command: CancelOrder | AmendOrder) -> Refusal | None:
        if command.symbol not in self.markets:
            return Refusal.UNKNOWN_SYMBOL
        named = self._named_orders(command)
        if not named:
            return Refusal.UNKNOWN_ORDER
        if command.client_order_id not in ("", named[0].client_order_id):
            return Refusal.CLIENT_ORDER_ID_MISMATCH
        if isinstance(command, CancelOrder) and command.restriction is not None:
            wanted = {
                CancelRestriction.ONLY_NEW: OrderStatus.NEW,
                CancelRestriction.ONLY_PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
            }[command.restriction]
            return None if named[0].status is wanted else Refusal.CANCEL_RESTRICTED
        return None

    def _named_orders(self, command: CancelOrder | AmendOrder) -> list[Order]:
        own = self._own_orders(command.account_id, command.symbol)
        if command.order_id:
            return [order for order in own if order.order_id == command.order_id]
        return [order for order in own if order.client_order_id == command.client_order_id]

    def _cancel_list_fault(self, command: CancelOrderList) -> Refusal | None:
        if command.symbol not in self.markets:
            return Refusal.UNKNOWN_SYMBOL
        named = self._named_groups(command)
        if not named:
            return Refusal.UNKNOWN_ORDER
        fits = command.client_order_list_id in ("", named[0].name)
        return None if fits else Refusal.CLIENT_ORDER_ID_MISMATCH

    def _named_groups(self, command: CancelOrderList) -> list[Group]:
        own = [g for g in self.groups if (g.account_id, g.symbol) == (command.account_id, command.symbol)]
        if command.order_list_id:
            return [group for group in own if group.list_id == command.order_list_id]
        return [group for group in own if group.name == command.client_order_list_id]

    def _cancel_all_faults(self, command: CancelAllOrders) -> dict[Refusal, bool]:
        return {
            Refusal.UNKNOWN_SYMBOL: command.symbol not in self.markets,
            Refusal.UNKNOWN_ORDER: not self._own_orders(command.account_id, command.symbol),
        }

    def _market_faults(self, new: Market) -> dict[Refusal, bool]:
        old = self.markets.get(new.symbol)
        if new.defects() or old is None:
            return {Refusal.INVALID_MARKET: bool(new.defects())}
        finer = not off_grid(old.tick_size_e8, new.tick_size_e8) and not off_grid(old.step_size_e8, new.step_size_e8)
        return {
            Refusal.MARKET_ASSETS_FIXED: (old.base_asset, old.quote_asset) != (new.base_asset, new.quote_asset),
            Refusal.MARKET_UNCHANGED: old == new,
            Refusal.GRID_COARSER_THAN_OPEN_ORDERS: not finer and any(order.symbol == new.symbol for order in self.open),
        }

    # What an allowed command does

    def _carry_out(self, command: Command) -> None:
        match command:
            case PlaceOrder():
                self._place(command)
            case PlaceOrderList():
                self._place_list(command)
            case ReplaceOrder():
                self._replace(command)
            case AmendOrder():
                self._amend(command)
            case CancelOrder():
                self._cancel(self._named_orders(command))
            case CancelOrderList():
                self._cancel(self._named_groups(command)[0].legs[:1])
            case CancelAllOrders():
                self._cancel(self._own_orders(command.account_id, command.symbol))
            case _:
                self._administer(command)

    def _administer(self, command: Command) -> None:
        match command:
            case DefineMarket():
                old = self.markets.get(command.market.symbol)
                if old is None or old.status is not command.market.status:
                    self.statuses[command.market.symbol] = command.market.status
                self.markets[command.market.symbol] = command.market
                (self.commanded.discard if command.from_file else self.commanded.add)(command.market.symbol)
            case DefineVenue():
                self.limits = command.venue
            case SetMarketStatus():
                self.statuses[command.symbol] = command.status
            case SetAccountTerms():
                self.terms[command.account_id] = command
            case SetVenueStatus():
                self.venue_status = command.status
            case CancelAccountOrders():
                self._expel(self._orders_at(command.account_id, command.symbol))
            case SetAccountStatus(account_id, AccountStatus.FROZEN):
                self.custody.frozen.append(account_id)
                self._expel(self._orders_at(account_id, ""))
            case SetAccountStatus(account_id):
                self.custody.frozen.remove(account_id)
            case _:
                self.custody.carry_out(command)

    def _place(self, command: PlaceOrder) -> None:
        order = self._new_order(command)
        self._start(order)
        self._let_things_happen()

    def _place_list(self, command: PlaceOrderList) -> None:
        self.group_count += 1
        group = Group(self.group_count, command.account_id, command.symbol, command.client_order_list_id, command.kind)
        self.groups.append(group)
        group.legs = [self._new_order(order, group) for order in command.orders]
        starting = group.legs if command.kind is ListKind.OCO else group.legs[:1]
        for order in group.legs:
            if order not in starting:
                order.status, order.where, order.pegged_price, order.guess = OrderStatus.PENDING_NEW, "list", 0, 0
                self.open.append(order)
        self.told_groups.append(group)
        for order in starting:
            self._start(order)
        self._let_things_happen()

    def _new_order(self, command: PlaceOrder, group: Group | None = None) -> Order:
        self.order_count += 1
        order = Order(
            self.order_count,
            command.account_id,
            command.symbol,
            command.client_order_id,
            command.side,
            command.type,
            command.time_in_force,
            command.price_e8,
            self._wanted(command)[1]
            if command.type is OrderType.MARKET and command.quote_quantity_e8
            else command.quantity_e8,
            command.quote_quantity_e8,
            self.now_us,
            self.now_us,
            self._mode(command),
            command.stop_price_e8,
            command.trailing_delta,
            command.iceberg_e8,
            command.peg_price,
            command.peg_offset,
            (command.strategy_id, command.strategy_type),
            group,
        )
        if command.peg_price is not None and command.type not in STOPS:
            order.pegged_price = self._limit(command)
        order.guess = command.stop_price_e8 or self.last_price[command.symbol]
        self.changed.append(order)
        return order

    def _replace(self, command: ReplaceOrder) -> None:
        self.first = self._cancel_fault(command.cancel)
        if self.first is None:
            self._cancel(self._named_orders(command.cancel))
        self.second = first(self._order_faults(command.place))
        if self.second is None:
            self._place(command.place)

    def _amend(self, command: AmendOrder) -> None:
        (order,) = self._named_orders(command)
        for leg in (order, order.rival):
            if leg is not None and leg.is_open:
                leg.quantity = command.quantity_e8
                leg.shown = min(leg.shown, leg.remaining)
                leg.amendments += 1
                leg.updated_us = self.now_us
                self.changed.append(leg)
        if order.client_order_id != command.new_client_order_id:
            order.client_order_id = command.new_client_order_id
            self.told_groups += [order.group] if order.group else []

    def _cancel(self, orders: Iterable[Order]) -> None:
        self._end_with_lists(orders, OrderStatus.CANCELED, ExpiryReason.NONE)

    def _expel(self, orders: Iterable[Order]) -> None:
        self._end_with_lists(orders, OrderStatus.EXPIRED, ExpiryReason.EXCHANGE_CANCELED)

    def _end_with_lists(self, orders: Iterable[Order], status: OrderStatus, reason: ExpiryReason) -> None:
        for order in orders:
            for leg in order.group.legs if order.group else [order]:
                if leg.is_open:
                    self._end(leg, status, reason)
        self._let_things_happen()

    # An order takes part in trading

    def _start(self, order: Order) -> None:
        """An order whose time has come: it waits for its trigger or trades."""
        if order.type not in STOPS:
            self._work(order)
            return
        self._stay(order, "trigger")
        if not order.delta and self.last_price[order.symbol] and order.is_reached(self.last_price[order.symbol]):
            order.where = "triggered"
            self.agenda.append(order)

    def _stay(self, order: Order, where: str) -> None:
        order.where = where
        if order not in self.open:
            self.open.append(order)

    def _work(self, order: Order) -> None:
        order.working_us = self.now_us
        order.where = ""
        self.changed.append(order)
        if self._may_trade(order):
            self._trade_while_possible(order)
        if not order.is_open:
            return
        reason = self._expiry_reason(order)
        if reason is not ExpiryReason.NONE:
            self._end(order, OrderStatus.EXPIRED, reason)
            return
        self._stay(order, "book")
        self._queue(order)

    def _queue(self, order: Order) -> None:
        """Behind everyone else at its price, showing what it may."""
        self.queue_count += 1
        order.queue = self.queue_count
        order.shown = min(order.remaining, order.iceberg or order.remaining)

    def _may_trade(self, order: Order) -> bool:
        if order.time_in_force is TimeInForce.FOK:
            return self._would_get(order)[0] == order.remaining
        return order.type is not OrderType.LIMIT_MAKER

    def _would_get(self, order: Order) -> tuple[int, int]:
        """How much of what it wants it would trade, and what it would pay for."""
        slices = list(self._meets(order.symbol, order.side, order.account_id, order.mode, order.limit))
        wanted, traded = order.remaining, 0
        for part in slices:
            taken = min(wanted, part.quantity)
            wanted -= taken
            traded += 0 if part.is_own else taken
        return traded, cost_of(slices, order.remaining, paid_only=True)

    def _meets(
        self, symbol: str, side: Side, account_id: int, mode: SelfTradePrevention, limit: int
    ) -> Iterator[Slice]:
        """What a taker who never has enough would meet, in turn."""
        line = [
            Place(maker.priority, maker, maker.remaining, maker.shown) for maker in self._makers(symbol, side, limit)
        ]
        late = 10**9
        while line:
            place = min(line, key=lambda place: place.priority)
            line.remove(place)
            maker = place.maker
            is_own = mode is not SelfTradePrevention.NONE and self._is_own(account_id, maker.account_id)
            if is_own and mode in (SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH):
                return
            if is_own and mode is SelfTradePrevention.EXPIRE_MAKER:
                continue
            moves = mode is maker.mode is SelfTradePrevention.TRANSFER and maker.account_id != account_id
            yield Slice(maker.limit, place.shown, is_own, not is_own or moves)
            late += 1
            left = place.left - place.shown
            if left:
                line.append(Place((place.priority[0], late), maker, left, min(left, maker.iceberg)))

    def _trade_while_possible(self, taker: Order) -> None:
        while taker.is_open and (makers := self._makers(taker.symbol, taker.side, taker.limit)):
            maker = makers[0]
            if taker.mode is not SelfTradePrevention.NONE and self._is_own(taker.account_id, maker.account_id):
                self._prevent(taker, maker)
            else:
                self._trade(taker, maker)
            if maker.is_open and not maker.shown:
                self._queue(maker)

    def _trade(self, taker: Order, maker: Order) -> None:
        symbol = taker.symbol
        quantity = min(taker.remaining, maker.shown)
        quote = exact(maker.limit, quantity)
        maker.shown -= quantity
        taker_fee = self._fill(taker, quantity, quote, is_maker=False)
        maker_fee = self._fill(maker, quantity, quote, is_maker=True)
        self.last_price[symbol] = maker.limit
        self.prices.append(maker.limit)
        self.history.setdefault(symbol, []).append((self.now_us, quantity, quote))
        self.trade_count[symbol] += 1
        trade_id = self.trade_count[symbol]
        self.trades.append(
            Trade(trade_id, maker.limit, quantity, quote, taker.order_id, maker.order_id, taker_fee, maker_fee)
        )

    def _fill(self, order: Order, quantity: int, quote: int, *, is_maker: bool) -> int:
        market = self.markets[order.symbol]
        received = quantity if order.side is Side.BUY else quote
        fee = commission(received, self._fee_rate(order.account_id, market, is_maker))
        self._move_goods(order, quantity, quote, fee)
        order.executed += quantity
        order.executed_quote += quote
        order.updated_us = self.now_us
        order.status = OrderStatus.PARTIALLY_FILLED
        self.changed.append(order)
        self._touch_leg(order)
        if order.group and order is order.group.working and order.group.is_paid_by_working:
            order.group.received += received - fee
        if not order.remaining:
            self._end(order, OrderStatus.FILLED)
        return fee

    def _move_goods(self, order: Order, quantity: int, quote: int, fee: int) -> None:
        market = self.markets[order.symbol]
        base, quote_asset = market.base_asset, market.quote_asset
        buys = order.side is Side.BUY
        self.custody.owned[order.account_id, base] += quantity if buys else -quantity
        self.custody.owned[order.account_id, quote_asset] += -quote if buys else quote
        asset = base if buys else quote_asset
        self.custody.owned[order.account_id, asset] -= fee
        self.custody.owned[FEE_ACCOUNT, asset] += fee

    def _fee_rate(self, account_id: int, market: Market, is_maker: bool) -> int:
        terms = self.terms.get(account_id, SetAccountTerms(account_id))
        own = terms.maker_fee_rate_e8 if is_maker else terms.taker_fee_rate_e8
        general = market.maker_fee_rate_e8 if is_maker else market.taker_fee_rate_e8
        return general if own is None else own

    def _is_own(self, account_id: int, other: int) -> bool:
        groups = [self.terms[one].trade_group_id for one in (account_id, other) if one in self.terms]
        return account_id == other or (len(groups) == 2 and groups[0] == groups[1] != 0)

    def _prevent(self, taker: Order, maker: Order) -> None:
        """Section 4.2, the table."""
        mode = taker.mode
        if mode is SelfTradePrevention.TRANSFER and maker.mode is not SelfTradePrevention.TRANSFER:
            mode = SelfTradePrevention.DECREMENT
        both = min(taker.remaining, maker.shown)
        price = maker.limit
        losses = {
            SelfTradePrevention.EXPIRE_TAKER: (taker.remaining, 0),
            SelfTradePrevention.EXPIRE_MAKER: (0, maker.remaining),
            SelfTradePrevention.EXPIRE_BOTH: (taker.remaining, maker.remaining),
            SelfTradePrevention.DECREMENT: (both, both),
            SelfTradePrevention.TRANSFER: (both, both),
        }[mode]
        if mode is SelfTradePrevention.TRANSFER and taker.account_id != maker.account_id:
            for order in (taker, maker):
                self._move_goods(order, both, exact(price, both), 0)
        self.prevention_count[taker.symbol] += 1
        number = self.prevention_count[taker.symbol]
        self.preventions.append(Prevention(number, price, mode, *losses, taker.order_id, maker.order_id))
        maker.shown = max(0, maker.shown - losses[1])
        for order, loss in zip((taker, maker), losses, strict=True):
            if loss:
                order.prevented += loss
                order.prevented_match_id = number
                order.updated_us = self.now_us
                self.changed.append(order)
                self._touch_leg(order)
        for order in (taker, maker):
            if not order.remaining:
                self._end(order, OrderStatus.EXPIRED_IN_MATCH)

    def _expiry_reason(self, order: Order) -> ExpiryReason:
        """Why an order that has traded what it could may not stay, if so."""
        if order.type in AT_ANY_PRICE:
            return ExpiryReason.INSUFFICIENT_LIQUIDITY
        if order.time_in_force is TimeInForce.GTC:
            full = self._level_total(order.symbol, order.side, order.limit) + order.remaining > LARGEST
            return ExpiryReason.REJECTED if full else ExpiryReason.NONE
        return {
            TimeInForce.IOC: ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED,
            TimeInForce.FOK: ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED,
        }[order.time_in_force]

    def _end(self, order: Order, status: OrderStatus, reason: ExpiryReason = ExpiryReason.NONE) -> None:
        order.status, order.expiry_reason, order.updated_us, order.where = status, reason, self.now_us, ""
        self.open = [other for other in self.open if other is not order]
        self.changed.append(order)
        self._touch_leg(order)

    # What one thing causes

    def _touch_leg(self, order: Order) -> None:
        if order.group and order not in self.touched_legs:
            self.touched_legs.append(order)

    def _let_things_happen(self) -> None:
        """First what concerns lists, then stops that saw prices, then one order that has been woken; and again."""
        while self.touched_legs or self.prices or self.agenda:
            if self.touched_legs:
                self._follow_up(self.touched_legs.pop(0))
            elif self.prices:
                self._show_price(self.prices.pop(0), self.changed[-1].symbol)
            else:
                self._wake(self.agenda.pop(0))

    def _follow_up(self, order: Order) -> None:
        group = order.group
        assert group is not None
        rival = order.rival
        if rival is not None and rival.is_open and order.expiry_reason is not ExpiryReason.OCO_TRIGGER:
            self._end(rival, OrderStatus.EXPIRED, ExpiryReason.OCO_TRIGGER)
        if order is group.working and not order.is_open:
            for leg in group.others:
                if leg.status is OrderStatus.PENDING_NEW and order.status is OrderStatus.FILLED:
                    self.agenda.append(leg)
                elif leg.status is OrderStatus.PENDING_NEW:
                    self._end(leg, OrderStatus.EXPIRED, ExpiryReason.OTO_PHASE_ONE_EXPIRED)
        if group in self.groups and not any(leg.is_open for leg in group.legs):
            self.groups.remove(group)
            self.told_groups.append(group)

    def _show_price(self, price: int, symbol: str) -> None:
        waiting = [order for order in self.open if order.symbol == symbol and order.where == "trigger"]
        reached = []
        for order in waiting:
            if not order.delta:
                if order.is_reached(price):
                    reached.append(order)
            elif not order.trailing_us:
                if not order.stop_price or order.is_reached(price):
                    order.trailing_us, order.extreme = self.now_us, price
                    self.changed.append(order)
            elif order.side is Side.BUY:
                order.extreme = min(order.extreme, price)
                if Decimal(price) / order.extreme >= 1 + Decimal(order.delta) / BASIS_POINTS:
                    reached.append(order)
            else:
                order.extreme = max(order.extreme, price)
                if Decimal(price) / order.extreme <= 1 - Decimal(order.delta) / BASIS_POINTS:
                    reached.append(order)
        for order in sorted(reached, key=lambda order: order.order_id):
            order.where = "triggered"
            self.agenda.append(order)

    def _wake(self, order: Order) -> None:
        if order.status is OrderStatus.PENDING_NEW:
            self._begin(order)
        elif order.is_open:
            self._trigger(order)

    def _trigger(self, order: Order) -> None:
        free = self._free(order.account_id, self._paying_asset(order)) + self._held(order)
        if order.rival is not None and order.rival.is_open:
            self._end(order.rival, OrderStatus.EXPIRED, ExpiryReason.OCO_TRIGGER)
        if not self._fix_price(order) or free < self._need_to_trade(order):
            self._end(order, OrderStatus.EXPIRED, ExpiryReason.REJECTED)
            return
        order.updated_us = self.now_us
        self._work(order)

    def _begin(self, order: Order) -> None:
        """A pending order whose working order has been filled."""
        order.updated_us = self.now_us
        group, market = order.group, self.markets[order.symbol]
        assert group is not None
        free = self._free(order.account_id, self._paying_asset(order)) + self._held(order)
        order.status = OrderStatus.NEW
        order.guess = order.stop_price or self.last_price[order.symbol]
        if group.is_paid_by_working and order is group.others[0]:
            for leg in group.others:
                leg.quantity = self._fitting(group.received, group, market)
        if order.rival is not None and order.rival.status is OrderStatus.PENDING_NEW:
            order.rival.guess = order.rival.stop_price or self.last_price[order.symbol]
        if not self._may_begin(order, group, market) or free < self._need_to_begin(order):
            self._end(order, OrderStatus.EXPIRED, ExpiryReason.REJECTED)
            return
        self.changed.append(order)
        self._start(order)

    def _may_begin(self, order: Order, group: Group, market: Market) -> bool:
        if group.is_paid_by_working:
            if lot_is_wrong(order.quantity, market):
                return False
            if order.type in AT_ANY_PRICE and market_lot_is_wrong(order.quantity, market):
                return False
            if order.limit and notional_is_wrong(order.limit * order.quantity // UNITS, market):
                return False
        if order.type in STOPS:
            return True
        if not self._fix_price(order):
            return False
        return order.type is not OrderType.LIMIT_MAKER or not self._makers(order.symbol, order.side, order.limit)

    def _fitting(self, received: int, group: Group, market: Market) -> int:
        """The most that every pending order of the list may sell of it."""
        any_price = any(leg.type in AT_ANY_PRICE for leg in group.others)
        most = [received, market.max_quantity_e8 or LARGEST]
        step = market.step_size_e8
        if any_price:
            most.append(market.max_market_quantity_e8 or LARGEST)
            step = market.market_step_size_e8 or step
        return min(most) // step * step

    def _need_to_begin(self, order: Order) -> int:
        """A pair needs what either may need."""
        own = self._need_to_trade(order) if order.type is OrderType.MARKET else order.need
        rival = order.rival
        if rival is None:
            return own
        if rival.status is not OrderStatus.PENDING_NEW and order.type in STOPS:
            return 0
        return max(own, rival.need if rival.limit or rival.type in STOPS else 0)

    def _need_to_trade(self, order: Order) -> int:
        if order.side is Side.SELL:
            return order.remaining
        return self._would_get(order)[1] if order.type in AT_ANY_PRICE else exact(order.limit, order.remaining)

    def _fix_price(self, order: Order) -> bool:
        """A pegged order takes its price from the book, which must pass the filters."""
        if order.peg is None:
            return True
        market = self.markets[order.symbol]
        order.pegged_price = self._peg(order.symbol, order.side, order.peg, order.peg_offset, order.price)
        price = order.pegged_price
        if not price or price_is_wrong(price, market) or notional_is_wrong(price * order.quantity // UNITS, market):
            return False
        return not any(self._percent_faults(price, order.side, market).values())

    # Looking things up

    def _book(self, symbol: str) -> list[Order]:
        return [order for order in self.open if order.symbol == symbol and order.where == "book"]

    def _makers(self, symbol: str, taker_side: Side, limit: int = 0) -> list[Order]:
        """Who would trade with an order of this side within its limit (0 means any), in order of priority."""
        makers = [order for order in self._book(symbol) if order.side is not taker_side]
        if limit and taker_side is Side.BUY:
            makers = [order for order in makers if order.limit <= limit]
        elif limit:
            makers = [order for order in makers if order.limit >= limit]
        return sorted(makers, key=lambda order: order.priority)

    def _own_orders(self, account_id: int, symbol: str) -> list[Order]:
        own = [order for order in self.open if order.account_id == account_id and order.symbol == symbol]
        return sorted(own, key=lambda order: order.order_id)

    def _level_total(self, symbol: str, side: Side, price: int) -> int:
        """What already waits at a price, hidden parts included."""
        return sum(order.remaining for order in self._book(symbol) if (order.side, order.limit) == (side, price))

    def _paying_asset(self, order: Order | PlaceOrder) -> str:
        market = self.markets[order.symbol]
        return market.quote_asset if order.side is Side.BUY else market.base_asset

    def _held(self, order: Order) -> int:
        """What is locked for an order, or for it and its rival together."""
        group, rival = order.group, order.rival
        if order.status is OrderStatus.PENDING_NEW:
            keeps = group is not None and group.is_paid_by_working and order is group.others[0]
            own = group.received if group is not None and keeps else 0
        else:
            own = order.need
        if rival is None or not rival.is_open:
            return own
        if rival.status is OrderStatus.PENDING_NEW and order.status is OrderStatus.PENDING_NEW:
            return own
        return max(order.need, rival.need)

    def _locked(self, account_id: int, asset: str) -> int:
        """The open orders' own, a pair counting once."""
        seen: list[Order] = []
        total = 0
        for order in self._by_age():
            if order.account_id != account_id or self._paying_asset(order) != asset or order in seen or not order.where:
                continue
            rival = order.rival
            is_pending_pair = order.status is OrderStatus.PENDING_NEW and rival is not None
            together = rival is not None and rival.is_open
            if together and rival is not None and not (is_pending_pair and rival.status is OrderStatus.PENDING_NEW):
                seen.append(rival)
            total += self._held(order)
        return total

    def _by_age(self) -> list[Order]:
        return sorted(self.open, key=lambda order: order.order_id)

    def _free(self, account_id: int, asset: str) -> int:
        set_aside = self._locked(account_id, asset) + self.custody.withdrawing(account_id, asset)
        return self.custody.owned[account_id, asset] - set_aside

    def levels(self, symbol: str) -> LevelChanges:
        bids, asks = self.depth(symbol)
        sides = ((Side.BUY, bids), (Side.SELL, asks))
        return {(side, price): total for side, levels in sides for price, total in levels}


def first(faults: dict[Refusal, bool], precedence: Sequence[Refusal] = tuple(Refusal)) -> Refusal | None:
    return next((refusal for refusal in precedence if faults.get(refusal)), None)


def is_well_formed(command: PlaceOrder) -> bool:
    """Section 4.1, the table: what is not given is 0 or None."""
    kind, gtc = command.type, command.time_in_force is TimeInForce.GTC
    has_limit = kind not in AT_ANY_PRICE
    numbers = (
        command.quantity_e8,
        command.price_e8,
        command.quote_quantity_e8,
        command.stop_price_e8,
        command.trailing_delta,
        command.iceberg_e8,
        command.peg_offset,
    )
    rules = [
        all(number >= 0 for number in numbers),
        (command.quantity_e8 > 0) != (command.quote_quantity_e8 > 0),
        command.quote_quantity_e8 == 0 or kind is OrderType.MARKET,
        gtc or (has_limit and kind is not OrderType.LIMIT_MAKER),
        (command.price_e8 > 0 or command.peg_price is not None) == has_limit,
        (command.stop_price_e8 > 0 or command.trailing_delta > 0) == (kind in STOPS),
        command.iceberg_e8 == 0 or (has_limit and gtc),
        command.peg_offset <= (100 if command.peg_price else 0),
        command.peg_price is not PegPrice.PRIMARY_PEG or kind is not OrderType.LIMIT or gtc,
        command.peg_price is not PegPrice.MARKET_PEG or kind is not OrderType.LIMIT_MAKER,
    ]
    return all(rules)


def list_is_well_formed(command: PlaceOrderList) -> bool:
    """Section 4.4, the table."""
    orders, kind = command.orders, command.kind
    expected = {ListKind.OCO: 2, ListKind.OTO: 2, ListKind.OTOCO: 3, ListKind.OPO: 2, ListKind.OPOCO: 3}[kind]
    if len(orders) != expected:
        return False
    pair = orders if kind is ListKind.OCO else orders[1:] if len(orders) == 3 else ()
    rules = [
        all((order.account_id, order.symbol) == (command.account_id, command.symbol) for order in orders),
        not any(order.type is OrderType.MARKET and order.quote_quantity_e8 for order in orders),
        kind is ListKind.OCO or orders[0].type in (OrderType.LIMIT, OrderType.LIMIT_MAKER),
    ]
    if pair:
        above, below = pair
        takes, stops = (above, below) if above.side is Side.SELL else (below, above)
        rules += [
            above.side is below.side,
            above.quantity_e8 == below.quantity_e8,
            takes.type in PROFIT_TAKERS,
            stops.type in LOSS_STOPS,
        ]
    if kind in (ListKind.OPO, ListKind.OPOCO):
        rules += [orders[0].side is Side.BUY]
        rules += [order.side is Side.SELL and order.quantity_e8 == 0 for order in orders[1:]]
    return all(rules)


def price_is_wrong(price: int, market: Market) -> bool:
    return off_grid(price, market.tick_size_e8) or outside(price, market.min_price_e8, market.max_price_e8)


def lot_is_wrong(quantity: int, market: Market) -> bool:
    return off_grid(quantity, market.step_size_e8) or outside(quantity, market.min_quantity_e8, market.max_quantity_e8)


def market_lot_is_wrong(quantity: int, market: Market) -> bool:
    off = market.market_step_size_e8 > 0 and quantity % market.market_step_size_e8 != 0
    return off or outside(quantity, market.min_market_quantity_e8, market.max_market_quantity_e8)


def notional_is_wrong(amount: int, market: Market) -> bool:
    return amount > LARGEST or outside(amount, market.min_notional_e8, market.max_notional_e8)


def market_notional_is_wrong(amount: int, market: Market) -> bool:
    low = market.min_notional_e8 if market.apply_min_notional_to_market else 0
    high = market.max_notional_e8 if market.apply_max_notional_to_market else 0
    return amount > 0 and outside(amount, low, high)


def off_grid(value: int, step: int) -> bool:
    return not 1 <= value <= LARGEST or value % step != 0


def outside(value: int, lowest: int, highest: int) -> bool:
    """A highest value of 0 stands for no limit."""
    return value < lowest or (highest > 0 and value > highest)


def exact(price: int, quantity: int) -> int:
    notional, remainder = divmod(price * quantity, UNITS)
    assert not remainder, "money moved in fractions of the smallest unit"
    return notional


def exact_cost(slices: Iterable[Slice], quantity: int) -> int:
    """In units of units, so that nothing is rounded."""
    cost = 0
    for part in slices:
        taken = max(min(quantity, part.quantity), 0)
        quantity -= taken
        cost += part.price * taken
    return cost


def cost_of(slices: Iterable[Slice], quantity: int, *, paid_only: bool = False) -> int:
    """What taking this quantity, or all there is, costs; what is not paid for still counts as taken."""
    return (
        exact_cost(
            [part._replace(price=part.price if part.is_paid or not paid_only else 0) for part in slices], quantity
        )
        // UNITS
    )


def commission(received: int, rate: int) -> int:
    """Section 4.3: on what was received, rounded half up to eight decimals."""
    exact_fee = Decimal(received) * Decimal(rate) / UNITS
    return int(exact_fee.quantize(Decimal(1), ROUND_HALF_UP))


def _terms_are_valid(terms: SetAccountTerms) -> bool:
    rates = [rate for rate in (terms.maker_fee_rate_e8, terms.taker_fee_rate_e8) if rate is not None]
    in_range = all(0 <= rate <= UNITS // 10 for rate in rates)
    return in_range and 1 <= terms.account_id <= LARGEST and 0 <= terms.trade_group_id <= LARGEST


def _stops(orders: Iterable[Order]) -> int:
    return sum(order.type in STOPS for order in orders)


def _icebergs(orders: Iterable[Order]) -> int:
    return sum(order.iceberg > 0 for order in orders)


def _totals(orders: Iterable[Order]) -> Counter[int]:
    totals: Counter[int] = Counter()
    for order in orders:
        totals[order.limit] += order.shown
    return totals


def _difference(before: LevelChanges, after: LevelChanges) -> LevelChanges:
    return {key: after.get(key, 0) for key in before | after if before.get(key) != after.get(key)}
