"""One local exchange from start to stop. ``LocalExchange.start`` is the order of things."""

import asyncio
import contextlib
import os
import shlex
import signal
import time
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import psutil

from services.local import role_passwords, schema_version
from services.local.data_directory import DataDirectory, DataDirectoryError, RunState
from services.local.demo import DEPOSITS, Demo, ccxt_lines, ensure_demo
from services.local.guard import Guard
from services.local.internal import InternalClient
from services.local.launch import end, is_running
from services.local.logs import ChildLog, say
from services.local.processes import DATABASE, OWNER_VARIABLE, Addresses, Processes, choose_addresses, port_is_free
from services.local.supervisor import Child, ChildSpec, StartFailed

# A run that was killed needs this long at most until its guard has stopped what it left.
LOCK_WAIT_S: Final = 60.0
ENGINE_WAIT_S: Final = 60.0
LEFTOVER_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class UpOptions:
    directory: Path
    port: int
    engines: int = 1
    fresh: bool = False
    demo: bool = True
    demo_funds: bool = True
    # Trading and nothing around it.
    lean: bool = False
    limits: str = "off"
    # None for no TLS.
    tls_port: int | None = None


def up(options: UpOptions) -> None:
    """Run an exchange in the foreground until told to stop. Raise StartFailed or DataDirectoryError if it cannot."""
    directory = DataDirectory(options.directory)
    directory.claim()
    running = directory.run_state()
    if running is not None and _is_running(running.supervisor_pid):
        raise DataDirectoryError(f"an exchange already runs in {directory.root}, at {running.base_url}")
    if directory.is_locked:
        say("Waiting for the end of an earlier run that was killed …")
    with directory.locked(wait_s=LOCK_WAIT_S) as lock:
        _end_leftovers(directory)
        if not port_is_free(options.port):
            raise StartFailed(_port_in_use("--port", options.port, options.tls_port))
        if options.tls_port is not None and not port_is_free(options.tls_port):
            raise StartFailed(_port_in_use("--tls-port", options.tls_port, options.port))
        if options.fresh:
            directory.erase()
        guard = Guard(keep_open=(lock,))
        try:
            asyncio.run(LocalExchange(options, directory, guard).run())
        finally:
            guard.close()
            directory.clear_run_state()
    say("Stopped. All data is kept; start again with the same command.")


class LocalExchange:
    """The children of one run, in the order in which they were started."""

    def __init__(self, options: UpOptions, directory: DataDirectory, guard: Guard) -> None:
        self._options = options
        self._directory = directory
        self._guard = guard
        self._addresses = choose_addresses(options.port, options.tls_port, options.engines)
        self._client = httpx.AsyncClient(trust_env=False)
        self._processes = Processes(
            directory, self._addresses, self._client, limits=options.limits, demo_funds=options.demo_funds
        )
        self._children: list[Child] = []
        self._ready = False
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")

    async def run(self) -> None:
        """Start, wait for a signal, stop. A signal during the start is obeyed too; a second one changes nothing."""
        asked_to_stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
        starting = asyncio.create_task(self._start_all())
        stopping = asyncio.create_task(asked_to_stop.wait())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
            say("\nStopping …")
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            for child in reversed(self._children):
                await child.stop()
            await self._client.aclose()

    async def _start_all(self) -> None:
        say(f"Crossbook, data in {self._directory.root}")
        processes = self._processes
        # 1. What everything else keeps its data in.
        await self._start(processes.postgres(), processes.redis())
        # 2. The schema, and a database role for each service.
        await self._migrate()
        # 3. The services. They find each other by address, so they can start together.
        await self._start(
            processes.auth(),
            *processes.engines(),
            processes.trading(),
            *(() if self._options.lean else (processes.notifier(), processes.backoffice())),
        )
        await self._await_active_engine()
        # 4. Somebody to trade with.
        demo = await self._provide_demo() if self._options.demo else None
        say(welcome(self._addresses, self._directory, demo, lean=self._options.lean))
        self._ready = True
        self._publish_state()

    async def _start(self, *specs: ChildSpec) -> None:
        children = [Child(spec, self._directory.logs, self._guard, self._publish_state) for spec in specs]
        self._children += children
        await asyncio.gather(*(child.start() for child in children))

    async def _migrate(self) -> None:
        server = self._processes.postgres_server
        await _create_database(server.url())
        # The next partitions are made by the engine too; passwords for roles have to be asked for.
        sets_passwords = any(name.startswith(role_passwords.PREFIX) for name in os.environ)
        if not sets_passwords and await schema_version.is_newest(server.url(DATABASE)):
            say("  schema     is the newest")
            return
        launch = self._processes.migration()
        log = ChildLog(self._directory.logs, "migrate")
        process = await asyncio.create_subprocess_exec(*launch.argv, stdout=PIPE, **launch.options())
        output, _ = await process.communicate()
        log.write(output)
        log.close()
        if process.returncode != 0:
            raise StartFailed(f"the database could not be migrated. The end of {log.path}:\n{log.tail()}")
        say("  schema     is the newest")

    async def _await_active_engine(self) -> None:
        deadline_s = time.monotonic() + ENGINE_WAIT_S
        while not await self._processes.has_active_engine():
            if time.monotonic() > deadline_s:
                raise StartFailed(f"no engine became active within {ENGINE_WAIT_S:.0f} s; see {self._directory.logs}")
            await asyncio.sleep(POLL_S)

    async def _provide_demo(self) -> Demo:
        with InternalClient(self._directory, self._state()) as client:
            demo = await asyncio.to_thread(ensure_demo, self._directory, client)
        await self._start(self._processes.liquidity())
        return demo

    def _state(self) -> RunState:
        addresses, processes = self._addresses, self._processes
        return RunState(
            supervisor_pid=os.getpid(),
            started_at=self._started_at,
            ready=self._ready,
            base_url=addresses.base_url,
            auth_url=addresses.auth_url,
            engine_urls=addresses.engine_urls,
            database_url=processes.postgres_server.url(DATABASE),
            redis_url=processes.redis_server.url,
            processes=[child.state() for child in self._children],
            backoffice_url=addresses.backoffice_url,
            tls_url=addresses.tls_url,
            tls_certificate=str(self._directory.tls_certificate) if addresses.tls_url else "",
            notifier_url=addresses.notifier_url,
        )

    def _publish_state(self) -> None:
        try:
            self._directory.write_run_state(self._state())
        except OSError as error:
            say(f"  the run state could not be written: {error}")


def welcome(addresses: Addresses, directory: DataDirectory, demo: Demo | None, *, lean: bool = False) -> str:
    """Say where things are and how to trade."""
    base_url = addresses.base_url
    lines = [
        "",
        f"Crossbook is ready on {base_url}",
        f"  Terminal     {base_url}",
        f"  REST         {base_url}/api/v3",
        f"  API docs     {base_url}/openapi.json",
        *(() if lean else (f"  Mail, SMS    {base_url}/outbox",)),
        f"  Data, logs   {directory.root}, {directory.logs}",
        "  Stop         Ctrl-C here, or elsewhere: crossbook down",
    ]
    if addresses.tls_url:
        lines += [
            "",
            f"With TLS     {addresses.tls_url}",
            f"  Certificate  {directory.tls_certificate}",
            f"  Trust it     export SSL_CERT_FILE={shlex.quote(str(directory.tls_certificate))}",
        ]
    if demo is None:
        lines += ["", "Open an account: crossbook account create --deposit USDT=100000"]
    else:
        account = demo.accounts["you"]
        lines += [
            "",
            f"A demo account with {', '.join(f'{amount} {asset}' for asset, amount in DEPOSITS['you'].items())}",
            f"  API key      {account.api_key}",
            f"  API secret   {account.secret_key}",
            "",
            "Trade from Python (pip install ccxt), three lines to paste:",
            "",
            ccxt_lines(base_url, account),
        ]
    return "\n".join([*lines, ""])


async def _create_database(server_url: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()


def _end_leftovers(directory: DataDirectory) -> None:
    """End the children of a run whose supervisor and guard were both killed."""
    for known in directory.left_running():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(known.pid)
            # Process ids are used again: a stranger must not suffer.
            if process.environ().get(OWNER_VARIABLE) == str(directory.root):
                end([process], signal.SIGTERM, timeout_s=LEFTOVER_TIMEOUT_S)


def _is_running(pid: int) -> bool:
    try:
        return is_running(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def _port_in_use(option: str, port: int, taken: int | None) -> str:
    free = (candidate for candidate in range(port + 1, 65536) if candidate != taken and port_is_free(candidate))
    return (
        f"port {port} is in use by another program; choose another, for example: crossbook up {option} {next(free, 0)}"
    )
