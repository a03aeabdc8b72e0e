"""The auth service's tables, in schema ``auth``. No other service may read or write them.

Little here is readable as a secret: passwords are argon2id hashes, tokens and recovery codes are SHA-256 digests, API
secrets, second factors and signing keys are sealed (``services.infra.sealing``). Only a notice holds the token that it
is to bring to its reader, until it is acknowledged. The constraints' names are part of the code: a violated one maps to
the answer the client gets (``services.auth.errors``).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET, JSONB

metadata = MetaData(schema="auth")

# Account ids below 1000 belong to the exchange itself (1 is the fee account).
users = Table(
    "users",
    metadata,
    Column("account_id", BigInteger, Identity(always=True, start=1000), primary_key=True),
    Column("email", Text),
    Column("password_hash", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("email_confirmed_at", DateTime(timezone=True)),
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    UniqueConstraint("email", name="users_email_unique"),
    CheckConstraint("roles <@ ARRAY['support', 'treasurer', 'operator']", name="users_roles_known"),
    CheckConstraint("account_id >= 1000", name="users_account_id_not_reserved"),
    CheckConstraint("char_length(email) BETWEEN 3 AND 254", name="users_email_bounded"),
    CheckConstraint("password_hash IS NULL OR email IS NOT NULL", name="users_password_needs_email"),
)

# One login and everything refreshed from it: the family of its refresh tokens.
sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Uuid, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("refreshes", Integer, nullable=False, server_default=text("0")),
    Column("last_used_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("address", INET),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("second_factor", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("char_length(user_agent) <= 256", name="sessions_user_agent_bounded"),
    ForeignKeyConstraint(["account_id"], ["auth.users.account_id"], name="sessions_account", ondelete="CASCADE"),
    CheckConstraint("expires_at > created_at", name="sessions_expire_after_creation"),
    Index("sessions_by_account", "account_id", "created_at"),
)

# Used tokens stay until their session is deleted: a second use of one is how theft is noticed.
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("session_id", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("used_at", DateTime(timezone=True)),
    ForeignKeyConstraint(
        ["session_id"], ["auth.sessions.session_id"], name="refresh_tokens_session", ondelete="CASCADE"
    ),
    CheckConstraint("octet_length(token_hash) = 32", name="refresh_tokens_hash_is_sha256"),
    Index("refresh_tokens_by_session", "session_id"),
    Index(
        "refresh_tokens_one_current_per_session", "session_id", unique=True, postgresql_where=text("used_at IS NULL")
    ),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("api_key", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    # One of the two, as the kind has it.
    Column("secret_sealed", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("kind", Text, nullable=False, server_default="HMAC"),
    Column("public_key", Text),
    # Empty: from anywhere.
    Column("ip_allow_list", ARRAY(CIDR), nullable=False, server_default=text("'{}'")),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    ForeignKeyConstraint(["account_id"], ["auth.users.account_id"], name="api_keys_account", ondelete="CASCADE"),
    CheckConstraint("api_key ~ '^[A-Za-z0-9]{64}$'", name="api_keys_well_formed"),
    CheckConstraint("char_length(label) BETWEEN 1 AND 64", name="api_keys_label_bounded"),
    CheckConstraint(
        "cardinality(permissions) > 0 AND permissions <@ ARRAY['read', 'trade', 'withdraw']",
        name="api_keys_permissions_known",
    ),
    CheckConstraint(
        "NOT 'withdraw' = ANY (permissions) OR cardinality(ip_allow_list) > 0",
        name="api_keys_withdraw_needs_allow_list",
    ),
    CheckConstraint("kind IN ('HMAC', 'ED25519', 'RSA')", name="api_keys_kind_known"),
    CheckConstraint(
        "CASE kind WHEN 'HMAC' THEN secret_sealed IS NOT NULL AND public_key IS NULL "
        "ELSE secret_sealed IS NULL AND public_key IS NOT NULL END",
        name="api_keys_secret_or_public_key",
    ),
    CheckConstraint("char_length(public_key) <= 2048", name="api_keys_public_key_bounded"),
    CheckConstraint("cardinality(ip_allow_list) <= 30", name="api_keys_ip_allow_list_bounded"),
    Index("api_keys_by_account", "account_id", "created_at"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("private_key_sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("expires_at > created_at", name="signing_keys_expire_after_creation"),
)


def _account(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["account_id"], ["auth.users.account_id"], name=f"{table}_account", ondelete="CASCADE")


# The outbox: what other services are to tell people, written with the change it tells of.
notices = Table(
    "notices",
    metadata,
    Column("notice_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("email", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("data", JSONB, nullable=False, server_default=text("'{}'")),
    _account("notices"),
    Index("notices_by_account", "account_id"),
)

# Append only: the service itself may neither change nor delete a row.
audit = Table(
    "audit",
    metadata,
    Column("audit_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("action", Text, nullable=False),
    Column("address", INET),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("data", JSONB, nullable=False, server_default=text("'{}'")),
    _account("audit"),
    Index("audit_by_account", "account_id", "audit_id"),
)

# Tokens that travel by mail. A confirmation carries the password of the registration that it confirms.
mail_tokens = Table(
    "mail_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("password_hash", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _account("mail_tokens"),
    CheckConstraint("octet_length(token_hash) = 32", name="mail_tokens_hash_is_sha256"),
    CheckConstraint("purpose IN ('CONFIRM_EMAIL', 'CHANGE_EMAIL', 'RESET_PASSWORD')", name="mail_tokens_purpose_known"),
    Index("mail_tokens_by_account", "account_id", "purpose", "created_at"),
)

# Not in force before it is confirmed. ``last_step`` is the newest time step that was used: each works once.
second_factors = Table(
    "second_factors",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("last_step", BigInteger, nullable=False, server_default=text("0")),
    _account("second_factors"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("code_hash", LargeBinary, primary_key=True),
    ForeignKeyConstraint(
        ["account_id"], ["auth.second_factors.account_id"], name="recovery_codes_factor", ondelete="CASCADE"
    ),
    CheckConstraint("octet_length(code_hash) = 32", name="recovery_codes_hash_is_sha256"),
)

# A login between its password and its second factor.
challenges = Table(
    "challenges",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _account("challenges"),
    CheckConstraint("octet_length(token_hash) = 32", name="challenges_hash_is_sha256"),
    Index("challenges_by_account", "account_id", "expires_at"),
)

# Where an account has logged in before, by the token that stays there.
devices = Table(
    "devices",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    _account("devices"),
    CheckConstraint("octet_length(token_hash) = 32", name="devices_hash_is_sha256"),
    Index("devices_by_account", "account_id", "last_used_at"),
)

# How often what was tried since when. A bucket is the digest of what it counts, so that no address is kept in clear.
throttles = Table(
    "throttles",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("octet_length(bucket) = 32", name="throttles_bucket_is_sha256"),
    Index("throttles_by_end", "ends_at"),
)

# Whose account the subject of another issuer's tokens is.
external_identities = Table(
    "external_identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    _account("external_identities"),
    CheckConstraint("char_length(issuer) <= 512 AND char_length(subject) <= 255", name="external_identities_bounded"),
    Index("external_identities_by_account", "account_id"),
)
