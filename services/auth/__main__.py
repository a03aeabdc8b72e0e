"""Run one auth process: ``python -m services.auth``."""

import gc

# Nothing that is loaded here is garbage, and to look for it takes a third of the start. ``web.run`` begins with it.
gc.disable()

from services.auth.app import create_app
from services.auth.settings import AuthSettings
from services.infra.telemetry import configure
from services.infra.web import run

if __name__ == "__main__":
    settings = AuthSettings()
    configure("auth", settings)
    run(create_app(settings), settings)
