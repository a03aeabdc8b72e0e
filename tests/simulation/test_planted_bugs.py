"""The checker can fail: mistakes that break a promise, planted one at a time, are all found within some seeds."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.domain.commands import Command
from services.domain.events import Event, OrderFilled
from services.domain.orders import Side
from services.domain.refusals import Refusal
from services.engine import journal
from services.engine.core.exchange import Exchange
from services.engine.runner import ActiveEngine
from services.engine.standby import Standby
from services.infra.lean_post import AnswerLost, NotSent
from services.trading import errors, gateway
from services.trading.errors import DialectError
from tests.simulation.faults import Weather
from tests.simulation.run import run_seed

SEEDS = 150

Plant = Callable[[pytest.MonkeyPatch], dict[str, Any]]


def reply_before_commit(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    commit = ActiveEngine._commit

    async def hasty(self: ActiveEngine, batch: Any) -> None:
        batch.reply()
        await commit(self, batch)

    patch.setattr(ActiveEngine, "_commit", hasty)
    return {}


def publish_before_commit(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    commit = ActiveEngine._commit

    async def hasty(self: ActiveEngine, batch: Any) -> None:
        if batch.commands:
            self.publisher.offer(batch.row(self.lease.epoch, self._journal_hash))
        await commit(self, batch)

    patch.setattr(ActiveEngine, "_commit", hasty)
    return {}


def no_fence(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"fence": False}


def go_on_after_a_failed_commit(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Tell those who wait "unknown", but keep the memory that the commit may not have reached."""
    commit = ActiveEngine._commit

    async def stubborn(self: ActiveEngine, batch: Any) -> None:
        try:
            await commit(self, batch)
        except (OSError, TimeoutError):
            await asyncio.sleep(0)

    patch.setattr(ActiveEngine, "_commit", stubborn)
    return {}


def call_unknown_not_done(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    fail = gateway.Gateway._fail

    def confident(self: gateway.Gateway, parcel: Any, error: DialectError) -> None:
        fail(self, parcel, errors.UNAVAILABLE)

    patch.setattr(gateway.Gateway, "_fail", confident)
    return {}


def ask_again_after_a_lost_answer(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setattr(gateway, "NotSent", (NotSent, AnswerLost))
    return {"weather": Weather(reply_lost=0.2)}


def carry_out_repeats(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Parcels without a name are strangers to each other."""
    patch.setattr(gateway, "parcel_id", lambda *arguments: "")
    return {}


def lose_a_unit(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    # The core may be compiled, and then only what is called from outside it can be replaced.
    apply = Exchange.apply

    def careless(self: Exchange, command: Command, now_us: int) -> list[Event] | Refusal:
        outcome = apply(self, command, now_us)
        for event in outcome if isinstance(outcome, list) else []:
            if isinstance(event, OrderFilled) and event.quote_e8 > 10_000_000:
                seller = event.maker if event.maker.side is Side.SELL else event.taker
                balances = self.accounts.balances[seller.account_id]
                balances[self.listings[event.symbol].market.quote_asset].free_e8 -= 1
        return outcome

    patch.setattr(Exchange, "apply", careless)
    return {}


def recover_without_replay(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Take a snapshot for the whole truth."""
    patch.setattr(journal, "replay", lambda *arguments: [])
    return {}


def take_the_snapshot_late(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """When its task runs, the exchange may have gone on to a batch that the snapshot's sequence does not name."""
    take = ActiveEngine._take_snapshot

    def late(self: ActiveEngine, *, to_database: bool) -> Any:
        async def taken() -> None:
            await take(self, to_database=to_database)

        return taken()

    patch.setattr(ActiveEngine, "_take_snapshot", late)
    return {}


def lead_the_copy_astray(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A standby whose state goes wrong where no event shows it."""
    follow = Standby.follow

    async def astray(self: Standby) -> None:
        await follow(self)
        assert self._copy is not None
        self._copy.exchange.accounts.supply["GHOST"] = 1

    patch.setattr(Standby, "follow", astray)
    return {}


PLANTS: dict[str, tuple[Plant, str]] = {
    "reply before commit": (reply_before_commit, "not committed"),
    "publish before commit": (publish_before_commit, "published"),
    "no fence": (no_fence, ""),
    "go on after a failed commit": (go_on_after_a_failed_commit, ""),
    "unknown called not done": (call_unknown_not_done, "told not done"),
    "ask again after a lost answer": (ask_again_after_a_lost_answer, ""),
    "carry out repeats": (carry_out_repeats, ""),
    "lose a unit of money": (lose_a_unit, "conserved"),
    "recover without replay": (recover_without_replay, ""),
    "take the snapshot late": (take_the_snapshot_late, ""),
    "lead the standby astray": (lead_the_copy_astray, "Diverged"),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, words = PLANTS[name]
    options = plant(monkeypatch)
    for seed in range(SEEDS):
        outcome = run_seed(seed, **options)
        # Another check may find it first: a standby that was led astray may lead before it has compared.
        if outcome.broken and words in outcome.broken:
            return
    raise AssertionError(f"{SEEDS} seeds did not find it")
