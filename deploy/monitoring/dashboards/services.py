"""Rate, errors and duration of every service, and what their processes use."""

from typing import Final

from deploy.monitoring.dashboards.grafana import Dashboard, Panel, Query, Row

SERVICES: Final = Dashboard(
    uid="crossbook-services",
    title="Crossbook: services",
    description="Rate, errors and duration by service and route. Trading counts by the codes of its dialect.",
    rows=(
        Row(
            "Trading",
            (
                Panel(
                    "Rate by route",
                    "reqps",
                    (
                        Query(
                            "topk(12, sum by (route) (rate(crossbook_trading_replies_total[$__rate_interval])))",
                            "{{route}}",
                        ),
                    ),
                    "The twelve busiest.",
                ),
                Panel(
                    "Errors by status and code",
                    "reqps",
                    (
                        Query(
                            'sum by (status, code) (rate(crossbook_trading_replies_total{status!="200"}'
                            "[$__rate_interval]))",
                            "{{status}} {{code}}",
                        ),
                    ),
                    "4xx are the client's, 5xx ours.",
                ),
                Panel(
                    "p99 by route",
                    "s",
                    (
                        Query(
                            "topk(12, histogram_quantile(0.99, sum by (route, le) "
                            "(rate(crossbook_trading_request_seconds_bucket[$__rate_interval]))))",
                            "{{route}}",
                        ),
                    ),
                    "The twelve slowest.",
                    alarming=0.1,
                ),
                Panel(
                    "Requests per POST to the engine",
                    "short",
                    tuple(
                        Query(
                            f"histogram_quantile({quantile}, sum by (le) "
                            "(rate(crossbook_trading_gateway_parcel_size_bucket[$__rate_interval])))",
                            f"p{quantile * 100:g}",
                        )
                        for quantile in (0.5, 0.99)
                    ),
                    "What waited together; it grows with load.",
                ),
                Panel(
                    "Refused for want of time",
                    "reqps",
                    (
                        Query(
                            "sum by (kind) (rate(crossbook_trading_shed_requests_total[$__rate_interval]))", "{{kind}}"
                        ),
                    ),
                    "More came than could be answered within the objective.",
                ),
                Panel(
                    "What a request waits before it is read, and for a POST",
                    "s",
                    tuple(
                        Query(
                            "histogram_quantile(0.99, sum by (le) "
                            f"(rate(crossbook_trading_{metric}_seconds_bucket[$__rate_interval])))",
                            legend,
                        )
                        for metric, legend in (("loop_lag", "event loop, p99"), ("gateway_queue_age", "gateway, p99"))
                    ),
                    "How late the event loop is, and how long the oldest of a parcel waited.",
                    alarming=0.1,
                ),
                Panel(
                    "API keys and sessions, found in the cache",
                    "percentunit",
                    (
                        Query(
                            'sum(rate(crossbook_trading_principal_lookups_total{source!="auth"}[$__rate_interval])) / '
                            "sum(rate(crossbook_trading_principal_lookups_total[$__rate_interval]))",
                            "hit rate",
                        ),
                    ),
                    "The rest asks the auth service.",
                ),
                Panel(
                    "Listings found rendered",
                    "percentunit",
                    (
                        Query(
                            'sum(rate(crossbook_trading_listing_reads_total{source="kept"}[$__rate_interval])) / '
                            "sum(rate(crossbook_trading_listing_reads_total[$__rate_interval]))",
                            "hit rate",
                        ),
                    ),
                    "Markets and their rules, as kept in the process.",
                ),
                Panel(
                    "Refused by rate limits",
                    "reqps",
                    (
                        Query(
                            "sum by (limit) (rate(crossbook_trading_limits_refused_total[$__rate_interval]))",
                            "{{limit}}",
                            may_be_empty=True,
                        ),
                        Query(
                            "sum(rate(crossbook_trading_limits_unknown_total[$__rate_interval]))",
                            "not counted: Redis is away",
                        ),
                    ),
                    "By limit.",
                ),
                Panel(
                    "Event stream",
                    "short",
                    (
                        Query("sum(increase(crossbook_trading_feed_gaps_total[$__rate_interval]))", "gaps"),
                        Query("sum(increase(crossbook_trading_feed_refilled_total[$__rate_interval]))", "refilled"),
                    ),
                    "Gaps, and the entries read from the journal to fill them.",
                ),
                Panel(
                    "Messages to WebSockets",
                    "short",
                    (Query("sum(rate(crossbook_trading_messages_sent_total[$__rate_interval]))", "messages a second"),),
                    "Over all connections.",
                ),
            ),
        ),
        Row(
            "The other services",
            (
                Panel(
                    "Rate by route",
                    "reqps",
                    (
                        Query(
                            "topk(12, sum by (job, route) (rate(crossbook_http_replies_total[$__rate_interval])))",
                            "{{job}} {{route}}",
                        ),
                    ),
                    "The twelve busiest.",
                ),
                Panel(
                    "Errors",
                    "reqps",
                    (
                        Query(
                            'sum by (job, route, status) (rate(crossbook_http_replies_total{status=~"[45].."}'
                            "[$__rate_interval]))",
                            "{{job}} {{route}} {{status}}",
                        ),
                    ),
                    "By status.",
                ),
                Panel(
                    "p99 by route",
                    "s",
                    (
                        Query(
                            "topk(12, histogram_quantile(0.99, sum by (job, route, le) "
                            "(rate(crossbook_http_request_seconds_bucket[$__rate_interval]))))",
                            "{{job}} {{route}}",
                        ),
                    ),
                    "Hashing a password takes a tenth of a second by design.",
                ),
                Panel(
                    "Logins by outcome",
                    "short",
                    (Query("sum by (outcome) (rate(crossbook_auth_logins_total[$__rate_interval]))", "{{outcome}}"),),
                    "Many refused ones are an attack.",
                ),
            ),
        ),
        Row(
            "Notices",
            (
                Panel(
                    "Notices stored, by kind",
                    "short",
                    (
                        Query(
                            "sum by (kind) (rate(crossbook_notifier_notices_total[$__rate_interval]))",
                            "{{kind}}",
                            may_be_empty=True,
                        ),
                    ),
                    "A second.",
                    width=6,
                ),
                Panel(
                    "Deliveries by channel and outcome",
                    "short",
                    (
                        Query(
                            "sum by (channel, outcome) (rate(crossbook_notifier_deliveries_total[$__rate_interval]))",
                            "{{channel}} {{outcome}}",
                            may_be_empty=True,
                        ),
                    ),
                    "Attempts a second.",
                    width=6,
                ),
                Panel(
                    "Oldest delivery not made",
                    "s",
                    (
                        Query(
                            "max by (channel) (crossbook_notifier_oldest_delivery_seconds)",
                            "{{channel}}",
                            may_be_empty=True,
                        ),
                    ),
                    "0: none waits.",
                    width=6,
                    alarming=900,
                ),
                Panel(
                    "Journal entries not read yet",
                    "short",
                    (Query("max(crossbook_notifier_journal_lag_sequences)", "behind"),),
                    "The notifier follows the journal by itself, without Redis.",
                    width=6,
                    alarming=10_000,
                ),
            ),
        ),
        Row(
            "Money on its way",
            (
                Panel(
                    "Withdrawals that have not ended",
                    "short",
                    (Query("max by (status) (crossbook_backoffice_withdrawals)", "{{status}}"),),
                    "By status. Every back office counts the same tables.",
                    width=6,
                ),
                Panel(
                    "Longest in its status",
                    "s",
                    (Query("max by (status) (crossbook_backoffice_oldest_withdrawal_seconds)", "{{status}}"),),
                    "People approve; a provider sends; the rest are steps of the engine.",
                    width=6,
                    alarming=3_600,
                ),
                Panel(
                    "Deposits that have not ended",
                    "short",
                    (Query("max by (status) (crossbook_backoffice_deposits)", "{{status}}"),),
                    "UNMATCHED: money that nobody expects.",
                    width=6,
                ),
                Panel(
                    "Commands whose outcome is not known",
                    "short",
                    (Query("max by (kind) (crossbook_backoffice_undelivered)", "{{kind}}"),),
                    "None, but for a moment.",
                    width=6,
                ),
                Panel(
                    "Oldest of them",
                    "s",
                    (Query("max by (kind) (crossbook_backoffice_oldest_undelivered_seconds)", "{{kind}}"),),
                    "They are delivered again until the engine has answered.",
                    alarming=300,
                ),
                Panel(
                    "Deliveries by outcome",
                    "short",
                    (
                        Query(
                            "sum by (outcome) (rate(crossbook_backoffice_deliveries_total[$__rate_interval]))",
                            "{{outcome}}",
                        ),
                    ),
                    "A second. defect: one that cannot be completed.",
                ),
            ),
        ),
        Row(
            "Processes",
            (
                Panel(
                    "CPU",
                    "percentunit",
                    (
                        Query(
                            'rate(process_cpu_seconds_total{job=~"(crossbook-)?(auth|backoffice|engine|notifier|trading)"}'
                            "[$__rate_interval])",
                            "{{job}} {{instance}}",
                        ),
                    ),
                    "Of one core; a process cannot use more than one.",
                    alarming=0.9,
                ),
                Panel(
                    "Memory",
                    "bytes",
                    (
                        Query(
                            'process_resident_memory_bytes{job=~"(crossbook-)?(auth|backoffice|engine|notifier|trading)"}',
                            "{{job}} {{instance}}",
                        ),
                    ),
                    "Resident.",
                ),
                Panel(
                    "Open files",
                    "short",
                    (
                        Query(
                            'process_open_fds{job=~"(crossbook-)?(auth|backoffice|engine|notifier|trading)"}',
                            "{{job}} {{instance}}",
                        ),
                    ),
                    "Connections are files.",
                ),
                Panel(
                    "Up",
                    "short",
                    (Query("sum by (job) (up)", "{{job}}"),),
                    "Processes that answer.",
                ),
            ),
        ),
    ),
)
