"""``crossbook outbox`` and ``crossbook notices``: what would have been sent, and what could not be."""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from services.local.data_directory import DataDirectory
from services.local.internal import InternalClient
from services.local.options import DEFAULT_DIRECTORY, AsJson, DataDir

if TYPE_CHECKING:
    from services.notifier.channels.outbox import Kept

notices = typer.Typer(no_args_is_help=True, help="Notices that could not be delivered.")

Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most.")]


def outbox(limit: Limit = 20, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """List mails and SMS that a local exchange would have sent, newest first, with the links in them.

    - `crossbook outbox --limit 1` — the confirmation link of who signed up just now
    """
    from services.notifier.channels.outbox import Outbox

    kept = Outbox(DataDirectory(data_dir).outbox).newest(limit)
    if as_json:
        typer.echo(msgspec.json.encode([_builtins(one) for one in kept]).decode())
        return
    for one in kept:
        typer.echo(f"{one.at:%Y-%m-%d %H:%M:%S}  {one.recipient}  {one.subject}")
        for link in one.links:
            typer.echo(f"  {link}")
    if not kept:
        typer.echo("Nothing was sent yet.")


@notices.command("parked")
def parked(limit: Limit = 100, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """List deliveries that were given up, newest first.

    - `crossbook notices parked`
    """
    with InternalClient(DataDirectory(data_dir)) as client:
        found = client.parked(limit)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for one in found:
        told = f"{one['kind']} by {one['channel']} to account {one['accountId']}"
        typer.echo(f"{one['deliveryId']}  {told}, {one['attempts']} attempts: {one['lastError']}")
    if not found:
        typer.echo("Nothing is parked.")


@notices.command("retry")
def retry(
    delivery_ids: Annotated[
        list[uuid.UUID] | None, typer.Argument(metavar="[DELIVERY_ID]...", help="As `parked` prints them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that is parked, up to 200.")] = False,
    data_dir: DataDir = DEFAULT_DIRECTORY,
) -> None:
    """Begin anew with deliveries that were given up.

    - `crossbook notices retry --all` — after a provider is well again
    """
    if every == bool(delivery_ids):
        raise typer.BadParameter("name deliveries, or say --all")
    with InternalClient(DataDirectory(data_dir)) as client:
        chosen = (
            [one["deliveryId"] for one in client.parked(200)] if every else [str(one) for one in delivery_ids or ()]
        )
        for delivery_id in chosen:
            client.retry_parked(delivery_id)
    typer.echo(f"{len(chosen)} on their way again.")


def _builtins(kept: "Kept") -> dict[str, Any]:
    return {
        "name": kept.name,
        "at": kept.at.isoformat(),
        "recipient": kept.recipient,
        "subject": kept.subject,
        "text": kept.text,
        "links": kept.links,
    }
