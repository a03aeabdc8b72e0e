"""What a scenario did and found, as JSON in the directory CROSSBOOK_CHAOS_RESULTS if that is set, and on the screen."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

VARIABLE = "CROSSBOOK_CHAOS_RESULTS"
_started_s = time.monotonic()


def say(text: str) -> None:
    """Progress, past pytest's capturing where somebody waits for it."""
    line = f"[{time.monotonic() - _started_s:6.1f} s] {text}"
    print(line, file=sys.__stderr__ if VARIABLE in os.environ else sys.stdout, flush=True)


def record(scenario: str, figures: dict[str, Any]) -> None:
    """Keep what the scenario found. It is not called when a promise was broken: then pytest says so."""
    say(f"{scenario}: {msgspec.json.encode(figures).decode()}")
    directory = os.environ.get(VARIABLE)
    if directory:
        path = Path(directory) / f"{scenario}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
