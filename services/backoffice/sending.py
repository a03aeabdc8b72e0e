"""How a request to send money away becomes a movement: checks, second factor, checks again under a lock, the courier.

The first checks tell the client what is wrong before a code is used up; the second ones count. Nothing is locked while
the auth service or the engine is asked.
"""

from typing import Any, Final

from services.backoffice import limits, transfers, withdrawals
from services.backoffice.assets_file import Network
from services.backoffice.courier import Decide
from services.backoffice.errors import (
    ENGINE_REFUSED,
    INSUFFICIENT_BALANCE,
    NOT_HERE,
    SECOND_FACTOR_NEEDED,
    SECOND_FACTOR_WRONG,
    UNKNOWN_ASSET,
)
from services.backoffice.resources import Resources
from services.domain.refusals import Refusal
from services.infra.callers import Account, CodeVerdict
from services.infra.problems import Refused
from services.infra.transactions import Connection

Row = Any

ACCOUNT_ID_DIGITS_MAX: Final = 18

# A session shows a code. An API key that may withdraw needs none: it works from its own addresses only.
BY_SESSION: Final = "SESSION"
BY_API_KEY: Final = "API_KEY"
_PROBLEM_BY_REFUSAL: Final = {Refusal.INSUFFICIENT_BALANCE.value: INSUFFICIENT_BALANCE}


async def account_of(held: Resources, account_id: int) -> Account:
    account = await held.callers.account(account_id)
    if account is None:
        raise Refused(NOT_HERE)
    return account


def standing_of(held: Resources, account: Account, standing: limits.Standing) -> limits.Standing:
    """What holds for the account, with what auth knows of it."""
    return standing.after(account.credentials_changed_at, held.settings.security_cool_down_s)


async def check_code(held: Resources, account: Account, code: str | None) -> None:
    """Use up a code of the account's second factor, if it has one or must have."""
    if not account.has_second_factor and not held.settings.require_second_factor:
        return
    if code is None or not account.has_second_factor:
        raise Refused(SECOND_FACTOR_NEEDED)
    verdict = await held.callers.check_second_factor(account.account_id, code)
    if verdict is not CodeVerdict.ACCEPTED:
        raise Refused(SECOND_FACTOR_WRONG)


async def withdraw(held: Resources, account_id: int, wish: withdrawals.Wish, code: str | None) -> Row:
    """Return the withdrawal as it is known to be now."""
    account = await account_of(held, account_id)

    async def check(connection: Connection, standing: limits.Standing) -> withdrawals.Admitted:
        return await withdrawals.admit(
            connection, held.catalogue, account_id, wish, standing, second_factor=account.has_second_factor
        )

    async with held.transaction() as connection:
        earlier = await withdrawals.repeated(connection, account_id, wish)
        if earlier is None:
            await check(connection, standing_of(held, account, await limits.read(connection, account_id)))
    if earlier is not None:
        return _answered(earlier)
    if wish.source == BY_SESSION:
        await check_code(held, account, code)
    async with held.transaction() as connection:
        standing = standing_of(held, account, await limits.lock(connection, account_id))
        # Somebody may have sent the same request at the same time.
        earlier = await withdrawals.repeated(connection, account_id, wish)
        if earlier is not None:
            return _answered(earlier)
        admitted = await check(connection, standing)
        withdrawal, command_id = await withdrawals.request(connection, account_id, wish, admitted)
    await held.courier.deliver(command_id)
    async with held.transaction() as connection:
        return _answered(await withdrawals.get(connection, withdrawal["withdrawal_id"]))


def _answered(withdrawal: Row) -> Row:
    """What the engine refused is refused, however often it is asked for under the same id."""
    if withdrawal["status"] == "REFUSED":
        raise Refused(_PROBLEM_BY_REFUSAL.get(withdrawal["refusal"], ENGINE_REFUSED))
    return withdrawal


async def transfer(held: Resources, account_id: int, wish: transfers.Wish, code: str | None) -> Row:
    """Return the transfer as it was accepted; what became of it is in the history."""
    account = await account_of(held, account_id)

    async def check(connection: Connection, standing: limits.Standing) -> None:
        await transfers.admit(
            connection,
            held.catalogue,
            account_id,
            wish,
            standing,
            second_factor=account.has_second_factor,
            max_per_day=held.settings.max_transfers_per_day,
        )

    async with held.transaction() as connection:
        earlier = await transfers.repeated(connection, account_id, wish)
        if earlier is None:
            await check(connection, standing_of(held, account, await limits.read(connection, account_id)))
    if earlier is not None:
        return earlier
    await check_code(held, account, code)
    to_account_id = await _recipient(held, wish.recipient, account_id)
    async with held.transaction() as connection:
        standing = standing_of(held, account, await limits.lock(connection, account_id))
        earlier = await transfers.repeated(connection, account_id, wish)
        if earlier is not None:
            return earlier
        await check(connection, standing)
        row, _ = await transfers.request(connection, account_id, wish, to_account_id)
    # The courier takes it from here: an answer that waited would tell whether there was anything to wait for.
    return row


async def _recipient(held: Resources, recipient: str, sender_id: int) -> int | None:
    """The account that is meant, by its id or its confirmed address; nobody sends to themselves."""
    if recipient.isdecimal():
        named = int(recipient) if len(recipient) <= ACCOUNT_ID_DIGITS_MAX else 0
        found = await held.callers.account(named) if named else None
    else:
        wanted = recipient.strip().casefold()
        candidates = await held.callers.find_accounts(wanted, limit=50)
        found = next(
            (one for one in candidates if one.email_confirmed and (one.email or "").casefold() == wanted), None
        )
    return None if found is None or found.account_id == sender_id else found.account_id


def network_of(held: Resources, asset: str, network: str | None) -> Network:
    found = held.catalogue.network(asset, network)
    if found is None:
        raise Refused(UNKNOWN_ASSET)
    return found[1]


async def deliver(held: Resources, decide: Decide) -> None:
    """Decide on a command in one transaction, and deliver it after the commit."""
    async with held.transaction() as connection:
        command_id = await decide(connection)
    if command_id is not None:
        await held.courier.deliver(command_id)
