"""Every order type over REST: what it demands and forbids, what its replies hold, and what becomes of it."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.domain.market import MarketStatus
from tests.api.conftest import NewTrader
from tests.api.trader import Trader, encode, error_of
from tests.running import RunningSystem

SYMBOL = {"symbol": "BTCUSDT"}
SELL = SYMBOL | {"side": "SELL", "quantity": "0.1"}
BUY = SYMBOL | {"side": "BUY", "quantity": "0.1"}
GTC = {"timeInForce": "GTC"}
LIMIT = GTC | {"type": "LIMIT", "price": "60000"}
MAKER = {"type": "LIMIT_MAKER", "price": "60000"}
STOP = {"type": "STOP_LOSS", "stopPrice": "45000"}
STOP_LIMIT = GTC | {"type": "STOP_LOSS_LIMIT", "stopPrice": "45000", "price": "44000"}
PROFIT = {"type": "TAKE_PROFIT", "stopPrice": "55000"}
PROFIT_LIMIT = GTC | {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "55000", "price": "54000"}
CONTINGENT = (STOP, STOP_LIMIT, PROFIT, PROFIT_LIMIT)
PEG = GTC | {"type": "LIMIT", "pegPriceType": "PRIMARY_PEG"}

Order = dict[str, str]
TradeAt = Callable[[str], None]


@pytest.fixture
def trader(new_trader: NewTrader, trade_at: TradeAt) -> Trader:
    trade_at("50000")
    return new_trader(BTC="10", USDT="1000000")


def queried(trader: Trader, answer: Any) -> Any:
    return trader.get("order", symbol="BTCUSDT", orderId=answer["orderId"])


def without(order: Order, name: str) -> Order:
    return {key: value for key, value in order.items() if key != name}


# Stops


@pytest.mark.parametrize("kind", CONTINGENT, ids=lambda kind: kind["type"])
def test_a_stop_waits_outside_the_book(kind: Order, trader: Trader) -> None:
    acknowledged = trader.post("order", **SELL, **kind)
    assert set(acknowledged) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    result = trader.post("order", **SELL, **kind, newOrderRespType="RESULT")
    assert (result["status"], result["workingTime"], result["type"]) == ("NEW", -1, kind["type"])
    assert float(result["stopPrice"]) == float(kind["stopPrice"])
    assert float(result["price"]) == float(kind.get("price", 0))
    order = queried(trader, result)
    assert (order["isWorking"], order["workingTime"], order["stopPrice"]) == (False, -1, result["stopPrice"])
    assert trader.get("depth", symbol="BTCUSDT")["asks"] == []
    assert trader.balances()["BTC"] == ("9.80000000", "0.20000000")
    report = trader.delete("order", symbol="BTCUSDT", orderId=result["orderId"])
    assert (report["status"], report["stopPrice"]) == ("CANCELED", result["stopPrice"])


def test_a_stop_limit_order_comes_to_rest_when_it_is_triggered(trader: Trader, trade_at: TradeAt) -> None:
    placed = trader.post("order", **SELL, **STOP_LIMIT)
    trade_at("45000")
    order = queried(trader, placed)
    assert (order["status"], order["isWorking"]) == ("NEW", True)
    assert order["workingTime"] >= order["time"]
    assert trader.get("depth", symbol="BTCUSDT")["asks"] == [["44000.00000000", "0.10000000"]]


def test_a_stop_order_takes_what_there_is_when_it_is_triggered(
    trader: Trader, trade_at: TradeAt, new_trader: NewTrader
) -> None:
    placed = trader.post("order", **SELL, **STOP)
    new_trader(USDT="100000").buy("0.06", "44000")
    trade_at("45000")
    order = queried(trader, placed)
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "0.06000000")
    assert order["expiryReason"] == "INSUFFICIENT_LIQUIDITY"


def test_a_trailing_stop_follows_the_market(trader: Trader, trade_at: TradeAt) -> None:
    order = {"type": "STOP_LOSS_LIMIT", "price": "40000", "trailingDelta": "1000"}
    placed = trader.post("order", **SELL, **GTC, **order, newOrderRespType="RESULT")
    assert (placed["trailingDelta"], placed["trailingTime"]) == (1000, -1)
    trade_at("52000")
    order_now = queried(trader, placed)
    assert order_now["trailingTime"] >= order_now["time"]
    assert order_now["isWorking"] is False
    trade_at("46800")
    assert queried(trader, placed)["isWorking"] is True


@pytest.mark.parametrize(
    ("side", "kind", "stop"),
    [
        ("SELL", "STOP_LOSS", "50000"),
        ("BUY", "STOP_LOSS", "50000"),
        ("SELL", "TAKE_PROFIT", "49999"),
        ("BUY", "TAKE_PROFIT", "50001"),
    ],
)
def test_a_stop_on_the_wrong_side_is_refused(side: str, kind: str, stop: str, trader: Trader) -> None:
    order = SYMBOL | {"side": side, "type": kind, "quantity": "0.1", "stopPrice": stop}
    assert error_of(trader.send("POST", "order", order)) == (400, -2010, "Order would trigger immediately.")


# Icebergs


@pytest.mark.parametrize("kind", [LIMIT, MAKER], ids=lambda kind: kind["type"])
def test_an_iceberg_shows_its_tip(kind: Order, trader: Trader, new_trader: NewTrader) -> None:
    placed = trader.post("order", **SELL, **kind, icebergQty="0.03", newOrderRespType="FULL")
    assert placed["icebergQty"] == "0.03000000"
    assert trader.get("depth", symbol="BTCUSDT")["asks"] == [["60000.00000000", "0.03000000"]]
    new_trader(USDT="100000").buy("0.04", "60000")
    assert trader.get("depth", symbol="BTCUSDT")["asks"] == [["60000.00000000", "0.02000000"]]
    order = queried(trader, placed)
    assert (order["executedQty"], order["icebergQty"]) == ("0.04000000", "0.03000000")


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (LIMIT | {"timeInForce": "IOC", "icebergQty": "0.05"}, (400, -2010, "Unsupported order combination")),
        (LIMIT | {"icebergQty": "0.1"}, (400, -2010, "IcebergQty exceeds QTY.")),
        (LIMIT | {"icebergQty": "0.000001"}, (400, -1013, "Filter failure: LOT_SIZE")),
        (LIMIT | {"icebergQty": "0.0005"}, (400, -1013, "Filter failure: ICEBERG_PARTS")),
        (STOP | {"icebergQty": "0.05"}, (400, -1106, "Parameter 'icebergQty' sent when not required.")),
    ],
)
def test_an_iceberg_that_cannot_be(order: Order, error: tuple[int, int, str], trader: Trader) -> None:
    assert error_of(trader.send("POST", "order", SELL | order)) == error


# Pegs


def test_a_pegged_order_takes_its_price_from_the_book(trader: Trader) -> None:
    trader.sell("0.1", "61000")
    trader.sell("0.1", "62000")
    placed = trader.post("order", **SELL, **PEG)
    assert (placed["price"], placed["peggedPrice"]) == ("0.00000000", "61000.00000000")
    assert placed["pegPriceType"] == "PRIMARY_PEG"
    assert "pegOffsetType" not in placed
    deeper = trader.post("order", **SELL, **PEG, pegOffsetType="PRICE_LEVEL", pegOffsetValue="1")
    assert (deeper["peggedPrice"], deeper["pegOffsetValue"]) == ("62000.00000000", 1)
    assert queried(trader, deeper)["pegOffsetType"] == "PRICE_LEVEL"
    taker = trader.post("order", **BUY, **PEG | {"timeInForce": "IOC", "pegPriceType": "MARKET_PEG"}, **NO_STP)
    assert (taker["status"], taker["peggedPrice"]) == ("FILLED", "61000.00000000")


NO_STP = {"selfTradePreventionMode": "NONE"}
NO_PEG_LEVEL = (400, -2010, "Order book liquidity is too low for this pegged order.")
NO_PEG_TYPE = (400, -2010, "This order type may not use pegged price.")
NO_PEG_PAIR = (400, -2010, "This price peg cannot be used with this order type.")


def recommended(name: str) -> tuple[int, int, str]:
    text = f"Combination of optional parameters invalid. Recommendation: '{name}' should also be sent."
    return 400, -1128, text


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (PEG, NO_PEG_LEVEL),
        (STOP | {"pegPriceType": "PRIMARY_PEG"}, NO_PEG_TYPE),
        ({"type": "MARKET", "pegPriceType": "PRIMARY_PEG"}, NO_PEG_TYPE),
        ({"type": "LIMIT_MAKER", "pegPriceType": "MARKET_PEG"}, NO_PEG_PAIR),
        (PEG | {"timeInForce": "IOC"}, NO_PEG_PAIR),
        (PEG | {"pegOffsetType": "PRICE_LEVEL"}, recommended("pegOffsetValue")),
        (PEG | {"pegOffsetValue": "1"}, recommended("pegOffsetType")),
        (LIMIT | {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "1"}, recommended("pegPriceType")),
        (PEG | {"pegPriceType": "MID_PEG"}, (400, -1210, "Invalid pegPriceType.")),
        (PEG | {"pegOffsetType": "BPS", "pegOffsetValue": "1"}, (400, -1211, "Invalid pegOffsetType.")),
        (
            PEG | {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "101"},
            (400, -1102, "'pegOffsetValue' contains unexpected value. Cannot be greater than 100."),
        ),
    ],
)
def test_a_peg_that_cannot_be(order: Order, error: tuple[int, int, str], trader: Trader) -> None:
    assert error_of(trader.send("POST", "order", SELL | order)) == error


# Parameters by type


def superfluous(name: str) -> tuple[int, int, str]:
    return 400, -1106, f"Parameter '{name}' sent when not required."


def mandatory(name: str) -> tuple[int, int, str]:
    return 400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


EITHER_STOP = (400, -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!")
PRICE_FILTER = (400, -1013, "Filter failure: PRICE_FILTER")
TRAILING_DELTA = (400, -1013, "Filter failure: TRAILING_DELTA")
STRATEGY_TYPE = (400, -1134, "strategyType was less than 1000000.")


@pytest.mark.parametrize(
    ("order", "error"),
    [
        *((without(kind, "stopPrice"), EITHER_STOP) for kind in CONTINGENT),
        *(
            (without(kind, name), mandatory(name))
            for kind in (STOP_LIMIT, PROFIT_LIMIT)
            for name in ("timeInForce", "price")
        ),
        *((kind | {"price": "1"}, superfluous("price")) for kind in (STOP, PROFIT)),
        *((kind | GTC, superfluous("timeInForce")) for kind in (STOP, PROFIT)),
        *((kind | {"quoteOrderQty": "1"}, superfluous("quoteOrderQty")) for kind in CONTINGENT),
        *((kind | {"stopPrice": "1"}, superfluous("stopPrice")) for kind in (LIMIT, MAKER, {"type": "MARKET"})),
        *((kind | {"trailingDelta": "9"}, superfluous("trailingDelta")) for kind in (LIMIT, MAKER)),
        ({"type": "MARKET", "icebergQty": "0.05"}, superfluous("icebergQty")),
        (STOP | {"stopPrice": "0"}, PRICE_FILTER),
        (STOP | {"stopPrice": "45000.001"}, PRICE_FILTER),
        *((without(STOP, "stopPrice") | {"trailingDelta": delta}, TRAILING_DELTA) for delta in ("0", "9", "2001")),
        (LIMIT | {"strategyType": "999999"}, STRATEGY_TYPE),
        (
            LIMIT | {"selfTradePreventionMode": "SOMETIMES"},
            (400, -1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
        ),
    ],
)
def test_each_type_has_its_parameters(order: Order, error: tuple[int, int, str], trader: Trader) -> None:
    assert error_of(trader.send("POST", "order", SELL | order)) == error
    assert error_of(trader.send("POST", "order/test", SELL | order)) == error


def test_a_strategy_is_remembered(trader: Trader) -> None:
    strategy = {"strategyId": 7, "strategyType": 1000000}
    placed = trader.post("order", **SELL, **LIMIT, **strategy)
    for shown in (placed, queried(trader, placed), trader.delete("order", symbol="BTCUSDT", orderId=placed["orderId"])):
        assert {name: shown[name] for name in strategy} == strategy


def test_few_stops_are_allowed_at_once(trader: Trader) -> None:
    for _ in range(5):
        trader.post("order", **SELL, **STOP)
    refused = trader.send("POST", "order", SELL | STOP)
    assert error_of(refused) == (400, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS")


def test_prices_stay_near_those_of_late(new_trader: NewTrader) -> None:
    """ETHBTC keeps the filter in this exchange."""
    seller, buyer = new_trader(ETH="10"), new_trader(BTC="10")
    seller.sell("0.1", "0.05", symbol="ETHBTC")
    buyer.buy("0.1", "0.05", symbol="ETHBTC")
    for side, price in (("BUY", "0.02"), ("BUY", "0.11"), ("SELL", "0.02"), ("SELL", "0.11")):
        order = {"symbol": "ETHBTC", "side": side, "quantity": "0.1", **LIMIT, "price": price}
        trader = seller if side == "SELL" else buyer
        assert error_of(trader.send("POST", "order", order)) == (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE")


# Self-trade prevention


def test_a_self_trade_is_prevented_at_the_makers_cost(trader: Trader) -> None:
    maker = trader.sell("0.1", "60000")
    taker = trader.buy("0.3", "60000")
    assert (taker["status"], taker["fills"], taker["selfTradePreventionMode"]) == ("NEW", [], "EXPIRE_MAKER")
    (prevented,) = taker["preventedMatches"]
    assert prevented["makerOrderId"] == maker["orderId"]
    assert prevented["makerPreventedQuantity"] == "0.10000000"
    assert "takerPreventedQuantity" not in prevented
    order = queried(trader, maker)
    assert (order["status"], order["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.10000000")
    assert order["preventedMatchId"] == prevented["preventedMatchId"]
    by_id = trader.get("myPreventedMatches", symbol="BTCUSDT", preventedMatchId=prevented["preventedMatchId"])
    by_order = trader.get("myPreventedMatches", symbol="BTCUSDT", orderId=taker["orderId"])
    after = trader.get(
        "myPreventedMatches",
        symbol="BTCUSDT",
        orderId=maker["orderId"],
        fromPreventedMatchId=prevented["preventedMatchId"],
        limit=10,
    )
    assert by_id == by_order == after
    assert (by_id[0]["takerOrderId"], by_id[0]["tradeGroupId"]) == (taker["orderId"], -1)
    assert by_id[0]["selfTradePreventionMode"] == "EXPIRE_MAKER"


@pytest.mark.parametrize(
    ("mode", "taker_status", "maker_status"),
    [
        ("NONE", "FILLED", "FILLED"),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_MAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("DECREMENT", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("TRANSFER", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ],
)
def test_the_takers_mode_decides(mode: str, taker_status: str, maker_status: str, trader: Trader) -> None:
    maker = trader.sell("0.1", "60000")
    taker = trader.buy("0.1", "60000", selfTradePreventionMode=mode)
    assert (taker["status"], queried(trader, maker)["status"]) == (taker_status, maker_status)
    assert taker["selfTradePreventionMode"] == mode


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"preventedMatchId": "1", "orderId": "1"},
        {"preventedMatchId": "1", "fromPreventedMatchId": "1"},
        {"orderId": "1", "limit": "1"},
    ],
)
def test_prevented_matches_are_asked_for_in_four_ways_only(named: Order, trader: Trader) -> None:
    refused = trader.send("GET", "myPreventedMatches", SYMBOL | named)
    assert error_of(refused) == (400, -1128, "Combination of optional parameters invalid.")


# A market that is closed, a request that is late


def test_a_closed_market_takes_cancels_only(trader: Trader, system: RunningSystem) -> None:
    placed = trader.buy("1", "1000", symbol="ETHUSDT")
    system.set_market_status("ETHUSDT", MarketStatus.HALT)
    try:
        order = {"symbol": "ETHUSDT", "side": "BUY", "quantity": "1", **LIMIT, "price": "1000"}
        assert error_of(trader.send("POST", "order", order)) == (400, -2010, "Market is closed.")
        # Whoever closed it sees so at once, on any trading process.
        assert status_of(trader) == "HALT"
        halted = trader.get("exchangeInfo", symbolStatus="HALT")["symbols"]
        assert [market["symbol"] for market in halted] == ["ETHUSDT"]
        assert trader.delete("order", symbol="ETHUSDT", orderId=placed["orderId"])["status"] == "CANCELED"
    finally:
        system.set_market_status("ETHUSDT", MarketStatus.TRADING)
    assert status_of(trader) == "TRADING"


def status_of(trader: Trader) -> str:
    status: str = trader.get("exchangeInfo", symbol="ETHUSDT")["symbols"][0]["status"]
    return status


def test_exchange_info_by_permission_and_status(trader: Trader) -> None:
    assert len(trader.get("exchangeInfo", permissions="SPOT")["symbols"]) == 3
    assert trader.get("exchangeInfo", permissions='["MARGIN","LEVERAGED"]')["symbols"] == []
    plain = trader.get("exchangeInfo", symbol="BTCUSDT", showPermissionSets="false")["symbols"][0]
    assert "permissionSets" not in plain
    for extra in ({"permissions": "SPOT"}, {"symbolStatus": "TRADING"}):
        refused = trader.send("GET", "exchangeInfo", SYMBOL | extra)
        assert error_of(refused) == (400, -1128, "Combination of optional parameters invalid.")
    invalid = trader.send("GET", "exchangeInfo", {"symbolStatus": "OPEN"})
    assert error_of(invalid) == (400, -1122, "Invalid symbolStatus.")


def test_the_engine_looks_at_the_window_again(trader: Trader, system: RunningSystem) -> None:
    """A request that arrives in time and waits too long is not carried out."""
    query = trader.signed(encode(SELL | LIMIT), recvWindow=500)
    system.send_signal("engine", signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(trader.send_raw, "POST", "order", query)
            time.sleep(1)
            system.send_signal("engine", signal.SIGCONT)
            late = (400, -1021, "Timestamp for this request is outside of the recvWindow.")
            assert error_of(waiting.result()) == late
    finally:
        system.send_signal("engine", signal.SIGCONT)
    assert trader.get("openOrders") == []
