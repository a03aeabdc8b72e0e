"""The audit: who of the staff did what to whom, when, why, and what came of it. It can only grow.

What changes tables is recorded in the same transaction, so there is no deed without its line. What the engine must do
has two lines: ASKED before, and what came of it after. An ASKED without a second line is a process that died between.

Each is told to the log as well, without reason and details: whoever keeps the log elsewhere can tell whether the table
was cut.
"""

from typing import Any, Final, NamedTuple

import msgspec
import structlog

from services.backoffice.roles import Action, Role
from services.infra.postgres import Source
from services.infra.telemetry import logger

Row = Any
_log = logger(__name__)

ADD: Final = """
INSERT INTO backoffice.audit (actor, roles, action, subject, outcome, reason, request_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LIST: Final = """
SELECT audit_id, occurred_at, actor, roles, action, subject, outcome, reason, request_id, details
FROM backoffice.audit WHERE {conditions} ORDER BY audit_id DESC LIMIT $1
"""


class Actor(NamedTuple):
    """One of the staff: ``user:1000``, or ``os:ada`` for the command line, which has every right."""

    name: str
    roles: frozenset[Role]
    account_id: int | None = None

    @property
    def is_command_line(self) -> bool:
        return self.account_id is None


class Deed(NamedTuple):
    """What an actor is about to do. ``subject`` names what it is done to: ``user:1001``, ``withdrawal:17``."""

    actor: Actor
    action: Action
    subject: str
    reason: str = ""
    details: dict[str, Any] | None = None


async def record(source: Source, deed: Deed, outcome: str = "DONE", **more: Any) -> None:
    details = {**(deed.details or {}), **more}
    await source.execute(
        ADD,
        deed.actor.name,
        sorted(role.value for role in deed.actor.roles),
        deed.action.value,
        deed.subject,
        outcome,
        deed.reason,
        str(structlog.contextvars.get_contextvars().get("request_id", "")),
        msgspec.json.encode(details).decode(),
    )
    _log.info("audit", actor=deed.actor.name, action=deed.action.value, subject=deed.subject, outcome=outcome)


async def newest(source: Source, *, before: int, limit: int, **filters: str | None) -> list[Row]:
    """The newest lines before ``before`` whose columns are as asked.

    Only what is asked for is in the statement, so that an index can be used.
    """
    given = {column: value for column, value in filters.items() if value is not None}
    conditions = ["audit_id < $2", *(f"{column} = ${number}" for number, column in enumerate(given, 3))]
    rows: list[Row] = await source.fetch(
        _LIST.format(conditions=" AND ".join(conditions)), limit, before, *given.values()
    )
    return rows
