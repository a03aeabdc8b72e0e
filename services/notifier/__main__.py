"""Run one notifier process: ``python -m services.notifier``."""

import gc

# Nothing that is loaded here is garbage, and to look for it takes a third of the start. ``web.run`` begins with it.
gc.disable()

from services.infra.telemetry import configure
from services.infra.web import run
from services.notifier.app import create_app
from services.notifier.settings import NotifierSettings

if __name__ == "__main__":
    settings = NotifierSettings()
    configure("notifier", settings)
    run(create_app(settings), settings)
