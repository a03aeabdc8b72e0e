"""Clients that cannot share an environment with the tests: they pin other versions, or install the same package name.

Each has a lock file here and an environment beside ``.venv`` that ``make`` creates: ``.venv-freqtrade`` from
``freqtrade.lock``. Nothing is compiled but what is published in no other way; a client for which this platform or
Python has no wheels, or no compiler, is left out, its environment says why, and its tests are skipped with that reason.
"""

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
# Published as source only, and pure Python.
SOURCE_ONLY: Final = "sdnotify"
# Has an extension in C, and for some versions of Python no wheels.
COMPILED: Final = "cryptofeed"
# Where every client is known to install, so that leaving one out is a failure and not a reason to skip. CI runs here.
SUPPORTED: Final = ("linux", "x86_64", (3, 11))
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
    missing = _install(client, SOURCE_ONLY)
    if missing is None:
        return
    version = ".".join(map(str, sys.version_info[:2]))
    reason = f"{client} is not installed: no wheel of {missing} for {sys.platform} and Python {version}"
    if missing.startswith(COMPILED):
        if _can_compile():
            missing = _install(client, f"{SOURCE_ONLY},{COMPILED}")
            if missing is None:
                return
        reason += ", and it cannot be compiled here"
    elif (sys.platform, platform.machine(), sys.version_info[:2]) == SUPPORTED:
        raise SystemExit(f"{reason}, though there was one: is the lock still good?")
    (directory / UNAVAILABLE).write_text(reason)
    sys.stderr.write(f"{reason}; its tests will be skipped\n")


def _install(client: str, from_source: str) -> str | None:
    """Install what is locked, from wheels but for these; return what has none."""
    pip = (environment(client) / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    wheels = ("--require-hashes", "--only-binary", ":all:", "--no-binary", from_source)
    done = subprocess.run((*pip, *wheels, "-r", HERE / f"{client}.lock"), capture_output=True, text=True)
    if done.returncode == 0:
        return None
    missing = _no_wheel.search(done.stderr)
    # pip says the same of a package that it could not look for.
    if missing is None or "Retrying" in done.stderr:
        raise SystemExit(f"{done.stdout}{done.stderr}")
    return missing[1]


def _can_compile() -> bool:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(compiler) is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


if __name__ == "__main__":
    install(sys.argv[1])
