"""Killed again and again while things happen, the notifier forgets nothing and repeats only what was under way.

Nothing here is timed: a kill comes after a number of deliveries, and the end is when everything has arrived.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from services.infra.postgres import Connection
from services.infra.sealing import Seal
from services.notifier import webhooks
from services.notifier.settings import NotifierSettings
from tests.running import free_port

from .conftest import Auth, Configure, eventually
from .journal import append, deposit
from .receiver import Receiver, receiving

KILLS = int(os.environ.get("CROSSBOOK_NOTIFIER_KILLS", "3"))
# Of what is sent between two kills.
BATCH = 20
WIDTH = 4
ACCOUNT_ID = 2000
SECRETS = ("database_url", "redis_url", "internal_token", "encryption_key")


def start(settings: NotifierSettings, log: Path) -> subprocess.Popen[bytes]:
    values = settings.model_dump(exclude_none=True, exclude={"sentry_dsn"})
    environment = {
        f"CROSSBOOK_{name.upper()}": getattr(settings, name).get_secret_value() if name in SECRETS else str(value)
        for name, value in values.items()
        if name != "smtp_password"
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            (sys.executable, "-P", "-m", "services.notifier"),
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


async def test_killed_again_and_again_it_loses_nothing(
    configure: Configure, auth: Auth, database: Connection, tmp_path: Path
) -> None:
    log = tmp_path / "notifier.log"
    settings = configure(
        port=free_port(), lane_width=WIDTH, attempt_timeout_s=5, lease_margin_s=3, max_attempts=100, log_level="INFO"
    )
    seal = Seal(settings.encryption_key_bytes())
    connection: Any = database
    async with receiving() as receiver:
        async with database.transaction():
            await webhooks.create(connection, seal, ACCOUNT_ID, receiver.url, ["DEPOSIT"], max_webhooks=1)
        await database.execute("INSERT INTO notifier.journal_position (shard, sequence) VALUES (0, 0)")
        sent = 0
        for kill in range(1, KILLS + 1):
            process = start(settings, log)
            try:
                for _ in range(BATCH):
                    sent += 1
                    await append(database, deposit(ACCOUNT_ID, sent, reference=str(sent)))
                await eventually(lambda least=kill * BATCH // 2: _arrived(receiver, least))  # type: ignore[misc]
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(30)
        process = start(settings, log)
        try:
            await eventually(lambda: _everything(receiver, sent))
            await eventually(lambda: database.fetchval("SELECT bool_and(state = 'SENT') FROM notifier.deliveries"))
        finally:
            process.terminate()
            process.wait(30)
    amounts = Counter(int(body["data"]["amount"].partition(".")[0]) for body in receiver.bodies)
    assert set(amounts) == set(range(1, sent + 1)), "every event was delivered"
    ids_by_amount = {(body["data"]["amount"], body["noticeId"]) for body in receiver.bodies}
    assert len(ids_by_amount) == sent, "a repeated one has the id it had before"
    assert await database.fetchval("SELECT count(*) FROM notifier.notices") == sent
    logged = log.read_text()
    repeated = sum(count - 1 for count in amounts.values())
    # An attempt that the receiver answered too late, as on a busy machine, is told of in the log.
    assert repeated <= KILLS * WIDTH + logged.count("delivery_failed"), "only what was under way at a kill is repeated"
    assert "critical" not in logged
    for name in SECRETS:
        assert getattr(settings, name).get_secret_value() not in logged


async def _arrived(receiver: Receiver, least: int) -> bool:
    return len(set(receiver.notice_ids)) >= least


async def _everything(receiver: Receiver, sent: int) -> bool:
    return len(set(receiver.notice_ids)) == sent
