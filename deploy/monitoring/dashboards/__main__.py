"""Write every dashboard's JSON: ``python -m deploy.monitoring.dashboards``."""

from deploy.monitoring.dashboards.every import DASHBOARDS, FOLDER, as_json


def main() -> None:
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(as_json(dashboard))


if __name__ == "__main__":
    main()
