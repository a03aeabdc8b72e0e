"""All dashboards, and the files they are kept in."""

import json
from pathlib import Path
from typing import Final

from deploy.monitoring.dashboards.cost import COST
from deploy.monitoring.dashboards.database import DATABASE
from deploy.monitoring.dashboards.engine import ENGINE
from deploy.monitoring.dashboards.grafana import Dashboard
from deploy.monitoring.dashboards.services import SERVICES
from deploy.monitoring.dashboards.traders import TRADERS

DASHBOARDS: Final = (TRADERS, ENGINE, SERVICES, DATABASE, COST)
# Where the chart and deploy/compose.yaml take them from.
FOLDER: Final = Path(__file__).parents[3] / "helm" / "crossbook" / "files" / "dashboards"


def file_of(dashboard: Dashboard) -> Path:
    return FOLDER / f"{dashboard.uid.removeprefix('crossbook-')}.json"


def as_json(dashboard: Dashboard) -> str:
    return json.dumps(dashboard.json(), indent=2) + "\n"
