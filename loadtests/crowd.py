"""``python -m loadtests.crowd``: an exchange of its own under Locust's users, then under the open-loop benchmark.

Locust waits for an answer before a user asks again, so a stall hides the requests that were not sent; the open loop
counts them. Where the two disagree, believe the open loop. Everything is on loopback and bounded in time.
"""

import asyncio
import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import msgspec
import typer
import uvloop

from loadtests import public, results
from loadtests.conditions import ROOT, CpuMeter, describe
from loadtests.traffic import DEPOSITS
from loadtests.venue import HOST, Venue, VenueFailed, running_exchange, scratch_directory

ACCOUNTS: Final = 50
SESSIONS: Final = 8
PASSWORD: Final = "correct horse battery staple"
WEB_PORT: Final = 8089
# What a run takes beyond the time that was asked for, at most.
GRACE_S: Final = 120.0
ENVIRONMENT: Final = {"CROSSBOOK_MAX_REGISTRATIONS_PER_ADDRESS": str(10 * SESSIONS)}


def crowd(
    rate: Annotated[float, typer.Option(min=5, max=5_000, help="Requests per second.")] = 500,
    seconds: Annotated[float, typer.Option(min=5, max=86_400, help="How long the rate is held.")] = 600,
    shape: Annotated[str, typer.Option(help="soak: hold the rate. step: climb to it in five steps.")] = "soak",
    p99_ms: Annotated[float, typer.Option(min=1, help="What 99 of 100 requests must be faster than.")] = 100,
    open_loop_seconds: Annotated[float, typer.Option(min=0, max=3_600, help="The open loop after it; 0: none.")] = 60,
    web: Annotated[bool, typer.Option("--web", help=f"Start and watch on http://{HOST}:{WEB_PORT}.")] = False,
    directory: Annotated[Path | None, typer.Option("--results", help="Where results go; nowhere by default.")] = None,
) -> None:
    """Load an exchange as a crowd of users does; exit with 1 if it failed, was slow, or did not keep up."""
    with scratch_directory() as scratch, running_exchange(environment=ENVIRONMENT) as venue:
        environment = describe(scratch)
        accounts = scratch / "accounts.json"
        accounts.write_bytes(msgspec.json.encode(_open_accounts(venue)))
        meter = CpuMeter(venue.roots)
        options = ("--rate", str(rate), "--seconds", str(seconds), "--load-shape", shape, "--p99-ms", str(p99_ms))
        code = _run_locust(venue, accounts, scratch / "locust", options, seconds, web=web)
        figures: dict[str, Any] = {
            "passed": code == 0,
            "noise": msgspec.to_builtins(meter.stop()),
            "by_name": _stats(scratch / "locust_stats.csv"),
        }
        if open_loop_seconds:
            figures["open_loop"] = _open_loop(venue, rate, open_loop_seconds)
        if venue.restarts():
            raise VenueFailed(f"a process of the exchange died under load; see {venue.directory.logs}")
    if directory is not None:
        parameters = {"rate": rate, "seconds": seconds, "shape": shape, "p99_ms": p99_ms}
        typer.echo(results.write(directory, results.Result("crowd", environment, parameters, figures)))
    raise typer.Exit(code)


def _open_accounts(venue: Venue) -> dict[str, Any]:
    traders = venue.open_accounts(ACCOUNTS, DEPOSITS)
    sessions = []
    with httpx.Client(base_url=f"http://{HOST}:{venue.port}", trust_env=False, timeout=30) as client:
        for number in range(SESSIONS):
            credentials = {"email": f"crowd-{number}@example.com", "password": PASSWORD}
            client.post("/auth/v1/register", json=credentials).raise_for_status()
            answer = client.post("/auth/v1/login", json=credentials).raise_for_status().json()
            sessions.append({**credentials, "accessToken": answer["accessToken"]})
    accounts = [{"apiKey": trader.api_key, "secretKey": trader.secret_key.decode()} for trader in traders]
    return {"accounts": accounts, "sessions": sessions}


def _run_locust(
    venue: Venue, accounts: Path, csv_prefix: Path, options: tuple[str, ...], seconds: float, *, web: bool
) -> int:
    show = ("--web-host", HOST, "--web-port", str(WEB_PORT), "--autostart") if web else ("--headless", "--only-summary")
    command = (
        *(sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py")),
        *("--host", f"http://{HOST}:{venue.port}", "--accounts", str(accounts), "--csv", str(csv_prefix)),
        *("--loglevel", "WARNING", *show, *options),
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCUST_SKIP_LOG_SETUP": "0"}
    # Whoever watches decides when to leave.
    limit_s = None if web else seconds + GRACE_S
    return subprocess.run(command, env=environment, timeout=limit_s, check=False).returncode


def _stats(path: Path) -> list[dict[str, Any]]:
    wanted = ("Type", "Name", "Request Count", "Failure Count", "50%", "99%", "Max Response Time", "Requests/s")
    with path.open(newline="") as rows:
        return [{name: row[name] for name in wanted} for row in csv.DictReader(rows)]


def _open_loop(venue: Venue, rate: float, seconds: float) -> dict[str, Any]:
    async def run() -> public.Run:
        bench = await public.prepare(venue, patience_s=0)
        return await bench.open_loop(lambda traffic: traffic.mixed, rate, seconds, public.SEED)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(run())
    outline = public.outline(measured)
    typer.echo(
        f"open loop: {outline['answered_per_s']} requests/s, p50 {outline['p50_ms']} ms, p99 {outline['p99_ms']} ms, "
        f"errors {outline['errors'] or 'none'}"
    )
    return outline


if __name__ == "__main__":
    typer.run(crowd)
