"""Run one notifier process: ``python -m services.notifier``."""

from services.infra.telemetry import configure
from services.infra.web import run
from services.notifier.app import create_app
from services.notifier.settings import NotifierSettings

if __name__ == "__main__":
    settings = NotifierSettings()
    configure("notifier", settings)
    run(create_app(settings), settings)
