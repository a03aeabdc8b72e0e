"""Running checks in order, and saying what came of each."""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from deploy.check.tools import Failed, Missing, Tool

# ``--fast`` leaves out what takes longer than this on two cores.
FAST_S: Final = 20


class Check(NamedTuple):
    """``run`` gets the root of what is to be checked, and returns one line that says what it saw.

    ``cost_s`` is about how long it takes. One that is ``only_by_name`` is not run unless it is asked for.
    """

    name: str
    tools: tuple[Tool, ...]
    cost_s: int
    run: Callable[[Path], str]
    only_by_name: bool = False


def run_checks(checks: Sequence[Check], root: Path) -> bool:
    """Print a line for each, and more for one that failed; whether none failed."""
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    width = max(len(check.name) for check in checks)
    for check in checks:
        started_s = time.monotonic()
        outcome, told = _outcome(check, root)
        took = "" if outcome == "skip" else f"{time.monotonic() - started_s:.1f} s"
        counts[outcome] += 1
        print(f"{outcome:<4}  {check.name:<{width}}  {took:>7}  {told}", flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return counts["FAIL"] == 0


def _outcome(check: Check, root: Path) -> tuple[str, str]:
    try:
        versions = ", ".join(tool.version() for tool in check.tools)
    except Missing as missing:
        return "skip", str(missing)
    versions = versions or f"python {sys.version.split()[0]}"
    try:
        return "ok", f"{versions}: {check.run(root)}"
    except Missing as missing:
        return "skip", f"{versions}: {missing}"
    except Failed as failed:
        return "FAIL", f"{versions}:\n{_indented(str(failed))}"
    except Exception:
        # One that breaks must not keep the others from being run.
        return "FAIL", f"{versions}:\n{_indented(traceback.format_exc())}"


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())
