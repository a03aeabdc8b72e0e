"""``python -m deploy.check``: exit code 0 when no check failed, 1 when one did, 2 when it was called wrongly."""

import argparse
import sys
from pathlib import Path

from deploy.check.check import FAST_S, run_checks
from deploy.check.table import CHECKS
from deploy.check.tools import REPOSITORY


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.check", description="Check what deploys Crossbook.")
    names = [check.name for check in CHECKS]
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help=f"one of: {', '.join(names)}")
    parser.add_argument("--fast", action="store_true", help=f"leave out what takes more than {FAST_S} s")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="check another copy of the repository")
    chosen = parser.parse_args(arguments)
    checks = [
        check
        for check in CHECKS
        if (check.name in chosen.only if chosen.only else not check.only_by_name)
        and not (chosen.fast and check.cost_s > FAST_S)
    ]
    if not checks:
        parser.error("nothing is left to check")
    return 0 if run_checks(checks, chosen.root.resolve()) else 1


if __name__ == "__main__":
    sys.exit(main())
