"""The engine's tables, in schema ``exchange``. Only the engine writes them; trading reads them.

``journal`` is the truth. ``orders``, ``trades``, ``balances``, ``transfers`` and ``markets`` are projections of it,
written in the same statement for everyone else to read; the engine itself never reads them, so ``crossbook verify`` can
compare the two as independent witnesses. ``sequence`` is everywhere the journal row that last wrote the line.
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
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

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
    CheckConstraint("executed_e8 BETWEEN 0 AND quantity_e8", name="orders_executed_within_quantity"),
    Index("orders_by_account", "account_id", "symbol", "order_id"),
    Index("orders_by_client_order_id", "account_id", "symbol", "client_order_id"),
    Index("orders_open", "account_id", postgresql_where=text("is_open")),
    # Room to update an order in its own page, without touching the indexes.
    postgresql_with={"fillfactor": "70"},
)

trades = Table(
    "trades",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("trade_id", BigInteger, primary_key=True, autoincrement=False),
    Column("price_e8", BigInteger, nullable=False),
    Column("quantity_e8", BigInteger, nullable=False),
    Column("quote_e8", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("buyer_is_maker", Boolean, nullable=False),
    Column("taker_order_id", BigInteger, nullable=False),
    Column("taker_account_id", BigInteger, nullable=False),
    Column("taker_fee_e8", BigInteger, nullable=False),
    Column("maker_order_id", BigInteger, nullable=False),
    Column("maker_account_id", BigInteger, nullable=False),
    Column("maker_fee_e8", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("trades_by_taker", "taker_account_id", "symbol", "trade_id"),
    Index("trades_by_maker", "maker_account_id", "symbol", "trade_id"),
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
    CheckConstraint("free_e8 >= 0", name="balances_free_not_negative"),
    CheckConstraint("locked_e8 >= 0", name="balances_locked_not_negative"),
    postgresql_with={"fillfactor": "50"},
)

transfers = Table(
    "transfers",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("amount_e8", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("transfers_by_account", "account_id", "sequence"),
)
