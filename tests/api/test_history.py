"""Reading orders and trades back: by id, by time, by page."""

from dataclasses import dataclass

import httpx
import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of, now_ms, succeeded
from tests.running import RunningSystem

DAY_MS = 24 * 3600 * 1000
MICROSECONDS = {"X-MBX-TIME-UNIT": "MICROSECOND"}
QUERIED = [
    *("symbol", "orderId", "orderListId", "clientOrderId", "price", "origQty", "executedQty", "cummulativeQuoteQty"),
    *("status", "timeInForce", "type", "side", "stopPrice", "icebergQty", "time", "updateTime", "isWorking"),
    *("workingTime", "origQuoteOrderQty", "selfTradePreventionMode"),
]
NO_SUCH_ORDER = (400, -2013, "Order does not exist.")
BAD_COMBINATION = (400, -1128, "Combination of optional parameters invalid.")


@dataclass(frozen=True)
class History:
    """Five orders of one account, each of which bought 0.1 more, oldest first."""

    trader: Trader
    order_ids: list[int]
    trade_ids: list[int]
    order_times_us: list[int]
    trade_times_us: list[int]

    def orders(self, **parameters: object) -> list[int]:
        """Which of the five are answered, as indices."""
        found = self.trader.get("allOrders", symbol="BTCUSDT", **parameters)
        return [self.order_ids.index(order["orderId"]) for order in found]

    def trades(self, **parameters: object) -> list[int]:
        found = self.trader.get("myTrades", symbol="BTCUSDT", **parameters)
        return [self.trade_ids.index(trade["id"]) for trade in found]


@pytest.fixture(scope="module")
def history(system: RunningSystem, http: httpx.Client) -> History:
    """Only read here, so all tests share it; it leaves nothing on the book."""
    trader, seller = (Trader(http, system.create_account(amounts)) for amounts in ({"USDT": "100000"}, {"BTC": "10"}))
    for _ in range(5):
        seller.sell("0.1", "40000")
        trader.buy("0.1", "40000")
    orders = succeeded(trader.send("GET", "allOrders", {"symbol": "BTCUSDT"}, headers=MICROSECONDS))
    trades = succeeded(trader.send("GET", "myTrades", {"symbol": "BTCUSDT"}, headers=MICROSECONDS))
    assert [trade["orderId"] for trade in trades] == [order["orderId"] for order in orders]
    return History(
        trader,
        [order["orderId"] for order in orders],
        [trade["id"] for trade in trades],
        [order["time"] for order in orders],
        [trade["time"] for trade in trades],
    )


# One order


def test_an_order_is_found_by_either_id(new_trader: NewTrader) -> None:
    trader = new_trader(USDT="1000")
    placed = trader.buy("0.01", "30000", newClientOrderId="mine")
    by_id = trader.get("order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert list(by_id) == QUERIED
    assert {name: by_id[name] for name in placed.keys() & by_id.keys()} == {
        name: placed[name] for name in placed.keys() & by_id.keys()
    }
    assert by_id["isWorking"] is True
    assert by_id["time"] == by_id["updateTime"] == by_id["workingTime"] == placed["transactTime"]
    assert (by_id["stopPrice"], by_id["icebergQty"]) == ("0.00000000", "0.00000000")
    assert trader.get("order", symbol="BTCUSDT", origClientOrderId="mine") == by_id
    assert trader.get("order", symbol="BTCUSDT", orderId=placed["orderId"], origClientOrderId="mine") == by_id
    assert trader.get("openOrders", symbol="BTCUSDT") == trader.get("openOrders") == [by_id]
    assert trader.get("openOrders", symbol="ETHUSDT") == []


def test_both_ids_must_name_the_same_order(new_trader: NewTrader) -> None:
    trader = new_trader(USDT="1000")
    order_id = trader.buy("0.01", "30000", newClientOrderId="first")["orderId"]
    trader.buy("0.01", "30000", newClientOrderId="second")
    query = {"symbol": "BTCUSDT", "orderId": order_id, "origClientOrderId": "second"}
    refusal = (400, -2039, "Client order ID is not correct for this order ID.")
    assert error_of(trader.send("GET", "order", query)) == refusal
    # The order id is looked up first.
    assert error_of(trader.send("GET", "order", query | {"orderId": 2**62})) == NO_SUCH_ORDER


def test_others_cannot_see_or_cancel_an_order(new_trader: NewTrader) -> None:
    owner, stranger = new_trader(USDT="1000"), new_trader(USDT="1000")
    order_id = owner.buy("0.01", "30000", newClientOrderId="mine")["orderId"]
    for query in ({"orderId": order_id}, {"origClientOrderId": "mine"}):
        named = {"symbol": "BTCUSDT", **query}
        assert error_of(stranger.send("GET", "order", named)) == NO_SUCH_ORDER
        assert error_of(stranger.send("DELETE", "order", named)) == (400, -2011, "Unknown order sent.")
    for path in ("openOrders", "allOrders", "myTrades"):
        assert stranger.get(path, symbol="BTCUSDT") == []
    assert [order["status"] for order in owner.get("openOrders")] == ["NEW"]


def test_a_cancelled_order_stays_readable(new_trader: NewTrader) -> None:
    trader = new_trader(USDT="1000")
    order_id = trader.buy("0.01", "30000")["orderId"]
    report = trader.delete("order", symbol="BTCUSDT", orderId=order_id)
    order = trader.get("order", symbol="BTCUSDT", orderId=order_id)
    assert (order["status"], order["updateTime"]) == ("CANCELED", report["transactTime"])
    assert order["clientOrderId"] == report["origClientOrderId"], "the order keeps its own id"
    assert trader.get("allOrders", symbol="BTCUSDT") == [order]
    assert trader.get("openOrders") == []


# Pages of orders


def test_the_newest_orders_come_oldest_first(history: History) -> None:
    assert history.orders() == [0, 1, 2, 3, 4]
    assert history.orders(limit=2) == [3, 4]
    assert history.orders(limit=5000) == [0, 1, 2, 3, 4], "a limit above the maximum is truncated"


def test_orders_from_an_id(history: History) -> None:
    assert history.orders(orderId=history.order_ids[2]) == [2, 3, 4]
    assert history.orders(orderId=history.order_ids[1], limit=2) == [1, 2]
    assert history.orders(orderId=0, limit=2) == [0, 1]
    assert history.orders(orderId=history.order_ids[4] + 1) == []


def test_orders_by_time(history: History) -> None:
    times = history.order_times_us
    assert history.orders(startTime=times[2]) == [2, 3, 4]
    assert history.orders(startTime=times[1], limit=2) == [1, 2]
    assert history.orders(endTime=times[3]) == [0, 1, 2, 3]
    assert history.orders(endTime=times[3], limit=2) == [2, 3]
    assert history.orders(startTime=times[1], endTime=times[3]) == [1, 2, 3]
    assert history.orders(startTime=times[1], endTime=times[3], limit=2) == [1, 2]
    assert history.orders(startTime=times[2], endTime=times[2]) == [2]
    assert history.orders(orderId=history.order_ids[3], startTime=times[1]) == [3, 4]


# Pages of trades


def test_the_newest_trades_come_oldest_first(history: History) -> None:
    assert history.trades() == [0, 1, 2, 3, 4]
    assert history.trades(limit=2) == [3, 4]
    assert history.trades(limit=5000) == [0, 1, 2, 3, 4]


def test_trades_from_an_id(history: History) -> None:
    assert history.trades(fromId=history.trade_ids[2]) == [2, 3, 4]
    assert history.trades(fromId=history.trade_ids[1], limit=2) == [1, 2]
    assert history.trades(fromId=0, limit=2) == [0, 1]


def test_trades_of_one_order(history: History) -> None:
    assert history.trades(orderId=history.order_ids[2]) == [2]
    assert history.trades(orderId=history.order_ids[2], fromId=history.trade_ids[2]) == [2]
    assert history.trades(orderId=history.order_ids[2], fromId=history.trade_ids[2] + 1) == []
    assert history.trades(orderId=history.order_ids[4] + 1) == []


def test_trades_by_time(history: History) -> None:
    times = history.trade_times_us
    assert history.trades(startTime=times[2]) == [2, 3, 4]
    assert history.trades(startTime=times[1], limit=2) == [1, 2]
    assert history.trades(endTime=times[3]) == [0, 1, 2, 3]
    assert history.trades(endTime=times[3], limit=2) == [2, 3]
    assert history.trades(startTime=times[1], endTime=times[3]) == [1, 2, 3]
    assert history.trades(startTime=times[2], endTime=times[2]) == [2]


def test_a_trade_shows_both_sides_their_own(new_trader: NewTrader) -> None:
    buyer, seller = new_trader(USDT="100000"), new_trader(BTC="1")
    seller.sell("0.5", "40000")
    buyer.buy("0.5", "40000")
    bought, sold = (trader.get("myTrades", symbol="BTCUSDT")[0] for trader in (buyer, seller))
    assert (bought["isBuyer"], bought["isMaker"]) == (True, False)
    assert (sold["isBuyer"], sold["isMaker"]) == (False, True)
    assert (bought["commission"], bought["commissionAsset"]) == ("0.00050000", "BTC")
    assert (sold["commission"], sold["commissionAsset"]) == ("20.00000000", "USDT")
    shared = ("symbol", "id", "price", "qty", "quoteQty", "time", "isBestMatch")
    assert [bought[name] for name in shared] == [sold[name] for name in shared]


def test_trading_with_oneself_shows_both_sides(new_trader: NewTrader) -> None:
    trader = new_trader(USDT="100000", BTC="1")
    trader.sell("0.5", "40000")
    trader.buy("0.5", "40000", selfTradePreventionMode="NONE")
    one, other = trader.get("myTrades", symbol="BTCUSDT")
    assert one["id"] == other["id"]
    assert {one["isBuyer"], other["isBuyer"]} == {one["isMaker"], other["isMaker"]} == {True, False}
    assert trader.balances() == {"BTC": ("0.99950000", "0.00000000"), "USDT": ("99980.00000000", "0.00000000")}


# Times


@pytest.mark.parametrize("path", ["allOrders", "myTrades"])
def test_a_time_in_milliseconds_means_the_whole_millisecond(path: str, history: History) -> None:
    ids, times, name = (
        (history.order_ids, history.order_times_us, "orderId")
        if path == "allOrders"
        else (history.trade_ids, history.trade_times_us, "id")
    )
    first_ms, last_ms = times[1] // 1000, times[3] // 1000
    assert len({time // 1000 for time in times}) == len(times), "no two in the same millisecond"
    for time_ms, index in ((first_ms, 1), (last_ms, 3)):
        found = history.trader.get(path, symbol="BTCUSDT", startTime=time_ms, endTime=time_ms)
        assert [ids.index(entry[name]) for entry in found] == [index]
    found = history.trader.get(path, symbol="BTCUSDT", endTime=last_ms)
    assert [ids.index(entry[name]) for entry in found] == [0, 1, 2, 3]


@pytest.mark.parametrize("path", ["allOrders", "myTrades"])
def test_a_span_is_at_most_a_day(path: str, new_trader: NewTrader) -> None:
    trader = new_trader()
    now = now_ms()
    for day, now_here in ((DAY_MS, now), (DAY_MS * 1000, now * 1000)):
        span = {"symbol": "BTCUSDT", "startTime": now_here - day, "endTime": now_here}
        assert succeeded(trader.send("GET", path, span)) == []
        longer = span | {"startTime": now_here - day - day // DAY_MS}
        refusal = (400, -1127, "More than 24 hours between startTime and endTime.")
        assert error_of(trader.send("GET", path, longer)) == refusal
    backwards = {"symbol": "BTCUSDT", "startTime": now, "endTime": now - 1}
    assert error_of(trader.send("GET", path, backwards)) == BAD_COMBINATION


@pytest.mark.parametrize("path", ["allOrders", "myTrades"])
@pytest.mark.parametrize("time", [0, 1000, 1_483_228_800_000])
def test_a_start_before_all_time_is_adjusted(path: str, time: int, history: History) -> None:
    assert len(history.trader.get(path, symbol="BTCUSDT", startTime=time)) == 5


@pytest.mark.parametrize("path", ["allOrders", "myTrades"])
@pytest.mark.parametrize("time", [4_102_444_800_000, 2**63 - 1])
def test_an_end_after_all_time_is_adjusted(path: str, time: int, history: History) -> None:
    assert len(history.trader.get(path, symbol="BTCUSDT", endTime=time)) == 5
    assert history.trader.get(path, symbol="BTCUSDT", startTime=time) == []


@pytest.mark.parametrize(
    "combination",
    [
        {"orderId": 1, "startTime": 1},
        {"orderId": 1, "endTime": 1},
        {"fromId": 1, "startTime": 1},
        {"fromId": 1, "endTime": 1},
        {"orderId": 1, "fromId": 1, "startTime": 1},
    ],
    ids="+".join,
)
def test_trades_cannot_be_asked_for_by_time_and_id(combination: dict[str, int], new_trader: NewTrader) -> None:
    refused = new_trader().send("GET", "myTrades", {"symbol": "BTCUSDT", **combination})
    assert error_of(refused) == BAD_COMBINATION
