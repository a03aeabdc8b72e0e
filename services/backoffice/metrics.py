"""What an operator watches beside the API (``services.infra.measured``): money on its way, and for how long."""

from typing import Final

from prometheus_client import Counter, Gauge

DELIVERIES: Final = Counter("crossbook_backoffice_deliveries", "Deliveries of commands by outcome.", ["outcome"])
for outcome in ("applied", "refused", "unknown", "not_started", "defect"):
    # From 0 on: the first one is an increase, too.
    DELIVERIES.labels(outcome)
UNDELIVERED: Final = Gauge("crossbook_backoffice_undelivered", "Commands whose outcome is not known yet.", ["kind"])
OLDEST_UNDELIVERED_SECONDS: Final = Gauge(
    "crossbook_backoffice_oldest_undelivered_seconds", "Age of the oldest such command; 0: none.", ["kind"]
)
WITHDRAWALS: Final = Gauge("crossbook_backoffice_withdrawals", "Withdrawals that have not ended.", ["status"])
OLDEST_WITHDRAWAL_SECONDS: Final = Gauge(
    "crossbook_backoffice_oldest_withdrawal_seconds",
    "How long the one that came first into this status has been in it; 0: none.",
    ["status"],
)
DEPOSITS: Final = Gauge("crossbook_backoffice_deposits", "Deposits that have not ended.", ["status"])
