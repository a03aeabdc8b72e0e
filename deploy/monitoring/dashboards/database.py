"""PostgreSQL and Redis, as their exporters and their clients see them. RDS' own machine is in CloudWatch."""

from typing import Final

from deploy.monitoring.dashboards.grafana import Dashboard, Panel, Query, Row

# Of the primary: the replica has an exporter of its own.
_DATABASE = 'job="postgres",datname=~"crossbook.*"'

DATABASE: Final = Dashboard(
    uid="crossbook-database",
    title="Crossbook: database",
    description="PostgreSQL holds the truth. CPU, storage and latency of RDS' machine are on CloudWatch's dashboard.",
    rows=(
        Row(
            "PostgreSQL",
            (
                Panel(
                    "Commits and rollbacks a second",
                    "short",
                    (
                        Query(f"sum(rate(pg_stat_database_xact_commit{{{_DATABASE}}}[$__rate_interval]))", "commits"),
                        Query(
                            f"sum(rate(pg_stat_database_xact_rollback{{{_DATABASE}}}[$__rate_interval]))", "rollbacks"
                        ),
                    ),
                    "A settled batch is one commit.",
                ),
                Panel(
                    "Connections by state",
                    "short",
                    (Query(f"sum by (state) (pg_stat_activity_count{{{_DATABASE}}})", "{{state}}"),),
                    "idle in transaction should be none.",
                ),
                Panel(
                    "Longest transaction",
                    "s",
                    (Query(f"max(pg_stat_activity_max_tx_duration{{{_DATABASE}}})", "longest"),),
                    "It keeps vacuum from cleaning.",
                    alarming=300,
                ),
                Panel(
                    "Found in the cache",
                    "percentunit",
                    (
                        Query(
                            f"sum(rate(pg_stat_database_blks_hit{{{_DATABASE}}}[$__rate_interval])) / "
                            f"(sum(rate(pg_stat_database_blks_hit{{{_DATABASE}}}[$__rate_interval])) + "
                            f"sum(rate(pg_stat_database_blks_read{{{_DATABASE}}}[$__rate_interval])))",
                            "blocks",
                        ),
                    ),
                    "Below 0.99 the instance has too little memory.",
                ),
                Panel(
                    "Rows written a second",
                    "short",
                    (
                        Query(f"sum(rate(pg_stat_database_tup_inserted{{{_DATABASE}}}[$__rate_interval]))", "inserted"),
                        Query(f"sum(rate(pg_stat_database_tup_updated{{{_DATABASE}}}[$__rate_interval]))", "updated"),
                    ),
                    "Over all tables.",
                ),
                Panel(
                    "Size",
                    "bytes",
                    (Query(f"sum(pg_database_size_bytes{{{_DATABASE}}})", "database"),),
                    "The journal only grows.",
                ),
                Panel(
                    "Deadlocks",
                    "short",
                    (
                        Query(
                            f"sum(increase(pg_stat_database_deadlocks{{{_DATABASE}}}[$__rate_interval]))", "deadlocks"
                        ),
                    ),
                    "None, ever: there is one writer of each table.",
                    alarming=1,
                ),
                Panel(
                    "Time to settle a batch",
                    "s",
                    (
                        Query(
                            "histogram_quantile(0.99, sum by (le) "
                            "(rate(crossbook_engine_settle_seconds_bucket[$__rate_interval])))",
                            "p99",
                        ),
                    ),
                    "The database as the engine feels it.",
                    alarming=0.05,
                ),
            ),
        ),
        Row(
            "Read replica",
            (
                Panel(
                    "Reads of the past, by what served them",
                    "reqps",
                    (
                        Query(
                            "sum by (source, reason) (rate(crossbook_trading_history_reads_total[$__rate_interval]))",
                            "{{source}} {{reason}}",
                        ),
                    ),
                    "primary behind: the reader was ahead of the replica.",
                    width=6,
                ),
                Panel(
                    "Rows read a second, by server",
                    "short",
                    (
                        Query(
                            'sum by (job) (rate(pg_stat_database_tup_fetched{job=~"postgres.*",datname=~"crossbook.*"}'
                            "[$__rate_interval]))",
                            "{{job}}",
                        ),
                    ),
                    "The replica, where there is one, takes reads of the past off the primary.",
                    width=6,
                ),
                Panel(
                    "Settlements behind",
                    "short",
                    (Query("max by (instance) (crossbook_trading_replica_lag_sequences)", "{{instance}}"),),
                    "As each trading process sees it.",
                    width=6,
                ),
                Panel(
                    "Usable",
                    "short",
                    (Query("min by (instance) (crossbook_trading_replica_usable)", "{{instance}}"),),
                    "0 where there is none.",
                    width=6,
                ),
            ),
        ),
        Row(
            "Redis",
            (
                Panel(
                    "Memory",
                    "bytes",
                    (Query("max(redis_memory_used_bytes)", "used"),),
                    "The event stream and the newest snapshot are most of it.",
                ),
                Panel(
                    "Commands a second",
                    "short",
                    (Query("sum(rate(redis_commands_processed_total[$__rate_interval]))", "commands"),),
                    "From all services.",
                ),
                Panel(
                    "Clients",
                    "short",
                    (Query("max(redis_connected_clients)", "clients"),),
                    "Connections.",
                ),
                Panel(
                    "Thrown out or refused a second",
                    "short",
                    (
                        Query("sum(rate(redis_evicted_keys_total[$__rate_interval]))", "keys evicted"),
                        Query("sum(rate(redis_rejected_connections_total[$__rate_interval]))", "connections refused"),
                    ),
                    "None: memory or connections have run out otherwise.",
                ),
            ),
        ),
    ),
)
