"""Rules, alerts, dashboards, error reports: as far as promtool and amtool go, and over a running exchange."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.check.tools import AMTOOL, PROMTOOL, REPOSITORY, Failed, Missing, run
from deploy.monitoring.dashboards.every import DASHBOARDS, FOLDER, as_json, file_of
from deploy.monitoring.dashboards.grafana import RATE_INTERVAL

WEBHOOK_FILE: Final = "/etc/alertmanager/secrets/slack-webhook/url"
LIVE_TIMEOUT_S: Final = 600


def rules_are_right(root: Path) -> str:
    """Each rule parses, and its tests pass."""
    rules = _rules(root)
    told = PROMTOOL.run("check", "rules", "--lint=all", "--lint-fatal", *rules)
    tests = sorted((root / "deploy" / "monitoring" / "rules_tests").glob("*.yml"))
    if not tests:
        raise Failed("deploy/monitoring/rules_tests has no tests")
    PROMTOOL.run("test", "rules", *tests)
    found = sum(int(line.split()[1]) for line in told.splitlines() if "rules found" in line)
    return f"{found} rules, {len(tests)} files of tests"


def prometheus_is_configured(root: Path) -> str:
    """With the rules where deploy/compose.yaml puts them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = (root / "deploy" / "monitoring" / "prometheus.yml").read_text()
        (folder / "prometheus.yml").write_text(text)
        (folder / "rules").symlink_to(_rules(root)[0].parent)
        told = PROMTOOL.run("check", "config", folder / "prometheus.yml")
    if "rule files found" not in told:
        raise Failed("prometheus.yml does not find the rules")
    return "deploy/monitoring/prometheus.yml"


def alertmanager_is_configured(root: Path) -> str:
    with tempfile.TemporaryDirectory() as name:
        webhook = Path(name) / "webhook"
        webhook.write_text("http://127.0.0.1/")
        text = (root / "deploy" / "monitoring" / "alertmanager.yml").read_text()
        if WEBHOOK_FILE not in text:
            raise Failed(f"alertmanager.yml does not read Slack's address from {WEBHOOK_FILE}")
        (Path(name) / "alertmanager.yml").write_text(text.replace(WEBHOOK_FILE, str(webhook)))
        AMTOOL.run("check-config", Path(name) / "alertmanager.yml")
        for severity, receiver in (("page", "pages"), ("ticket", "tickets")):
            route = AMTOOL.run(
                "config", "routes", "test", f"--config.file={Path(name) / 'alertmanager.yml'}", f"severity={severity}"
            )
            if route.strip() != receiver:
                raise Failed(f"severity={severity} goes to {route.strip()}, not to {receiver}")
    return "pages and tickets reach their channels"


def panels_can_be_asked(root: Path) -> str:
    """Every query of every kept dashboard parses, and the kept ones are those that the code makes."""
    kept = {path.name: path.read_text() for path in sorted((root / FOLDER.relative_to(REPOSITORY)).glob("*.json"))}
    expressions = {
        target["expr"].replace(RATE_INTERVAL, "1m")
        for text in kept.values()
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", [])
    }
    with tempfile.TemporaryDirectory() as name:
        rules = Path(name) / "panels.json"
        recorded = [
            {"record": "panel", "expr": expression, "labels": {"number": str(number)}}
            for number, expression in enumerate(sorted(expressions))
        ]
        # JSON is YAML too.
        rules.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
        PROMTOOL.run("check", "rules", "--lint=none", rules)
    if kept != {file_of(dashboard).name: as_json(dashboard) for dashboard in DASHBOARDS}:
        raise Failed("the kept dashboards are not those of the code: python -m deploy.monitoring.dashboards")
    return f"{len(expressions)} queries of {len(kept)} dashboards"


def works_live(root: Path) -> str:
    """Start an exchange, scrape it, ask every panel, break it, and read what Slack and Sentry are told."""
    return _pytest(root, "tests/monitoring", {"CROSSBOOK_LIVE_MONITORING": "1"})


def costs_what_it_says(root: Path) -> str:
    return _pytest(root, "tests/deploy/test_cost.py", {})


def _rules(root: Path) -> list[Path]:
    found = sorted((root / "helm" / "crossbook" / "files" / "rules").glob("*.yaml"))
    if not found:
        raise Failed("helm/crossbook/files/rules has no rules")
    return found


def _pytest(root: Path, tests: str, variables: dict[str, str]) -> str:
    if root != REPOSITORY:
        raise Missing("tests run in the repository itself only")
    told = run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests),
        cwd=root,
        timeout_s=LIVE_TIMEOUT_S,
        variables=variables,
    )
    return told.strip().splitlines()[-1]
