"""The commands that set the terms of trading, against an exchange of their own, and the file that defines markets."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.domain.market import Market, Venue
from services.domain.money import ONE_E8
from services.domain.orders import SelfTradePrevention
from services.engine.markets_file import MarketsFileInvalid, read_definitions, write_market
from services.engine.settings import PACKAGED_MARKETS_FILE
from tests.api.trader import Trader, error_of
from tests.local.test_cli import crossbook
from tests.running import RunningSystem

NO_LIMITS: dict[str, Any] = {
    "maxOrders": 0,
    "maxAlgoOrders": 0,
    "maxIcebergOrders": 0,
    "maxOrderLists": 0,
    "maxAssets": {},
}
BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "30000"}


@pytest.fixture(scope="module")
def own(session_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[RunningSystem]:
    environment = {"CROSSBOOK_MARKETS_FILE": str(wide_markets)}
    root, arguments = session_directory / "terms", ("--no-demo", "--lean")
    running = RunningSystem(root, *arguments, environment=environment, cluster=migrated_cluster).start()
    yield running
    running.stop()


@pytest.fixture
def trader(own: RunningSystem) -> Iterator[Trader]:
    with httpx.Client(base_url=own.base_url, timeout=20, trust_env=False) as http:
        trader = Trader(http, own.create_account({"USDT": "10000", "BTC": "5"}))
        yield trader
        trader.cancel_everything()


def told(own: RunningSystem, *arguments: str | Path) -> Any:
    result = crossbook(*arguments, "--data-dir", own.directory.root, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def refused(own: RunningSystem, code: int, *arguments: str | Path) -> str:
    result = crossbook(*arguments, "--data-dir", own.directory.root)
    assert result.returncode == code, result.stdout
    return " ".join(result.stderr.replace("│", "").split())


# Emergencies, and the money


def test_an_account_is_frozen_and_thawed(own: RunningSystem, trader: Trader) -> None:
    for _ in range(2):
        frozen = told(own, "account", "freeze", str(trader.account_id))
        assert frozen == {"userId": trader.account_id, "status": "FROZEN"}
    assert not trader.get("account")["canTrade"]
    assert told(own, "account", "unfreeze", str(trader.account_id))["status"] == "ACTIVE"
    assert trader.post("order", **BUY)["status"] == "NEW"


def test_the_venue_is_halted_and_opened(own: RunningSystem, trader: Trader) -> None:
    assert told(own, "venue", "halt") == {"status": "HALTED"}
    assert error_of(trader.send("POST", "order", BUY))[2] == "Market is closed."
    shown = told(own, "market", "show", "BTCUSDT")
    assert shown[0]["status"] == "TRADING", "what is shown can be defined, and the halt is not the market's own"
    assert told(own, "venue", "open") == {"status": "OPEN"}
    assert trader.post("order", **BUY)["status"] == "NEW"


def test_the_money_is_added_up(own: RunningSystem, trader: Trader) -> None:
    trader.post("order", **BUY)
    assets = {one["asset"]: one for one in told(own, "money")["assets"]}
    usdt = assets["USDT"]
    assert Decimal(usdt["owed"]) == Decimal(usdt["deposited"]) - Decimal(usdt["withdrawn"]) >= 10_000
    assert Decimal(usdt["locked"]) >= 300
    shown = crossbook("money", "--data-dir", own.directory.root)
    assert shown.returncode == 0 and usdt["deposited"] in shown.stdout


# The venue


def test_limits_that_span_markets(own: RunningSystem, trader: Trader) -> None:
    assert told(own, "venue", "show") == NO_LIMITS
    wanted = {"maxOrders": 1, "maxAssets": {"BTC": "2.00000000", "USDT": "60000.00000000"}}
    assert told(own, "venue", "set", "--max-orders", "1", "--max-asset", "BTC=2", "--max-asset", "usdt=60000") == {
        **NO_LIMITS,
        **wanted,
    }
    assert error_of(trader.send("POST", "order", BUY | {"side": "SELL", "quantity": "2.1"}))[2].endswith("MAX_ASSET")
    trader.post("order", **BUY)
    full = trader.send("POST", "order", BUY | {"symbol": "ETHUSDT", "price": "2000"})
    assert error_of(full) == (400, -1013, "Filter failure: EXCHANGE_MAX_NUM_ORDERS")
    # What is not named stays as it is.
    kept = told(own, "venue", "set", "--max-algo-orders", "7", "--max-asset", "USDT=0")
    assert kept == {**NO_LIMITS, "maxOrders": 1, "maxAlgoOrders": 7, "maxAssets": {"BTC": "2.00000000"}}
    text = crossbook("venue", "show", "--data-dir", own.directory.root).stdout
    assert ["Open", "stop", "orders", "7"] in [line.split() for line in text.splitlines()]
    # It is journaled: another engine knows it.
    own.kill_process("engine")
    own.wait_ready()
    assert error_of(trader.send("POST", "order", BUY)) == (400, -1013, "Filter failure: EXCHANGE_MAX_NUM_ORDERS")
    lifted = ("--max-orders", "0", "--max-algo-orders", "0", "--max-asset", "BTC=0")
    assert told(own, "venue", "set", *lifted) == NO_LIMITS
    trader.post("order", **BUY)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "say what to set, for example --max-orders 1000"),
        (("--max-orders", "-1"), 2, "greater than or equal to 0"),
        (("--max-asset", "BTC"), 2, "'BTC' is not ASSET=AMOUNT, for example USDT=100000"),
        (("--max-asset", "BTC=-1"), 2, "'-1' is not a plain decimal number"),
        (("--max-asset", "DOGE=1"), 1, "no market trades DOGE; there are: BTC, ETH, USDT"),
    ],
)
def test_a_limit_that_is_none(options: tuple[str, ...], code: int, words: str, own: RunningSystem) -> None:
    assert words in refused(own, code, "venue", "set", *options)
    assert told(own, "venue", "show") == NO_LIMITS


# Accounts


def test_terms_of_one_account(own: RunningSystem, trader: Trader) -> None:
    account = str(trader.account_id)
    as_everyone = {
        "userId": trader.account_id,
        "makerFee": None,
        "takerFee": None,
        "selfTradePrevention": None,
        "tradeGroupId": 0,
    }
    assert told(own, "account", "terms", account) == as_everyone
    fees = ("--maker-fee", "0", "--taker-fee", "0.0005")
    assert told(own, "account", "terms", account, *fees) == as_everyone | {"makerFee": "0", "takerFee": "0.0005"}
    chosen = told(own, "account", "terms", account, "--stp", "EXPIRE_BOTH", "--group", "7")
    assert (chosen["takerFee"], chosen["selfTradePrevention"], chosen["tradeGroupId"]) == ("0.0005", "EXPIRE_BOTH", 7)
    assert trader.get("account")["commissionRates"]["taker"] == "0.00050000"
    assert trader.post("order", **BUY)["selfTradePreventionMode"] == "EXPIRE_BOTH"
    text = crossbook("account", "terms", account, "--data-dir", own.directory.root).stdout
    assert "EXPIRE_BOTH" in text and "0.0005" in text
    back = ("--maker-fee", "default", "--taker-fee", "default", "--stp", "default", "--group", "0")
    assert told(own, "account", "terms", account, *back) == as_everyone
    assert trader.get("account")["commissionRates"]["taker"] == "0.00100000"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--maker-fee", "1"), "1 is above 0.1, the highest rate; 0.001 is 0.1 %"),
        (("--taker-fee", "free"), "'free' is not a plain decimal number"),
        (("--stp", "EXPIRE"), "'EXPIRE' is none of NONE, EXPIRE_TAKER"),
        (("--group", "-1"), "greater than or equal to 0"),
    ],
)
def test_terms_that_are_none(options: tuple[str, ...], words: str, own: RunningSystem) -> None:
    assert words in refused(own, 2, "account", "terms", "1000", *options)


# Markets


def test_a_market_is_listed_changed_and_traded(own: RunningSystem, trader: Trader, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text(
        '[[market]]\nsymbol = "BTCETH"\nbase_asset = "BTC"\nquote_asset = "ETH"\ntick_size = "0.01"\n'
        'step_size = "0.001"\n[venue]\nmax_order_lists = 9\n'
    )
    sell = BUY | {"symbol": "BTCETH", "side": "SELL", "price": "15"}
    assert error_of(trader.send("POST", "order", sell)) == (400, -1121, "Invalid symbol.")
    assert told(own, "market", "define", file) == {"changed": ["BTCETH", "venue"]}
    # It can be traded the moment it is listed.
    trader.post("order", **sell)
    assert told(own, "market", "define", file) == {"changed": []}
    assert told(own, "venue", "show")["maxOrderLists"] == 9
    shown = crossbook("market", "show", "BTCETH", "--data-dir", own.directory.root).stdout
    file.write_text(shown + 'max_position = "5.1"\n')
    assert told(own, "market", "define", file) == {"changed": ["BTCETH"]}
    buy = sell | {"side": "BUY", "quantity": "1", "price": "1"}
    assert error_of(trader.send("POST", "order", buy)) == (400, -1013, "Filter failure: MAX_POSITION")
    # What cannot be changed, and what to do about it.
    file.write_text(shown.replace('"0.001"', '"0.01"'))
    assert "GRID_COARSER_THAN_OPEN_ORDERS (orders are open" in refused(own, 1, "market", "define", file)
    file.write_text(shown.replace('"ETH"', '"USDT"'))
    assert "MARKET_ASSETS_FIXED (a listed market keeps" in refused(own, 1, "market", "define", file)
    lifted = tmp_path / "venue.toml"
    lifted.write_text("[venue]\n")
    assert (
        "venue is now as the file says."
        in crossbook("market", "define", lifted, "--data-dir", own.directory.root).stdout
    )
    assert told(own, "venue", "show") == NO_LIMITS
    assert "no market NOPE; there are: BTCETH, BTCUSDT" in refused(own, 1, "market", "show", "NOPE")


def test_everything_shown_can_be_defined(own: RunningSystem, tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(crossbook("market", "show", "--data-dir", own.directory.root).stdout)
    assert told(own, "market", "define", file) == {"changed": []}
    symbols = {market["symbol"] for market in told(own, "market", "show")}
    assert symbols >= {"BTCUSDT", "ETHBTC", "ETHUSDT"}


def test_a_file_with_a_defect_changes_nothing(own: RunningSystem, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[[market]]\nsymbol = "BTCETH"\ntick_size = 0.01\n')
    words = "nothing was changed: market BTCETH: tick_size = 0.01 is not a decimal in quotes"
    assert words in refused(own, 1, "market", "define", file)


# The file


PLAIN = '[[market]]\nsymbol = "AB"\nbase_asset = "A"\nquote_asset = "B"\ntick_size = "1"\nstep_size = "1"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither a [[market]] nor a [venue]"),
        ("market = 1", "nothing else"),
        ("[[markets]]", "nothing else"),
        ("x = [", "cannot be read as TOML"),
        ("[[market]]\nsymbol = 1", "market 1: Expected `str`"),
        (PLAIN + PLAIN, "listed more than once: AB"),
        (PLAIN + 'max_open_orders = "5"', "market AB: Expected `int`, got `str`"),
        (PLAIN + 'nonsense = "5"', "market AB: Object contains unknown field `nonsense`"),
        (PLAIN + 'status = "OPEN"', "market AB: Invalid enum value 'OPEN'"),
        (PLAIN + 'min_price = "1.000000001"', "min_price = '1.000000001' is not a decimal in quotes"),
        (PLAIN + 'maker_fee_rate = "0.2"', "market AB: fee rates must lie between 0 and 0.1"),
        ("[venue]\nmax_open_orders = -1", "venue: counts must not be negative"),
        ("[venue]\nmax_orders = 1", "venue: Object contains unknown field `max_orders`"),
        ("[venue]\nmax_order_amounts = 5", "venue: max_order_amounts = 5 is not a table such as"),
        ("[venue]\nmax_order_amounts = { BTC = 5 }", "venue: max_order_amounts.BTC = 5 is not a decimal in quotes"),
        ('[venue]\nmax_order_amounts = { BTC = "0" }', "venue: the most of an asset must be positive"),
        ('[venue]\nmax_order_amounts = { btc = "1" }', "venue: an asset must be 1 to 20 of A-Z and 0-9"),
    ],
)
def test_a_defect_of_the_file_is_named(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "markets.toml"
    file.write_text(text)
    with pytest.raises(MarketsFileInvalid) as caught:
        read_definitions(file)
    assert words in str(caught.value)


def test_what_a_file_says_of_the_venue(tmp_path: Path) -> None:
    file = tmp_path / "markets.toml"
    file.write_text(PLAIN + '[venue]\nmax_algo_orders = 3\nmax_order_amounts = { A = "1.5", B = "2" }\n')
    assert read_definitions(file).venue == Venue(
        max_algo_orders=3, max_order_amounts_e8=(("A", ONE_E8 * 3 // 2), ("B", ONE_E8 * 2))
    )
    assert read_definitions(PACKAGED_MARKETS_FILE).venue is None


def test_a_written_market_is_read_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "markets.toml"
    special = Market(
        symbol="AB",
        base_asset="A",
        quote_asset="B",
        tick_size_e8=1,
        step_size_e8=ONE_E8,
        apply_min_notional_to_market=False,
        min_notional_e8=123,
        max_open_orders=3,
        allowed_self_trade_prevention=(SelfTradePrevention.NONE, SelfTradePrevention.DECREMENT),
    )
    markets = [*read_definitions(PACKAGED_MARKETS_FILE).markets, special]
    file.write_text("\n".join(map(write_market, markets)))
    assert read_definitions(file).markets == markets
