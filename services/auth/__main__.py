"""Run one auth process: ``python -m services.auth``."""

from services.auth.app import create_app
from services.auth.settings import AuthSettings
from services.infra.telemetry import configure
from services.infra.web import run

if __name__ == "__main__":
    settings = AuthSettings()
    configure("auth", settings)
    run(create_app(settings), settings)
