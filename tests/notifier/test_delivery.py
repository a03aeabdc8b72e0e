"""The way out: what providers do wrong, and what becomes of a message then."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.infra.postgres import Connection
from tests.running import free_port

from .conftest import Auth, Configure, Member, Serve, eventually
from .journal import append, deposit
from .receiver import Receiver, receiving

WEBHOOKS = "/notifier/v1/webhooks"
REFUSALS = {"refused@example.com": "550 no such mailbox", "later@example.com": "451 try again later"}


class MailServer:
    """A real SMTP server. It refuses some addresses, and can be told to be slow or to hang up."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.answered_s = 0.0
        self.hangs_up = False
        self.hung_up = threading.Event()

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in REFUSALS:
            return REFUSALS[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.hangs_up:
            self.hangs_up = False
            self.hung_up.set()
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if self.answered_s:
            await asyncio.sleep(self.answered_s)
        self.received.append(envelope)
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[tuple[MailServer, int]]:
    handler, port = MailServer(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, ready_timeout=30)
    controller.start()
    try:
        yield handler, port
    finally:
        controller.stop()


@pytest.fixture
def smtp() -> Iterator[tuple[MailServer, int]]:
    with mail_server() as started:
        yield started


def by_smtp(configure: Configure, port: int, **changes: Any) -> Any:
    return configure(email_by="smtp", smtp_port=port, smtp_security="none", **changes)


async def test_mail_arrives_once_and_only_where_it_may(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, smtp: tuple[MailServer, int]
) -> None:
    server, port = smtp
    settings = by_smtp(configure, port)
    async with serve(settings), serve(settings):
        confirmed = await auth.join("ada@example.com")
        unconfirmed = await auth.join("eve@example.com", confirmed=False)
        await _started(database)
        await append(database, deposit(confirmed.account_id), deposit(unconfirmed.account_id))
        await auth.tell(unconfirmed.account_id, "CONFIRM_EMAIL", '{"token": "abc"}')
        await eventually(lambda: _ended(database, 3))
    assert sorted(envelope.rcpt_tos[0] for envelope in server.received) == ["ada@example.com", "eve@example.com"]
    assert await _states(database) == {"SENT": 2, "DROPPED": 1}
    [link] = [_text(envelope) for envelope in server.received if envelope.rcpt_tos == ["eve@example.com"]]
    assert "https://exchange.example/confirm-email#token" in link


async def test_a_mail_server_that_refuses_is_slow_or_hangs_up(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, smtp: tuple[MailServer, int]
) -> None:
    server, port = smtp
    async with serve(by_smtp(configure, port, attempt_timeout_s=1)):
        await _started(database)
        refused, later = await auth.join("refused@example.com"), await auth.join("later@example.com")
        ada = await auth.join("ada@example.com")
        server.hangs_up = True
        await append(database, deposit(ada.account_id))
        await eventually(lambda: _ended(database, 1))
        assert server.hung_up.is_set() and len(server.received) >= 1
        await append(database, deposit(refused.account_id), deposit(later.account_id))
        await eventually(lambda: _ended(database, 3))
        rows = await database.fetch(
            "SELECT n.account_id, d.attempts FROM notifier.deliveries d JOIN notifier.notices n USING (notice_id)"
        )
        attempts = {row["account_id"]: row["attempts"] for row in rows}
        assert attempts[refused.account_id] == 1, "a refusal for good is not tried again"
        assert attempts[later.account_id] == 4, "one for now is, until the attempts are used up"
        server.answered_s = 3600
        await append(database, deposit(ada.account_id, 7))
        await eventually(lambda: _ended(database, 4))
        assert (await _states(database)) == {"SENT": 1, "PARKED": 3}
        errors = await database.fetch("SELECT last_error FROM notifier.deliveries WHERE state = 'PARKED'")
        assert not [row for row in errors if "@" in row["last_error"]]


async def test_a_webhook_is_retried_with_backoff_parked_and_retried_by_an_operator(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, internal: dict[str, str]
) -> None:
    settings = configure(attempt_timeout_s=0.5, backoff_base_s=0.1, backoff_max_s=10)
    async with receiving() as receiver, serve(settings) as client:
        member = await auth.join("ada@example.com")
        created = await _hook(client, member, receiver)
        await _started(database)
        receiver.answers += [500, 0, 302, 404]
        sequence = await append(database, deposit(member.account_id))
        parked = await eventually(lambda: _parked(client, internal, 1))
        waits = [later - before for before, later in zip(receiver.arrived_s, receiver.arrived_s[1:], strict=False)]
        assert len(receiver.bodies) == 4 and min(waits) >= 0.05 and waits[2] >= 0.2
        assert len(set(receiver.notice_ids)) == 1, "the id is the same at every attempt"
        assert receiver.is_signed_with(created["secret"])
        assert parked[0]["lastError"] == "the webhook answered 404" and parked[0]["attempts"] == 4
        answer = await client.post(f"/internal/parked/{parked[0]['deliveryId']}/retry", headers=internal)
        assert answer.status_code == 204
        again = await client.post(f"/internal/parked/{parked[0]['deliveryId']}/retry", headers=internal)
        assert again.status_code == 404
        await eventually(lambda: _states_are(database, {"SENT": 1}))
        assert len(set(receiver.notice_ids)) == 1 and sequence
        assert (await client.get("/internal/parked")).status_code == 401


async def test_a_provider_that_hangs_holds_up_no_other_channel(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, smtp: tuple[MailServer, int]
) -> None:
    server, port = smtp
    server.answered_s = 3600
    settings = by_smtp(configure, port, attempt_timeout_s=300, lane_width=2)
    async with receiving() as receiver, serve(settings) as client:
        member = await auth.join("ada@example.com")
        await _hook(client, member, receiver)
        await _started(database)
        for amount in range(1, 11):
            await append(database, deposit(member.account_id, amount))
        await eventually(lambda: _arrived(receiver, 10))
        assert (await client.get("/notifier/v1/notices", headers=member.bearer)).json()["unread"] == 10
        # No more than the lane is wide have been begun.
        assert await database.fetchval("SELECT count(*) FROM notifier.deliveries WHERE state = 'WAITING'") == 10
        assert await database.fetchval("SELECT sum(attempts) FROM notifier.deliveries WHERE channel = 'EMAIL'") <= 2


async def test_a_webhook_that_says_gone_is_left_alone(
    configure: Configure, serve: Serve, auth: Auth, database: Connection
) -> None:
    async with receiving() as receiver, serve(configure()) as client:
        member = await auth.join("ada@example.com")
        await _hook(client, member, receiver)
        await _started(database)
        receiver.answers.append(410)
        await append(database, deposit(member.account_id))
        await eventually(lambda: _states_are(database, {"DROPPED": 1}))
        assert len(receiver.bodies) == 1


async def _hook(client: httpx.AsyncClient, member: Member, receiver: Receiver) -> dict[str, Any]:
    body = {"url": receiver.url, "kinds": ["DEPOSIT"]}
    created: dict[str, Any] = (await client.post(WEBHOOKS, json=body, headers=member.bearer)).json()
    return created


async def _started(database: Connection) -> None:
    await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))


async def _ended(database: Connection, count: int) -> bool:
    waiting = "SELECT count(*) FILTER (WHERE state <> 'WAITING') FROM notifier.deliveries"
    return bool(await database.fetchval(waiting) == count)


async def _states(database: Connection) -> dict[str, int]:
    rows = await database.fetch("SELECT state, count(*) AS count FROM notifier.deliveries GROUP BY state")
    return {row["state"]: row["count"] for row in rows}


async def _states_are(database: Connection, expected: dict[str, int]) -> bool:
    return await _states(database) == expected


async def _parked(client: httpx.AsyncClient, internal: dict[str, str], count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/internal/parked", headers=internal)).json()
    return found if len(found) == count else []


async def _arrived(receiver: Receiver, count: int) -> bool:
    return len(receiver.bodies) >= count


def _text(envelope: Envelope) -> str:
    content = envelope.content
    assert isinstance(content, bytes)
    return content.decode()
