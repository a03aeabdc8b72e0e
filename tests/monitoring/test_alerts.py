"""An alert from what is wrong in the engine to Slack: metrics, Prometheus, our rules, Alertmanager, a message."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from services.engine.snapshots import REDIS_KEY, decode, encode
from tests.monitoring.prometheus import alertmanager, missing, watching
from tests.monitoring.receiver import Receiver
from tests.monitoring.test_metrics import scrape
from tests.running import RunningSystem, wait_until

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def test_stolen_money_is_told_to_slack(start_system: Callable[..., RunningSystem], tmp_path: Path) -> None:
    system = start_system(is_lean=False)
    account = system.create_account({"BTC": "1"})
    with (
        Receiver() as slack,
        alertmanager(tmp_path, f"http://127.0.0.1:{slack.port}/services/T0/B0/secret") as port,
        watching(system, tmp_path, alertmanager_port=port) as prometheus,
    ):
        prometheus.wait_for("crossbook_engine_unbalanced_assets == 0")
        _steal(system, account.user_id)
        wait_until(lambda: scrape(system.engine_urls[0])["crossbook_engine_unbalanced_assets"] == 1, 60)
        prometheus.wait_for('ALERTS{alertname="MoneyNotConserved",alertstate="firing"}')
        wait_until(lambda: any("MoneyNotConserved" in str(message.json()) for message in slack.received), 60)
    told = next(message for message in slack.received if "MoneyNotConserved" in str(message.json()))
    assert told.path == "/services/T0/B0/secret"
    message = told.json()
    assert message["channel"] == "#crossbook-pages"
    (attachment,) = message["attachments"]
    assert attachment["title"] == "FIRING MoneyNotConserved"
    assert "The balances of 1 assets do not sum to deposits minus withdrawals" in attachment["text"]
    assert "docs/runbooks/money-not-conserved.md" in attachment["text"]


def _steal(system: RunningSystem, account_id: int) -> None:
    """Take 1e-8 BTC out of the engine's newest snapshot, with hashes that fit, and let it start from there."""
    restarts = system.state.process("engine").restarts
    system.send_signal("engine", signal.SIGTERM)
    wait_until(lambda: system.state.process("engine").restarts > restarts, 60)
    system.wait_ready(60)
    with Redis.from_url(system.redis_url) as redis:
        payload = redis.get(REDIS_KEY)
        assert isinstance(payload, bytes)
        snapshot = decode(payload)
        assert snapshot.sequence == asyncio.run(_sequence(system.database_url))
        snapshot.exchange.accounts.balances[account_id]["BTC"].free_e8 -= 1
        redis.set(REDIS_KEY, encode(snapshot.exchange, snapshot.sequence, snapshot.journal_hash))
    system.kill_process("engine")
    system.wait_ready(60)


async def _sequence(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval("SELECT sequence FROM exchange.engine_lease")
    finally:
        await connection.close()
    return found
