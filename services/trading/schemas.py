"""JSON schemas of the answers, for the OpenAPI document; tests hold real answers against them."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
AMOUNT: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{8}$", "examples": ["0.01000000"]}
INTEGER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
NOTHING: Schema = {"type": "object", "additionalProperties": False}
ANYTHING: Schema = {}


def record(optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object with exactly these properties; those named in ``optional`` may be missing."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def listing(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def one_of(*choices: Schema) -> Schema:
    return {"anyOf": list(choices)}


ERROR = record(code=INTEGER, msg=TEXT)

_IDENTITY = {"symbol": TEXT, "orderId": INTEGER, "orderListId": INTEGER, "clientOrderId": TEXT}
_AMOUNTS = {
    "price": AMOUNT,
    "origQty": AMOUNT,
    "executedQty": AMOUNT,
    "origQuoteOrderQty": AMOUNT,
    "cummulativeQuoteQty": AMOUNT,
    "status": TEXT,
    "timeInForce": TEXT,
    "type": TEXT,
    "side": TEXT,
}
_RESULT = {
    **_IDENTITY,
    "transactTime": INTEGER,
    **_AMOUNTS,
    "workingTime": INTEGER,
    "selfTradePreventionMode": TEXT,
    "expiryReason": TEXT,
}
_FILL = record(price=AMOUNT, qty=AMOUNT, commission=AMOUNT, commissionAsset=TEXT, tradeId=INTEGER)

ORDER_ACK = record(**_IDENTITY, transactTime=INTEGER)
ORDER_RESULT = record(("expiryReason",), **_RESULT)
ORDER_FULL = record(("expiryReason",), **_RESULT, fills=listing(_FILL))
CANCEL_REPORT = record(
    **_IDENTITY, origClientOrderId=TEXT, transactTime=INTEGER, **_AMOUNTS, selfTradePreventionMode=TEXT
)
QUERIED_ORDER = record(
    ("expiryReason",),
    **_IDENTITY,
    **_AMOUNTS,
    stopPrice=AMOUNT,
    icebergQty=AMOUNT,
    time=INTEGER,
    updateTime=INTEGER,
    isWorking=FLAG,
    workingTime=INTEGER,
    selfTradePreventionMode=TEXT,
    expiryReason=TEXT,
)
_RATES = record(maker=AMOUNT, taker=AMOUNT, buyer=AMOUNT, seller=AMOUNT)
ACCOUNT = record(
    makerCommission=INTEGER,
    takerCommission=INTEGER,
    buyerCommission=INTEGER,
    sellerCommission=INTEGER,
    commissionRates=_RATES,
    canTrade=FLAG,
    canWithdraw=FLAG,
    canDeposit=FLAG,
    brokered=FLAG,
    requireSelfTradePrevention=FLAG,
    preventSor=FLAG,
    updateTime=INTEGER,
    accountType=TEXT,
    balances=listing(record(asset=TEXT, free=AMOUNT, locked=AMOUNT)),
    permissions=listing(TEXT),
    uid=INTEGER,
)
OWN_TRADE = record(
    symbol=TEXT,
    id=INTEGER,
    orderId=INTEGER,
    orderListId=INTEGER,
    price=AMOUNT,
    qty=AMOUNT,
    quoteQty=AMOUNT,
    commission=AMOUNT,
    commissionAsset=TEXT,
    time=INTEGER,
    isBuyer=FLAG,
    isMaker=FLAG,
    isBestMatch=FLAG,
)
PUBLIC_TRADE = record(
    id=INTEGER, price=AMOUNT, qty=AMOUNT, quoteQty=AMOUNT, time=INTEGER, isBuyerMaker=FLAG, isBestMatch=FLAG
)
_LEVELS = listing({"type": "array", "items": AMOUNT, "minItems": 2, "maxItems": 2})
DEPTH = record(lastUpdateId=INTEGER, bids=_LEVELS, asks=_LEVELS)
PRICE_TICKER = record(symbol=TEXT, price=AMOUNT)
BOOK_TICKER = record(symbol=TEXT, bidPrice=AMOUNT, bidQty=AMOUNT, askPrice=AMOUNT, askQty=AMOUNT)
EXCHANGE_INFO: Schema = {
    "type": "object",
    "properties": {
        "timezone": TEXT,
        "serverTime": INTEGER,
        "rateLimits": listing({"type": "object"}),
        "exchangeFilters": listing({"type": "object"}),
        "symbols": listing({"type": "object", "required": ["symbol", "status", "baseAsset", "quoteAsset", "filters"]}),
    },
    "required": ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"],
}
_ORDER_RATES = record(maker=AMOUNT, taker=AMOUNT)
ORDER_COMMISSION = record(
    standardCommissionForOrder=_ORDER_RATES,
    specialCommissionForOrder=_ORDER_RATES,
    taxCommissionForOrder=_ORDER_RATES,
    discount=record(
        enabledForAccount=FLAG, enabledForSymbol=FLAG, discountAsset={"type": ["string", "null"]}, discount=AMOUNT
    ),
)
