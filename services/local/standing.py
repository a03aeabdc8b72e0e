"""The commands of an emergency, and the one that counts the money: freeze an account, halt the venue, add up reserves.

Freezing and halting are commands to the engine, journaled like an order. Each may be done already; that is no error.
"""

from typing import Annotated

import msgspec
import typer

from services.domain.standing import AccountStatus, VenueStatus
from services.engine.markets_file import plain_decimal
from services.local import committed
from services.local.data_directory import DataDirectory
from services.local.internal import InternalClient, NotDone
from services.local.options import DEFAULT_DIRECTORY, AsJson, DataDir

UserId = Annotated[int, typer.Argument(min=1, help="The userId that `account create` printed.")]

_COLUMNS = ("asset", "owed", "free", "locked", "withdrawing", "fees", "deposited", "withdrawn")


def freeze(user_id: UserId, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Freeze an account: all its open orders end, and it may neither trade nor send money away. It may receive.

    Withdrawals that are held already wait for whoever settles or rejects them.

    - `crossbook account freeze 1000`
    """
    _set_account(user_id, AccountStatus.FROZEN, data_dir, as_json=as_json)


def unfreeze(user_id: UserId, data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Let a frozen account trade and send money again. Its orders do not come back.

    - `crossbook account unfreeze 1000`
    """
    _set_account(user_id, AccountStatus.ACTIVE, data_dir, as_json=as_json)


def _set_account(user_id: int, status: AccountStatus, data_dir: DataDir, *, as_json: bool) -> None:
    with InternalClient(DataDirectory(data_dir)) as client:
        client.set_account_status(user_id, status)
    _print({"userId": user_id, "status": status.value}, f"Account {user_id} is {status.value}.", as_json=as_json)


def halt(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """The kill switch: no order is taken in any market. Resting orders stay and can be cancelled; no stop triggers.

    - `crossbook venue halt`
    """
    _set_venue(VenueStatus.HALTED, data_dir, as_json=as_json)


def open_venue(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """End a halt of the venue: each market has its own status again.

    - `crossbook venue open`
    """
    _set_venue(VenueStatus.OPEN, data_dir, as_json=as_json)


def _set_venue(status: VenueStatus, data_dir: DataDir, *, as_json: bool) -> None:
    with InternalClient(DataDirectory(data_dir)) as client:
        client.set_venue_status(status)
    _print({"status": status.value}, f"The venue is {status.value}.", as_json=as_json)


def money(data_dir: DataDir = DEFAULT_DIRECTORY, as_json: AsJson = False) -> None:
    """Add up, per asset, what the venue owes its accounts, and compare it with deposits less withdrawals.

    The exit code is 1 if they differ for any asset. `crossbook verify` also compares both with the journal.

    - `crossbook money`
    - `crossbook money --json`
    """
    with InternalClient(DataDirectory(data_dir)) as client:
        found = committed.reserves(client.state)
    rows = []
    for one in found:
        amounts = (one.owed_e8, one.free_e8, one.locked_e8, one.withdrawing_e8, one.fees_e8)
        values = map(plain_decimal, (*amounts, one.deposited_e8, one.withdrawn_e8))
        rows.append(dict(zip(_COLUMNS, (one.asset, *values), strict=True)))
    lines = [
        "".join(f"{cell:>24}" if index else f"{cell:<12}" for index, cell in enumerate(row))
        for row in (_COLUMNS, *(row.values() for row in rows))
    ]
    _print({"assets": rows}, "\n".join(lines), as_json=as_json)
    if wrong := [one.asset for one in found if not one.is_balanced]:
        raise NotDone(f"money is not conserved: {', '.join(wrong)}")


def _print(document: object, text: str, *, as_json: bool) -> None:
    typer.echo(msgspec.json.encode(document).decode() if as_json else text)
