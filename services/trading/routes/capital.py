"""Money on networks: where to deposit, what arrived, what was withdrawn, as the dialect tells of it.

The back office decides and remembers; this only translates. A web session cannot withdraw here: it would need no second
factor. It does so at ``/wallet/v1``.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.domain.money import format_e8
from services.trading import errors, queries, render
from services.trading.back_office import UNKNOWN_ASSET
from services.trading.endpoint import Call, Endpoint, NoParameters, Security
from services.trading.errors import DialectError
from services.trading.parameters import (
    AddressText,
    AnyText,
    Decimal8,
    EndTimeUs,
    Flag,
    Long,
    Parameters,
    TimeUs,
    limit_of,
)
from services.trading.schemas import AMOUNT, FLAG, INTEGER, TEXT, listing, record

MAX_ROWS: Final = 1000
MAX_OFFSET: Final = 9_000
SPAN_US: Final = 90 * 24 * 3600 * 1_000_000
_name = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

TOO_LONG: Final = DialectError(-4047, "Time interval must be within 0-90 days")

DEPOSIT_STATUS: Final = {"PENDING": 0, "CREDITING": 0, "CREDITED": 1, "REFUSED": 2}
WITHDRAWAL_STATUS: Final = {
    "REQUESTED": 2,
    "REFUSED": 5,
    "AWAITING_APPROVAL": 2,
    "APPROVED": 4,
    "PROCESSING": 4,
    "PAYOUT_FAILED": 4,
    "SETTLING": 4,
    "COMPLETED": 6,
    "CANCELLING": 1,
    "CANCELLED": 1,
    "REJECTING": 3,
    "REJECTED": 3,
}


class AddressParameters(Parameters):
    coin: AnyText
    network: AnyText | None = None
    amount: Decimal8 | None = None


class _HistoryParameters(Parameters):
    coin: AnyText | None = None
    status: Long | None = None
    start_time: TimeUs | None = None
    end_time: EndTimeUs | None = None
    offset: Long = 0
    limit: limit_of(MAX_ROWS) = MAX_ROWS  # type: ignore[valid-type]


class DepositHistoryParameters(_HistoryParameters):
    include_source: Flag = False
    tx_id: AddressText | None = None


class WithdrawalHistoryParameters(_HistoryParameters):
    withdraw_order_id: AnyText | None = None
    id_list: AnyText | None = None


class WithdrawalParameters(Parameters):
    """``name`` and ``walletType`` change nothing: the address book has the names, and there is one wallet."""

    coin: AnyText
    address: AddressText
    amount: Decimal8
    address_tag: AddressText | None = None
    network: AnyText | None = None
    withdraw_order_id: AnyText | None = None
    transaction_fee_flag: Flag = False
    name: AddressText | None = None
    wallet_type: Long = 0


class AssetParameters(Parameters):
    asset: AnyText | None = None
    need_btc_valuation: Flag = False


async def config(call: Call, _parameters: NoParameters) -> list[dict[str, Any]]:
    """Every asset that is listed or handled by the wallet, with the caller's balance and its networks."""
    markets = (await call.services.markets.all()).values()
    handled = {asset["asset"]: asset for asset in await call.services.back_office.get("assets")}
    rows = {row["asset"]: row for row in await call.services.pool.fetch(queries.BALANCES, call.account_id)}
    listed = {asset for market in markets for asset in (market.base_asset, market.quote_asset)}
    return [
        _coin(asset, rows.get(asset), handled.get(asset), is_listed=asset in listed)
        for asset in sorted(listed | handled.keys())
    ]


def _coin(asset: str, row: Any, handled: dict[str, Any] | None, *, is_listed: bool) -> dict[str, Any]:
    networks = [] if handled is None else handled["networks"]
    return {
        "coin": asset,
        "name": asset if handled is None else handled["name"],
        "free": format_e8(0 if row is None else row["free_e8"]),
        "locked": format_e8(0 if row is None else row["locked_e8"]),
        "freeze": render.ZERO,
        "withdrawing": format_e8(0 if row is None else row["withdrawing_e8"]),
        "ipoing": render.ZERO,
        "ipoable": render.ZERO,
        "storage": render.ZERO,
        "isLegalMoney": False,
        "trading": is_listed,
        "depositAllEnable": any(network["deposits"] for network in networks),
        "withdrawAllEnable": any(network["withdrawals"] for network in networks),
        "networkList": [_network(asset, network) for network in networks],
    }


def _network(asset: str, network: dict[str, Any]) -> dict[str, Any]:
    return {
        "network": network["network"],
        "coin": asset,
        "name": network["name"],
        "isDefault": network["isDefault"],
        "depositEnable": network["deposits"],
        "withdrawEnable": network["withdrawals"],
        "withdrawFee": network["fee"],
        "withdrawMin": network["minimum"],
        "withdrawMax": "9999999999.99999999",
        "withdrawIntegerMultiple": network["step"],
        "minConfirm": network["confirmations"],
        "unLockConfirm": network["confirmations"],
        "addressRegex": network["addressPattern"],
        "memoRegex": "",
        "sameAddress": network["needsMemo"],
        "resetAddressStatus": False,
        "depositDesc": "",
        "withdrawDesc": "",
        "specialTips": "",
        "estimatedArrivalTime": 0,
        "busy": False,
    }


async def deposit_address(call: Call, parameters: AddressParameters) -> dict[str, Any]:
    found = await call.services.back_office.get(
        f"accounts/{call.account_id}/deposit-address",
        asset=_known(parameters.coin),
        network=_known(parameters.network),
    )
    if not found:
        raise UNKNOWN_ASSET
    return {"address": found["address"], "coin": found["asset"], "tag": found["memo"], "url": ""}


async def deposit_history(call: Call, parameters: DepositHistoryParameters) -> list[dict[str, Any]]:
    rows = await _history(call, parameters, "deposits", DEPOSIT_STATUS, txId=parameters.tx_id)
    return [
        {
            "id": str(row["depositId"]),
            "amount": row["amount"],
            "coin": row["asset"],
            "network": row["network"],
            "status": DEPOSIT_STATUS[row["status"]],
            "address": row["address"],
            "addressTag": row["memo"],
            "txId": row["txId"],
            "insertTime": _us(row["createdAt"]) // call.unit,
            "completeTime": _us(row["creditedAt"] or row["createdAt"]) // call.unit,
            "transferType": 0,
            "unlockConfirm": row["confirmationsNeeded"],
            "confirmTimes": f"{row['confirmations']}/{row['confirmationsNeeded']}",
            "walletType": 0,
        }
        for row in rows
    ]


async def withdrawal_history(call: Call, parameters: WithdrawalHistoryParameters) -> list[dict[str, Any]]:
    rows = await _history(
        call, parameters, "withdrawals", WITHDRAWAL_STATUS, withdrawOrderId=parameters.withdraw_order_id
    )
    wanted = None if parameters.id_list is None else set(parameters.id_list.split(","))
    return [_withdrawal(row) for row in rows if wanted is None or str(row["withdrawalId"]) in wanted]


def _withdrawal(row: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "id": str(row["withdrawalId"]),
        "amount": row["amount"],
        "transactionFee": row["fee"],
        "coin": row["asset"],
        "status": WITHDRAWAL_STATUS[row["status"]],
        "address": row["address"],
        "addressTag": row["memo"],
        "txId": row["txId"] or "",
        "applyTime": _clock(row["createdAt"]),
        "network": row["network"],
        "transferType": 0,
        "info": row["note"] or row["refusal"] or "",
        "confirmNo": 0,
        "walletType": 0,
        "txKey": "",
    }
    if row["withdrawOrderId"] is not None:
        shown["withdrawOrderId"] = row["withdrawOrderId"]
    if row["completedAt"] is not None:
        shown["completeTime"] = _clock(row["completedAt"])
    return shown


async def withdraw(call: Call, parameters: WithdrawalParameters) -> dict[str, Any]:
    if call.api_key is None:
        raise errors.KEY_REJECTED
    body = {
        "asset": _known(parameters.coin),
        "network": _known(parameters.network),
        "address": parameters.address,
        "memo": parameters.address_tag or "",
        "amount": format_e8(parameters.amount),
        "withdrawOrderId": parameters.withdraw_order_id,
    }
    call.may_have_acted = True
    made = await call.services.back_office.post(f"accounts/{call.account_id}/withdrawals", body)
    return {"id": str(made["withdrawalId"])}


async def address_list(call: Call, _parameters: NoParameters) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "address": entry["address"],
            "addressTag": entry["memo"],
            "coin": entry["asset"],
            "name": entry["label"],
            "network": entry["network"],
            "origin": "others",
            "originType": "others",
            "whiteStatus": datetime.fromisoformat(entry["usableAt"]) <= now,
        }
        for entry in await call.services.back_office.get(f"accounts/{call.account_id}/address-book")
    ]


async def user_assets(call: Call, parameters: AssetParameters) -> list[dict[str, Any]]:
    """What the account has of anything, or of one asset."""
    rows = await call.services.pool.fetch(queries.BALANCES, call.account_id)
    return [
        {
            "asset": row["asset"],
            "free": format_e8(row["free_e8"]),
            "locked": format_e8(row["locked_e8"]),
            "freeze": render.ZERO,
            "withdrawing": format_e8(row["withdrawing_e8"]),
            "ipoable": render.ZERO,
            "btcValuation": "0",
        }
        for row in rows
        if row["free_e8"] + row["locked_e8"] + row["withdrawing_e8"] and parameters.asset in (None, row["asset"])
    ]


async def funding_assets(_call: Call, _parameters: AssetParameters) -> list[dict[str, Any]]:
    """There is one wallet, and it is the spot one."""
    return []


async def _history(
    call: Call, parameters: _HistoryParameters, what: str, statuses: dict[str, int], **more: Any
) -> list[dict[str, Any]]:
    start_us, end_us = _span(parameters, call.now_us)
    wanted = [name for name, number in statuses.items() if number == parameters.status]
    if parameters.status is not None and not wanted:
        return []
    rows: list[dict[str, Any]] = await call.services.back_office.get(
        f"accounts/{call.account_id}/{what}",
        asset=parameters.coin,
        status=wanted or list(statuses),
        start=(_EPOCH + timedelta(microseconds=start_us)).isoformat(),
        end=(_EPOCH + timedelta(microseconds=end_us)).isoformat(),
        offset=min(parameters.offset, MAX_OFFSET),
        limit=parameters.limit,
        **more,
    )
    return rows


def _span(parameters: _HistoryParameters, now_us: int) -> tuple[int, int]:
    """90 days at most, the last ones unless said otherwise."""
    start_us, end_us = parameters.start_time, parameters.end_time
    if end_us is None:
        end_us = now_us if start_us is None else min(start_us + SPAN_US, now_us)
    if start_us is None:
        start_us = max(end_us - SPAN_US, 0)
    if not 0 <= end_us - start_us <= SPAN_US:
        raise TOO_LONG
    # The end is inclusive here.
    return start_us, min(end_us + 1, 2**52)


def _known(name: str | None) -> str | None:
    if name is not None and _name.fullmatch(name) is None:
        raise UNKNOWN_ASSET
    return name


def _us(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _clock(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


_NETWORK = record(
    **dict.fromkeys(("network", "coin", "name", "withdrawFee", "withdrawMin", "withdrawMax"), TEXT),
    **dict.fromkeys(("withdrawIntegerMultiple", "addressRegex", "memoRegex"), TEXT),
    **dict.fromkeys(("depositDesc", "withdrawDesc", "specialTips"), TEXT),
    **dict.fromkeys(
        ("isDefault", "depositEnable", "withdrawEnable", "sameAddress", "resetAddressStatus", "busy"), FLAG
    ),
    **dict.fromkeys(("minConfirm", "unLockConfirm", "estimatedArrivalTime"), INTEGER),
)
_COIN = record(
    **dict.fromkeys(("coin", "name", "free", "locked", "freeze", "withdrawing", "ipoing", "ipoable", "storage"), TEXT),
    **dict.fromkeys(("isLegalMoney", "trading", "depositAllEnable", "withdrawAllEnable"), FLAG),
    networkList=listing(_NETWORK),
)
_DEPOSIT = record(
    **dict.fromkeys(("id", "coin", "network", "address", "addressTag", "txId", "confirmTimes"), TEXT),
    **dict.fromkeys(("status", "insertTime", "completeTime", "transferType", "unlockConfirm", "walletType"), INTEGER),
    amount=AMOUNT,
)
_WITHDRAWAL = record(
    ("withdrawOrderId", "completeTime"),
    **dict.fromkeys(("id", "coin", "address", "addressTag", "txId", "applyTime", "network", "info", "txKey"), TEXT),
    **dict.fromkeys(("status", "transferType", "confirmNo", "walletType"), INTEGER),
    **dict.fromkeys(("withdrawOrderId", "completeTime"), TEXT),
    amount=AMOUNT,
    transactionFee=AMOUNT,
)
_ENTRY = record(
    **dict.fromkeys(("address", "addressTag", "coin", "name", "network", "origin", "originType"), TEXT),
    whiteStatus=FLAG,
)
_ASSET = record(**dict.fromkeys(("asset", "free", "locked", "freeze", "withdrawing", "ipoable", "btcValuation"), TEXT))

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "GET",
        "/sapi/v1/capital/config/getall",
        Security.USER_DATA,
        NoParameters,
        config,
        "Assets, their networks, and the caller's balances",
        listing(_COIN),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/capital/deposit/address",
        Security.USER_DATA,
        AddressParameters,
        deposit_address,
        "Where to deposit an asset",
        record(address=TEXT, coin=TEXT, tag=TEXT, url=TEXT),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/capital/deposit/hisrec",
        Security.USER_DATA,
        DepositHistoryParameters,
        deposit_history,
        "What arrived over networks",
        listing(_DEPOSIT),
    ),
    Endpoint(
        "POST",
        "/sapi/v1/capital/withdraw/apply",
        Security.WITHDRAW,
        WithdrawalParameters,
        withdraw,
        "Withdraw over a network",
        record(id=TEXT),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/capital/withdraw/history",
        Security.USER_DATA,
        WithdrawalHistoryParameters,
        withdrawal_history,
        "What was withdrawn over networks",
        listing(_WITHDRAWAL),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/capital/withdraw/address/list",
        Security.USER_DATA,
        NoParameters,
        address_list,
        "The address book",
        listing(_ENTRY),
    ),
    Endpoint(
        "POST",
        "/sapi/v3/asset/getUserAsset",
        Security.USER_DATA,
        AssetParameters,
        user_assets,
        "What the account has",
        listing(_ASSET),
    ),
    Endpoint(
        "POST",
        "/sapi/v1/asset/get-funding-asset",
        Security.USER_DATA,
        AssetParameters,
        funding_assets,
        "No funding wallet",
        listing(_ASSET),
    ),
)
