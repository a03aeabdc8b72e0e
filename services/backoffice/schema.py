"""The back office's tables, in schema ``backoffice``. No other service may read or write them.

Money itself is the engine's. These tables say what people asked for, and ``commands`` is how it becomes so: a command
is written in the transaction that decides it, and delivered afterwards until the engine has said what became of it.
The constraints' names are part of the code: a violated one maps to the answer the client gets.
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
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="backoffice")


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("now()"))


# What holds for one account. Its row is locked while a withdrawal or a transfer is admitted, so that two requests never
# overlook each other.
accounts = Table(
    "accounts",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("limit_tier", Text, nullable=False, server_default="standard"),
    Column("fee_tier", Text),
    Column("withdraw_to", Text, nullable=False, server_default="ANY"),
    # Nothing leaves the account before.
    Column("locked_until", DateTime(timezone=True)),
    CheckConstraint("withdraw_to IN ('ANY', 'BOOK')", name="accounts_withdraw_to_known"),
    CheckConstraint("char_length(limit_tier) BETWEEN 1 AND 32", name="accounts_limit_tier_bounded"),
)

# The outbox: ``payload`` is the command as the engine takes it. ``busy_until`` is when its last delivery can no longer
# be started by an engine; nobody delivers it again before.
commands = Table(
    "commands",
    metadata,
    Column("command_id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    _now("created_at"),
    Column("busy_until", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("outcome", Text),
    Column("refusal", Text),
    Column("completed_at", DateTime(timezone=True)),
    UniqueConstraint("kind", "reference", name="commands_once"),
    CheckConstraint("kind IN ('DEPOSIT', 'HOLD', 'SETTLE', 'REJECT', 'TRANSFER')", name="commands_kind_known"),
    CheckConstraint("outcome IN ('APPLIED', 'REFUSED')", name="commands_outcome_known"),
    CheckConstraint("(outcome IS NULL) = (completed_at IS NULL)", name="commands_complete_with_outcome"),
    Index("commands_to_deliver", "command_id", postgresql_where=text("outcome IS NULL")),
)

deposit_addresses = Table(
    "deposit_addresses",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("memo", Text, nullable=False, server_default=""),
    _now("created_at"),
    PrimaryKeyConstraint("account_id", "asset", "network", name="deposit_addresses_pkey"),
    UniqueConstraint("network", "asset", "address", "memo", name="deposit_addresses_unique"),
)

# Addresses that a provider made ahead, for networks where Crossbook cannot make them.
spare_addresses = Table(
    "spare_addresses",
    metadata,
    Column("network", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("memo", Text, nullable=False, server_default=""),
    _now("created_at"),
    PrimaryKeyConstraint("network", "address", "memo", name="spare_addresses_pkey"),
)

# One row for each output of a transaction on a network. Without an account it is money that nobody expects.
deposits = Table(
    "deposits",
    metadata,
    Column("deposit_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger),
    Column("asset", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("tx_id", Text, nullable=False),
    Column("tx_index", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("memo", Text, nullable=False, server_default=""),
    Column("amount_e8", BigInteger, nullable=False),
    Column("confirmations", Integer, nullable=False),
    Column("confirmations_needed", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("refusal", Text),
    Column("source", Text, nullable=False),
    _now("created_at"),
    Column("credited_at", DateTime(timezone=True)),
    UniqueConstraint("network", "tx_id", "tx_index", name="deposits_once"),
    CheckConstraint("amount_e8 > 0", name="deposits_amount_positive"),
    CheckConstraint("confirmations >= 0", name="deposits_confirmations_not_negative"),
    CheckConstraint(
        "status IN ('PENDING', 'CREDITING', 'CREDITED', 'REFUSED', 'UNMATCHED')", name="deposits_status_known"
    ),
    CheckConstraint("(status = 'UNMATCHED') = (account_id IS NULL)", name="deposits_matched"),
    Index("deposits_by_account", "account_id", "deposit_id"),
    Index("deposits_unmatched", "deposit_id", postgresql_where=text("status = 'UNMATCHED'")),
)

address_book = Table(
    "address_book",
    metadata,
    Column("entry_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("memo", Text, nullable=False, server_default=""),
    _now("created_at"),
    # Money goes there only from then on, where the account sends to its address book only.
    Column("usable_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("account_id", "asset", "network", "address", "memo", name="address_book_unique"),
    CheckConstraint("char_length(label) BETWEEN 1 AND 64", name="address_book_label_bounded"),
)

# ``amount_e8`` arrives, ``fee_e8`` is paid to the venue; both are held by the engine under ``withdrawal:<id>``.
withdrawals = Table(
    "withdrawals",
    metadata,
    Column("withdrawal_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("client_id", Text),
    Column("asset", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("memo", Text, nullable=False, server_default=""),
    Column("amount_e8", BigInteger, nullable=False),
    Column("fee_e8", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("approvals_needed", SmallInteger, nullable=False),
    Column("status", Text, nullable=False, server_default="REQUESTED"),
    Column("refusal", Text),
    Column("note", Text),
    Column("provider", Text),
    Column("tx_id", Text),
    _now("created_at"),
    _now("updated_at"),
    Column("completed_at", DateTime(timezone=True)),
    UniqueConstraint("account_id", "client_id", name="withdrawals_client_id_unique"),
    CheckConstraint("amount_e8 > 0 AND fee_e8 >= 0", name="withdrawals_amounts_positive"),
    CheckConstraint(
        "status IN ('REQUESTED', 'REFUSED', 'AWAITING_APPROVAL', 'APPROVED', 'PROCESSING', 'PAYOUT_FAILED', "
        "'SETTLING', 'COMPLETED', 'CANCELLING', 'CANCELLED', 'REJECTING', 'REJECTED')",
        name="withdrawals_status_known",
    ),
    CheckConstraint(
        "tx_id IS NOT NULL OR status NOT IN ('SETTLING', 'COMPLETED')", name="withdrawals_settle_with_tx_id"
    ),
    Index("withdrawals_by_account", "account_id", "withdrawal_id"),
    Index("withdrawals_by_status", "status", "withdrawal_id"),
)

# One row for each person that said yes.
approvals = Table(
    "approvals",
    metadata,
    Column("withdrawal_id", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _now("created_at"),
    PrimaryKeyConstraint("withdrawal_id", "actor", name="approvals_pkey"),
    ForeignKeyConstraint(["withdrawal_id"], ["backoffice.withdrawals.withdrawal_id"], name="approvals_withdrawal"),
)

# Money sent to another user. A transfer to nobody is RETURNED: it never left.
transfers = Table(
    "transfers",
    metadata,
    Column("transfer_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("client_id", Text),
    Column("recipient", Text, nullable=False),
    Column("to_account_id", BigInteger),
    Column("asset", Text, nullable=False),
    Column("amount_e8", BigInteger, nullable=False),
    Column("status", Text, nullable=False, server_default="ACCEPTED"),
    Column("refusal", Text),
    _now("created_at"),
    Column("completed_at", DateTime(timezone=True)),
    UniqueConstraint("account_id", "client_id", name="transfers_client_id_unique"),
    CheckConstraint("amount_e8 > 0", name="transfers_amount_positive"),
    CheckConstraint("status IN ('ACCEPTED', 'COMPLETED', 'RETURNED')", name="transfers_status_known"),
    Index("transfers_by_account", "account_id", "transfer_id"),
    Index("transfers_by_recipient", "to_account_id", "transfer_id"),
)

fee_tiers = Table(
    "fee_tiers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("maker_fee_rate_e8", BigInteger),
    Column("taker_fee_rate_e8", BigInteger),
    CheckConstraint("char_length(name) BETWEEN 1 AND 32", name="fee_tiers_name_bounded"),
)

# Append only: the service itself may neither change nor delete a row.
audit = Table(
    "audit",
    metadata,
    Column("audit_id", BigInteger, Identity(always=True), primary_key=True),
    _now("occurred_at"),
    Column("actor", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("outcome IN ('ASKED', 'DONE', 'REFUSED', 'UNKNOWN', 'DENIED')", name="audit_outcome_known"),
    Index("audit_by_actor", "actor", "audit_id"),
    Index("audit_by_subject", "subject", "audit_id"),
)
