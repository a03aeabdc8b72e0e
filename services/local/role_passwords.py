"""The passwords of the services' database roles, set by whoever migrates.

``CROSSBOOK_ROLE_PASSWORD_AUTH`` and so on name them. The database is sent SCRAM verifiers, never a password: neither
its log nor a wire shows one. Roles without a variable keep what they have.

``CROSSBOOK_ROLE_PASSWORD_MONITOR`` is of a role that no service has: what watches PostgreSQL reads its statistics with
it, and no table. It is made where it is given a password; without one there is no such way in.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from typing import Final

import asyncpg

PREFIX: Final = "CROSSBOOK_ROLE_PASSWORD_"
# As PostgreSQL itself: RFC 7677's minimum.
ITERATIONS: Final = 4096
SALT_BYTES: Final = 16
MIN_CHARS: Final = 16

MONITOR: Final = "crossbook_monitor"
# Two databases of one server may be migrated at once, hence the second exception. Whoever watches must never be a load.
MAKE_MONITOR: Final = f"""
DO $$ BEGIN CREATE ROLE {MONITOR} LOGIN CONNECTION LIMIT 10;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
GRANT pg_monitor TO {MONITOR};
ALTER ROLE {MONITOR} SET statement_timeout = '5s';
ALTER ROLE {MONITOR} SET default_transaction_read_only = on;
"""

_service = re.compile(r"[A-Z]{2,30}")


class PasswordError(Exception):
    """A variable names no role that there could be, or a password that is none. It is not quoted."""


def wanted(environment: Mapping[str, str]) -> dict[str, str]:
    """Passwords by role."""
    found = {}
    for variable, password in environment.items():
        if not variable.startswith(PREFIX):
            continue
        service = variable.removeprefix(PREFIX)
        if not _service.fullmatch(service):
            raise PasswordError(f"{variable} names no service")
        if len(password) < MIN_CHARS or not password.isascii() or not password.isprintable():
            raise PasswordError(f"{variable} must be {MIN_CHARS} or more printable ASCII characters")
        found[f"crossbook_{service.lower()}"] = password
    return found


async def set_passwords(url: str, passwords: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        if MONITOR in passwords:
            await connection.execute(MAKE_MONITOR)
        for role, password in passwords.items():
            # Neither can hold a quote: the role was matched above, and a verifier is base64.
            await connection.execute(f"ALTER ROLE {role} PASSWORD '{verifier(password)}'")
    finally:
        await connection.close()


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803)."""
    salt = secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *encoded)


def from_environment() -> dict[str, str]:
    return wanted(os.environ)
