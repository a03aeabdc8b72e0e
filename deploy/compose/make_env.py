"""Print the secrets that deploy/compose.yaml needs, new ones each time; see the top of that file.

It runs with any Python 3 and nothing else. Kept, they keep an installation; the encryption key cannot be replaced.
"""

import base64
import secrets
from typing import Final

PASSWORDS: Final = ("OWNER", "REPLICATION", "AUTH", "ENGINE", "TRADING", "NOTIFIER", "BACKOFFICE", "MONITOR", "GRAFANA")


def main() -> None:
    for name in PASSWORDS:
        print(f"CROSSBOOK_{name}_PASSWORD={secrets.token_hex(24)}")
    print(f"CROSSBOOK_INTERNAL_TOKEN={secrets.token_hex(32)}")
    print(f"CROSSBOOK_ENCRYPTION_KEY={base64.b64encode(secrets.token_bytes(32)).decode()}")


if __name__ == "__main__":
    main()
