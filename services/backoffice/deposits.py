"""Money coming in: where an account can be paid, and what was seen to arrive there.

A deposit is one output of a transaction: network, transaction id and index name it, however often and by whomever it is
reported. It is credited once, when it has enough confirmations. What arrives where nobody is known to be is kept as
UNMATCHED for an operator to look at.
"""

import base64
import secrets
from dataclasses import dataclass
from typing import Any, Final

from services.backoffice import courier
from services.backoffice.assets_file import Asset, Network
from services.backoffice.errors import DEPOSIT_DIFFERS, NO_ADDRESS_LEFT
from services.domain.commands import Deposit
from services.domain.refusals import Refusal
from services.infra.problems import Refused
from services.infra.transactions import Connection

Row = Any

OPERATOR_NETWORK: Final = "OPERATOR"
REFERENCE_BYTES: Final = 10
MEMO_DIGITS: Final = 10

# Two requests for one new address wait for each other here.
LOCK_ACCOUNT: Final = """
INSERT INTO backoffice.accounts (account_id) VALUES ($1) ON CONFLICT (account_id) DO UPDATE SET account_id = $1
"""
FIND_ADDRESS: Final = """
SELECT account_id, asset, network, address, memo FROM backoffice.deposit_addresses
WHERE account_id = $1 AND asset = $2 AND network = $3
"""
ADD_ADDRESS: Final = """
INSERT INTO backoffice.deposit_addresses (account_id, asset, network, address, memo) VALUES ($1, $2, $3, $4, $5)
RETURNING account_id, asset, network, address, memo
"""
TAKE_SPARE: Final = """
DELETE FROM backoffice.spare_addresses WHERE (network, address, memo) = (
    SELECT network, address, memo FROM backoffice.spare_addresses WHERE network = $1
    ORDER BY created_at, address LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING address, memo
"""
ADD_SPARE: Final = """
INSERT INTO backoffice.spare_addresses (network, address, memo) SELECT $1, unnest($2::text[]), ''
ON CONFLICT DO NOTHING
"""
OWNER: Final = """
SELECT account_id FROM backoffice.deposit_addresses
WHERE network = $1 AND asset = $2 AND address = $3 AND memo = $4
"""
_DEPOSIT: Final = """
deposit_id, account_id, asset, network, tx_id, tx_index, address, memo, amount_e8, confirmations, confirmations_needed,
status, refusal, source, created_at, credited_at
"""
ADD: Final = f"""
INSERT INTO backoffice.deposits (account_id, asset, network, tx_id, tx_index, address, memo, amount_e8, confirmations,
    confirmations_needed, status, source)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (network, tx_id, tx_index) DO NOTHING RETURNING {_DEPOSIT}
"""  # noqa: S608
FIND_FOR_UPDATE: Final = f"""
SELECT {_DEPOSIT} FROM backoffice.deposits WHERE network = $1 AND tx_id = $2 AND tx_index = $3 FOR UPDATE
"""  # noqa: S608
FIND: Final = f"SELECT {_DEPOSIT} FROM backoffice.deposits WHERE deposit_id = $1"  # noqa: S608
CONFIRM: Final = """
UPDATE backoffice.deposits SET confirmations = greatest(confirmations, $2) WHERE deposit_id = $1
"""
SET_STATUS: Final = """
UPDATE backoffice.deposits
SET status = $2, refusal = $3, credited_at = CASE WHEN $2 = 'CREDITED' THEN now() ELSE credited_at END
WHERE deposit_id = $1
"""
MATCH: Final = "UPDATE backoffice.deposits SET account_id = $2, status = 'PENDING' WHERE deposit_id = $1"
_LIST: Final = f"""
SELECT {_DEPOSIT} FROM backoffice.deposits
WHERE {{whose}} AND ($2::text IS NULL OR asset = $2)
    AND ($3::text[] IS NULL OR status = ANY ($3)) AND deposit_id < $4
    AND created_at >= $6 AND created_at < $7 AND ($8::text IS NULL OR tx_id = $8)
ORDER BY deposit_id DESC LIMIT $5
"""  # noqa: S608
# Two statements, because one plan would not do for both: of one account, and of everyone.
LIST: Final = _LIST.format(whose="account_id = $1")
LIST_ALL: Final = _LIST.format(whose="$1::bigint IS NULL")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One output as somebody saw it."""

    asset: str
    network: str
    tx_id: str
    tx_index: int
    address: str
    memo: str
    amount_e8: int
    confirmations: int
    source: str


async def address_of(connection: Connection, account_id: int, asset: Asset, network: Network) -> Row:
    """Return where the account is paid, made on first ask."""
    await connection.execute(LOCK_ACCOUNT, account_id)
    found = await connection.fetchrow(FIND_ADDRESS, account_id, asset.asset, network.network)
    if found is not None:
        return found
    address, memo = await _new_address(connection, network)
    return await connection.fetchrow(ADD_ADDRESS, account_id, asset.asset, network.network, address, memo)


async def _new_address(connection: Connection, network: Network) -> tuple[str, str]:
    if network.addresses == "SPARE":
        spare = await connection.fetchrow(TAKE_SPARE, network.network)
        if spare is None:
            raise Refused(NO_ADDRESS_LEFT)
        return spare["address"], spare["memo"]
    if network.addresses == "MEMO":
        return network.deposit_address, str(secrets.randbelow(9 * 10 ** (MEMO_DIGITS - 1)) + 10 ** (MEMO_DIGITS - 1))
    reference = base64.b32encode(secrets.token_bytes(REFERENCE_BYTES)).decode().lower()
    return f"cb{reference}", ""


async def report(connection: Connection, arrival: Arrival, confirmations_needed: int) -> tuple[int, int | None]:
    """Take note of an arrival, new or known; return its id, and that of the command if it is to be credited now."""
    account_id = await connection.fetchval(OWNER, arrival.network, arrival.asset, arrival.address, arrival.memo)
    return await record(connection, account_id, arrival, confirmations_needed)


async def record(
    connection: Connection, account_id: int | None, arrival: Arrival, confirmations_needed: int
) -> tuple[int, int | None]:
    """The same when it is known whose it is."""
    status = "UNMATCHED" if account_id is None else "PENDING"
    added = await connection.fetchrow(
        ADD,
        *(account_id, arrival.asset, arrival.network, arrival.tx_id, arrival.tx_index, arrival.address, arrival.memo),
        *(arrival.amount_e8, arrival.confirmations, confirmations_needed, status, arrival.source),
    )
    deposit = added or await connection.fetchrow(FIND_FOR_UPDATE, arrival.network, arrival.tx_id, arrival.tx_index)
    assert deposit is not None, "what is not added was there, and is never deleted"
    if not _is_same(deposit, arrival):
        raise Refused(DEPOSIT_DIFFERS)
    await connection.execute(CONFIRM, deposit["deposit_id"], arrival.confirmations)
    confirmed = max(deposit["confirmations"], arrival.confirmations) >= deposit["confirmations_needed"]
    if deposit["status"] != "PENDING" or not confirmed:
        return deposit["deposit_id"], None
    return deposit["deposit_id"], await _credit(connection, deposit)


def _is_same(deposit: Row, arrival: Arrival) -> bool:
    return all(deposit[name] == getattr(arrival, name) for name in ("asset", "address", "memo", "amount_e8"))


async def match(connection: Connection, deposit_id: int, account_id: int) -> int | None:
    """Give money that nobody expected to an account; return the command, None if it is not unmatched."""
    found = await connection.fetchrow(f"{FIND} FOR UPDATE", deposit_id)
    if found is None or found["status"] != "UNMATCHED":
        return None
    await connection.execute(MATCH, deposit_id, account_id)
    return await _credit(connection, {**found, "account_id": account_id})


async def _credit(connection: Connection, deposit: Row) -> int:
    await connection.execute(SET_STATUS, deposit["deposit_id"], "CREDITING", None)
    reference = f"deposit:{deposit['deposit_id']}"
    command = Deposit(deposit["account_id"], deposit["asset"], deposit["amount_e8"], reference)
    return await courier.enqueue(connection, "DEPOSIT", reference, command)


async def follow(connection: Connection, deposit_id: int, refusal: Refusal | None) -> None:
    """What became of the credit."""
    status, reason = ("CREDITED", None) if refusal is None else ("REFUSED", refusal.value)
    await connection.execute(SET_STATUS, deposit_id, status, reason)
