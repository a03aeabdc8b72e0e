"""Run one engine process: ``python -m services.engine``, configured by CROSSBOOK_* variables."""

from services.engine.app import create_app
from services.engine.settings import EngineSettings
from services.infra import telemetry, web


def main() -> None:
    settings = EngineSettings()
    telemetry.configure("engine", settings)
    web.run(create_app(settings), settings)


if __name__ == "__main__":
    main()
