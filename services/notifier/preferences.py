"""Preferences: which kinds an account is told of by which channel, where that differs from the default."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.infra.transactions import Connection
from services.notifier.kinds import CHOSEN, PREFERENCE_CHANNELS, PreferenceChannel, standing

READ: Final = "SELECT kind, channel, enabled FROM notifier.preferences WHERE account_id = $1"
WRITE: Final = """
INSERT INTO notifier.preferences (account_id, kind, channel, enabled)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::boolean[])
ON CONFLICT (account_id, kind, channel) DO UPDATE SET enabled = excluded.enabled
"""


class Preference(NamedTuple):
    kind: str
    channel: PreferenceChannel
    enabled: bool
    is_fixed: bool


async def read(connection: Connection, account_id: int) -> list[Preference]:
    """All there are, kind by kind."""
    chosen = {(row["kind"], row["channel"]): row["enabled"] for row in await connection.fetch(READ, account_id)}
    return [_preference(kind, channel, chosen) for kind in CHOSEN for channel in PREFERENCE_CHANNELS]


async def write(connection: Connection, account_id: int, changes: Sequence[tuple[str, str, bool]]) -> None:
    """Each (kind, channel) at most once, and none that is fixed."""
    kinds, channels, enabled = zip(*changes, strict=True)
    await connection.execute(WRITE, account_id, list(kinds), list(channels), list(enabled))


def _preference(kind: str, channel: PreferenceChannel, chosen: dict[tuple[str, str], bool]) -> Preference:
    default = standing(kind, channel)
    enabled = default.enabled if default.is_fixed else chosen.get((kind, channel), default.enabled)
    return Preference(kind, channel, enabled, default.is_fixed)
