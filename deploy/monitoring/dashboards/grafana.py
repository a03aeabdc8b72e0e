"""The part of Grafana's dashboard model that ours need, and nothing of what they show.

Queries may use ``$__rate_interval``, as in Grafana, and ``$datasource`` chooses the Prometheus. Panels flow from left
to right in the order in which they are given, in rows of 24 columns.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24
PANEL_HEIGHT: Final = 8
ROW_HEIGHT: Final = 1
RATE_INTERVAL: Final = "$__rate_interval"

_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "table"]


class Query(NamedTuple):
    """``legend`` names the lines, with labels as ``{{label}}``. Some are empty while all is well (errors, refusals)."""

    expression: str
    legend: str = ""
    may_be_empty: bool = False


class Panel(NamedTuple):
    """``unit`` is one of Grafana's: s, reqps, bytes, short, percentunit, currencyUSD… Red begins at ``alarming``."""

    title: str
    unit: str
    queries: Sequence[Query]
    description: str
    kind: Kind = "timeseries"
    width: int = 8
    alarming: float | None = None


class Row(NamedTuple):
    title: str
    panels: Sequence[Panel]


class Dashboard(NamedTuple):
    uid: str
    title: str
    description: str
    rows: Sequence[Row]

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Each with where it is."""
        for row in self.rows:
            for panel in row.panels:
                for query in panel.queries:
                    yield f"{self.title} / {row.title} / {panel.title}", query

    def json(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["crossbook"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "timezone": "utc",
            "time": {"from": "now-3h", "to": "now"},
            "links": [{"type": "dashboards", "title": "Crossbook", "tags": ["crossbook"], "asDropdown": True}],
            "annotations": {"list": [_takeovers()]},
            "templating": {"list": [_datasource_variable()]},
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[dict[str, Any]]:
        number, y = 0, 0
        for row in self.rows:
            number += 1
            yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": []} | {
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": ROW_HEIGHT}
            }
            x, y = 0, y + ROW_HEIGHT
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y = 0, y + PANEL_HEIGHT
                number += 1
                position = {"x": x, "y": y, "w": panel.width, "h": PANEL_HEIGHT}
                yield {"id": number, "gridPos": position, **_panel(panel)}
                x += panel.width
            y += PANEL_HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.alarming is not None:
        steps.append({"color": "red", "value": panel.alarming})
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "off" if panel.alarming is None else "line"}}
                if panel.kind == "timeseries"
                else {},
            },
            "overrides": [],
        },
        "options": _OPTIONS[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _DATASOURCE,
                "expr": query.expression,
                "legendFormat": query.legend or "__auto",
                "instant": panel.kind != "timeseries",
                "range": panel.kind == "timeseries",
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for index, query in enumerate(panel.queries)
        ],
    }


_OPTIONS: Final[dict[Kind, dict[str, Any]]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
    },
    "table": {"showHeader": True},
}


def _datasource_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}


def _takeovers() -> dict[str, Any]:
    """A line wherever another engine became the active one."""
    return {
        "name": "Engine takes over",
        "datasource": _DATASOURCE,
        "enable": True,
        "iconColor": "orange",
        "expr": "changes(max(crossbook_engine_lease_epoch)[1m:]) > 0",
        "titleFormat": "Engine takes over",
    }
