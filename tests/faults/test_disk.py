"""A full disk: orders are refused or unknown, none is lost, and when there is room again nobody has to do anything.

PostgreSQL's directory is a small file system of its own, filled to the last byte in the middle of trading. Its next
segment of the log finds no room, so it panics, and cannot even start until there is some. CROSSBOOK_FULL_S is how long
the disk stays full (``make chaos`` sets 20).
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import CHEAP_HASHES
from tests.faults import report
from tests.faults.load import READY_TIMEOUT_S, Load, under_load, until
from tests.faults.test_kills import SEED
from tests.running import RunningSystem

FULL_S = float(os.environ.get("CROSSBOOK_FULL_S", "2"))
DISK_MIB = 256
BLOCK_BYTES = 1024 * 1024


@pytest.fixture
def system_on_a_small_disk(
    server_directory: Path, wide_markets: Path, migrated_cluster: Path
) -> Iterator[RunningSystem]:
    environment = {"CROSSBOOK_MARKETS_FILE": str(wide_markets), **CHEAP_HASHES}
    system = RunningSystem(server_directory / "small", "--no-demo", "--lean", environment=environment)
    system.directory.claim()
    disk = system.directory.postgres
    disk.mkdir()
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(disk)),
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        subprocess.run(("cp", "-Rp", f"{migrated_cluster}/.", str(disk)), check=True)
        yield system.start()
        system.stop()
    finally:
        subprocess.run(("umount", "--lazy", str(disk)), check=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_disk_is_full(system_on_a_small_disk: RunningSystem) -> None:
    system = system_on_a_small_disk
    async with under_load(system, "full disk", SEED) as load:
        await load.until_acknowledged(READY_TIMEOUT_S)
        load.faults["disk full"] += 1
        ballast = system.directory.postgres / "ballast"
        await asyncio.to_thread(fill, ballast)
        await until_nothing_is_stored(load)
        report.say(f"disk full, {load.refused} refused, {load.unknown} unknown")
        stored, answered = load.acknowledged, load.refused + load.unknown
        await asyncio.sleep(FULL_S)
        await until(lambda: load.refused + load.unknown > answered, READY_TIMEOUT_S)
        assert load.acknowledged == stored
        ballast.unlink()
    restarts = system.state.process("postgres").restarts
    report.say(f"PostgreSQL was started again {restarts} times")
    assert load.summary is not None and load.summary.acknowledged > stored


def fill(ballast: Path) -> None:
    """To the last byte."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (BLOCK_BYTES, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass


async def until_nothing_is_stored(load: Load) -> None:
    """PostgreSQL prepares its log some segments ahead; let it come to the end of them."""
    async with asyncio.timeout(READY_TIMEOUT_S):
        while True:
            before = load.acknowledged
            with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
                connection = await asyncpg.connect(load.system.database_url, timeout=2)
                try:
                    await connection.execute("SELECT pg_switch_wal()")
                finally:
                    connection.terminate()
            await asyncio.sleep(0.5)
            if load.acknowledged == before:
                return
