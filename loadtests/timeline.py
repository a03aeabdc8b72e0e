"""What the processes of an exchange log of a hand-over, on one time line: where the time between two engines goes."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

# In the order in which a hand-over brings them about; of another process each time, or of the same.
STAGES: Final = (
    "handing_over",
    "lease_freed",
    "handed_over",
    "engine_gone",
    "recovered",
    "active",
    "engine_found",
)
# What is worth repeating of a line.
_DETAILS: Final[tuple[str, ...]] = ("epoch", "sequence", "replayed_commands", "pause_ms")


class Moment(msgspec.Struct, frozen=True):
    """``at_ms`` counts from the signal."""

    at_ms: float
    process: str
    event: str
    details: dict[str, Any]


def read(logs: Path, since_s: float) -> list[Moment]:
    """Every stage that a log of the directory tells of, after ``since_s`` (epoch seconds), in order of time."""
    moments = [moment for log in sorted(logs.glob("*.log")) for moment in _moments(log, since_s)]
    return sorted(moments, key=lambda moment: moment.at_ms)


def _moments(log: Path, since_s: float) -> Iterator[Moment]:
    for line in log.read_bytes().splitlines():
        if not line.startswith(b"{"):
            continue
        try:
            said = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            continue
        if said.get("event") not in STAGES:
            continue
        at_s = datetime.fromisoformat(said["timestamp"]).timestamp()
        if at_s >= since_s:
            details = {name: said[name] for name in _DETAILS if name in said}
            yield Moment(round((at_s - since_s) * 1000, 1), log.stem, said["event"], details)


def shown(moments: list[Moment]) -> str:
    """One line for each."""
    return "\n".join(
        f"  {moment.at_ms:8.1f} ms  {moment.process:10} {moment.event:13} "
        + " ".join(f"{name}={value}" for name, value in moment.details.items())
        for moment in moments
    )
