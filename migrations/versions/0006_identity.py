"""What makes an account a person's: a confirmed address, a second factor, devices, an audit log, roles, notices.

New columns have defaults that fit every account, session and key there is, so an auth process of the version before can
still write.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE auth.users
    ADD COLUMN email_confirmed_at timestamptz,
    ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT users_roles_known CHECK (roles <@ ARRAY['support', 'treasurer', 'operator']);

ALTER TABLE auth.sessions
    ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN address inet,
    ADD COLUMN user_agent text NOT NULL DEFAULT '',
    ADD COLUMN second_factor boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT sessions_user_agent_bounded CHECK (char_length(user_agent) <= 256);

ALTER TABLE auth.api_keys
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz,
    DROP CONSTRAINT api_keys_permissions_known,
    ADD CONSTRAINT api_keys_permissions_known
        CHECK (cardinality(permissions) > 0 AND permissions <@ ARRAY['read', 'trade', 'withdraw']),
    ADD CONSTRAINT api_keys_withdraw_needs_allow_list
        CHECK (NOT 'withdraw' = ANY (permissions) OR cardinality(ip_allow_list) > 0);
"""

TABLES = """
CREATE TABLE auth.notices (
    notice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    email text NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    data jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT notices_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE
);
CREATE INDEX notices_by_account ON auth.notices (account_id);

CREATE TABLE auth.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    address inet,
    user_agent text NOT NULL DEFAULT '',
    data jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT audit_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE
);
CREATE INDEX audit_by_account ON auth.audit (account_id, audit_id);

CREATE TABLE auth.mail_tokens (
    token_hash bytea PRIMARY KEY,
    account_id bigint NOT NULL,
    purpose text NOT NULL,
    email text NOT NULL,
    password_hash text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT mail_tokens_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE,
    CONSTRAINT mail_tokens_hash_is_sha256 CHECK (octet_length(token_hash) = 32),
    CONSTRAINT mail_tokens_purpose_known CHECK (purpose IN ('CONFIRM_EMAIL', 'CHANGE_EMAIL', 'RESET_PASSWORD'))
);
CREATE INDEX mail_tokens_by_account ON auth.mail_tokens (account_id, purpose, created_at);

CREATE TABLE auth.second_factors (
    account_id bigint PRIMARY KEY,
    secret_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0,
    CONSTRAINT second_factors_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE
);

CREATE TABLE auth.recovery_codes (
    account_id bigint,
    code_hash bytea,
    PRIMARY KEY (account_id, code_hash),
    CONSTRAINT recovery_codes_factor FOREIGN KEY (account_id) REFERENCES auth.second_factors ON DELETE CASCADE,
    CONSTRAINT recovery_codes_hash_is_sha256 CHECK (octet_length(code_hash) = 32)
);

CREATE TABLE auth.challenges (
    token_hash bytea PRIMARY KEY,
    account_id bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT challenges_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE,
    CONSTRAINT challenges_hash_is_sha256 CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX challenges_by_account ON auth.challenges (account_id, expires_at);

CREATE TABLE auth.devices (
    token_hash bytea PRIMARY KEY,
    account_id bigint NOT NULL,
    last_used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT devices_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE,
    CONSTRAINT devices_hash_is_sha256 CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX devices_by_account ON auth.devices (account_id, last_used_at);

CREATE TABLE auth.throttles (
    bucket bytea PRIMARY KEY,
    attempts integer NOT NULL,
    ends_at timestamptz NOT NULL,
    CONSTRAINT throttles_bucket_is_sha256 CHECK (octet_length(bucket) = 32)
);
CREATE INDEX throttles_by_end ON auth.throttles (ends_at);

CREATE TABLE auth.external_identities (
    issuer text,
    subject text,
    account_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject),
    CONSTRAINT external_identities_account FOREIGN KEY (account_id) REFERENCES auth.users ON DELETE CASCADE,
    CONSTRAINT external_identities_bounded CHECK (char_length(issuer) <= 512 AND char_length(subject) <= 255)
);
CREATE INDEX external_identities_by_account ON auth.external_identities (account_id);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA auth TO crossbook_auth;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA auth TO crossbook_auth;
REVOKE UPDATE, DELETE ON auth.audit FROM crossbook_auth;
"""


def upgrade() -> None:
    for statement in (COLUMNS + TABLES + GRANTS).split(";"):
        if statement.strip():
            op.execute(statement)
