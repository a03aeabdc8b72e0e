"""Whoever migrates sets the roles' passwords, and the database believes exactly those."""

import asyncio

import asyncpg
import pytest

from services.local.embedded import EmbeddedPostgres
from services.local.role_passwords import MONITOR, PasswordError, set_passwords, verifier, wanted

PASSWORD = "correct-horse-battery"


def test_only_whole_passwords_of_services_are_taken() -> None:
    assert wanted({"CROSSBOOK_ROLE_PASSWORD_AUTH": PASSWORD, "PATH": "/bin"}) == {"crossbook_auth": PASSWORD}
    for variable, password in (
        ("CROSSBOOK_ROLE_PASSWORD_AUTH; DROP", PASSWORD),
        ("CROSSBOOK_ROLE_PASSWORD_", PASSWORD),
        ("CROSSBOOK_ROLE_PASSWORD_AUTH", "short"),
        ("CROSSBOOK_ROLE_PASSWORD_AUTH", f"{PASSWORD}ü"),
    ):
        with pytest.raises(PasswordError) as refused:
            wanted({variable: password})
        assert password not in str(refused.value)


def test_two_verifiers_of_one_password_differ() -> None:
    assert verifier(PASSWORD) != verifier(PASSWORD)


async def test_the_database_lets_in_who_knows_the_password(
    embedded_postgres: EmbeddedPostgres, postgres_url: str
) -> None:
    superuser = await asyncpg.connect(postgres_url)
    rules = embedded_postgres.directory / "pg_hba.conf"
    before = rules.read_text()
    try:
        await superuser.execute("CREATE ROLE crossbook_passwordtest LOGIN")
        await set_passwords(postgres_url, {"crossbook_passwordtest": PASSWORD})
        rules.write_text(f"local all crossbook_passwordtest scram-sha-256\n{before}")
        await superuser.execute("SELECT pg_reload_conf()")
        url = postgres_url.replace("postgres@", "crossbook_passwordtest@", 1)
        await _is_refused(url, f"{PASSWORD}x")
        connection = await asyncpg.connect(url, password=PASSWORD)
        await connection.close()
    finally:
        rules.write_text(before)
        await superuser.execute("SELECT pg_reload_conf()")
        await superuser.execute("DROP ROLE crossbook_passwordtest")
        await superuser.close()


async def test_who_watches_reads_statistics_and_no_table(postgres_url: str) -> None:
    for _ in range(2):
        await set_passwords(postgres_url, {MONITOR: PASSWORD})
    connection = await asyncpg.connect(postgres_url.replace("postgres@", f"{MONITOR}@", 1), password=PASSWORD)
    try:
        assert await connection.fetchval("SELECT sum(pg_database_size(oid)) > 0 FROM pg_database")
        assert await connection.fetchval("SELECT count(*) > 0 FROM pg_stat_activity WHERE query IS NOT NULL")
        ours = "relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information_)'"
        tables = f"SELECT count(*) FROM pg_class WHERE {ours}"
        assert await connection.fetchval(tables) > 20
        assert await connection.fetchval(f"{tables} AND has_table_privilege(oid, 'SELECT')") == 0
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("CREATE SCHEMA intruder")
    finally:
        await connection.close()


async def _is_refused(url: str, password: str) -> None:
    """The server takes a moment to read its rules again."""
    async with asyncio.timeout(30):
        while True:
            try:
                connection = await asyncpg.connect(url, password=password)
            except asyncpg.InvalidPasswordError:
                return
            await connection.close()
            await asyncio.sleep(0.02)
