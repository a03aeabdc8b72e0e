"""A naive exchange: the dialect's rules (compatibility reference section 4) in the plainest words, slow on purpose.

It shares the vocabulary of ``services.domain`` with the core and nothing else, and does everything the other way round,
so that both being wrong in the same way is unlikely:
- one list holds the open orders of all markets; makers are filtered and sorted again for every single trade;
- an account owns a total per asset; what is locked is summed up from its open orders whenever someone asks;
- every rule an order breaks is collected, and the refusal is the first of them in the documented precedence;
- a market order by quote amount is a binary search for the largest quantity it can afford.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from services.domain.commands import CancelAllOrders, CancelOrder, Command, DefineMarket, Deposit, PlaceOrder, Withdraw
from services.domain.market import Market, MarketStatus
from services.domain.orders import OPEN_STATUSES, ExpiryReason, OrderStatus, OrderType, Side, TimeInForce
from services.domain.refusals import Refusal
from tests.core.venue import LevelChanges, Levels, OrderView, Outcome, Trade

UNITS = 10**8
LARGEST = 2**63 - 1
FEE_ACCOUNT = 1

# For a withdrawal the owner's balance is asked for last.
WITHDRAWAL_PRECEDENCE = sorted(Refusal, key=lambda refusal: refusal is Refusal.INSUFFICIENT_BALANCE)


@dataclass(eq=False)
class Order:
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
    executed: int = 0
    executed_quote: int = 0
    status: OrderStatus = OrderStatus.NEW
    expiry_reason: ExpiryReason = ExpiryReason.NONE

    @property
    def remaining(self) -> int:
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def locks(self) -> int:
        """What it holds of its owner's money while it rests: the price of what is left, or what is left."""
        return exact(self.price, self.remaining) if self.side is Side.BUY else self.remaining

    @property
    def priority(self) -> tuple[int, int]:
        """Smaller trades first: the better price, then the older order."""
        return (-self.price if self.side is Side.BUY else self.price), self.order_id

    def view(self) -> OrderView:
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
        )


class NaiveExchange:
    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.book: list[Order] = []
        self.owned: Counter[tuple[int, str]] = Counter()
        self.supply: Counter[str] = Counter()
        self.transfers: dict[str, tuple[int, str, int]] = {}
        self.last_price: dict[str, int] = {}
        self.trade_count: Counter[str] = Counter()
        self.update_count: Counter[str] = Counter()
        self.order_count = 0
        self.now_us = 0
        # What the current command has done so far.
        self.trades: list[Trade] = []
        self.changed: list[Order] = []

    def apply(self, command: Command, now_us: int) -> Outcome:
        refusal = self._refusal(command)
        if refusal is not None:
            return Outcome(refusal=refusal)
        self.now_us = max(now_us, self.now_us)
        self.trades, self.changed = [], []
        before = self._levels(command)
        self._carry_out(command)
        changed_levels = _difference(before, self._levels(command))
        update_id = self._next_update_id(command) if changed_levels else 0
        orders = {order.order_id: order.view() for order in self.changed}
        return Outcome(None, self.trades, orders, changed_levels, update_id)

    def check(self, command: PlaceOrder) -> Refusal | None:
        return self._refusal(command)

    def balances(self) -> dict[tuple[int, str], tuple[int, int]]:
        locked: Counter[tuple[int, str]] = Counter()
        for order in self.book:
            locked[order.account_id, self._paying_asset(order)] += order.locks
        return {key: (total - locked[key], locked[key]) for key, total in self.owned.items() if total}

    def depth(self, symbol: str) -> tuple[Levels, Levels]:
        bids = _totals(order for order in self.book if order.symbol == symbol and order.side is Side.BUY)
        asks = _totals(order for order in self.book if order.symbol == symbol and order.side is Side.SELL)
        return sorted(bids.items(), reverse=True), sorted(asks.items())

    def open_orders(self) -> dict[int, OrderView]:
        return {order.order_id: order.view() for order in self.book}

    # Which rules a command breaks

    def _refusal(self, command: Command) -> Refusal | None:
        match command:
            case PlaceOrder():
                return first(self._order_faults(command))
            case CancelOrder():
                return first(self._cancel_faults(command))
            case CancelAllOrders():
                return first(self._cancel_all_faults(command))
            case Deposit() | Withdraw():
                return first(self._transfer_faults(command), WITHDRAWAL_PRECEDENCE)
            case DefineMarket():
                return first(self._market_faults(command.market))

    def _order_faults(self, command: PlaceOrder) -> dict[Refusal, bool]:
        market = self.markets.get(command.symbol)
        if market is None:
            return {Refusal.UNKNOWN_SYMBOL: True}
        faults = self._market_order_faults if command.type is OrderType.MARKET else self._limit_order_faults
        return {
            Refusal.UNSUPPORTED_COMBINATION: not is_well_formed(command),
            Refusal.MARKET_CLOSED: market.status is not MarketStatus.TRADING,
            Refusal.DUPLICATE_CLIENT_ORDER_ID: any(
                order.client_order_id == command.client_order_id
                for order in self._own_orders(command.account_id, command.symbol)
            ),
            **faults(command, market),
        }

    def _limit_order_faults(self, command: PlaceOrder, market: Market) -> dict[Refusal, bool]:
        price, quantity = command.price_e8, command.quantity_e8
        notional = price * quantity // UNITS
        return {
            Refusal.PRICE_FILTER: off_grid(price, market.tick_size_e8)
            or outside(price, market.min_price_e8, market.max_price_e8),
            Refusal.LOT_SIZE: off_grid(quantity, market.step_size_e8)
            or outside(quantity, market.min_quantity_e8, market.max_quantity_e8),
            Refusal.LEVEL_FULL: self._level_total(command) + quantity > LARGEST,
            Refusal.NOTIONAL: notional > LARGEST or outside(notional, market.min_notional_e8, market.max_notional_e8),
            Refusal.MAX_NUM_ORDERS: len(self._own_orders(command.account_id, market.symbol)) >= market.max_open_orders,
            Refusal.WOULD_MATCH_IMMEDIATELY: command.type is OrderType.LIMIT_MAKER
            and bool(self._makers(market.symbol, command.side, price)),
            Refusal.INSUFFICIENT_BALANCE: self._cannot_pay(command, notional, quantity),
        }

    def _market_order_faults(self, command: PlaceOrder, market: Market) -> dict[Refusal, bool]:
        makers = self._makers(market.symbol, command.side)
        available, quantity = self._wanted(command, market)
        cost = cost_of(makers, available)
        by_quote = command.quote_quantity_e8 != 0
        notional = cost if by_quote else self.last_price.get(market.symbol, 0) * quantity // UNITS
        too_little = available < max(market.step_size_e8, market.min_quantity_e8)
        too_much = outside(quantity, 0, market.max_quantity_e8 or LARGEST)
        lowest = market.min_notional_e8 if market.apply_min_notional_to_market else 0
        highest = market.max_notional_e8 if market.apply_max_notional_to_market else 0
        return {
            Refusal.NO_LIQUIDITY: by_quote and not makers,
            Refusal.LIQUIDITY_BELOW_LOT_SIZE: by_quote and too_little,
            Refusal.LOT_SIZE: too_much or (not by_quote and (too_little or off_grid(quantity, market.step_size_e8))),
            Refusal.MARKET_LOT_SIZE: outside(quantity, 0, market.max_market_quantity_e8),
            Refusal.NOTIONAL: notional > 0 and outside(notional, lowest, highest),
            Refusal.INSUFFICIENT_BALANCE: self._cannot_pay(command, cost, available),
        }

    def _wanted(self, command: PlaceOrder, market: Market) -> tuple[int, int]:
        """What a market order must be able to pay for, and what it asks for.

        By quote amount that is the largest quantity that what is offered gives within the amount; when all that is
        offered leaves some of it, the order asks for the rest at the last price, in vain.
        """
        if not command.quote_quantity_e8:
            return command.quantity_e8, command.quantity_e8
        makers = self._makers(market.symbol, command.side)
        step = market.step_size_e8
        offered = range(0, sum(maker.remaining for maker in makers) + 1, step)
        within = bisect_right(offered, command.quote_quantity_e8, key=lambda quantity: cost_of(makers, quantity))
        available = max(within - 1, 0) * step
        if not makers or available < offered[-1]:
            return available, available
        rest = command.quote_quantity_e8 - cost_of(makers, available)
        return available, available + rest // exact(makers[-1].price, step) * step

    def _cannot_pay(self, command: PlaceOrder, cost: int, quantity: int) -> bool:
        need = cost if command.side is Side.BUY else quantity
        return self._free(command.account_id, self._paying_asset(command)) < need

    def _cancel_faults(self, command: CancelOrder) -> dict[Refusal, bool]:
        if command.symbol not in self.markets:
            return {Refusal.UNKNOWN_SYMBOL: True}
        named = self._named_orders(command)
        return {
            Refusal.UNKNOWN_ORDER: not named,
            Refusal.CLIENT_ORDER_ID_MISMATCH: any(
                command.client_order_id not in ("", order.client_order_id) for order in named
            ),
        }

    def _named_orders(self, command: CancelOrder) -> list[Order]:
        own = self._own_orders(command.account_id, command.symbol)
        if command.order_id:
            return [order for order in own if order.order_id == command.order_id]
        return [order for order in own if order.client_order_id == command.client_order_id]

    def _cancel_all_faults(self, command: CancelAllOrders) -> dict[Refusal, bool]:
        return {
            Refusal.UNKNOWN_SYMBOL: command.symbol not in self.markets,
            Refusal.UNKNOWN_ORDER: not self._own_orders(command.account_id, command.symbol),
        }

    def _transfer_faults(self, command: Deposit | Withdraw) -> dict[Refusal, bool]:
        earlier = self.transfers.get(command.reference)
        incoming = isinstance(command, Deposit)
        known_assets = {asset for market in self.markets.values() for asset in (market.base_asset, market.quote_asset)}
        return {
            Refusal.REFERENCE_ALREADY_USED: earlier == _transfer(command),
            Refusal.REFERENCE_USED_DIFFERENTLY: earlier is not None and earlier != _transfer(command),
            Refusal.INVALID_AMOUNT: not 1 <= command.amount_e8 <= LARGEST,
            Refusal.INVALID_ACCOUNT: not 1 <= command.account_id <= LARGEST,
            Refusal.INVALID_REFERENCE: not 1 <= len(command.reference) <= 128,
            Refusal.UNKNOWN_ASSET: command.asset not in known_assets,
            Refusal.SUPPLY_OVERFLOW: incoming and self.supply[command.asset] + command.amount_e8 > LARGEST,
            Refusal.INSUFFICIENT_BALANCE: not incoming
            and self._free(command.account_id, command.asset) < command.amount_e8,
        }

    def _market_faults(self, new: Market) -> dict[Refusal, bool]:
        old = self.markets.get(new.symbol)
        if new.defects() or old is None:
            return {Refusal.INVALID_MARKET: bool(new.defects())}
        finer = not off_grid(old.tick_size_e8, new.tick_size_e8) and not off_grid(old.step_size_e8, new.step_size_e8)
        return {
            Refusal.MARKET_ASSETS_FIXED: (old.base_asset, old.quote_asset) != (new.base_asset, new.quote_asset),
            Refusal.MARKET_UNCHANGED: old == new,
            Refusal.GRID_COARSER_THAN_OPEN_ORDERS: not finer and any(order.symbol == new.symbol for order in self.book),
        }

    # What an allowed command does

    def _carry_out(self, command: Command) -> None:
        match command:
            case PlaceOrder():
                self._place(command)
            case CancelOrder():
                for order in self._named_orders(command):
                    self._end(order, OrderStatus.CANCELED)
            case CancelAllOrders():
                for order in self._own_orders(command.account_id, command.symbol):
                    self._end(order, OrderStatus.CANCELED)
            case Deposit() | Withdraw():
                account_id, asset, amount = self.transfers[command.reference] = _transfer(command)
                self.owned[account_id, asset] += amount
                self.supply[asset] += amount
            case DefineMarket():
                self.markets[command.market.symbol] = command.market

    def _place(self, command: PlaceOrder) -> None:
        order = self._new_order(command)
        self.changed.append(order)
        if self._may_trade(order):
            self._trade_while_possible(order)
        reason = self._expiry_reason(order)
        if reason is not ExpiryReason.NONE:
            self._end(order, OrderStatus.EXPIRED, reason)
        elif order.is_open:
            self.book.append(order)

    def _new_order(self, command: PlaceOrder) -> Order:
        self.order_count += 1
        return Order(
            self.order_count,
            command.account_id,
            command.symbol,
            command.client_order_id,
            command.side,
            command.type,
            command.time_in_force,
            command.price_e8,
            self._wanted(command, self.markets[command.symbol])[1],
            command.quote_quantity_e8,
            self.now_us,
            self.now_us,
        )

    def _may_trade(self, order: Order) -> bool:
        if order.time_in_force is TimeInForce.FOK:
            makers = self._makers(order.symbol, order.side, order.price)
            return sum(maker.remaining for maker in makers) >= order.quantity
        return order.type is not OrderType.LIMIT_MAKER

    def _trade_while_possible(self, taker: Order) -> None:
        while taker.remaining and (makers := self._makers(taker.symbol, taker.side, taker.price)):
            self._trade(taker, makers[0])

    def _trade(self, taker: Order, maker: Order) -> None:
        market = self.markets[taker.symbol]
        quantity = min(taker.remaining, maker.remaining)
        quote = exact(maker.price, quantity)
        taker_fee = self._fill(taker, quantity, quote, market.taker_fee_rate_e8)
        maker_fee = self._fill(maker, quantity, quote, market.maker_fee_rate_e8)
        self.last_price[market.symbol] = maker.price
        self.trade_count[market.symbol] += 1
        trade_id = self.trade_count[market.symbol]
        self.trades.append(
            Trade(trade_id, maker.price, quantity, quote, taker.order_id, maker.order_id, taker_fee, maker_fee)
        )

    def _fill(self, order: Order, quantity: int, quote: int, fee_rate: int) -> int:
        market = self.markets[order.symbol]
        paid, received = (quote, quantity) if order.side is Side.BUY else (quantity, quote)
        fee = commission(received, fee_rate)
        receiving_asset = market.base_asset if order.side is Side.BUY else market.quote_asset
        self.owned[order.account_id, self._paying_asset(order)] -= paid
        self.owned[order.account_id, receiving_asset] += received - fee
        self.owned[FEE_ACCOUNT, receiving_asset] += fee
        order.executed += quantity
        order.executed_quote += quote
        order.updated_us = self.now_us
        order.status = OrderStatus.PARTIALLY_FILLED
        self.changed.append(order)
        if not order.remaining:
            self._end(order, OrderStatus.FILLED)
        return fee

    def _expiry_reason(self, order: Order) -> ExpiryReason:
        """Why an order that has traded what it could may not stay, if so."""
        if not order.remaining:
            return ExpiryReason.NONE
        if order.type is OrderType.MARKET:
            return ExpiryReason.INSUFFICIENT_LIQUIDITY
        return {
            TimeInForce.GTC: ExpiryReason.NONE,
            TimeInForce.IOC: ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED,
            TimeInForce.FOK: ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED,
        }[order.time_in_force]

    def _end(self, order: Order, status: OrderStatus, reason: ExpiryReason = ExpiryReason.NONE) -> None:
        order.status, order.expiry_reason, order.updated_us = status, reason, self.now_us
        self.book = [resting for resting in self.book if resting is not order]
        self.changed.append(order)

    # Looking things up

    def _makers(self, symbol: str, taker_side: Side, limit: int = 0) -> list[Order]:
        """Who would trade with an order of this side within its limit (0 means any), in order of priority."""
        makers = [order for order in self.book if order.symbol == symbol and order.side is not taker_side]
        if limit and taker_side is Side.BUY:
            makers = [order for order in makers if order.price <= limit]
        elif limit:
            makers = [order for order in makers if order.price >= limit]
        return sorted(makers, key=lambda order: order.priority)

    def _own_orders(self, account_id: int, symbol: str) -> list[Order]:
        return [order for order in self.book if order.account_id == account_id and order.symbol == symbol]

    def _level_total(self, command: PlaceOrder) -> int:
        """What already waits where the order would."""
        return sum(
            order.remaining
            for order in self.book
            if (order.symbol, order.side, order.price) == (command.symbol, command.side, command.price_e8)
        )

    def _paying_asset(self, order: Order | PlaceOrder) -> str:
        market = self.markets[order.symbol]
        return market.quote_asset if order.side is Side.BUY else market.base_asset

    def _free(self, account_id: int, asset: str) -> int:
        locked = sum(
            order.locks for order in self.book if order.account_id == account_id and self._paying_asset(order) == asset
        )
        return self.owned[account_id, asset] - locked

    def _levels(self, command: Command) -> LevelChanges:
        if not isinstance(command, PlaceOrder | CancelOrder | CancelAllOrders):
            return {}
        bids, asks = self.depth(command.symbol)
        sides = ((Side.BUY, bids), (Side.SELL, asks))
        return {(side, price): total for side, levels in sides for price, total in levels}

    def _next_update_id(self, command: Command) -> int:
        assert isinstance(command, PlaceOrder | CancelOrder | CancelAllOrders)
        self.update_count[command.symbol] += 1
        return self.update_count[command.symbol]


def first(faults: dict[Refusal, bool], precedence: Sequence[Refusal] = tuple(Refusal)) -> Refusal | None:
    return next((refusal for refusal in precedence if faults.get(refusal)), None)


def is_well_formed(command: PlaceOrder) -> bool:
    """Which of price, quantity and quote amount are given must fit the type; what is not given is 0.

    Only LIMIT has a time in force of its own.
    """
    if command.type is not OrderType.LIMIT and command.time_in_force is not TimeInForce.GTC:
        return False
    given = (command.price_e8, command.quantity_e8, command.quote_quantity_e8)
    expected = [(0, 1, 0), (0, 0, 1)] if command.type is OrderType.MARKET else [(1, 1, 0)]
    return tuple((number > 0) - (number < 0) for number in given) in expected


def off_grid(value: int, step: int) -> bool:
    return not 1 <= value <= LARGEST or value % step != 0


def outside(value: int, lowest: int, highest: int) -> bool:
    """A highest value of 0 stands for no limit."""
    return value < lowest or (highest > 0 and value > highest)


def exact(price: int, quantity: int) -> int:
    notional, remainder = divmod(price * quantity, UNITS)
    assert not remainder, "money moved in fractions of the smallest unit"
    return notional


def cost_of(makers: Iterable[Order], quantity: int) -> int:
    """What taking this quantity, or all there is, from these makers in turn costs."""
    cost = 0
    for maker in makers:
        part = max(min(quantity, maker.remaining), 0)
        quantity -= part
        cost += maker.price * part
    return cost // UNITS


def commission(received: int, rate: int) -> int:
    """Section 4.3: on what was received, rounded half up to eight decimals."""
    exact_fee = Decimal(received) * Decimal(rate) / UNITS
    return int(exact_fee.quantize(Decimal(1), ROUND_HALF_UP))


def _transfer(command: Deposit | Withdraw) -> tuple[int, str, int]:
    amount = command.amount_e8 if isinstance(command, Deposit) else -command.amount_e8
    return command.account_id, command.asset, amount


def _totals(orders: Iterable[Order]) -> Counter[int]:
    totals: Counter[int] = Counter()
    for order in orders:
        totals[order.price] += order.remaining
    return totals


def _difference(before: LevelChanges, after: LevelChanges) -> LevelChanges:
    return {key: after.get(key, 0) for key in before | after if before.get(key) != after.get(key)}
