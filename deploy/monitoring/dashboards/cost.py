"""What a request costs now, counted with the prices of deploy/cost. It shows what moves the bill, not the bill."""

from typing import Final

from deploy.cost.table import read_prices
from deploy.monitoring.dashboards.grafana import Dashboard, Panel, Query, Row

_PRICES: Final = read_prices()
_BYTES_PER_GB: Final = 1024**3
# An m7g.large has two cores.
_USD_PER_CORE_SECOND: Final = float(_PRICES.of("m7g_large_hour")) / 2 / 3600
_USD_PER_BYTE: Final = float(_PRICES.of("egress_gb")) / _BYTES_PER_GB
_MILLION: Final = "1e6"

_REQUESTS = "sum(rate(crossbook_trading_replies_total[$__rate_interval]))"
_BYTES = "sum(rate(crossbook_trading_replied_bytes_total[$__rate_interval]))"
_SOCKET_BYTES = "sum(rate(crossbook_trading_socket_sent_bytes_total[$__rate_interval]))"
_CPU = (
    'sum(rate(process_cpu_seconds_total{job=~"(crossbook-)?(auth|backoffice|engine|notifier|trading)"}'
    "[$__rate_interval]))"
)
_COMMITS = 'sum(rate(pg_stat_database_xact_commit{datname=~"crossbook.*"}[$__rate_interval]))'

COST: Final = Dashboard(
    uid="crossbook-cost",
    title="Crossbook: cost of a request",
    description="Counted with the prices of deploy/cost/prices.toml. Machines that idle are not in here: docs/cost.md.",
    rows=(
        Row(
            "For a million requests",
            (
                Panel(
                    "Out of the API",
                    "currencyUSD",
                    (Query(f"{_MILLION} * {_USD_PER_BYTE:.6g} * {_BYTES} / {_REQUESTS}"),),
                    "Bodies before compression: what compression saves is not in here.",
                    kind="stat",
                ),
                Panel(
                    "CPU of our processes",
                    "currencyUSD",
                    (Query(f"{_MILLION} * {_USD_PER_CORE_SECOND:.6g} * {_CPU} / {_REQUESTS}"),),
                    "As if nodes were full.",
                    kind="stat",
                ),
                Panel(
                    "Streams",
                    "currencyUSD",
                    (Query(f"{_MILLION} * {_USD_PER_BYTE:.6g} * {_SOCKET_BYTES} / {_REQUESTS}"),),
                    "Bytes to WebSockets, spread over requests.",
                    kind="stat",
                ),
            ),
        ),
        Row(
            "What makes it up",
            (
                Panel(
                    "Bytes a reply",
                    "bytes",
                    (
                        Query(f"{_BYTES} / {_REQUESTS}", "all"),
                        Query(
                            "topk(8, sum by (route) (rate(crossbook_trading_replied_bytes_total[$__rate_interval])) / "
                            "sum by (route) (rate(crossbook_trading_request_seconds_count[$__rate_interval])))",
                            "{{route}}",
                        ),
                    ),
                    "The eight largest, and all together.",
                ),
                Panel(
                    "Bytes a second, by route",
                    "Bps",
                    (
                        Query(
                            "topk(8, sum by (route) (rate(crossbook_trading_replied_bytes_total[$__rate_interval])))",
                            "{{route}}",
                        ),
                        Query(_SOCKET_BYTES, "streams"),
                    ),
                    "Where the bill's largest line comes from.",
                ),
                Panel(
                    "CPU a request",
                    "s",
                    (Query(f"{_CPU} / {_REQUESTS}", "all services"),),
                    "Seconds of one core.",
                ),
                Panel(
                    "Engine time a command",
                    "s",
                    (
                        Query(
                            "(sum(rate(crossbook_engine_apply_seconds_sum[$__rate_interval])) + "
                            "sum(rate(crossbook_engine_settle_seconds_sum[$__rate_interval]))) / "
                            "sum(rate(crossbook_engine_commands_total[$__rate_interval]))",
                            "applying and settling",
                        ),
                    ),
                    "It falls as batches grow.",
                ),
                Panel(
                    "Commits a request",
                    "short",
                    (
                        Query(
                            f"{_COMMITS} / {_REQUESTS}",
                            "commits",
                        ),
                    ),
                    "Of all services together; it falls as reads and batches are shared.",
                ),
            ),
        ),
    ),
)
