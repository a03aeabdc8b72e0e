"""Every endpoint of the table answers, and answers what it promises (``trader.check_reply`` holds it to its schema)."""

import re
from collections.abc import Iterator

import httpx
import pytest

from services.trading.endpoint import Security
from services.trading.routes import ENDPOINTS
from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of, exchange, now_ms, succeeded

SELL = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "50000"}

# Several calls for an endpoint whose answer depends on what was asked. "{open}" is an open order's id.
CALLS: dict[tuple[str, str], list[dict[str, str]]] = {
    ("GET", "/api/v3/ping"): [{}],
    ("GET", "/api/v3/time"): [{}],
    ("GET", "/api/v3/exchangeInfo"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["ETHUSDT","BTCUSDT"]'}],
    ("GET", "/api/v3/depth"): [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "limit": "9999"}, {"symbol": "ETHBTC"}],
    ("GET", "/api/v3/trades"): [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "limit": "1"}],
    ("GET", "/api/v3/ticker/price"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]'}],
    ("GET", "/api/v3/ticker/bookTicker"): [{}, {"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]'}],
    ("POST", "/api/v3/order"): [SELL | {"newOrderRespType": kind} for kind in ("ACK", "RESULT", "FULL")],
    ("POST", "/api/v3/order/test"): [SELL, SELL | {"computeCommissionRates": "true"}],
    ("GET", "/api/v3/order"): [{"symbol": "BTCUSDT", "orderId": "{open}"}],
    ("DELETE", "/api/v3/order"): [{"symbol": "BTCUSDT", "orderId": "{open}"}],
    ("GET", "/api/v3/openOrders"): [{}, {"symbol": "BTCUSDT"}],
    ("DELETE", "/api/v3/openOrders"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/allOrders"): [{"symbol": "BTCUSDT"}],
    ("GET", "/api/v3/account"): [{}, {"omitZeroBalances": "true"}],
    ("GET", "/api/v3/myTrades"): [{"symbol": "BTCUSDT"}],
    ("GET", "/sapi/v1/system/status"): [{}],
    ("GET", "/sapi/v1/capital/config/getall"): [{}],
    ("GET", "/sapi/v1/asset/tradeFee"): [{}, {"symbol": "BTCUSDT"}],
    ("GET", "/sapi/v1/margin/allPairs"): [{}],
    ("GET", "/sapi/v1/margin/isolated/allPairs"): [{}],
    ("GET", "/fapi/v1/exchangeInfo"): [{}],
    ("GET", "/dapi/v1/exchangeInfo"): [{}],
}
PUBLIC = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS if endpoint.security is Security.NONE}
DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


@pytest.fixture
def maker(new_trader: NewTrader) -> Trader:
    """Has sold, and offers more: no list that the account can see is empty."""
    maker = new_trader(BTC="10")
    maker.sell("1", "49000")
    new_trader(USDT="100000").buy("0.4", "49000")
    return maker


def test_the_calls_here_cover_the_whole_table() -> None:
    assert set(CALLS) == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


@pytest.mark.parametrize("route", CALLS, ids=" ".join)
def test_an_endpoint_answers_in_its_shape(route: tuple[str, str], maker: Trader) -> None:
    method, path = route
    open_id = str(maker.get("openOrders")[0]["orderId"])
    for parameters in CALLS[route]:
        filled = {name: value.replace("{open}", open_id) for name, value in parameters.items()}
        answer = succeeded(maker.send(method, path, filled))
        assert answer != [] or path.endswith("allPairs"), "an empty list shows no shape"
        for amount in _decimals(answer):
            assert re.fullmatch(r"-?[0-9]+\.[0-9]{8}", amount)


@pytest.mark.parametrize("route", sorted(set(CALLS) - PUBLIC), ids=" ".join)
def test_an_account_endpoint_wants_a_key(route: tuple[str, str], http: httpx.Client) -> None:
    assert error_of(exchange(http, *route)) == (401, -2014, "API-key format invalid.")


@pytest.mark.parametrize("route", sorted(PUBLIC), ids=" ".join)
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
    assert filters == ["PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL", "MAX_NUM_ORDERS"]
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
    assert depth["asks"] == [["49000.00000000", "0.60000000"], ["49000.01000000", "2.00000000"]]
    assert depth["bids"] == []
    assert maker.get("depth", symbol="BTCUSDT", limit=1)["asks"] == [["49000.00000000", "0.60000000"]]
    ticker = maker.get("ticker/bookTicker", symbol="BTCUSDT")
    assert ticker == {
        "symbol": "BTCUSDT",
        "bidPrice": "0.00000000",
        "bidQty": "0.00000000",
        "askPrice": "49000.00000000",
        "askQty": "0.60000000",
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


def _decimals(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for element in value.values():
            yield from _decimals(element)
    elif isinstance(value, list):
        for element in value:
            yield from _decimals(element)
    elif isinstance(value, str) and DECIMAL.fullmatch(value):
        yield value
