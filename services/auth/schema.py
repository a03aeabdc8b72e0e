"""The auth service's tables, in schema ``auth``. No other service may read or write them.

Nothing here is readable as a secret: passwords are argon2id hashes, refresh tokens are SHA-256 digests, API secrets and
signing keys are sealed (``services.infra.sealing``). The constraints' names are part of the code: a violated one maps
to the answer the client gets (``services.auth.errors``).
"""

from sqlalchemy import (
    BigInteger,
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
from sqlalchemy.dialects.postgresql import ARRAY, CIDR

metadata = MetaData(schema="auth")

# Account ids below 1000 belong to the exchange itself (1 is the fee account).
users = Table(
    "users",
    metadata,
    Column("account_id", BigInteger, Identity(always=True, start=1000), primary_key=True),
    Column("email", Text),
    Column("password_hash", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    UniqueConstraint("email", name="users_email_unique"),
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
    ForeignKeyConstraint(["account_id"], ["auth.users.account_id"], name="api_keys_account", ondelete="CASCADE"),
    CheckConstraint("api_key ~ '^[A-Za-z0-9]{64}$'", name="api_keys_well_formed"),
    CheckConstraint("char_length(label) BETWEEN 1 AND 64", name="api_keys_label_bounded"),
    CheckConstraint(
        "cardinality(permissions) > 0 AND permissions <@ ARRAY['read', 'trade']", name="api_keys_permissions_known"
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
