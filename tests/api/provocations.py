"""For each error, the request that is answered with it, and an exchange in which every limit is near.

A case is the error's name in ``services/trading/errors.py``, or a ``Refusal``; the error itself, where the name is a
function's; and what to ask.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from services.domain.commands import SetAccountStatus
from services.domain.money import MAX_E8
from services.domain.refusals import Refusal
from services.domain.standing import AccountStatus
from services.trading import errors
from services.trading.errors import DialectError
from tests.api.trader import Trader, encode, exchange, now_ms, succeeded
from tests.running import RunningSystem

Order = dict[str, str]
Ask = Callable[["Stage"], httpx.Response]

LIMITS = "REQUEST_WEIGHT=400/1D,RAW_REQUESTS=300/1D,ORDERS=30/1D"
GRID = 'quote_asset = "Q"\ntick_size = "0.01"\nstep_size = "0.001"\n'
MARKETS = f"""
[venue]
max_open_orders = 6
max_algo_orders = 3
max_iceberg_orders = 2
max_order_lists = 2
max_order_amounts = {{ A = "500" }}
[[market]]
symbol = "AQ"
base_asset = "A"
{GRID}
min_quantity = "0.001"
max_market_quantity = "10"
min_notional = "5"
max_iceberg_parts = 10
max_open_orders = 4
max_algo_orders = 2
max_iceberg_orders = 1
max_order_lists = 1
max_amendments = 1
max_position = "100"
allowed_self_trade_prevention = ["NONE", "EXPIRE_MAKER"]
[[market]]
symbol = "BQ"
base_asset = "B"
{GRID}
min_market_quantity = "0.01"
[[market]]
symbol = "NEARQ"
base_asset = "NEAR"
{GRID}
multiplier_up = "2"
multiplier_down = "0.5"
[[market]]
symbol = "SIDEQ"
base_asset = "SIDE"
{GRID}
bid_multiplier_up = "2"
bid_multiplier_down = "0.5"
ask_multiplier_up = "2"
ask_multiplier_down = "0.5"
[[market]]
symbol = "SHUTQ"
base_asset = "SHUT"
{GRID}
status = "HALT"
[[market]]
symbol = "MANYQ"
base_asset = "MANY"
quote_asset = "Q"
tick_size = "0.00000001"
step_size = "1"
"""
MONEY = {"A": "10", "B": "1000", "NEAR": "1000", "SIDE": "1000", "Q": "100000000"}


@dataclass(frozen=True)
class Stage:
    """One case's client and funded account."""

    system: RunningSystem
    http: httpx.Client
    trader: Trader

    def order(self, order: Order, path: str = "order", method: str = "POST") -> httpx.Response:
        return self.trader.send(method, path, order)

    def orders(self, *orders: Order, path: str = "order") -> httpx.Response:
        """All but the last are accepted."""
        *accepted, last = orders
        for order in accepted:
            succeeded(self.order(order, path))
        return self.order(last, path)

    def public(self, path: str, query: str = "", **how: Any) -> httpx.Response:
        return exchange(self.http, "GET", path, query, **how)

    def traded_at(self, symbol: str, price: str) -> None:
        both = {"symbol": symbol, "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": price}
        for side in ("SELL", "BUY"):
            self.trader.post("order", side=side, selfTradePreventionMode="NONE", **both)


# Requests


def buy(symbol: str = "AQ", **more: str) -> Order:
    order = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "10"}
    return {name: value for name, value in (order | more).items() if value}


def sell(symbol: str = "AQ", **more: str) -> Order:
    return buy(symbol, **{"side": "SELL", "price": "1000"} | more)


def market(symbol: str = "AQ", **more: str) -> Order:
    return buy(symbol, **{"type": "MARKET", "timeInForce": "", "price": ""} | more)


def stop(symbol: str = "AQ", **more: str) -> Order:
    return sell(symbol, **{"type": "STOP_LOSS", "timeInForce": "", "price": "", "stopPrice": "8"} | more)


def oco(symbol: str = "AQ", **more: str) -> Order:
    above = {"aboveType": "LIMIT_MAKER", "abovePrice": "1000"}
    below = {"belowType": "STOP_LOSS", "belowStopPrice": "8"}
    pair = {"symbol": symbol, "side": "SELL", "quantity": "1", **above, **below} | more
    return {name: value for name, value in pair.items() if value}


def opo(symbol: str = "AQ", **more: str) -> Order:
    working = {"workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "10", "workingQuantity": "1"}
    pending = {"pendingType": "LIMIT", "pendingSide": "SELL", "pendingPrice": "1000", "pendingTimeInForce": "GTC"}
    return {"symbol": symbol, **working, "workingTimeInForce": "GTC", **pending, **more}


PEG = {"price": "", "pegPriceType": "PRIMARY_PEG"}
LEVEL = {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "1"}
REPLACE = {"cancelReplaceMode": "STOP_ON_FAILURE"}


def placing(*orders: Order) -> Ask:
    return lambda at: at.orders(*orders)


def listing(*lists: Order, kind: str = "oco") -> Ask:
    return lambda at: at.orders(*lists, path=f"orderList/{kind}")


def asking(path: str, query: str = "", **how: Any) -> Ask:
    return lambda at: at.public(path, query, **how)


def signing(**timing: object) -> Ask:
    query = encode(buy())
    return lambda at: at.trader.send_raw("POST", "order", at.trader.signed(query, "", **timing))


def after(placed: Order, method: str, path: str, **then: str) -> Ask:
    """Place the order as "mine", then do something to it."""

    def ask(at: Stage) -> httpx.Response:
        placed_id = str(at.trader.post("order", **placed, newClientOrderId="mine")["orderId"])
        named = {"symbol": placed["symbol"], "orderId": placed_id} | then
        return at.order({name: value for name, value in named.items() if value}, path, method)

    return ask


def being_frozen(order: Order) -> Ask:
    def ask(at: Stage) -> httpx.Response:
        at.system.ask_engine(SetAccountStatus(at.trader.account_id, AccountStatus.FROZEN))
        return at.order(order)

    return ask


def amending(*quantities: str) -> Ask:
    def ask(at: Stage) -> httpx.Response:
        named = {"symbol": "AQ", "orderId": str(at.trader.post("order", **buy(quantity="5"))["orderId"])}
        *accepted, last = quantities
        for quantity in accepted:
            at.trader.put("order/amend/keepPriority", **named, newQty=quantity)
        return at.order(named | {"newQty": last}, "order/amend/keepPriority", "PUT")

    return ask


def amending_pending(at: Stage) -> httpx.Response:
    tied = at.trader.post("orderList/opo", **opo())
    named = {"symbol": "AQ", "orderId": str(tied["orders"][1]["orderId"]), "newQty": "0.5"}
    return at.order(named, "order/amend/keepPriority", "PUT")


def trading_first(symbol: str, *orders: Order) -> Ask:
    def ask(at: Stage) -> httpx.Response:
        at.traded_at(symbol, "100")
        return at.orders(*orders)

    return ask


def until_refused(path: str, *, times: int) -> Ask:
    """Ask for something again and again; the last of so many times is refused."""

    def ask(at: Stage) -> httpx.Response:
        for _ in range(times - 1):
            succeeded(at.public(path))
        return at.public(path)

    return ask


def going_on(at: Stage) -> httpx.Response:
    while at.public("exchangeInfo").status_code == httpx.codes.OK:
        pass
    while (response := at.public("ping")).status_code == httpx.codes.TOO_MANY_REQUESTS:
        pass
    return response


def filling_a_level(at: Stage) -> httpx.Response:
    half = buy("MANYQ", price="0.00000001", quantity="50000000000")
    return at.orders(half, half)


def too_many_symbols() -> str:
    names = ",".join(f'"S{number}"' for number in range(101))
    return f"symbols=[{names}]"


DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
OF_ORDERS = 30
CASES: list[tuple[str | Refusal, DialectError | None, Ask]] = [
    # What every request can get wrong
    ("NOT_FOUND", None, asking("nothing")),
    ("METHOD_NOT_ALLOWED", None, lambda at: exchange(at.http, "PATCH", "order")),
    ("BODY_TOO_LARGE", None, lambda at: exchange(at.http, "POST", "order", body=b"x" * 100_000)),
    ("TOO_MANY_PARAMETERS", None, asking("depth", "&".join(f"p{number}=1" for number in range(65)))),
    ("DUPLICATE_PARAMETER", None, asking("depth", "symbol=AQ&symbol=AQ")),
    ("GARBLED", None, asking("depth", "symbol=%ff")),
    ("INVALID_TIME_UNIT", None, asking("time", headers={"X-MBX-TIME-UNIT": "HOUR"})),
    ("illegal_characters", errors.illegal_characters("quantity", DECIMAL), placing(buy(quantity="1e3"))),
    ("mandatory", errors.mandatory("symbol"), asking("depth")),
    (
        "either_mandatory",
        errors.either_mandatory("origClientOrderId", "orderId"),
        lambda at: at.order({"symbol": "AQ"}, method="GET"),
    ),
    ("empty", errors.empty("limit"), asking("depth", "symbol=AQ&limit=")),
    ("not_required", errors.not_required("price"), placing(market(price="1"))),
    ("overflowed", errors.overflowed("price"), placing(buy(price="9" * 20))),
    ("too_precise", errors.too_precise("price"), placing(buy(price="0.000000001"))),
    ("not_valid", errors.not_valid("limit"), asking("depth", "symbol=AQ&limit=0")),
    ("not_all_read", errors.not_all_read(1, 2), asking("depth", "symbol=AQ&nonsense=1")),
    ("too_many_values", errors.too_many_values("symbols", 100), asking("ticker", too_many_symbols())),
    ("REPEATED_SYMBOL", None, asking("ticker/price", 'symbols=["AQ","AQ"]')),
    ("BAD_COMBINATION", None, asking("ticker/price", 'symbol=AQ&symbols=["AQ"]')),
    (
        "OVER_24_HOURS",
        None,
        lambda at: at.order({"symbol": "AQ", "startTime": "1", "endTime": "86400002"}, "allOrders", "GET"),
    ),
    # Who asks, and when
    ("KEY_FORMAT", None, lambda at: exchange(at.http, "GET", "account", headers={"X-MBX-APIKEY": "short"})),
    ("KEY_REJECTED", None, lambda at: at.trader.send("GET", "account", headers={"X-MBX-APIKEY": "a" * 64})),
    ("UNAUTHORIZED", None, asking("account", headers={"Authorization": "Bearer nonsense"})),
    ("SIGNATURE_WRONG", None, lambda at: at.trader.send_raw("GET", "account", f"timestamp={now_ms()}&signature=00")),
    ("TIMESTAMP_TOO_OLD", None, signing(timestamp=1)),
    ("TIMESTAMP_AHEAD", None, signing(timestamp=MAX_E8 // 10**6)),
    ("RECV_WINDOW_TOO_LARGE", None, signing(recvWindow=60_001)),
    # Enumerations
    ("INVALID_TIME_IN_FORCE", None, placing(buy(timeInForce="GTD"))),
    ("INVALID_ORDER_TYPE", None, placing(buy(type="STOP"))),
    ("INVALID_SIDE", None, placing(buy(side="LONG"))),
    ("INVALID_INTERVAL", None, asking("klines", "symbol=AQ&interval=2m")),
    ("INVALID_SYMBOL", None, asking("depth", "symbol=NOPE")),
    ("INVALID_STATUS", None, asking("exchangeInfo", "symbolStatus=OPEN")),
    ("INVALID_TICKER_TYPE", None, asking("ticker/24hr", "symbol=AQ&type=TINY")),
    ("INVALID_CANCEL_RESTRICTIONS", None, after(buy(), "DELETE", "order", cancelRestrictions="ONLY_OLD")),
    ("INVALID_PEG_PRICE", None, placing(buy(pegPriceType="MID_PEG"))),
    ("INVALID_PEG_OFFSET", None, placing(buy(**PEG, pegOffsetType="BPS", pegOffsetValue="1"))),
    ("STRATEGY_TYPE_TOO_SMALL", None, placing(buy(strategyType="999999"))),
    ("OTHER_STATUS", None, asking("ticker/price", "symbol=AQ&symbolStatus=HALT")),
    ("NO_REFERENCE_PRICE", None, asking("referencePrice", "symbol=AQ")),
    # What orders and lists cannot be
    ("ICEBERG_COMBINATION", None, placing(buy(timeInForce="IOC", icebergQty="0.5"))),
    ("PEG_TYPE", None, placing(market(pegPriceType="PRIMARY_PEG"))),
    ("PEG_COMBINATION", None, placing(buy(**PEG | {"timeInForce": "IOC"}))),
    ("too_great", errors.too_great("pegOffsetValue", "100"), placing(buy(**PEG | LEVEL | {"pegOffsetValue": "101"}))),
    ("should_also_be_sent", errors.should_also_be_sent("pegPriceType"), placing(buy(**LEVEL))),
    ("OCO_TYPE", None, listing(oco(aboveType="LIMIT", aboveTimeInForce="GTC"))),
    ("BOTH_LIMIT", None, listing(oco(belowType="LIMIT_MAKER", belowStopPrice="", belowPrice="8"))),
    (
        "SELL_LIMIT_BELOW",
        None,
        listing(
            oco(
                aboveType="TAKE_PROFIT",
                abovePrice="",
                aboveStopPrice="1000",
                belowType="LIMIT_MAKER",
                belowStopPrice="",
                belowPrice="8",
            )
        ),
    ),
    ("BUY_LIMIT_ABOVE", None, listing(oco(side="BUY", belowType="TAKE_PROFIT"))),
    ("SELL_STOP_ABOVE", None, listing(oco(aboveType="STOP_LOSS", abovePrice="", aboveStopPrice="1000"))),
    ("BUY_STOP_BELOW", None, listing(oco(side="BUY"))),
    ("SELL_PROFIT_BELOW", None, listing(oco(belowType="TAKE_PROFIT"))),
    (
        "BUY_PROFIT_ABOVE",
        None,
        listing(
            oco(
                side="BUY",
                aboveType="TAKE_PROFIT",
                abovePrice="",
                aboveStopPrice="9",
                belowType="LIMIT_MAKER",
                belowStopPrice="",
                belowPrice="8",
            )
        ),
    ),
    (
        "iceberg_needs_gtc",
        errors.iceberg_needs_gtc("belowIcebergQty", "belowTimeInForce"),
        listing(oco(belowType="STOP_LOSS_LIMIT", belowPrice="8", belowTimeInForce="IOC", belowIcebergQty="0.5")),
    ),
    ("OPO_WORKING_SELLS", None, listing(opo(workingSide="SELL"), kind="opo")),
    ("OPO_PENDING_BUYS", None, listing(opo(pendingSide="BUY"), kind="opo")),
    ("pending_tag", errors.pending_tag("pendingQuantity"), listing(opo(pendingQuantity="1"), kind="opo")),
    # Orders that are not there
    ("NO_SUCH_ORDER", None, lambda at: at.order({"symbol": "AQ", "orderId": "999999"}, method="GET")),
    ("CLIENT_ORDER_ID_MISMATCH", None, after(buy(), "GET", "order", origClientOrderId="other")),
    # Rate limits
    (
        "too_much_weight",
        errors.too_much_weight(400, "1 DAY", 1),
        until_refused("exchangeInfo", times=400 // 20 + 1),
    ),
    ("too_many_requests", errors.too_many_requests(300, "1 DAY", 1), until_refused("ping", times=301)),
    ("banned", errors.banned(0, 1), going_on),
    (
        "too_many_orders",
        errors.too_many_orders(OF_ORDERS, "1 DAY", 1),
        placing(*[buy("BQ", timeInForce="IOC")] * (OF_ORDERS + 1)),
    ),
    # Half done
    (
        "replace_failed",
        errors.replace_failed({}, partially=False),
        lambda at: at.order(buy(cancelOrderId="999999", **REPLACE), "order/cancelReplace"),
    ),
    (
        "replace_failed",
        errors.replace_failed({}, partially=True),
        after(
            buy(),
            "POST",
            "order/cancelReplace",
            **buy(quantity="90", price="99999999"),
            **REPLACE,
            cancelOrigClientOrderId="mine",
            orderId="",
        ),
    ),
    (
        "amend_rejected",
        DialectError(-2038, "Unknown order sent."),
        lambda at: at.order({"symbol": "AQ", "orderId": "999999", "newQty": "1"}, "order/amend/keepPriority", "PUT"),
    ),
    # The engine's refusals
    (Refusal.UNKNOWN_SYMBOL, None, lambda at: at.order({"symbol": "NOPE", "orderId": "1"}, method="DELETE")),
    (Refusal.UNSUPPORTED_COMBINATION, None, listing(opo(workingType="STOP_LOSS"), kind="opo")),
    (Refusal.ACCOUNT_FROZEN, None, being_frozen(buy())),
    (Refusal.MARKET_CLOSED, None, placing(buy("SHUTQ"))),
    (Refusal.DUPLICATE_CLIENT_ORDER_ID, None, placing(*[buy(newClientOrderId="same")] * 2)),
    (Refusal.SELF_TRADE_PREVENTION_NOT_ALLOWED, None, placing(buy(selfTradePreventionMode="EXPIRE_BOTH"))),
    (Refusal.ICEBERG_EXCEEDS_QUANTITY, None, placing(buy(icebergQty="1"))),
    (Refusal.NO_PEG_LEVEL, None, placing(buy(**PEG))),
    (Refusal.PRICE_FILTER, None, placing(buy(price="0.001"))),
    (Refusal.NO_LIQUIDITY, None, placing(market(quantity="", quoteOrderQty="100"))),
    (Refusal.LIQUIDITY_BELOW_LOT_SIZE, None, placing(sell(), market(quantity="", quoteOrderQty="0.5"))),
    (
        Refusal.LIQUIDITY_BELOW_MARKET_LOT_SIZE,
        None,
        placing(sell("BQ"), market("BQ", quantity="", quoteOrderQty="9")),
    ),
    (Refusal.LOT_SIZE, None, placing(buy(quantity="0.0001"))),
    (Refusal.LEVEL_FULL, None, filling_a_level),
    (Refusal.MARKET_LOT_SIZE, None, placing(market(quantity="11"))),
    (Refusal.ICEBERG_PARTS, None, placing(buy(icebergQty="0.09"))),
    (Refusal.TRAILING_DELTA, None, placing(stop(stopPrice="", trailingDelta="9"))),
    (Refusal.PERCENT_PRICE, None, trading_first("NEARQ", buy("NEARQ", price="49.99"))),
    (Refusal.PERCENT_PRICE_BY_SIDE, None, trading_first("SIDEQ", sell("SIDEQ", price="200.01"))),
    (Refusal.NOTIONAL, None, placing(buy(quantity="0.1"))),
    (Refusal.MAX_POSITION, None, placing(buy(quantity="90.001"))),
    (Refusal.MAX_NUM_ORDERS, None, placing(*[sell()] * 5)),
    (Refusal.MAX_NUM_ALGO_ORDERS, None, placing(*[stop()] * 3)),
    (Refusal.MAX_NUM_ICEBERG_ORDERS, None, placing(*[sell(icebergQty="0.5")] * 2)),
    (Refusal.MAX_NUM_ORDER_LISTS, None, listing(*[oco()] * 2)),
    (Refusal.EXCHANGE_MAX_NUM_ORDERS, None, placing(*[sell()] * 3, *[sell("BQ")] * 4)),
    (Refusal.EXCHANGE_MAX_NUM_ALGO_ORDERS, None, placing(*[stop()] * 2, *[stop("BQ")] * 2)),
    (
        Refusal.EXCHANGE_MAX_NUM_ICEBERG_ORDERS,
        None,
        placing(sell(icebergQty="0.5"), *[sell("BQ", icebergQty="0.5")] * 2),
    ),
    (Refusal.EXCHANGE_MAX_NUM_ORDER_LISTS, None, listing(oco(), *[oco("BQ")] * 2)),
    (Refusal.MAX_ASSET, None, placing(sell(quantity="500.001"))),
    (Refusal.LIST_PRICES_UNRELATED, None, listing(oco(belowStopPrice="1001"))),
    (Refusal.WOULD_MATCH_IMMEDIATELY, None, placing(sell(), buy(type="LIMIT_MAKER", timeInForce="", price="1000"))),
    (Refusal.WOULD_TRIGGER_IMMEDIATELY, None, trading_first("BQ", stop("BQ", stopPrice="100"))),
    (Refusal.INSUFFICIENT_BALANCE, None, placing(buy(quantity="90", price="99999999"))),
    (Refusal.UNKNOWN_ORDER, None, lambda at: at.order({"symbol": "AQ", "orderId": "999999"}, method="DELETE")),
    (Refusal.CLIENT_ORDER_ID_MISMATCH, None, after(buy(), "DELETE", "order", origClientOrderId="other")),
    (Refusal.CANCEL_RESTRICTED, None, after(buy(), "DELETE", "order", cancelRestrictions="ONLY_PARTIALLY_FILLED")),
    (Refusal.AMEND_INCREASES, None, amending("6")),
    (Refusal.AMEND_CHANGES_NOTHING, None, amending("5")),
    (Refusal.AMEND_PENDING_OPO, None, amending_pending),
    (Refusal.MAX_NUM_ORDER_AMENDS, None, amending("4", "3")),
]
