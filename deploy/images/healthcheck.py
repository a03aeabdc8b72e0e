"""The image's health check: whether the service in this container answers. It runs where there is no curl."""

import os
import sys
import urllib.request
from typing import Final

TIMEOUT_S: Final = 2


def main() -> int:
    try:
        port = int(os.environ["CROSSBOOK_PORT"])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=TIMEOUT_S) as answer:
            return 0 if answer.status == 200 else 1
    except (OSError, KeyError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
