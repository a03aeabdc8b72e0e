"""Find a Chromium for the browser tests, or get one. ``python -m tests.web.browser`` says which, before the tests run.

First choice is one that is installed; then Playwright's own download; then Debian's package, where we may install it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Error, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
APPLICATIONS: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# Nothing but the page talks to the network.
ARGUMENTS: Final = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
INSTALL_TIMEOUT_S: Final = 600


def arguments() -> list[str]:
    """Chromium refuses its sandbox to root."""
    return [*ARGUMENTS, "--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else list(ARGUMENTS)


def find_browser() -> str | None:
    """The path of a Chromium that is here."""
    for candidate in (os.environ.get("CROSSBOOK_CHROMIUM"), *map(shutil.which, NAMES), *APPLICATIONS, _downloaded()):
        if candidate and Path(candidate).exists():
            return candidate
    return None


def _downloaded() -> str | None:
    with sync_playwright() as playwright:
        try:
            return playwright.chromium.executable_path
        except Error:
            return None


def main() -> None:
    path = find_browser() or _install()
    print(f"Browser tests run in {path}" if path else "Browser tests are skipped: no Chromium here, and none to be had")


def _install() -> str | None:
    steps = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        # Faster where it works, so it comes first.
        steps = [
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
            *steps,
        ]
    for step in steps:
        print(f"Getting a browser: {' '.join(step[-4:])}", flush=True)
        try:
            subprocess.run(step, check=False, timeout=INSTALL_TIMEOUT_S, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"  {error}")
        found = find_browser()
        if found is not None:
            return found
    return None


if __name__ == "__main__":
    main()
