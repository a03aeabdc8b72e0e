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


# ``data`` is there only for a cancel-replace that was done in part or not at all.
ERROR = record(("data",), code=INTEGER, msg=TEXT, data={"type": "object"})

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
# What only some orders have (compatibility reference section 1.4).
_PARTICULARS: Schema = {
    "stopPrice": AMOUNT,
    "trailingDelta": INTEGER,
    "trailingTime": INTEGER,
    "icebergQty": AMOUNT,
    "strategyId": INTEGER,
    "strategyType": INTEGER,
    "preventedMatchId": INTEGER,
    "preventedQuantity": AMOUNT,
    "pegPriceType": TEXT,
    "pegOffsetType": TEXT,
    "pegOffsetValue": INTEGER,
    "peggedPrice": AMOUNT,
}
_OPTIONAL = (*_PARTICULARS, "expiryReason")
_RESULT = {
    **_IDENTITY,
    "transactTime": INTEGER,
    **_AMOUNTS,
    **_PARTICULARS,
    "workingTime": INTEGER,
    "selfTradePreventionMode": TEXT,
    "expiryReason": TEXT,
}
_FILL = record(price=AMOUNT, qty=AMOUNT, commission=AMOUNT, commissionAsset=TEXT, tradeId=INTEGER)
_PREVENTED_QUANTITIES = {"takerPreventedQuantity": AMOUNT, "makerPreventedQuantity": AMOUNT}
_PREVENTED = record(
    tuple(_PREVENTED_QUANTITIES), preventedMatchId=INTEGER, makerOrderId=INTEGER, price=AMOUNT, **_PREVENTED_QUANTITIES
)

ORDER_ACK = record(**_IDENTITY, transactTime=INTEGER)
ORDER_RESULT = record(_OPTIONAL, **_RESULT)
ORDER_FULL = record(
    (*_OPTIONAL, "preventedMatches"), **_RESULT, fills=listing(_FILL), preventedMatches=listing(_PREVENTED)
)
PLACED_ORDER = one_of(ORDER_ACK, ORDER_RESULT, ORDER_FULL)
CANCEL_REPORT = record(
    tuple(_PARTICULARS),
    **_IDENTITY,
    origClientOrderId=TEXT,
    transactTime=INTEGER,
    **_AMOUNTS,
    **_PARTICULARS,
    selfTradePreventionMode=TEXT,
)
_LIST = {
    "orderListId": INTEGER,
    "contingencyType": TEXT,
    "listStatusType": TEXT,
    "listOrderStatus": TEXT,
    "listClientOrderId": TEXT,
    "transactionTime": INTEGER,
    "symbol": TEXT,
    "orders": listing(record(symbol=TEXT, orderId=INTEGER, clientOrderId=TEXT)),
}
# A pending order that its working order will pay for has no quantity yet.
_UNSIZED = record(("origQty", *_OPTIONAL, "fills"), **_RESULT, fills=listing(_FILL))
PLACED_LIST_REPORT = one_of(PLACED_ORDER, _UNSIZED)
PLACED_LIST = record(**_LIST, orderReports=listing(PLACED_LIST_REPORT))
CANCELLED_LIST = record(**_LIST, orderReports=listing(CANCEL_REPORT))
CANCELLED = one_of(CANCEL_REPORT, CANCELLED_LIST)
ORDER_LIST = record(**_LIST)
REPLACED = record(cancelResult=TEXT, newOrderResult=TEXT, cancelResponse=CANCELLED, newOrderResponse=PLACED_ORDER)
_AMENDED_AMOUNTS = {
    **dict.fromkeys(("price", "qty", "executedQty", "preventedQty", "quoteOrderQty", "cumulativeQuoteQty"), AMOUNT),
    **dict.fromkeys(("status", "timeInForce", "type", "side"), TEXT),
}
AMENDED = record(
    ("listStatus",),
    transactTime=INTEGER,
    executionId=INTEGER,
    amendedOrder=record(
        ("workingTime", *_PARTICULARS),
        **_IDENTITY,
        origClientOrderId=TEXT,
        **_AMENDED_AMOUNTS,
        **_PARTICULARS,
        workingTime=INTEGER,
        selfTradePreventionMode=TEXT,
    ),
    listStatus=record(
        **{name: kind for name, kind in _LIST.items() if name not in ("listStatusType", "transactionTime")}
    ),
)
AMENDMENT = record(
    symbol=TEXT,
    orderId=INTEGER,
    executionId=INTEGER,
    origClientOrderId=TEXT,
    newClientOrderId=TEXT,
    origQty=AMOUNT,
    newQty=AMOUNT,
    time=INTEGER,
)
PREVENTED_MATCH = record(
    tuple(_PREVENTED_QUANTITIES),
    symbol=TEXT,
    preventedMatchId=INTEGER,
    takerOrderId=INTEGER,
    makerSymbol=TEXT,
    makerOrderId=INTEGER,
    tradeGroupId=INTEGER,
    selfTradePreventionMode=TEXT,
    price=AMOUNT,
    **_PREVENTED_QUANTITIES,
    transactTime=INTEGER,
)
QUERIED_ORDER = record(
    tuple(name for name in _OPTIONAL if name not in ("stopPrice", "icebergQty")),
    **_IDENTITY,
    **_AMOUNTS,
    **_PARTICULARS,
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
    tradeGroupId=INTEGER,
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
_DISCOUNT = record(
    enabledForAccount=FLAG, enabledForSymbol=FLAG, discountAsset={"type": ["string", "null"]}, discount=AMOUNT
)
_ORDER_RATES = record(maker=AMOUNT, taker=AMOUNT)
ORDER_COMMISSION = record(
    standardCommissionForOrder=_ORDER_RATES,
    specialCommissionForOrder=_ORDER_RATES,
    taxCommissionForOrder=_ORDER_RATES,
    discount=_DISCOUNT,
)
ACCOUNT_COMMISSION = record(
    symbol=TEXT, standardCommission=_RATES, specialCommission=_RATES, taxCommission=_RATES, discount=_DISCOUNT
)
RATE_LIMIT = record(rateLimitType=TEXT, interval=TEXT, intervalNum=INTEGER, limit=INTEGER, count=INTEGER)
_FILTERS = listing({"type": "object", "required": ["filterType"]})
OWN_FILTERS = record(exchangeFilters=_FILTERS, symbolFilters=_FILTERS, assetFilters=_FILTERS)
