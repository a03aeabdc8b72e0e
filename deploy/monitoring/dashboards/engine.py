"""The engine: who is active, how full its batches are, how long commits take, what a failover would cost."""

from typing import Final

from deploy.monitoring.dashboards.grafana import Dashboard, Panel, Query, Row


def _quantiles(metric: str) -> tuple[Query, ...]:
    return tuple(
        Query(
            f"histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket[$__rate_interval])))",
            f"p{quantile * 100:g}",
        )
        for quantile in (0.5, 0.99)
    )


ENGINE: Final = Dashboard(
    uid="crossbook-engine",
    title="Crossbook: engine",
    description="One engine is active; the others stand by. Everything here is by engine process.",
    rows=(
        Row(
            "State",
            (
                Panel(
                    "Active engines",
                    "short",
                    (Query("count(crossbook_engine_lease_epoch > 0)"),),
                    "One, always.",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Lease epoch",
                    "short",
                    (Query("max(crossbook_engine_lease_epoch)"),),
                    "It grows by one with each engine that takes over.",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Unbalanced assets",
                    "short",
                    (Query("max(crossbook_engine_unbalanced_assets)"),),
                    "Assets whose balances do not sum to deposits minus withdrawals: 0, always.",
                    kind="stat",
                    width=4,
                    alarming=1,
                ),
                Panel(
                    "Journal sequence",
                    "short",
                    (Query("max(crossbook_engine_journal_sequence)"),),
                    "The last committed row.",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Last recovery",
                    "s",
                    (Query("max(crossbook_engine_recovery_seconds)"),),
                    "How long the last engine that took over needed.",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Open orders",
                    "short",
                    (Query("max(crossbook_engine_open_orders)"),),
                    "On all books.",
                    kind="stat",
                    width=4,
                ),
            ),
        ),
        Row(
            "Work",
            (
                Panel(
                    "Commands a second",
                    "reqps",
                    (
                        Query("sum(rate(crossbook_engine_commands_total[$__rate_interval]))", "taken"),
                        Query("sum(rate(crossbook_engine_journaled_commands_total[$__rate_interval]))", "journaled"),
                    ),
                    "Taken from the inbox, and those of them that changed something.",
                ),
                Panel(
                    "Refused, by why",
                    "reqps",
                    (
                        Query(
                            "sum by (refusal) (rate(crossbook_engine_refused_commands_total[$__rate_interval]))",
                            "{{refusal}}",
                            may_be_empty=True,
                        ),
                    ),
                    "Commands that changed nothing.",
                ),
                Panel(
                    "Batch size",
                    "short",
                    _quantiles("crossbook_engine_batch_size"),
                    "Requests that were committed together; it grows with load and makes the engine cheaper.",
                ),
                Panel(
                    "Time to apply a batch",
                    "s",
                    _quantiles("crossbook_engine_apply_seconds"),
                    "In memory.",
                ),
                Panel(
                    "Time to settle a batch",
                    "s",
                    _quantiles("crossbook_engine_settle_seconds"),
                    "One statement, one commit.",
                    alarming=0.05,
                ),
                Panel(
                    "Inbox",
                    "short",
                    (Query("max by (instance) (crossbook_engine_inbox_depth)", "{{instance}}"),),
                    "Requests that wait; at 4096 new ones are refused.",
                    alarming=1000,
                ),
                Panel(
                    "Parcels and their errors",
                    "reqps",
                    (
                        Query(
                            "sum by (status) (rate(crossbook_http_replies_total"
                            '{route="POST /internal/commands"}[$__rate_interval]))',
                            "{{status}}",
                        ),
                    ),
                    "POSTs from trading processes; 503 while an engine stands by.",
                ),
                Panel(
                    "Busy",
                    "percentunit",
                    (
                        Query(
                            "sum(rate(crossbook_engine_apply_seconds_sum[$__rate_interval])) + "
                            "sum(rate(crossbook_engine_settle_seconds_sum[$__rate_interval]))",
                            "applying and settling",
                        ),
                    ),
                    "The share of time with a batch in hand. Near 1 it is saturated (docs/scaling.md).",
                    alarming=0.8,
                ),
                Panel(
                    "Began again",
                    "short",
                    (Query("sum(increase(crossbook_engine_terms_ended_total[$__rate_interval]))", "terms ended"),),
                    "The engine dropped its state: the database was away, or another engine took over.",
                    alarming=1,
                ),
            ),
        ),
        Row(
            "Behind the commit",
            (
                Panel(
                    "Rows not yet in Redis",
                    "short",
                    (Query("max(crossbook_engine_stream_lag)", "stream lag"),),
                    "Committed, and not yet published.",
                    alarming=1000,
                ),
                Panel(
                    "Rows since the newest snapshot",
                    "short",
                    (
                        Query(
                            "max(crossbook_engine_journal_sequence - crossbook_engine_snapshot_sequence)",
                            "to be replayed",
                        ),
                    ),
                    "What an engine that starts now must replay.",
                    alarming=50_000,
                ),
                Panel(
                    "Age of the newest snapshot",
                    "s",
                    (Query("time() - max(crossbook_engine_snapshot_timestamp_seconds > 0)", "age", may_be_empty=True),),
                    "It grows without harm while nothing happens.",
                ),
                Panel(
                    "Snapshots that failed",
                    "short",
                    (Query("sum(increase(crossbook_engine_snapshot_failures_total[$__rate_interval]))", "failed"),),
                    "The engine goes on; a failover takes longer.",
                    alarming=1,
                ),
            ),
        ),
    ),
)
