"""What stops, lists, icebergs, self-trade prevention, amendments and candles need.

New columns have defaults, so an engine of the version before can still write while this is rolled out.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE exchange.markets ADD COLUMN status text NOT NULL DEFAULT 'TRADING';
ALTER TABLE exchange.orders ADD COLUMN self_trade_prevention text NOT NULL DEFAULT 'NONE';
ALTER TABLE exchange.orders ADD COLUMN details json;

CREATE TABLE exchange.venue (
    shard smallint PRIMARY KEY,
    definition jsonb NOT NULL,
    sequence bigint NOT NULL
);

CREATE TABLE exchange.account_terms (
    account_id bigint PRIMARY KEY,
    self_trade_prevention text,
    maker_fee_rate_e8 bigint,
    taker_fee_rate_e8 bigint,
    trade_group_id bigint NOT NULL,
    sequence bigint NOT NULL
);

CREATE TABLE exchange.order_lists (
    order_list_id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    symbol text NOT NULL,
    contingency text NOT NULL,
    client_order_list_id text NOT NULL,
    is_done boolean NOT NULL,
    orders json NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    sequence bigint NOT NULL
);
CREATE INDEX order_lists_by_account ON exchange.order_lists (account_id, order_list_id);

CREATE TABLE exchange.prevented_matches (
    symbol text NOT NULL,
    prevented_match_id bigint NOT NULL,
    price_e8 bigint NOT NULL,
    mode text NOT NULL,
    trade_group_id bigint NOT NULL,
    taker_order_id bigint NOT NULL,
    taker_account_id bigint NOT NULL,
    taker_prevented_e8 bigint NOT NULL,
    maker_order_id bigint NOT NULL,
    maker_account_id bigint NOT NULL,
    maker_prevented_e8 bigint NOT NULL,
    time_us bigint NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (symbol, prevented_match_id)
);
CREATE INDEX prevented_matches_by_taker_order ON exchange.prevented_matches (symbol, taker_order_id);
CREATE INDEX prevented_matches_by_maker_order ON exchange.prevented_matches (symbol, maker_order_id);

CREATE TABLE exchange.amendments (
    execution_id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    symbol text NOT NULL,
    order_id bigint NOT NULL,
    old_client_order_id text NOT NULL,
    new_client_order_id text NOT NULL,
    old_quantity_e8 bigint NOT NULL,
    new_quantity_e8 bigint NOT NULL,
    time_us bigint NOT NULL,
    sequence bigint NOT NULL
);
CREATE INDEX amendments_by_order ON exchange.amendments (order_id, execution_id);

CREATE TABLE exchange.candles (
    symbol text NOT NULL,
    interval text NOT NULL,
    open_us bigint NOT NULL,
    open_e8 bigint NOT NULL,
    high_e8 bigint NOT NULL,
    low_e8 bigint NOT NULL,
    close_e8 bigint NOT NULL,
    volume_e8 numeric(38, 0) NOT NULL,
    quote_volume_e8 numeric(38, 0) NOT NULL,
    trade_count bigint NOT NULL,
    taker_buy_e8 numeric(38, 0) NOT NULL,
    taker_buy_quote_e8 numeric(38, 0) NOT NULL,
    first_trade_id bigint NOT NULL,
    last_trade_id bigint NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (symbol, interval, open_us)
) WITH (fillfactor = 70);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON exchange.venue, exchange.account_terms, exchange.order_lists, exchange.candles
    TO crossbook_engine;
GRANT SELECT, INSERT ON exchange.prevented_matches, exchange.amendments TO crossbook_engine;
GRANT SELECT ON exchange.venue, exchange.account_terms, exchange.order_lists, exchange.candles,
    exchange.prevented_matches, exchange.amendments TO crossbook_trading;
"""


def upgrade() -> None:
    for statement in (TABLES + GRANTS).split(";"):
        if statement.strip():
            op.execute(statement)
