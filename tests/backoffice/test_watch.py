"""What operators are told of money on its way is what the tables say."""

from typing import Any

from prometheus_client import REGISTRY

from services.backoffice import watch
from services.infra import postgres
from tests.backoffice.people import ADMIN, Town, run

MINUTES_LATE = 10
# Busy for ever: no courier takes it.
STUCK = f"""
INSERT INTO backoffice.commands (kind, reference, payload, created_at, busy_until)
VALUES ('SETTLE', 'watched', '', now() - interval '{MINUTES_LATE} minutes', 'infinity')
"""


def measured(town: Town, *statements: str) -> dict[str, float]:
    """After these statements; by name and label."""
    run(_measure(town, statements))
    return {
        f"{sample.name.removeprefix('crossbook_backoffice_')} {label}": sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.startswith("crossbook_backoffice_")
        for label in sample.labels.values()
    }


async def _measure(town: Town, statements: Any) -> None:
    pool = await postgres.create_pool(
        town.system.state.database_url, application_name="tests", size=1, statement_timeout_ms=5_000
    )
    try:
        for statement in statements:
            await pool.execute(statement)
        await watch.measure(pool)
    finally:
        await pool.close()


def test_withdrawals_are_counted_while_they_have_not_ended(town: Town) -> None:
    user, treasurer = town.join(second_factor=True, USDT="60000"), town.staff("treasurer")
    before = measured(town)
    asked = user.withdraw("30000", code=user.codes.pop())
    then = measured(town)
    assert then["withdrawals AWAITING_APPROVAL"] == before["withdrawals AWAITING_APPROVAL"] + 1
    assert then["oldest_withdrawal_seconds AWAITING_APPROVAL"] > 0
    treasurer.post(f"{ADMIN}/withdrawals/{asked['withdrawalId']}/reject", reason="looked at it")
    assert measured(town)["withdrawals AWAITING_APPROVAL"] == before["withdrawals AWAITING_APPROVAL"]


def test_a_command_that_nobody_carries_out_grows_old_in_sight(town: Town) -> None:
    before = measured(town)
    stuck = measured(town, STUCK)
    after = measured(town, "DELETE FROM backoffice.commands WHERE reference = 'watched'")
    assert stuck["undelivered SETTLE"] == before["undelivered SETTLE"] + 1
    assert stuck["oldest_undelivered_seconds SETTLE"] >= MINUTES_LATE * 60
    assert after["undelivered SETTLE"] == before["undelivered SETTLE"]
    assert after["oldest_undelivered_seconds SETTLE"] < MINUTES_LATE * 60


def test_money_that_nobody_expects_is_counted_however_old_it_is(town: Town) -> None:
    before = measured(town)
    after = measured(
        town,
        """
        INSERT INTO backoffice.deposits
            (asset, network, tx_id, tx_index, address, amount_e8, confirmations, confirmations_needed, status, source)
        VALUES ('USDT', 'CROSSBOOK', 'watched', 0, 'nowhere', 1, 1, 1, 'UNMATCHED', 'tests')
        """,
    )
    assert after["deposits UNMATCHED"] == before["deposits UNMATCHED"] + 1
