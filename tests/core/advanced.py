"""Random streams of every command there is: stops, icebergs, pegs, lists, replacements, amendments, terms and limits.

They build on ``streams.py`` and share its small world: few accounts, few prices, few names, so that things happen to
each other. Two accounts are of one trade group, and modes of self-trade prevention are drawn all the time.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from services.domain.commands import (
    AmendOrder,
    CancelOrder,
    CancelOrderList,
    CancelRestriction,
    Command,
    DefineMarket,
    DefineVenue,
    ListKind,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    SetAccountTerms,
    SetMarketStatus,
)
from services.domain.market import Market, MarketStatus
from services.domain.market import Venue as Limits
from services.domain.money import ONE_E8
from services.domain.orders import (
    CONTINGENT_TYPES,
    PRICELESS_TYPES,
    OrderType,
    PegPrice,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.core.streams import ACCOUNTS, VENUES, RandomCommands, Timed, Venue, redefinitions

STOPS = sorted(CONTINGENT_TYPES, key=lambda kind: kind.value)
MODES = (None, None, *SelfTradePrevention, SelfTradePrevention.TRANSFER)
_CHANGES: list[dict[str, Any]] = [
    {
        "multiplier_up_e8": 100_900_000,
        "multiplier_down_e8": 99_100_000,
        "average_minutes": 1,
        "min_market_quantity_e8": ONE_E8 // 5,
    },
    {"max_position_e8": 900 * ONE_E8, "default_self_trade_prevention": SelfTradePrevention.EXPIRE_MAKER},
    {
        "bid_multiplier_up_e8": 150_000_000,
        "bid_multiplier_down_e8": 50_000_000,
        "ask_multiplier_up_e8": 160_000_000,
        "ask_multiplier_down_e8": 40_000_000,
        "allowed_self_trade_prevention": tuple(SelfTradePrevention)[:5],
    },
    {"market_step_size_e8": 3 * ONE_E8},
]


def _advanced(market: Market, changes: dict[str, Any]) -> Market:
    """With every filter on, each account having room for a few of everything."""
    return replace(
        market,
        max_open_orders=market.max_open_orders * 2,
        max_algo_orders=5,
        max_iceberg_orders=2,
        max_order_lists=1,
        max_amendments=1,
        max_iceberg_parts=4,
        min_trailing_above_delta=50,
        min_trailing_below_delta=50,
        **changes,
    )


MARKETS = {
    venue.market.symbol: _advanced(venue.market, changes) for venue, changes in zip(VENUES, _CHANGES, strict=True)
}


class AdvancedCommands(RandomCommands):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.names: deque[PlaceOrder] = deque(maxlen=24)
        self.lists: deque[PlaceOrderList] = deque(maxlen=6)

    def opening(self) -> Iterator[Timed]:
        for account_id in ACCOUNTS[3:]:
            yield self._at_some_time(SetAccountTerms(account_id, trade_group_id=7))
        for timed in super().opening():
            if isinstance(timed.command, DefineMarket):
                timed = timed._replace(command=DefineMarket(MARKETS[timed.command.market.symbol]))
            yield timed

    def next(self, last_order_id: int) -> Timed:
        if self.random.random() < 0.25:
            timed = super().next(last_order_id)
        else:
            kinds = (self._order, self._list, self._replace, self._amend, self._cancel_list, self._terms)
            make = self.random.choices((*kinds, self._administer), (48, 24, 10, 12, 4, 1, 2))[0]
            timed = self._at_some_time(make(last_order_id))
        self._remember(timed.command)
        return timed

    def _remember(self, command: Command) -> None:
        """So that later commands can name what may still be open."""
        if isinstance(command, ReplaceOrder):
            command = command.place
        if isinstance(command, AmendOrder):
            changes = {"client_order_id": command.new_client_order_id, "quantity_e8": command.quantity_e8}
            self.names.append(replace(self._someone(), account_id=command.account_id, symbol=command.symbol, **changes))
        if isinstance(command, PlaceOrder):
            self.names.append(command)
        if isinstance(command, PlaceOrderList):
            self.names.extend(command.orders)
            self.lists.append(command)

    def _someone(self, symbol: str = "") -> PlaceOrder:
        """An order placed lately, of that market if one is given."""
        known = [order for order in self.names if symbol in ("", order.symbol)]
        return self.random.choice(known) if known else self._limit(0)

    def _order(self, last_order_id: int) -> PlaceOrder:
        """A plain order with something special, or a stop."""
        choice = self.random
        kind = choice.random()
        if kind < 0.4:
            return self._dressed(self._limit(last_order_id))
        if kind < 0.5:
            return replace(self._market(last_order_id), self_trade_prevention=choice.choice(MODES))
        venue = choice.choice(VENUES)
        return self._dressed(self._stop(venue, choice.choice((Side.BUY, Side.SELL)), choice.choice(STOPS)))

    def _dressed(self, order: PlaceOrder) -> PlaceOrder:
        """With a mode, and perhaps an iceberg's visible part, a peg or a strategy."""
        choice = self.random
        changes: dict[str, Any] = {"self_trade_prevention": choice.choice(MODES)}
        if order.type not in PRICELESS_TYPES and choice.random() < 0.35:
            changes["iceberg_e8"] = max(order.quantity_e8 // choice.choice((2, 3, 4, 6)), 1)
            changes["time_in_force"] = choice.choice((TimeInForce.GTC, TimeInForce.GTC, order.time_in_force))
            changes["iceberg_e8"] -= changes["iceberg_e8"] % self._step(order.symbol)
        if order.type not in PRICELESS_TYPES and choice.random() < 0.2:
            changes["peg_price"] = choice.choice(tuple(PegPrice))
            changes["peg_offset"] = choice.choice((0, 0, 1, 2, 101))
            changes["price_e8"] = choice.choice((0, order.price_e8))
        if choice.random() < 0.1:
            changes["strategy_id"], changes["strategy_type"] = 3, 1_000_001
        return replace(order, **changes)

    def _step(self, symbol: str) -> int:
        return next((venue.market.step_size_e8 for venue in VENUES if venue.market.symbol == symbol), 1)

    def _stop(self, venue: Venue, side: Side, kind: OrderType, quantity_e8: int | None = None) -> PlaceOrder:
        choice = self.random
        trailing = choice.choice((50, 100, 500, 1000, 2500, 49)) if choice.random() < 0.3 else 0
        tick = venue.market.tick_size_e8
        distance = choice.randint(-2, min(8, venue.middle_ticks // 2))
        above = (side is Side.BUY) == (kind in {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
        stop = (venue.middle_ticks + (distance if above else -distance)) * tick
        has_price = kind not in PRICELESS_TYPES
        return PlaceOrder(
            self._account(),
            self._symbol(venue),
            self._client_order_id(),
            side,
            kind,
            choice.choices(tuple(TimeInForce), (70, 15, 15))[0] if has_price else TimeInForce.GTC,
            self._quantity(venue) if quantity_e8 is None else quantity_e8,
            max(1, stop // tick + choice.randint(-2, 2)) * tick if has_price else 0,
            stop_price_e8=0 if trailing and choice.random() < 0.5 else stop,
            trailing_delta=trailing,
        )

    # Lists

    def _list(self, last_order_id: int) -> PlaceOrderList:
        choice = self.random
        venue = choice.choice(VENUES)
        kind = choice.choice(tuple(ListKind))
        legs = self._legs(venue, kind, self._quantity(venue))
        account_id, symbol = self._account(), self._symbol(venue)
        return PlaceOrderList(
            account_id,
            symbol,
            f"l{choice.randrange(6)}",
            kind,
            tuple(
                replace(leg, account_id=account_id, symbol=symbol, client_order_id=f"c{number}")
                for leg, number in zip(legs, choice.sample(range(16), len(legs)), strict=True)
            ),
        )

    def _legs(self, venue: Venue, kind: ListKind, quantity_e8: int) -> tuple[PlaceOrder, ...]:
        side = self.random.choice(tuple(Side))
        match kind:
            case ListKind.OCO:
                return self._pair(venue, quantity_e8, side)
            case ListKind.OTO:
                return self._working(venue, None), self._pending(venue)
            case ListKind.OTOCO:
                return self._working(venue, None), *self._pair(venue, quantity_e8, side)
            case ListKind.OPO:
                return self._working(venue, Side.BUY), replace(self._pending(venue), side=Side.SELL, quantity_e8=0)
            case ListKind.OPOCO:
                return self._working(venue, Side.BUY), *self._pair(venue, 0, Side.SELL)

    def _working(self, venue: Venue, side: Side | None) -> PlaceOrder:
        side = side or self.random.choice(tuple(Side))
        order = replace(self._limit(0), side=side, price_e8=self._price(venue, side), quantity_e8=self._quantity(venue))
        return replace(self._dressed(order), symbol=venue.market.symbol)

    def _pending(self, venue: Venue) -> PlaceOrder:
        choice = self.random
        side, kind = choice.choice(tuple(Side)), choice.choice((OrderType.LIMIT, OrderType.MARKET, *STOPS))
        if kind in CONTINGENT_TYPES:
            return self._dressed(self._stop(venue, side, kind))
        if kind is OrderType.MARKET:
            return replace(self._market(0), quantity_e8=self._quantity(venue), quote_quantity_e8=0)
        return self._dressed(
            replace(self._limit(0), quantity_e8=self._quantity(venue), price_e8=self._price(venue, side))
        )

    def _pair(self, venue: Venue, quantity_e8: int, side: Side) -> tuple[PlaceOrder, PlaceOrder]:
        """Mostly as it should be: one takes the profit, the other stops the loss, one above and one below."""
        choice = self.random
        profit_kind = choice.choice((OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT))
        if profit_kind is OrderType.LIMIT_MAKER:
            away = choice.randint(0, 8)
            ticks = max(1, venue.middle_ticks + (away if side is Side.SELL else -away))
            price = ticks * venue.market.tick_size_e8
            profit = PlaceOrder(1, "", "", side, profit_kind, TimeInForce.GTC, quantity_e8, price)
        else:
            profit = self._stop(venue, side, profit_kind, quantity_e8)
        loss_kind = choice.choice((OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT))
        loss = self._dressed(self._stop(venue, side, loss_kind, quantity_e8))
        pair = (profit, loss) if side is Side.SELL else (loss, profit)
        return pair if choice.random() < 0.97 else (pair[1], pair[0])

    def _cancel_list(self, last_order_id: int) -> CancelOrderList:
        choice = self.random
        if self.lists and choice.random() < 0.8:
            known = choice.choice(self.lists)
            return CancelOrderList(known.account_id, known.symbol, 0, known.client_order_list_id, "cancel-list")
        list_id = choice.randrange(30)
        name = f"l{choice.randrange(6)}" if not list_id or choice.random() < 0.5 else ""
        return CancelOrderList(self._account(), self._symbol(choice.choice(VENUES)), list_id, name, "cancel-list")

    # Changes

    def _replace(self, last_order_id: int) -> ReplaceOrder:
        choice = self.random
        place = self._order(last_order_id)
        known = self._someone(place.symbol)
        cancel = CancelOrder(known.account_id, known.symbol, 0, known.client_order_id, "replace")
        cancel = replace(cancel, restriction=choice.choice((None, None, *CancelRestriction)))
        if choice.random() < 0.97:
            place = replace(place, account_id=cancel.account_id)
        return ReplaceOrder(cancel, place, stop_on_failure=choice.random() < 0.5)

    def _amend(self, last_order_id: int) -> AmendOrder:
        choice = self.random
        known = self._someone()
        step = self._step(known.symbol)
        quantity = known.quantity_e8 * choice.choice((1, 2, 4, 6, 7)) // 7 // step * step
        return AmendOrder(
            known.account_id,
            known.symbol,
            choice.choice((0, 0, 0, 0, last_order_id)),
            known.client_order_id,
            choice.choice((known.client_order_id, self._client_order_id(), "renamed")),
            quantity + choice.choice((0, 0, 0, 0, step, 1)),
        )

    # The venue

    def _terms(self, last_order_id: int) -> SetAccountTerms:
        choice = self.random
        return SetAccountTerms(
            choice.choice((*ACCOUNTS, 0)),
            choice.choice(MODES),
            choice.choice((None, 0, 50_000, ONE_E8)),
            choice.choice((None, 0, 90_000, -1)),
            choice.choice((0, 7, 7, 8)),
        )

    def _administer(self, last_order_id: int) -> Command:
        choice = self.random
        symbol = choice.choice(VENUES).market.symbol
        if choice.random() < 0.7:
            return SetMarketStatus(symbol, choice.choice((*MarketStatus, *[MarketStatus.TRADING] * 16)))
        return DefineVenue(
            choice.choice(
                (
                    Limits(),
                    Limits(max_open_orders=12, max_algo_orders=5, max_iceberg_orders=3, max_order_lists=1),
                    Limits(max_order_amounts_e8=(("BTC", 2 * ONE_E8), ("USDT", 300 * ONE_E8))),
                    Limits(max_open_orders=-1),
                )
            )
        )

    def _define(self, last_order_id: int) -> DefineMarket:
        """As often as not the market is what it was, so that it opens again soon."""
        market = self.random.choice(tuple(MARKETS.values()))
        changes = self.random.choice(redefinitions(market)) if self.random.random() < 0.4 else {}
        return DefineMarket(replace(market, **changes))
