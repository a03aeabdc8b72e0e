"""Held withdrawals, internal transfers, and the standing of accounts."""

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet: its number keeps the history linear while several parts are built side by side."""
