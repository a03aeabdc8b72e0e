"""Placing and cancelling: what the replies say, and that money moved accordingly."""

import re
from typing import Any

import httpx
import pytest

from tests.api.conftest import NewTrader
from tests.api.trader import Trader, error_of, succeeded

ACK = ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
AMOUNTS = [
    *("price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty"),
    *("status", "timeInForce", "type", "side"),
]
RESULT = [*ACK, *AMOUNTS, "workingTime", "selfTradePreventionMode"]
FULL = [*RESULT, "fills"]
CANCEL = ["symbol", "origClientOrderId", *ACK[1:], *AMOUNTS, "selfTradePreventionMode"]
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "30000"}
LIMIT_MAKER = {name: value for name, value in LIMIT.items() if name != "timeInForce"} | {"type": "LIMIT_MAKER"}
NO_BALANCE = (400, -2010, "Account has insufficient balance for requested action.")


@pytest.fixture(autouse=True)
def _books_are_empty(http: httpx.Client) -> None:
    for ticker in http.get("/api/v3/ticker/bookTicker").json():
        assert float(ticker["bidQty"]) == float(ticker["askQty"]) == 0, "an earlier test left orders"


@pytest.fixture
def buyer(new_trader: NewTrader) -> Trader:
    return new_trader(USDT="100000")


@pytest.fixture
def seller(new_trader: NewTrader) -> Trader:
    return new_trader(BTC="10")


def market(trader: Trader, side: str, **quantity: str) -> Any:
    return trader.post("order", symbol="BTCUSDT", side=side, type="MARKET", **quantity)


# What a reply holds


@pytest.mark.parametrize(
    ("order", "asked", "fields"),
    [
        (LIMIT, None, FULL),
        (LIMIT, "ACK", ACK),
        (LIMIT, "RESULT", RESULT),
        (LIMIT, "FULL", FULL),
        (LIMIT_MAKER, None, ACK),
        (LIMIT_MAKER, "ACK", ACK),
        (LIMIT_MAKER, "RESULT", RESULT),
        (LIMIT_MAKER, "FULL", FULL),
    ],
)
def test_a_reply_holds_what_was_asked_for(
    order: dict[str, str], asked: str | None, fields: list[str], buyer: Trader
) -> None:
    answer = buyer.post("order", **order, **({} if asked is None else {"newOrderRespType": asked}))
    assert list(answer) == fields
    assert (answer["symbol"], answer["orderListId"]) == ("BTCUSDT", -1)


@pytest.mark.parametrize(("asked", "fields"), [(None, FULL), ("ACK", ACK), ("RESULT", RESULT), ("FULL", FULL)])
def test_a_market_order_replies_in_full_by_default(
    asked: str | None, fields: list[str], buyer: Trader, seller: Trader
) -> None:
    seller.sell("1", "40000")
    answer = market(buyer, "BUY", quantity="0.5", **({} if asked is None else {"newOrderRespType": asked}))
    assert list(answer) == fields


def test_a_resting_order(buyer: Trader) -> None:
    answer = buyer.buy("0.5", "30000.10", newClientOrderId="first_Order-1")
    assert answer["clientOrderId"] == "first_Order-1"
    assert {name: answer[name] for name in AMOUNTS} == {
        "price": "30000.10000000",
        "origQty": "0.50000000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
    }
    assert answer["workingTime"] == answer["transactTime"]
    assert answer["fills"] == []
    assert buyer.balances() == {"USDT": ("84999.95000000", "15000.05000000")}


def test_an_order_without_a_client_id_gets_one(buyer: Trader) -> None:
    ids = {buyer.buy("0.001", "30000")["clientOrderId"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9]{22}", one) for one in ids)


def test_order_ids_grow(buyer: Trader) -> None:
    first, second = (buyer.buy("0.001", "30000")["orderId"] for _ in range(2))
    assert second > first


# Trading


def test_fills_are_listed_with_their_fees_at_the_makers_prices(buyer: Trader, seller: Trader) -> None:
    seller.sell("0.5", "40000")
    seller.sell("1", "40100")
    answer = buyer.buy("1", "40200")
    assert (answer["status"], answer["executedQty"]) == ("FILLED", "1.00000000")
    assert answer["cummulativeQuoteQty"] == "40050.00000000"
    first, second = answer["fills"]
    assert second.pop("tradeId") == first.pop("tradeId") + 1
    common = {"qty": "0.50000000", "commission": "0.00050000", "commissionAsset": "BTC"}
    assert (first, second) == ({"price": "40000.00000000", **common}, {"price": "40100.00000000", **common})
    # The better price is the buyer's: nothing stays locked. Fees come out of what was received.
    assert buyer.balances() == {"BTC": ("0.99900000", "0.00000000"), "USDT": ("59950.00000000", "0.00000000")}
    assert seller.balances() == {"BTC": ("8.50000000", "0.50000000"), "USDT": ("40009.95000000", "0.00000000")}


def test_a_sellers_fee_is_in_the_quote_asset(buyer: Trader, seller: Trader) -> None:
    buyer.buy("1", "40000")
    answer = market(seller, "SELL", quantity="0.25")
    assert answer["fills"][0]["commission"] == "10.00000000"
    assert answer["fills"][0]["commissionAsset"] == "USDT"
    assert seller.balances() == {"BTC": ("9.75000000", "0.00000000"), "USDT": ("9990.00000000", "0.00000000")}


def test_what_is_left_of_a_crossing_order_rests(buyer: Trader, seller: Trader) -> None:
    seller.sell("0.4", "40000")
    answer = buyer.buy("1", "41000")
    assert (answer["status"], answer["executedQty"]) == ("PARTIALLY_FILLED", "0.40000000")
    assert buyer.get("depth", symbol="BTCUSDT")["bids"] == [["41000.00000000", "0.60000000"]]
    assert buyer.balances()["USDT"] == ("59400.00000000", "24600.00000000")


def test_a_market_order_reports_no_price(buyer: Trader, seller: Trader) -> None:
    seller.sell("1", "40000")
    answer = market(buyer, "BUY", quantity="0.3")
    assert {name: answer[name] for name in AMOUNTS} == {
        "price": "0.00000000",
        "origQty": "0.30000000",
        "executedQty": "0.30000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "12000.00000000",
        "status": "FILLED",
        "timeInForce": "GTC",
        "type": "MARKET",
        "side": "BUY",
    }


def test_a_market_buy_by_quote_spends_no_more(buyer: Trader, seller: Trader) -> None:
    seller.sell("1", "49000")
    answer = market(buyer, "BUY", quoteOrderQty="100")
    # One lot more, 0.00001 at 49000, would cost 100.45.
    assert (answer["origQuoteOrderQty"], answer["cummulativeQuoteQty"]) == ("100.00000000", "99.96000000")
    assert (answer["origQty"], answer["executedQty"], answer["status"]) == ("0.00204000", "0.00204000", "FILLED")


def test_a_market_sell_by_quote_sells_what_brings_it(buyer: Trader, seller: Trader) -> None:
    buyer.buy("1", "40000")
    answer = market(seller, "SELL", quoteOrderQty="1000")
    assert (answer["executedQty"], answer["cummulativeQuoteQty"]) == ("0.02500000", "1000.00000000")


def test_a_market_order_takes_what_there_is_and_expires(buyer: Trader, seller: Trader) -> None:
    seller.sell("0.4", "40000")
    answer = market(buyer, "BUY", quantity="1")
    assert (answer["status"], answer["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert (answer["origQty"], answer["executedQty"]) == ("1.00000000", "0.40000000")
    assert len(answer["fills"]) == 1
    assert list(answer) == [*RESULT, "expiryReason", "fills"]


def test_a_market_order_that_finds_nothing_expires(buyer: Trader) -> None:
    answer = market(buyer, "BUY", quantity="1")
    assert (answer["status"], answer["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert (answer["executedQty"], answer["fills"]) == ("0.00000000", [])
    assert buyer.balances() == {"USDT": ("100000.00000000", "0.00000000")}


def test_a_market_order_by_quote_takes_what_there_is_and_expires(buyer: Trader, seller: Trader) -> None:
    seller.sell("0.001", "50000")
    answer = market(buyer, "BUY", quoteOrderQty="100")
    assert (answer["status"], answer["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert (answer["origQty"], answer["executedQty"]) == ("0.00200000", "0.00100000")
    assert answer["cummulativeQuoteQty"] == "50.00000000"


def test_a_market_order_by_quote_needs_a_book(buyer: Trader) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "100"}
    message = "Order book liquidity is less than symbol minimum quantity."
    assert error_of(buyer.send("POST", "order", order)) == (400, -2010, message)


def test_immediate_or_cancel_fills_what_it_can(buyer: Trader, seller: Trader) -> None:
    seller.sell("0.4", "40000")
    answer = buyer.buy("1", "40000", timeInForce="IOC")
    assert (answer["status"], answer["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")
    assert (answer["executedQty"], len(answer["fills"])) == ("0.40000000", 1)
    assert buyer.balances()["USDT"] == ("84000.00000000", "0.00000000")
    assert buyer.get("openOrders") == []


def test_fill_or_kill_fills_all_or_nothing(buyer: Trader, seller: Trader) -> None:
    seller.sell("0.4", "40000")
    killed = buyer.buy("0.5", "40000", timeInForce="FOK")
    assert (killed["status"], killed["expiryReason"]) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")
    assert (killed["executedQty"], killed["fills"]) == ("0.00000000", [])
    assert buyer.balances() == {"USDT": ("100000.00000000", "0.00000000")}
    filled = buyer.buy("0.4", "40000", timeInForce="FOK")
    assert filled["status"] == "FILLED"
    assert "expiryReason" not in filled


def test_an_acknowledgement_never_says_why_an_order_expired(buyer: Trader) -> None:
    answer = buyer.buy("0.5", "40000", timeInForce="FOK", newOrderRespType="ACK")
    assert list(answer) == ACK
    queried = buyer.get("order", symbol="BTCUSDT", orderId=answer["orderId"])
    assert (queried["status"], queried["expiryReason"]) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")


def test_a_limit_maker_only_rests(buyer: Trader, seller: Trader) -> None:
    seller.sell("1", "40000")
    crossing = LIMIT_MAKER | {"price": "40000"}
    refusal = (400, -2010, "Order would immediately match and take.")
    assert error_of(buyer.send("POST", "order", crossing)) == refusal
    answer = buyer.post("order", **LIMIT_MAKER, newOrderRespType="RESULT")
    assert (answer["status"], answer["type"], answer["timeInForce"]) == ("NEW", "LIMIT_MAKER", "GTC")


def test_a_client_order_id_is_unique_among_open_orders(buyer: Trader) -> None:
    order = LIMIT | {"newClientOrderId": "mine"}
    first = buyer.post("order", **order)
    assert error_of(buyer.send("POST", "order", order)) == (400, -2010, "Duplicate order sent.")
    buyer.delete("order", symbol="BTCUSDT", origClientOrderId="mine")
    again = buyer.post("order", **order)
    assert again["orderId"] != first["orderId"]
    found = buyer.get("order", symbol="BTCUSDT", origClientOrderId="mine")
    assert found["orderId"] == again["orderId"], "the newest of that name"


def test_money_that_an_order_reserves_cannot_be_spent_twice(buyer: Trader, seller: Trader) -> None:
    buyer.buy("3", "30000")
    assert error_of(buyer.send("POST", "order", LIMIT)) == NO_BALANCE
    seller.sell("10", "60000")
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.1"}
    assert error_of(seller.send("POST", "order", order)) == NO_BALANCE


def test_open_orders_are_limited_per_market(new_trader: NewTrader) -> None:
    trader = new_trader(USDT="2000")
    order = {"symbol": "ETHUSDT", "side": "BUY", "quantity": "1", "price": "5"}
    for _ in range(200):
        trader.post("order", **order, type="LIMIT_MAKER")
    refusal = (400, -1013, "Filter failure: MAX_NUM_ORDERS")
    assert error_of(trader.send("POST", "order", {**order, "type": "LIMIT_MAKER"})) == refusal
    trader.buy("1", "5", symbol="BTCUSDT")
    trader.delete("openOrders", symbol="ETHUSDT")
    assert [order["symbol"] for order in trader.get("openOrders")] == ["BTCUSDT"]


def test_trying_an_order_places_nothing(buyer: Trader) -> None:
    before = (buyer.balances(), buyer.get("openOrders"))
    assert buyer.post("order/test", **LIMIT) == {}
    rates = buyer.post("order/test", **LIMIT, computeCommissionRates="true")
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert rates["discount"]["enabledForAccount"] is False
    too_much = LIMIT | {"quantity": "100"}
    assert error_of(buyer.send("POST", "order/test", too_much)) == NO_BALANCE
    assert (buyer.balances(), buyer.get("openOrders")) == before
    assert buyer.get("allOrders", symbol="BTCUSDT") == []


# Cancelling


def test_a_cancel_reports_the_order_and_its_own_id(buyer: Trader) -> None:
    placed = buyer.buy("1", "30000", newClientOrderId="placed")
    report = buyer.delete("order", symbol="BTCUSDT", orderId=placed["orderId"], newClientOrderId="cancelled")
    assert list(report) == CANCEL
    assert (report["origClientOrderId"], report["clientOrderId"]) == ("placed", "cancelled")
    assert (report["orderId"], report["status"]) == (placed["orderId"], "CANCELED")
    assert report["transactTime"] >= placed["transactTime"]
    assert buyer.balances() == {"USDT": ("100000.00000000", "0.00000000")}
    again = buyer.send("DELETE", "order", {"symbol": "BTCUSDT", "orderId": placed["orderId"]})
    assert error_of(again) == (400, -2011, "Unknown order sent.")


def test_a_cancel_keeps_what_was_filled(buyer: Trader, seller: Trader) -> None:
    buyer.buy("1", "40000", newClientOrderId="mine")
    market(seller, "SELL", quantity="0.4")
    report = buyer.delete("order", symbol="BTCUSDT", origClientOrderId="mine")
    assert (report["status"], report["executedQty"]) == ("CANCELED", "0.40000000")
    assert buyer.balances() == {"BTC": ("0.39960000", "0.00000000"), "USDT": ("84000.00000000", "0.00000000")}


def test_a_cancel_by_both_ids_wants_them_to_agree(buyer: Trader) -> None:
    first = buyer.buy("1", "30000", newClientOrderId="first")
    buyer.buy("1", "30000", newClientOrderId="second")
    mismatch = {"symbol": "BTCUSDT", "orderId": first["orderId"], "origClientOrderId": "second"}
    refusal = (400, -2039, "Client order ID is not correct for this order ID.")
    assert error_of(buyer.send("DELETE", "order", mismatch)) == refusal
    assert len(buyer.get("openOrders")) == 2
    succeeded(buyer.send("DELETE", "order", mismatch | {"origClientOrderId": "first"}))
    assert [order["clientOrderId"] for order in buyer.get("openOrders")] == ["second"]


def test_an_order_of_another_market_is_unknown(buyer: Trader) -> None:
    placed = buyer.buy("1", "30000")
    other_market = {"symbol": "ETHUSDT", "orderId": placed["orderId"]}
    assert error_of(buyer.send("DELETE", "order", other_market)) == (400, -2011, "Unknown order sent.")
    assert error_of(buyer.send("GET", "order", other_market)) == (400, -2013, "Order does not exist.")


def test_cancelling_all_orders_of_a_market_leaves_the_others(buyer: Trader) -> None:
    mine = [buyer.buy("0.1", price)["orderId"] for price in ("30000", "30001", "29999")]
    other = buyer.buy("1", "1000", symbol="ETHUSDT")["orderId"]
    reports = buyer.delete("openOrders", symbol="BTCUSDT")
    assert [report["orderId"] for report in reports] == mine
    assert {report["status"] for report in reports} == {"CANCELED"}
    assert len({report["clientOrderId"] for report in reports}) == 1, "one request, one id"
    assert [order["orderId"] for order in buyer.get("openOrders")] == [other]


def test_cancelling_all_orders_when_there_are_none(buyer: Trader, seller: Trader) -> None:
    seller.sell("1", "40000")
    refused = buyer.send("DELETE", "openOrders", {"symbol": "BTCUSDT"})
    assert error_of(refused) == (400, -2011, "Unknown order sent.")
    assert len(seller.get("openOrders")) == 1
