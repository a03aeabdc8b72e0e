"""Whatever dies between any two steps, everything asked for ends, and is moved exactly once.

The exact tests leave behind what a process would that died at a step, in the tables and in the engine, and let the
running back office find it. The others kill processes.
"""

import signal
import threading
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from services.backoffice import deposits, transfers, withdrawals
from services.backoffice.assets_file import read_catalogue
from services.backoffice.settings import PACKAGED_ASSETS_FILE
from services.domain.commands import Command
from services.domain.money import ONE_E8
from services.domain.protocol import Applied
from services.infra import postgres
from services.infra.engine_client import EngineClient
from services.infra.settings import ServiceSettings
from services.infra.transactions import Connection
from tests.backoffice.people import ADMIN, WALLET, Person, Town, run
from tests.running import wait_until

Decide = Callable[[Connection, int], Any]
DEADLINE_S = 60.0


class Remains:
    """Does what a back office does up to a step, and no more."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def leave(self, decide: Decide, subject: int, step: str) -> None:
        """Commit the decision. If it was delivered, have the engine carry it out, and forget the answer.

        If that was long ago the engine has forgotten the reference, too: only the ledger knows. So that nobody can ask
        the engine, nothing is left to ask it with.
        """
        run(self._leave(decide, subject, step))

    async def _leave(self, decide: Decide, subject: int, step: str) -> None:
        state = self._town.system.state
        pool = await postgres.create_pool(
            state.database_url, application_name="tests", size=1, statement_timeout_ms=5_000
        )
        settings = ServiceSettings.model_validate(
            {
                "port": 1,
                "database_url": state.database_url,
                "redis_url": state.redis_url,
                "internal_token": self._town.system.internal_token,
            }
        )
        engine = EngineClient(settings, tuple(state.engine_urls), deadline_ms=3_000, timeout_ms=6_000)
        try:
            async with pool.acquire() as connection, connection.transaction():
                command_id = await decide(connection, subject)
                payload = await connection.fetchval(
                    "SELECT payload FROM backoffice.commands WHERE command_id = $1", command_id
                )
                if step != "decided":
                    # Before the commit, so that the courier cannot be the first.
                    assert isinstance(await engine.submit(msgspec.msgpack.decode(payload, type=Command)), Applied)
                if step == "delivered long ago":
                    await connection.execute(
                        "UPDATE backoffice.commands SET attempts = 1, payload = '' WHERE command_id = $1", command_id
                    )
        finally:
            await engine.close()
            await pool.close()


@pytest.fixture
def remains(town: Town) -> Remains:
    return Remains(town)


def ends_as(person: Person, withdrawal_id: int, status: str) -> None:
    wait_until(lambda: bool(person.withdrawal(withdrawal_id)["status"] == status), DEADLINE_S)


def movements(town: Town, reference: str) -> list[tuple[str, int]]:
    rows = town.query("SELECT kind, amount_e8 FROM exchange.transfers WHERE reference = $1 ORDER BY kind", reference)
    return [(row["kind"], row["amount_e8"]) for row in rows]


@pytest.mark.parametrize("step", ["decided", "delivered", "delivered long ago"])
class TestBetweenSteps:
    def test_of_a_hold(self, town: Town, remains: Remains, step: str) -> None:
        user = town.join(USDT="1000")
        wish = withdrawals.Wish("USDT", "CROSSBOOK", "somewhere", "", 100 * ONE_E8, None, "SESSION")
        found = read_catalogue(PACKAGED_ASSETS_FILE).network("USDT", None)
        assert found is not None

        async def hold(connection: Connection, account_id: int) -> int:
            _, command_id = await withdrawals.request(connection, account_id, wish, withdrawals.Admitted(*found))
            return command_id

        remains.leave(hold, user.account_id, step)
        (known,) = user.get(f"{WALLET}/withdrawals")
        ends_as(user, known["withdrawalId"], "APPROVED")
        assert town.balance(user.account_id, "USDT") == (900 * ONE_E8, 0, 100 * ONE_E8)

    def test_of_a_settlement(self, town: Town, remains: Remains, step: str) -> None:
        user = town.join(USDT="1000")
        made = user.withdraw("100")["withdrawalId"]

        async def settle(connection: Connection, withdrawal_id: int) -> int | None:
            return await withdrawals.settle(connection, withdrawal_id, "sent")

        remains.leave(settle, made, step)
        ends_as(user, made, "COMPLETED")
        assert town.balance(user.account_id, "USDT") == (900 * ONE_E8, 0, 0)
        assert len(movements(town, f"withdrawal:{made}")) == 3

    def test_of_a_rejection(self, town: Town, remains: Remains, step: str) -> None:
        user = town.join(USDT="1000")
        made = user.withdraw("100")["withdrawalId"]

        async def reject(connection: Connection, withdrawal_id: int) -> int:
            return await withdrawals.reject(connection, withdrawal_id, "looks odd")

        remains.leave(reject, made, step)
        ends_as(user, made, "REJECTED")
        assert town.balance(user.account_id, "USDT") == (1000 * ONE_E8, 0, 0)
        assert movements(town, f"withdrawal:{made}") == []

    def test_of_a_deposit(self, town: Town, remains: Remains, step: str) -> None:
        user = town.join()
        arrival = deposits.Arrival("BTC", "OPERATOR", f"crash-{user.account_id}", 0, "x", "", ONE_E8, 0, "test")

        async def credit(connection: Connection, account_id: int) -> int | None:
            return (await deposits.record(connection, account_id, arrival, 0))[1]

        remains.leave(credit, user.account_id, step)
        wait_until(lambda: bool(user.get(f"{WALLET}/deposits")[0]["status"] == "CREDITED"), DEADLINE_S)
        assert town.balance(user.account_id, "BTC") == (ONE_E8, 0, 0)

    def test_of_a_transfer(self, town: Town, remains: Remains, step: str) -> None:
        user, friend = town.join(USDT="10"), town.join()
        wish = transfers.Wish(friend.email, "USDT", 4 * ONE_E8, None)

        async def send(connection: Connection, account_id: int) -> int | None:
            return (await transfers.request(connection, account_id, wish, friend.account_id))[1]

        remains.leave(send, user.account_id, step)
        wait_until(lambda: bool(user.get(f"{WALLET}/transfers")[0]["status"] == "COMPLETED"), DEADLINE_S)
        assert town.balance(user.account_id, "USDT")[0] == 6 * ONE_E8
        assert town.balance(friend.account_id, "USDT")[0] == 4 * ONE_E8


# Processes that die


def in_background(work: Callable[[], object]) -> threading.Thread:
    def ignoring() -> None:
        try:
            work()
        except (httpx.HTTPError, AssertionError):
            """Whoever asks a process that dies hears nothing good."""

    thread = threading.Thread(target=ignoring)
    thread.start()
    return thread


@pytest.mark.parametrize("victims", [("backoffice",), ("engine",), ("engine", "backoffice")], ids="+".join)
def test_what_was_asked_while_the_engine_hung_is_done_once(own_town: Town, victims: tuple[str, ...]) -> None:
    """The engine stops in the middle; then processes are killed; then those that are left go on."""
    town = own_town
    user, treasurer = town.join(USDT="1000"), town.staff("treasurer")
    settled, rejected = user.withdraw("100")["withdrawalId"], user.withdraw("50")["withdrawalId"]
    system = town.system
    system.send_signal("engine", signal.SIGSTOP)
    asking = [
        in_background(lambda: treasurer.post(f"{ADMIN}/withdrawals/{settled}/settle", txId="sent", reason="was sent")),
        in_background(lambda: treasurer.post(f"{ADMIN}/withdrawals/{rejected}/reject", reason="looks odd")),
        in_background(lambda: user.withdraw("200", withdrawOrderId="hanging")),
    ]
    waiting = "SELECT count(*) AS n FROM backoffice.commands WHERE outcome IS NULL AND attempts > 0"
    wait_until(lambda: bool(town.query(waiting)[0]["n"] == 3), DEADLINE_S)
    for victim in victims:
        system.kill_process(victim)
    if "engine" not in victims:
        system.send_signal("engine", signal.SIGCONT)
    for thread in asking:
        thread.join()
    system.wait_ready(DEADLINE_S)
    ends_as(user, settled, "COMPLETED")
    ends_as(user, rejected, "REJECTED")
    hanging = user.get(f"{WALLET}/withdrawals")[0]
    ends_as(user, hanging["withdrawalId"], "APPROVED")
    assert (hanging["withdrawOrderId"], hanging["fee"]) == ("hanging", "1.00000000")
    assert town.balance(user.account_id, "USDT") == (700 * ONE_E8, 0, 200 * ONE_E8)
    assert len(movements(town, f"withdrawal:{settled}")) == 3
    assert town.query("SELECT 1 FROM backoffice.commands WHERE outcome IS NULL") == []
