"""The dashboards that are kept are the ones the code makes, and every metric they and the alerts name exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

import services.auth.metrics
import services.backoffice.metrics
import services.engine.metrics
import services.infra.measured
import services.notifier.metrics
import services.trading.metrics  # noqa: F401 (each declares what it counts)
from deploy.monitoring.dashboards.every import DASHBOARDS, FOLDER, as_json, file_of
from deploy.monitoring.dashboards.grafana import COLUMNS, Dashboard

REPOSITORY = Path(__file__).parents[2]
RULES = sorted((REPOSITORY / "helm" / "crossbook" / "files" / "rules").glob("*.yaml"))
PROMTOOL_TESTS = sorted((REPOSITORY / "deploy" / "monitoring" / "rules_tests").glob("*.yml"))
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
TERRAFORM = REPOSITORY / "terraform"

_ours = re.compile(r"\bcrossbook_[a-z_]+[a-z]\b")


def alerts() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def exported() -> set[str]:
    return {
        name
        for family in prometheus_client.REGISTRY.collect()
        for name in (
            family.name,
            *(f"{family.name}_{suffix}" for suffix in ("total", "bucket", "sum", "count")),
        )
    }


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_kept_file_is_what_the_code_makes(dashboard: Dashboard) -> None:
    assert file_of(dashboard).read_text() == as_json(dashboard), "python -m deploy.monitoring.dashboards"


def test_no_file_is_left_of_a_dashboard_that_is_gone() -> None:
    assert {file_of(dashboard) for dashboard in DASHBOARDS} == set(FOLDER.iterdir())


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_panels_say_what_they_show_and_do_not_overlap(dashboard: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    numbers = set()
    for panel in dashboard.json()["panels"]:
        assert panel["type"] == "row" or panel["description"]
        assert panel["id"] not in numbers
        numbers.add(panel["id"])
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < COLUMNS
        taken |= cells


def test_every_metric_of_ours_that_is_asked_for_exists() -> None:
    queries = [query.expression for dashboard in DASHBOARDS for _, query in dashboard.queries()]
    rules = [path.read_text().replace("crossbook:", "record:") for path in RULES]
    asked = {name for text in (*queries, *rules) for name in _ours.findall(text)}
    assert len(asked) > 20
    assert not asked - exported()


def test_every_alert_has_a_runbook_that_names_it() -> None:
    for alert in alerts():
        page = REPOSITORY / alert["annotations"]["runbook_url"]
        assert page.parent == RUNBOOKS
        text = page.read_text()
        assert alert["alert"] in text, f"{page.name} does not name {alert['alert']}"
        assert "## Look" in text
        assert "## Do" in text
        assert alert["labels"]["severity"] in ("page", "ticket")


def test_every_alert_is_tested_to_fire() -> None:
    tested = {
        check["alertname"]
        for path in PROMTOOL_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for check in test["alert_rule_test"]
        if check["exp_alerts"]
    }
    assert tested == {alert["alert"] for alert in alerts()}


def test_every_runbook_is_linked_from_an_alert_or_an_alarm() -> None:
    linked = {Path(alert["annotations"]["runbook_url"]).name for alert in alerts()}
    alarms = "".join(path.read_text() for path in TERRAFORM.rglob("*.tf"))
    linked |= set(re.findall(r"docs/runbooks/([a-z-]+[.]md)", alarms))
    assert linked == {path.name for path in RUNBOOKS.glob("*.md")}


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*RUNBOOKS.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
