"""A database whose partitions are cut otherwise: many, and in the past."""

from collections.abc import Sequence
from itertools import pairwise

from services.infra.postgres import Connection


async def cut_history(owner: Connection, table: str, edges: Sequence[int]) -> None:
    """Replace the partitions of an empty table: up to the first edge, from one edge to the next, behind the last."""
    for row in await owner.fetch("SELECT partition FROM exchange.history_partitions WHERE table_name = $1", table):
        await owner.execute(f"DROP TABLE exchange_history.{row['partition']}")
    bounds = ["MINVALUE", *map(str, edges), "MAXVALUE"]
    for number, (low, high) in enumerate(pairwise(bounds)):
        name = f"{table}_rest" if high == "MAXVALUE" else f"{table}_cut_{number}"
        await owner.execute("SELECT exchange_history.make($1, $2)", table, name)
        await owner.execute(
            f"ALTER TABLE exchange.{table} ATTACH PARTITION exchange_history.{name} FOR VALUES FROM ({low}) TO ({high})"
        )
