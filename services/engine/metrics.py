"""The engine's metrics. Names say the unit; labels are markets and refusals, never accounts or orders."""

from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from services.domain.events import OrderFilled
from services.domain.money import ONE_E8
from services.domain.refusals import Refusal

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2)

COMMANDS = Counter("crossbook_engine_commands_total", "Requests taken from the inbox.")
JOURNALED = Counter("crossbook_engine_journaled_commands_total", "Commands that changed state and were committed.")
BATCH_SIZE = Histogram(
    "crossbook_engine_batch_size", "Requests per batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
APPLY_SECONDS = Histogram("crossbook_engine_apply_seconds", "Time to apply one batch.", buckets=_SECONDS)
SETTLE_SECONDS = Histogram("crossbook_engine_settle_seconds", "Time to commit one batch.", buckets=_SECONDS)
INBOX_DEPTH = Gauge("crossbook_engine_inbox_depth", "Requests waiting for a batch.")
SEQUENCE = Gauge("crossbook_engine_journal_sequence", "The last committed journal row.")
EPOCH = Gauge("crossbook_engine_lease_epoch", "The epoch this engine holds, 0 while it is a standby.")
OPEN_ORDERS = Gauge("crossbook_engine_open_orders", "Orders on all books.")
STREAM_LAG = Gauge("crossbook_engine_stream_lag", "Committed rows not yet in the Redis stream.")
SNAPSHOT_SEQUENCE = Gauge("crossbook_engine_snapshot_sequence", "The journal row of the newest snapshot.")
SNAPSHOT_TIME = Gauge("crossbook_engine_snapshot_timestamp_seconds", "When this engine last stored a snapshot.")
SNAPSHOT_FAILURES = Counter("crossbook_engine_snapshot_failures_total", "Snapshots that could not be stored.")
STANDBY_SEQUENCE = Gauge(
    "crossbook_engine_standby_sequence", "The journal row up to which this engine has followed another one."
)
STANDBY_COMPARED = Gauge(
    "crossbook_engine_standby_compared_sequence",
    "The last journal row after which this standby's state was seen to be the leader's.",
)
PARTITIONS_AHEAD = Gauge(
    "crossbook_engine_partitions_ahead",
    "Empty partitions behind the one that is written to; 0 also when that is the last one, or nobody could tell.",
    ["table"],
)
RECOVERY_SECONDS = Gauge("crossbook_engine_recovery_seconds", "How long the last recovery took.")
TERMS_ENDED = Counter(
    "crossbook_engine_terms_ended_total", "Times this engine dropped its state to begin again at the lease."
)
UNBALANCED_ASSETS = Gauge(
    "crossbook_engine_unbalanced_assets",
    "Assets whose balances do not sum to deposits minus withdrawals, counted at recovery and with each snapshot.",
)
REFUSED = Counter("crossbook_engine_refused_commands_total", "Commands that changed nothing, by why.", ["refusal"])
TRADES = Counter("crossbook_engine_trades_total", "Trades committed, by market.", ["symbol"])
TRADED_QUOTE = Counter(
    "crossbook_engine_traded_quote_total", "Quote asset that changed hands, in whole units, by market.", ["symbol"]
)


@cache
def refused(refusal: Refusal) -> Counter:
    return REFUSED.labels(refusal.name)


def count_trades(trades: Iterable[OrderFilled]) -> None:
    """For charts: the amounts are binary floats, unlike those of the journal."""
    for trade in trades:
        count, quote = _of_market(trade.symbol)
        count.inc()
        quote.inc(trade.quote_e8 / ONE_E8)


@cache
def _of_market(symbol: str) -> tuple[Counter, Counter]:
    return TRADES.labels(symbol), TRADED_QUOTE.labels(symbol)
