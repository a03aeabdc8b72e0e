"""An account's balances, trades, terms and limits."""

from typing import Any

from services.domain.money import format_e8
from services.domain.standing import AccountStatus
from services.trading import commissions, errors, limits, queries, render
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
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
from services.trading.schemas import (
    ACCOUNT,
    ACCOUNT_COMMISSION,
    ANYTHING,
    OWN_FILTERS,
    OWN_TRADE,
    PREVENTED_MATCH,
    RATE_LIMIT,
    listing,
)
from services.trading.symbol_rules import asset_filters, exchange_filters, symbol_filters

MAX_TRADES = 1000
MAX_PREVENTED_MATCHES = 1000


class AccountParameters(Parameters):
    omit_zero_balances: Flag = False


class OwnTradesParameters(Parameters):
    symbol: SymbolName
    order_id: Long | None = None
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None
    from_id: Long | None = None
    limit: limit_of(MAX_TRADES) = 500  # type: ignore[valid-type]


class SymbolParameters(Parameters):
    symbol: SymbolName


class PreventedMatchesParameters(Parameters):
    symbol: SymbolName
    prevented_match_id: Long | None = None
    order_id: Long | None = None
    from_prevented_match_id: Long | None = None
    limit: limit_of(MAX_PREVENTED_MATCHES) | None = None  # type: ignore[valid-type]


class AllocationsParameters(Parameters):
    symbol: SymbolName
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None
    from_allocation_id: Long | None = None
    order_id: Long | None = None
    limit: limit_of(MAX_TRADES) = 500  # type: ignore[valid-type]


async def account(call: Call, parameters: AccountParameters) -> dict[str, Any]:
    """Every listed asset is shown, held or not, unless zero balances are to be left out.

    What a held withdrawal takes is neither free nor locked: ``/sapi/v1/capital/config/getall`` tells it.
    """
    markets = (await call.services.markets.all()).values()
    rows, terms, status = await call.services.present.account(call.account_id)
    listed = {asset for market in markets for asset in (market.base_asset, market.quote_asset)}
    balances = []
    for asset in sorted(listed | rows.keys()):
        row = rows.get(asset)
        free_e8, locked_e8 = (row["free_e8"], row["locked_e8"]) if row is not None else (0, 0)
        if free_e8 or locked_e8 or not parameters.omit_zero_balances:
            balances.append({"asset": asset, "free": format_e8(free_e8), "locked": format_e8(locked_e8)})
    is_active = status is AccountStatus.ACTIVE
    updated_us = max((row["updated_us"] for row in rows.values()), default=0)
    rates = [terms.fee_rates(market) for market in markets]
    maker_e8 = max((rate.maker_e8 for rate in rates), default=0)
    taker_e8 = max((rate.taker_e8 for rate in rates), default=0)
    return {
        "makerCommission": maker_e8 // render.BASIS_POINT_E8,
        "takerCommission": taker_e8 // render.BASIS_POINT_E8,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": commissions.commission_rates(maker_e8, taker_e8),
        "canTrade": is_active,
        "canWithdraw": is_active,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "tradeGroupId": terms.trade_group_id or render.NO_TRADE_GROUP,
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
    rows = await call.services.history.read(
        lambda source: queries.own_trades(
            source,
            call.account_id,
            market.symbol,
            from_id=parameters.from_id,
            start_us=start_us,
            end_us=end_us,
            order_id=parameters.order_id,
            limit=parameters.limit,
        )
    )
    return [render.own_trade(row, market, call.unit) for row in rows]


async def order_rate_limits(call: Call, _parameters: NoParameters) -> list[dict[str, Any]]:
    """Nothing where limits are off: then orders are not counted."""
    return await limits.order_counts(call.services.limits, call.account_id)


async def prevented_matches(call: Call, parameters: PreventedMatchesParameters) -> list[dict[str, Any]]:
    """By its own id, or those of one order from an id on; nothing else goes together."""
    symbol = (await call.services.markets.get(parameters.symbol)).symbol
    chosen: tuple[int | None, ...]
    match_id, order_id, from_id = (
        parameters.prevented_match_id,
        parameters.order_id,
        parameters.from_prevented_match_id,
    )
    if (match_id is None) == (order_id is None):
        raise errors.BAD_COMBINATION
    if (parameters.limit is not None and from_id is None) or (match_id is not None and from_id is not None):
        raise errors.BAD_COMBINATION
    if match_id is not None:
        sql, chosen = queries.PREVENTED_MATCH, (match_id,)
    else:
        sql, chosen = queries.PREVENTED_MATCHES, (order_id, from_id or 0, parameters.limit or 500)
    rows = await call.services.history.read(lambda source: source.fetch(sql, symbol, call.account_id, *chosen))
    return [render.prevented_match(row, call.unit) for row in rows]


async def allocations(call: Call, parameters: AllocationsParameters) -> list[Any]:
    """There is no smart order routing, so nothing is ever allocated."""
    await call.services.markets.get(parameters.symbol)
    check_span(parameters.start_time, parameters.end_time)
    return []


async def commission(call: Call, parameters: SymbolParameters) -> dict[str, Any]:
    market = await call.services.markets.get(parameters.symbol)
    terms = await queries.account_terms(call.services.pool, call.account_id)
    return commissions.account_commission(market.symbol, terms.fee_rates(market))


async def own_filters(call: Call, parameters: SymbolParameters) -> dict[str, Any]:
    market = await call.services.markets.get(parameters.symbol)
    venue = await queries.venue(call.services.pool)
    return {
        "exchangeFilters": exchange_filters(venue),
        "symbolFilters": symbol_filters(market),
        "assetFilters": asset_filters(venue, market),
    }


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
    Endpoint(
        "GET",
        "/api/v3/rateLimit/order",
        Security.USER_DATA,
        NoParameters,
        order_rate_limits,
        "The order limits in force and how much of them is used",
        listing(RATE_LIMIT),
    ),
    Endpoint(
        "GET",
        "/api/v3/myPreventedMatches",
        Security.USER_DATA,
        PreventedMatchesParameters,
        prevented_matches,
        "The self-trades that were prevented",
        listing(PREVENTED_MATCH),
    ),
    Endpoint(
        "GET",
        "/api/v3/myAllocations",
        Security.USER_DATA,
        AllocationsParameters,
        allocations,
        "Allocations of smart order routing, which there is not",
        listing(ANYTHING),
    ),
    Endpoint(
        "GET",
        "/api/v3/account/commission",
        Security.USER_DATA,
        SymbolParameters,
        commission,
        "The account's fee rates in one market",
        ACCOUNT_COMMISSION,
    ),
    Endpoint(
        "GET",
        "/api/v3/myFilters",
        Security.USER_DATA,
        SymbolParameters,
        own_filters,
        "The filters that hold for the account in one market",
        OWN_FILTERS,
    ),
)
