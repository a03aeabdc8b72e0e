"""What staff do to accounts, markets and the venue, under ``/admin/v1``. Each route names its action, and who may do it
is in ``services.backoffice.roles``. Money is in ``admin_money_routes``.
"""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response

from services.backoffice import audit, limits, people, withdrawals
from services.backoffice.admin_money_routes import staff_withdrawal_view
from services.backoffice.admin_wire import (
    AuditView,
    BalanceView,
    Because,
    CancelOrders,
    Changed,
    FeeTierChange,
    FeeTierView,
    MarketChange,
    MarketStatusChange,
    MarketView,
    Me,
    OrderView,
    RolesChange,
    StatusView,
    Symbol,
    TierChange,
    TierName,
    UserDetails,
    UserView,
    VenueStatusChange,
)
from services.backoffice.audit import Actor, Deed
from services.backoffice.callers import Staff, acting
from services.backoffice.command import carry_out
from services.backoffice.errors import (
    ENGINE_UNAVAILABLE,
    NOT_HERE,
    NOTIFIER_UNAVAILABLE,
    OUTCOME_UNKNOWN,
    REFUSED_BY_ENGINE,
    ROLE_MISSING,
    UNKNOWN_TIER,
)
from services.backoffice.parked import parked_notices
from services.backoffice.resources import Held, Resources
from services.backoffice.roles import MATRIX, Action, may
from services.backoffice.wallet_routes import EPOCH, FOREVER
from services.backoffice.wire import LAST_ID, Before, Page, RecordId
from services.domain.commands import (
    CancelAccountOrders,
    CancelOrder,
    DefineMarket,
    SetAccountStatus,
    SetAccountTerms,
    SetMarketStatus,
    SetVenueStatus,
)
from services.domain.market import Market
from services.domain.orders import SelfTradePrevention
from services.domain.refusals import Refusal
from services.domain.standing import AccountStatus
from services.infra.callers import Account
from services.infra.problems import (
    BODY_TOO_LARGE,
    BUSY,
    INVALID_ACCESS_TOKEN,
    INVALID_REQUEST,
    UNAVAILABLE,
    Problem,
    Refused,
    documented,
)

WITHDRAWALS_SHOWN: Final = 50
_ALWAYS = (INVALID_ACCESS_TOKEN, ROLE_MISSING, INVALID_REQUEST, BODY_TOO_LARGE, BUSY, UNAVAILABLE)
_BY_ENGINE = (REFUSED_BY_ENGINE, OUTCOME_UNKNOWN, ENGINE_UNAVAILABLE, *_ALWAYS)


async def never_store(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix="/admin/v1", dependencies=[Depends(never_store)])


@router.get("/me", tags=["staff"], responses=documented(*_ALWAYS))
async def read_me(actor: Staff) -> Me:
    """Say which roles this session has, and what they allow."""
    allowed = [action.value for action in MATRIX if actor.is_command_line or may(actor.roles, action)]
    return Me(actor=actor.name, roles=sorted(role.value for role in actor.roles), actions=allowed)


# Users


@router.get("/users", tags=["users"], responses=documented(*_ALWAYS))
async def find_users(
    actor: Annotated[Actor, Depends(acting(Action.FIND_USERS))],
    held: Held,
    query: Annotated[str, Query(max_length=254)] = "",
    before: Before | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> list[UserView]:
    """Find users by account id or part of the e-mail address, the newest first."""
    found = await held.callers.find_accounts(query, limit=limit, before=before)
    await audit.record(held.pool, Deed(actor, Action.FIND_USERS, "", details={"query": query}))
    return [_user_view(account) for account in found]


@router.get("/users/{accountId}", tags=["users"], responses=documented(NOT_HERE, *_ALWAYS))
async def show_user(
    accountId: RecordId,
    actor: Annotated[Actor, Depends(acting(Action.SHOW_USER))],
    held: Held,
) -> UserDetails:
    """Show an account: standing, balances, open orders, the newest withdrawals."""
    account = await _account(held, accountId)
    async with held.transaction() as connection:
        await audit.record(connection, Deed(actor, Action.SHOW_USER, _user(accountId)))
        standing = await limits.read(connection, accountId)
        fee_tier = await connection.fetchval(
            "SELECT fee_tier FROM backoffice.accounts WHERE account_id = $1", accountId
        )
        status = await people.standing(connection, accountId)
        balances = await connection.fetch(people.BALANCES, accountId)
        orders = await connection.fetch(people.OPEN_ORDERS, accountId, people.OPEN_ORDERS_SHOWN)
        sent = await connection.fetch(
            withdrawals.LIST, accountId, None, None, LAST_ID, WITHDRAWALS_SHOWN, EPOCH, FOREVER, None
        )
    return UserDetails(
        **_user_view(account).model_dump(),
        status=status,
        fee_tier=fee_tier,
        limit_tier=standing.limit_tier,
        balances=[BalanceView.model_validate(dict(row)) for row in balances],
        open_orders=[OrderView.model_validate({name: row[name] for name in _ORDER_COLUMNS}) for row in orders],
        withdrawals=[staff_withdrawal_view(row) for row in sent],
    )


_ORDER_COLUMNS: Final = (*("order_id", "symbol", "side", "type", "price_e8", "quantity_e8", "executed_e8", "status"),)


async def _account(held: Resources, account_id: int) -> Account:
    account = await held.callers.account(account_id)
    if account is None:
        raise Refused(NOT_HERE)
    return account


def _user(account_id: int) -> str:
    return f"user:{account_id}"


def _user_view(account: Account) -> UserView:
    return UserView(
        account_id=account.account_id,
        email=account.email,
        email_confirmed=account.email_confirmed,
        created_at=account.created_at,
        has_second_factor=account.has_second_factor,
        roles=sorted(account.roles),
    )


@router.post("/users/{accountId}/freeze", tags=["users"], responses=documented(NOT_HERE, *_BY_ENGINE))
async def freeze_account(
    accountId: RecordId,
    body: Because,
    actor: Annotated[Actor, Depends(acting(Action.FREEZE_ACCOUNT))],
    held: Held,
) -> Changed:
    """End all orders of an account, and take no new ones and no withdrawals."""
    return await _set_status(
        held, Deed(actor, Action.FREEZE_ACCOUNT, _user(accountId), body.reason), accountId, AccountStatus.FROZEN
    )


@router.post("/users/{accountId}/unfreeze", tags=["users"], responses=documented(NOT_HERE, *_BY_ENGINE))
async def unfreeze_account(
    accountId: RecordId,
    body: Because,
    actor: Annotated[Actor, Depends(acting(Action.UNFREEZE_ACCOUNT))],
    held: Held,
) -> Changed:
    """Let an account trade and withdraw again."""
    return await _set_status(
        held, Deed(actor, Action.UNFREEZE_ACCOUNT, _user(accountId), body.reason), accountId, AccountStatus.ACTIVE
    )


async def _set_status(held: Resources, deed: Deed, account_id: int, status: AccountStatus) -> Changed:
    await _account(held, account_id)
    command = SetAccountStatus(account_id, status)
    return Changed(changed=await carry_out(held, deed, command, done_before=Refusal.STATUS_UNCHANGED))


@router.post("/users/{accountId}/cancel-orders", tags=["orders"], responses=documented(NOT_HERE, *_BY_ENGINE))
async def cancel_orders_of(
    accountId: RecordId,
    body: CancelOrders,
    actor: Annotated[Actor, Depends(acting(Action.CANCEL_ORDERS))],
    held: Held,
) -> Changed:
    """Cancel an account's orders, in one market or everywhere."""
    await _account(held, accountId)
    deed = Deed(actor, Action.CANCEL_ORDERS, _user(accountId), body.reason, {"symbol": body.symbol})
    command = CancelAccountOrders(accountId, body.symbol or "")
    return Changed(changed=await carry_out(held, deed, command, done_before=Refusal.UNKNOWN_ORDER))


@router.post("/orders/{orderId}/cancel", tags=["orders"], responses=documented(NOT_HERE, *_BY_ENGINE))
async def cancel_order(
    orderId: RecordId,
    body: Because,
    actor: Annotated[Actor, Depends(acting(Action.CANCEL_ORDERS))],
    held: Held,
) -> Changed:
    """Cancel one order, whosever it is."""
    async with held.transaction() as connection:
        order = await connection.fetchrow(people.ORDER, orderId)
    if order is None:
        raise Refused(NOT_HERE)
    deed = Deed(actor, Action.CANCEL_ORDERS, f"order:{orderId}", body.reason, {"accountId": order["account_id"]})
    command = CancelOrder(order["account_id"], order["symbol"], orderId, "", f"staff-{orderId}")
    return Changed(changed=await carry_out(held, deed, command, done_before=Refusal.UNKNOWN_ORDER))


@router.put("/users/{accountId}/roles", tags=["users"], responses=documented(NOT_HERE, *_ALWAYS))
async def set_roles(
    accountId: RecordId,
    body: RolesChange,
    actor: Annotated[Actor, Depends(acting(Action.SET_ROLES))],
    held: Held,
) -> UserView:
    """Make a user one of the staff, or one no more. Only the command line may."""
    deed = Deed(actor, Action.SET_ROLES, _user(accountId), body.reason, {"roles": body.roles})
    await audit.record(held.pool, deed, "ASKED")
    account = await held.callers.set_roles(accountId, body.roles)
    await audit.record(held.pool, deed, "REFUSED" if account is None else "DONE")
    if account is None:
        raise Refused(NOT_HERE)
    return _user_view(account)


@router.put("/users/{accountId}/limit-tier", tags=["users"], responses=documented(NOT_HERE, UNKNOWN_TIER, *_ALWAYS))
async def assign_limit_tier(
    accountId: RecordId,
    body: TierChange,
    actor: Annotated[Actor, Depends(acting(Action.ASSIGN_LIMIT_TIER))],
    held: Held,
) -> Changed:
    """Say how much may leave an account within 24 hours: one of the tiers of the assets file."""
    tier = body.tier or limits.Standing().limit_tier
    if tier not in held.catalogue.tiers:
        raise Refused(UNKNOWN_TIER)
    await _account(held, accountId)
    async with held.transaction() as connection:
        before = await limits.lock(connection, accountId)
        await connection.execute(limits.SET_TIER, accountId, tier)
        deed = Deed(actor, Action.ASSIGN_LIMIT_TIER, _user(accountId), body.reason)
        await audit.record(connection, deed, before=before.limit_tier, after=tier)
    return Changed(changed=before.limit_tier != tier)


# Fees


@router.get("/fee-tiers", tags=["fees"], responses=documented(*_ALWAYS))
async def list_fee_tiers(
    _actor: Annotated[Actor, Depends(acting(Action.LIST_FEE_TIERS))], held: Held
) -> list[FeeTierView]:
    """List the named fee tiers."""
    async with held.transaction() as connection:
        rows = await connection.fetch(people.FEE_TIERS)
    return [FeeTierView.model_validate(dict(row)) for row in rows]


@router.put("/fee-tiers/{name}", tags=["fees"], responses=documented(*_ALWAYS))
async def define_fee_tier(
    name: Annotated[TierName, Path()],
    body: FeeTierChange,
    actor: Annotated[Actor, Depends(acting(Action.DEFINE_FEE_TIER))],
    held: Held,
) -> FeeTierView:
    """Name a pair of fee rates. Accounts that have the tier keep their rates until it is assigned again."""
    async with held.transaction() as connection:
        await connection.execute(people.DEFINE_FEE_TIER, name, body.maker_fee, body.taker_fee)
        details = {"makerFeeE8": body.maker_fee, "takerFeeE8": body.taker_fee}
        await audit.record(connection, Deed(actor, Action.DEFINE_FEE_TIER, f"fee-tier:{name}", body.reason, details))
    return FeeTierView(name=name, maker_fee=body.maker_fee, taker_fee=body.taker_fee)


@router.put("/users/{accountId}/fee-tier", tags=["fees"], responses=documented(NOT_HERE, UNKNOWN_TIER, *_BY_ENGINE))
async def assign_fee_tier(
    accountId: RecordId,
    body: TierChange,
    actor: Annotated[Actor, Depends(acting(Action.ASSIGN_FEE_TIER))],
    held: Held,
) -> Changed:
    """Give an account the rates of a tier; without one, those of each market again."""
    await _account(held, accountId)
    async with held.transaction() as connection:
        tier = None if body.tier is None else await connection.fetchrow(people.FEE_TIER, body.tier)
        terms = await connection.fetchrow(people.TERMS, accountId)
    if tier is None and body.tier is not None:
        raise Refused(UNKNOWN_TIER)
    prevention = None if terms is None else terms["self_trade_prevention"]
    command = SetAccountTerms(
        accountId,
        None if prevention is None else SelfTradePrevention(prevention),
        None if tier is None else tier["maker_fee_rate_e8"],
        None if tier is None else tier["taker_fee_rate_e8"],
        0 if terms is None else terms["trade_group_id"],
    )
    deed = Deed(actor, Action.ASSIGN_FEE_TIER, _user(accountId), body.reason, {"tier": body.tier})
    changed = await carry_out(held, deed, command)
    async with held.transaction() as connection:
        await connection.execute(people.SET_FEE_TIER, accountId, body.tier)
    return Changed(changed=changed)


# Markets and the venue


@router.get("/markets", tags=["markets"], responses=documented(*_ALWAYS))
async def list_markets(_actor: Annotated[Actor, Depends(acting(Action.LIST_MARKETS))], held: Held) -> list[MarketView]:
    """List the markets as they are defined, and their status."""
    async with held.transaction() as connection:
        rows = await connection.fetch(people.MARKETS)
    return [
        MarketView(symbol=row["symbol"], status=row["status"], definition=msgspec.json.decode(row["definition"]))
        for row in rows
    ]


@router.put("/markets/{symbol}", tags=["markets"], responses=documented(*_BY_ENGINE))
async def define_market(
    symbol: Annotated[Symbol, Path()],
    body: MarketChange,
    actor: Annotated[Actor, Depends(acting(Action.DEFINE_MARKET))],
    held: Held,
) -> Changed:
    """List a market while the exchange runs, or change one. ``definition`` is as GET shows it."""
    try:
        market = msgspec.convert({**body.definition, "symbol": symbol}, Market)
    except (msgspec.ValidationError, OverflowError) as error:
        text = str(error).encode("ascii", "backslashreplace").decode()[:200]
        raise Refused(Problem(INVALID_REQUEST.status, INVALID_REQUEST.code, f"definition: {text}")) from None
    deed = Deed(
        actor, Action.DEFINE_MARKET, f"market:{symbol}", body.reason, {"definition": msgspec.to_builtins(market)}
    )
    return Changed(changed=await carry_out(held, deed, DefineMarket(market), done_before=Refusal.MARKET_UNCHANGED))


@router.put("/markets/{symbol}/status", tags=["markets"], responses=documented(*_BY_ENGINE))
async def set_market_status(
    symbol: Annotated[Symbol, Path()],
    body: MarketStatusChange,
    actor: Annotated[Actor, Depends(acting(Action.SET_MARKET_STATUS))],
    held: Held,
) -> Changed:
    """Open, halt or close a market. Resting orders stay, and can always be cancelled."""
    deed = Deed(actor, Action.SET_MARKET_STATUS, f"market:{symbol}", body.reason, {"status": body.status.value})
    command = SetMarketStatus(symbol, body.status)
    return Changed(changed=await carry_out(held, deed, command, done_before=Refusal.STATUS_UNCHANGED))


@router.get("/venue/status", tags=["markets"], responses=documented(*_ALWAYS))
async def read_venue_status(_actor: Annotated[Actor, Depends(acting(Action.LIST_MARKETS))], held: Held) -> StatusView:
    """Say whether the venue is open."""
    async with held.transaction() as connection:
        return StatusView(status=await people.venue_status(connection))


@router.put("/venue/status", tags=["markets"], responses=documented(*_BY_ENGINE))
async def set_venue_status(
    body: VenueStatusChange, actor: Annotated[Actor, Depends(acting(Action.SET_VENUE_STATUS))], held: Held
) -> Changed:
    """Pull the kill switch, or release it."""
    deed = Deed(actor, Action.SET_VENUE_STATUS, "venue", body.reason, {"status": body.status.value})
    command = SetVenueStatus(body.status)
    return Changed(changed=await carry_out(held, deed, command, done_before=Refusal.STATUS_UNCHANGED))


# The audit and the notifier


@router.get("/audit", tags=["audit"], responses=documented(*_ALWAYS))
async def read_audit(
    _actor: Annotated[Actor, Depends(acting(Action.READ_AUDIT))],
    held: Held,
    actor: Annotated[str | None, Query(max_length=80, description="Such as user:1000 or os:ada.")] = None,
    action: Annotated[Action | None, Query()] = None,
    subject: Annotated[str | None, Query(max_length=200, description="Such as user:1001 or withdrawal:17.")] = None,
    before: Before = LAST_ID,
    limit: Page = 100,
) -> list[AuditView]:
    """Read who did what, the newest first."""
    async with held.transaction() as connection:
        rows = await audit.newest(
            connection,
            before=before,
            limit=limit,
            actor=actor,
            action=None if action is None else action.value,
            subject=subject,
        )
    return [AuditView.model_validate({**row, "details": msgspec.json.decode(row["details"])}) for row in rows]


@router.get("/notices/parked", tags=["notices"], responses=documented(NOTIFIER_UNAVAILABLE, *_ALWAYS))
async def read_parked_notices(
    _actor: Annotated[Actor, Depends(acting(Action.READ_PARKED_NOTICES))], held: Held
) -> list[dict[str, Any]]:
    """List the notices that could not be delivered to anybody."""
    return await parked_notices(held)
