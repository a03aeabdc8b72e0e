"""Money going out, step by step. Each step is one transaction; what the engine must do follows through the courier.

    REQUESTED          written down; the engine is asked to hold amount and fee
    REFUSED            … which it did not: nothing was moved
    AWAITING_APPROVAL  held; people must say yes, as many as ``approvals_needed``
    APPROVED           to be sent
    PROCESSING         a provider has taken it to send it
    PAYOUT_FAILED      … and could not; an operator decides
    SETTLING           sent, under ``tx_id``; the engine is asked to take the money out
    COMPLETED          … which it did
    CANCELLING, CANCELLED    its owner does not want it any more; the engine gives the money back
    REJECTING, REJECTED      the same by staff

``admit`` checks a request, in this order: its own id, asset and network, whether it is open, step, minimum, form of the
address, memo, cool-down of the account, address book, frozen account, daily limit. The second factor comes next, so
that no code is used up in vain, and the balance last: that is the engine's.
"""

from dataclasses import dataclass
from typing import Any, Final

from services.backoffice import address_book, courier, limits
from services.backoffice.assets_file import Asset, Catalogue, Network
from services.backoffice.errors import (
    ACCOUNT_FROZEN,
    ADDRESS_COOLING_DOWN,
    ADDRESS_NOT_IN_BOOK,
    AMOUNT_BELOW_MINIMUM,
    AMOUNT_OFF_STEP,
    COOLING_DOWN,
    DAILY_LIMIT_EXCEEDED,
    ID_USED_DIFFERENTLY,
    INVALID_ADDRESS,
    MEMO_NEEDED,
    NOT_HERE,
    TX_ID_DIFFERS,
    UNKNOWN_ASSET,
    WITHDRAWALS_DISABLED,
    WRONG_STATUS,
)
from services.domain.commands import HoldWithdrawal, RejectWithdrawal, SettleWithdrawal
from services.domain.refusals import Refusal
from services.infra.problems import Problem, Refused
from services.infra.transactions import Connection

Row = Any

_COLUMNS: Final = """
withdrawal_id, account_id, client_id, asset, network, address, memo, amount_e8, fee_e8, source, approvals_needed,
status, refusal, note, provider, tx_id, created_at, updated_at, completed_at
"""
ADD: Final = f"""
INSERT INTO backoffice.withdrawals (account_id, client_id, asset, network, address, memo, amount_e8, fee_e8, source,
    approvals_needed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {_COLUMNS}
"""  # noqa: S608
FIND: Final = f"SELECT {_COLUMNS} FROM backoffice.withdrawals WHERE withdrawal_id = $1"  # noqa: S608
FIND_OWN: Final = f"{FIND} AND account_id = $2"
FIND_BY_CLIENT_ID: Final = f"""
SELECT {_COLUMNS} FROM backoffice.withdrawals WHERE account_id = $1 AND client_id = $2
"""  # noqa: S608
# Every change of status names the statuses it may start from.
ADVANCE: Final = f"""
UPDATE backoffice.withdrawals
SET status = $2, updated_at = now(), refusal = coalesce($4, refusal), note = coalesce($5, note),
    tx_id = coalesce($6, tx_id), provider = coalesce($7, provider),
    completed_at = CASE WHEN $2 IN ('COMPLETED', 'CANCELLED', 'REJECTED', 'REFUSED') THEN now() END
WHERE withdrawal_id = $1 AND status = ANY ($3::text[]) RETURNING {_COLUMNS}
"""  # noqa: S608
_LIST: Final = f"""
SELECT {_COLUMNS} FROM backoffice.withdrawals
WHERE {{whose}} AND ($2::text IS NULL OR asset = $2)
    AND ($3::text[] IS NULL OR status = ANY ($3)) AND withdrawal_id < $4
    AND created_at >= $6 AND created_at < $7 AND ($8::text IS NULL OR client_id = $8)
ORDER BY withdrawal_id DESC LIMIT $5
"""  # noqa: S608
# Two statements, because one plan would not do for both: of one account, and of everyone.
LIST: Final = _LIST.format(whose="account_id = $1")
LIST_ALL: Final = _LIST.format(whose="$1::bigint IS NULL")
APPROVE: Final = "INSERT INTO backoffice.approvals (withdrawal_id, actor, reason) VALUES ($1, $2, $3)"
COUNT_APPROVALS: Final = "SELECT count(*) FROM backoffice.approvals WHERE withdrawal_id = $1"
APPROVALS: Final = """
SELECT actor, reason, created_at FROM backoffice.approvals WHERE withdrawal_id = $1 ORDER BY created_at, actor
"""
# Oldest first, each taken by one provider. Those of frozen accounts wait.
CLAIM: Final = f"""
UPDATE backoffice.withdrawals SET status = 'PROCESSING', provider = $1, updated_at = now()
WHERE withdrawal_id IN (
    SELECT withdrawal_id FROM backoffice.withdrawals WHERE status = 'APPROVED' AND network = ANY ($2::text[])
        AND NOT EXISTS (
            SELECT FROM exchange.account_standing AS standing
            WHERE standing.account_id = withdrawals.account_id AND standing.status = 'FROZEN'
        )
    ORDER BY withdrawal_id LIMIT $3 FOR UPDATE SKIP LOCKED
) RETURNING {_COLUMNS}
"""  # noqa: S608
TAKEN: Final = f"""
SELECT {_COLUMNS} FROM backoffice.withdrawals WHERE status = 'PROCESSING' AND provider = $1
ORDER BY withdrawal_id LIMIT $2
"""  # noqa: S608
PAYABLE: Final = ("APPROVED", "PROCESSING", "PAYOUT_FAILED")


@dataclass(frozen=True, slots=True)
class Wish:
    """``total_e8`` leaves the account; the network's fee is paid from it. Without ``network`` the asset's default."""

    asset: str
    network: str | None
    address: str
    memo: str
    total_e8: int
    client_id: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Admitted:
    asset: Asset
    network: Network


def form_problem(network: Network, address: str, memo: str) -> Problem | None:
    if not network.is_address(address):
        return INVALID_ADDRESS
    return MEMO_NEEDED if network.needs_memo and not memo else None


async def repeated(connection: Connection, account_id: int, wish: Wish) -> Row | None:
    """Return what was asked for under this id of the client's before; refuse if that was something else."""
    if wish.client_id is None:
        return None
    earlier = await connection.fetchrow(FIND_BY_CLIENT_ID, account_id, wish.client_id)
    if earlier is None:
        return None
    now = (wish.asset, wish.network or earlier["network"], wish.address, wish.memo, wish.total_e8)
    before = tuple(earlier[name] for name in ("asset", "network", "address", "memo"))
    if now != (*before, earlier["amount_e8"] + earlier["fee_e8"]):
        raise Refused(ID_USED_DIFFERENTLY)
    return earlier


async def admit(
    connection: Connection,
    catalogue: Catalogue,
    account_id: int,
    wish: Wish,
    standing: limits.Standing,
    *,
    second_factor: bool,
) -> Admitted:
    """Let the request pass, or refuse it for the first thing that is wrong."""
    found = catalogue.network(wish.asset, wish.network)
    if found is None:
        raise Refused(UNKNOWN_ASSET)
    asset, network = found
    problem = _amount_problem(network, wish.total_e8) or form_problem(network, wish.address, wish.memo)
    if problem is None and standing.is_locked:
        problem = COOLING_DOWN
    if problem is None and standing.book_only:
        problem = await _book_problem(connection, account_id, network, wish)
    if problem is None and await limits.is_frozen(connection, account_id):
        problem = ACCOUNT_FROZEN
    if problem is None:
        limit_e8 = catalogue.limit_e8(asset, standing.limit_tier, second_factor=second_factor)
        if await limits.spent_e8(connection, account_id, asset.asset) + wish.total_e8 > limit_e8:
            problem = DAILY_LIMIT_EXCEEDED
    if problem is not None:
        raise Refused(problem)
    return Admitted(asset, network)


def _amount_problem(network: Network, total_e8: int) -> Problem | None:
    if not network.withdrawals:
        return WITHDRAWALS_DISABLED
    if total_e8 % network.step_e8:
        return AMOUNT_OFF_STEP
    return AMOUNT_BELOW_MINIMUM if total_e8 < network.minimum_e8 else None


async def _book_problem(connection: Connection, account_id: int, network: Network, wish: Wish) -> Problem | None:
    usable = await address_book.is_usable(
        connection, account_id, asset=wish.asset, network=network.network, address=wish.address, memo=wish.memo
    )
    if usable is None:
        return ADDRESS_NOT_IN_BOOK
    return None if usable else ADDRESS_COOLING_DOWN


async def request(connection: Connection, account_id: int, wish: Wish, admitted: Admitted) -> tuple[Row, int]:
    """Write down what was admitted; return it and the command that holds the money."""
    fee_e8 = admitted.network.fee_e8
    withdrawal = await connection.fetchrow(
        ADD,
        *(account_id, wish.client_id, wish.asset, admitted.network.network, wish.address, wish.memo),
        *(wish.total_e8 - fee_e8, fee_e8, wish.source, admitted.asset.approvals_needed(wish.total_e8)),
    )
    assert withdrawal is not None, "an insert returns its row"
    reference = reference_of(withdrawal["withdrawal_id"])
    command = HoldWithdrawal(account_id, wish.asset, withdrawal["amount_e8"], fee_e8, reference)
    return withdrawal, await courier.enqueue(connection, "HOLD", reference, command)


def reference_of(withdrawal_id: int) -> str:
    return f"withdrawal:{withdrawal_id}"


async def get(connection: Connection, withdrawal_id: int, *, account_id: int | None = None) -> Row:
    """Return a withdrawal, of this account if one is named; refuse if there is none such."""
    if account_id is None:
        row = await connection.fetchrow(FIND, withdrawal_id)
    else:
        row = await connection.fetchrow(FIND_OWN, withdrawal_id, account_id)
    if row is None:
        raise Refused(NOT_HERE)
    return row


async def advance(
    connection: Connection,
    withdrawal_id: int,
    status: str,
    *,
    of: tuple[str, ...],
    refusal: str | None = None,
    note: str | None = None,
    tx_id: str | None = None,
    provider: str | None = None,
) -> Row:
    """Go to ``status`` from one ``of`` these, or refuse."""
    row = await connection.fetchrow(ADVANCE, withdrawal_id, status, list(of), refusal, note, tx_id, provider)
    if row is None:
        raise Refused(WRONG_STATUS)
    return row


async def cancel(connection: Connection, withdrawal_id: int) -> int:
    """Its owner takes it back, before it is approved; return the command that gives the money back."""
    await advance(connection, withdrawal_id, "CANCELLING", of=("AWAITING_APPROVAL",))
    return await _give_back(connection, withdrawal_id)


async def approve(connection: Connection, withdrawal_id: int, actor: str, reason: str) -> Row:
    """Say yes. Nobody counts twice: the second row of one person violates ``approvals_pkey``."""
    await advance(connection, withdrawal_id, "AWAITING_APPROVAL", of=("AWAITING_APPROVAL",))
    await connection.execute(APPROVE, withdrawal_id, actor, reason)
    withdrawal = await get(connection, withdrawal_id)
    if await connection.fetchval(COUNT_APPROVALS, withdrawal_id) < withdrawal["approvals_needed"]:
        return withdrawal
    return await advance(connection, withdrawal_id, "APPROVED", of=("AWAITING_APPROVAL",))


async def reject(connection: Connection, withdrawal_id: int, note: str) -> int:
    """Staff turn it down. What a provider is sending must come back from there first."""
    of = ("AWAITING_APPROVAL", "APPROVED", "PAYOUT_FAILED")
    await advance(connection, withdrawal_id, "REJECTING", of=of, note=note)
    return await _give_back(connection, withdrawal_id)


async def settle(connection: Connection, withdrawal_id: int, tx_id: str, *, provider: str | None = None) -> int | None:
    """It was sent; return the command that takes the money out, None if that was said before."""
    withdrawal = await connection.fetchrow(f"{FIND} FOR UPDATE", withdrawal_id)
    if withdrawal is None:
        raise Refused(NOT_HERE)
    if withdrawal["status"] in {"SETTLING", "COMPLETED"}:
        if withdrawal["tx_id"] != tx_id:
            raise Refused(TX_ID_DIFFERS)
        return None
    await advance(connection, withdrawal_id, "SETTLING", of=PAYABLE, tx_id=tx_id, provider=provider)
    reference = reference_of(withdrawal_id)
    return await courier.enqueue(connection, "SETTLE", reference, SettleWithdrawal(reference))


async def fail_payout(connection: Connection, withdrawal_id: int, note: str) -> Row:
    """It could not be sent; saying so again changes nothing."""
    return await advance(connection, withdrawal_id, "PAYOUT_FAILED", of=("PROCESSING", "PAYOUT_FAILED"), note=note)


async def retry_payout(connection: Connection, withdrawal_id: int) -> Row:
    return await advance(connection, withdrawal_id, "APPROVED", of=("PAYOUT_FAILED",))


async def _give_back(connection: Connection, withdrawal_id: int) -> int:
    reference = reference_of(withdrawal_id)
    return await courier.enqueue(connection, "REJECT", reference, RejectWithdrawal(reference))


async def follow(connection: Connection, kind: str, withdrawal_id: int, refusal: Refusal | None) -> None:
    """What became of a command. The engine holds what it was told to hold, so only a hold can be refused."""
    if kind == "HOLD":
        if refusal is not None:
            await advance(connection, withdrawal_id, "REFUSED", of=("REQUESTED",), refusal=refusal.value)
            return
        withdrawal = await get(connection, withdrawal_id)
        status = "AWAITING_APPROVAL" if withdrawal["approvals_needed"] else "APPROVED"
        await advance(connection, withdrawal_id, status, of=("REQUESTED",))
        return
    assert refusal is None, f"{kind} of withdrawal {withdrawal_id} was refused: {refusal}"
    if kind == "SETTLE":
        await advance(connection, withdrawal_id, "COMPLETED", of=("SETTLING",))
        return
    withdrawal = await get(connection, withdrawal_id)
    ended = {"CANCELLING": "CANCELLED", "REJECTING": "REJECTED"}[withdrawal["status"]]
    await advance(connection, withdrawal_id, ended, of=(withdrawal["status"],))
