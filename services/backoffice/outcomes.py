"""What follows when it is known what became of a command, in the transaction that records it."""

from services.backoffice import deposits, transfers, withdrawals
from services.backoffice.courier import Outcome
from services.infra.transactions import Connection


async def follow(connection: Connection, outcome: Outcome) -> None:
    """A reference says what it names: ``withdrawal:17``."""
    name, _, number = outcome.reference.partition(":")
    if name == "deposit":
        await deposits.follow(connection, int(number), outcome.refusal)
    elif name == "transfer":
        await transfers.follow(connection, int(number), outcome.refusal)
    else:
        await withdrawals.follow(connection, outcome.kind, int(number), outcome.refusal)
