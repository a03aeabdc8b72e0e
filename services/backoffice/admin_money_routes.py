"""What staff do with money, under ``/admin/v1``: decide on withdrawals, settle them, credit deposits, add it all up."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response

from services.backoffice import audit, courier, deposits, people, withdrawals
from services.backoffice.admin_wire import (
    Added,
    ApprovalView,
    Because,
    Credit,
    Match,
    ReservesView,
    ReserveView,
    Settlement,
    SpareAddresses,
    StaffDepositView,
    StaffWithdrawalView,
    WithdrawalDetails,
)
from services.backoffice.audit import Actor, Deed
from services.backoffice.callers import acting
from services.backoffice.deposits import OPERATOR_NETWORK, Arrival
from services.backoffice.errors import (
    APPROVED_BEFORE,
    DEPOSIT_DIFFERS,
    NOT_HERE,
    OWN_WITHDRAWAL,
    ROLE_MISSING,
    TX_ID_DIFFERS,
    UNKNOWN_ASSET,
    WRONG_STATUS,
)
from services.backoffice.resources import Held, Resources
from services.backoffice.roles import Action
from services.backoffice.wallet_routes import EPOCH, FOREVER
from services.backoffice.wire import LAST_ID, Before, Page, RecordId
from services.domain.money import format_e8
from services.infra.problems import (
    BODY_TOO_LARGE,
    BUSY,
    INVALID_ACCESS_TOKEN,
    INVALID_REQUEST,
    UNAVAILABLE,
    Refused,
    documented,
)
from services.infra.transactions import Connection

Row = Any

_ALWAYS = (INVALID_ACCESS_TOKEN, ROLE_MISSING, INVALID_REQUEST, BODY_TOO_LARGE, BUSY, UNAVAILABLE)
_DECISIONS = (NOT_HERE, WRONG_STATUS, OWN_WITHDRAWAL, *_ALWAYS)


async def never_store(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix="/admin/v1", dependencies=[Depends(never_store)])


# Withdrawals


@router.get("/withdrawals", tags=["withdrawals"], responses=documented(*_ALWAYS))
async def list_withdrawals(
    _actor: Annotated[Actor, Depends(acting(Action.LIST_WITHDRAWALS))],
    held: Held,
    status: Annotated[list[str] | None, Query(max_length=16)] = None,
    account_id: Annotated[RecordId | None, Query(alias="accountId")] = None,
    before: Before = LAST_ID,
    limit: Page = 100,
) -> list[StaffWithdrawalView]:
    """List withdrawals of everyone, the newest first."""
    async with held.transaction() as connection:
        listed = withdrawals.LIST_ALL if account_id is None else withdrawals.LIST
        rows = await connection.fetch(listed, account_id, None, status, before, limit, EPOCH, FOREVER, None)
    return [staff_withdrawal_view(row) for row in rows]


@router.get("/withdrawals/{withdrawalId}", tags=["withdrawals"], responses=documented(NOT_HERE, *_ALWAYS))
async def show_withdrawal(
    withdrawalId: RecordId,
    _actor: Annotated[Actor, Depends(acting(Action.LIST_WITHDRAWALS))],
    held: Held,
) -> WithdrawalDetails:
    """Show a withdrawal and who approved it."""
    return await _details(held, withdrawalId)


@router.post(
    "/withdrawals/{withdrawalId}/approve",
    tags=["withdrawals"],
    responses=documented(APPROVED_BEFORE, *_DECISIONS),
)
async def approve_withdrawal(
    withdrawalId: RecordId,
    body: Because,
    actor: Annotated[Actor, Depends(acting(Action.APPROVE_WITHDRAWAL))],
    held: Held,
) -> WithdrawalDetails:
    """Say yes. Large ones need two different people, and nobody says yes to their own."""

    async def decide(connection: Connection) -> None:
        await withdrawals.approve(connection, withdrawalId, actor.name, body.reason)

    await _decide(held, Deed(actor, Action.APPROVE_WITHDRAWAL, "", body.reason), withdrawalId, decide)
    return await _details(held, withdrawalId)


@router.post("/withdrawals/{withdrawalId}/reject", tags=["withdrawals"], responses=documented(*_DECISIONS))
async def reject_withdrawal(
    withdrawalId: RecordId,
    body: Because,
    actor: Annotated[Actor, Depends(acting(Action.REJECT_WITHDRAWAL))],
    held: Held,
) -> WithdrawalDetails:
    """Say no: the money is the user's again. The user is told the reason."""

    async def decide(connection: Connection) -> int | None:
        return await withdrawals.reject(connection, withdrawalId, body.reason)

    await _decide(held, Deed(actor, Action.REJECT_WITHDRAWAL, "", body.reason), withdrawalId, decide)
    return await _details(held, withdrawalId)


@router.post(
    "/withdrawals/{withdrawalId}/settle", tags=["withdrawals"], responses=documented(TX_ID_DIFFERS, *_DECISIONS)
)
async def settle_withdrawal(
    withdrawalId: RecordId,
    body: Settlement,
    actor: Annotated[Actor, Depends(acting(Action.SETTLE_WITHDRAWAL))],
    held: Held,
) -> WithdrawalDetails:
    """Say that an approved withdrawal was sent, and with which transaction."""

    async def decide(connection: Connection) -> int | None:
        return await withdrawals.settle(connection, withdrawalId, body.tx_id)

    deed = Deed(actor, Action.SETTLE_WITHDRAWAL, "", body.reason, {"txId": body.tx_id})
    await _decide(held, deed, withdrawalId, decide)
    return await _details(held, withdrawalId)


@router.post("/withdrawals/{withdrawalId}/fail", tags=["withdrawals"], responses=documented(*_DECISIONS))
async def fail_payout(
    withdrawalId: RecordId,
    body: Because,
    actor: Annotated[Actor, Depends(acting(Action.SETTLE_WITHDRAWAL))],
    held: Held,
) -> WithdrawalDetails:
    """Say that a provider did not and will not send what it took; then it can be rejected or retried."""

    async def decide(connection: Connection) -> None:
        await withdrawals.fail_payout(connection, withdrawalId, body.reason)

    deed = Deed(actor, Action.SETTLE_WITHDRAWAL, "", body.reason, {"step": "fail"})
    await _decide(held, deed, withdrawalId, decide)
    return await _details(held, withdrawalId)


@router.post("/withdrawals/{withdrawalId}/retry", tags=["withdrawals"], responses=documented(*_DECISIONS))
async def retry_payout(
    withdrawalId: RecordId,
    body: Because,
    actor: Annotated[Actor, Depends(acting(Action.SETTLE_WITHDRAWAL))],
    held: Held,
) -> WithdrawalDetails:
    """Let a payout that failed be sent after all."""

    async def decide(connection: Connection) -> None:
        await withdrawals.retry_payout(connection, withdrawalId)

    deed = Deed(actor, Action.SETTLE_WITHDRAWAL, "", body.reason, {"step": "retry"})
    await _decide(held, deed, withdrawalId, decide)
    return await _details(held, withdrawalId)


async def _decide(held: Resources, deed: Deed, withdrawal_id: int, decide: courier.Decide) -> None:
    """Decide and record it in one transaction, and have done what follows."""
    async with held.transaction() as connection:
        withdrawal = await withdrawals.get(connection, withdrawal_id)
        if withdrawal["account_id"] == deed.actor.account_id:
            raise Refused(OWN_WITHDRAWAL)
        command_id = await decide(connection)
        await audit.record(connection, deed._replace(subject=f"withdrawal:{withdrawal_id}"))
    if command_id is not None:
        await held.courier.deliver(command_id)


async def _details(held: Resources, withdrawal_id: int) -> WithdrawalDetails:
    async with held.transaction() as connection:
        row = await withdrawals.get(connection, withdrawal_id)
        given = await connection.fetch(withdrawals.APPROVALS, withdrawal_id)
    approvals = [ApprovalView.model_validate(dict(one)) for one in given]
    return WithdrawalDetails.model_validate({**dict(row), "approvals": approvals})


def staff_withdrawal_view(row: Row) -> StaffWithdrawalView:
    return StaffWithdrawalView.model_validate(dict(row))


# Deposits


@router.get("/deposits", tags=["deposits"], responses=documented(*_ALWAYS))
async def list_deposits(
    _actor: Annotated[Actor, Depends(acting(Action.LIST_DEPOSITS))],
    held: Held,
    status: Annotated[list[str] | None, Query(max_length=16)] = None,
    account_id: Annotated[RecordId | None, Query(alias="accountId")] = None,
    before: Before = LAST_ID,
    limit: Page = 100,
) -> list[StaffDepositView]:
    """List deposits of everyone, the newest first. UNMATCHED ones are nobody's yet."""
    async with held.transaction() as connection:
        listed = deposits.LIST_ALL if account_id is None else deposits.LIST
        rows = await connection.fetch(listed, account_id, None, status, before, limit, EPOCH, FOREVER, None)
    return [_deposit_view(row) for row in rows]


def _deposit_view(row: Row) -> StaffDepositView:
    return StaffDepositView.model_validate(dict(row))


@router.post(
    "/deposits",
    status_code=201,
    tags=["deposits"],
    responses=documented(NOT_HERE, UNKNOWN_ASSET, DEPOSIT_DIFFERS, *_ALWAYS),
)
async def credit_deposit(
    body: Credit, actor: Annotated[Actor, Depends(acting(Action.CREDIT_DEPOSIT))], held: Held
) -> StaffDepositView:
    """Credit money that came in by other ways. With the same ``reference`` it happens once."""
    if await held.callers.account(body.account_id) is None:
        raise Refused(NOT_HERE)
    if body.asset not in held.catalogue.assets:
        raise Refused(UNKNOWN_ASSET)
    address = f"user:{body.account_id}"
    arrival = Arrival(body.asset, OPERATOR_NETWORK, body.reference, 0, address, "", body.amount, 0, actor.name)
    details = {"asset": body.asset, "amount": format_e8(body.amount), "reference": body.reference}
    deed = Deed(actor, Action.CREDIT_DEPOSIT, address, body.reason, details)
    async with held.transaction() as connection:
        deposit_id, command_id = await deposits.record(connection, body.account_id, arrival, 0)
        await audit.record(connection, deed, depositId=deposit_id)
    return await _credited(held, deposit_id, command_id)


@router.post("/deposits/{depositId}/match", tags=["deposits"], responses=documented(NOT_HERE, WRONG_STATUS, *_ALWAYS))
async def match_deposit(
    depositId: RecordId,
    body: Match,
    actor: Annotated[Actor, Depends(acting(Action.CREDIT_DEPOSIT))],
    held: Held,
) -> StaffDepositView:
    """Credit an unmatched deposit to an account."""
    if await held.callers.account(body.account_id) is None:
        raise Refused(NOT_HERE)
    async with held.transaction() as connection:
        command_id = await deposits.match(connection, depositId, body.account_id)
        if command_id is None:
            raise Refused(WRONG_STATUS)
        deed = Deed(actor, Action.CREDIT_DEPOSIT, f"deposit:{depositId}", body.reason)
        await audit.record(connection, deed, accountId=body.account_id)
    return await _credited(held, depositId, command_id)


async def _credited(held: Resources, deposit_id: int, command_id: int | None) -> StaffDepositView:
    if command_id is not None:
        await held.courier.deliver(command_id)
    async with held.transaction() as connection:
        return _deposit_view(await connection.fetchrow(deposits.FIND, deposit_id))


@router.post("/deposit-addresses", tags=["deposits"], responses=documented(UNKNOWN_ASSET, *_ALWAYS))
async def add_deposit_addresses(
    body: SpareAddresses, actor: Annotated[Actor, Depends(acting(Action.ADD_DEPOSIT_ADDRESSES))], held: Held
) -> Added:
    """Add addresses that a provider made, for a network whose ``addresses`` are SPARE."""
    networks = {network.network for asset in held.catalogue.assets.values() for network in asset.network}
    if body.network not in networks:
        raise Refused(UNKNOWN_ASSET)
    async with held.transaction() as connection:
        tag = await connection.execute(deposits.ADD_SPARE, body.network, body.addresses)
        added = int(tag.rpartition(" ")[2])
        deed = Deed(actor, Action.ADD_DEPOSIT_ADDRESSES, f"network:{body.network}", body.reason)
        await audit.record(connection, deed, added=added)
    return Added(added=added)


# Reserves


@router.get("/reserves", tags=["reserves"], responses=documented(*_ALWAYS))
async def show_reserves(_actor: Annotated[Actor, Depends(acting(Action.SHOW_RESERVES))], held: Held) -> ReservesView:
    """Add up what the venue owes, by asset: what it must have, if everyone came for it."""
    async with (
        held.pool.acquire(timeout=held.settings.pool_timeout_s) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        rows = await connection.fetch(people.RESERVES)
        sequence = await connection.fetchval(people.SEQUENCE)
    return ReservesView(sequence=sequence, assets=[_reserve(row) for row in rows])


_PARTS: Final = ("free", "locked", "withdrawing")


def _reserve(row: Row) -> ReserveView:
    parts = {name: int(row[f"{name}_e8"]) for name in _PARTS}
    return ReserveView(
        asset=row["asset"],
        total=format_e8(sum(parts.values())),
        **{name: format_e8(amount_e8) for name, amount_e8 in parts.items()},
        venue=format_e8(int(row["venue_e8"])),
        accounts=row["accounts"],
    )
