"""The engine's tables, in schema ``exchange``. Only the engine writes them; trading reads them.

``journal`` is the truth. All tables but ``engine_lease`` and ``snapshots`` are projections of it, written in the same
statement for everyone else to read. The engine itself reads none of them (but a settlement counts aggregate trades on
from the last one), so ``crossbook verify`` can compare the two as independent witnesses. ``sequence`` is everywhere the
journal row that last wrote the line.

``orders`` and ``trades`` are partitioned (docs/adr/0025). Their partitions are in schema ``exchange_history`` and come
and go as time passes, so they are not listed here; ``exchange.history_partitions`` lists them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

metadata = MetaData(schema="exchange")

# One row: who may write, up to where the journal has been written, and its last hash. Updating it is the fence of every
# settlement. Kept loose (fillfactor) so that the update stays within its page.
engine_lease = Table(
    "engine_lease",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("journal_hash", LargeBinary, nullable=False),
    postgresql_with={"fillfactor": "10"},
)

journal = Table(
    "journal",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("commands", LargeBinary, nullable=False),
    Column("events", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

markets = Table(
    "markets",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("definition", JSONB, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("status", Text, nullable=False, server_default="TRADING"),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("client_order_id", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("time_in_force", Text, nullable=False),
    Column("price_e8", BigInteger, nullable=False),
    Column("quantity_e8", BigInteger, nullable=False),
    Column("quote_quantity_e8", BigInteger, nullable=False),
    Column("executed_e8", BigInteger, nullable=False),
    Column("executed_quote_e8", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("working_us", BigInteger, nullable=False),
    Column("expiry_reason", Text, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("self_trade_prevention", Text, nullable=False, server_default="NONE"),
    # What only some orders have (services.domain.orders.OrderDetails), NULL for the others.
    Column("details", JSON),
    CheckConstraint("executed_e8 BETWEEN 0 AND quantity_e8", name="orders_executed_within_quantity"),
    Index("orders_by_account", "account_id", "symbol", "order_id"),
    Index("orders_by_client_order_id", "account_id", "symbol", "client_order_id"),
    Index("orders_open", "account_id", postgresql_where=text("is_open")),
    # Ids grow with time. Partitions leave room to update an order in its own page, without touching the indexes.
    postgresql_partition_by="RANGE (order_id)",
)

# A market's trades are numbered in the order of time, so both orders are one, and every question has a time in it.
trades = Table(
    "trades",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),
    Column("trade_id", BigInteger, primary_key=True, autoincrement=False),
    Column("price_e8", BigInteger, nullable=False),
    Column("quantity_e8", BigInteger, nullable=False),
    Column("quote_e8", BigInteger, nullable=False),
    Column("buyer_is_maker", Boolean, nullable=False),
    Column("taker_order_id", BigInteger, nullable=False),
    Column("taker_account_id", BigInteger, nullable=False),
    Column("taker_fee_e8", BigInteger, nullable=False),
    Column("maker_order_id", BigInteger, nullable=False),
    Column("maker_account_id", BigInteger, nullable=False),
    Column("maker_fee_e8", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # Which aggregate trade it belongs to: numbered without gaps in each market (docs/adr/0008).
    Column("aggregate_id", BigInteger, nullable=False),
    Index("trades_by_taker", "taker_account_id", "symbol", "time_us", "trade_id"),
    Index("trades_by_maker", "maker_account_id", "symbol", "time_us", "trade_id"),
    postgresql_partition_by="RANGE (time_us)",
)

# What was dropped of a partitioned table (services/engine/retention.py): rows before a key (orders: an id; trades: a
# time) but for those that are needed still. No row: nothing was.
history_horizons = Table(
    "history_horizons",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("dropped_before", BigInteger, nullable=False),
    Column("dropped_rows", BigInteger, nullable=False),
)

# What the dropped trades did to each account in all, so that statements still add up.
carried_balances = Table(
    "carried_balances",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("asset", Text, primary_key=True),
    Column("amount_e8", Numeric(38, 0), nullable=False),
)

balances = Table(
    "balances",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("asset", Text, primary_key=True),
    Column("free_e8", BigInteger, nullable=False),
    Column("locked_e8", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # What held withdrawals and their fees take.
    Column("withdrawing_e8", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("free_e8 >= 0", name="balances_free_not_negative"),
    CheckConstraint("locked_e8 >= 0", name="balances_locked_not_negative"),
    CheckConstraint("withdrawing_e8 >= 0", name="balances_withdrawing_not_negative"),
    postgresql_with={"fillfactor": "50"},
)

# The ledger: one line for each account that a movement changed, and for its fee. Per asset the lines sum up to what the
# venue owes its accounts. A reference names one movement, so it has one line that is not the other side of another.
transfers = Table(
    "transfers",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("asset", Text, nullable=False),
    # Negative where it left the account.
    Column("amount_e8", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Text, primary_key=True),
    # The other account of a transfer.
    Column("counterparty_id", BigInteger),
    Index("transfers_by_account", "account_id", "sequence"),
    Index(
        "transfers_once",
        "reference",
        unique=True,
        postgresql_where=text("kind IN ('DEPOSIT', 'WITHDRAWAL', 'TRANSFER_OUT')"),
    ),
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("amount_e8", BigInteger, nullable=False),
    Column("fee_e8", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("held_us", BigInteger, nullable=False),
    # NULL while it is held.
    Column("ended_us", BigInteger),
    Column("sequence", BigInteger, nullable=False),
    Index("withdrawals_by_account", "account_id", "held_us"),
    Index("withdrawals_held", "held_us", postgresql_where=text("status = 'HELD'")),
)

# Only accounts that have ever been frozen have a row; all others are ACTIVE.
account_standing = Table(
    "account_standing",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

# No row until the venue is halted for the first time; until then it is OPEN.
venue_standing = Table(
    "venue_standing",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

venue = Table(
    "venue",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("definition", JSONB, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

account_terms = Table(
    "account_terms",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("self_trade_prevention", Text),
    Column("maker_fee_rate_e8", BigInteger),
    Column("taker_fee_rate_e8", BigInteger),
    Column("trade_group_id", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

order_lists = Table(
    "order_lists",
    metadata,
    Column("order_list_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("contingency", Text, nullable=False),
    Column("client_order_list_id", Text, nullable=False),
    Column("is_done", Boolean, nullable=False),
    # Pairs of order id and client order id.
    Column("orders", JSON, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("order_lists_by_account", "account_id", "order_list_id"),
)

prevented_matches = Table(
    "prevented_matches",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("prevented_match_id", BigInteger, primary_key=True, autoincrement=False),
    Column("price_e8", BigInteger, nullable=False),
    Column("mode", Text, nullable=False),
    Column("trade_group_id", BigInteger, nullable=False),
    Column("taker_order_id", BigInteger, nullable=False),
    Column("taker_account_id", BigInteger, nullable=False),
    Column("taker_prevented_e8", BigInteger, nullable=False),
    Column("maker_order_id", BigInteger, nullable=False),
    Column("maker_account_id", BigInteger, nullable=False),
    Column("maker_prevented_e8", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("prevented_matches_by_taker_order", "symbol", "taker_order_id"),
    Index("prevented_matches_by_maker_order", "symbol", "maker_order_id"),
)

amendments = Table(
    "amendments",
    metadata,
    Column("execution_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("order_id", BigInteger, nullable=False),
    Column("old_client_order_id", Text, nullable=False),
    Column("new_client_order_id", Text, nullable=False),
    Column("old_quantity_e8", BigInteger, nullable=False),
    Column("new_quantity_e8", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("amendments_by_order", "order_id", "execution_id"),
)

# One row per market, interval (1m, 15m, 1h, 1d) and opening time, only where there were trades.
candles = Table(
    "candles",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("interval", Text, primary_key=True),
    Column("open_us", BigInteger, primary_key=True, autoincrement=False),
    Column("open_e8", BigInteger, nullable=False),
    Column("high_e8", BigInteger, nullable=False),
    Column("low_e8", BigInteger, nullable=False),
    Column("close_e8", BigInteger, nullable=False),
    # Sums of a day may pass what a single amount may be.
    Column("volume_e8", Numeric(38, 0), nullable=False),
    Column("quote_volume_e8", Numeric(38, 0), nullable=False),
    Column("trade_count", BigInteger, nullable=False),
    Column("taker_buy_e8", Numeric(38, 0), nullable=False),
    Column("taker_buy_quote_e8", Numeric(38, 0), nullable=False),
    Column("first_trade_id", BigInteger, nullable=False),
    Column("last_trade_id", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    postgresql_with={"fillfactor": "70"},
)
