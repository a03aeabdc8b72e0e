"""What ordinary spot clients touch outside ``/api/v3`` when they start (compatibility reference section 1.7).

Crossbook has no margin and no futures: those lists are truly empty.
"""

from typing import Any

from services.domain.money import format_e8
from services.domain.standing import VenueStatus
from services.trading import queries
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
from services.trading.parameters import AnyText, Long, Parameters, SymbolName, TimeUs
from services.trading.schemas import ANYTHING, FLAG, INTEGER, TEXT, listing, record


class TradeFeeParameters(Parameters):
    symbol: SymbolName | None = None


class HistoryParameters(Parameters):
    """What clients send to ask for a part of a history that is empty here."""

    asset: AnyText | None = None
    coin: AnyText | None = None
    type: AnyText | None = None
    status: AnyText | None = None
    from_symbol: AnyText | None = None
    to_symbol: AnyText | None = None
    isolated_symbol: AnyText | None = None
    tx_id: AnyText | None = None
    withdraw_order_id: AnyText | None = None
    id_list: AnyText | None = None
    include_source: AnyText | None = None
    archived: AnyText | None = None
    start_time: TimeUs | None = None
    end_time: TimeUs | None = None
    current: Long | None = None
    size: Long | None = None
    offset: Long | None = None
    limit: Long | None = None


async def system_status(call: Call, _parameters: NoParameters) -> dict[str, Any]:
    """A venue that is halted is the dialect's maintenance."""
    if await queries.venue_status(call.services.pool) is VenueStatus.HALTED:
        return {"status": 1, "msg": "system_maintenance"}
    return {"status": 0, "msg": "normal"}


async def trade_fee(call: Call, parameters: TradeFeeParameters) -> list[dict[str, Any]]:
    if parameters.symbol is not None:
        chosen = [await call.services.markets.get(parameters.symbol)]
    else:
        chosen = list((await call.services.markets.all()).values())
    terms = await queries.account_terms(call.services.pool, call.account_id)
    rates = [(market.symbol, terms.fee_rates(market)) for market in chosen]
    return [
        {"symbol": symbol, "makerCommission": format_e8(rate.maker_e8), "takerCommission": format_e8(rate.taker_e8)}
        for symbol, rate in rates
    ]


async def no_pairs(_call: Call, _parameters: NoParameters) -> list[Any]:
    return []


async def no_contracts(call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "serverTime": call.now_us // call.unit,
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [],
        "symbols": [],
    }


async def account_status(_call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {"data": "Normal"}


async def trading_status(call: Call, _parameters: NoParameters) -> dict[str, Any]:
    """An account is locked by the venue's operators, who alone unlock it; nobody knows when."""
    standing = await queries.account_standing(call.services.pool, call.account_id)
    return {
        "data": {
            "isLocked": not standing.is_active,
            "plannedRecoverTime": 0,
            "triggerCondition": {},
            "updateTime": standing.since_us // call.unit,
        }
    }


async def api_restrictions(call: Call, _parameters: NoParameters) -> dict[str, Any]:
    """What the key in use may do. A web session may do what its user may, from anywhere."""
    key = call.api_key
    return {
        "ipRestrict": key is not None and bool(key.networks),
        "createTime": 0 if key is None else key.created_us // call.unit,
        "enableReading": True,
        "enableSpotAndMarginTrading": key is None or Security.TRADE.value in key.permissions,
        # A web session withdraws with a second factor, elsewhere.
        "enableWithdrawals": key is not None and Security.WITHDRAW.value in key.permissions,
        **dict.fromkeys(_NEVER_ENABLED, False),
    }


async def nothing(_call: Call, _parameters: HistoryParameters) -> list[Any]:
    return []


async def no_rows(_call: Call, _parameters: HistoryParameters) -> dict[str, Any]:
    return {"total": 0, "rows": []}


_NEVER_ENABLED = (
    *("enableInternalTransfer", "enableMargin", "enableFutures"),
    *("permitsUniversalTransfer", "enableVanillaOptions"),
)
_RESTRICTIONS = record(
    createTime=INTEGER,
    **dict.fromkeys(
        ("ipRestrict", "enableReading", "enableSpotAndMarginTrading", "enableWithdrawals", *_NEVER_ENABLED), FLAG
    ),
)
_NO_CONTRACTS = record(
    timezone=TEXT,
    serverTime=INTEGER,
    rateLimits=listing(ANYTHING),
    exchangeFilters=listing(ANYTHING),
    assets=listing(ANYTHING),
    symbols=listing(ANYTHING),
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "GET",
        "/sapi/v1/system/status",
        Security.NONE,
        NoParameters,
        system_status,
        "Whether the system is up",
        record(status=INTEGER, msg=TEXT),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/asset/tradeFee",
        Security.USER_DATA,
        TradeFeeParameters,
        trade_fee,
        "Fee rates by market",
        listing(record(symbol=TEXT, makerCommission=TEXT, takerCommission=TEXT)),
    ),
    *(
        Endpoint("GET", path, security, NoParameters, no_pairs, "No margin pairs", listing(ANYTHING))
        for path, security in (
            ("/sapi/v1/margin/allPairs", Security.NONE),
            ("/sapi/v1/margin/isolated/allPairs", Security.USER_DATA),
        )
    ),
    *(
        Endpoint("GET", path, Security.NONE, NoParameters, no_contracts, "No futures", _NO_CONTRACTS)
        for path in ("/fapi/v1/exchangeInfo", "/dapi/v1/exchangeInfo")
    ),
    Endpoint(
        "GET",
        "/sapi/v1/account/status",
        Security.USER_DATA,
        NoParameters,
        account_status,
        "The account's standing",
        record(data=TEXT),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/account/apiTradingStatus",
        Security.USER_DATA,
        NoParameters,
        trading_status,
        "Whether the account is locked",
        record(
            data=record(
                isLocked=FLAG, plannedRecoverTime=INTEGER, triggerCondition={"type": "object"}, updateTime=INTEGER
            )
        ),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/account/apiRestrictions",
        Security.USER_DATA,
        NoParameters,
        api_restrictions,
        "What the API key may do",
        _RESTRICTIONS,
    ),
    # Market data: some clients sign it, others do not.
    Endpoint(
        "GET",
        "/sapi/v1/spot/delist-schedule",
        Security.NONE,
        HistoryParameters,
        nothing,
        "No market is about to be delisted",
        listing(ANYTHING),
    ),
    *(
        Endpoint(
            "GET",
            path,
            Security.USER_DATA,
            HistoryParameters,
            no_rows,
            summary,
            record(total=INTEGER, rows=listing(ANYTHING)),
        )
        for path, summary in (
            ("/sapi/v1/asset/transfer", "No transfers between wallets"),
            ("/sapi/v1/margin/interestHistory", "No margin, no interest"),
        )
    ),
)
