"""What the venue owes its accounts, per asset, as the engine last committed it: the proof-of-reserves totals.

One statement, so one instant. ``crossbook verify`` compares what it reads with the core that replays the journal.
"""

from typing import Final

import msgspec

from services.infra.postgres import Source

_SQL: Final = """
SELECT coalesce(held.asset, moved.asset) AS asset, coalesce(free_e8, 0), coalesce(locked_e8, 0),
    coalesce(withdrawing_e8, 0), coalesce(fees_e8, 0), coalesce(deposited_e8, 0), coalesce(withdrawn_e8, 0)
FROM (
    SELECT asset, sum(free_e8) AS free_e8, sum(locked_e8) AS locked_e8, sum(withdrawing_e8) AS withdrawing_e8,
        sum(free_e8 + locked_e8 + withdrawing_e8) FILTER (WHERE account_id = $1) AS fees_e8
    FROM exchange.balances GROUP BY asset
) AS held
FULL JOIN (
    SELECT asset, sum(amount_e8) FILTER (WHERE kind = 'DEPOSIT') AS deposited_e8,
        -sum(amount_e8) FILTER (WHERE kind = 'WITHDRAWAL') AS withdrawn_e8
    FROM exchange.transfers WHERE kind IN ('DEPOSIT', 'WITHDRAWAL') GROUP BY asset
) AS moved ON held.asset = moved.asset
ORDER BY 1
"""


class Reserve(msgspec.Struct, frozen=True):
    """One asset. ``fees_e8`` is the fee account's share of the first three; deposits less withdrawals are their sum."""

    asset: str
    free_e8: int
    locked_e8: int
    withdrawing_e8: int
    fees_e8: int
    deposited_e8: int
    withdrawn_e8: int

    @property
    def owed_e8(self) -> int:
        return self.free_e8 + self.locked_e8 + self.withdrawing_e8

    @property
    def is_balanced(self) -> bool:
        return self.owed_e8 == self.deposited_e8 - self.withdrawn_e8


async def reserves(source: Source, fee_account_id: int) -> list[Reserve]:
    return [Reserve(row[0], *map(int, row[1:])) for row in map(tuple, await source.fetch(_SQL, fee_account_id))]
