"""What market data needs: the aggregate trade that each trade belongs to, and candles of the trades before 0003.

An engine of the version before cannot write trades any more, on purpose: it would leave them out of their aggregates
and candles. Stop it first, or let its next batch fail.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Trades are numbered and summed up while nobody adds any; that may take longer than a migration usually may.
AGGREGATES = """
SET LOCAL statement_timeout = 0;
LOCK TABLE exchange.trades, exchange.candles IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE exchange.trades ADD COLUMN aggregate_id bigint;

UPDATE exchange.trades SET aggregate_id = numbered.aggregate_id FROM (
    SELECT symbol, trade_id, sum(begins::int) OVER (PARTITION BY symbol ORDER BY trade_id) AS aggregate_id FROM (
        SELECT symbol, trade_id, (taker_order_id, price_e8) IS DISTINCT FROM
            (lag(taker_order_id) OVER earlier, lag(price_e8) OVER earlier) AS begins
        FROM exchange.trades WINDOW earlier AS (PARTITION BY symbol ORDER BY trade_id)
    ) AS marked
) AS numbered
WHERE trades.symbol = numbered.symbol AND trades.trade_id = numbered.trade_id;

ALTER TABLE exchange.trades ALTER COLUMN aggregate_id SET NOT NULL;
"""

CANDLES = """
INSERT INTO exchange.candles
SELECT symbol, length.name, time_us - time_us % length.us AS open_us,
    (min(ARRAY[trade_id, price_e8]))[2], max(price_e8), min(price_e8), (max(ARRAY[trade_id, price_e8]))[2],
    sum(quantity_e8), sum(quote_e8), count(*),
    coalesce(sum(quantity_e8) FILTER (WHERE NOT buyer_is_maker), 0),
    coalesce(sum(quote_e8) FILTER (WHERE NOT buyer_is_maker), 0),
    min(trade_id), max(trade_id), max(sequence)
FROM exchange.trades,
    (VALUES ('1m', 60000000::bigint), ('15m', 900000000), ('1h', 3600000000), ('1d', 86400000000)) AS length (name, us)
GROUP BY symbol, length.name, open_us
ON CONFLICT (symbol, interval, open_us) DO UPDATE SET open_e8 = excluded.open_e8, high_e8 = excluded.high_e8,
    low_e8 = excluded.low_e8, close_e8 = excluded.close_e8, volume_e8 = excluded.volume_e8,
    quote_volume_e8 = excluded.quote_volume_e8, trade_count = excluded.trade_count,
    taker_buy_e8 = excluded.taker_buy_e8, taker_buy_quote_e8 = excluded.taker_buy_quote_e8,
    first_trade_id = excluded.first_trade_id, last_trade_id = excluded.last_trade_id, sequence = excluded.sequence;
"""


def upgrade() -> None:
    for statement in (AGGREGATES + CANDLES).split(";"):
        if statement.strip():
            op.execute(statement)
