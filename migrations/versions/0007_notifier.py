"""The notifier's tables, and its role: it reads the exchange's journal, and nothing else outside its schema.

Roles are created without a password; whoever deploys sets one.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Two databases of one server may migrate at once (parallel tests do), hence the second exception.
ROLE = """
DO $$ BEGIN CREATE ROLE crossbook_notifier LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""

TABLES = """
CREATE SCHEMA notifier;

CREATE TABLE notifier.journal_position (
    shard smallint PRIMARY KEY,
    sequence bigint NOT NULL
);

CREATE TABLE notifier.members (
    account_id bigint PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE notifier.notices (
    notice_id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    source_id text NOT NULL,
    account_id bigint NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    data jsonb NOT NULL,
    in_inbox boolean NOT NULL,
    read_at timestamptz,
    recipient text,
    secret_sealed bytea,
    expires_at timestamptz,
    CONSTRAINT notices_source_unique UNIQUE (source_id),
    CONSTRAINT notices_secret_expires CHECK (secret_sealed IS NULL OR expires_at IS NOT NULL),
    CONSTRAINT notices_data_bounded CHECK (octet_length(data::text) <= 8192)
);
CREATE UNIQUE INDEX notices_by_account ON notifier.notices (account_id, position) WHERE in_inbox;
CREATE INDEX notices_with_secret ON notifier.notices (expires_at) WHERE secret_sealed IS NOT NULL;
CREATE INDEX notices_by_age ON notifier.notices (stored_at);

CREATE TABLE notifier.preferences (
    account_id bigint NOT NULL,
    kind text NOT NULL,
    channel text NOT NULL,
    enabled boolean NOT NULL,
    PRIMARY KEY (account_id, kind, channel),
    CONSTRAINT preferences_channel_known CHECK (channel IN ('INBOX', 'EMAIL', 'SMS'))
);

CREATE TABLE notifier.webhooks (
    webhook_id uuid PRIMARY KEY,
    account_id bigint NOT NULL,
    url text NOT NULL,
    kinds text[] NOT NULL,
    secret_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhooks_url_bounded CHECK (char_length(url) <= 2048),
    CONSTRAINT webhooks_kinds_bounded CHECK (cardinality(kinds) BETWEEN 1 AND 64)
);
CREATE INDEX webhooks_by_account ON notifier.webhooks (account_id, created_at);

CREATE TABLE notifier.phones (
    account_id bigint PRIMARY KEY,
    number text,
    confirmed_at timestamptz,
    pending_number text,
    code_hash bytea,
    code_expires_at timestamptz,
    wrong_codes integer NOT NULL DEFAULT 0,
    codes_sent integer NOT NULL DEFAULT 0,
    codes_counted_from timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT phones_numbers_well_formed CHECK (number ~ '^\\+[1-9][0-9]{6,14}$'),
    CONSTRAINT phones_pending_well_formed CHECK (pending_number ~ '^\\+[1-9][0-9]{6,14}$'),
    CONSTRAINT phones_code_hash_is_sha256 CHECK (octet_length(code_hash) = 32)
);

CREATE TABLE notifier.deliveries (
    delivery_id uuid PRIMARY KEY,
    notice_id uuid NOT NULL,
    channel text NOT NULL,
    webhook_id uuid,
    state text NOT NULL DEFAULT 'WAITING',
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    last_error text,
    CONSTRAINT deliveries_notice FOREIGN KEY (notice_id) REFERENCES notifier.notices ON DELETE CASCADE,
    CONSTRAINT deliveries_webhook FOREIGN KEY (webhook_id) REFERENCES notifier.webhooks ON DELETE CASCADE,
    CONSTRAINT deliveries_channel_known CHECK (channel IN ('EMAIL', 'SMS', 'WEBHOOK', 'TOPIC')),
    CONSTRAINT deliveries_state_known CHECK (state IN ('WAITING', 'SENT', 'PARKED', 'DROPPED')),
    CONSTRAINT deliveries_webhook_named CHECK ((channel = 'WEBHOOK') = (webhook_id IS NOT NULL)),
    CONSTRAINT deliveries_ended CHECK ((state = 'WAITING') = (ended_at IS NULL)),
    CONSTRAINT deliveries_error_bounded CHECK (char_length(last_error) <= 300)
);
CREATE INDEX deliveries_waiting ON notifier.deliveries (channel, due_at) WHERE state = 'WAITING';
CREATE INDEX deliveries_parked ON notifier.deliveries (ended_at) WHERE state = 'PARKED';
CREATE INDEX deliveries_by_notice ON notifier.deliveries (notice_id);
CREATE INDEX deliveries_by_webhook ON notifier.deliveries (webhook_id) WHERE webhook_id IS NOT NULL
"""

GRANTS = """
GRANT USAGE ON SCHEMA notifier, exchange TO crossbook_notifier;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA notifier TO crossbook_notifier;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA notifier TO crossbook_notifier;
GRANT SELECT ON exchange.journal TO crossbook_notifier
"""


def upgrade() -> None:
    op.execute(ROLE)
    for statement in (TABLES + ";" + GRANTS).split(";"):
        if statement.strip():
            op.execute(statement)
