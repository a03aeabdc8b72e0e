"""Run one back office process: ``python -m services.backoffice``."""

import gc

# Nothing that is loaded here is garbage, and to look for it takes a third of the start. ``web.run`` begins with it.
gc.disable()

from services.backoffice.app import create_app
from services.backoffice.settings import BackofficeSettings
from services.infra.telemetry import configure
from services.infra.web import run

if __name__ == "__main__":
    settings = BackofficeSettings()
    configure("backoffice", settings)
    run(create_app(settings), settings)
