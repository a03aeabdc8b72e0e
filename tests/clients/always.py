"""A freqtrade strategy that wants to hold every pair. It runs in freqtrade's own environment."""

from freqtrade.strategy import IStrategy  # type: ignore[import-not-found]
from pandas import DataFrame  # type: ignore[import-untyped]


class Always(IStrategy):  # type: ignore[misc]
    timeframe = "1m"
    minimal_roi = {"0": 100.0}  # noqa: RUF012
    stoploss = -0.1
    startup_candle_count = 0

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, str]) -> DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, str]) -> DataFrame:
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, str]) -> DataFrame:
        dataframe["exit_long"] = 0
        return dataframe
