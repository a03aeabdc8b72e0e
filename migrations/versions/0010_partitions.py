"""Orders and trades in partitions: orders by id, trades by time (docs/adr/0025).

What there is becomes the first partition of each; nothing is copied. Trades get other indexes, since the primary key
must have the time in it, and both tables are read through once to prove their bounds: some seconds for each million
rows, in which nobody trades. An engine of the version before can write while this is rolled out.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Partitions have a schema of their own, which no service may enter: whoever may read or write the table may do so with
# its partitions. Orders keep their free space for updates in place, which a partitioned table cannot hand down.
TABLES = """
SET LOCAL statement_timeout = 0;
LOCK TABLE exchange.orders, exchange.trades IN ACCESS EXCLUSIVE MODE;
CREATE SCHEMA exchange_history;

ALTER TABLE exchange.orders SET SCHEMA exchange_history;
ALTER TABLE exchange_history.orders RENAME TO orders_first;
ALTER TABLE exchange.trades SET SCHEMA exchange_history;
ALTER TABLE exchange_history.trades RENAME TO trades_first;
ALTER TABLE exchange_history.orders_first RENAME CONSTRAINT orders_pkey TO orders_first_pkey;
ALTER INDEX exchange_history.orders_by_account RENAME TO orders_first_by_account;
ALTER INDEX exchange_history.orders_by_client_order_id RENAME TO orders_first_by_client_order_id;
ALTER INDEX exchange_history.orders_open RENAME TO orders_first_open;
ALTER TABLE exchange_history.trades_first DROP CONSTRAINT trades_pkey;
DROP INDEX exchange_history.trades_by_taker, exchange_history.trades_by_maker;

CREATE TABLE exchange.orders (LIKE exchange_history.orders_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (order_id);
ALTER TABLE exchange.orders ADD PRIMARY KEY (order_id);
CREATE INDEX orders_by_account ON exchange.orders (account_id, symbol, order_id);
CREATE INDEX orders_by_client_order_id ON exchange.orders (account_id, symbol, client_order_id);
CREATE INDEX orders_open ON exchange.orders (account_id) WHERE is_open;

CREATE TABLE exchange.trades (LIKE exchange_history.trades_first INCLUDING DEFAULTS)
    PARTITION BY RANGE (time_us);
ALTER TABLE exchange.trades ADD PRIMARY KEY (symbol, time_us, trade_id);
CREATE INDEX trades_by_taker ON exchange.trades (taker_account_id, symbol, time_us, trade_id);
CREATE INDEX trades_by_maker ON exchange.trades (maker_account_id, symbol, time_us, trade_id);

CREATE TABLE exchange.history_horizons (
    table_name text PRIMARY KEY,
    dropped_before bigint NOT NULL,
    dropped_rows bigint NOT NULL
);

CREATE TABLE exchange.carried_balances (
    account_id bigint NOT NULL,
    asset text NOT NULL,
    amount_e8 numeric(38, 0) NOT NULL,
    PRIMARY KEY (account_id, asset)
);
"""

# Keys are order ids or microseconds. NULL where a range has no bound.
VIEW = r"""
CREATE VIEW exchange.history_partitions AS
SELECT parent.relname::text AS table_name, part.relname::text AS partition,
    substring(bound.text FROM $re$FROM \('?(-?\d+)'?\)$re$)::bigint AS from_key,
    substring(bound.text FROM $re$TO \('?(-?\d+)'?\)$re$)::bigint AS to_key,
    pg_total_relation_size(part.oid) AS bytes
FROM pg_inherits
JOIN pg_class AS part ON part.oid = inhrelid
JOIN pg_class AS parent ON parent.oid = inhparent
CROSS JOIN LATERAL (SELECT pg_get_expr(part.relpartbound, part.oid) AS text) AS bound
WHERE inhparent IN ('exchange.orders'::regclass, 'exchange.trades'::regclass)
"""

# How far a table is: the last order's id, or now. How much the next partition shall hold: thirty days, for orders at
# the pace of the last million of them.
POSITION = """
CREATE FUNCTION exchange_history.position(of_table text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE of_table
        WHEN 'orders' THEN coalesce((SELECT order_id FROM exchange.orders ORDER BY order_id DESC LIMIT 1), 0)
        ELSE (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    END
$$
"""
WIDTH = """
CREATE FUNCTION exchange_history.width(of_table text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    month_us CONSTANT bigint := 30 * 86400000000;
    least_orders CONSTANT bigint := 1 << 20;
    most_orders CONSTANT bigint := 1 << 26;
    newest record;
    older record;
BEGIN
    IF of_table = 'trades' THEN
        RETURN month_us;
    END IF;
    SELECT order_id, created_us INTO newest FROM exchange.orders ORDER BY order_id DESC LIMIT 1;
    SELECT order_id, created_us INTO older FROM exchange.orders
    WHERE order_id <= newest.order_id - least_orders ORDER BY order_id DESC LIMIT 1;
    IF older IS NULL THEN
        RETURN least_orders;
    END IF;
    RETURN least(most_orders, greatest(least_orders, 2 ^ ceil(log(2,
        (newest.order_id - older.order_id)::numeric * month_us / greatest(newest.created_us - older.created_us, 1)))));
END
$$
"""
MAKE = """
CREATE FUNCTION exchange_history.make(of_table text, partition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TABLE exchange_history.%I (LIKE exchange.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) %s',
        partition, of_table, CASE of_table WHEN 'orders' THEN 'WITH (fillfactor = 70)' ELSE '' END);
END
$$
"""

# Makes what is missing of ``wanted`` partitions ahead, by cutting it off the last one, which has no upper bound and so
# takes whatever comes when nobody did this in time. While that is empty it takes a moment; when it is not, this tells
# so and leaves it to ``crossbook history extend``. It waits a quarter of a second for its lock and fails, not to stop
# trading behind a long read; whoever calls it comes again.
EXTEND = """
CREATE FUNCTION exchange.extend_history(of_table text, OUT ahead bigint, OUT is_overdue boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '250ms' AS $$
DECLARE
    wanted CONSTANT bigint := 3;
    at bigint;
    last record;
    width bigint;
    edge bigint;
    next_edge bigint;
    name text;
BEGIN
    IF of_table NOT IN ('orders', 'trades') THEN
        RAISE 'there is no history of %', of_table;
    END IF;
    PERFORM pg_advisory_xact_lock(3137, hashtext(of_table));
    at := exchange_history.position(of_table);
    SELECT partition, from_key INTO STRICT last FROM exchange.history_partitions
    WHERE table_name = of_table AND to_key IS NULL;
    SELECT count(*) INTO ahead FROM exchange.history_partitions
    WHERE table_name = of_table AND from_key > at AND to_key IS NOT NULL;
    EXECUTE format('SELECT EXISTS (SELECT FROM exchange_history.%I)', last.partition) INTO is_overdue;
    IF is_overdue OR ahead >= wanted THEN
        RETURN;
    END IF;
    width := exchange_history.width(of_table);
    edge := last.from_key;
    EXECUTE format('ALTER TABLE exchange.%I DETACH PARTITION exchange_history.%I', of_table, last.partition);
    WHILE ahead < wanted LOOP
        next_edge := greatest(edge + width, at - at % width + width);
        name := of_table || '_' || edge;
        PERFORM exchange_history.make(of_table, name);
        EXECUTE format('ALTER TABLE exchange.%I ATTACH PARTITION exchange_history.%I FOR VALUES FROM (%s) TO (%s)',
            of_table, name, edge, next_edge);
        IF edge > at THEN
            ahead := ahead + 1;
        END IF;
        edge := next_edge;
    END LOOP;
    EXECUTE format('ALTER TABLE exchange.%I ATTACH PARTITION exchange_history.%I FOR VALUES FROM (%s) TO (MAXVALUE)',
        of_table, last.partition, edge);
END
$$
"""

# What there is goes up to the next whole number of widths.
FIRST = """
DO $$
DECLARE
    one text;
    newest bigint;
    width bigint;
    edge bigint;
BEGIN
    FOREACH one IN ARRAY ARRAY['orders', 'trades'] LOOP
        EXECUTE format('SELECT max(%I) FROM exchange_history.%I',
            CASE one WHEN 'orders' THEN 'order_id' ELSE 'time_us' END, one || '_first') INTO newest;
        newest := greatest(newest, exchange_history.position(one));
        width := exchange_history.width(one);
        edge := newest - newest % width + width;
        EXECUTE format('ALTER TABLE exchange.%I ATTACH PARTITION exchange_history.%I '
            'FOR VALUES FROM (MINVALUE) TO (%s)', one, one || '_first', edge);
        PERFORM exchange_history.make(one, one || '_rest');
        EXECUTE format('ALTER TABLE exchange.%I ATTACH PARTITION exchange_history.%I '
            'FOR VALUES FROM (%s) TO (MAXVALUE)', one, one || '_rest', edge);
        PERFORM exchange.extend_history(one);
    END LOOP;
END
$$
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON exchange.orders TO crossbook_engine;
GRANT SELECT, INSERT ON exchange.trades TO crossbook_engine;
GRANT SELECT ON exchange.orders, exchange.trades TO crossbook_trading, crossbook_backoffice;
GRANT SELECT ON exchange.history_horizons TO crossbook_engine, crossbook_trading, crossbook_backoffice;
GRANT SELECT ON exchange.carried_balances TO crossbook_backoffice;
GRANT SELECT ON exchange.history_partitions TO crossbook_engine, crossbook_trading;
REVOKE EXECUTE ON FUNCTION exchange.extend_history(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.extend_history(text) TO crossbook_engine;
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    for statement in (VIEW, POSITION, WIDTH, MAKE, EXTEND, FIRST):
        op.execute(statement)
    for statement in GRANTS.split(";"):
        if statement.strip():
            op.execute(statement)
