"""Run one trading process: ``python -m services.trading``, configured by CROSSBOOK_* variables."""

from services.infra import telemetry, web
from services.trading.app import create_app
from services.trading.settings import TradingSettings


def main() -> None:
    settings = TradingSettings()
    telemetry.configure_logging("trading", settings.log_level)
    web.run(create_app(settings), settings)


if __name__ == "__main__":
    main()
