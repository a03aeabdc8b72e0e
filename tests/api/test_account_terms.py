"""What an account may ask about itself: its own fees, filters and key."""

from services.domain.commands import SetAccountTerms
from services.domain.orders import SelfTradePrevention
from tests.api.conftest import NewTrader
from tests.api.trader import now_ms
from tests.running import RunningSystem


def test_an_accounts_own_terms_are_shown_wherever_fees_are(new_trader: NewTrader, system: RunningSystem) -> None:
    trader = new_trader(BTC="1")
    before = trader.get("account/commission", symbol="BTCUSDT")
    assert before["standardCommission"]["taker"] == "0.00100000"
    assert trader.get("account")["tradeGroupId"] == -1
    terms = SetAccountTerms(trader.account_id, SelfTradePrevention.EXPIRE_BOTH, 0, 50_000, 7)
    system.set_account_terms(terms)
    shown = trader.get("account/commission", symbol="BTCUSDT")
    assert shown["standardCommission"] == {
        "maker": "0.00000000",
        "taker": "0.00050000",
        "buyer": "0.00000000",
        "seller": "0.00000000",
    }
    account = trader.get("account")
    assert (account["makerCommission"], account["takerCommission"], account["tradeGroupId"]) == (0, 5, 7)
    (fee,) = trader.get("/sapi/v1/asset/tradeFee", symbol="BTCUSDT")
    assert (fee["makerCommission"], fee["takerCommission"]) == ("0.00000000", "0.00050000")
    order = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1",
        "price": "60000",
    }
    tried = trader.post("order/test", **order, computeCommissionRates="true")
    assert tried["standardCommissionForOrder"] == {"maker": "0.00000000", "taker": "0.00050000"}
    assert trader.post("order", **order)["selfTradePreventionMode"] == "EXPIRE_BOTH"


def test_own_filters_are_those_of_the_market(new_trader: NewTrader) -> None:
    trader = new_trader()
    filters = trader.get("myFilters", symbol="ETHBTC")
    listed = trader.get("exchangeInfo", symbol="ETHBTC")
    assert filters["symbolFilters"] == listed["symbols"][0]["filters"]
    assert (filters["exchangeFilters"], filters["assetFilters"]) == (listed["exchangeFilters"], [])


def test_a_key_knows_what_it_may_do(new_trader: NewTrader) -> None:
    before_ms = now_ms()
    trader = new_trader()
    restrictions = trader.get("/sapi/v1/account/apiRestrictions")
    assert (restrictions["enableReading"], restrictions["enableSpotAndMarginTrading"]) == (True, True)
    assert (restrictions["ipRestrict"], restrictions["enableWithdrawals"]) == (False, False)
    assert before_ms <= restrictions["createTime"] <= now_ms()
    exactly = trader.send("GET", "/sapi/v1/account/apiRestrictions", headers={"X-MBX-TIME-UNIT": "MICROSECOND"})
    assert exactly.json()["createTime"] // 1000 == restrictions["createTime"]
