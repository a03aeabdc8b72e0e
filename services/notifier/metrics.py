"""What an operator watches beside the API (``services.infra.measured``): the sources, and each channel's queue."""

from prometheus_client import Counter, Gauge, Histogram

NOTICES = Counter("crossbook_notifier_notices", "Notices stored in an inbox.", ["kind"])
JOURNAL_POSITION = Gauge("crossbook_notifier_journal_position", "The last journal entry this process has stored.")
JOURNAL_LAG = Gauge("crossbook_notifier_journal_lag_sequences", "Journal entries that are not read yet.")
SOURCE_FAILURES = Counter("crossbook_notifier_source_failures", "Reads of a source that failed.", ["source"])
EVENTS_UNREADABLE = Counter(
    "crossbook_notifier_events_unreadable", "Journal events of a known kind in an unknown shape.", ["kind"]
)
DELIVERIES = Counter(
    "crossbook_notifier_deliveries", "Attempts by channel and what came of them.", ["channel", "outcome"]
)
DELIVERY_SECONDS = Histogram(
    "crossbook_notifier_delivery_seconds",
    "Time an attempt took.",
    ["channel"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WAITING = Gauge("crossbook_notifier_deliveries_waiting", "Deliveries not made yet.", ["channel"])
OLDEST_SECONDS = Gauge(
    "crossbook_notifier_oldest_delivery_seconds", "Age of the oldest delivery not made yet; 0: none.", ["channel"]
)
PARKED = Gauge("crossbook_notifier_deliveries_parked", "Deliveries given up until an operator retries.", ["channel"])
