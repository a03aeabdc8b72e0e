"""The back office's tables, which nobody but the back office's role may touch; its audit can only grow."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Two databases of one server may migrate at once (parallel tests do), hence the second exception.
ROLE = """
DO $$ BEGIN CREATE ROLE crossbook_backoffice LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""

TABLES = """
CREATE SCHEMA backoffice;

CREATE TABLE backoffice.accounts (
    account_id bigint PRIMARY KEY,
    limit_tier text NOT NULL DEFAULT 'standard',
    fee_tier text,
    withdraw_to text NOT NULL DEFAULT 'ANY',
    locked_until timestamptz,
    CONSTRAINT accounts_withdraw_to_known CHECK (withdraw_to IN ('ANY', 'BOOK')),
    CONSTRAINT accounts_limit_tier_bounded CHECK (char_length(limit_tier) BETWEEN 1 AND 32)
);

CREATE TABLE backoffice.commands (
    command_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    reference text NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    busy_until timestamptz NOT NULL DEFAULT '-infinity',
    attempts integer NOT NULL DEFAULT 0,
    outcome text,
    refusal text,
    completed_at timestamptz,
    CONSTRAINT commands_once UNIQUE (kind, reference),
    CONSTRAINT commands_kind_known CHECK (kind IN ('DEPOSIT', 'HOLD', 'SETTLE', 'REJECT', 'TRANSFER')),
    CONSTRAINT commands_outcome_known CHECK (outcome IN ('APPLIED', 'REFUSED')),
    CONSTRAINT commands_complete_with_outcome CHECK ((outcome IS NULL) = (completed_at IS NULL))
);
CREATE INDEX commands_to_deliver ON backoffice.commands (command_id) WHERE outcome IS NULL;

CREATE TABLE backoffice.deposit_addresses (
    account_id bigint NOT NULL,
    asset text NOT NULL,
    network text NOT NULL,
    address text NOT NULL,
    memo text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, asset, network),
    CONSTRAINT deposit_addresses_unique UNIQUE (network, asset, address, memo)
);

CREATE TABLE backoffice.spare_addresses (
    network text NOT NULL,
    address text NOT NULL,
    memo text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (network, address, memo)
);

CREATE TABLE backoffice.deposits (
    deposit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint,
    asset text NOT NULL,
    network text NOT NULL,
    tx_id text NOT NULL,
    tx_index integer NOT NULL,
    address text NOT NULL,
    memo text NOT NULL DEFAULT '',
    amount_e8 bigint NOT NULL,
    confirmations integer NOT NULL,
    confirmations_needed integer NOT NULL,
    status text NOT NULL,
    refusal text,
    source text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    credited_at timestamptz,
    CONSTRAINT deposits_once UNIQUE (network, tx_id, tx_index),
    CONSTRAINT deposits_amount_positive CHECK (amount_e8 > 0),
    CONSTRAINT deposits_confirmations_not_negative CHECK (confirmations >= 0),
    CONSTRAINT deposits_status_known
        CHECK (status IN ('PENDING', 'CREDITING', 'CREDITED', 'REFUSED', 'UNMATCHED')),
    CONSTRAINT deposits_matched CHECK ((status = 'UNMATCHED') = (account_id IS NULL))
);
CREATE INDEX deposits_by_account ON backoffice.deposits (account_id, deposit_id);
CREATE INDEX deposits_unmatched ON backoffice.deposits (deposit_id) WHERE status = 'UNMATCHED';

CREATE TABLE backoffice.address_book (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    label text NOT NULL,
    asset text NOT NULL,
    network text NOT NULL,
    address text NOT NULL,
    memo text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    usable_at timestamptz NOT NULL,
    CONSTRAINT address_book_unique UNIQUE (account_id, asset, network, address, memo),
    CONSTRAINT address_book_label_bounded CHECK (char_length(label) BETWEEN 1 AND 64)
);

CREATE TABLE backoffice.withdrawals (
    withdrawal_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    client_id text,
    asset text NOT NULL,
    network text NOT NULL,
    address text NOT NULL,
    memo text NOT NULL DEFAULT '',
    amount_e8 bigint NOT NULL,
    fee_e8 bigint NOT NULL,
    source text NOT NULL,
    approvals_needed smallint NOT NULL,
    status text NOT NULL DEFAULT 'REQUESTED',
    refusal text,
    note text,
    provider text,
    tx_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    CONSTRAINT withdrawals_client_id_unique UNIQUE (account_id, client_id),
    CONSTRAINT withdrawals_amounts_positive CHECK (amount_e8 > 0 AND fee_e8 >= 0),
    CONSTRAINT withdrawals_status_known CHECK (
        status IN ('REQUESTED', 'REFUSED', 'AWAITING_APPROVAL', 'APPROVED', 'PROCESSING', 'PAYOUT_FAILED', 'SETTLING',
            'COMPLETED', 'CANCELLING', 'CANCELLED', 'REJECTING', 'REJECTED')
    ),
    CONSTRAINT withdrawals_settle_with_tx_id
        CHECK (tx_id IS NOT NULL OR status NOT IN ('SETTLING', 'COMPLETED'))
);
CREATE INDEX withdrawals_by_account ON backoffice.withdrawals (account_id, withdrawal_id);
CREATE INDEX withdrawals_by_status ON backoffice.withdrawals (status, withdrawal_id);

CREATE TABLE backoffice.approvals (
    withdrawal_id bigint NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (withdrawal_id, actor),
    CONSTRAINT approvals_withdrawal FOREIGN KEY (withdrawal_id) REFERENCES backoffice.withdrawals
);

CREATE TABLE backoffice.transfers (
    transfer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    client_id text,
    recipient text NOT NULL,
    to_account_id bigint,
    asset text NOT NULL,
    amount_e8 bigint NOT NULL,
    status text NOT NULL DEFAULT 'ACCEPTED',
    refusal text,
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    CONSTRAINT transfers_client_id_unique UNIQUE (account_id, client_id),
    CONSTRAINT transfers_amount_positive CHECK (amount_e8 > 0),
    CONSTRAINT transfers_status_known CHECK (status IN ('ACCEPTED', 'COMPLETED', 'RETURNED'))
);
CREATE INDEX transfers_by_account ON backoffice.transfers (account_id, transfer_id);
CREATE INDEX transfers_by_recipient ON backoffice.transfers (to_account_id, transfer_id);

CREATE TABLE backoffice.fee_tiers (
    name text PRIMARY KEY,
    maker_fee_rate_e8 bigint,
    taker_fee_rate_e8 bigint,
    CONSTRAINT fee_tiers_name_bounded CHECK (char_length(name) BETWEEN 1 AND 32)
);

CREATE TABLE backoffice.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    roles text[] NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    request_id text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT audit_outcome_known CHECK (outcome IN ('ASKED', 'DONE', 'REFUSED', 'UNKNOWN', 'DENIED'))
);
CREATE INDEX audit_by_actor ON backoffice.audit (actor, audit_id);
CREATE INDEX audit_by_subject ON backoffice.audit (subject, audit_id);
"""

# Money is the engine's to move: the back office reads what became of it.
GRANTS = """
GRANT USAGE ON SCHEMA backoffice, exchange TO crossbook_backoffice;
GRANT SELECT, INSERT, UPDATE ON backoffice.accounts, backoffice.commands, backoffice.deposits, backoffice.withdrawals,
    backoffice.transfers, backoffice.fee_tiers TO crossbook_backoffice;
GRANT SELECT, INSERT, UPDATE, DELETE ON backoffice.address_book, backoffice.spare_addresses TO crossbook_backoffice;
GRANT SELECT, INSERT ON backoffice.deposit_addresses, backoffice.approvals, backoffice.audit TO crossbook_backoffice;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA backoffice TO crossbook_backoffice;
GRANT SELECT ON ALL TABLES IN SCHEMA exchange TO crossbook_backoffice;
REVOKE SELECT ON exchange.journal, exchange.snapshots FROM crossbook_backoffice;
"""


def upgrade() -> None:
    op.execute(ROLE)
    for statement in (TABLES + GRANTS).split(";"):
        if statement.strip():
            op.execute(statement)
