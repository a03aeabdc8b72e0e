"""What traders feel: how fast and how surely orders are taken, and how soon they hear of what happened."""

from typing import Final

from deploy.monitoring.dashboards.grafana import Dashboard, Panel, Query, Row

_ORDER = 'route="POST /api/v3/order"'
_SECONDS = "crossbook_trading_request_seconds_bucket"

TRADERS: Final = Dashboard(
    uid="crossbook-traders",
    title="Crossbook: traders' view",
    description="What traders feel. The promise: 99 % of requests within 100 ms, 99.9 % without a fault of ours.",
    rows=(
        Row(
            "The promise",
            (
                Panel(
                    "p99 of all requests",
                    "s",
                    (Query(f"histogram_quantile(0.99, sum by (le) (rate({_SECONDS}[$__rate_interval])))"),),
                    "From the parsed request to the encoded reply; 100 ms is promised.",
                    kind="stat",
                    width=6,
                    alarming=0.1,
                ),
                Panel(
                    "Within 100 ms",
                    "percentunit",
                    (
                        Query(
                            f'sum(rate({_SECONDS}{{le="0.1"}}[$__rate_interval])) / '
                            "sum(rate(crossbook_trading_request_seconds_count[$__rate_interval]))"
                        ),
                    ),
                    "Of the requests that were answered.",
                    kind="stat",
                    width=6,
                ),
                Panel(
                    "Faults of ours",
                    "percentunit",
                    (
                        Query(
                            '(sum(rate(crossbook_trading_replies_total{status=~"5.."}[$__rate_interval])) '
                            "or vector(0)) / sum(rate(crossbook_trading_replies_total[$__rate_interval]))"
                        ),
                    ),
                    "Replies with a status from 500 on, of all; 0.1 % is promised.",
                    kind="stat",
                    width=6,
                    alarming=0.001,
                ),
                Panel(
                    "Requests a second",
                    "reqps",
                    (Query("sum(rate(crossbook_trading_replies_total[$__rate_interval]))"),),
                    "Over all trading processes.",
                    kind="stat",
                    width=6,
                ),
            ),
        ),
        Row(
            "Orders",
            (
                Panel(
                    "Time to place an order",
                    "s",
                    tuple(
                        Query(
                            f"histogram_quantile({quantile}, sum by (le) "
                            f"(rate({_SECONDS}{{{_ORDER}}}[$__rate_interval])))",
                            f"p{quantile * 100:g}",
                        )
                        for quantile in (0.5, 0.95, 0.99)
                    ),
                    "Durable in PostgreSQL when answered.",
                    alarming=0.1,
                ),
                Panel(
                    "Orders and cancels a second",
                    "reqps",
                    (
                        Query(
                            "sum by (route) (rate(crossbook_trading_replies_total"
                            '{route=~"(POST|DELETE) /api/v3/order.*|WS order.*"}[$__rate_interval]))',
                            "{{route}}",
                        ),
                    ),
                    "REST and WebSocket API.",
                ),
                Panel(
                    "Refused, by code",
                    "reqps",
                    (
                        Query(
                            'sum by (code) (rate(crossbook_trading_replies_total{code!="0"}[$__rate_interval]))',
                            "{{code}}",
                        ),
                    ),
                    "-2010: the order was refused. -1003: a rate limit. -1007: unknown outcome, our fault.",
                ),
            ),
        ),
        Row(
            "Markets",
            (
                Panel(
                    "Trades a second",
                    "short",
                    (Query("sum by (symbol) (rate(crossbook_engine_trades_total[$__rate_interval]))", "{{symbol}}"),),
                    "By market.",
                ),
                Panel(
                    "Turnover a minute",
                    "short",
                    (
                        Query(
                            "60 * sum by (symbol) (rate(crossbook_engine_traded_quote_total[$__rate_interval]))",
                            "{{symbol}}",
                        ),
                    ),
                    "In each market's quote asset.",
                ),
                Panel(
                    "Open orders",
                    "short",
                    (Query("max(crossbook_engine_open_orders)", "open orders"),),
                    "On all books.",
                ),
            ),
        ),
        Row(
            "Streams",
            (
                Panel(
                    "From the commit to the stream",
                    "s",
                    tuple(
                        Query(
                            f"histogram_quantile({quantile}, sum by (le) "
                            "(rate(crossbook_trading_feed_lag_seconds_bucket[$__rate_interval])))",
                            f"p{quantile * 100:g}",
                        )
                        for quantile in (0.5, 0.99)
                    ),
                    "How old an event is when a trading process hears of it.",
                ),
                Panel(
                    "Open WebSockets",
                    "short",
                    (Query("sum by (kind) (crossbook_trading_sockets)", "{{kind}}", may_be_empty=True),),
                    "By what they are for.",
                ),
                Panel(
                    "Dropped WebSockets",
                    "short",
                    (
                        Query(
                            "sum by (reason) (increase(crossbook_trading_sockets_dropped_total[$__rate_interval]))",
                            "{{reason}}",
                            may_be_empty=True,
                        ),
                    ),
                    "Closed by us: slow clients, too many of them.",
                ),
            ),
        ),
    ),
)
