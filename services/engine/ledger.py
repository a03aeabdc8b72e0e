"""Movements that the core no longer remembers: the database's ledger still names each by its reference.

The core's window of references (``core/transfers.py``) is bounded, and a repeat from before it must get the answer it
would have had within it. So once movements may have left the window, the references of a batch are looked up before the
core sees it. A refusal is not journaled, so replay need not know of the ledger.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from services.domain.commands import (
    Command,
    Deposit,
    HoldWithdrawal,
    RejectWithdrawal,
    SettleWithdrawal,
    TransferFunds,
    Withdraw,
)
from services.domain.refusals import Refusal
from services.engine.core.transfers import Moved, Transfers, refuse_repeat
from services.infra.postgres import Connection

_Named = Deposit | Withdraw | HoldWithdrawal | TransferFunds | SettleWithdrawal | RejectWithdrawal

# Withdrawals that were held are done when they have ended; the ledger has a line of those that were settled, too.
_DONE_SQL: Final = """
SELECT DISTINCT ON (reference) reference, account_id, asset, signed_e8, kind, detail FROM (
    SELECT reference, account_id, asset, -amount_e8 AS signed_e8, status AS kind, fee_e8 AS detail, 0 AS place
    FROM exchange.withdrawals WHERE reference = ANY($1) AND status <> 'HELD'
    UNION ALL
    SELECT reference, account_id, asset, amount_e8, CASE kind WHEN 'TRANSFER_OUT' THEN 'TRANSFER' ELSE '' END,
        coalesce(counterparty_id, 0), 1
    FROM exchange.transfers WHERE reference = ANY($1) AND kind IN ('DEPOSIT', 'WITHDRAWAL', 'TRANSFER_OUT')
) AS done ORDER BY reference, place
"""


def references_to_look_up(transfers: Transfers, commands: Iterable[object]) -> list[str]:
    """The references in a batch, if any may name a movement that has left the window."""
    references = [command.reference for command in commands if isinstance(command, _Named)]
    return references if references and transfers.may_forget(len(references)) else []


async def read_done(connection: Connection, references: list[str]) -> dict[str, Moved]:
    """The movements that are done, of those that these references name."""
    rows = await connection.fetch(_DONE_SQL, references)
    return {reference: Moved(*moved) for reference, *moved in rows}


def refuse_from_ledger(done: Mapping[str, Moved], command: Command) -> Refusal | None:
    """Why not to carry out a command whose reference the ledger has; None if it may go on to the core."""
    if not done or not isinstance(command, _Named) or command.reference not in done:
        return None
    return refuse_repeat(command, done[command.reference])
