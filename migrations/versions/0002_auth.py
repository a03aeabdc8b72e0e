"""The auth service's tables, which nobody but the auth service's role may touch."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE SCHEMA auth;

CREATE TABLE auth.users (
    account_id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000) PRIMARY KEY,
    email text,
    password_hash text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_email_unique UNIQUE (email),
    CONSTRAINT users_account_id_not_reserved CHECK (account_id >= 1000),
    CONSTRAINT users_email_bounded CHECK (char_length(email) BETWEEN 3 AND 254),
    CONSTRAINT users_password_needs_email CHECK (password_hash IS NULL OR email IS NOT NULL)
);

CREATE TABLE auth.sessions (
    session_id uuid PRIMARY KEY,
    account_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    refreshes integer NOT NULL DEFAULT 0,
    CONSTRAINT sessions_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE,
    CONSTRAINT sessions_expire_after_creation CHECK (expires_at > created_at)
);
CREATE INDEX sessions_by_account ON auth.sessions (account_id, created_at);

CREATE TABLE auth.refresh_tokens (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    CONSTRAINT refresh_tokens_session FOREIGN KEY (session_id) REFERENCES auth.sessions ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_hash_is_sha256 CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX refresh_tokens_by_session ON auth.refresh_tokens (session_id);
CREATE UNIQUE INDEX refresh_tokens_one_current_per_session ON auth.refresh_tokens (session_id) WHERE used_at IS NULL;

CREATE TABLE auth.api_keys (
    api_key text PRIMARY KEY,
    account_id bigint NOT NULL,
    label text NOT NULL,
    permissions text[] NOT NULL,
    secret_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT api_keys_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE,
    CONSTRAINT api_keys_well_formed CHECK (api_key ~ '^[A-Za-z0-9]{64}$'),
    CONSTRAINT api_keys_label_bounded CHECK (char_length(label) BETWEEN 1 AND 64),
    CONSTRAINT api_keys_permissions_known
        CHECK (cardinality(permissions) > 0 AND permissions <@ ARRAY['read', 'trade'])
);
CREATE INDEX api_keys_by_account ON auth.api_keys (account_id, created_at);

CREATE TABLE auth.signing_keys (
    key_id text PRIMARY KEY,
    private_key_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT signing_keys_expire_after_creation CHECK (expires_at > created_at)
);
"""

GRANTS = """
GRANT USAGE ON SCHEMA auth TO crossbook_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA auth TO crossbook_auth;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA auth TO crossbook_auth;
"""


def upgrade() -> None:
    for statement in (TABLES + GRANTS).split(";"):
        if statement.strip():
            op.execute(statement)
