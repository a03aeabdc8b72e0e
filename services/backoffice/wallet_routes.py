"""The wallet, under ``/wallet/v1``: for users who are signed in, each about their own account only."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from services.backoffice import address_book, deposits, limits, sending, statements, transfers, withdrawals
from services.backoffice.assets_file import Network
from services.backoffice.errors import (
    ACCOUNT_FROZEN,
    ADDRESS_COOLING_DOWN,
    ADDRESS_NOT_IN_BOOK,
    ALREADY_THERE,
    AMOUNT_BELOW_MINIMUM,
    AMOUNT_OFF_STEP,
    BOOK_FULL,
    COOLING_DOWN,
    DAILY_LIMIT_EXCEEDED,
    DEPOSITS_DISABLED,
    ENGINE_REFUSED,
    ID_USED_DIFFERENTLY,
    INSUFFICIENT_BALANCE,
    INVALID_ADDRESS,
    MEMO_NEEDED,
    NO_ADDRESS_LEFT,
    NOT_HERE,
    RANGE_TOO_LONG,
    RANGE_TOO_OLD,
    SECOND_FACTOR_NEEDED,
    SECOND_FACTOR_WRONG,
    TOO_MANY_CODES,
    TOO_MANY_TRANSFERS,
    UNKNOWN_ASSET,
    WITHDRAWALS_DISABLED,
    WRONG_STATUS,
)
from services.backoffice.resources import Held, Resources
from services.backoffice.wire import (
    LAST_ID,
    AssetName,
    AssetView,
    Before,
    DepositAddressView,
    DepositView,
    EntryChanges,
    EntryView,
    LimitsView,
    LimitView,
    Moment,
    NetworkName,
    NetworkView,
    NewEntry,
    Page,
    Preferences,
    RecordId,
    TransferAccepted,
    TransferRequest,
    TransferView,
    WithdrawalRequest,
    WithdrawalView,
    utc_us,
)
from services.infra.callers import Account, Bearer
from services.infra.problems import (
    BODY_TOO_LARGE,
    BUSY,
    INVALID_ACCESS_TOKEN,
    INVALID_REQUEST,
    UNAVAILABLE,
    Refused,
    documented,
)

Row = Any

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_ALWAYS = (INVALID_ACCESS_TOKEN, INVALID_REQUEST, BUSY, UNAVAILABLE)
_WITH_BODY = (BODY_TOO_LARGE, *_ALWAYS)
_WITH_CODE = (SECOND_FACTOR_NEEDED, SECOND_FACTOR_WRONG, TOO_MANY_CODES, *_WITH_BODY)


async def _never_store(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix="/wallet/v1", dependencies=[Depends(_never_store)])


# What there is


@router.get("/assets", tags=["wallet"], responses=documented(*_ALWAYS))
async def list_assets(_caller: Bearer, held: Held) -> list[AssetView]:
    """List what the wallet handles, over which networks, and what that costs."""
    return assets_view(held)


def assets_view(held: Resources) -> list[AssetView]:
    return [
        AssetView(
            asset=asset.asset,
            name=asset.name,
            networks=[
                _network_view(network, is_default=not position) for position, network in enumerate(asset.network)
            ],
        )
        for asset in held.catalogue.assets.values()
    ]


def _network_view(network: Network, *, is_default: bool) -> NetworkView:
    return NetworkView(
        network=network.network,
        name=network.name,
        is_default=is_default,
        deposits=network.deposits,
        withdrawals=network.withdrawals,
        minimum=network.minimum_e8,
        fee=network.fee_e8,
        step=network.step_e8,
        confirmations=network.confirmations,
        needs_memo=network.needs_memo,
        address_pattern=network.address_pattern,
    )


# Deposits


@router.get(
    "/deposit-address",
    tags=["deposits"],
    responses=documented(UNKNOWN_ASSET, DEPOSITS_DISABLED, NO_ADDRESS_LEFT, *_ALWAYS),
)
async def read_deposit_address(
    caller: Bearer, held: Held, asset: AssetName, network: NetworkName | None = None
) -> DepositAddressView:
    """Say where to send an asset to; the address is made when it is first asked for, and stays."""
    return await deposit_address(held, caller.account_id, asset, network)


async def deposit_address(held: Resources, account_id: int, asset: str, network: str | None) -> DepositAddressView:
    found = held.catalogue.network(asset, network)
    if found is None:
        raise Refused(UNKNOWN_ASSET)
    if not found[1].deposits:
        raise Refused(DEPOSITS_DISABLED)
    async with held.transaction() as connection:
        row = await deposits.address_of(connection, account_id, *found)
    return DepositAddressView(asset=asset, network=row["network"], address=row["address"], memo=row["memo"])


@router.get("/deposits", tags=["deposits"], responses=documented(*_ALWAYS))
async def list_deposits(
    caller: Bearer, held: Held, asset: AssetName | None = None, before: Before = LAST_ID, limit: Page = 100
) -> list[DepositView]:
    """List what was seen to arrive, the newest first."""
    async with held.transaction() as connection:
        rows = await connection.fetch(
            deposits.LIST, caller.account_id, asset, None, before, limit, EPOCH, FOREVER, None
        )
    return [deposit_view(row) for row in rows]


def deposit_view(row: Row) -> DepositView:
    return DepositView.model_validate({name: row[name] for name in _DEPOSIT_COLUMNS})


_DEPOSIT_COLUMNS: Final = (
    *("deposit_id", "asset", "network", "tx_id", "tx_index", "address", "memo", "amount_e8", "confirmations"),
    *("confirmations_needed", "status", "created_at", "credited_at"),
)


# The address book


@router.get("/address-book", tags=["address book"], responses=documented(*_ALWAYS))
async def list_entries(caller: Bearer, held: Held) -> list[EntryView]:
    """List the addresses, oldest first."""
    async with held.transaction() as connection:
        rows = await connection.fetch(address_book.LIST, caller.account_id)
    return [EntryView.model_validate(dict(row)) for row in rows]


@router.post(
    "/address-book",
    status_code=201,
    tags=["address book"],
    responses=documented(UNKNOWN_ASSET, INVALID_ADDRESS, MEMO_NEEDED, ALREADY_THERE, BOOK_FULL, *_WITH_CODE),
)
async def add_entry(body: NewEntry, caller: Bearer, held: Held) -> EntryView:
    """Add an address. It can be used from ``usableAt`` on if the account sends to its address book only."""
    network = sending.network_of(held, body.asset, body.network)
    problem = withdrawals.form_problem(network, body.address, body.memo)
    if problem is not None:
        raise Refused(problem)
    await sending.check_code(held, await sending.account_of(held, caller.account_id), body.code)
    async with held.transaction() as connection:
        await limits.lock(connection, caller.account_id)
        row = await address_book.add(
            connection,
            caller.account_id,
            label=body.label,
            asset=body.asset,
            network=network.network,
            address=body.address,
            memo=body.memo,
            cool_down_s=held.settings.address_cool_down_s,
            max_entries=held.settings.max_address_book_entries,
        )
    return EntryView.model_validate(dict(row))


@router.patch("/address-book/{entryId}", tags=["address book"], responses=documented(NOT_HERE, *_WITH_BODY))
async def rename_entry(entryId: RecordId, body: EntryChanges, caller: Bearer, held: Held) -> EntryView:
    """Give an address another name."""
    async with held.transaction() as connection:
        row = await connection.fetchrow(address_book.RENAME, caller.account_id, entryId, body.label)
    if row is None:
        raise Refused(NOT_HERE)
    return EntryView.model_validate(dict(row))


@router.delete(
    "/address-book/{entryId}", status_code=204, tags=["address book"], responses=documented(NOT_HERE, *_ALWAYS)
)
async def delete_entry(entryId: RecordId, caller: Bearer, held: Held) -> None:
    """Delete an address."""
    async with held.transaction() as connection:
        if not await connection.fetchval(address_book.DELETE, caller.account_id, entryId):
            raise Refused(NOT_HERE)


@router.get("/limits", tags=["wallet"], responses=documented(*_ALWAYS))
async def read_limits(caller: Bearer, held: Held) -> LimitsView:
    """Say what may leave the account within 24 hours, and how much of that is left."""
    account = await sending.account_of(held, caller.account_id)
    return await limits_view(held, account)


async def limits_view(held: Resources, account: Account) -> LimitsView:
    account_id, second_factor = account.account_id, account.has_second_factor
    async with held.transaction() as connection:
        standing = sending.standing_of(held, account, await limits.read(connection, account_id))
        frozen = await limits.is_frozen(connection, account_id)
        shown = []
        for asset in held.catalogue.assets.values():
            limit_e8 = held.catalogue.limit_e8(asset, standing.limit_tier, second_factor=second_factor)
            left_e8 = max(limit_e8 - await limits.spent_e8(connection, account_id, asset.asset), 0)
            shown.append(LimitView(asset=asset.asset, limit=limit_e8, left=left_e8))
    return LimitsView(
        tier=standing.limit_tier,
        withdraw_to="BOOK" if standing.book_only else "ANY",
        locked_until=standing.locked_until if standing.is_locked else None,
        frozen=frozen,
        second_factor=second_factor,
        limits=shown,
    )


@router.put("/preferences", tags=["wallet"], responses=documented(*_WITH_CODE))
async def change_preferences(body: Preferences, caller: Bearer, held: Held) -> LimitsView:
    """Say where the account sends money to. Allowing more keeps everything in for a while."""
    account = await sending.account_of(held, caller.account_id)
    await sending.check_code(held, account, body.code)
    async with held.transaction() as connection:
        standing = await limits.lock(connection, caller.account_id)
        weaker = standing.book_only and body.withdraw_to == "ANY"
        cool_down_s = held.settings.security_cool_down_s if weaker else 0
        await connection.execute(limits.SET_WITHDRAW_TO, caller.account_id, body.withdraw_to, cool_down_s)
    return await limits_view(held, account)


# Withdrawals


@router.post(
    "/withdrawals",
    status_code=201,
    tags=["withdrawals"],
    responses=documented(
        *(UNKNOWN_ASSET, ID_USED_DIFFERENTLY, WITHDRAWALS_DISABLED, AMOUNT_OFF_STEP, AMOUNT_BELOW_MINIMUM),
        *(INVALID_ADDRESS, MEMO_NEEDED, COOLING_DOWN, ADDRESS_NOT_IN_BOOK, ADDRESS_COOLING_DOWN, ACCOUNT_FROZEN),
        *(DAILY_LIMIT_EXCEEDED, INSUFFICIENT_BALANCE, ENGINE_REFUSED, NOT_HERE, *_WITH_CODE),
    ),
)
async def withdraw(body: WithdrawalRequest, caller: Bearer, held: Held) -> WithdrawalView:
    """Send money away. With the same ``withdrawOrderId`` it happens once; without one, every request is a new one."""
    wish = await _wish(held, caller.account_id, body)
    return withdrawal_view(await sending.withdraw(held, caller.account_id, wish, body.code))


async def _wish(held: Resources, account_id: int, body: WithdrawalRequest) -> withdrawals.Wish:
    network, address, memo = body.network, body.address, body.memo
    if body.entry_id is not None:
        async with held.transaction() as connection:
            entry = await connection.fetchrow(address_book.GET, account_id, body.entry_id)
        if entry is None or entry["asset"] != body.asset:
            raise Refused(NOT_HERE)
        network, address, memo = entry["network"], entry["address"], entry["memo"]
    if address is None:
        raise Refused(INVALID_ADDRESS)
    return withdrawals.Wish(body.asset, network, address, memo, body.amount, body.withdraw_order_id, sending.BY_SESSION)


@router.get("/withdrawals", tags=["withdrawals"], responses=documented(*_ALWAYS))
async def list_withdrawals(
    caller: Bearer, held: Held, asset: AssetName | None = None, before: Before = LAST_ID, limit: Page = 100
) -> list[WithdrawalView]:
    """List the withdrawals, the newest first."""
    async with held.transaction() as connection:
        rows = await connection.fetch(
            withdrawals.LIST, caller.account_id, asset, None, before, limit, EPOCH, FOREVER, None
        )
    return [withdrawal_view(row) for row in rows]


@router.get("/withdrawals/{withdrawalId}", tags=["withdrawals"], responses=documented(NOT_HERE, *_ALWAYS))
async def read_withdrawal(withdrawalId: RecordId, caller: Bearer, held: Held) -> WithdrawalView:
    """Say how far a withdrawal is."""
    async with held.transaction() as connection:
        row = await withdrawals.get(connection, withdrawalId, account_id=caller.account_id)
    return withdrawal_view(row)


@router.post(
    "/withdrawals/{withdrawalId}/cancel",
    tags=["withdrawals"],
    responses=documented(NOT_HERE, WRONG_STATUS, *_WITH_BODY),
)
async def cancel_withdrawal(withdrawalId: RecordId, caller: Bearer, held: Held) -> WithdrawalView:
    """Take a withdrawal back that nobody has approved yet."""
    async with held.transaction() as connection:
        await withdrawals.get(connection, withdrawalId, account_id=caller.account_id)
        command_id = await withdrawals.cancel(connection, withdrawalId)
    await held.courier.deliver(command_id)
    async with held.transaction() as connection:
        return withdrawal_view(await withdrawals.get(connection, withdrawalId))


def withdrawal_view(row: Row) -> WithdrawalView:
    return WithdrawalView.model_validate({name: row[name] for name in _WITHDRAWAL_COLUMNS})


_WITHDRAWAL_COLUMNS: Final = (
    *("withdrawal_id", "client_id", "asset", "network", "address", "memo", "amount_e8", "fee_e8", "status", "refusal"),
    *("note", "tx_id", "created_at", "updated_at", "completed_at"),
)


# Transfers


@router.post(
    "/transfers",
    status_code=202,
    tags=["transfers"],
    responses=documented(
        *(UNKNOWN_ASSET, ID_USED_DIFFERENTLY, COOLING_DOWN, ACCOUNT_FROZEN, DAILY_LIMIT_EXCEEDED),
        *(INSUFFICIENT_BALANCE, TOO_MANY_TRANSFERS, *_WITH_CODE),
    ),
)
async def transfer(body: TransferRequest, caller: Bearer, held: Held) -> TransferAccepted:
    """Send money to another user here. The answer does not tell whether there is such a user."""
    wish = transfers.Wish(body.recipient, body.asset, body.amount, body.transfer_order_id)
    row = await sending.transfer(held, caller.account_id, wish, body.code)
    return TransferAccepted(transfer_id=row["transfer_id"])


@router.get("/transfers", tags=["transfers"], responses=documented(*_ALWAYS))
async def list_transfers(caller: Bearer, held: Held, before: Before = LAST_ID, limit: Page = 100) -> list[TransferView]:
    """List what was sent to and received from other users, the newest first."""
    async with held.transaction() as connection:
        rows = await connection.fetch(transfers.LIST, caller.account_id, before, limit)
    return [_transfer_view(row, caller.account_id) for row in rows]


def _transfer_view(row: Row, account_id: int) -> TransferView:
    """Each side sees its own: not what the other calls it."""
    is_sender = row["account_id"] == account_id
    return TransferView(
        transfer_id=row["transfer_id"],
        direction="OUT" if is_sender else "IN",
        transfer_order_id=row["client_id"] if is_sender else None,
        recipient=row["recipient"] if is_sender else None,
        sender_account_id=None if is_sender else row["account_id"],
        asset=row["asset"],
        amount=row["amount_e8"],
        status=row["status"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
    )


# The statement


@router.get(
    "/statement.csv",
    tags=["statement"],
    response_class=StreamingResponse,
    responses={**documented(RANGE_TOO_LONG, RANGE_TOO_OLD, *_ALWAYS), 200: {"content": {"text/csv": {}}}},
)
async def download_statement(
    caller: Bearer,
    held: Held,
    start: Annotated[Moment, Query(alias="from", description="A date, or a time; UTC unless it says otherwise.")],
    end: Annotated[Moment | None, Query(alias="to", description="Up to then, now if left out.")] = None,
) -> StreamingResponse:
    """Download every movement of a time as CSV, with the balances before and after."""
    start_us = utc_us(start)
    end_us = held.clock() if end is None else utc_us(end)
    if not 0 <= start_us <= end_us or end_us - start_us > held.settings.max_statement_days * 86_400_000_000:
        raise Refused(RANGE_TOO_LONG)
    if held.statements.locked():
        raise Refused(BUSY)
    headers = {"Content-Disposition": 'attachment; filename="statement.csv"', "Cache-Control": "no-store"}
    content = _statement(held, caller.account_id, start_us, end_us)
    # Until the first lines are there, it can still be refused properly.
    first = await anext(content)
    return StreamingResponse(_all(first, content), media_type="text/csv; charset=utf-8", headers=headers)


async def _all(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first
        async for lines in rest:
            yield lines


async def _statement(held: Resources, account_id: int, start_us: int, end_us: int) -> AsyncGenerator[bytes, None]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(held.statements)
        connection = await stack.enter_async_context(held.pool.acquire(timeout=held.settings.pool_timeout_s))
        await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        await connection.execute(f"SET LOCAL statement_timeout = {held.settings.statement_timeout_s * 1000}")
        timeout_s = held.settings.statement_timeout_s
        if start_us < await statements.earliest_us(connection):
            raise Refused(RANGE_TOO_OLD)
        async for lines in statements.write(connection, account_id, start_us, end_us, timeout_s=timeout_s):
            yield lines
