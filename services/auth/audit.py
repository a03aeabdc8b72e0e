"""The audit log: what happened to an account, for its owner to read. Written in the transaction of what happened.

Rows are only ever added: the service's own database role may neither change nor delete one. What anyone could make the
service write is bounded by the throttles before it.

Each is told to the log as well, with nothing about the person but the account: whoever keeps the log elsewhere can tell
whether the table was cut.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from services.auth.visitors import Visitor
from services.infra.telemetry import logger
from services.infra.transactions import Connection

_log = logger(__name__)

Action = Literal[
    "REGISTERED",
    "EMAIL_CONFIRMED",
    "EMAIL_CHANGED",
    "LOGIN",
    "LOGIN_REFUSED",
    "LOGOUT",
    "SESSION_REVOKED",
    "OTHER_SESSIONS_REVOKED",
    "REFRESH_TOKEN_REUSED",
    "PASSWORD_CHANGED",
    "PASSWORD_RESET",
    "SECOND_FACTOR_ENABLED",
    "SECOND_FACTOR_DISABLED",
    "RECOVERY_CODE_USED",
    "RECOVERY_CODES_REPLACED",
    "API_KEY_CREATED",
    "API_KEY_CHANGED",
    "API_KEY_DELETED",
    "ROLES_SET",
]
LISTED_MAX: Final = 200

WRITE: Final = """
INSERT INTO auth.audit (account_id, action, address, user_agent, data) VALUES ($1, $2, $3, $4, $5::jsonb)
"""
LIST: Final = """
SELECT audit_id, occurred_at, action, host(address) AS address, user_agent, data FROM auth.audit
WHERE account_id = $1 AND audit_id < $2 ORDER BY audit_id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Entry:
    audit_id: int
    occurred_at: datetime
    action: Action
    address: str | None
    user_agent: str
    data: dict[str, Any]


async def write(
    connection: Connection, account_id: int, action: Action, visitor: Visitor | None, **data: object
) -> None:
    """Record what happened; without a visitor it was an operator's doing. ``data`` never holds a secret."""
    address, user_agent = (visitor.address, visitor.user_agent) if visitor is not None else (None, "")
    await connection.execute(WRITE, account_id, action, address, user_agent, msgspec.json.encode(data).decode())
    _log.info("audit", account_id=account_id, action=action)


async def page(connection: Connection, account_id: int, *, before: int, limit: int) -> list[Entry]:
    """List the newest entries of those before ``before``."""
    rows = await connection.fetch(LIST, account_id, before, limit)
    return [Entry(**{**row, "data": msgspec.json.decode(row["data"])}) for row in rows]
