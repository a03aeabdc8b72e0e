"""What trading asks for its ``/sapi/v1/capital`` routes, under ``/internal``. A gateway must not route these."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from services.backoffice import address_book, deposits, sending, withdrawals
from services.backoffice.callers import internal_only
from services.backoffice.resources import Held
from services.backoffice.wallet_routes import (
    EPOCH,
    FOREVER,
    assets_view,
    deposit_address,
    deposit_view,
    withdrawal_view,
)
from services.backoffice.wire import (
    LAST_ID,
    PAGE_MAX,
    AssetName,
    AssetView,
    DepositAddressView,
    DepositView,
    EntryView,
    Moment,
    NetworkName,
    RecordId,
    WithdrawalFromTrading,
    WithdrawalView,
)
from services.infra.problems import (
    BODY_TOO_LARGE,
    BUSY,
    INVALID_INTERNAL_CREDENTIAL,
    INVALID_REQUEST,
    UNAVAILABLE,
    documented,
)

_ALWAYS = (INVALID_INTERNAL_CREDENTIAL, INVALID_REQUEST, BODY_TOO_LARGE, BUSY, UNAVAILABLE)
MAX_OFFSET = 10_000

Row = Any
# Compared as it is with what is on record.
Wanted = Annotated[str, Field(max_length=128, pattern="^[ -~]*$")]
Statuses = Annotated[list[Wanted] | None, Query(alias="status", max_length=16)]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]
Limit = Annotated[int, Query(ge=1, le=2 * PAGE_MAX)]

router = APIRouter(
    prefix="/internal", tags=["internal"], dependencies=[Depends(internal_only)], responses=documented(*_ALWAYS)
)


@router.get("/assets")
async def list_assets(held: Held) -> list[AssetView]:
    """List what the wallet handles."""
    return assets_view(held)


@router.get("/accounts/{account_id}/deposit-address")
async def read_deposit_address(
    account_id: RecordId, held: Held, asset: AssetName, network: NetworkName | None = None
) -> DepositAddressView:
    """Say where the account is paid."""
    return await deposit_address(held, account_id, asset, network)


@router.get("/accounts/{account_id}/deposits")
async def list_deposits(
    account_id: RecordId,
    held: Held,
    asset: Wanted | None = None,
    status: Statuses = None,
    start: Moment = EPOCH,
    end: Moment = FOREVER,
    tx_id: Annotated[Wanted | None, Query(alias="txId")] = None,
    offset: Offset = 0,
    limit: Limit = PAGE_MAX,
) -> list[DepositView]:
    """List what was seen to arrive, the newest first."""
    async with held.transaction() as connection:
        rows = await connection.fetch(
            deposits.LIST, account_id, asset, status, LAST_ID, offset + limit, start, end, tx_id
        )
    return [deposit_view(row) for row in rows[offset:]]


@router.get("/accounts/{account_id}/withdrawals")
async def list_withdrawals(
    account_id: RecordId,
    held: Held,
    asset: Wanted | None = None,
    status: Statuses = None,
    start: Moment = EPOCH,
    end: Moment = FOREVER,
    withdraw_order_id: Annotated[Wanted | None, Query(alias="withdrawOrderId")] = None,
    offset: Offset = 0,
    limit: Limit = PAGE_MAX,
) -> list[WithdrawalView]:
    """List the withdrawals, the newest first."""
    async with held.transaction() as connection:
        rows = await connection.fetch(
            withdrawals.LIST, account_id, asset, status, LAST_ID, offset + limit, start, end, withdraw_order_id
        )
    return [withdrawal_view(row) for row in rows[offset:]]


@router.post("/accounts/{account_id}/withdrawals", status_code=201)
async def withdraw(account_id: RecordId, body: WithdrawalFromTrading, held: Held) -> WithdrawalView:
    """Send money away for an API key that may withdraw."""
    return withdrawal_view(await sending.withdraw(held, account_id, body.wish(sending.BY_API_KEY), None))


@router.get("/accounts/{account_id}/address-book")
async def list_entries(account_id: RecordId, held: Held) -> list[EntryView]:
    """List the addresses, oldest first."""
    async with held.transaction() as connection:
        rows = await connection.fetch(address_book.LIST, account_id)
    return [EntryView.model_validate(dict(row)) for row in rows]
