"""The ``crossbook`` command: run an exchange on this machine, and look after its accounts.

What only one command needs is imported when that command runs, here and in the modules of other commands: all of it
together takes half a second, which every command would pay, and every ``--help``.
"""

import os
import signal
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from services import compiled
from services.domain.money import format_e8
from services.local import history, notices, standing, terms
from services.local.admin import admin
from services.local.data_directory import DataDirectory, RunState
from services.local.failure import CommandFailed
from services.local.internal import InternalClient, NotDone
from services.local.options import DEFAULT_DIRECTORY, AsJson, DataDir, parse_amounts

# `trading.limits` knows the others.
NO_LIMITS: Final = "off"
DEFAULT_PORT: Final = 8080
DEFAULT_TLS_PORT: Final = 8443
STOP_WAIT_S: Final = 90.0
POLL_S: Final = 0.05
EXIT_NOT_RUNNING: Final = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="A spot exchange on your machine, speaking the Binance Spot dialect.\n\n"
    "Start it in one terminal with `crossbook up` and talk to it from another.",
)
account = typer.Typer(no_args_is_help=True, help="Open accounts, set their terms, freeze them.")
account.command("terms")(terms.account_terms)
account.command("freeze")(standing.freeze)
account.command("unfreeze")(standing.unfreeze)
terms.venue.command("halt")(standing.halt)
terms.venue.command("open")(standing.open_venue)
app.command("money")(standing.money)
app.add_typer(account, name="account")
app.add_typer(terms.market, name="market")
app.add_typer(terms.venue, name="venue")
app.command("outbox")(notices.outbox)
app.add_typer(notices.notices, name="notices")
app.add_typer(admin, name="admin")
app.add_typer(history.history, name="history")

Amounts = Annotated[
    list[str] | None,
    typer.Option("--deposit", metavar="ASSET=AMOUNT", help="Money to start with; may be repeated."),
]


def _check_limits(text: str) -> str:
    if text == NO_LIMITS:
        return text
    from services.trading.limits import parse_limits

    try:
        parse_limits(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"crossbook {version('crossbook')}, core {compiled.form()}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="What runs here, and exit.")
    ] = False,
) -> None:
    pass


@app.command("up")
def up_command(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The public port on 127.0.0.1.")] = DEFAULT_PORT,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete all data first and start empty.")] = False,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="A funded account and a market that lives.")] = True,
    demo_funds: Annotated[
        bool | None,
        typer.Option("--demo-funds/--no-demo-funds", help="Play money for who signs up; by default as --demo."),
    ] = None,
    lean: Annotated[
        bool, typer.Option("--lean", help="Trading only, starts sooner: no notices, no wallet, no staff API.")
    ] = False,
    engines: Annotated[int, typer.Option(min=1, max=5, help="Engine processes; all but one stand by.")] = 1,
    limits: Annotated[
        str,
        typer.Option(
            envvar="CROSSBOOK_LIMITS",
            callback=_check_limits,
            help="Rate limits: off, binance, or a list such as REQUEST_WEIGHT=6000/1M,ORDERS=100/10S.",
        ),
    ] = NO_LIMITS,
    tls: Annotated[
        bool, typer.Option("--tls", help="Listen with TLS too, for clients that refuse plain http.")
    ] = False,
    tls_port: Annotated[
        int, typer.Option("--tls-port", min=1, max=65535, help="The port for TLS on 127.0.0.1.")
    ] = DEFAULT_TLS_PORT,
) -> None:
    """Start the exchange here, in the foreground, until Ctrl-C.

    Starts PostgreSQL, Redis and the services under one supervisor, which restarts what dies. All data stays in the data
    directory: starting again continues where you stopped.

    - `crossbook up` — on http://127.0.0.1:8080 with a demo account
    - `crossbook up --port 9000 --data-dir /tmp/second --no-demo` — a second, empty one beside it
    - `crossbook up --lean --no-demo --fresh` — quickly, for a program's own tests
    - `crossbook up --limits binance` — with the rate limits of the original
    - `crossbook up --tls` — on https://localhost:8443 too, with a certificate of its own
    - `crossbook up --fresh` — forget everything and begin anew
    """
    if tls and tls_port == port:
        raise typer.BadParameter(f"{port} is already the other port", param_hint="--tls-port")
    from services.local.up import UpOptions, up

    up(
        UpOptions(
            directory=data_dir,
            port=port,
            engines=engines,
            fresh=fresh,
            demo=demo,
            demo_funds=demo if demo_funds is None else demo_funds,
            lean=lean,
            limits=limits,
            tls_port=tls_port if tls else None,
        )
    )


@app.command()
def down(data_dir: DataDir = DEFAULT_DIRECTORY) -> None:
    """Stop the running exchange from another terminal, as Ctrl-C would.

    Returns when everything has ended. Stopping what does not run is not an error.
    """
    directory = DataDirectory(data_dir)
    state = directory.run_state()
    if state is None:
        typer.echo(f"No exchange runs in {directory.root}.")
        return
    os.kill(state.supervisor_pid, signal.SIGTERM)
    deadline_s = time.monotonic() + STOP_WAIT_S
    while directory.is_locked:
        if time.monotonic() > deadline_s:
            raise NotDone(f"it is still stopping after {STOP_WAIT_S:.0f} s; see {directory.logs}")
        time.sleep(POLL_S)
    typer.echo("Stopped.")


@app.command()
def status(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Show what runs, where, and how far the journal is.

    The exit code is 0 when the exchange is ready, 3 when it is not running or not ready yet.
    """
    directory = DataDirectory(data_dir)
    state = directory.run_state()
    engines: list[dict[str, Any]] = []
    if state is not None:
        with InternalClient(directory, state) as client:
            engines = client.engine_status()
    if as_json:
        document = {} if state is None else msgspec.to_builtins(state)
        typer.echo(msgspec.json.encode({"running": state is not None, **document, "engines": engines}).decode())
    elif state is None:
        typer.echo(f"No exchange runs in {directory.root}.")
    else:
        typer.echo(_status_text(directory, state, engines))
    if state is None or not state.ready:
        raise typer.Exit(EXIT_NOT_RUNNING)


@account.command("create")
def create_account(
    deposit: Amounts = None,
    email: Annotated[str | None, typer.Option(help="For a person who will sign in.")] = None,
    label: Annotated[str | None, typer.Option(help="A name for the API key.")] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key", exists=True, dir_okay=False, help="A PEM file (Ed25519 or RSA); then no secret is made."
        ),
    ] = None,
    ip: Annotated[
        list[str] | None,
        typer.Option("--ip", metavar="CIDR", help="Where the key may be used from; may be repeated."),
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Let the key withdraw, too; needs --ip.")] = False,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Open an account on the running exchange and print its API key. The secret is shown only now.

    - `crossbook account create --deposit USDT=100000 --deposit BTC=2`
    - `crossbook account create --public-key key.pem --ip 203.0.113.0/24` — the private key stays with you
    - `crossbook account create --withdraw --ip 127.0.0.0/8` — its key may withdraw, from this machine
    - `crossbook account create --json` — prints userId, apiKey and secretKey
    """
    if withdraw and not ip:
        raise typer.BadParameter("a key that may withdraw needs the addresses it may be used from: --ip")
    amounts = parse_amounts(deposit or [])
    pem = public_key.read_text(errors="replace") if public_key is not None else None
    with InternalClient(DataDirectory(data_dir)) as client:
        created = client.create_account(
            email=email, label=label, public_key=pem, ip_allow_list=ip, may_withdraw=withdraw
        )
        for asset, amount_e8 in amounts:
            client.deposit(created.user_id, asset, amount_e8, f"cli:{uuid.uuid4()}")
    if as_json:
        typer.echo(msgspec.json.encode(created).decode())
    else:
        typer.echo(f"User id     {created.user_id}\nAPI key     {created.api_key}")
        if created.secret_key:
            typer.echo(f"API secret  {created.secret_key}")
        for asset, amount_e8 in amounts:
            typer.echo(f"Deposited   {format_e8(amount_e8)} {asset}")


@app.command("deposit")
def deposit_command(
    user_id: Annotated[int, typer.Argument(min=1, help="The userId that `account create` printed.")],
    amounts: Annotated[list[str], typer.Argument(metavar="ASSET=AMOUNT...", help="What to credit.")],
    reference: Annotated[
        str | None, typer.Option(help="Names this deposit: with the same reference it happens only once.")
    ] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
) -> None:
    """Credit money to an account of the running exchange.

    - `crossbook deposit 1000 USDT=2500 ETH=1.5`
    - `crossbook deposit 1000 USDT=2500 --reference invoice-17` — safe to repeat
    """
    named = reference or f"cli:{uuid.uuid4()}"
    parsed = parse_amounts(amounts)
    with InternalClient(DataDirectory(data_dir)) as client:
        for asset, amount_e8 in parsed:
            # One reference is one deposit, so each asset gets its own.
            client.deposit(user_id, asset, amount_e8, named if len(parsed) == 1 else f"{named}:{asset}")
            typer.echo(f"Deposited {format_e8(amount_e8)} {asset} for user {user_id}.")


@app.command("verify")
def verify_command(
    from_snapshot: Annotated[
        bool, typer.Option("--from-snapshot", help="Trust the newest snapshot and replay only what came after it.")
    ] = False,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Replay the journal and compare what comes out with every balance, order and trade in the database.

    Works while the exchange runs, and while it is stopped. The exit code is 1 at the first difference.

    - `crossbook verify` — from the first command ever
    - `crossbook verify --from-snapshot --json` — quicker, for a program
    """
    from services.local.verification import verify_directory

    report = verify_directory(DataDirectory(data_dir), from_snapshot=from_snapshot)
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
        return
    typer.echo(f"Journal and database agree up to sequence {report.sequence} (from {report.from_sequence}).")
    typer.echo(f"{report.commands} commands replayed; {report.orders} orders and {report.trades} trades on record.")
    if report.dropped_orders or report.dropped_trades:
        typer.echo(
            f"{report.dropped_orders} orders and {report.dropped_trades} trades were dropped, as the journal has it."
        )
    typer.echo(f"State hash    {report.state_hash}\nJournal hash  {report.journal_hash}")


def _status_text(directory: DataDirectory, state: RunState, engines: list[dict[str, Any]]) -> str:
    readiness = "ready" if state.ready else "starting"
    lines = [
        f"Crossbook is {readiness} on {state.base_url}, since {state.started_at}, data in {directory.root}",
        *([f"With TLS on {state.tls_url}, certificate {state.tls_certificate}"] if state.tls_url else []),
        "",
        f"{'process':<12}{'pid':>8}{'port':>8}  {'state':<12}{'restarts':>8}",
    ]
    for process in state.processes:
        port = process.port or "-"
        lines.append(f"{process.name:<12}{process.pid:>8}{port:>8}  {process.state:<12}{process.restarts:>8}")
    active = [engine for engine in engines if engine["active"]]
    lines += [f"\nActive engine {one['holder']}: epoch {one['epoch']}, sequence {one['sequence']}" for one in active]
    return "\n".join(lines)


def main() -> None:
    try:
        app(prog_name="crossbook")
    except CommandFailed as error:
        typer.echo(f"crossbook: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
