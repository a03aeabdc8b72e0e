"""Binance's own SDK: its whole REST client, which checks every answer against Binance's models.

Where an answer does not fit its model the SDK logs a warning and carries on; here that fails the test.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError, NotFoundError, UnauthorizedError
from binance_sdk_spot.spot import Spot
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import BaseModel

from services.local.internal import InternalClient
from tests.clients.conftest import NewAccount, TradeAt
from tests.running import RunningSystem

# Its types want enumerations of its own for what the dialect says in words.
Api = Any
Connect = Callable[..., Api]
BTC: dict[str, Any] = {"symbol": "BTCUSDT", "quantity": 0.1}
BUY: dict[str, Any] = {**BTC, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "price": 30000.0}
TIMEOUT_MS = 60_000

WORKING: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "working_type": "LIMIT",
    "working_side": "BUY",
    "working_price": 30000.0,
    "working_quantity": 0.1,
    "working_time_in_force": "GTC",
    "pending_side": "SELL",
}
PENDING: dict[str, Any] = {"pending_type": "LIMIT_MAKER", "pending_price": 60000.0}
PENDING_PAIR: dict[str, Any] = {
    "pending_above_type": "LIMIT_MAKER",
    "pending_above_price": 60000.0,
    "pending_below_type": "STOP_LOSS",
    "pending_below_stop_price": 20000.0,
}


@pytest.fixture(autouse=True)
def answers_fit(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Each answer is what Binance's models declare."""
    yield
    warned = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert warned == []


@pytest.fixture
def connect(exchange_url: str) -> Connect:
    def connected(**credentials: Any) -> Api:
        # Its default of one second is short for a busy machine.
        return Spot(ConfigurationRestAPI(base_path=exchange_url, timeout=TIMEOUT_MS, **credentials)).rest_api

    return connected


@pytest.fixture
def api(connect: Connect, new_account: NewAccount, trade_at: TradeAt) -> Api:
    """Holds both assets, in a market that last traded at 40,000."""
    trade_at("40000")
    account = new_account(USDT="100000", BTC="10")
    return connect(api_key=account.api_key, api_secret=account.secret_key)


def read(response: Any) -> Any:
    """The answer as it was sent."""
    return _plain(response.data())


def _plain(data: Any) -> Any:
    if isinstance(data, list):
        return [_plain(element) for element in data]
    if isinstance(data, BaseModel):
        # One whose answer may have several shapes gives a list back.
        told = data.to_dict()  # type: ignore[attr-defined]
        return _plain(told) if isinstance(told, list) else told
    return data


def test_general_questions(api: Api) -> None:
    assert api.ping().status == 200
    assert read(api.time())["serverTime"] > 0
    everything = read(api.exchange_info())
    assert {market["symbol"] for market in everything["symbols"]} >= {"BTCUSDT", "ETHUSDT", "ETHBTC"}
    assert read(api.exchange_info(symbol="BTCUSDT"))["symbols"][0]["baseAsset"] == "BTC"
    assert len(read(api.exchange_info(symbols=["BTCUSDT", "ETHBTC"]))["symbols"]) == 2
    assert read(api.exchange_info(permissions="SPOT", symbol_status="TRADING"))["symbols"] != []
    assert "permissionSets" not in read(api.exchange_info(symbol="BTCUSDT", show_permission_sets=False))["symbols"][0]
    assert read(api.execution_rules(symbol="BTCUSDT"))["symbolRules"] is not None


def test_market_data(api: Api) -> None:
    api.new_order(**BUY)
    assert read(api.depth("BTCUSDT", limit=5))["bids"] == [["30000.00000000", "0.10000000"]]
    newest = read(api.get_trades("BTCUSDT", limit=1))[0]
    assert newest["price"] == "40000.00000000"
    assert read(api.historical_trades("BTCUSDT", limit=1, from_id=newest["id"])) == [newest]
    assert read(api.historical_block_trades("BTCUSDT", from_id=1)) == []
    assert read(api.agg_trades("BTCUSDT", limit=1))[0]["l"] == newest["id"]
    assert read(api.agg_trades("BTCUSDT", start_time=newest["time"], end_time=newest["time"]))[-1]["l"] == newest["id"]
    assert float(read(api.avg_price("BTCUSDT"))["price"]) > 0
    for interval in ("1s", "1m", "1h", "1d", "1w", "1M"):
        assert read(api.klines("BTCUSDT", interval, limit=1))[0][4] == "40000.00000000"
    assert read(api.ui_klines("BTCUSDT", "1d", time_zone="8", limit=1))[0][4] == "40000.00000000"
    for missing in (api.reference_price, api.reference_price_calculation):
        with pytest.raises(BadRequestError):
            missing("BTCUSDT")


def test_tickers(api: Api) -> None:
    many = ["BTCUSDT", "ETHBTC"]
    for ticker in (api.ticker24hr, api.ticker, api.ticker_trading_day):
        assert read(ticker(symbol="BTCUSDT"))["lastPrice"] == "40000.00000000"
        assert [entry["symbol"] for entry in read(ticker(symbols=many, type="MINI"))] == many
        assert len(read(ticker(symbols=many, symbol_status="TRADING"))) == 2
    assert read(api.ticker(symbol="BTCUSDT", window_size="7d"))["lastPrice"] == "40000.00000000"
    assert read(api.ticker_trading_day(symbol="BTCUSDT", time_zone="-3:30"))["count"] >= 0
    assert read(api.ticker_price(symbol="BTCUSDT"))["price"] == "40000.00000000"
    assert read(api.ticker_book_ticker(symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
    for ticker in (api.ticker24hr, api.ticker_price, api.ticker_book_ticker):
        assert {entry["symbol"] for entry in read(ticker())} >= {"BTCUSDT", "ETHUSDT", "ETHBTC"}
        assert [entry["symbol"] for entry in read(ticker(symbols=many))] == many


@pytest.mark.parametrize("kind", ["ACK", "RESULT", "FULL"])
@pytest.mark.parametrize(
    "order",
    [
        {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "price": 30000.0, "iceberg_qty": 0.02},
        {"side": "BUY", "type": "LIMIT_MAKER", "price": 30000.0, "strategy_id": 7, "strategy_type": 1_000_000},
        {"side": "SELL", "type": "STOP_LOSS", "stop_price": 35000.0},
        {"side": "SELL", "type": "STOP_LOSS_LIMIT", "time_in_force": "GTC", "price": 34000.0, "stop_price": 35000.0},
        {"side": "SELL", "type": "TAKE_PROFIT", "trailing_delta": 500},
        {"side": "SELL", "type": "TAKE_PROFIT_LIMIT", "time_in_force": "GTC", "price": 44000.0, "stop_price": 45000.0},
        {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "peg_price_type": "PRIMARY_PEG"},
    ],
    ids=lambda order: order["type"],
)
def test_every_type_of_order(api: Api, order: dict[str, Any], kind: str) -> None:
    if "peg_price_type" in order:
        api.new_order(**BUY)
    assert read(api.order_test(**BTC, **order)) == {}
    placed = read(api.new_order(**BTC, **order, new_order_resp_type=kind))
    fetched = read(api.get_order("BTCUSDT", order_id=placed["orderId"]))
    assert (fetched["status"], fetched["type"]) == ("NEW", order["type"])
    cancelled = read(api.delete_order("BTCUSDT", order_id=placed["orderId"], cancel_restrictions="ONLY_NEW"))
    assert cancelled["status"] == "CANCELED"


def test_trading(api: Api, connect: Connect, new_account: NewAccount) -> None:
    account = new_account(USDT="100000")
    other = connect(api_key=account.api_key, api_secret=account.secret_key)
    resting = read(api.new_order(**BUY | {"side": "SELL", "price": 40000.0}, new_client_order_id="resting"))
    bought = read(other.new_order("BTCUSDT", "BUY", "MARKET", quote_order_qty=400.0))
    assert (bought["status"], bought["fills"][0]["qty"]) == ("FILLED", "0.01000000")
    sold = read(api.get_order("BTCUSDT", orig_client_order_id="resting"))
    assert (sold["orderId"], sold["status"]) == (resting["orderId"], "PARTIALLY_FILLED")
    (trade,) = read(api.my_trades("BTCUSDT", order_id=resting["orderId"]))
    assert (trade["qty"], trade["isMaker"]) == ("0.01000000", True)
    assert read(api.my_trades("BTCUSDT", start_time=trade["time"], end_time=trade["time"], limit=5)) == [trade]
    assert read(api.my_trades("BTCUSDT", from_id=trade["id"])) == [trade]
    assert len(read(api.all_orders("BTCUSDT", limit=10))) == 1
    assert len(read(api.all_orders("BTCUSDT", order_id=resting["orderId"]))) == 1
    met = read(api.new_order(**BUY | {"price": 40000.0}, self_trade_prevention_mode="EXPIRE_TAKER"))
    assert met["status"] == "EXPIRED_IN_MATCH"
    (prevented,) = read(api.my_prevented_matches("BTCUSDT", order_id=met["orderId"]))
    found = read(api.my_prevented_matches("BTCUSDT", prevented_match_id=prevented["preventedMatchId"]))
    assert found == [prevented]
    assert len(read(api.delete_open_orders("BTCUSDT"))) == 1


def test_orders_are_replaced_and_amended(api: Api) -> None:
    first = read(api.new_order(**BUY))["orderId"]
    replaced = read(
        api.order_cancel_replace(
            **BUY, cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=first, cancel_restrictions="ONLY_NEW"
        )
    )
    assert (replaced["cancelResult"], replaced["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    second = replaced["newOrderResponse"]["orderId"]
    amended = read(api.order_amend_keep_priority("BTCUSDT", 0.05, order_id=second, new_client_order_id="smaller"))
    assert amended["amendedOrder"]["qty"] == "0.05000000"
    (amendment,) = read(api.order_amendments("BTCUSDT", second))
    assert (amendment["origQty"], amendment["newQty"]) == ("0.10000000", "0.05000000")
    assert [order["clientOrderId"] for order in read(api.get_open_orders("BTCUSDT"))] == ["smaller"]
    assert len(read(api.get_open_orders())) == 1


@pytest.mark.parametrize("kind", ["ACK", "RESULT", "FULL"])
def test_order_lists(api: Api, kind: str) -> None:
    pair = read(
        api.order_list_oco(
            **BTC,
            side="SELL",
            above_type="LIMIT_MAKER",
            above_price=50000.0,
            below_type="STOP_LOSS_LIMIT",
            below_stop_price=35000.0,
            below_price=34000.0,
            below_time_in_force="GTC",
            new_order_resp_type=kind,
        )
    )
    api.order_oco(**BTC, side="SELL", price=50000.0, stop_price=35000.0, new_order_resp_type=kind)
    api.order_list_oto(**WORKING, **PENDING, pending_quantity=0.1, new_order_resp_type=kind)
    api.order_list_otoco(**WORKING, **PENDING_PAIR, pending_quantity=0.1, new_order_resp_type=kind)
    api.order_list_opo(**WORKING, **PENDING, new_order_resp_type=kind)
    api.order_list_opoco(**WORKING, **PENDING_PAIR, new_order_resp_type=kind)
    assert len(read(api.open_order_list())) == 6
    list_id = pair["orderListId"]
    assert read(api.get_order_list(order_list_id=list_id))["contingencyType"] == "OCO"
    assert read(api.get_order_list(orig_client_order_id=pair["listClientOrderId"]))["orderListId"] == list_id
    assert read(api.delete_order_list("BTCUSDT", order_list_id=list_id))["listOrderStatus"] == "ALL_DONE"
    assert len(read(api.all_order_list(limit=10))) == 6
    assert len(read(api.all_order_list(from_id=list_id))) == 6
    assert len(read(api.delete_open_orders("BTCUSDT"))) == 5


def test_the_account(api: Api) -> None:
    account = read(api.get_account())
    assert account["canTrade"] is True
    held = read(api.get_account(omit_zero_balances=True))["balances"]
    assert {balance["asset"]: balance["free"] for balance in held} == {"BTC": "10.00000000", "USDT": "100000.00000000"}
    assert read(api.account_commission("BTCUSDT"))["standardCommission"]["maker"] == "0.00100000"
    assert read(api.order_test(**BUY, compute_commission_rates=True))["standardCommissionForOrder"]["taker"]
    assert read(api.rate_limit_order()) == [], "nothing is counted where limits are off"
    assert read(api.my_allocations("BTCUSDT")) == []
    filters = read(api.my_filters("BTCUSDT"))
    assert filters["symbolFilters"][0]["filterType"] == "PRICE_FILTER"


def test_errors(api: Api, connect: Connect) -> None:
    with pytest.raises(BadRequestError, match="insufficient balance"):
        api.new_order(**BUY | {"quantity": 100.0})
    with pytest.raises(BadRequestError, match="Unknown order sent"):
        api.delete_order("BTCUSDT", order_id=2**62)
    with pytest.raises(BadRequestError, match="Invalid symbol"):
        api.depth("NOPE")
    with pytest.raises(UnauthorizedError):
        connect(api_key="x" * 64, api_secret="x").get_account()
    with pytest.raises(NotFoundError):
        api.sor_order("BTCUSDT", "BUY", "MARKET", 0.1)


def test_a_key_of_ones_own_and_microseconds(system: RunningSystem, connect: Connect, api: Api) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with InternalClient(system.directory, system.state) as client:
        account = client.create_account(public_key=public)
    own = connect(api_key=account.api_key, private_key=private, time_unit="MICROSECOND")
    assert read(own.get_account(omit_zero_balances=True))["balances"] == []
    assert read(own.time())["serverTime"] > 10**15
