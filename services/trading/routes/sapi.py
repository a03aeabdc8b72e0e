"""What ordinary spot clients touch outside ``/api/v3`` when they start (compatibility reference section 1.7).

Crossbook has no margin and no futures: those lists are truly empty.
"""

from typing import Any

from services.domain.money import format_e8
from services.trading import queries, render
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
from services.trading.parameters import Parameters, SymbolName
from services.trading.schemas import ANYTHING, FLAG, INTEGER, TEXT, listing, record


class TradeFeeParameters(Parameters):
    symbol: SymbolName | None = None


async def system_status(_call: Call, _parameters: NoParameters) -> dict[str, Any]:
    return {"status": 0, "msg": "normal"}


async def capital_config(call: Call, _parameters: NoParameters) -> list[dict[str, Any]]:
    """Every listed asset with the caller's balance; there are no networks to deposit over yet."""
    markets = (await call.services.markets.all()).values()
    rows = {row["asset"]: row for row in await call.services.pool.fetch(queries.BALANCES, call.account_id)}
    assets = sorted({asset for market in markets for asset in (market.base_asset, market.quote_asset)})
    return [
        {
            "coin": asset,
            "name": asset,
            "free": format_e8(rows[asset]["free_e8"] if asset in rows else 0),
            "locked": format_e8(rows[asset]["locked_e8"] if asset in rows else 0),
            "freeze": render.ZERO,
            "withdrawing": render.ZERO,
            "ipoing": render.ZERO,
            "ipoable": render.ZERO,
            "storage": render.ZERO,
            "isLegalMoney": False,
            "trading": True,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "networkList": [],
        }
        for asset in assets
    ]


async def trade_fee(call: Call, parameters: TradeFeeParameters) -> list[dict[str, Any]]:
    if parameters.symbol is not None:
        chosen = [await call.services.markets.get(parameters.symbol)]
    else:
        chosen = list((await call.services.markets.all()).values())
    return [
        {
            "symbol": market.symbol,
            "makerCommission": format_e8(market.maker_fee_rate_e8),
            "takerCommission": format_e8(market.taker_fee_rate_e8),
        }
        for market in chosen
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


_NO_CONTRACTS = record(
    timezone=TEXT,
    serverTime=INTEGER,
    rateLimits=listing(ANYTHING),
    exchangeFilters=listing(ANYTHING),
    assets=listing(ANYTHING),
    symbols=listing(ANYTHING),
)
_CAPITAL = record(
    **dict.fromkeys(("coin", "name", "free", "locked", "freeze", "withdrawing", "ipoing", "ipoable", "storage"), TEXT),
    **dict.fromkeys(("isLegalMoney", "trading", "depositAllEnable", "withdrawAllEnable"), FLAG),
    networkList=listing(ANYTHING),
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
        "/sapi/v1/capital/config/getall",
        Security.USER_DATA,
        NoParameters,
        capital_config,
        "Assets and the caller's balances",
        listing(_CAPITAL),
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
)
