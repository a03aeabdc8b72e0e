"""``crossbook history``: the partitions of orders and trades, and dropping those that are old (docs/operators.md).

These act on the database as the owner of its tables, not through the engine. Beside the exchange in a data directory
they find another one by ``CROSSBOOK_DATABASE_URL``, its owner's. In a container: ``services/local/history_job.py``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from services.local.data_directory import DataDirectory
from services.local.internal import NotDone
from services.local.options import DEFAULT_DIRECTORY, AsJson, DataDir

if TYPE_CHECKING:
    from services.engine.retention import Partition
    from services.infra.postgres import Connection

history = typer.Typer(no_args_is_help=True, help="Partitions of orders and trades: look at them, drop old ones.")
Url = Annotated[
    str | None,
    typer.Option("--database-url", envvar="CROSSBOOK_DATABASE_URL", help="Another database, as its tables' owner."),
]

T = TypeVar("T")


@history.command("show")
def show(data_dir: DataDir = DEFAULT_DIRECTORY, database_url: Url = None, as_json: AsJson = False) -> None:
    """Show the partitions, from when to when or from which order to which, and how large each is.

    - `crossbook history show`
    """
    from services.engine import retention

    found = _do(data_dir, database_url, retention.partitions)
    rows = [
        {
            "table": one.table,
            "partition": one.name,
            "from": _key(one.table, one.from_key),
            "to": _key(one.table, one.to_key),
            "bytes": one.bytes,
        }
        for one in found
    ]
    lines = [f"{r['table']:<8}{r['from'] or '':>24}  to{r['to'] or '':>24}{r['bytes']:>16} bytes" for r in rows]
    _print({"partitions": rows}, "\n".join(lines), as_json=as_json)


@history.command("extend")
def extend(data_dir: DataDir = DEFAULT_DIRECTORY, database_url: Url = None, as_json: AsJson = False) -> None:
    """Make the next partitions, as the engine does by itself, and mend what an engine may not.

    If partitions were not made in time, rows went to the one without an end. This ends it behind them.

    - `crossbook history extend`
    """
    from services.local import history_job

    ahead = _do(data_dir, database_url, history_job.extend)
    lines = [f"{table:<8}{found.partitions} partitions ahead" for table, found in ahead.items()]
    _print({table: found.partitions for table, found in ahead.items()}, "\n".join(lines), as_json=as_json)


@history.command("drop")
def drop(
    before: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Older ones go; a day, in UTC.")],
    data_dir: DataDir = DEFAULT_DIRECTORY,
    database_url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Drop the partitions that hold nothing but orders and trades from before a day.

    Open orders and each market's last trade stay. The journal keeps everything, candles and the ledger stay whole, and
    statements still add up; what cannot be asked any more is in docs/operators.md.

    - `crossbook history drop --before 2025-01-01`
    """
    from services.local import history_job

    dropped = _do(data_dir, database_url, lambda connection: history_job.drop(connection, before))
    rows = [
        {"table": d.partition.table, "partition": d.partition.name, "rows": d.rows, "kept": d.kept_rows}
        for d in dropped
    ]
    lines = [f"{d.partition.table:<8}{_span(d.partition)}: {d.rows} rows dropped, {d.kept_rows} kept" for d in dropped]
    _print({"dropped": rows}, "\n".join(lines) or "No partition is older than that as a whole.", as_json=as_json)


def _do(data_dir: Any, url: str | None, what: Callable[["Connection"], Awaitable[T]]) -> T:
    from services.local import history_job
    from services.local.verification import open_database

    try:
        if url is not None:
            return asyncio.run(history_job.carry_out(url, what))
        with open_database(DataDirectory(data_dir)) as own_url:
            return asyncio.run(history_job.carry_out(own_url, what))
    except history_job.InTheWay as reason:
        raise NotDone(str(reason)) from reason


def _span(partition: "Partition") -> str:
    bounds = (_key(partition.table, key) or "the first" for key in (partition.from_key, partition.to_key))
    return "from {} to {}".format(*bounds)


def _key(table: str, key: int | None) -> str | None:
    if key is None:
        return None
    return str(key) if table == "orders" else datetime.fromtimestamp(key / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")


def _print(document: object, text: str, *, as_json: bool) -> None:
    typer.echo(msgspec.json.encode(document).decode() if as_json else text)
