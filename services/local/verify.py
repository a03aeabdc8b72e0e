"""Verify the exchange in any database, as JSON: what ``crossbook verify`` does where there is no data directory.

``CROSSBOOK_DATABASE_URL`` names the database; its reader needs no more rights than the engine has.
``CROSSBOOK_VERIFIED_HOST`` asks another server with the same credentials: one that was restored beside the first.
``CROSSBOOK_FROM_SNAPSHOT=true`` trusts the newest snapshot. The exit code is 1 at the first difference.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from services.engine.journal import JournalCorrupt
from services.engine.verify import Mismatch, verify


def main() -> int:
    try:
        report = asyncio.run(verify(database_url(os.environ), from_snapshot=_is_true("CROSSBOOK_FROM_SNAPSHOT")))
    except (Mismatch, JournalCorrupt) as difference:
        sys.stderr.write(f"not verified: {difference}\n")
        return 1
    sys.stdout.write(f"{msgspec.json.encode(report).decode()}\n")
    return 0


def database_url(environment: Mapping[str, str]) -> str:
    url = environment["CROSSBOOK_DATABASE_URL"]
    host = environment.get("CROSSBOOK_VERIFIED_HOST")
    if not host:
        return url
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=f"{credentials}@{host}{port}").geturl()


def _is_true(name: str) -> bool:
    return os.environ.get(name, "") == "true"


if __name__ == "__main__":
    sys.exit(main())
