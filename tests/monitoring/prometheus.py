"""A real Prometheus over a real exchange: every process of it, and PostgreSQL and Redis through their exporters.

Tests that need it run in ``make deploy-check``, where Prometheus and the exporters are installed; ``missing`` says why
they are skipped elsewhere.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.check.tools import ALERTMANAGER, POSTGRES_EXPORTER, PROMETHEUS, REDIS_EXPORTER, Missing
from services.local.role_passwords import MONITOR, set_passwords
from tests.running import RunningSystem, free_port, wait_until

NEEDED: Final = (ALERTMANAGER, PROMETHEUS, POSTGRES_EXPORTER, REDIS_EXPORTER)
LIVE_VARIABLE: Final = "CROSSBOOK_LIVE_MONITORING"
JOBS: Final = ("auth", "backoffice", "engine", "notifier", "trading", "postgres", "redis")
WEBHOOK_FILE: Final = "/etc/alertmanager/secrets/slack-webhook/url"
MONITOR_PASSWORD: Final = "read-statistics-and-no-table"
START_TIMEOUT_S: Final = 60.0
SCRAPE_INTERVAL_S: Final = 1
MONITORING: Final = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES: Final = MONITORING.parents[1] / "helm" / "crossbook" / "files" / "rules"


def missing() -> str:
    """Why a live test does not run here; empty if it does."""
    if LIVE_VARIABLE not in os.environ:
        return f"takes a minute and servers of its own: make deploy-check, or set {LIVE_VARIABLE}=1"
    for tool in NEEDED:
        try:
            tool.path()
        except Missing as reason:
            return str(reason)
    return ""


class Prometheus:
    def __init__(self, port: int) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query returns; it must be one that Prometheus understands."""
        answer = self._http.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def values(self, expression: str) -> list[float]:
        return [float(sample["value"][1]) for sample in self.query(expression)]

    def wait_for(self, expression: str, timeout_s: float = START_TIMEOUT_S) -> None:
        wait_until(lambda: bool(self.query(expression)), timeout_s)

    def alerts(self) -> set[str]:
        """The names of all that is pending or firing."""
        answer = self._http.get("/api/v1/alerts").json()
        return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"]}

    def close(self) -> None:
        self._http.close()


@contextmanager
def watching(system: RunningSystem, directory: Path, *, alertmanager_port: int | None = None) -> Iterator[Prometheus]:
    """Scrape everything of the exchange once a second, with our rules."""
    postgres, redis, own = free_port(), free_port(), free_port()
    jobs = {
        "auth": [_address(system.auth_url)],
        "engine": [_address(url) for url in system.engine_urls],
        "trading": [_address(system.base_url)],
        "notifier": [_address(system.state.notifier_url)],
        "backoffice": [_address(system.state.backoffice_url)],
        "postgres": [f"127.0.0.1:{postgres}"],
        "redis": [f"127.0.0.1:{redis}"],
    }
    configuration = directory / "prometheus.json"
    configuration.write_text(json.dumps(_configuration(jobs, alertmanager_port)))
    with ExitStack() as stack:
        exporter = (POSTGRES_EXPORTER.path(), f"--web.listen-address=127.0.0.1:{postgres}")
        # As who may read statistics, and no table.
        asyncio.run(set_passwords(system.database_url, {MONITOR: MONITOR_PASSWORD}))
        watched = {"DATA_SOURCE_NAME": _libpq(system.database_url.replace("postgres@", f"{MONITOR}@", 1))}
        stack.enter_context(started(exporter, watched, directory))
        exporter = (REDIS_EXPORTER.path(), f"--web.listen-address=127.0.0.1:{redis}")
        stack.enter_context(started((*exporter, f"--redis.addr={system.redis_url}"), {}, directory))
        command = (
            *(PROMETHEUS.path(), f"--config.file={configuration}", f"--storage.tsdb.path={directory / 'data'}"),
            *(f"--web.listen-address=127.0.0.1:{own}", "--query.lookback-delta=10s"),
        )
        stack.enter_context(started(command, {}, directory))
        prometheus = Prometheus(own)
        stack.callback(prometheus.close)
        wait_until(lambda: _answers(f"http://127.0.0.1:{own}/-/ready"), START_TIMEOUT_S)
        yield prometheus


@contextmanager
def alertmanager(directory: Path, slack_url: str) -> Iterator[int]:
    """Our Alertmanager, told of another Slack; yields its port."""
    port, webhook = free_port(), directory / "slack-webhook"
    webhook.write_text(slack_url)
    content = (MONITORING / "alertmanager.yml").read_text()
    assert WEBHOOK_FILE in content
    (directory / "alertmanager.yml").write_text(content.replace(WEBHOOK_FILE, str(webhook)))
    command = (
        *(ALERTMANAGER.path(), f"--config.file={directory / 'alertmanager.yml'}", "--cluster.listen-address="),
        *(f"--storage.path={directory / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}"),
    )
    with started(command, {}, directory):
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/-/ready"), START_TIMEOUT_S)
        yield port


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextmanager
def started(command: Sequence[str], variables: Mapping[str, str], directory: Path) -> Iterator[None]:
    """Run a server for as long as the block lasts; what it prints is kept beside its data."""
    name = Path(command[0]).name
    with (directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, stdout=log, stderr=subprocess.STDOUT, cwd=directory
        )
    try:
        yield
        assert process.poll() is None, (directory / f"{name}.log").read_text()
    finally:
        process.terminate()
        process.wait(30)


def wait_seconds_of_history(prometheus: Prometheus, seconds: int) -> None:
    """Rates need two samples at least, in every series that there is by now."""
    prometheus.wait_for(f"count(timestamp(up == 1) > {time.time() + seconds}) >= {len(JOBS)}")


def _configuration(jobs: Mapping[str, list[str]], alertmanager_port: int | None) -> dict[str, Any]:
    interval = f"{SCRAPE_INTERVAL_S}s"
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(RULES / "*.yaml")],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": targets}]} for name, targets in jobs.items()
        ],
    }
    if alertmanager_port is not None:
        targets = [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]
        configuration["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
    return configuration


def _address(url: str) -> str:
    return url.removeprefix("http://")


def _libpq(url: str) -> str:
    """The exporter's driver wants the socket's directory percent-encoded no more than the rest of the query."""
    return f"{url}&sslmode=disable" if "?" in url else f"{url}?sslmode=disable"
