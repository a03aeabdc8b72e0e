"""Every endpoint of the table answers, and answers what it promises (``trader.check_reply`` holds it to its schema)."""

import re
from collections.abc import Iterator

import httpx
import pytest

from services.domain.orders import OrderType
from services.trading.endpoint import Security
from services.trading.routes import ENDPOINTS
from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of, exchange, now_ms, succeeded

SELL = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "50000"}

WORKING = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingTimeInForce": "GTC",
    "workingPrice": "20000",
    "workingSide": "BUY",
    "workingQuantity": "0.1",
    "pendingSide": "SELL",
}
PENDING = {"pendingType": "LIMIT_MAKER", "pendingPrice": "60000"}
PENDING_PAIR = {
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "60000",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "15000",
}
PAIR = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.1"}
OCO = {**PAIR, "aboveType": "LIMIT_MAKER", "abovePrice": "60000", "belowType": "STOP_LOSS", "belowStopPrice": "40000"}
OLD_OCO = {**PAIR, "price": "60000", "stopPrice": "40000", "stopLimitPrice": "39000", "stopLimitTimeInForce": "GTC"}

# Several calls for an endpoint whose answer depends on what was asked. "{open}" is an open order's id.
CALLS: dict[tuple[str, str], list[dict[str, str]]] = {
    ("GET", "/api/v3/ping"): [{}],
    ("GET", "/api/v3/time"): [{}],
    ("GET", "/api/v3/exchangeInfo"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["ETHUSDT","BTCUSDT"]'}],
    ("GET", "/api/v3/depth"): [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "limit": "9999"}, {"symbol": "ETHBTC"}],
    ("GET", "/api/v3/trades"): [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "limit": "1"}],
    ("GET", "/api/v3/historicalTrades"): [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "fromId": "1"}],
    ("GET", "/api/v3/historicalBlockTrades"): [{"symbol": "BTCUSDT", "fromId": "1"}],
    ("GET", "/api/v3/aggTrades"): [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "fromId": "1", "limit": "1"}],
    ("GET", "/api/v3/klines"): [{"symbol": "BTCUSDT", "interval": interval} for interval in ("1s", "1m", "1M")],
    ("GET", "/api/v3/uiKlines"): [{"symbol": "BTCUSDT", "interval": "1d", "timeZone": "05:45"}],
    ("GET", "/api/v3/avgPrice"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/referencePrice"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/referencePrice/calculation"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/executionRules"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]'}],
    ("GET", "/api/v3/ticker/24hr"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]', "type": "MINI"}],
    ("GET", "/api/v3/ticker/tradingDay"): [{"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]', "timeZone": "-3:30"}],
    ("GET", "/api/v3/ticker"): [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "windowSize": "7d", "type": "MINI"}],
    ("GET", "/api/v3/ticker/price"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]'}],
    ("GET", "/api/v3/ticker/bookTicker"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]'}],
    ("POST", "/api/v3/order"): [SELL | {"newOrderRespType": kind} for kind in ("ACK", "RESULT", "FULL")],
    ("POST", "/api/v3/order/test"): [SELL, SELL | {"computeCommissionRates": "true"}],
    ("GET", "/api/v3/order"): [{"symbol": "BTCUSDT", "orderId": "{open}"}],
    ("DELETE", "/api/v3/order"): [{"symbol": "BTCUSDT", "orderId": "{open}"}],
    ("PUT", "/api/v3/order/amend/keepPriority"): [{"symbol": "BTCUSDT", "orderId": "{open}", "newQty": "0.5"}],
    ("GET", "/api/v3/order/amendments"): [{"symbol": "BTCUSDT", "orderId": "{open}"}],
    ("POST", "/api/v3/order/cancelReplace"): [
        SELL | {"quantity": "0.2", "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": "{open}"}
    ],
    ("POST", "/api/v3/order/oco"): [OLD_OCO],
    ("POST", "/api/v3/orderList/oco"): [OCO, *(OCO | {"newOrderRespType": kind} for kind in ("ACK", "FULL"))],
    ("POST", "/api/v3/orderList/oto"): [WORKING | PENDING | {"pendingQuantity": "0.1"}],
    ("POST", "/api/v3/orderList/otoco"): [WORKING | PENDING_PAIR | {"pendingQuantity": "0.1"}],
    ("POST", "/api/v3/orderList/opo"): [WORKING | PENDING, WORKING | PENDING | {"newOrderRespType": "FULL"}],
    ("POST", "/api/v3/orderList/opoco"): [WORKING | PENDING_PAIR],
    ("DELETE", "/api/v3/orderList"): [{"symbol": "BTCUSDT", "orderListId": "{list}"}],
    ("GET", "/api/v3/orderList"): [{"orderListId": "{list}"}, {"origClientOrderId": "tied"}],
    ("GET", "/api/v3/allOrderList"): [{}, {"fromId": "{list}"}, {"startTime": "1000"}, {"endTime": "9999999999999"}],
    ("GET", "/api/v3/openOrderList"): [{}],
    ("GET", "/api/v3/openOrders"): [{}, {"symbol": "BTCUSDT"}],
    ("DELETE", "/api/v3/openOrders"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/allOrders"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/account"): [{}, {"omitZeroBalances": "true"}],
    ("GET", "/api/v3/myTrades"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/rateLimit/order"): [{}],
    ("GET", "/api/v3/myPreventedMatches"): [{"symbol": "BTCUSDT", "orderId": "{open}"}],
    ("GET", "/api/v3/myAllocations"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/account/commission"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/myFilters"): [{"symbol": "BTCUSDT"}],
    ("POST", "/api/v3/userDataStream"): [{}],
    ("PUT", "/api/v3/userDataStream"): [{"listenKey": "{listen key}"}],
    ("DELETE", "/api/v3/userDataStream"): [{"listenKey": "{listen key}"}],
    ("GET", "/sapi/v1/system/status"): [{}],
    ("GET", "/sapi/v1/account/status"): [{}],
    ("GET", "/sapi/v1/account/apiTradingStatus"): [{}],
    ("GET", "/sapi/v1/account/apiRestrictions"): [{}],
    ("GET", "/sapi/v1/spot/delist-schedule"): [{}],
    ("GET", "/sapi/v1/capital/deposit/hisrec"): [{}, {"coin": "BTC", "limit": "10"}],
    ("GET", "/sapi/v1/capital/withdraw/history"): [{}, {"status": "6", "idList": "1,2"}],
    ("GET", "/sapi/v1/capital/deposit/address"): [{"coin": "BTC"}, {"coin": "BTC", "network": "CROSSBOOK"}],
    ("GET", "/sapi/v1/capital/withdraw/address/list"): [{}],
    ("POST", "/sapi/v1/capital/withdraw/apply"): [{"coin": "USDT", "address": "somewhere", "amount": "20"}],
    ("POST", "/sapi/v3/asset/getUserAsset"): [{}, {"asset": "USDT"}],
    ("POST", "/sapi/v1/asset/get-funding-asset"): [{}],
    ("GET", "/sapi/v1/asset/transfer"): [{"type": "MAIN_UMFUTURE"}],
    ("GET", "/sapi/v1/margin/interestHistory"): [{}],
    ("GET", "/sapi/v1/capital/config/getall"): [{}],
    ("GET", "/sapi/v1/asset/tradeFee"): [{}, {"symbol": "BTCUSDT"}],
    ("GET", "/sapi/v1/margin/allPairs"): [{}],
    ("GET", "/sapi/v1/margin/isolated/allPairs"): [{}],
    ("GET", "/fapi/v1/exchangeInfo"): [{}],
    ("GET", "/dapi/v1/exchangeInfo"): [{}],
}
# Right calls all the same; the last wants a key that may withdraw (tests/backoffice/test_capital.py).
REFUSED = {
    ("GET", "/api/v3/referencePrice"),
    ("GET", "/api/v3/referencePrice/calculation"),
    ("POST", "/sapi/v1/capital/withdraw/apply"),
}
PUBLIC = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS if endpoint.security is Security.NONE}
DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


# Truly empty for everyone, or until something happens that these calls do not make happen.
EMPTY = (
    *("/sapi/v1/margin/allPairs", "/sapi/v1/margin/isolated/allPairs", "/sapi/v1/spot/delist-schedule"),
    *("/sapi/v1/capital/deposit/hisrec", "/sapi/v1/capital/withdraw/history", "/sapi/v1/asset/get-funding-asset"),
    "/sapi/v1/capital/withdraw/address/list",
    *("/api/v3/historicalBlockTrades", "/api/v3/rateLimit/order", "/api/v3/myAllocations"),
)


@pytest.fixture
def maker(new_trader: NewTrader) -> Trader:
    """Has sold, and offers more: no list that the account can see is empty."""
    maker = new_trader(BTC="10", USDT="10000")
    order = maker.sell("1", "49000")
    new_trader(USDT="100000").buy("0.4", "49000")
    maker.put("order/amend/keepPriority", symbol="BTCUSDT", orderId=order["orderId"], newQty="0.9")
    return maker


@pytest.fixture
def busy(maker: Trader) -> Trader:
    """Has an order list too, and one of its orders met another."""
    maker.post("orderList/oco", **OCO, listClientOrderId="tied")
    maker.buy("0.1", "49000", selfTradePreventionMode="EXPIRE_TAKER")
    return maker


def test_the_calls_here_cover_the_whole_table() -> None:
    assert set(CALLS) == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


@pytest.mark.parametrize("route", [route for route in CALLS if route not in REFUSED], ids=" ".join)
def test_an_endpoint_answers_in_its_shape(route: tuple[str, str], busy: Trader) -> None:
    method, path = route
    open_id = str(busy.get("openOrders")[0]["orderId"])
    list_id = str(busy.get("openOrderList")[0]["orderListId"])
    known = {"{open}": open_id, "{list}": list_id, "{listen key}": busy.post("userDataStream")["listenKey"]}
    for parameters in CALLS[route]:
        filled = {name: known.get(value, value) for name, value in parameters.items()}
        answer = succeeded(busy.send(method, path, filled))
        assert answer != [] or path in EMPTY, "an empty list shows no shape"
        # Percentages have three places; the schema sees to that.
        for amount in _decimals(_without(answer, "priceChangePercent")):
            assert re.fullmatch(r"-?[0-9]+\.[0-9]{8}", amount)


@pytest.mark.parametrize("route", sorted(set(CALLS) - PUBLIC), ids=" ".join)
def test_an_account_endpoint_wants_a_key(route: tuple[str, str], http: httpx.Client) -> None:
    assert error_of(exchange(http, *route)) == (401, -2014, "API-key format invalid.")


@pytest.mark.parametrize("route", sorted(PUBLIC - REFUSED), ids=" ".join)
def test_a_public_endpoint_wants_none_and_does_not_mind_one(
    route: tuple[str, str], http: httpx.Client, new_trader: NewTrader
) -> None:
    parameters = CALLS[route][0]
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    succeeded(exchange(http, *route, query))
    stranger = new_trader()
    succeeded(stranger.send(*route, parameters))
    assert exchange(http, *route, f"{query}&timestamp=1&signature=00&recvWindow=x").status_code == httpx.codes.OK


def test_exchange_info_says_what_clients_read(maker: Trader) -> None:
    market = maker.get("exchangeInfo", symbol="BTCUSDT")["symbols"][0]
    assert (market["symbol"], market["baseAsset"], market["quoteAsset"]) == ("BTCUSDT", "BTC", "USDT")
    assert market["status"] == "TRADING"
    assert (market["permissions"], market["permissionSets"]) == ([], [["SPOT"]])
    filters = [entry["filterType"] for entry in market["filters"]]
    assert filters == [
        *("PRICE_FILTER", "LOT_SIZE", "ICEBERG_PARTS", "MARKET_LOT_SIZE", "TRAILING_DELTA", "NOTIONAL"),
        *("MAX_NUM_ORDERS", "MAX_NUM_ORDER_LISTS", "MAX_NUM_ALGO_ORDERS", "MAX_NUM_ORDER_AMENDS"),
    ]
    banded = maker.get("exchangeInfo", symbol="ETHBTC")["symbols"][0]["filters"][5]
    assert banded == {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": "2.00000000",
        "bidMultiplierDown": "0.50000000",
        "askMultiplierUp": "2.00000000",
        "askMultiplierDown": "0.50000000",
        "avgPriceMins": 5,
    }
    assert set(market["orderTypes"]) == {kind.value for kind in OrderType}
    assert market["defaultSelfTradePreventionMode"] == "EXPIRE_MAKER"
    assert market["filters"][0]["tickSize"] == "0.01000000"
    assert market["filters"][1]["stepSize"] == "0.00001000"


def test_a_list_of_symbols_is_answered_in_its_order(maker: Trader) -> None:
    symbols = ["ETHUSDT", "ETHBTC", "BTCUSDT"]
    listed = maker.get("exchangeInfo", symbols='["ETHUSDT", "ETHBTC", "BTCUSDT"]')["symbols"]
    assert [market["symbol"] for market in listed] == symbols
    assert [ticker["symbol"] for ticker in maker.get("ticker/price", symbols=str(symbols).replace("'", '"'))] == symbols


def test_the_book_is_the_same_in_depth_and_ticker(maker: Trader) -> None:
    maker.sell("2", "49000.01")
    depth = maker.get("depth", symbol="BTCUSDT")
    assert depth["asks"] == [["49000.00000000", "0.50000000"], ["49000.01000000", "2.00000000"]]
    assert depth["bids"] == []
    assert maker.get("depth", symbol="BTCUSDT", limit=1)["asks"] == [["49000.00000000", "0.50000000"]]
    ticker = maker.get("ticker/bookTicker", symbol="BTCUSDT")
    assert ticker == {
        "symbol": "BTCUSDT",
        "bidPrice": "0.00000000",
        "bidQty": "0.00000000",
        "askPrice": "49000.00000000",
        "askQty": "0.50000000",
    }
    later = maker.get("depth", symbol="BTCUSDT")["lastUpdateId"]
    assert later == depth["lastUpdateId"], "reading does not count as a change"
    maker.delete("openOrders", symbol="BTCUSDT")
    assert maker.get("depth", symbol="BTCUSDT")["lastUpdateId"] == later + 1


def test_the_last_trade_is_the_price_and_the_newest_trade(maker: Trader) -> None:
    assert maker.get("ticker/price", symbol="BTCUSDT") == {"symbol": "BTCUSDT", "price": "49000.00000000"}
    newest = maker.get("trades", symbol="BTCUSDT")[-1]
    assert (newest["price"], newest["qty"], newest["quoteQty"]) == ("49000.00000000", "0.40000000", "19600.00000000")
    assert newest["isBuyerMaker"] is False
    assert abs(newest["time"] - now_ms()) < 60_000, "milliseconds"


def test_times_come_in_the_unit_that_was_asked_for(maker: Trader) -> None:
    order_id = maker.get("openOrders")[0]["orderId"]

    def times(unit: str) -> list[int]:
        headers = {"X-MBX-TIME-UNIT": unit}
        order = succeeded(maker.send("GET", "order", {"symbol": "BTCUSDT", "orderId": order_id}, headers=headers))
        trade = succeeded(maker.send("GET", "myTrades", {"symbol": "BTCUSDT"}, headers=headers))[0]
        public = succeeded(maker.send("GET", "trades", {"symbol": "BTCUSDT"}, headers=headers))[0]
        account = succeeded(maker.send("GET", "account", headers=headers))
        return [
            *(order[name] for name in ("time", "updateTime", "workingTime")),
            *(trade["time"], public["time"], account["updateTime"]),
        ]

    milliseconds = times("MILLISECOND")
    assert milliseconds == times("millisecond")
    microseconds = times("MICROSECOND")
    assert microseconds == times("microsecond")
    assert [time // 1000 for time in microseconds] == milliseconds
    assert any(time % 1000 for time in microseconds), "truly microseconds"
    placed = maker.send("POST", "order", SELL, headers={"X-MBX-TIME-UNIT": "MICROSECOND"}).json()
    assert placed["transactTime"] == placed["workingTime"] > 10**15


def _without(value: object, name: str) -> object:
    if isinstance(value, dict):
        return {key: element for key, element in value.items() if key != name}
    return [_without(element, name) for element in value] if isinstance(value, list) else value


def _decimals(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for element in value.values():
            yield from _decimals(element)
    elif isinstance(value, list):
        for element in value:
            yield from _decimals(element)
    elif isinstance(value, str) and DECIMAL.fullmatch(value):
        yield value
