"""JSON schemas of the answers about market data."""

from services.trading.schemas import AMOUNT, FLAG, INTEGER, TEXT, Schema, listing, one_of, record

AGGREGATE_TRADE = record(a=INTEGER, p=AMOUNT, q=AMOUNT, f=INTEGER, l=INTEGER, T=INTEGER, m=FLAG, M=FLAG)
# One type for all fields: the tools that check answers against this document do not all know "prefixItems".
CANDLES = listing(
    {
        "type": "array",
        "items": one_of(INTEGER, AMOUNT, TEXT),
        "minItems": 12,
        "maxItems": 12,
        "description": "Open time, open, high, low, close, volume, close time, quote volume, number of trades, "
        "taker's base volume, taker's quote volume, unused.",
    }
)
AVERAGE_PRICE = record(mins=INTEGER, price=AMOUNT, closeTime=INTEGER)

_PERCENT: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{3}$", "examples": ["-1.250"]}
_CHANGES = {"symbol": TEXT, "priceChange": AMOUNT, "priceChangePercent": _PERCENT, "weightedAvgPrice": AMOUNT}
_PRICES = dict.fromkeys(("openPrice", "highPrice", "lowPrice", "lastPrice"), AMOUNT)
_BEST = dict.fromkeys(("bidPrice", "bidQty", "askPrice", "askQty"), AMOUNT)
_END = {
    "volume": AMOUNT,
    "quoteVolume": AMOUNT,
    **dict.fromkeys(("openTime", "closeTime", "firstId", "lastId", "count"), INTEGER),
}
TICKER_MINI = record(symbol=TEXT, **_PRICES, **_END)
TICKER_FULL = record(**_CHANGES, **_PRICES, **_END)
TICKER_DAY = record(**_CHANGES, prevClosePrice=AMOUNT, lastQty=AMOUNT, **_BEST, **_PRICES, **_END)
WINDOW_TICKERS = one_of(TICKER_FULL, TICKER_MINI, listing(one_of(TICKER_FULL, TICKER_MINI)))
DAY_TICKERS = one_of(TICKER_DAY, TICKER_MINI, listing(one_of(TICKER_DAY, TICKER_MINI)))

EXECUTION_RULES = record(
    symbolRules=listing(
        record(
            symbol=TEXT,
            rules=listing(
                record(
                    ruleType=TEXT,
                    bidLimitMultUp=AMOUNT,
                    bidLimitMultDown=AMOUNT,
                    askLimitMultUp=AMOUNT,
                    askLimitMultDown=AMOUNT,
                )
            ),
        )
    )
)
BLOCK_TRADE = record(id=INTEGER, price=AMOUNT, qty=AMOUNT, quoteQty=AMOUNT, time=INTEGER, isBuyerMaker=FLAG)
REFERENCE_PRICE = record(symbol=TEXT, referencePrice=one_of(AMOUNT, {"type": "null"}), timestamp=INTEGER)
REFERENCE_PRICE_CALCULATION = one_of(
    record(symbol=TEXT, calculationType=TEXT, bucketCount=INTEGER, bucketWidthMs=INTEGER),
    record(symbol=TEXT, calculationType=TEXT, externalCalculationId=INTEGER),
)
