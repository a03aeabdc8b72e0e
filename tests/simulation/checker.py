"""The checker: holds what clients were told, what engines have in memory and what is durable against each other.

Some of it is checked while it happens (``World.submit``, ``World.check_published``): that what is acknowledged or
published has been committed by then. The rest here, when everything has come to rest.
"""

import itertools
from typing import Final

from services.domain.commands import Command, PlaceOrder
from services.domain.event_stream import event_lists_decoder
from services.engine.core.exchange import Exchange
from services.engine.core.snapshot import capture, state_hash
from services.engine.journal import GENESIS_HASH, JournalCorrupt, command_list_decoder, replay
from tests.core.invariants import check_exchange
from tests.simulation.database import Commit
from tests.simulation.world import BrokenPromise, Told, World

# Unknown becomes one of the two truths by then: the engine starts nothing after the deadline (3 s) by its own clock,
# which may be 8 s off after two jumps against each other and more after more, and a statement may take long.
SETTLES_WITHIN_US: Final = 30_000_000


def check(world: World) -> None:
    world.raise_if_broken()
    _check_one_writer(world.database.commits)
    exchange = _check_replay(world)
    _check_memory(world, exchange)
    _check_told(world)


def name_of(command: Command) -> str:
    """What makes a client's command unique."""
    for field in ("cancel_client_order_id", "reference", "client_order_id"):
        name: str = getattr(command, field, "")
        if name and not (field == "client_order_id" and not isinstance(command, PlaceOrder)):
            return name
    return ""


def _check_one_writer(commits: list[Commit]) -> None:
    """Each row was written by who held the lease, and no epoch comes back."""
    for before, after in itertools.pairwise(commits):
        if after.row.epoch < before.row.epoch:
            raise BrokenPromise(f"epoch {after.row.epoch} wrote after epoch {before.row.epoch}")
        if after.row.sequence != before.row.sequence + 1:
            raise BrokenPromise(f"row {after.row.sequence} was written after row {before.row.sequence}")
    for commit in commits:
        if commit.row.epoch != commit.lease_epoch:
            raise BrokenPromise(f"epoch {commit.row.epoch} wrote row {commit.row.sequence} in {commit.lease_epoch}")


def _check_replay(world: World) -> Exchange:
    """The journal gives the same bytes again, money is conserved at each row, and projections are what it leads to."""
    exchange, previous_hash = Exchange(), GENESIS_HASH
    for sequence in range(1, world.database.sequence + 1):
        row = world.database.journal.get(sequence)
        if row is None:
            raise BrokenPromise(f"journal row {sequence} is gone")
        try:
            replay(exchange, row, sequence - 1, previous_hash)
        except (JournalCorrupt, AssertionError) as error:
            raise BrokenPromise(f"the journal does not replay: {error!r}") from error
        previous_hash = row.hash
        if imbalances := exchange.accounts.imbalances():
            raise BrokenPromise(f"money is not conserved after row {sequence}: {imbalances}")
    try:
        check_exchange(exchange)
    except AssertionError as error:
        raise BrokenPromise(f"the state breaks an invariant: {error}") from error
    for (account_id, asset), told in world.database.balances.items():
        balance = exchange.accounts.balances[account_id][asset]
        if (told.free_e8, told.locked_e8) != (balance.free_e8, balance.locked_e8):
            raise BrokenPromise(f"the balance table has {told}, the journal leads to {balance.free_e8}")
    for order_id, state in world.database.orders.items():
        order = exchange.orders.get(order_id)
        if order is not None and order.state() != state:
            raise BrokenPromise(f"the order table has {state}, the journal leads to {order.state()}")
    return exchange


def _check_memory(world: World, exchange: Exchange) -> None:
    """Who is active has in memory what the journal leads to."""
    leaders = world.leaders()
    if len(leaders) != 1:
        raise BrokenPromise(f"{len(leaders)} engines lead when all is calm")
    leader = leaders[0]
    if leader.sequence != world.database.sequence:
        raise BrokenPromise(f"the leader stands at {leader.sequence}, the journal at {world.database.sequence}")
    if state_hash(capture(leader.exchange)) != state_hash(capture(exchange)):
        raise BrokenPromise("the leader's state is not what the journal leads to")


def _check_told(world: World) -> None:
    found: dict[str, list[Commit]] = {}
    places: dict[tuple[int, str], int] = {}
    for commit in world.database.commits:
        for index, command in enumerate(command_list_decoder.decode(commit.row.commands)):
            name = name_of(command)
            if name:
                found.setdefault(name, []).append(commit)
                places[commit.row.sequence, name] = index
    for told in world.told:
        commits = found.get(name_of(told.command), [])
        if len(commits) > 1:
            raise BrokenPromise(f"carried out {len(commits)} times: {told.command}")
        if told.outcome == "applied":
            _check_applied(told, commits, places)
        elif told.outcome in ("refused", "not done") and commits:
            raise BrokenPromise(f"told {told.outcome} ({told.detail}), and in row {commits[0].row.sequence}: {told}")
        elif told.outcome == "unknown" and commits and commits[0].at_us > told.asked_us + SETTLES_WITHIN_US:
            raise BrokenPromise(f"unknown settled only after {commits[0].at_us - told.asked_us} us: {told}")


def _check_applied(told: Told, commits: list[Commit], places: dict[tuple[int, str], int]) -> None:
    assert told.applied is not None
    if not commits or commits[0].row.sequence != told.applied.sequence:
        raise BrokenPromise(f"acknowledged under {told.applied.sequence} and not there: {told.command}")
    row = commits[0].row
    if commits[0].at_us > told.answered_us:
        raise BrokenPromise(f"acknowledged before it was durable: {told.command}")
    index = places[row.sequence, name_of(told.command)]
    if event_lists_decoder.decode(row.events)[index] != told.applied.events:
        raise BrokenPromise(f"acknowledged with other events than are in row {row.sequence}: {told.command}")
