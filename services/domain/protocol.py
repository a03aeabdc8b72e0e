"""What travels between a gateway and the engine: requests in one POST, one reply for each, MessagePack both ways.

A request's ``deadline_us`` (epoch microseconds) is the last instant at which the engine may still start it. The gateway
gives up later than that, so "unknown" settles quickly into one of the two truths.
"""

from enum import Enum
from typing import Final

import msgspec

from services.domain.commands import Command, PlaceOrder
from services.domain.events import Event
from services.domain.refusals import Refusal


class _Query(msgspec.Struct, frozen=True, array_like=True, tag=True, tag_field="command"):
    pass


class ReadDepth(_Query, frozen=True):
    """The best ``limit`` levels of each side, as of the last commit."""

    symbol: str
    limit: int


class CheckOrder(_Query, frozen=True):
    """Run every check of an order and place nothing."""

    order: PlaceOrder


Query = ReadDepth | CheckOrder
Request = Command | Query


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    deadline_us: int
    request: Request


class _Reply(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


class Applied(_Reply, frozen=True):
    """Committed under ``sequence`` at ``time_us``; ``events`` are this command's own."""

    sequence: int
    time_us: int
    events: list[Event]


class Refused(_Reply, frozen=True):
    """Nothing changed."""

    reason: Refusal


# The body of the 503 with which an engine that stands by declines a parcel; another 503 may come from anyone, after
# anything.
NOT_ACTIVE: Final = b'{"code":"not_active"}'


# Names one POST of one gateway: ``<gateway>-<number>``, with numbers that rise. An engine carries a parcel out once,
# however often something between the two repeats it. No POST may be repeated to another process than it went to first.
PARCEL_HEADER: Final = "X-Crossbook-Parcel"


def parcel_id(gateway: str, number: int) -> str:
    return f"{gateway}-{number}"


class FailureKind(Enum):
    OVERLOADED = "OVERLOADED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"


class Failed(_Reply, frozen=True):
    """OVERLOADED and EXPIRED: certainly not applied. UNKNOWN: the commit's outcome was not seen."""

    kind: FailureKind


class Depth(_Reply, frozen=True):
    """Levels are (price_e8, quantity_e8), best first."""

    update_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class Checked(_Reply, frozen=True):
    """The order would have been accepted."""


Reply = Applied | Refused | Failed | Depth | Checked
