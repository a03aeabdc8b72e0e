"""The engine's tables, and one database role for each service with only the rights it needs.

Roles are created without a password; whoever deploys sets one. They belong to the server, not to the database, so an
existing role is kept.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLES = ("crossbook_auth", "crossbook_engine", "crossbook_trading")

TABLES = """
CREATE SCHEMA exchange;

CREATE TABLE exchange.engine_lease (
    shard smallint PRIMARY KEY,
    epoch bigint NOT NULL,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL,
    sequence bigint NOT NULL,
    journal_hash bytea NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE exchange.journal (
    sequence bigint PRIMARY KEY,
    epoch bigint NOT NULL,
    time_us bigint NOT NULL,
    commands bytea NOT NULL,
    events bytea NOT NULL,
    hash bytea NOT NULL
);

CREATE TABLE exchange.snapshots (
    sequence bigint PRIMARY KEY,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE exchange.markets (
    symbol text PRIMARY KEY,
    definition jsonb NOT NULL,
    sequence bigint NOT NULL
);

CREATE TABLE exchange.orders (
    order_id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    symbol text NOT NULL,
    client_order_id text NOT NULL,
    side text NOT NULL,
    type text NOT NULL,
    time_in_force text NOT NULL,
    price_e8 bigint NOT NULL,
    quantity_e8 bigint NOT NULL,
    quote_quantity_e8 bigint NOT NULL,
    executed_e8 bigint NOT NULL,
    executed_quote_e8 bigint NOT NULL,
    status text NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    working_us bigint NOT NULL,
    expiry_reason text NOT NULL,
    is_open boolean NOT NULL,
    sequence bigint NOT NULL,
    CONSTRAINT orders_executed_within_quantity CHECK (executed_e8 BETWEEN 0 AND quantity_e8)
) WITH (fillfactor = 70);
CREATE INDEX orders_by_account ON exchange.orders (account_id, symbol, order_id);
CREATE INDEX orders_by_client_order_id ON exchange.orders (account_id, symbol, client_order_id);
CREATE INDEX orders_open ON exchange.orders (account_id) WHERE is_open;

CREATE TABLE exchange.trades (
    symbol text NOT NULL,
    trade_id bigint NOT NULL,
    price_e8 bigint NOT NULL,
    quantity_e8 bigint NOT NULL,
    quote_e8 bigint NOT NULL,
    time_us bigint NOT NULL,
    buyer_is_maker boolean NOT NULL,
    taker_order_id bigint NOT NULL,
    taker_account_id bigint NOT NULL,
    taker_fee_e8 bigint NOT NULL,
    maker_order_id bigint NOT NULL,
    maker_account_id bigint NOT NULL,
    maker_fee_e8 bigint NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (symbol, trade_id)
);
CREATE INDEX trades_by_taker ON exchange.trades (taker_account_id, symbol, trade_id);
CREATE INDEX trades_by_maker ON exchange.trades (maker_account_id, symbol, trade_id);

CREATE TABLE exchange.balances (
    account_id bigint NOT NULL,
    asset text NOT NULL,
    free_e8 bigint NOT NULL,
    locked_e8 bigint NOT NULL,
    updated_us bigint NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (account_id, asset),
    CONSTRAINT balances_free_not_negative CHECK (free_e8 >= 0),
    CONSTRAINT balances_locked_not_negative CHECK (locked_e8 >= 0)
) WITH (fillfactor = 50);

CREATE TABLE exchange.transfers (
    reference text PRIMARY KEY,
    account_id bigint NOT NULL,
    asset text NOT NULL,
    amount_e8 bigint NOT NULL,
    time_us bigint NOT NULL,
    sequence bigint NOT NULL
);
CREATE INDEX transfers_by_account ON exchange.transfers (account_id, sequence);

INSERT INTO exchange.engine_lease VALUES (0, 0, '', '-infinity', 0, decode(repeat('00', 32), 'hex'));
"""

# The engine appends to the journal and never rewrites it; trading cannot read it but for what streams need.
GRANTS = """
GRANT USAGE ON SCHEMA exchange TO crossbook_engine, crossbook_trading;
GRANT SELECT, UPDATE ON exchange.engine_lease TO crossbook_engine;
GRANT SELECT, INSERT ON exchange.journal TO crossbook_engine;
GRANT SELECT, INSERT, DELETE ON exchange.snapshots TO crossbook_engine;
GRANT SELECT, INSERT, UPDATE ON exchange.markets, exchange.orders, exchange.balances TO crossbook_engine;
GRANT SELECT, INSERT ON exchange.trades, exchange.transfers TO crossbook_engine;
GRANT SELECT ON exchange.engine_lease, exchange.journal, exchange.markets, exchange.orders, exchange.trades,
    exchange.balances, exchange.transfers TO crossbook_trading;
"""


def upgrade() -> None:
    for role in ROLES:
        # Two databases of one server may migrate at once (parallel tests do), hence the second exception.
        op.execute(
            f"DO $$ BEGIN CREATE ROLE {role} LOGIN; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    for statement in (TABLES + GRANTS).split(";"):
        if statement.strip():
            op.execute(statement)
