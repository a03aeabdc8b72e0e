"""``python -m tests.known_vulnerabilities``: asks pip-audit about every package that an exchange runs with.

What is locked is looked up, with the hashes of the lock. A known vulnerability fails; that the service which knows them
cannot be reached does not, or nobody could work offline, but it is said: pip-audit itself calls a list "without known
vulnerabilities" of which it could look up nothing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

LOCK: Final = "requirements-local.lock"
TIMEOUT_S: Final = 60


def ask(lock: Path) -> list[dict[str, Any]] | None:
    """What is known of each package; None if there was no answer."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "5", "--format", "json"]
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "audit.json"
        command = [sys.executable, "-m", "pip_audit", *options, "--output", str(output), "--requirement", str(lock)]
        try:
            subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return None
        if not output.exists():
            return None
        packages: list[dict[str, Any]] = json.loads(output.read_bytes())["dependencies"]
        return packages


def verdict(packages: list[dict[str, Any]] | None) -> tuple[str, int]:
    """What to say of it, and the exit code."""
    looked_up = [package for package in packages or () if "vulns" in package]
    if packages is None or not looked_up:
        return "Not checked for known vulnerabilities: the service that knows them cannot be reached.", 0
    found = [f"{one['name']} {one['version']}: {bug['id']}" for one in looked_up for bug in one["vulns"]]
    if found:
        return "Known vulnerabilities:\n" + "\n".join(found), 1
    skipped = len(packages) - len(looked_up)
    return f"No known vulnerabilities in {len(looked_up)} packages; {skipped} could not be looked up.", 0


if __name__ == "__main__":
    text, code = verdict(ask(Path(LOCK)))
    sys.stdout.write(text + "\n")
    sys.exit(code)
