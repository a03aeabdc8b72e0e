"""From the journal and from auth into the store: each once, whoever reads, and no secret for longer than needed."""

import json
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import REGISTRY

from services.infra.postgres import Connection
from services.local.embedded import EmbeddedPostgres

from .conftest import Auth, Configure, Serve, eventually
from .journal import append, deposit, fill
from .receiver import receiving

TOKEN = "token-that-must-not-stay"


async def test_it_begins_at_the_head_and_misses_nothing_afterwards(
    configure: Configure, serve: Serve, auth: Auth, database: Connection
) -> None:
    await append(database, deposit(2000, reference="before it was ever started"))
    settings = configure()
    async with serve(settings):
        await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))
        await append(database, deposit(2000, 1), deposit(2000, 2))
        await eventually(lambda: _deposits(database, 2))
    # While nobody reads.
    for amount in range(3, 6):
        await append(database, deposit(2000, amount))
    async with serve(settings):
        await eventually(lambda: _deposits(database, 5))
    amounts = await database.fetch("SELECT data->>'amount' AS amount FROM notifier.notices ORDER BY position")
    assert [row["amount"] for row in amounts] == [f"{amount}.00000000" for amount in range(1, 6)]


async def test_two_notifiers_tell_each_entry_once(
    configure: Configure, serve: Serve, auth: Auth, database: Connection
) -> None:
    settings = configure(journal_page_rows=3)
    async with serve(settings), serve(settings):
        await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))
        member = await auth.join("ada@example.com")
        for number in range(30):
            await append(database, deposit(member.account_id, number + 1))
            await auth.tell(member.account_id, "PASSWORD_CHANGED")
        await eventually(lambda: _deposits(database, 30))
        await eventually(lambda: _all_acknowledged(database))
    assert await database.fetchval("SELECT count(*) FROM notifier.notices") == 60
    assert await database.fetchval("SELECT sequence FROM notifier.journal_position") == 30


async def test_orders_are_told_to_people_only(
    configure: Configure, serve: Serve, auth: Auth, database: Connection
) -> None:
    async with serve(configure()) as client:
        member = await auth.join("ada@example.com")
        assert (await client.get("/notifier/v1/notices", headers=member.bearer)).status_code == 200
        sequence = await append(database, [fill(member.account_id, 900_000 + n, n) for n in range(1, 51)])
        await eventually(lambda: _position(database, sequence))
        rows = await database.fetch("SELECT account_id, kind FROM notifier.notices")
        assert [tuple(row) for row in rows] == [(member.account_id, "ORDER_FILLED")]


async def test_a_gap_stops_the_reading_and_says_so(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(configure()):
        await eventually(lambda: database.fetchval("SELECT count(*) FROM notifier.journal_position"))
        await append(database, deposit(2000))
        await eventually(lambda: _deposits(database, 1))
        await append(database, deposit(2000, 7))
        await database.execute("UPDATE exchange.journal SET sequence = 3 WHERE sequence = 2")

        async def complained() -> bool:
            failures = REGISTRY.get_sample_value("crossbook_notifier_source_failures_total", {"source": "journal"})
            return "entry 2 is missing" in capsys.readouterr().out and bool(failures)

        await eventually(complained)
        assert await _deposits(database, 1)
        await database.execute("UPDATE exchange.journal SET sequence = 2 WHERE sequence = 3")
        await eventually(lambda: _deposits(database, 2))


async def test_a_token_is_sealed_sent_and_forgotten(
    configure: Configure,
    serve: Serve,
    auth: Auth,
    database: Connection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    member = await auth.join("ada@example.com", confirmed=False)
    await auth.tell(member.account_id, "CONFIRM_EMAIL", json.dumps({"token": TOKEN}))
    await auth.tell(member.account_id, "RESET_PASSWORD", json.dumps({"token": TOKEN}))
    # Nothing can be sent yet: the outbox is a file.
    blocked = tmp_path / "outbox"
    blocked.touch()
    settings = configure(email_by="outbox", outbox_directory=blocked, max_attempts=100)
    async with serve(settings):
        await eventually(lambda: database.fetchval("SELECT count(*) = 2 FROM notifier.deliveries WHERE attempts > 0"))
        everything = await _dump(database)
        assert TOKEN not in everything
        assert await database.fetchval("SELECT bool_and(secret_sealed IS NOT NULL) FROM notifier.notices")
        blocked.unlink()
        await eventually(lambda: database.fetchval("SELECT bool_and(state = 'SENT') FROM notifier.deliveries"))
    row = await database.fetchrow(
        "SELECT count(secret_sealed) AS secrets, count(recipient) AS recipients FROM notifier.notices"
    )
    assert tuple(row) == (0, 0)  # type: ignore[arg-type]
    logged = capsys.readouterr().out
    assert "delivery_failed" in logged
    assert TOKEN not in logged
    assert member.email not in logged


async def test_a_token_that_expired_is_cleared_and_not_sent(
    configure: Configure, serve: Serve, auth: Auth, database: Connection, tmp_path: Path
) -> None:
    member = await auth.join("ada@example.com")
    await auth.tell(member.account_id, "RESET_PASSWORD", json.dumps({"token": TOKEN}))
    await database.execute("UPDATE auth.notices SET occurred_at = now() - interval '2 days'")
    async with serve(configure(email_by="outbox", outbox_directory=tmp_path / "outbox")):
        await eventually(lambda: database.fetchval("SELECT state = 'DROPPED' FROM notifier.deliveries"))
    assert await database.fetchval("SELECT secret_sealed IS NULL FROM notifier.notices")


async def test_the_role_sees_the_journal_and_nothing_else(database: Connection) -> None:
    others = await database.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
        "WHERE schemaname NOT IN ('notifier', 'pg_catalog', 'information_schema')"
    )
    assert len(others) > 15
    for row in others:
        readable = "SELECT has_table_privilege('crossbook_notifier', $1, 'SELECT')"
        assert await database.fetchval(readable, row["name"]) is (row["name"] == "exchange.journal")
        changeable = "SELECT has_table_privilege('crossbook_notifier', $1, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        assert not await database.fetchval(changeable, row["name"])


async def test_no_other_service_sees_the_notifiers_tables(
    embedded_postgres: EmbeddedPostgres, postgres_url: str
) -> None:
    name = postgres_url.split("@/")[1].split("?")[0]
    for role in ("crossbook_auth", "crossbook_engine", "crossbook_trading"):
        connection = await asyncpg.connect(embedded_postgres.url(name, role))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM notifier.notices")
        await connection.close()


async def test_webhooks_are_told_only_of_what_they_asked_for(
    configure: Configure, serve: Serve, auth: Auth, database: Connection
) -> None:
    async with receiving() as receiver, serve(configure()) as client:
        member = await auth.join("ada@example.com")
        body = {"url": receiver.url, "kinds": ["DEPOSIT"]}
        created = (await client.post("/notifier/v1/webhooks", json=body, headers=member.bearer)).json()
        await auth.tell(member.account_id, "PASSWORD_CHANGED")
        await append(database, deposit(member.account_id))
        await append(database, deposit(2000))

        async def arrived() -> bool:
            return len(receiver.bodies) >= 1 and await _all_acknowledged(database)

        await eventually(arrived)
        await eventually(lambda: database.fetchval("SELECT count(*) = 3 FROM notifier.notices"))
        assert [body["kind"] for body in receiver.bodies] == ["DEPOSIT"]
        assert receiver.bodies[0]["accountId"] == member.account_id
        assert receiver.is_signed_with(created["secret"])


async def _deposits(database: Connection, count: int) -> bool:
    found: int = await database.fetchval("SELECT count(*) FROM notifier.notices WHERE kind = 'DEPOSIT'")
    assert found <= count
    return found == count


async def _position(database: Connection, sequence: int) -> bool:
    return bool(await database.fetchval("SELECT sequence = $1 FROM notifier.journal_position", sequence))


async def _all_acknowledged(database: Connection) -> bool:
    return bool(await database.fetchval("SELECT count(*) = 0 FROM auth.notices"))


async def _dump(database: Connection) -> str:
    tables = ("notices", "deliveries", "members")
    rows = [await database.fetch(f"SELECT t::text FROM notifier.{table} AS t") for table in tables]
    return " ".join(row[0] for found in rows for row in found)
