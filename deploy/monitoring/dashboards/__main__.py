"""Write every dashboard's JSON: ``python -m deploy.monitoring.dashboards``."""

from deploy.monitoring.dashboards.every import DASHBOARDS, as_json, file_of


def main() -> None:
    for dashboard in DASHBOARDS:
        file_of(dashboard).write_text(as_json(dashboard))


if __name__ == "__main__":
    main()
