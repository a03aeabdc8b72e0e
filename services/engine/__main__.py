"""Run one engine process: ``python -m services.engine``, configured by CROSSBOOK_* variables."""

import gc

# Nothing that is loaded here is garbage, and to look for it takes a third of the start. ``web.run`` begins with it.
gc.disable()

from functools import partial

from services.engine.app import before_shutdown, create_app
from services.engine.settings import EngineSettings
from services.infra import telemetry, web


def main() -> None:
    settings = EngineSettings()
    telemetry.configure("engine", settings)
    app = create_app(settings)
    web.run(app, settings, partial(before_shutdown, app))


if __name__ == "__main__":
    main()
