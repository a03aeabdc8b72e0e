"""Dashboards, rules and alerts over a running exchange: real processes, scraped by a real Prometheus."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.monitoring.dashboards.every import DASHBOARDS
from deploy.monitoring.dashboards.grafana import RATE_INTERVAL, Query
from tests.api.trader import Trader
from tests.monitoring.prometheus import JOBS, Prometheus, missing, wait_seconds_of_history, watching
from tests.running import RunningSystem

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

QUERIES = [pytest.param(query, id=where) for dashboard in DASHBOARDS for where, query in dashboard.queries()]
# Grafana would choose four scrapes; the exchange has been watched for a few seconds only.
_INTERVAL = "30s"


@pytest.fixture(scope="module")
def prometheus(system: RunningSystem) -> Iterator[Prometheus]:
    """One that has watched the exchange trade, refuse and log people in for a few seconds."""
    with tempfile.TemporaryDirectory() as name, watching(system, Path(name)) as running:
        for _ in range(2):
            _trade(system)
            wait_seconds_of_history(running, 3)
        yield running


def _trade(system: RunningSystem) -> None:
    with httpx.Client(base_url=system.base_url, timeout=20, trust_env=False) as http:
        seller = Trader(http, system.create_account({"BTC": "10"}))
        buyer = Trader(http, system.create_account({"USDT": "100000"}))
        for _ in range(3):
            seller.sell("0.01", "30000")
            buyer.buy("0.01", "30000")
        seller.sell("0.01", "31000")
        seller.get("myTrades", symbol="BTCUSDT")
        seller.get("account")
        http.get("/api/v3/exchangeInfo")
        assert http.get("/api/v3/klines").status_code == httpx.codes.BAD_REQUEST
        email = f"trader-{seller.account_id}@example.com"
        http.post("/auth/v1/login", json={"email": email, "password": "wrong horse battery staple"})
        seller.cancel_everything()
        httpx.get(f"{system.state.notifier_url}/notifier/v1/notices", timeout=20, trust_env=False)
        httpx.get(f"{system.state.backoffice_url}/wallet/v1/assets", timeout=20, trust_env=False)


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_has_data(query: Query, prometheus: Prometheus) -> None:
    found = prometheus.query(query.expression.replace(RATE_INTERVAL, _INTERVAL))
    assert found or query.may_be_empty, f"no data for {query.expression}"


def test_every_legend_names_labels_that_are_there(prometheus: Prometheus) -> None:
    for dashboard in DASHBOARDS:
        for where, query in dashboard.queries():
            names = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
            for sample in prometheus.query(query.expression.replace(RATE_INTERVAL, _INTERVAL)):
                assert names <= sample["metric"].keys(), where


def test_a_healthy_exchange_alerts_nobody(prometheus: Prometheus) -> None:
    prometheus.wait_for("crossbook:replies:rate5m > 0")
    # One engine has no standby; and how fast things are is the machine's affair, not the test's.
    assert prometheus.alerts() <= {"NoStandbyEngine", "LatencyBudgetBurnsFast", "SettlementSlow", "FeedBehind"}


def test_what_is_true_is_what_is_shown(prometheus: Prometheus) -> None:
    assert prometheus.values("count(crossbook_engine_lease_epoch > 0)") == [1]
    assert prometheus.values("max(crossbook_engine_unbalanced_assets)") == [0]
    assert prometheus.values('sum(crossbook_engine_trades_total{symbol="BTCUSDT"})')[0] >= 6
    assert prometheus.values("count(up == 1)") == [len(JOBS)]
    assert prometheus.values("pg_up") == [1]
