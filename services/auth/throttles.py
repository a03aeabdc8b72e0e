"""Throttles: how often something may be tried in a window of time, counted in PostgreSQL.

- An attempt is counted before it is carried out, in a transaction that commits: attempts at once cannot overtake the
  count. What succeeded is given back.
- A window has a fixed end. Attempts past the limit do not move it, so nobody can keep a window closed by knocking.
- What is counted is kept as a digest only. A row is of no use after its window, and the next ``delete_ended`` takes it.
"""

from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from services.infra.transactions import Connection

# Of IPv6, one customer has at least this much.
IPV6_PREFIX: Final = 64

TAKE: Final = """
INSERT INTO auth.throttles AS known (bucket, attempts, ends_at) VALUES ($1, 1, now() + make_interval(secs => $2))
ON CONFLICT (bucket) DO UPDATE SET
    attempts = CASE WHEN known.ends_at <= now() THEN 1 ELSE least(known.attempts + 1, 1000000) END,
    ends_at = CASE WHEN known.ends_at <= now() THEN excluded.ends_at ELSE known.ends_at END
RETURNING attempts, ceil(extract(epoch FROM ends_at - now()))::integer AS left_s
"""
GIVE_BACK: Final = "UPDATE auth.throttles SET attempts = greatest(attempts - 1, 0) WHERE bucket = $1"
FORGET: Final = "DELETE FROM auth.throttles WHERE bucket = $1"
DELETE_ENDED: Final = "DELETE FROM auth.throttles WHERE ends_at <= now()"


@dataclass(frozen=True, slots=True)
class Throttle:
    """``attempts`` of ``what`` by ``whom`` in ``window_s``."""

    what: str
    whom: str
    attempts: int
    window_s: int

    @property
    def bucket(self) -> bytes:
        return sha256(f"{self.what}\0{self.whom}".encode(errors="surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Taken:
    """``retry_after_s`` is 0 as long as the attempt may be made; ``is_last`` says that the next one may not."""

    retry_after_s: int
    is_last: bool


def network_of(address: IPv4Address | IPv6Address) -> str:
    """What counts as one address."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, IPV6_PREFIX), strict=False))


async def take(connection: Connection, throttle: Throttle) -> Taken:
    """Count an attempt. Commit, whatever the answer."""
    row = await connection.fetchrow(TAKE, throttle.bucket, throttle.window_s)
    assert row is not None, "INSERT ... RETURNING without a row"
    if row["attempts"] > throttle.attempts:
        return Taken(max(1, row["left_s"]), False)
    return Taken(0, row["attempts"] == throttle.attempts)


async def give_back(connection: Connection, throttle: Throttle) -> None:
    """The attempt was an honest one."""
    await connection.execute(GIVE_BACK, throttle.bucket)


async def forget(connection: Connection, throttle: Throttle) -> None:
    """All of them were."""
    await connection.execute(FORGET, throttle.bucket)


async def delete_ended(connection: Connection) -> None:
    await connection.execute(DELETE_ENDED)
