"""Exchanges whose parts reach each other through wires that can be cut."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.conftest import CHEAP_HASHES
from tests.faults.wire import Wire, to_tcp, to_unix
from tests.running import RunningSystem


@dataclass
class Wired:
    """``database`` leads from the first engine to PostgreSQL, ``engine`` from trading to the first engine, ``redis``
    from every service to Redis.
    """

    system: RunningSystem
    database: Wire
    engine: Wire
    redis: Wire


@pytest.fixture
def start_wired(server_directory: Path, wide_markets: Path, migrated_cluster: Path) -> Iterator[Callable[..., Wired]]:
    """Start an exchange with wires: ``start_wired("--engines", "2")``."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Wired:
            database, engine, redis = (Wire() for _ in range(3))
            for wire in (database, engine, redis):
                stack.callback(wire.close)
            first = "ENGINE1" if "--engines" in arguments else "ENGINE"
            urls = [f"http://127.0.0.1:{engine.port}"]
            role = "crossbook_engine"
            environment = {
                "CROSSBOOK_MARKETS_FILE": str(wide_markets),
                **CHEAP_HASHES,
                f"CROSSBOOK_{first}__CROSSBOOK_DATABASE_URL": f"postgresql://{role}@127.0.0.1:{database.port}/crossbook",
                **{
                    f"CROSSBOOK_{name}__CROSSBOOK_REDIS_URL": f"redis://127.0.0.1:{redis.port}"
                    for name in ("ENGINE", "ENGINE1", "ENGINE2", "TRADING", "AUTH")
                },
            }
            if first == "ENGINE":
                environment["CROSSBOOK_TRADING__CROSSBOOK_ENGINE_URLS"] = urls[0]
            system = RunningSystem(
                server_directory / "wired",
                *("--no-demo", "--lean", *arguments),
                environment=environment,
                cluster=migrated_cluster,
            )
            stack.callback(system.stop)
            database.lead(to_unix(lambda: f"{socket_directory(system.database_url)}/.s.PGSQL.5432"))
            redis.lead(to_unix(lambda: unquote(system.redis_url.removeprefix("unix://"))))
            engine.lead(to_tcp(lambda: ("127.0.0.1", int(urlsplit(system.engine_urls[0]).port or 0))))
            system.start()
            return Wired(system, database, engine, redis)

        yield start


def socket_directory(database_url: str) -> str:
    return parse_qs(urlsplit(database_url).query)["host"][0]
