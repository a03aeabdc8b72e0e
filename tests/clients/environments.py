"""Clients that cannot share an environment with the tests: they pin other versions, or install the same package name.

Each has a lock file here and an environment beside ``.venv`` that ``make`` creates: ``.venv-freqtrade`` from
``freqtrade.lock``. Nothing is compiled; a client for which this platform or Python has no wheels is left out, its
environment says why, and its tests are skipped with that reason.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
# Published as source only, and pure Python.
SOURCE_ONLY: Final = "sdnotify"
UNAVAILABLE: Final = "unavailable"

_no_wheel = re.compile(r"No matching distribution found for (\S+)")


class Unavailable(Exception):
    """There is no such client on this machine; the message says why."""


def environment(client: str) -> Path:
    return ROOT / f".venv-{client}"


def executable(client: str, name: str) -> Path:
    """Return the path of a program in a client's environment."""
    directory = environment(client)
    reason = directory / UNAVAILABLE
    if reason.exists():
        raise Unavailable(reason.read_text())
    path = directory / "bin" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: `make test` installs it, `make {directory.name}/stamp` only that")
    return path


def install(client: str) -> None:
    """Make a client's environment anew."""
    directory = environment(client)
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run((sys.executable, "-m", "venv", directory), check=True)
    pip = (directory / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    wheels = ("--require-hashes", "--only-binary", ":all:", "--no-binary", SOURCE_ONLY)
    done = subprocess.run((*pip, *wheels, "-r", HERE / f"{client}.lock"), capture_output=True, text=True)
    if done.returncode == 0:
        return
    missing = _no_wheel.search(done.stderr)
    # pip says the same of a package that it could not look for.
    if missing is None or "Retrying" in done.stderr:
        raise SystemExit(f"{done.stdout}{done.stderr}")
    version = ".".join(map(str, sys.version_info[:2]))
    reason = f"{client} is not installed: no wheel of {missing[1]} for {sys.platform} and Python {version}"
    (directory / UNAVAILABLE).write_text(reason)
    sys.stderr.write(f"{reason}; its tests will be skipped\n")


if __name__ == "__main__":
    install(sys.argv[1])
