"""Held withdrawals, internal transfers, and the standing of accounts and of the venue.

An engine of the version before cannot write transfers any more, on purpose: it does not know their kinds. Stop it
first, or let its next batch with one fail.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE exchange.balances
    ADD COLUMN withdrawing_e8 bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT balances_withdrawing_not_negative CHECK (withdrawing_e8 >= 0);

CREATE TABLE exchange.withdrawals (
    reference text PRIMARY KEY,
    account_id bigint NOT NULL,
    asset text NOT NULL,
    amount_e8 bigint NOT NULL,
    fee_e8 bigint NOT NULL,
    status text NOT NULL,
    held_us bigint NOT NULL,
    ended_us bigint,
    sequence bigint NOT NULL
);
CREATE INDEX withdrawals_by_account ON exchange.withdrawals (account_id, held_us);
CREATE INDEX withdrawals_held ON exchange.withdrawals (held_us) WHERE status = 'HELD';

CREATE TABLE exchange.account_standing (
    account_id bigint PRIMARY KEY,
    status text NOT NULL,
    updated_us bigint NOT NULL,
    sequence bigint NOT NULL
);

CREATE TABLE exchange.venue_standing (
    shard smallint PRIMARY KEY,
    status text NOT NULL,
    updated_us bigint NOT NULL,
    sequence bigint NOT NULL
);
"""

# Every transfer so far was a deposit or a withdrawal. There may be many, so this may take longer than usual.
KINDS = """
SET LOCAL statement_timeout = 0;
LOCK TABLE exchange.transfers IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE exchange.transfers ADD COLUMN kind text, ADD COLUMN counterparty_id bigint;
UPDATE exchange.transfers SET kind = CASE WHEN amount_e8 < 0 THEN 'WITHDRAWAL' ELSE 'DEPOSIT' END;
ALTER TABLE exchange.transfers ALTER COLUMN kind SET NOT NULL;
CREATE UNIQUE INDEX transfers_once ON exchange.transfers (reference)
    WHERE kind IN ('DEPOSIT', 'WITHDRAWAL', 'TRANSFER_OUT');
ALTER TABLE exchange.transfers DROP CONSTRAINT transfers_pkey;
ALTER TABLE exchange.transfers ADD CONSTRAINT transfers_pkey PRIMARY KEY (reference, account_id, kind);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON exchange.withdrawals, exchange.account_standing, exchange.venue_standing
    TO crossbook_engine;
GRANT SELECT ON exchange.withdrawals, exchange.account_standing, exchange.venue_standing TO crossbook_trading;
"""


def upgrade() -> None:
    for statement in (TABLES + KINDS + GRANTS).split(";"):
        if statement.strip():
            op.execute(statement)
