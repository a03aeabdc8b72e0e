"""The trading service's metrics: rate, errors and duration of each route, the gateway's batching, the feed, sockets."""

from prometheus_client import Counter, Gauge, Histogram

from services.infra import counting

REQUEST_SECONDS = counting.Histogram(
    "crossbook_trading_request_seconds",
    "Time from the parsed request to the encoded reply.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
REPLIES = counting.Counter(
    "crossbook_trading_replies_total", "Replies by route, HTTP status and error code.", ["route", "status", "code"]
)
REPLIED_BYTES = counting.Counter(
    "crossbook_trading_replied_bytes_total", "Bytes of successful replies' bodies, before compression.", ["route"]
)
GATEWAY_PARCEL = Histogram(
    "crossbook_trading_gateway_parcel_size",
    "Requests per POST to the engine.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
GATEWAY_QUEUE_AGE = Histogram(
    "crossbook_trading_gateway_queue_age_seconds",
    "How long the oldest request of each parcel had waited for it.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
SHED = Counter(
    "crossbook_trading_shed_requests_total",
    "Requests refused (-1008) because they would have been answered too late, by kind: orders or reads.",
    ["kind"],
)
UNDER_WAY = Gauge("crossbook_trading_requests_under_way", "Requests read and not yet answered.", ["kind"])
UNDER_WAY_MAX = Gauge(
    "crossbook_trading_requests_under_way_max", "How many may be; while overloaded, what is answered in time.", ["kind"]
)
LOOP_LAG = Histogram(
    "crossbook_trading_loop_lag_seconds",
    "How late this process's event loop is: what a request may wait before it is read.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
ENGINE_PAUSES = Histogram(
    "crossbook_trading_engine_pause_seconds",
    "How long no engine took requests, each time: hand-overs and failovers as this process saw them.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
HISTORY_READS = Counter(
    "crossbook_trading_history_reads_total", "Reads of the past, by what served them and why.", ["source", "reason"]
)
REPLICA_LAG = Gauge(
    "crossbook_trading_replica_lag_sequences", "Settlements the replica had not replayed when last asked; NaN: unknown."
)
REPLICA_USABLE = Gauge("crossbook_trading_replica_usable", "Whether reads of the past are offered to the replica.")
LISTING_READS = Counter(
    "crossbook_trading_listing_reads_total",
    "Looks at the markets' version, and whether what was kept (and rendered) of them still held.",
    ["source"],
)
READS_SHARED = Histogram(
    "crossbook_trading_reads_shared",
    "Orders or accounts looked up by one statement.",
    ["what"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
PRINCIPAL_LOOKUPS = counting.Counter(
    "crossbook_trading_principal_lookups_total",
    "API key and session checks: kept, asked of auth, or answered by a question of somebody else's under way.",
    ["source"],
)
LIMITS_REFUSED = Counter("crossbook_trading_limits_refused_total", "Requests over a rate limit.", ["limit"])
LIMITS_UNKNOWN = Counter(
    "crossbook_trading_limits_unknown_total", "Counts that Redis did not take, so that nobody was held to them."
)
FEED_SEQUENCE = Gauge("crossbook_trading_feed_sequence", "The last journal entry this process has seen.")
FEED_LAG_SECONDS = Histogram(
    "crossbook_trading_feed_lag_seconds",
    "Time from an entry's own time to its delivery in this process.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
FEED_GAPS = Counter("crossbook_trading_feed_gaps_total", "Times the event stream did not go on where it should.")
FEED_REFILLED = Counter("crossbook_trading_feed_refilled_total", "Entries read from the journal instead.")
SOCKETS = Gauge("crossbook_trading_sockets", "Open WebSockets.", ["kind"])
SOCKETS_DROPPED = Counter("crossbook_trading_sockets_dropped_total", "WebSockets closed by this process.", ["reason"])
MESSAGES_SENT = Counter("crossbook_trading_messages_sent_total", "Messages handed to WebSockets.")
BYTES_SENT = Counter("crossbook_trading_socket_sent_bytes_total", "Bytes handed to WebSockets, with their frames.")
BOOKS_ASKED = Counter(
    "crossbook_trading_books_asked_total", "Depth read from the engine because this process' view was not fresh enough."
)
USER_DATA_STREAMS = Gauge("crossbook_trading_user_data_streams", "Accounts followed, once for each connection.")
USER_DATA_EVENTS = Counter(
    "crossbook_trading_user_data_events_total",
    "User events sent: as they happened, or to a client that resumed.",
    ["source"],
)
