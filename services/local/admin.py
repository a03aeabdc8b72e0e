"""``crossbook admin``: what staff do, from the machine itself. The audit names the user of the machine who did it.

Everything goes through the back office's own API, as it does for staff who sign in, so it is checked, recorded and
delivered alike.
"""

import getpass
import re
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import msgspec
import typer

from services.domain.market import MarketStatus
from services.domain.money import format_e8
from services.domain.standing import VenueStatus
from services.engine.markets_file import MarketsFileInvalid, read_definitions
from services.local.data_directory import DataDirectory
from services.local.internal import InternalClient, NotDone
from services.local.options import DEFAULT_DIRECTORY, AsJson, DataDir, parse_amounts

ACTOR_HEADER: Final = "X-Crossbook-Actor"
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._@-]")
_COLUMN_CHARS_MAX: Final = 40

admin = typer.Typer(no_args_is_help=True, help="Look after users, money and markets; every change says why.")
users = typer.Typer(no_args_is_help=True, help="Find users, freeze them, give them tiers and roles.")
withdrawals = typer.Typer(no_args_is_help=True, help="Approve, reject and settle withdrawals.")
deposits = typer.Typer(no_args_is_help=True, help="Credit deposits.")
orders = typer.Typer(no_args_is_help=True, help="Cancel orders of anybody.")
fees = typer.Typer(no_args_is_help=True, help="Named fee tiers.")
markets = typer.Typer(no_args_is_help=True, help="List, define, halt and open markets.")
venue = typer.Typer(no_args_is_help=True, help="The kill switch.")
for _name, _group in (
    ("users", users),
    ("withdrawals", withdrawals),
    ("deposits", deposits),
    ("orders", orders),
    ("fees", fees),
    ("markets", markets),
    ("venue", venue),
):
    admin.add_typer(_group, name=_name)

Reason = Annotated[str, typer.Option("--reason", help="Why; the audit keeps it.")]
UserId = Annotated[int, typer.Argument(min=1, metavar="USER_ID")]
WithdrawalId = Annotated[int, typer.Argument(min=1, metavar="WITHDRAWAL_ID")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="How many at most; the newest first.")]


def _ask(directory: Path, method: str, path: str, **how: Any) -> Any:
    """Ask the back office, and return what it answers; NotDone says why it did not."""
    name = _NOT_IN_A_NAME.sub("-", getpass.getuser())[:64] or "unknown"
    with InternalClient(DataDirectory(directory)) as client:
        url = f"{client.state.backoffice_url}/admin/v1/{path}"
        try:
            response = client.send(method, url, headers={ACTOR_HEADER: name}, **how)
        except httpx.HTTPError as error:
            raise NotDone(f"the back office does not answer: {type(error).__name__}") from error
    if not response.is_success:
        problem = response.json() if response.headers.get("content-type") == "application/json" else {}
        raise NotDone(f"{problem.get('code', response.status_code)}: {problem.get('message', response.text)}")
    return response.json()


def _show(answer: Any, *, as_json: bool, columns: tuple[str, ...] = ()) -> None:
    """Print JSON, a table of these columns, or one line for each field."""
    if as_json:
        typer.echo(msgspec.json.encode(answer).decode())
    elif isinstance(answer, list):
        rows = [tuple(_cell(row[column]) for column in columns) for row in answer]
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        for cells in (columns, *rows):
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    else:
        width = max(map(len, answer))
        for name, value in answer.items():
            typer.echo(f"{name:<{width}}  {_cell(value)}")


def _cell(value: Any) -> str:
    if isinstance(value, list | dict):
        text = msgspec.json.encode(value).decode()
    else:
        text = "-" if value is None or value == "" else str(value)
    return text if len(text) <= _COLUMN_CHARS_MAX or isinstance(value, dict | list) else f"{text[:_COLUMN_CHARS_MAX]}…"


# Users


@users.command("find")
def find_users(
    query: Annotated[str, typer.Argument(help="An account id, or part of the e-mail address.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 50,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Find users, the newest first.

    - `crossbook admin users find ada@`
    """
    found = _ask(data_dir, "GET", "users", params={"query": query, "limit": limit})
    _show(found, as_json=as_json, columns=("accountId", "email", "hasSecondFactor", "roles", "createdAt"))


@users.command("show")
def show_user(user_id: UserId, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Show an account: standing, balances, open orders, the newest withdrawals."""
    _show(_ask(data_dir, "GET", f"users/{user_id}"), as_json=as_json)


@users.command("freeze")
def freeze(user_id: UserId, reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """End all orders of an account, and take no new ones and no withdrawals.

    - `crossbook admin users freeze 1000 --reason "stolen password"`
    """
    _show(_ask(data_dir, "POST", f"users/{user_id}/freeze", json={"reason": reason}), as_json=as_json)


@users.command("unfreeze")
def unfreeze(user_id: UserId, reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Let an account trade and withdraw again."""
    _show(_ask(data_dir, "POST", f"users/{user_id}/unfreeze", json={"reason": reason}), as_json=as_json)


@users.command("roles")
def set_roles(
    user_id: UserId,
    reason: Reason,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="support, treasurer or operator; may be repeated. None: no more.")
    ] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Make a user one of the staff. Roles count once they have a second factor and signed in with it.

    - `crossbook admin users roles 1000 --role treasurer --role support --reason "new colleague"`
    """
    body = {"roles": role or [], "reason": reason}
    _show(_ask(data_dir, "PUT", f"users/{user_id}/roles", json=body), as_json=as_json)


@users.command("fee-tier")
def assign_fee_tier(
    user_id: UserId,
    reason: Reason,
    tier: Annotated[str | None, typer.Option(help="Without it, the fees of each market.")] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Give an account the fees of a tier."""
    body = {"tier": tier, "reason": reason}
    _show(_ask(data_dir, "PUT", f"users/{user_id}/fee-tier", json=body), as_json=as_json)


@users.command("limit-tier")
def assign_limit_tier(
    user_id: UserId,
    reason: Reason,
    tier: Annotated[str | None, typer.Option(help="A tier of the assets file; without it, the standard one.")] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Say how much may leave an account within 24 hours."""
    body = {"tier": tier, "reason": reason}
    _show(_ask(data_dir, "PUT", f"users/{user_id}/limit-tier", json=body), as_json=as_json)


# Orders


@orders.command("cancel")
def cancel_order(
    order_id: Annotated[int, typer.Argument(min=1, metavar="ORDER_ID")],
    reason: Reason,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Cancel one order, whosever it is."""
    _show(_ask(data_dir, "POST", f"orders/{order_id}/cancel", json={"reason": reason}), as_json=as_json)


@orders.command("cancel-all")
def cancel_orders(
    user_id: UserId,
    reason: Reason,
    symbol: Annotated[str | None, typer.Option(help="In this market only.")] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Cancel an account's orders, in one market or everywhere."""
    body = {"symbol": symbol, "reason": reason}
    _show(_ask(data_dir, "POST", f"users/{user_id}/cancel-orders", json=body), as_json=as_json)


# Fees


@fees.command("list")
def list_fee_tiers(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """List the named fee tiers."""
    _show(_ask(data_dir, "GET", "fee-tiers"), as_json=as_json, columns=("name", "makerFee", "takerFee"))


@fees.command("define")
def define_fee_tier(
    name: Annotated[str, typer.Argument(help="Small letters, digits, - and _.")],
    reason: Reason,
    maker_fee: Annotated[str | None, typer.Option(help="Such as 0.0005; without it, the market's own.")] = None,
    taker_fee: Annotated[str | None, typer.Option(help="Likewise.")] = None,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Name a pair of fees. Accounts that have the tier keep theirs until it is assigned again."""
    body = {"makerFee": maker_fee, "takerFee": taker_fee, "reason": reason}
    _show(_ask(data_dir, "PUT", f"fee-tiers/{name}", json=body), as_json=as_json)


# Markets and the venue


@markets.command("list")
def list_markets(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """List the markets and their status."""
    _show(_ask(data_dir, "GET", "markets"), as_json=as_json, columns=("symbol", "status"))


@markets.command("define")
def define_markets(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file of [[market]] tables.")],
    reason: Reason,
    data_dir: DataDir = DEFAULT_DIRECTORY,
) -> None:
    """List markets or change them while the exchange runs, as `crossbook market define` does, with a reason."""
    try:
        definitions = read_definitions(file)
    except MarketsFileInvalid as error:
        raise NotDone(f"nothing was changed: {error}") from None
    for market in definitions.markets:
        body = {"definition": msgspec.to_builtins(market), "reason": reason}
        answer = _ask(data_dir, "PUT", f"markets/{market.symbol}", json=body)
        typer.echo(f"{market.symbol} {'is now as the file says' if answer['changed'] else 'was so already'}.")


@markets.command("status")
def set_market_status(
    symbol: Annotated[str, typer.Argument(help="The market, for example BTCUSDT.")],
    status: Annotated[MarketStatus, typer.Argument(metavar="STATUS", help="TRADING, HALT, BREAK or CANCEL_ONLY.")],
    reason: Reason,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Open, halt or close a market."""
    body = {"status": status.value, "reason": reason}
    _show(_ask(data_dir, "PUT", f"markets/{symbol}/status", json=body), as_json=as_json)


@venue.command("status")
def show_venue_status(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Say whether the venue is open."""
    _show(_ask(data_dir, "GET", "venue/status"), as_json=as_json)


@venue.command("halt")
def halt_venue(reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Pull the kill switch: no order is taken in any market. Resting ones stay, and can be cancelled."""
    body = {"status": VenueStatus.HALTED.value, "reason": reason}
    _show(_ask(data_dir, "PUT", "venue/status", json=body), as_json=as_json)


@venue.command("open")
def open_venue(reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Release the kill switch: each market has its own status again."""
    body = {"status": VenueStatus.OPEN.value, "reason": reason}
    _show(_ask(data_dir, "PUT", "venue/status", json=body), as_json=as_json)


# Withdrawals


@withdrawals.command("list")
def list_withdrawals(
    status: Annotated[list[str] | None, typer.Option(help="Such as AWAITING_APPROVAL; may be repeated.")] = None,
    user_id: Annotated[int | None, typer.Option("--user", min=1)] = None,
    limit: Limit = 50,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """List withdrawals, the newest first.

    - `crossbook admin withdrawals list --status AWAITING_APPROVAL --status APPROVED`
    """
    wanted = {"status": status, "accountId": user_id, "limit": limit}
    parameters = {name: value for name, value in wanted.items() if value is not None}
    columns = ("withdrawalId", "accountId", "amount", "asset", "network", "address", "status", "approvalsNeeded")
    _show(_ask(data_dir, "GET", "withdrawals", params=parameters), as_json=as_json, columns=columns)


@withdrawals.command("show")
def show_withdrawal(
    withdrawal_id: WithdrawalId, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False
) -> None:
    """Show a withdrawal and who approved it."""
    _show(_ask(data_dir, "GET", f"withdrawals/{withdrawal_id}"), as_json=as_json)


@withdrawals.command("approve")
def approve_withdrawal(
    withdrawal_id: WithdrawalId, reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False
) -> None:
    """Say yes. Large ones need two different people.

    - `crossbook admin withdrawals approve 17 --reason "called the customer"`
    """
    _decide(data_dir, withdrawal_id, "approve", {"reason": reason}, as_json=as_json)


@withdrawals.command("reject")
def reject_withdrawal(
    withdrawal_id: WithdrawalId, reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False
) -> None:
    """Say no: the money is the user's again, who is told the reason."""
    _decide(data_dir, withdrawal_id, "reject", {"reason": reason}, as_json=as_json)


@withdrawals.command("settle")
def settle_withdrawal(
    withdrawal_id: WithdrawalId,
    tx_id: Annotated[str, typer.Option("--tx-id", help="The transaction that sent it.")],
    reason: Reason = "sent by hand",
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Say that an approved withdrawal was sent. Saying so again changes nothing.

    - `crossbook admin withdrawals settle 17 --tx-id 4a5e1e4b`
    """
    _decide(data_dir, withdrawal_id, "settle", {"txId": tx_id, "reason": reason}, as_json=as_json)


@withdrawals.command("fail")
def fail_payout(
    withdrawal_id: WithdrawalId, reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False
) -> None:
    """Say that a provider did not and will not send what it took."""
    _decide(data_dir, withdrawal_id, "fail", {"reason": reason}, as_json=as_json)


@withdrawals.command("retry")
def retry_payout(
    withdrawal_id: WithdrawalId, reason: Reason, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False
) -> None:
    """Let a payout that failed be sent after all."""
    _decide(data_dir, withdrawal_id, "retry", {"reason": reason}, as_json=as_json)


def _decide(directory: Path, withdrawal_id: int, step: str, body: dict[str, str], *, as_json: bool) -> None:
    answer = _ask(directory, "POST", f"withdrawals/{withdrawal_id}/{step}", json=body)
    if as_json:
        _show(answer, as_json=True)
        return
    count, needed = len(answer["approvals"]), answer["approvalsNeeded"]
    waiting = f", {count} of {needed} approvals" if answer["status"] == "AWAITING_APPROVAL" else ""
    typer.echo(f"Withdrawal {withdrawal_id} of {answer['amount']} {answer['asset']} is {answer['status']}{waiting}.")


# Deposits


@deposits.command("list")
def list_deposits(
    status: Annotated[list[str] | None, typer.Option(help="Such as UNMATCHED; may be repeated.")] = None,
    limit: Limit = 50,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """List deposits, the newest first. UNMATCHED ones are nobody's yet."""
    parameters = {"limit": limit} | ({} if status is None else {"status": status})
    columns = ("depositId", "accountId", "amount", "asset", "network", "txId", "status", "source")
    _show(_ask(data_dir, "GET", "deposits", params=parameters), as_json=as_json, columns=columns)


@deposits.command("credit")
def credit_deposit(
    user_id: UserId,
    amount: Annotated[str, typer.Argument(metavar="ASSET=AMOUNT")],
    reference: Annotated[str, typer.Option(help="Names this deposit: with the same reference it happens only once.")],
    reason: Reason,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Credit money that came in by other ways.

    - `crossbook admin deposits credit 1000 USDT=2500 --reference bank-17 --reason "bank transfer"`
    """
    ((asset, amount_e8),) = parse_amounts([amount])
    body = {"accountId": user_id, "asset": asset, "amount": format_e8(amount_e8), "reference": reference}
    _show(_ask(data_dir, "POST", "deposits", json={**body, "reason": reason}), as_json=as_json)


@deposits.command("match")
def match_deposit(
    deposit_id: Annotated[int, typer.Argument(min=1, metavar="DEPOSIT_ID")],
    user_id: UserId,
    reason: Reason,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Credit an unmatched deposit to an account."""
    body = {"accountId": user_id, "reason": reason}
    _show(_ask(data_dir, "POST", f"deposits/{deposit_id}/match", json=body), as_json=as_json)


@deposits.command("add-addresses")
def add_deposit_addresses(
    network: Annotated[str, typer.Argument(help="A network whose addresses are SPARE.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="One address a line, up to 1000.")],
    reason: Reason,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Add addresses that a provider made."""
    body = {"network": network, "addresses": file.read_text().split(), "reason": reason}
    _show(_ask(data_dir, "POST", "deposit-addresses", json=body), as_json=as_json)


# Everything together


@admin.command("reserves")
def show_reserves(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Add up what the venue owes, by asset: what it must have, if everyone came for it."""
    answer = _ask(data_dir, "GET", "reserves")
    columns = ("asset", "total", "free", "locked", "withdrawing", "venue", "accounts")
    _show(answer if as_json else answer["assets"], as_json=as_json, columns=columns)


@admin.command("audit")
def read_audit(
    actor: Annotated[str | None, typer.Option(help="Such as user:1000 or os:ada.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as freeze_account.")] = None,
    subject: Annotated[str | None, typer.Option(help="Such as user:1001 or withdrawal:17.")] = None,
    limit: Limit = 50,
    data_dir: DataDir = DEFAULT_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Read who did what to whom, when and why, the newest first."""
    wanted = {"actor": actor, "action": action, "subject": subject, "limit": limit}
    parameters = {name: value for name, value in wanted.items() if value is not None}
    columns = ("occurredAt", "actor", "action", "subject", "outcome", "reason")
    _show(_ask(data_dir, "GET", "audit", params=parameters), as_json=as_json, columns=columns)


@admin.command("parked")
def read_parked_notices(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """List the notices that could not be delivered to anybody."""
    answer = _ask(data_dir, "GET", "notices/parked")
    _show(answer, as_json=as_json, columns=tuple(answer[0]) if answer else ())
