"""The notifier's tables, in schema ``notifier``. No other service may read or write them.

A notice is something an account is told, stored once (``source_id``). A delivery is one notice on its way by one
channel. Secrets (confirmation tokens, webhook secrets) are sealed; a notice's secret is cleared when it was sent or
cannot be used any more.
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
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="notifier")

_NOW = text("now()")


def _moment(name: str, *, default: bool = False, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=_NOW if default else None)


journal_position = Table(
    "journal_position",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
)

# Accounts with a person behind them; others are not told of their orders.
members = Table(
    "members",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    _moment("since", default=True),
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Column("source_id", Text, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    _moment("occurred_at"),
    _moment("stored_at", default=True),
    Column("data", JSONB, nullable=False),
    Column("in_inbox", Boolean, nullable=False),
    _moment("read_at", nullable=True),
    # Where it must go whatever the account's address is by then.
    Column("recipient", Text),
    Column("secret_sealed", LargeBinary),
    # Nothing is sent after this.
    _moment("expires_at", nullable=True),
    UniqueConstraint("source_id", name="notices_source_unique"),
    CheckConstraint("secret_sealed IS NULL OR expires_at IS NOT NULL", name="notices_secret_expires"),
    CheckConstraint("octet_length(data::text) <= 8192", name="notices_data_bounded"),
    Index("notices_by_account", "account_id", "position", unique=True, postgresql_where=text("in_inbox")),
    Index("notices_with_secret", "expires_at", postgresql_where=text("secret_sealed IS NOT NULL")),
    Index("notices_by_age", "stored_at"),
)

preferences = Table(
    "preferences",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    CheckConstraint("channel IN ('INBOX', 'EMAIL', 'SMS')", name="preferences_channel_known"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Uuid, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    _moment("created_at", default=True),
    CheckConstraint("char_length(url) <= 2048", name="webhooks_url_bounded"),
    CheckConstraint("cardinality(kinds) BETWEEN 1 AND 64", name="webhooks_kinds_bounded"),
    Index("webhooks_by_account", "account_id", "created_at"),
)

phones = Table(
    "phones",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Text),
    _moment("confirmed_at", nullable=True),
    Column("pending_number", Text),
    Column("code_hash", LargeBinary),
    _moment("code_expires_at", nullable=True),
    Column("wrong_codes", Integer, nullable=False, server_default=text("0")),
    Column("codes_sent", Integer, nullable=False, server_default=text("0")),
    _moment("codes_counted_from", default=True),
    CheckConstraint(r"number ~ '^\+[1-9][0-9]{6,14}$'", name="phones_numbers_well_formed"),
    CheckConstraint(r"pending_number ~ '^\+[1-9][0-9]{6,14}$'", name="phones_pending_well_formed"),
    CheckConstraint("octet_length(code_hash) = 32", name="phones_code_hash_is_sha256"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("notice_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("webhook_id", Uuid),
    Column("state", Text, nullable=False, server_default="WAITING"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # While an attempt is under way, when another process may take it for lost.
    _moment("due_at", default=True),
    _moment("created_at", default=True),
    _moment("ended_at", nullable=True),
    Column("last_error", Text),
    ForeignKeyConstraint(["notice_id"], ["notifier.notices.notice_id"], name="deliveries_notice", ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["webhook_id"], ["notifier.webhooks.webhook_id"], name="deliveries_webhook", ondelete="CASCADE"
    ),
    CheckConstraint("channel IN ('EMAIL', 'SMS', 'WEBHOOK', 'TOPIC')", name="deliveries_channel_known"),
    CheckConstraint("state IN ('WAITING', 'SENT', 'PARKED', 'DROPPED')", name="deliveries_state_known"),
    CheckConstraint("(channel = 'WEBHOOK') = (webhook_id IS NOT NULL)", name="deliveries_webhook_named"),
    CheckConstraint("(state = 'WAITING') = (ended_at IS NULL)", name="deliveries_ended"),
    CheckConstraint("char_length(last_error) <= 300", name="deliveries_error_bounded"),
    Index("deliveries_waiting", "channel", "due_at", postgresql_where=text("state = 'WAITING'")),
    Index("deliveries_parked", "ended_at", postgresql_where=text("state = 'PARKED'")),
    Index("deliveries_by_notice", "notice_id"),
    Index("deliveries_by_webhook", "webhook_id", postgresql_where=text("webhook_id IS NOT NULL")),
)
