"""An account's balances and trades."""

from typing import Any

from services.domain.money import format_e8
from services.trading import errors, queries, render
from services.trading.endpoint import Call, Endpoint, Security
from services.trading.parameters import (
    EndTimeUs,
    Flag,
    Long,
    Parameters,
    SymbolName,
    TimeUs,
    check_span,
    limit_of,
)
from services.trading.schemas import ACCOUNT, OWN_TRADE, listing

MAX_TRADES = 1000


class AccountParameters(Parameters):
    omit_zero_balances: Flag = False


class OwnTradesParameters(Parameters):
    symbol: SymbolName
    order_id: Long | None = None
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None
    from_id: Long | None = None
    limit: limit_of(MAX_TRADES) = 500  # type: ignore[valid-type]


async def account(call: Call, parameters: AccountParameters) -> dict[str, Any]:
    """Every listed asset is shown, held or not, unless zero balances are to be left out."""
    markets = (await call.services.markets.all()).values()
    rows = {row["asset"]: row for row in await call.services.pool.fetch(queries.BALANCES, call.account_id)}
    listed = {asset for market in markets for asset in (market.base_asset, market.quote_asset)}
    balances = []
    for asset in sorted(listed | rows.keys()):
        row = rows.get(asset)
        free_e8, locked_e8 = (row["free_e8"], row["locked_e8"]) if row is not None else (0, 0)
        if free_e8 or locked_e8 or not parameters.omit_zero_balances:
            balances.append({"asset": asset, "free": format_e8(free_e8), "locked": format_e8(locked_e8)})
    updated_us = max((row["updated_us"] for row in rows.values()), default=0)
    maker_e8 = max((market.maker_fee_rate_e8 for market in markets), default=0)
    taker_e8 = max((market.taker_fee_rate_e8 for market in markets), default=0)
    return {
        "makerCommission": maker_e8 // render.BASIS_POINT_E8,
        "takerCommission": taker_e8 // render.BASIS_POINT_E8,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": render.commission_rates(maker_e8, taker_e8),
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated_us // call.unit,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": call.account_id,
    }


async def own_trades(call: Call, parameters: OwnTradesParameters) -> list[dict[str, Any]]:
    market = await call.services.markets.get(parameters.symbol)
    start_us, end_us = parameters.start_time, parameters.end_time
    has_times = start_us is not None or end_us is not None
    if has_times and (parameters.from_id is not None or parameters.order_id is not None):
        raise errors.BAD_COMBINATION
    check_span(start_us, end_us)
    rows = await queries.own_trades(
        call.services.pool,
        call.account_id,
        market.symbol,
        from_id=parameters.from_id,
        start_us=start_us,
        end_us=end_us,
        order_id=parameters.order_id,
        limit=parameters.limit,
    )
    return [render.own_trade(row, market, call.unit) for row in rows]


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "GET", "/api/v3/account", Security.USER_DATA, AccountParameters, account, "Balances and fee rates", ACCOUNT
    ),
    Endpoint(
        "GET",
        "/api/v3/myTrades",
        Security.USER_DATA,
        OwnTradesParameters,
        own_trades,
        "The account's trades in one market",
        listing(OWN_TRADE),
    ),
)
