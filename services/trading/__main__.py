"""Run one trading process: ``python -m services.trading``, configured by CROSSBOOK_* variables."""

import gc

# Nothing that is loaded here is garbage, and to look for it takes a third of the start. ``web.run`` begins with it.
gc.disable()

from functools import partial

from services.infra import telemetry, web
from services.trading.app import before_shutdown, create_app, protocol
from services.trading.settings import TradingSettings


def main() -> None:
    settings = TradingSettings()
    telemetry.configure("trading", settings)
    app = create_app(settings)
    web.run(app, settings, partial(before_shutdown, app), http=protocol(app))


if __name__ == "__main__":
    main()
