"""What the services tell Prometheus about a real exchange that trades."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from services.domain.money import ONE_E8
from services.engine.core.exchange import Exchange
from services.engine.settings import EngineSettings
from services.engine.snapshots import Taken, take
from tests.api.trader import Trader
from tests.running import RunningSystem, wait_until

Samples = dict[str, float]


def scrape(url: str) -> Samples:
    """Values by name and labels, as Prometheus would store them."""
    text = httpx.get(f"{url}/metrics", timeout=30, trust_env=False).text
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(before: Samples, after: Samples) -> Samples:
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


def test_a_trade_is_counted_from_the_request_to_the_journal(system: RunningSystem) -> None:
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        seller = Trader(http, system.create_account({"ETH": "10"}))
        buyer = Trader(http, system.create_account({"USDT": "100000"}))
        engine_before, trading_before = scrape(system.engine_urls[0]), scrape(system.base_url)
        seller.sell("2", "1500", symbol="ETHUSDT")
        buyer.buy("2", "1500", symbol="ETHUSDT")
        unaffordable = {
            "symbol": "ETHUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "100",
            "price": "1500",
        }
        assert buyer.send("POST", "order", unaffordable).status_code == httpx.codes.BAD_REQUEST
        engine = grown(engine_before, scrape(system.engine_urls[0]))
        trading = grown(trading_before, scrape(system.base_url))
    assert engine["crossbook_engine_trades_total symbol=ETHUSDT"] == 1
    assert engine["crossbook_engine_traded_quote_total symbol=ETHUSDT"] == 3000
    assert engine["crossbook_engine_refused_commands_total refusal=INSUFFICIENT_BALANCE"] == 1
    assert engine["crossbook_engine_journaled_commands_total"] >= 2
    parcels = "crossbook_http_replies_total route=POST /internal/commands status=200"
    assert engine[parcels] >= 3
    placed = "route=POST /api/v3/order"
    assert trading[f"crossbook_trading_replies_total code=0 {placed} status=200"] == 2
    assert trading[f"crossbook_trading_replies_total code=-2010 {placed} status=400"] == 1
    assert trading[f"crossbook_trading_request_seconds_count {placed}"] == 2
    assert trading[f"crossbook_trading_replied_bytes_total {placed}"] > 200
    assert not [name for name in engine | trading if str(buyer.account_id) in name or buyer.api_key in name]


def test_the_engine_says_what_state_it_is_in(system: RunningSystem) -> None:
    engine = scrape(system.engine_urls[0])
    assert engine["crossbook_engine_lease_epoch"] >= 1
    assert engine["crossbook_engine_unbalanced_assets"] == 0
    assert engine["crossbook_engine_journal_sequence"] >= engine["crossbook_engine_snapshot_sequence"]
    assert engine["crossbook_engine_recovery_seconds"] > 0
    wait_until(lambda: scrape(system.engine_urls[0])["crossbook_engine_stream_lag"] == 0, 30)


def test_whatever_is_asked_for_series_stay_few(system: RunningSystem) -> None:
    with httpx.Client(timeout=20, trust_env=False) as client:
        for base_url, known in ((system.auth_url, "/auth/v1/account"), (system.base_url, "/api/v3/time")):
            client.get(f"{base_url}{known}")
            client.get(f"{base_url}/nothing")
            before = set(scrape(base_url))
            for number in range(50):
                assert client.get(f"{base_url}/nothing/{number}?a={number}").status_code == httpx.codes.NOT_FOUND
                client.request(f"BREW{number}", f"{base_url}{known}")
            added = {name for name in set(scrape(base_url)) - before if "le=" not in name}
            assert len(added) <= 4, added


@pytest.mark.parametrize(("stolen_e8", "unbalanced_assets"), [(0, 0), (1, 2)])
async def test_a_snapshot_adds_up_the_money(
    stolen_e8: int, unbalanced_assets: int, postgres_url: str, redis_url: str
) -> None:
    exchange = Exchange()
    for asset in ("BTC", "USDT"):
        exchange.accounts.issue(1000, asset, ONE_E8)
        exchange.accounts.balances[1000][asset].free_e8 -= stolen_e8
    settings = EngineSettings(
        port=1,
        database_url=postgres_url.replace("postgres@", "crossbook_engine@", 1),
        redis_url=redis_url,
        internal_token="t" * 32,
    )
    assert await take(exchange, 1, b"", settings, to_database=False) == Taken(True, unbalanced_assets)
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    assert await take(exchange, 2, b"", away, to_database=True) == Taken(False)
